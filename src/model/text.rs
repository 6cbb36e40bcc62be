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
}

impl<'a> Text<'a> {
    /// The plain text; borrowed unless there is an escape to undo. Unpaired surrogates become U+FFFD.
    pub fn plain(self) -> Cow<'a, str> {
        match self {
            Self::Plain(text) => Cow::Borrowed(text),
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
            Self::Escaped(text) => out.extend_from_slice(text.as_bytes()),
        }
    }

    /// Whether there is no text.
    pub fn is_empty(self) -> bool {
        match self {
            Self::Plain(text) | Self::Escaped(text) => text.is_empty(),
        }
    }
}

/// Which bytes must be escaped inside a JSON string: the quote, the backslash and what is below a space.
const MUST_ESCAPE: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table
};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `text` with JSON's escapes (RFC 8259, section 7), without quotes.
pub fn escape(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(found) = bytes[from..].iter().position(|&byte| MUST_ESCAPE[byte as usize]) {
        let at = from + found;
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

#[cfg(test)]
mod tests {
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
}
