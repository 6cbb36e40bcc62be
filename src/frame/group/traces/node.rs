//! JavaScript: Node.js, Deno, Bun.
//!
//! ```text
//! /app/index.js:3                       only where nobody caught it
//!   throw new Error('words');
//!   ^
//!
//! Error: words
//!     at f (/app/index.js:3:9)
//!     at async main (file:///app/main.mjs:1:1) {
//!   code: 'E_X',
//!   [cause]: TypeError: words
//!       at …
//! }
//!
//! Node.js v20.11.1
//! ```

use super::line::Step::{self, Ends, Goes, May, Message};
use super::line::{Line, behind_digits};

/// Behind the place where it was thrown; the line of source is next.
const PLACE: u8 = 1;
/// Behind the line of source.
const SOURCE: u8 = 2;
/// Behind the mark below it.
const MARKED: u8 = 3;
/// Behind an error that began its line, where the message may go on.
const HEAD: u8 = 4;
/// Behind one that stood within a line.
const WITHIN: u8 = 5;
const FRAMES: u8 = 6;
/// Behind the last line there can be.
const END: u8 = 7;

pub(super) fn first(line: &Line<'_>) -> u8 {
    match () {
        () if line.is_at() && (line.contains(":") || line.contains("(")) => FRAMES,
        () if line.is_indented() => 0,
        () if is_place(line) => PLACE,
        () if line.starts("Uncaught ") && line.error_within().is_some() => HEAD,
        () if line.error_name().is_some() => HEAD,
        () if line.error_within().is_some() => WITHIN,
        () => 0,
    }
}

pub(super) fn next(state: u8, line: &Line<'_>) -> Step {
    match state {
        PLACE if line.is_blank() => Ends,
        PLACE => May(SOURCE),
        SOURCE if is_mark(line) => Goes(MARKED),
        MARKED if line.is_blank() => May(MARKED),
        MARKED => Goes(HEAD),
        HEAD | WITHIN | FRAMES => match () {
            () if line.is_at() => Goes(FRAMES),
            () if line.is_indented() => Goes(state),
            () if line.begins("Node.js v") => Goes(END),
            () if line.begins_any(&["Caused by: ", "caused by: ", "From previous event:"]) => Goes(WITHIN),
            () if state != WITHIN && is_closing(line) => Goes(FRAMES),
            () if state != WITHIN && line.is_blank() => May(state),
            () if state == HEAD => Message(HEAD),
            () => Ends,
        },
        _ => Ends,
    }
}

/// `/app/index.js:3`, `node:internal/modules/cjs/loader:1080`
fn is_place(line: &Line<'_>) -> bool {
    let Some(colon) = line.whole.iter().rposition(|&byte| byte == b':') else { return false };
    if behind_digits(&line.whole[colon + 1..]) != Some(b"") || line.whole.contains(&b' ') {
        return false;
    }
    let before = &line.whole[..colon];
    let has_ending = ["js", "mjs", "cjs", "ts", "mts", "cts", "jsx", "tsx"]
        .iter()
        .any(|ending| before.strip_suffix(ending.as_bytes()).is_some_and(|name| name.ends_with(b".")));
    has_ending || line.starts("node:") || line.starts("internal/")
}

fn is_mark(line: &Line<'_>) -> bool {
    !line.is_blank() && line.text.iter().all(|byte| matches!(byte, b'^' | b'~'))
}

/// `}` behind an error's own keys.
fn is_closing(line: &Line<'_>) -> bool {
    matches!(line.text, [b'}' | b']', ..]) && line.text.len() <= 4
}
