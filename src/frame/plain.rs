//! A bare line: no time, no stream, no pieces. The line is the body.

use crate::model::event::Entry;

/// The whole line, without a final CR. (Also where the file's last line has a CR and no LF: whether a LF follows
/// may depend on when one looks, and what a line becomes may not.)
pub fn entry(line: &[u8]) -> Entry<'_> {
    let body = line.strip_suffix(b"\r").unwrap_or(line);
    Entry { time: None, stream: None, partial: false, body, flaw: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cr_is_removed_and_nothing_else() {
        for (line, body) in [("", ""), ("a ", "a "), ("a\r", "a"), ("a\r\r", "a\r"), ("\r", ""), ("\ra", "\ra")] {
            assert_eq!(entry(line.as_bytes()).body, body.as_bytes(), "{line:?}");
        }
    }
}
