//! Python.
//!
//! ```text
//! Traceback (most recent call last):
//!   File "/app/main.py", line 3, in f
//!     g()
//!     ~^^
//! ValueError: words
//!
//! During handling of the above exception, another exception occurred:
//!
//! Traceback (most recent call last):
//!   + Exception Group Traceback (most recent call last):
//!   | ExceptionGroup: words (2 sub-exceptions)
//!   +-+---------------- 1 ----------------
//! ```

use super::line::Line;
use super::line::Step::{self, Ends, Goes, May};

/// Behind a line that stands before a traceback.
const BEFORE: u8 = 1;
/// In a traceback.
const FRAMES: u8 = 2;
/// Behind the exception's line.
const END: u8 = 3;
/// Behind `During handling of …`.
const CHAINED: u8 = 4;
/// In what is written where the interpreter itself ends.
const DUMP: u8 = 5;

pub(super) fn first(line: &Line<'_>) -> u8 {
    let before = [
        "Exception in callback ",
        "Exception in thread ",
        "Exception ignored in",
        "Unclosed ",
        "Fatal Python error: ",
        "Process ",
    ];
    match () {
        () if is_header(line) => of_header(line),
        () if line.is_indented() => {
            if is_place(line) {
                FRAMES
            } else {
                0
            }
        }
        () if line.begins("Process ") && !line.ends(":") => 0,
        () if before.iter().any(|before| line.starts(before)) => BEFORE,
        () if line.ends("RemoteTraceback:") || line.ends(" was never retrieved") => BEFORE,
        () if line.ends("Task was destroyed but it is pending!") => BEFORE,
        () => 0,
    }
}

pub(super) fn next(state: u8, line: &Line<'_>) -> Step {
    let details =
        ["future: ", "handle: ", "task: ", "client_session: ", "connector: ", "connections: ", "source_traceback: "];
    match state {
        // One behind another begins anew.
        _ if is_header(line) => {
            if state == END {
                Ends
            } else {
                Goes(of_header(line))
            }
        }
        BEFORE if line.is_blank() => May(BEFORE),
        BEFORE if line.text == b"\"\"\"" || details.iter().any(|detail| line.starts(detail)) => Goes(BEFORE),
        BEFORE if line.is_indented() && is_place(line) => Goes(FRAMES),
        FRAMES if line.is_blank() => May(FRAMES),
        FRAMES if is_end_of_group(line) => Goes(END),
        FRAMES if line.is_indented() => Goes(FRAMES),
        FRAMES if is_exception(line) => Goes(END),
        END if line.is_blank() => May(END),
        END if line.text == b"\"\"\"" || line.is_indented() => Goes(END),
        END if line.begins("During handling of the above exception") => Goes(CHAINED),
        END if line.begins("The above exception was the direct cause") => Goes(CHAINED),
        CHAINED if line.is_blank() => May(CHAINED),
        DUMP if line.is_blank() => May(DUMP),
        DUMP if line.is_indented() || line.begins("Extension modules: ") => Goes(DUMP),
        _ => Ends,
    }
}

fn is_header(line: &Line<'_>) -> bool {
    line.ends("(most recent call last):") || line.ends("(most recent call first):")
}

fn of_header(line: &Line<'_>) -> u8 {
    if line.ends("first):") { DUMP } else { FRAMES }
}

fn is_place(line: &Line<'_>) -> bool {
    line.begins("File \"") && line.contains("\", line ")
}

/// `ValueError: words`, `KeyboardInterrupt`, `json.decoder.JSONDecodeError: words`
fn is_exception(line: &Line<'_>) -> bool {
    let name =
        line.whole.iter().take_while(|&&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.')).count();
    let begins = line.whole.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
    begins && matches!(line.whole.get(name), None | Some(b':'))
}

/// The line below a group; where that was not the outermost one, what follows is indented.
fn is_end_of_group(line: &Line<'_>) -> bool {
    line.text.len() > 8 && line.text[0] == b'+' && line.text[1..].iter().all(|&byte| byte == b'-')
}
