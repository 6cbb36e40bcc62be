//! .NET.
//!
//! ```text
//! Unhandled exception. System.InvalidOperationException: words
//!  ---> System.IO.IOException: words
//!    at A.B.C() in /src/P.cs:line 3
//!    --- End of inner exception stack trace ---
//!    at …
//! ```
//! Each of several inner exceptions ends with `<---` and an empty line; what a stack overflow repeats stands between dashes. The console
//! logger writes a head and the message below it: `info: Category[0]`, then lines that are six blanks in.

use super::line::Step::{self, Ends, Goes, May, Message};
use super::line::{Line, behind_digits, is_qualified};

const HEAD: u8 = 1;
const WITHIN: u8 = 2;
const FRAMES: u8 = 3;
/// Behind the console logger's head.
const CONSOLE: u8 = 4;
/// Behind the end of one of several inner exceptions.
const INNER: u8 = 5;

pub(super) fn first(line: &Line<'_>) -> u8 {
    if line.is_indented() {
        let is_frame = (line.is_at() && line.contains("(")) || line.begins_any(&["---> ", "--- End of "]);
        return if is_frame { FRAMES } else { 0 };
    }
    if is_console(line) {
        return CONSOLE;
    }
    let is_head = line.begins_any(&["Unhandled exception. ", "Unhandled Exception: ", "Process terminated. "])
        || line.text == b"Stack overflow."
        || line.error_name().is_some_and(|length| is_qualified(&line.whole[..length]));
    if is_head {
        return HEAD;
    }
    let is_within = line.error_within().is_some_and(|(start, end)| is_qualified(&line.whole[start..end]));
    if is_within { WITHIN } else { 0 }
}

pub(super) fn next(state: u8, line: &Line<'_>) -> Step {
    if state == CONSOLE {
        return if line.starts("      ") && !line.is_blank() { Goes(CONSOLE) } else { Ends };
    }
    match () {
        () if line.ends("<---") && (line.is_at() || line.text == b"<---") => Goes(INNER),
        () if line.is_at() || line.begins("--- End of ") => Goes(FRAMES),
        () if line.is_blank() && state == INNER => Goes(FRAMES),
        () if line.begins("---> ") => Goes(HEAD),
        () if state == FRAMES && is_dashes(line) => Goes(FRAMES),
        () if line.is_indented() && !matches!(state, FRAMES | INNER) => Goes(state),
        () if line.is_blank() && state != WITHIN => May(state),
        () if state == HEAD => Message(HEAD),
        () => Ends,
    }
}

/// Before and behind what a stack overflow repeats.
fn is_dashes(line: &Line<'_>) -> bool {
    line.text.len() >= 32 && line.text.iter().all(|&byte| byte == b'-')
}

/// `info: Microsoft.Hosting.Lifetime[14]`
fn is_console(line: &Line<'_>) -> bool {
    let is_level = ["trce: ", "dbug: ", "info: ", "warn: ", "fail: ", "crit: "].iter().any(|level| line.starts(level));
    let number = line.text.iter().rposition(|&byte| byte == b'[').map(|at| &line.text[at + 1..]);
    is_level && number.and_then(behind_digits) == Some(b"]")
}
