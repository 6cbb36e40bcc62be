//! Whether a text may hold anything that the presets stand for: pairs of bytes first, since single ones are everywhere.
//!
//! ```text
//! byte ─▶ table ─▶ bits it may begin a pair with (low half), bits it may end one with (high half)
//! a pair whose two bytes share a bit is looked at closer; a step of seven over digits finds runs of fourteen
//! ```
//!
//! **Invariant**: wherever `scan` finds something, [`Glance::may_have`] says yes (a property test holds it); it may say yes
//! where nothing is found. What it looks at are letters, digits and signs that JSON escapes only as `\u…`.

use super::address::{self, Colons};
use super::keys;
use super::numbers;
use super::presets::Presets;
use super::tokens;

const DIGITS: &[u8] = b"0123456789";
const HEX: &[u8] = b"0123456789abcdefABCDEF";
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// The pairs: which presets need them, the first bytes and the second. Those that occur in every line are not here alone:
/// each is followed by a closer look in [`Glance::look`], in this order.
const PAIRS: &[(Presets, &[u8], &[u8])] = &[
    (Presets::EMAIL, b"", b"@"),
    (Presets::IPV4, DIGITS, b"."),
    (Presets::IPV6, b"0123456789abcdefABCDEF:", b":"),
    (Presets::PHONE, b"+(", b"123456789"),
    (Presets::PHONE, b"lL", b":"),
    (Presets::JWT, b"y", b"J"),
    (Presets::AWS, b"kK", b"eE"),
    (Presets::AWS, b"A", b"KSBC"),
    (Presets::GCP, b"A", b"I"),
    (Presets::GCP, b"a", b"2"),
    (Presets::GCP, b"G", b"O"),
    (Presets::GITHUB, b"oprsub", b"_"),
    (Presets::SLACK, b"x", b"oa"),
    (Presets::SLACK, b"k", b"."),
    (Presets::KEY, b"-", b"B"),
    (Presets::BEARER, b"bB", b"eEaA"),
    (Presets::BEARER, b"zZ", b"aA"),
    (Presets::IBAN, UPPER, DIGITS),
    (Presets::CARD, DIGITS, b" -"),
];

/// How far an address goes at most, and more than that.
const ADDRESS_MAX: usize = 64;

/// The tables of the pairs.
#[derive(Clone, Debug)]
pub(super) struct Glance {
    on: Presets,
    /// For each byte the bits of [`PAIRS`] that it may begin (low half) and end (high half).
    table: Box<[u64; 256]>,
}

impl Glance {
    pub(super) fn new(on: Presets) -> Self {
        let mut table = Box::new([0; 256]);
        for (bit, (_, firsts, seconds)) in PAIRS.iter().enumerate().filter(|(_, (preset, ..))| on.has(*preset)) {
            for byte in 0..=u8::MAX {
                // An address begins with any letter; what is not ASCII may be one.
                let begins = if firsts.is_empty() { super::hit::is_word(byte) } else { firsts.contains(&byte) };
                let begins = begins || firsts.is_empty() && b".%+-".contains(&byte);
                table[usize::from(byte)] |= u64::from(begins) << bit | u64::from(seconds.contains(&byte)) << (32 + bit);
            }
        }
        Self { on, table }
    }

    /// Whether `text` may hold something.
    #[inline]
    pub(super) fn may_have(&self, text: &[u8]) -> bool {
        if self.on.has(Presets::KEY) && keys::may_have(text) || self.on.has(Presets::CARD) && has_card(text) {
            return true;
        }
        let mut before = 0;
        for (at, byte) in text.iter().enumerate() {
            let bits = self.table[usize::from(*byte)];
            let pair = before & (bits >> 32);
            if pair != 0 && look(text, at - 1, pair) {
                return true;
            }
            before = bits & 0xffff_ffff;
        }
        false
    }
}

/// Whether one of the pairs of `bits`, which is at `at`, may be of something.
fn look(text: &[u8], at: usize, mut bits: u64) -> bool {
    while bits != 0 {
        let bit = bits.trailing_zeros();
        bits &= bits - 1;
        let next = |more: usize| text.get(at + more).copied().unwrap_or_default();
        let ends = |place: usize, word: &[u8]| super::hit::ends_with(text, place, word);
        let begins = |place: usize, word: &[u8]| super::hit::begins_with(text, place, word);
        let found = match bit {
            0 => super::hit::is_word(next(2)),
            1 => has_four_numbers(text, at + 1),
            2 => has_groups(text, if text[at] == b':' { at } else { at + 1 }),
            3 if text[at] == b'+' => numbers::phone(text, at).is_some(),
            3 => numbers::area_phone(text, at).is_some(),
            4 => numbers::tel(text, at + 1).is_some(),
            5 => at > 0 && text[at - 1] == b'e',
            6 => tokens::aws_name(text, at).is_some(),
            7 => matches!(
                text[at..],
                [b'A', b'K' | b'S', b'I', b'A', ..] | [b'A', b'B', b'I', b'A', ..] | [b'A', b'C', b'C', b'A', ..]
            ),
            8 => begins(at, b"AIza"),
            9 => at > 0 && begins(at - 1, b"ya29."),
            10 => begins(at, b"GOCSPX-"),
            11 => ends(at, b"gh") || ends(at + 1, b"github"),
            12 => begins(at, b"xox") || begins(at, b"xapp-"),
            13 => begins(at, b"k.com/services/"),
            14 => begins(at, b"-BEGIN "),
            15 => {
                (begins(at, b"bearer") || begins(at, b"basic"))
                    && text[at + 5..].iter().take(2).any(|byte| matches!(byte, b' ' | b'\t'))
            }
            16 => ends(at, b"authori"),
            17 => {
                at > 0
                    && text[at - 1].is_ascii_uppercase()
                    && next(2).is_ascii_digit()
                    && numbers::iban(text, at + 1).is_some()
            }
            _ => {
                let group = at.checked_sub(3).and_then(|from| text.get(from..=at));
                let is_group = group.is_some_and(|group| group.iter().all(u8::is_ascii_digit));
                is_group && (2..6).all(|more| next(more).is_ascii_digit()) && numbers::card(text, at - 3).is_some()
            }
        };
        if found {
            return true;
        }
    }
    false
}

/// Whether three more numbers with dots before them begin at the dot at `at`.
fn has_four_numbers(text: &[u8], at: usize) -> bool {
    let mut place = at;
    for part in 0..3 {
        let digits = text.iter().skip(place + 1).take(4).take_while(|byte| byte.is_ascii_digit()).count();
        if text.get(place) != Some(&b'.') || digits == 0 || part < 2 && digits > 3 {
            return false;
        }
        place += 1 + digits;
    }
    true
}

/// Whether an IPv6 address may have its first colon at `at`.
fn has_groups(text: &[u8], at: usize) -> bool {
    let gap = text.get(at + 1) == Some(&b':') && (at == 0 || text[at - 1] != b':');
    let is_hex = |byte: Option<&u8>| byte.is_some_and(|byte| HEX.contains(byte));
    if !gap && !is_hex(text.get(at + 1)) {
        return false;
    }
    let near = &text[..text.len().min(at + ADDRESS_MAX)];
    matches!(address::ipv6(near, at, 0), Colons::Address(..)) || near.len() < text.len() && gap
}

/// Whether there are fourteen digits in a row that are a card's.
fn has_card(text: &[u8]) -> bool {
    // Seven in a row at a multiple of seven are in every thirteen.
    let mut at = 0;
    while let Some(seven) = text.get(at..at + 7) {
        if seven[0].is_ascii_digit() && seven[6].is_ascii_digit() && seven.iter().all(u8::is_ascii_digit) {
            let before = text[..at].iter().rev().take(20).take_while(|byte| byte.is_ascii_digit()).count();
            if before < 20 && numbers::card(text, at - before).is_some() {
                return true;
            }
        }
        at += 7;
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::transform::redact::scan::Scanner;

    fn check(text: &str) {
        let found = Scanner::new(Presets::ALL).is_match(text.as_bytes());
        assert!(!found || Glance::new(Presets::ALL).may_have(text.as_bytes()), "{text}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

        #[test]
        fn what_is_found_is_glanced_at(
            before in "[ a-z0-9:.@=+\\\\-]{0,9}",
            part in prop_oneof![
                "[a-zé.+]{1,5}@[a-z.é]{1,9}", "[0-9.]{6,16}", "[0-9a-f:.]{2,40}", "4[0-9 -]{15,18}", "(4111[ -]1111[ -]1111[ -]1111|378282246310005|3782 822463 10005)",
                "\\+[1-9][0-9 ()./-]{6,16}", "tel: ?[0-9 ]{6,12}", "\\([2-9][0-9]{2}\\) ?[0-9]{3}[-. ][0-9]{4}",
                "ey[JK][A-Za-z0-9._-]{10,80}", "A(KIA|SIA|BIA|CCA)[A-Z0-9]{15,17}", "(?i:aws_secret_access_key|session[-_]?token) ?[=:] ?\"?[a-zA-Z0-9/+]{40}",
                "(AIza[a-z0-9_-]{35}|ya29\\.[a-z0-9._-]{20,30}|GOCSPX-[a-z0-9_-]{28})", "(gh[oprsux]_|github_pat_)[a-zA-Z0-9_]{20,40}",
                "(xox[a-z]-|xapp-|xoxe\\.xoxp-)[a-z0-9-]{8,30}", "hooks\\.slack\\.com/services/[A-Z0-9/]{20,30}", "-----BEGIN (RSA |)PRIVATE KEY-----x",
                "(?i:bearer|authorization: basic)[ \t]{1,2}[a-z0-9./+=-]{6,30}", "\"(?i:authorization)\": ?\"[a-z ]{1,9}\"", "[A-Za-z0-9+/]{64}", "(DE89 ?3704 ?0044 ?0532 ?0130 ?00|NO9386011117947)",
            ],
            behind in "[ a-z0-9:.@]{0,9}",
        ) {
            check(&format!("{before}{part}{behind}"));
            check(&part);
        }
    }
}
