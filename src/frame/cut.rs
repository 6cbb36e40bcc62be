//! The marker at the end of a line that was cut.
//!
//! `… the beginning of the line …[cut by tailwater: 1048576 bytes]`: the number is how many bytes of the
//! application's line are not there; it is left out where the line was cut before its end was seen. **Invariant**: room for the marker is taken from the line, so that a cut line
//! is not longer than `max_line`.

const BEFORE: &str = " …[cut by tailwater";
const NUMBER: &str = ": ";
const BEHIND: &str = " bytes";
const END: &str = "]";

/// Stands for a number of bytes that nobody counted: a line so long that it was cut before its end was seen.
pub const UNCOUNTED: u64 = u64::MAX;

/// The shortest `max_line` that leaves room for the longest marker and something before it. Settings refuse less.
pub const SHORTEST_MAX_LINE: usize = 256;

/// How many bytes of text may stand before the marker, where the application's line had `total` bytes.
pub fn room(total: u64, max_line: usize) -> usize {
    // What is cut away is never more than the total, so neither are its digits.
    max_line.saturating_sub(BEFORE.len() + NUMBER.len() + digits(total) + BEHIND.len() + END.len())
}

/// Appends the marker for `missing` bytes; `None` where they were not counted.
pub fn push_marker(text: &mut String, missing: Option<u64>) {
    text.push_str(BEFORE);
    if let Some(missing) = missing {
        text.push_str(NUMBER);
        text.push_str(&missing.to_string());
        text.push_str(BEHIND);
    }
    text.push_str(END);
}

/// Where the marker begins that a text that was cut ends with.
pub fn marker(text: &str) -> usize {
    text.rfind(BEFORE).unwrap_or(text.len())
}

/// `bytes` without the beginning of a UTF-8 sequence that was torn at its end.
pub fn without_torn_end(bytes: &[u8]) -> &[u8] {
    for back in 1..=bytes.len().min(3) {
        let at = bytes.len() - back;
        let needed = match bytes[at] {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        return if needed > back { &bytes[..at] } else { bytes };
    }
    bytes
}

fn digits(number: u64) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_marker_fits_the_shortest_line() {
        let mut text = String::new();
        push_marker(&mut text, Some(u64::MAX));
        assert!(room(u64::MAX, SHORTEST_MAX_LINE) >= 128);
        assert_eq!(room(u64::MAX, text.len()), 0);
        assert_eq!(room(u64::MAX, text.len() + 1), 1);
        assert_eq!(room(0, text.len()), 19);
    }

    #[test]
    fn torn_ends() {
        for text in ["a", "é", "€", "😀"] {
            for len in 1..text.len() {
                let bytes = [b"x", &text.as_bytes()[..len]].concat();
                assert_eq!(without_torn_end(&bytes), b"x", "{text} {len}");
            }
            let bytes = [b"x", text.as_bytes()].concat();
            assert_eq!(without_torn_end(&bytes), bytes);
        }
        for bytes in [&b""[..], b"\x80", b"\x80\x80\x80\x80", b"a\xff"] {
            assert_eq!(without_torn_end(bytes), bytes);
        }
    }
}
