//! Java and what runs on its machine.
//!
//! ```text
//! Exception in thread "main" java.lang.RuntimeException: words
//!         at a.b.C.d(C.java:3) ~[x.jar:1]
//!         Suppressed: java.io.IOException: words
//!                 at …
//!         ... 3 more
//! Caused by: java.io.IOException: words
//! ```

use super::line::Step::{self, Ends, Goes, May, Message};
use super::line::{Line, is_qualified};

/// Behind an exception that began its line, where the message may go on.
const HEAD: u8 = 1;
/// Behind one that stood within a line.
const WITHIN: u8 = 2;
/// Behind a frame.
const FRAMES: u8 = 3;
/// In a dump of all threads.
const DUMP: u8 = 4;

pub(super) fn first(line: &Line<'_>) -> u8 {
    if line.is_indented() {
        let is_frame = (line.is_at() && line.contains("(")) || is_more(line) || is_cause(line);
        return if is_frame { FRAMES } else { 0 };
    }
    if line.starts("Full thread dump ") {
        return DUMP;
    }
    let is_head = line.starts("Exception in thread \"")
        || is_cause(line)
        || line.error_name().is_some_and(|length| is_qualified(&line.whole[..length]));
    if is_head {
        return HEAD;
    }
    let is_within = line.error_within().is_some_and(|(start, end)| is_qualified(&line.whole[start..end]));
    if is_within { WITHIN } else { 0 }
}

pub(super) fn next(state: u8, line: &Line<'_>) -> Step {
    if state == DUMP {
        return match () {
            () if line.is_blank() => May(DUMP),
            () if line.is_indented() || line.begins_any(&["\"", "JNI global ref", "Heap", "Threads class SMR"]) => {
                Goes(DUMP)
            }
            () if line.begins_any(&["_java_thread_list", "0x", "}", "Found ", "======"]) => Goes(DUMP),
            () => Ends,
        };
    }
    match () {
        () if line.is_at() || is_more(line) => Goes(FRAMES),
        () if is_cause(line) => Goes(HEAD),
        () if line.is_indented() && (state != FRAMES || line.starts("\t")) => Goes(state),
        () if state == HEAD && line.is_blank() => May(HEAD),
        () if state == HEAD => Message(HEAD),
        () => Ends,
    }
}

fn is_more(line: &Line<'_>) -> bool {
    line.begins("... ") && (line.ends(" more") || line.ends(" omitted"))
}

fn is_cause(line: &Line<'_>) -> bool {
    line.begins_any(&["Caused by: ", "Suppressed: ", "Wrapped by: ", "[CIRCULAR REFERENCE"])
}
