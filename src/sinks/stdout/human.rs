//! Events for people: `2026-11-23 08:50:48.703 WARN  shop/cart-7c9d-x2x/app disk nearly full free=12`.
//!
//! **Invariant**: nothing of the application's text can drive the terminal: control characters (but tabs) and those
//! that turn the direction of writing are shown as `\x1b`, `\u{202e}`; the only escapes are our own colours.

use std::borrow::Cow;

use crate::model::event::{Event, Fields, Level};
use crate::model::origin::Origin;
use crate::model::template::{NAME_MAX, cut, path};
use crate::model::text::{Text, show};
use crate::model::walk;
use crate::sinks::json::{Clock, text_len};

const RESET: &[u8] = b"\x1b[0m";
const DIM: &[u8] = b"\x1b[2m";
const CYAN: &[u8] = b"\x1b[36m";

/// The most bytes of one byte of text: `\x1b`; three bytes become eight, as in `\u{202e}`.
const SHOWN: usize = 4;
/// The most bytes of a pair beside its key and value: space, two colours, `=`, two quotes.
const PAIR: usize = 16;
/// The most bytes of fields beyond what a line's own pairs can make, for names that do not stand in it.
const SLACK: usize = 16 * 1024;

/// The most bytes of message and fields of an event with a body of `line` bytes.
pub(super) const fn text_bound(line: usize) -> usize {
    SHOWN * line + budget(line)
}

const fn budget(line: usize) -> usize {
    PAIR * (line + 1) + SLACK
}

/// Appends the event, without a line break.
pub(super) fn put(
    event: &Event<'_>,
    clock: &mut Clock,
    color: bool,
    origin_part: &[u8],
    labels: &[u8],
    out: &mut Vec<u8>,
) {
    put_time(event, clock, color, out);
    put_level(event.level, color, out);
    out.extend_from_slice(origin_part);
    out.push(b' ');
    show(&event.message.plain(), out);
    if let Some(flaw) = event.flaw {
        put_pair("flaw", flaw.name(), color, out);
    }
    put_fields(event, color, out);
    out.extend_from_slice(labels);
}

/// `2026-11-23 08:50:48.703`: in UTC, to the millisecond.
fn put_time(event: &Event<'_>, clock: &mut Clock, color: bool, out: &mut Vec<u8>) {
    paint(DIM, color, out);
    let from = out.len();
    clock.write(crate::model::time::Time { nanos: 0, ..event.time }, out);
    // `T` and `Z` are for machines.
    out.pop();
    if let Some(between) = out.get_mut(from + 10) {
        *between = b' ';
    }
    let millis = event.time.nanos / 1_000_000;
    out.push(b'.');
    out.extend([millis / 100, millis / 10 % 10, millis % 10].map(|digit| b'0' + digit as u8));
    paint(RESET, color, out);
}

fn put_level(level: Option<Level>, color: bool, out: &mut Vec<u8>) {
    let (name, paint_with): (&[u8], &[u8]) = match level {
        None => (b"     ", b""),
        Some(Level::Trace) => (b"TRACE", b"\x1b[35m"),
        Some(Level::Debug) => (b"DEBUG", b"\x1b[34m"),
        Some(Level::Info) => (b"INFO ", b"\x1b[32m"),
        Some(Level::Warn) => (b"WARN ", b"\x1b[33m"),
        Some(Level::Error) => (b"ERROR", b"\x1b[31m"),
        Some(Level::Fatal) => (b"FATAL", b"\x1b[1;31m"),
    };
    out.push(b' ');
    paint(paint_with, color && level.is_some(), out);
    out.extend_from_slice(name);
    paint(RESET, color && level.is_some(), out);
}

/// ` shop/cart-7c9d-x2x/app`, or a file's path; nothing for a pipe.
pub(super) fn put_origin(origin: &Origin, color: bool, out: &mut Vec<u8>) {
    let who: Cow<'_, str> = match &origin.workload {
        Some(workload) => {
            let names = [workload.namespace(), workload.pod(), workload.container()];
            Cow::Owned(names.map(|name| cut(name, NAME_MAX)).join("/"))
        }
        None => path(origin),
    };
    if !who.is_empty() {
        out.push(b' ');
        paint(DIM, color, out);
        show(&who, out);
        paint(RESET, color, out);
    }
}

/// ` k=v`: the fields that are added to every event.
pub(super) fn labels(fields: &[(String, String)], color: bool) -> Vec<u8> {
    let mut out = Vec::new();
    fields.iter().for_each(|(name, value)| put_pair(name, value, color, &mut out));
    out
}

fn put_fields(event: &Event<'_>, color: bool, out: &mut Vec<u8>) {
    let message = event.message.plain();
    // What already stands at the front is not said twice.
    let said = |key: &str, value: &str| match key {
        "message" | "msg" => value == message,
        "level" | "lvl" | "severity" => event.level.is_some_and(|level| level.name().eq_ignore_ascii_case(value)),
        _ => false,
    };
    match event.fields {
        Fields::None => {}
        Fields::Json(object) => {
            for (key, value) in walk::members(object) {
                let (key, value) = (Text::Escaped(key).plain(), walk::scalar(value).unwrap_or(Cow::Borrowed("null")));
                if !said(&key, &value) {
                    put_pair(&key, &value, color, out);
                }
            }
        }
        Fields::Pairs(pairs) => {
            let mut left = budget(event.body.len());
            for (key, value) in pairs {
                let most = SHOWN * (text_len(*key) + text_len(*value)) + PAIR;
                if most > left {
                    break;
                }
                left -= most;
                let (key, value) = (key.plain(), value.plain());
                if !said(&key, &value) {
                    put_pair(&key, &value, color, out);
                }
            }
        }
    }
}

fn put_pair(key: &str, value: &str, color: bool, out: &mut Vec<u8>) {
    out.push(b' ');
    paint(CYAN, color, out);
    show(key, out);
    paint(RESET, color, out);
    out.push(b'=');
    // Where a value ends must be seen; a person reads it, so its quotes stay as they are.
    let quotes = value.is_empty() || value.contains([' ', '\t']);
    if quotes {
        out.push(b'"');
    }
    show(value, out);
    if quotes {
        out.push(b'"');
    }
}

fn paint(code: &[u8], color: bool, out: &mut Vec<u8>) {
    if color {
        out.extend_from_slice(code);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::text::drives;
    use proptest::prelude::*;

    fn check(text: &str, expected: &str) {
        let mut out = Vec::new();
        show(text, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn a_log_cannot_drive_the_terminal() {
        check("plain é\t😀", "plain é\t😀");
        check("\u{1b}[2J\u{7}", r"\x1b[2J\x07");
        check("a\nb\r\0\u{7f}", r"a\nb\r\x00\x7f");
        check("\u{9b}31m\u{202e}\u{61c}\u{2028}", r"\u{9b}31m\u{202e}\u{61c}\u{2028}");
    }

    proptest! {
        #[test]
        fn any_text_is_shown_within_its_bound(text in ".{0,40}|[\\x00-\\x7f]{0,40}") {
            let mut out = Vec::new();
            show(&text, &mut out);
            prop_assert!(out.len() <= SHOWN * text.len());
            let shown = String::from_utf8(out).expect("UTF-8");
            prop_assert!(!shown.chars().any(drives));
        }
    }
}
