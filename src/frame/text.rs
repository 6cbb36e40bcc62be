//! A body's bytes → text: valid UTF-8 of at most `max_line` bytes.
//!
//! **Invariant**: the text depends on the body's bytes, on how many more bytes its line had, and on `max_line`
//! alone. Invalid UTF-8 becomes U+FFFD as [`String::from_utf8_lossy`] does it; that can make a body three times as
//! long, so the bound is on the text and not on the bytes.

use super::cut;

/// Lines are found to be UTF-8 so many bytes at once: well within the cache, and not many that one byte spoils it for.
const TOGETHER: usize = 16 << 10;

/// Bytes that were found to be UTF-8 together, which is cheaper than line by line. Lines and the bodies in them end where
/// characters do, at ASCII, so their texts are parts of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'k>(&'k str);

impl<'k> Known<'k> {
    /// The first lines of `bytes`, or nothing if one of their bytes is not UTF-8; and how many bytes were looked at.
    pub fn ahead(bytes: &'k [u8]) -> (Self, usize) {
        let some = &bytes[..bytes.len().min(TOGETHER)];
        let length = memchr::memrchr(b'\n', some).map_or(some.len(), |at| at + 1);
        (Self(simdutf8::basic::from_utf8(&some[..length]).unwrap_or_default()), length)
    }

    /// The text of `part`, if that is a part of these very bytes in memory, and not a copy.
    #[inline]
    fn text(self, part: &[u8]) -> Option<&'k str> {
        let start = part.as_ptr().addr().checked_sub(self.0.as_ptr().addr())?;
        self.0.get(start..start.checked_add(part.len())?)
    }
}

/// The text of `body`, and whether it was cut.
///
/// `lost` is how many bytes the application's line had behind `body` that are not there any more (they were never
/// read into memory, or the joiner let go of them). A text that would be longer than `max_line` is cut, and ends with
/// the marker of [`cut`]. Borrowed from `body` in the usual case, else from `scratch`. What is `known` is not checked again.
#[inline]
pub fn text<'a>(
    body: &'a [u8],
    known: Known<'a>,
    lost: u64,
    max_line: usize,
    scratch: &'a mut String,
) -> (&'a str, bool) {
    if lost == 0
        && body.len() <= max_line
        && let Some(text) = known.text(body).or_else(|| simdutf8::basic::from_utf8(body).ok())
    {
        return (text, false);
    }
    let was_cut = text_slow(body, lost, max_line, scratch);
    (scratch, was_cut)
}

fn text_slow(body: &[u8], lost: u64, max_line: usize, scratch: &mut String) -> bool {
    scratch.clear();
    if lost == 0 && push_lossy(body, max_line, scratch) == body.len() {
        return false;
    }
    scratch.clear();
    let total = (body.len() as u64).saturating_add(lost);
    // A sequence that was torn by the loss is not invalid UTF-8, it is lost as well.
    let body = if lost == 0 { body } else { cut::without_torn_end(body) };
    let shown = push_lossy(body, cut::room(total, max_line), scratch);
    cut::push_marker(scratch, (lost != cut::UNCOUNTED).then(|| total - shown as u64));
    true
}

/// Appends as much of `body` as fits into `room` bytes of text, whole characters; gives how many bytes of `body`
/// that was.
fn push_lossy(body: &[u8], room: usize, out: &mut String) -> usize {
    let mut shown = 0;
    for chunk in body.utf8_chunks() {
        let valid = chunk.valid();
        let left = room - out.len();
        if valid.len() > left {
            let fitting = (0..=left).rev().find(|&len| valid.is_char_boundary(len)).unwrap_or(0);
            out.push_str(&valid[..fitting]);
            return shown + fitting;
        }
        out.push_str(valid);
        shown += valid.len();
        if !chunk.invalid().is_empty() {
            if room - out.len() < '\u{fffd}'.len_utf8() {
                return shown;
            }
            out.push('\u{fffd}');
            shown += chunk.invalid().len();
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(body: &[u8], lost: u64, max_line: usize, expected: &str) {
        let mut scratch = "what was there before".to_owned();
        let (found, was_cut) = text(body, Known::default(), lost, max_line, &mut scratch);
        assert_eq!(found, expected);
        assert_eq!(was_cut, expected.ends_with("bytes]"));
    }

    #[test]
    fn texts() {
        check(b"", 0, 50, "");
        check("hé €".as_bytes(), 0, 50, "hé €");
        check(b"a\xffb\xe2\x82", 0, 50, "a\u{fffd}b\u{fffd}");
        check(b"a\0b\r", 0, 50, "a\0b\r");
        check(&b"x".repeat(50), 0, 50, &"x".repeat(50));
    }

    #[test]
    fn long_lines_end_with_a_marker() {
        check(&b"x".repeat(51), 0, 50, &format!("{} …[cut by tailwater: 33 bytes]", "x".repeat(18)));
        check(&b"x".repeat(50), 1000, 50, &format!("{} …[cut by tailwater: 1034 bytes]", "x".repeat(16)));
        check(b"short", 7, 50, "short …[cut by tailwater: 7 bytes]");
        check("ééééé€".as_bytes(), 100, 41, "éééé …[cut by tailwater: 105 bytes]");
        check(b"abc\xe2\x82", 100, 50, "abc …[cut by tailwater: 102 bytes]");
        // 17 invalid bytes would be 51 bytes of text.
        check(&b"\xff".repeat(17), 0, 50, &format!("{} …[cut by tailwater: 11 bytes]", "\u{fffd}".repeat(6)));
    }

    #[test]
    fn what_is_known_is_what_stands_there() {
        let read = "a é\nb\nc".as_bytes();
        let (known, length) = Known::ahead(read);
        assert_eq!(length, read.len() - 1, "what has no end is left");
        assert_eq!(known.text(&read[2..4]), Some("é"));
        assert_eq!(known.text(&read[..length]), Some("a é\nb\n"));
        assert_eq!(known.text(read), None, "beyond it");
        assert_eq!(known.text(&read[2..3]), None, "half a character");
        assert_eq!(known.text(b"b"), None, "a copy");
        let (known, length) = Known::ahead(b"a\xff\nb\n");
        assert_eq!((known.0, length), ("", 5), "not UTF-8");
        assert_eq!(Known::ahead("é".repeat(TOGETHER).as_bytes()).1, TOGETHER);
    }

    proptest! {
        #[test]
        fn known_or_not_a_line_is_the_same_text(
            read in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'a'), Just(0xc3), Just(0xa9)], 0..40),
        ) {
            let (known, _) = Known::ahead(&read);
            for line in read.split(|&byte| byte == b'\n') {
                let (mut one, mut other) = (String::new(), String::new());
                prop_assert_eq!(text(line, known, 0, 400, &mut one), text(line, Known::default(), 0, 400, &mut other));
            }
        }

        #[test]
        fn bounded_and_as_the_library_does_it(
            body in proptest::collection::vec(prop_oneof![Just(b'a'), Just(0xc3), Just(0xa9), Just(0xe2), any::<u8>()], 0..300),
            lost in prop_oneof![Just(0_u64), any::<u32>().prop_map(u64::from)],
            max_line in 64_usize..400,
        ) {
            let mut scratch = String::new();
            let (found, was_cut) = text(&body, Known::default(), lost, max_line, &mut scratch);
            prop_assert!(found.len() <= max_line);
            let whole = String::from_utf8_lossy(&body);
            prop_assert_eq!(was_cut, lost > 0 || whole.len() > max_line);
            match found.rsplit_once(" …[cut by") {
                Some((shown, _)) if was_cut => prop_assert!(whole.starts_with(shown)),
                _ => prop_assert_eq!(found, whole),
            }
        }
    }
}
