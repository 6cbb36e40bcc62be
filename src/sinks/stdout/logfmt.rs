//! Events as logfmt: `time=2026-11-23T08:50:48Z level=warn message="disk nearly full" fields.free=12`.
//!
//! **Invariant**: a reader of logfmt finds each pair again: a value with a space, a quote, an equals sign, a backslash
//! or a control character stands in quotes, escaped as JSON is; in a key such characters become `_`.

use memchr::memchr3;

use crate::model::event::{Event, Fields};
use crate::model::text::{Text, escape};
use crate::model::walk;
use crate::sinks::json::{Clock, ESCAPED, text_len};

/// What stands before each of the application's keys.
const FIELDS: &[u8] = b" fields.";
/// The most bytes of fields beyond what a line's own pairs can make, for names that do not stand in it.
const SLACK: usize = 16 * 1024;
/// The most bytes of a pair beside its key and value: ` fields.`, `=` and two quotes.
const PAIR: usize = 11;

/// The most bytes of message and fields of an event with a body of `line` bytes.
pub(super) const fn text_bound(line: usize) -> usize {
    ESCAPED * line + budget(line)
}

const fn budget(line: usize) -> usize {
    // A pair of n bytes takes n + 1 of its line, and 6 n + 11 here.
    PAIR * (line + 1) + SLACK
}

/// Appends the event, without a line break.
pub(super) fn put(event: &Event<'_>, clock: &mut Clock, origin_part: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"time=");
    clock.write(event.time, out);
    if let Some(level) = event.level {
        out.extend_from_slice(b" level=");
        out.extend_from_slice(level.name().as_bytes());
    }
    out.extend_from_slice(b" message=");
    put_value(event.message, out);
    if let Some(stream) = event.stream {
        out.extend_from_slice(b" stream=");
        out.extend_from_slice(stream.name().as_bytes());
    }
    out.extend_from_slice(origin_part);
    if let Some(flaw) = event.flaw {
        out.extend_from_slice(b" flaw=");
        out.extend_from_slice(flaw.name().as_bytes());
    }
    match event.fields {
        Fields::None => {}
        Fields::Json(object) => {
            for (key, value) in walk::members(object) {
                put_key(Text::Escaped(key), out);
                match value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
                    Some(inside) => put_value(Text::Escaped(inside), out),
                    None => put_value(Text::Plain(value), out),
                }
            }
        }
        Fields::Pairs(pairs) => {
            let mut left = budget(event.body.len());
            for (key, value) in pairs {
                let most = ESCAPED * (text_len(*key) + text_len(*value)) + PAIR;
                if most > left {
                    break;
                }
                left -= most;
                put_key(*key, out);
                put_value(*value, out);
            }
        }
    }
}

/// ` name="value"`, unless the value is empty.
pub(super) fn member(name: &str, value: &str, out: &mut Vec<u8>) {
    if !value.is_empty() {
        out.push(b' ');
        put_name(name, out);
        put_value(Text::Plain(value), out);
    }
}

/// ` labels.k=v`: the fields that are added to every event.
pub(super) fn labels(fields: &[(String, String)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.extend_from_slice(b" labels.");
        put_name(name, &mut out);
        put_value(Text::Plain(value), &mut out);
    }
    out
}

fn put_key(key: Text<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(FIELDS);
    put_name(&key.plain(), out);
}

fn put_name(name: &str, out: &mut Vec<u8>) {
    out.extend(name.bytes().map(|byte| match byte {
        b'"' | b'=' | b'\\' | 0x7f | 0..=b' ' => b'_',
        _ => byte,
    }));
    out.push(b'=');
}

fn put_value(value: Text<'_>, out: &mut Vec<u8>) {
    let text = value.carried();
    if !needs_quotes(text) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    match value {
        // The inside of a JSON string is that of a quoted value.
        Text::Escaped(text) | Text::Bare(text) => out.extend_from_slice(text.as_bytes()),
        Text::Plain(text) => escape(text, out),
    }
    out.push(b'"');
}

fn needs_quotes(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.is_empty()
        || memchr3(b' ', b'"', b'=', bytes).is_some()
        || bytes.iter().any(|&b| b < b' ' || b == b'\\' || b == 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: Text<'_>, expected: &str) {
        let mut out = Vec::new();
        put_value(value, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn values_are_quoted_where_they_must_be() {
        check(Text::Plain("plain"), "plain");
        check(Text::Plain("é/x:1"), "é/x:1");
        check(Text::Plain(""), r#""""#);
        check(Text::Plain("a b"), r#""a b""#);
        check(Text::Plain("a=b"), r#""a=b""#);
        check(Text::Plain("\u{1b}\n\\"), r#""\u001b\n\\""#);
        check(Text::Escaped(r"a\nb"), r#""a\nb""#);
        check(Text::Escaped("ab"), "ab");
    }

    #[test]
    fn names_are_one_word() {
        let mut out = Vec::new();
        put_name("a b=\"c\\\n", &mut out);
        assert_eq!(String::from_utf8_lossy(&out), "a_b__c__=");
    }
}
