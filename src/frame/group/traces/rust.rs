//! Rust.
//!
//! ```text
//! thread 'main' (4711) panicked at src/main.rs:2:5:
//! words
//! stack backtrace:
//!    0: rust_begin_unwind
//!              at /rustc/17067e9ac6d/library/std/src/panicking.rs:697:5
//! note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.
//! ```
//! `main` that gives an error writes `Error: words`, a blank line, `Caused by:` and perhaps `Stack backtrace:`.

use super::line::Step::{self, Ends, Goes, May, Message};
use super::line::{Line, behind_digits};

/// Behind a panic's first line without its words: they are next.
const PANIC: u8 = 1;
/// Behind the words, which may go on.
const WORDS: u8 = 2;
/// Behind an error's first line.
const ERROR: u8 = 3;
/// In causes or places.
const CAUSES: u8 = 4;
const FRAMES: u8 = 5;
/// Behind the last line there can be.
const END: u8 = 6;

pub(super) fn first(line: &Line<'_>) -> u8 {
    match () {
        () if line.starts("thread '") && line.contains(" panicked at ") => {
            if line.ends(":") {
                PANIC
            } else {
                WORDS
            }
        }
        () if line.starts("Error: ") || line.whole == b"Error:" => ERROR,
        () if is_frame(line) => FRAMES,
        () => 0,
    }
}

pub(super) fn next(state: u8, line: &Line<'_>) -> Step {
    match state {
        END => Ends,
        _ if line.begins("stack backtrace:") || line.begins("Stack backtrace:") => Goes(FRAMES),
        PANIC => Goes(WORDS),
        WORDS if line.begins("note: ") => Goes(END),
        WORDS if line.is_blank() => May(WORDS),
        WORDS => Message(WORDS),
        ERROR | CAUSES if line.begins_any(&["Caused by:", "Location:"]) => Goes(CAUSES),
        ERROR | CAUSES if line.is_blank() => May(state),
        ERROR | CAUSES if line.is_indented() => Goes(state),
        ERROR => Message(ERROR),
        FRAMES if line.begins("note: ") => Goes(END),
        FRAMES if is_frame(line) || line.is_at() => Goes(FRAMES),
        _ => Ends,
    }
}

/// `   0: std::panicking::begin_panic`
fn is_frame(line: &Line<'_>) -> bool {
    line.is_indented() && behind_digits(line.text).is_some_and(|rest| rest.starts_with(b": "))
}
