//! Text that may still wear its JSON escapes.
//!
//! A message taken out of a JSON line mostly goes into another JSON line: so it is carried as it stands and
//! copied, and only unescaped where a person or a label wants it plain.

use std::borrow::Cow;

/// A piece of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text<'a> {
    /// Plain text.
    Plain(&'a str),
    /// The inside of a valid JSON string, between its quotes.
    Escaped(&'a str),
    /// A value that has a type: a JSON number, `true`, `false` or `null`. Stands in JSON without quotes.
    Bare(&'a str),
}

impl<'a> Text<'a> {
    /// The plain text; borrowed unless there is an escape to undo. Unpaired surrogates become U+FFFD.
    pub fn plain(self) -> Cow<'a, str> {
        match self {
            Self::Plain(text) | Self::Bare(text) => Cow::Borrowed(text),
            Self::Escaped(text) if !text.contains('\\') => Cow::Borrowed(text),
            Self::Escaped(text) => {
                let mut out = Vec::with_capacity(text.len());
                unescape(text.as_bytes(), &mut out);
                // `unescape` writes only UTF-8 (its input was), so the lossy path is never taken.
                Cow::Owned(String::from_utf8_lossy(&out).into_owned())
            }
        }
    }

    /// Appends the text as the inside of a JSON string, without quotes.
    pub fn write_json(self, out: &mut Vec<u8>) {
        match self {
            Self::Plain(text) => escape(text, out),
            Self::Escaped(text) | Self::Bare(text) => out.extend_from_slice(text.as_bytes()),
        }
    }

    /// Appends the text as a JSON value.
    #[inline]
    pub fn write_value(self, out: &mut Vec<u8>) {
        if let Self::Bare(text) = self {
            return out.extend_from_slice(text.as_bytes());
        }
        out.push(b'"');
        self.write_json(out);
        out.push(b'"');
    }

    /// The text as it is carried.
    #[inline]
    pub fn carried(self) -> &'a str {
        let (Self::Plain(text) | Self::Escaped(text) | Self::Bare(text)) = self;
        text
    }

    /// Whether there is no text.
    pub fn is_empty(self) -> bool {
        self.carried().is_empty()
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `text` with JSON's escapes (RFC 8259, section 7), without quotes.
pub fn escape(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(at) = special(bytes, from) {
        out.extend_from_slice(&bytes[from..at]);
        let byte = bytes[at];
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
        from = at + 1;
    }
    out.extend_from_slice(&bytes[from..]);
}

/// The first place at or behind `at` of a quote, a backslash or a control character: what cannot stand as it is inside
/// a JSON string (RFC 8259, section 7).
#[inline(always)]
pub fn special(bytes: &[u8], at: usize) -> Option<usize> {
    // Eight bytes at a time: log strings are short, and finding the right routine for long ones costs more than
    // reading the short ones does.
    let rest = bytes.get(at..)?;
    let mut at = at;
    let mut words = rest.chunks_exact(8);
    for word in words.by_ref() {
        let found = special_bits(u64::from_le_bytes(word.try_into().unwrap_or_default()));
        if found != 0 {
            return Some(at + (found.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    let last = words.remainder();
    last.iter().position(|&byte| byte < b' ' || byte == b'"' || byte == b'\\').map(|found| at + found)
}

/// The high bit of each byte of `word` that is a quote, a backslash or a control character. The lowest bit set is
/// always right; those above it may not be (a borrow runs upwards).
#[inline(always)]
fn special_bits(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH_BITS: u64 = ONES << 7;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let zero_in = |word: u64| word.wrapping_sub(ONES) & !word;
    let control = word.wrapping_sub(ONES * b' ' as u64) & !word;
    (zero_in(quote) | zero_in(backslash) | control) & HIGH_BITS
}

/// Appends the plain form of the inside of a JSON string. Unpaired surrogates and broken escapes become U+FFFD;
/// other bytes are copied as they are.
pub fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        let Some((&kind, after)) = rest.split_first() else {
            push_char('\u{fffd}', out);
            return;
        };
        rest = after;
        match kind {
            b'"' | b'\\' | b'/' => out.push(kind),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'b' => out.push(0x08),
            b'f' => out.push(0x0c),
            b'u' => rest = unescape_unicode(rest, out),
            _ => push_char('\u{fffd}', out),
        }
    }
    out.extend_from_slice(rest);
}

/// Handles what follows `\u`; gives back what follows the escape (or the pair of escapes).
fn unescape_unicode<'a>(rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let Some(first) = hex4(rest) else {
        push_char('\u{fffd}', out);
        return rest;
    };
    let after = &rest[4..];
    if let Some(single) = char::from_u32(first) {
        push_char(single, out);
        return after;
    }
    let low = (first < 0xdc00)
        .then(|| after.strip_prefix(b"\\u").and_then(hex4))
        .flatten()
        .filter(|low| (0xdc00..0xe000).contains(low));
    match low {
        Some(low) => {
            let pair = 0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00);
            push_char(char::from_u32(pair).unwrap_or('\u{fffd}'), out);
            &after[6..]
        }
        None => {
            push_char('\u{fffd}', out);
            after
        }
    }
}

fn hex4(bytes: &[u8]) -> Option<u32> {
    bytes.get(..4)?.iter().try_fold(0, |sum, &byte| Some(sum * 16 + char::from(byte).to_digit(16)?))
}

fn push_char(c: char, out: &mut Vec<u8>) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Appends a text to be shown on a terminal: what could drive it is made visible, as `\x1b`, `\u{202e}`.
pub fn show(text: &str, out: &mut Vec<u8>) {
    let mut from = 0;
    for (at, c) in text.char_indices().filter(|(_, c)| drives(*c)) {
        out.extend_from_slice(&text.as_bytes()[from..at]);
        from = at + c.len_utf8();
        match c {
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            _ => put_code(c, out),
        }
    }
    out.extend_from_slice(&text.as_bytes()[from..]);
}

/// Whether a character could drive a terminal: control characters of ASCII and of Latin 1, but not the tab; marks and overrides of direction; separators of lines.
pub fn drives(c: char) -> bool {
    matches!(c, '\0'..='\u{8}' | '\n'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn put_code(c: char, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let code = c as u32;
    let (before, digits, behind): (&[u8], u32, &[u8]) = match code {
        0..=0x7f => (b"\\x", 2, b""),
        0x80..=0xff => (b"\\u{", 2, b"}"),
        0x100..=0xfff => (b"\\u{", 3, b"}"),
        _ => (b"\\u{", 4, b"}"),
    };
    out.extend_from_slice(before);
    out.extend((0..digits).rev().map(|place| HEX[(code >> (4 * place) & 15) as usize]));
    out.extend_from_slice(behind);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(escaped: &str, plain: &str) {
        assert_eq!(Text::Escaped(escaped).plain(), plain);
    }

    #[test]
    fn escapes_are_undone() {
        check("plain", "plain");
        check(r#"a\"b\\c\/d\n\r\t\b\f"#, "a\"b\\c/d\n\r\t\u{8}\u{c}");
        check(r"\u00e9\u20ac", "é€");
        check(r"\ud83d\ude00!", "😀!");
        check(r"\ud83d!", "\u{fffd}!");
        check(r"\ud83dA", "\u{fffd}A");
        check(r"\ude00", "\u{fffd}");
        check(r"\u12", "\u{fffd}12");
    }

    #[test]
    fn what_is_escaped_reads_back_with_another_reader() {
        for text in ["", "a\"b\\c\n\r\t\u{0}\u{1f}é😀/", "\u{7f}"] {
            let mut out = vec![b'"'];
            escape(text, &mut out);
            out.push(b'"');
            let back: String = serde_json::from_slice(&out).expect("valid JSON");
            assert_eq!(back, text);
        }
    }

    proptest! {
        #[test]
        fn special_places_as_a_plain_loop_finds_them(
            bytes in proptest::collection::vec(prop_oneof![4 => Just(b'a'), 1 => any::<u8>(), 1 => Just(b' '), 1 => Just(0xa2)], 0..60),
            at in 0_usize..60,
        ) {
            let expected = (at..bytes.len()).find(|&at| bytes[at] < 0x20 || bytes[at] == b'"' || bytes[at] == b'\\');
            prop_assert_eq!(special(&bytes, at), expected);
        }
    }

    proptest! {
        #[test]
        fn escaped_and_back(text in "[ab\"\\\\\u{0}-\u{20}é😀]{0,40}") {
            let mut out = Vec::new();
            escape(&text, &mut out);
            prop_assert!(out.iter().all(|&byte| byte >= b' '));
            prop_assert_eq!(Text::Escaped(std::str::from_utf8(&out).expect("text")).plain(), text);
        }
    }
}
