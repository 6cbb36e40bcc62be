//! A line of JSON inside of another: what wraps it puts the application's line into a text of its own.
//!
//! ```text
//! {"log":"{\"level\":\"warn\",\"msg\":\"disk nearly full\"}\n","stream":"stderr"}
//!   ─▶ level warn, message `disk nearly full`, fields {"level":"warn","msg":"disk nearly full","stream":"stderr"}
//! ```
//!
//! Of a text that is no JSON only the level is taken: `{"log":"2026/11/23 08:50:48 [warn] 1#1: disk nearly full\n","stream":"stderr"}`.
//!
//! **Invariant**: once, and only where what is outside says no level of its own: else it is a program's line with JSON for its message.
//! No member is lost: one of the outside whose name is inside too is called `outer.NAME`. The line itself is not touched, and
//! what comes of it is no longer than it is.

use std::borrow::Cow;
use std::collections::HashSet;

use memchr::memmem;

use crate::model::event::{Fields, Level};
use crate::model::text::Text;
use crate::model::walk;

use super::parsed::Parsed;
use super::{auto, json};

/// Where a line may stand, the best first.
const KEYS: [&str; 3] = ["log", "message", "msg"];
/// How such a text begins.
const BEGINNING: &str = "{\\\"";

/// Memory for the line inside of a line.
#[derive(Clone, Debug, Default)]
pub struct Nested {
    /// The line inside.
    line: String,
    /// Its members, and those of the outside.
    fields: String,
}

impl Nested {
    /// What the line inside of `line` says, where there is one, and that line; `line` is, or begins as, a JSON object.
    #[inline]
    pub fn unfold(&mut self, line: &str) -> Option<(Parsed<'_>, &str)> {
        // Most lines have none, which is known soon.
        memmem::find(line.as_bytes(), b"\"{\\\"")?;
        self.of_object(line)
    }

    /// The level that the text inside of `line` says at its head, where it is no line of JSON: of `{"log":"… [warn] …"}`.
    #[inline]
    pub fn level_of_text(line: &str) -> Option<Level> {
        // Most lines that say no level have no such text either, and it is known soon.
        let has = |key: &str| memmem::find(line.as_bytes(), key.as_bytes()).is_some();
        if !has("\"log\"") && !has("\"message\"") && !has("\"msg\"") {
            return None;
        }
        let texts = walk::members(line).filter_map(|(key, value)| {
            let rank = KEYS.iter().position(|known| *known == key)?;
            Some((rank, value.strip_prefix('"')?.strip_suffix('"')?))
        });
        let (_, text) = texts.min_by_key(|(rank, _)| *rank)?;
        let text = Text::Escaped(text).plain();
        if text.starts_with('{') {
            return None;
        }
        // Last, since it reads the whole line: what is JSON only so far has no members for a sink that wants all of them.
        auto::level(&text).filter(|_| json::parse(line).is_some())
    }

    fn of_object(&mut self, object: &str) -> Option<(Parsed<'_>, &str)> {
        let mut best: Option<(usize, &str, &str)> = None;
        for (key, value) in walk::members(object) {
            let Some(rank) = KEYS.iter().position(|known| *known == key) else { continue };
            let inside = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            if let Some(inside) = inside.filter(|inside| inside.starts_with(BEGINNING))
                && best.is_none_or(|(known, ..)| rank < known)
            {
                best = Some((rank, key, inside));
            }
        }
        let (_, wrapper, inside) = best?;
        self.line.clear();
        self.line.push_str(&Text::Escaped(inside).plain());
        let line = self.line.trim_ascii();
        let found = json::parse(line)?;
        let inner = found.object;
        self.fields.clear();
        let names: HashSet<Cow<'_, str>> = walk::members(inner).map(|(key, _)| Text::Escaped(key).plain()).collect();
        for (key, value) in walk::members(inner) {
            put(&mut self.fields, "", key, value);
        }
        for (key, value) in walk::members(object).filter(|(key, _)| *key != wrapper) {
            let prefix = if names.contains(&Text::Escaped(key).plain()) { "outer." } else { "" };
            put(&mut self.fields, prefix, key, value);
        }
        self.fields.push_str(if self.fields.is_empty() { "{}" } else { "}" });
        // Memory is reckoned from the line. Only one of hundreds of names that are on both sides becomes longer.
        if self.fields.len() > object.len() {
            return None;
        }
        let message = found.message.map_or(Text::Plain(line), Text::Escaped);
        Some((Parsed { level: found.level, message, fields: Fields::Json(&self.fields), missed: false }, line))
    }
}

fn put(object: &mut String, prefix: &str, key: &str, value: &str) {
    object.push_str(if object.is_empty() { "{\"" } else { ",\"" });
    for part in [prefix, key, "\":", value] {
        object.push_str(part);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(line: &str, expected: Option<(Option<Level>, &str, &str)>) {
        let mut nested = Nested::default();
        let found = nested.unfold(line).map(|(parsed, _)| {
            let Fields::Json(fields) = parsed.fields else { unreachable!("its fields are JSON") };
            (parsed.level, parsed.message.plain().into_owned(), fields.to_owned())
        });
        let expected = expected.map(|(level, message, fields)| (level, message.to_owned(), fields.to_owned()));
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn levels_of_texts() {
        let check = |line: &str, expected| assert_eq!(Nested::level_of_text(line), expected, "{line}");
        check(r#"{"log":"2026/11/23 08:50:48 [notice] 1#1: x\n","stream":"stderr"}"#, Some(Level::Info));
        check(
            r#"{"message":"[INFO] 172.17.0.4:36413 - 21583 \"A IN shop.local.\"","kubernetes":{}}"#,
            Some(Level::Info),
        );
        check(r#"{"msg": "level=warn msg=x"}"#, Some(Level::Warn));
        check(r#"{"msg":"ERROR: x","log":"WARN: y"}"#, Some(Level::Warn));
        for line in [
            r#"{"message":"an error occurred"}"#,
            r#"{"text":"ERROR: x"}"#,
            r#"{"log":{"message":"ERROR: x"}}"#,
            r#"{"message":["ERROR: x"]}"#,
            r#"{"log":"{\"level\":\"error\"}"}"#,
            r#"{"log":"ERROR: x","cut":"#,
            r#"{"a":1}"#,
            "{",
        ] {
            check(line, None);
        }
    }

    #[test]
    fn lines_inside_of_lines() {
        check(
            r#"{"log":"{\"level\":\"warn\",\"msg\":\"a \\\"b\\\"\"}\n","stream":"stderr","time":"x"}"#,
            Some((Some(Level::Warn), "a \"b\"", r#"{"level":"warn","msg":"a \"b\"","stream":"stderr","time":"x"}"#)),
        );
        check(
            r#"{"message": "{\"severity\":\"ERROR\",\"n\":1,\"time\":2}", "time": 3}"#,
            Some((
                Some(Level::Error),
                r#"{"severity":"ERROR","n":1,"time":2}"#,
                r#"{"severity":"ERROR","n":1,"time":2,"outer.time":3}"#,
            )),
        );
        check(
            r#"{"message":"{\"m\":1}","log":"{\"message\":\"this\"}"}"#,
            Some((None, "this", r#"{"message":"this","outer.message":"{\"m\":1}"}"#)),
        );
        // Once.
        check(
            r#"{"msg":"{\"msg\":\"{\\\"msg\\\":\\\"x\\\"}\"}"}"#,
            Some((None, r#"{"msg":"x"}"#, r#"{"msg":"{\"msg\":\"x\"}"}"#)),
        );
        check(r#"{"log":"{\"a\":1","b":2}"#, None);
        check(r#"{"a":1,"b":2,"c":3,"d":4,"log":"{\"a\":1,\"b\":2,\"c\":3,\"d\":4}"}"#, None);
        check(r#"{"log":"text {\"a\":1}"}"#, None);
        check(r#"{"data":"{\"a\":1}"}"#, None);
        check(r#"{"log":{"a":"{\"b\":1}"}}"#, None);
        check("{", None);
    }

    proptest! {
        /// What is wrapped comes out, with all that was beside it.
        #[test]
        fn what_is_wrapped_comes_out(
            inner in proptest::collection::btree_map("[a-c\"é]{0,2}", ".{0,6}|\\PC{0,6}", 1..5),
            outer in proptest::collection::btree_map("[a-d\"é]{0,2}", ".{0,6}", 0..5),
        ) {
            let text = serde_json::json!(inner).to_string();
            let mut wrapper = serde_json::json!(outer);
            wrapper["log"] = serde_json::json!(text);
            let mut nested = Nested::default();
            let line = wrapper.to_string();
            let Some((parsed, _)) = nested.unfold(&line) else {
                // It would be longer.
                prop_assert!(outer.keys().any(|key| inner.contains_key(key)));
                return Ok(());
            };
            let Fields::Json(fields) = parsed.fields else { panic!("JSON") };
            let mut expected = serde_json::json!(inner);
            for (key, value) in &outer {
                let name = if inner.contains_key(key) { format!("outer.{key}") } else { key.clone() };
                expected[name] = serde_json::json!(value);
            }
            let read: serde_json::Value = serde_json::from_str(fields).map_err(|error| TestCaseError::fail(format!("{fields}: {error}")))?;
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn any_text_is_handled(text in "(\\{\"(log|msg)\":\"\\{\\\\\")?[{}\\[\\]\",:a\\\\n]{0,30}") {
            let mut nested = Nested::default();
            if let Some((Parsed { fields: Fields::Json(fields), .. }, _)) = nested.unfold(&text)
                && json::parse(&text).is_some()
            {
                prop_assert!(json::parse(fields).is_some(), "{}", fields);
            }
        }
    }
}
