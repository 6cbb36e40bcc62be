//! What is written for zones: their names and their distances from UTC.
//!
//! **Invariant**: a name that means several zones has none of their distances but that of RFC 2822.

pub(super) fn begins_word(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_alphanumeric)
}

/// Of `+0100` and `-01:00`: seconds, and how many bytes.
pub(super) fn signed_zone(text: &[u8], short: bool) -> Option<(i64, usize)> {
    let (sign @ (b'+' | b'-'), digits) = text.split_first()? else { return None };
    let (offset, length) = numeric_zone(digits, short)?;
    Some((if *sign == b'-' { -offset } else { offset }, length + 1))
}

/// Of `0100`, `01:00` and, where `short` is allowed, `01`: seconds, and how many bytes.
fn numeric_zone(text: &[u8], short: bool) -> Option<(i64, usize)> {
    let two = |at: usize| match text.get(at..at + 2) {
        Some([a @ b'0'..=b'9', b @ b'0'..=b'9']) => Some(i64::from(a - b'0') * 10 + i64::from(b - b'0')),
        _ => None,
    };
    let hours = two(0)?;
    let (minutes, length) = match text.get(2) {
        Some(b':') => (two(3)?, 5),
        Some(b'0'..=b'9') => (two(2)?, 4),
        _ if short => (0, 2),
        _ => return None,
    };
    let ends = !text.get(length).is_some_and(u8::is_ascii_alphanumeric);
    (ends && hours <= 14 && minutes < 60).then_some((hours * 3600 + minutes * 60, length))
}

/// Seconds east of UTC of a zone's name: those of RFC 2822 (section 4.3), and those that mean one thing only.
pub(super) fn named_zone(name: &[u8]) -> Option<i64> {
    let hours = match name {
        b"UTC" | b"GMT" | b"WET" => 0,
        b"CET" | b"WEST" => 1,
        b"CEST" | b"EET" => 2,
        b"EEST" | b"MSK" => 3,
        b"JST" => 9,
        b"EDT" => -4,
        b"EST" | b"CDT" => -5,
        b"CST" | b"MDT" => -6,
        b"MST" | b"PDT" => -7,
        b"PST" => -8,
        _ => return None,
    };
    Some(hours * 3600)
}
