//! PHP.
//!
//! ```text
//! PHP Fatal error:  Uncaught RuntimeException: words in /app/x.php:3
//! Stack trace:
//! #0 /app/x.php(9): f()
//! #1 {main}
//!
//! Next LogicException: words in /app/x.php:5
//! Stack trace:
//! #0 {main}
//!   thrown in /app/x.php on line 5
//! ```
//! A program that prints an exception itself has the same without `PHP Fatal error:  Uncaught` and `thrown in`. A time in brackets or `NOTICE: PHP message: ` may stand before. Monolog writes `[object] (RuntimeException(code: 0): …`, then
//! `[stacktrace]` and the frames, and `"}` at the end.

use super::line::Step::{self, Ends, Goes, May, Message};
use super::line::{Line, behind_digits, errors};

/// Behind the words, where they may go on.
const HEAD: u8 = 1;
/// Behind `Stack trace:`.
const FRAMES: u8 = 2;
/// Behind the last line there can be.
const END: u8 = 3;
/// Behind an exception's own line, as a program prints it.
const THROWN: u8 = 4;

pub(super) fn first(line: &Line<'_>) -> u8 {
    let text = said(line);
    match () {
        () if line.is_indented() => 0,
        () if text.starts_with(b"PHP ") && text.iter().take(32).any(|&byte| byte == b':') => HEAD,
        () if text.starts_with(b"Fatal error: ") => HEAD,
        () if line.contains("[object] (") && line.contains("Exception(code: ") => HEAD,
        () if line.contains("[object] (") && line.contains("Error(code: ") => HEAD,
        () if is_frame(line) && line.contains("(") => FRAMES,
        () if is_thrown(line) => THROWN,
        () => 0,
    }
}

pub(super) fn next(state: u8, line: &Line<'_>) -> Step {
    let text = said(line);
    match state {
        END => Ends,
        _ if text.starts_with(b"Stack trace:") || text.starts_with(b"PHP Stack trace:") => Goes(FRAMES),
        _ if line.begins_any(&["[stacktrace]", "[previous exception]"]) || is_frame(line) => Goes(FRAMES),
        _ if text.strip_prefix(b"PHP ").map(<[u8]>::trim_ascii_start).and_then(behind_digits).is_some() => Goes(FRAMES),
        // Whatever else follows, it was a line that only names one.
        THROWN => Ends,
        FRAMES if line.begins("Next ") => Goes(HEAD),
        FRAMES if line.begins("thrown in ") || line.begins("\"}") => Goes(END),
        FRAMES if line.is_blank() => May(FRAMES),
        FRAMES => Ends,
        // The next error is not this one's message.
        _ if text.starts_with(b"PHP ") => Ends,
        _ if line.is_blank() => May(state),
        _ => Message(state),
    }
}

/// The line behind what a web server's manager or the error log writes before it.
fn said<'l>(line: &Line<'l>) -> &'l [u8] {
    let text = line.whole.strip_prefix(b"NOTICE: PHP message: ").unwrap_or(line.whole);
    match text.first() {
        Some(b'[') => {
            let end = memchr::memmem::find(&text[..text.len().min(64)], b"] PHP ");
            end.map_or(text, |end| &text[end + 2..])
        }
        _ => text,
    }
}

/// `RuntimeException: words in /app/x.php:3`
fn is_thrown(line: &Line<'_>) -> bool {
    let digits = line.whole.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let place = &line.whole[..line.whole.len() - digits];
    digits > 0 && place.ends_with(b".php:") && errors(line.whole).next().is_some()
}

/// `#0 /app/x.php(9): f()`, `#1 {main}`
fn is_frame(line: &Line<'_>) -> bool {
    line.whole.strip_prefix(b"#").and_then(behind_digits).is_some_and(|rest| rest.starts_with(b" "))
}
