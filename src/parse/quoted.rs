//! The inside of quoted strings, as JSON and logfmt share it.

/// The length of the escape, backslash included, whose backslash stands before `rest`; `None` if JSON has none such.
#[inline]
pub(super) fn escape(rest: &[u8]) -> Option<usize> {
    match rest {
        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Some(2),
        [b'u', a, b, c, d, ..] => [a, b, c, d].into_iter().all(u8::is_ascii_hexdigit).then_some(6),
        _ => None,
    }
}
