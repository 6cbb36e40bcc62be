//! The names of months and days: English ones, and months as Java and others write them in a few other languages.
//!
//! **Invariant**: a name counts whole or as its usual beginning, in any case of its letters; nothing is guessed from less.

use super::Cursor;

impl Cursor<'_> {
    /// A month's name, short or whole.
    pub(super) fn month(&mut self) -> Option<u32> {
        const NAMES: [&[u8]; 12] = [
            b"january",
            b"february",
            b"march",
            b"april",
            b"may",
            b"june",
            b"july",
            b"august",
            b"september",
            b"october",
            b"november",
            b"december",
        ];
        self.name(&NAMES).map(|index| index + 1)
    }

    pub(super) fn weekday(&mut self) -> Option<u32> {
        const NAMES: [&[u8]; 7] = [b"monday", b"tuesday", b"wednesday", b"thursday", b"friday", b"saturday", b"sunday"];
        self.name(&NAMES)
    }

    fn name(&mut self, names: &[&[u8]]) -> Option<u32> {
        let length = self.rest().iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let word = &self.rest()[..length];
        let is = |name: &&[u8]| {
            (length == 3 || length == name.len() || length == 4 && name.starts_with(b"sept"))
                && name.len() >= length
                && word.eq_ignore_ascii_case(&name[..length])
        };
        let index = names.iter().position(is)?;
        self.at += length;
        u32::try_from(index).ok()
    }

    /// A month's name in another language, before a digit or between signs: `23 okt. 2026`, `déc. 23, 2026`.
    pub(super) fn foreign_month(&mut self) -> Option<u32> {
        const NAMES: [(&str, u32); 26] = [
            ("janv", 1),
            ("ene", 1),
            ("gen", 1),
            ("févr", 2),
            ("fev", 2),
            ("mär", 3),
            ("märz", 3),
            ("mrz", 3),
            ("mars", 3),
            ("mrt", 3),
            ("avr", 4),
            ("abr", 4),
            ("mai", 5),
            ("mei", 5),
            ("maj", 5),
            ("juin", 6),
            ("giu", 6),
            ("juil", 7),
            ("lug", 7),
            ("août", 8),
            ("ago", 8),
            ("okt", 10),
            ("ott", 10),
            ("déc", 12),
            ("dez", 12),
            ("dic", 12),
        ];
        let rest = self.rest();
        let length = rest.iter().take(6).take_while(|byte| byte.is_ascii_alphabetic() || !byte.is_ascii()).count();
        let behind = rest.get(length..)?;
        let behind = behind.strip_prefix(b".").unwrap_or(behind);
        if length < 3 || !matches!(behind, [b' ' | b'-' | b'/', b'0'..=b'9', ..]) {
            return None;
        }
        let word = &rest[..length];
        let (_, month) = NAMES.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word))?;
        self.at += length;
        Some(*month)
    }
}
