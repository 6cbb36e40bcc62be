//! One pass over a JSON object that checks it and tells of its members.
//!
//! **Invariant**: what is accepted is exactly what RFC 8259 allows for one object (nothing but white space around it),
//! nested at most [`MAX_DEPTH`] deep; a property test compares with another reader. A `\u` escape of half a surrogate
//! pair is accepted, as the grammar has it and as Elasticsearch's reader does; whoever needs the text plain sees U+FFFD
//! in its place. Duplicate keys are accepted too. That the bytes are UTF-8 is the caller's knowledge.

use std::ops::Range;

use crate::model::text::special;

use super::quoted::escape;

/// How deep objects and arrays may be nested, the outermost object included.
pub(super) const MAX_DEPTH: u32 = 64;

/// Who is told of an object's members as they pass.
pub(super) trait Visitor {
    /// `key` is the inside of the key's quotes, as it stands; `value` begins at `value_start` and ends before `value_end`.
    /// Whether the pass goes on: an object that is left earlier is checked only so far.
    fn member(&mut self, key: &[u8], value_start: usize, value_end: usize) -> bool;
}

/// For the objects inside the object.
struct Nobody;

impl Visitor for Nobody {
    #[inline(always)]
    fn member(&mut self, _: &[u8], _: usize, _: usize) -> bool {
        true
    }
}

/// Where in `bytes` the one object lies that they are, without the white space around it.
#[inline]
pub(super) fn whole<V: Visitor>(bytes: &[u8], visitor: &mut V) -> Option<Range<usize>> {
    let start = space(bytes, 0);
    if *bytes.get(start)? != b'{' {
        return None;
    }
    let end = object(bytes, start, 1, visitor)?;
    (space(bytes, end) == bytes.len()).then_some(start..end)
}

/// Tells `visitor` of the members of the object that `bytes` begin with, until it has heard enough.
#[inline]
pub(super) fn begin<V: Visitor>(bytes: &[u8], visitor: &mut V) {
    let start = space(bytes, 0);
    if bytes.get(start) == Some(&b'{') {
        // What the visitor heard of counts, whether or not all of it is JSON.
        let _end = object(bytes, start, 1, visitor);
    }
}

/// Reads the object that begins at `at`; gives the place behind it, or behind what was read of it.
pub(super) fn object<V: Visitor>(bytes: &[u8], at: usize, depth: u32, visitor: &mut V) -> Option<usize> {
    if depth > MAX_DEPTH {
        return None;
    }
    let mut at = space(bytes, at + 1);
    if *bytes.get(at)? == b'}' {
        return Some(at + 1);
    }
    loop {
        if *bytes.get(at)? != b'"' {
            return None;
        }
        let key_start = at + 1;
        let key_end = string(bytes, key_start)?;
        at = space(bytes, key_end + 1);
        if *bytes.get(at)? != b':' {
            return None;
        }
        let start = space(bytes, at + 1);
        let end = value(bytes, start, depth)?;
        if !visitor.member(bytes.get(key_start..key_end)?, start, end) {
            return Some(end);
        }
        at = space(bytes, end);
        match *bytes.get(at)? {
            b',' => at = space(bytes, at + 1),
            b'}' => return Some(at + 1),
            _ => return None,
        }
    }
}

fn array(bytes: &[u8], at: usize, depth: u32) -> Option<usize> {
    if depth > MAX_DEPTH {
        return None;
    }
    let mut at = space(bytes, at + 1);
    if *bytes.get(at)? == b']' {
        return Some(at + 1);
    }
    loop {
        at = space(bytes, value(bytes, at, depth)?);
        match *bytes.get(at)? {
            b',' => at = space(bytes, at + 1),
            b']' => return Some(at + 1),
            _ => return None,
        }
    }
}

#[inline(always)]
fn value(bytes: &[u8], at: usize, depth: u32) -> Option<usize> {
    match *bytes.get(at)? {
        b'"' => Some(string(bytes, at + 1)? + 1),
        b'-' | b'0'..=b'9' => number(bytes, at),
        b'{' => object(bytes, at, depth + 1, &mut Nobody),
        b'[' => array(bytes, at, depth + 1),
        b't' => literal(bytes, at, b"true"),
        b'f' => literal(bytes, at, b"false"),
        b'n' => literal(bytes, at, b"null"),
        _ => None,
    }
}

/// The first place at or behind `at` that is not white space.
#[inline(always)]
fn space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}

fn literal(bytes: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    bytes.get(at..)?.starts_with(word).then_some(at + word.len())
}

/// Equivalent: `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`.
#[inline]
fn number(bytes: &[u8], mut at: usize) -> Option<usize> {
    if bytes.get(at) == Some(&b'-') {
        at += 1;
    }
    match bytes.get(at)? {
        b'0' => at += 1,
        b'1'..=b'9' => at = digits(bytes, at),
        _ => return None,
    }
    if bytes.get(at) == Some(&b'.') {
        at = some_digits(bytes, at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = bytes.get(at) {
            at += 1;
        }
        at = some_digits(bytes, at)?;
    }
    Some(at)
}

#[inline(always)]
fn digits(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b'0'..=b'9') = bytes.get(at) {
        at += 1;
    }
    at
}

fn some_digits(bytes: &[u8], at: usize) -> Option<usize> {
    let end = digits(bytes, at);
    (end > at).then_some(end)
}

/// Reads the rest of a string whose inside goes on at `at`; gives the place of its closing quote.
#[inline(always)]
fn string(bytes: &[u8], at: usize) -> Option<usize> {
    let at = special(bytes, at)?;
    match bytes[at] {
        b'"' => Some(at),
        _ => string_with_escapes(bytes, at),
    }
}

fn string_with_escapes(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match bytes[at] {
            b'"' => return Some(at),
            b'\\' => at += escape(bytes.get(at + 1..)?)?,
            // A raw control character.
            _ => return None,
        }
        at = special(bytes, at)?;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    fn parse(text: &str) -> Option<&str> {
        whole(text.as_bytes(), &mut Nobody).and_then(|place| text.get(place))
    }

    fn check(text: &str, expected: bool) {
        assert_eq!(parse(text).is_some(), expected, "{text}");
    }

    #[test]
    fn what_is_an_object() {
        for text in [
            "{}",
            " {\t}\r\n",
            r#"{"a":1,"b":[],"c":{},"d":[1,[2,{"e":null}],true,false]}"#,
            r#"{"":"","a":-0,"b":0.0,"c":1e5,"d":1E-5,"e":-12.5e+10}"#,
            r#"{"a":"\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00\ud800"}"#,
            r#"{ "a" : [ 1 , 2 ] , "b" : { } }"#,
            "{\"é\":\"\u{7f}€😀\"}",
            r#"{"a":1,"a":2}"#,
        ] {
            check(text, true);
            assert!(serde_json::from_str::<&RawValue>(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            " ",
            "{",
            "}",
            "{}}",
            "{} x",
            "{a:1}",
            "{'a':1}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{,}",
            "{\"a\":1 \"b\":2}",
            "{\"a\":[1,]}",
            "{\"a\":[,]}",
            "{\"a\":[1 2]}",
            "{\"a\":[}",
            "{\"a\":{]}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":.5}",
            "{\"a\":+1}",
            "{\"a\":-}",
            "{\"a\":1e}",
            "{\"a\":1e+}",
            "{\"a\":0x1}",
            "{\"a\":NaN}",
            "{\"a\":tru}",
            "{\"a\":True}",
            "{\"a\":nullx}",
            "{\"a\":\"\t\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u12g4\"}",
            "{\"a\":\"\\u12",
            "{\"a\":\"\\\"}",
            "{\"a\":\"x}",
            "{\"a",
            "{\"a\":1",
            "{\"a\":\"\u{0}\"}",
            "\u{feff}{}",
            "{\"a\":1}\u{a0}",
            "{}{}",
        ] {
            check(text, false);
            assert!(serde_json::from_str::<&RawValue>(text).is_err(), "{text}");
        }
        for text in ["[]", "1", "\"{}\"", "null", "[{}]"] {
            check(text, false);
        }
    }

    #[test]
    fn the_deepest() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = |depth: usize| {
                let (opened, closed) = (open.repeat(depth - 1), close.repeat(depth - 1));
                format!("{{\"a\":{opened}1{closed}}}")
            };
            check(&nested(MAX_DEPTH as usize), true);
            check(&nested(MAX_DEPTH as usize + 1), false);
            check(&nested(100_000), false);
            check(&open.repeat(100_000), false);
        }
    }

    /// Any JSON value, with every kind of white space, escape and number.
    fn any_json() -> impl Strategy<Value = String> {
        let space = "[ \t\n\r]{0,2}";
        let string = r#""([a-zé€😀 /:,{}\[\]]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}){0,9}""#;
        let key =
            prop_oneof![string, Just("\"level\"".to_owned()), Just("\"msg\"".to_owned()), Just("\"log\"".to_owned())];
        let leaf = prop_oneof![
            string,
            r"-?(0|[1-9][0-9]{0,5})(\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?",
            Just("true".to_owned()),
            Just("false".to_owned()),
            Just("null".to_owned()),
        ];
        leaf.prop_recursive(4, 40, 5, move |inner| {
            let member = (space, key.clone(), space, space, inner.clone(), space)
                .prop_map(|(a, key, b, c, value, d)| format!("{a}{key}{b}:{c}{value}{d}"));
            let element = (space, inner, space).prop_map(|(a, value, b)| format!("{a}{value}{b}"));
            prop_oneof![
                2 => proptest::collection::vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(","))),
                1 => proptest::collection::vec(element, 0..5).prop_map(|elements| format!("[{}]", elements.join(","))),
            ]
        })
    }

    fn agrees(text: &str) -> Result<(), TestCaseError> {
        let expected =
            serde_json::from_str::<&RawValue>(text).ok().map(RawValue::get).filter(|raw| raw.starts_with('{'));
        prop_assert_eq!(parse(text), expected, "{}", text);
        Ok(())
    }

    proptest! {
        #[test]
        fn another_reader_agrees_on_json(text in any_json()) {
            agrees(&text)?;
        }

        #[test]
        fn another_reader_agrees_on_what_is_nearly_json(
            text in any_json(),
            changes in proptest::collection::vec(
                (any::<prop::sample::Index>(), 0_usize..3, prop_oneof![
                    prop::sample::select(vec!['{', '}', '[', ']', '"', '\\', ',', ':', '0', '1', '-', '+', '.', 'e', 'u', 't', ' ', '\t', '\0']),
                    any::<char>(),
                ]),
                1..4,
            ),
        ) {
            let mut chars: Vec<char> = text.chars().collect();
            for (index, removed, inserted) in changes {
                let at = index.index(chars.len() + 1);
                let end = (at + removed).min(chars.len());
                chars.splice(at..end, (removed < 2).then_some(inserted));
            }
            agrees(&chars.into_iter().collect::<String>())?;
        }
    }
}
