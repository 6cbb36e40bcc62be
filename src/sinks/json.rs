//! The pieces that documents are written of: times, numbers, names, the application's fields.
//!
//! **Invariant**: what is written is the inside of valid JSON without a line break, whatever the text, and is never
//! longer than the bound that stands beside it. It refuses to take the application's JSON apart: it is copied whole.
//!
//! A key that repeats in pairs (logfmt) is written once, with an array of its values: a store refuses a document with
//! the same key twice, and takes several values under one key.

use std::borrow::Cow;
use std::collections::HashMap;

use memchr::memchr;

use crate::model::event::Fields;
use crate::model::text::{Text, escape};
use crate::model::time::Time;

/// The most bytes of one escaped byte of text: `\u001b`.
pub(crate) const ESCAPED: usize = 6;
/// The most bytes of a time: `2026-11-23T08:50:48.703931810Z`.
pub(crate) const TIME_MAX: usize = 30;

/// Writes times; the seconds' text is kept, since lines come many to a second.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    /// Whose text `text` is.
    secs: i64,
    /// `2026-11-23T08:50:48`.
    text: Vec<u8>,
}

impl Clock {
    /// A clock that has written nothing yet.
    pub(crate) fn new() -> Self {
        let mut clock = Self { secs: 0, text: Vec::with_capacity(TIME_MAX) };
        clock.turn(0);
        clock
    }

    fn turn(&mut self, secs: i64) {
        self.text.clear();
        Time { secs, nanos: 0 }.write_rfc3339(&mut self.text);
        // Without the `Z`.
        self.text.pop();
        self.secs = secs;
    }

    /// Appends what [`Time::write_rfc3339`] appends.
    #[inline]
    pub(crate) fn write(&mut self, time: Time, out: &mut Vec<u8>) {
        if self.secs != time.secs {
            self.turn(time.secs);
        }
        out.extend_from_slice(&self.text);
        if time.nanos != 0 {
            let mut digits = *b".000000000";
            let mut rest = time.nanos;
            for digit in digits[1..].iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
            let kept = digits.iter().rposition(|&digit| digit != b'0').unwrap_or(0);
            out.extend_from_slice(&digits[..=kept]);
        }
        out.push(b'Z');
    }
}

/// Appends a number in decimal digits.
#[inline]
pub(crate) fn number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a text as a JSON string, quotes included.
pub(crate) fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    escape(text, out);
    out.push(b'"');
}

/// Appends `"key":"value"` with a comma before it, unless the value is empty.
pub(crate) fn member(key: &str, value: &str, out: &mut Vec<u8>) {
    if !value.is_empty() {
        out.push(b',');
        string(key, out);
        out.push(b':');
        string(value, out);
    }
}

/// `,"labels":{"k":"v"}`: the fields that are added to every event; nothing where there are none.
pub(crate) fn labels(fields: &[(String, String)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, (key, value)) in fields.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b",\"labels\":{" } else { b"," });
        string(key, &mut out);
        out.push(b':');
        string(value, &mut out);
    }
    if !fields.is_empty() {
        out.push(b'}');
    }
    out
}

/// The most bytes of pairs beyond six for each byte of their line: for names that do not stand in it.
const PAIRS_SLACK: usize = 16 * 1024;

/// The most bytes that [`object`] and a message add for an event with a body of `line` bytes.
pub(crate) const fn text_bound(line: usize) -> usize {
    // The message is at most the line, each byte escaped; the fields are a copy of the line, or pairs.
    ESCAPED * line + pairs_budget(line)
}

const fn pairs_budget(line: usize) -> usize {
    // A pair of n bytes takes n + 1 of the line, and 6 (n + 1) here: `"":"",` and each byte escaped.
    ESCAPED * (line + 1) + PAIRS_SLACK
}

/// Appends the application's fields as a JSON object; nothing (and `false`) where it has none. `line` is the length of
/// the event's body.
#[inline]
pub(crate) fn object(fields: &Fields<'_>, line: usize, before: &[u8], out: &mut Vec<u8>) -> bool {
    match fields {
        Fields::None | Fields::Pairs([]) => false,
        Fields::Json(text) => {
            out.extend_from_slice(before);
            copy_json(text, out);
            true
        }
        Fields::Pairs(pairs) => {
            out.extend_from_slice(before);
            write_pairs(within(pairs, pairs_budget(line)), out);
            true
        }
    }
}

/// Copies valid JSON. Line breaks can only be white space between its tokens; they would end the document.
fn copy_json(text: &str, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(text.as_bytes());
    if memchr(b'\n', text.as_bytes()).is_some() {
        out[start..].iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b' ');
    }
}

/// The leading pairs that fit the budget: all of them, unless a pattern's names and nested captures outgrow their
/// line many times over.
pub(crate) fn within<'p, 'a>(pairs: &'p [(Text<'a>, Text<'a>)], budget: usize) -> &'p [(Text<'a>, Text<'a>)] {
    let mut left = budget.saturating_sub(2);
    let fitting = pairs.iter().take_while(|(key, value)| {
        let most = ESCAPED * (text_len(*key) + text_len(*value) + 1);
        let fits = most <= left;
        left = left.saturating_sub(most);
        fits
    });
    &pairs[..fitting.count()]
}

/// The bytes of a text as it is carried.
pub(crate) fn text_len(text: Text<'_>) -> usize {
    text.carried().len()
}

/// Beyond so many pairs, comparing each with each costs more than a table.
const FEW: usize = 24;

fn write_pairs(pairs: &[(Text<'_>, Text<'_>)], out: &mut Vec<u8>) {
    if pairs.len() > FEW {
        return write_many_pairs(pairs, out);
    }
    out.push(b'{');
    if are_apart(pairs) {
        pairs.iter().for_each(|(key, value)| write_pair(*key, *value, &mut std::iter::empty(), out));
        return close(out);
    }
    for (at, (key, value)) in pairs.iter().enumerate() {
        if pairs[..at].iter().any(|(earlier, _)| same(*earlier, *key)) {
            continue;
        }
        let mut repeats = pairs[at + 1..].iter().filter(|(later, _)| same(*later, *key)).map(|(_, value)| *value);
        write_pair(*key, *value, &mut repeats, out);
    }
    close(out);
}

/// Whether no key can be the repeat of another, told without comparing each with each: equal keys light the same lamp.
/// False where two light the same by chance, or a key has escapes.
fn are_apart(pairs: &[(Text<'_>, Text<'_>)]) -> bool {
    let mut lamps = [0_u64; 16];
    pairs.iter().all(|(key, _)| {
        let Text::Plain(key) = key else { return false };
        let key = key.as_bytes();
        let byte = |at: usize| u32::from(key.get(at).copied().unwrap_or(0));
        let parts =
            byte(0) | byte(key.len() / 2) << 8 | byte(key.len().wrapping_sub(1)) << 16 | (key.len() as u32) << 24;
        let lamp = (parts.wrapping_mul(0x9e37_79b1) >> 22) as usize;
        let (word, bit) = (&mut lamps[lamp / 64], 1 << (lamp % 64));
        let is_dark = *word & bit == 0;
        *word |= bit;
        is_dark
    })
}

fn write_many_pairs(pairs: &[(Text<'_>, Text<'_>)], out: &mut Vec<u8>) {
    let mut places: HashMap<Cow<'_, str>, Vec<Text<'_>>> = HashMap::with_capacity(pairs.len());
    for (key, value) in pairs {
        places.entry(key.plain()).or_default().push(*value);
    }
    out.push(b'{');
    for (key, _) in pairs {
        if let Some(values) = places.remove(&key.plain()) {
            let mut values = values.into_iter();
            if let Some(first) = values.next() {
                write_pair(*key, first, &mut values, out);
            }
        }
    }
    close(out);
}

fn write_pair<'a>(key: Text<'_>, value: Text<'_>, repeats: &mut dyn Iterator<Item = Text<'a>>, out: &mut Vec<u8>) {
    out.push(b'"');
    key.write_json(out);
    out.extend_from_slice(b"\":");
    let from = out.len();
    value.write_value(out);
    if let Some(second) = repeats.next() {
        out.insert(from, b'[');
        out.push(b',');
        second.write_value(out);
        for value in repeats {
            out.push(b',');
            value.write_value(out);
        }
        out.push(b']');
    }
    out.push(b',');
}

/// Ends an object: the last member's comma becomes the brace.
fn close(out: &mut Vec<u8>) {
    match out.last_mut() {
        Some(last @ b',') => *last = b'}',
        _ => out.push(b'}'),
    }
}

fn same(a: Text<'_>, b: Text<'_>) -> bool {
    match (a, b) {
        (Text::Plain(a), Text::Plain(b)) => a == b,
        _ => a.plain() == b.plain(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(pairs: &[(&str, &str)], expected: &str) {
        let pairs: Vec<_> = pairs.iter().map(|(key, value)| (Text::Plain(key), Text::Plain(value))).collect();
        let mut out = Vec::new();
        assert_eq!(object(&Fields::Pairs(&pairs), 1000, b"", &mut out), !pairs.is_empty());
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }

    #[test]
    fn pairs_become_an_object_with_each_key_once() {
        check(&[], "");
        check(&[("a", "1")], r#"{"a":"1"}"#);
        check(&[("a", "1"), ("b", "\""), ("a", "2"), ("a", "")], r#"{"a":["1","2",""],"b":"\""}"#);
        check(&[("", "")], r#"{"":""}"#);
        check(&[("", "1"), ("", "2")], r#"{"":["1","2"]}"#);
        // Equal in length and in the bytes that are looked at first.
        check(&[("axbyc", "1"), ("azbzc", "2"), ("axbyc", "3")], r#"{"axbyc":["1","3"],"azbzc":"2"}"#);
        check(&[("ab", "1"), ("ba", "2"), ("abc", "3")], r#"{"ab":"1","ba":"2","abc":"3"}"#);
    }

    #[test]
    fn an_escaped_key_is_the_same_as_a_plain_one() {
        let pairs = [(Text::Plain("é"), Text::Plain("1")), (Text::Escaped(r"\u00e9"), Text::Escaped(r"\n"))];
        let mut out = Vec::new();
        object(&Fields::Pairs(&pairs), 1000, b"", &mut out);
        assert_eq!(String::from_utf8_lossy(&out), r#"{"é":["1","\n"]}"#);
    }

    #[test]
    fn line_breaks_between_tokens_become_spaces() {
        let mut out = Vec::new();
        object(&Fields::Json("{\n \"a\": \"x\\ny\"\r\n}"), 1000, b"", &mut out);
        assert_eq!(String::from_utf8_lossy(&out), "{  \"a\": \"x\\ny\"\r }");
    }

    #[test]
    fn pairs_outside_their_line_stay_within_the_bound() {
        let long = "n".repeat(1000);
        let pairs = vec![(Text::Plain(long.as_str()), Text::Plain("v")); 100];
        let mut out = Vec::new();
        object(&Fields::Pairs(&pairs), 10, b"", &mut out);
        assert!(out.len() <= pairs_budget(10), "{}", out.len());
        assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
    }

    proptest! {
        #[test]
        fn any_pairs_are_valid_json_within_the_bound(pairs in proptest::collection::vec(("[a-c\\x00\"é]{0,2}", ".{0,4}|\\PC{0,4}"), 0..60)) {
            let borrowed: Vec<_> = pairs.iter().map(|(k, v)| (Text::Plain(k.as_str()), Text::Plain(v.as_str()))).collect();
            let line: usize = pairs.iter().map(|(k, v)| k.len() + v.len() + 1).sum();
            let mut out = Vec::new();
            if object(&Fields::Pairs(&borrowed), line, b"", &mut out) {
                prop_assert!(out.len() <= ESCAPED * (line + 1) + 2);
                let seen: serde_json::Value = serde_json::from_slice(&out).expect("valid JSON");
                let mut expected: serde_json::Map<String, serde_json::Value> = serde_json::Map::new();
                for (key, value) in &pairs {
                    let value = serde_json::Value::from(value.as_str());
                    match expected.get_mut(key) {
                        None => { expected.insert(key.clone(), value); }
                        Some(serde_json::Value::Array(values)) => values.push(value),
                        Some(first) => *first = serde_json::json!([first.clone(), value]),
                    }
                }
                prop_assert_eq!(seen, serde_json::Value::Object(expected));
            }
        }

        #[test]
        fn times_and_numbers_as_others_write_them(secs in -100_000_000_000_i64..300_000_000_000, nanos in 0..1_000_000_000_u32, any in any::<u64>()) {
            let mut clock = Clock::new();
            for nanos in [0, nanos, 1] {
                let time = Time { secs, nanos };
                let mut out = Vec::new();
                clock.write(time, &mut out);
                prop_assert_eq!(String::from_utf8_lossy(&out), time.to_rfc3339());
                prop_assert!(out.len() <= TIME_MAX);
            }
            let mut out = Vec::new();
            number(any, &mut out);
            prop_assert_eq!(String::from_utf8_lossy(&out), any.to_string());
        }
    }
}
