//! Fields that the settings give a type: what a line writes as text goes on as a number, a truth value, a time.
//!
//! ```text
//! status=200 took=1.5ms note=-      types: status: int, took: duration, note: int
//! {"status":200,"took":0.0015,"note":null}
//! ```
//!
//! **Invariant**: a value that is not of its type stays as it is, and that is said. The line itself is not touched. What was JSON is
//! JSON. What a value becomes depends on its text, and for a time without a year on the line's own or recorded time.

use std::ops::Range;

use crate::model::event::Fields;
use crate::model::text::Text;
use crate::model::time::Time;
use crate::model::walk;

use super::pairs::Pairs;
use super::values::{Fit, Type};

/// Names of fields and their types. Names have dots for members of objects.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Types(Vec<(String, Type)>);

impl Types {
    /// Later ones count where a name repeats.
    pub fn new(types: Vec<(String, Type)>) -> Self {
        Self(types)
    }

    /// Whether no field has a type.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn of(&self, name: &str) -> Option<Type> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, kind)| *kind)
    }

    /// Works out the values of `fields` that have a type. A time without a year is the one nearest to `near`.
    pub fn apply(&self, fields: &Fields<'_>, near: Time, typed: &mut Typed) {
        typed.clear();
        match fields {
            Fields::None => {}
            Fields::Pairs(pairs) => {
                for (key, value) in *pairs {
                    let kind = match key {
                        Text::Plain(key) => self.of(key),
                        key => self.of(&key.plain()),
                    };
                    let now = kind.map_or(Now::Same, |kind| typed.pair(kind, *value, near));
                    typed.values.push(now);
                }
            }
            Fields::Json(object) => {
                let mut from = 0;
                self.object(object, object, "", near, &mut from, typed);
                if from > 0 {
                    typed.text.push_str(object.get(from..).unwrap_or_default());
                    // Memory is reckoned from the line.
                    typed.is_object = typed.text.len() <= object.len() + GROWTH;
                    typed.misfits |= !typed.is_object;
                }
            }
        }
    }

    /// The members of `object`, a part of `whole` under `path`. What stands before `from` in `whole` was written already.
    fn object(&self, whole: &str, object: &str, path: &str, near: Time, from: &mut usize, typed: &mut Typed) {
        for (key, value) in walk::members(object) {
            let key = Text::Escaped(key).plain();
            let name = if path.is_empty() { key } else { format!("{path}.{key}").into() };
            if let Some(kind) = self.of(&name) {
                self.member(whole, value, kind, near, from, typed);
            } else if value.starts_with('{') && self.0.iter().any(|(known, _)| is_below(known, &name)) {
                self.object(whole, value, &name, near, from, typed);
            }
        }
    }

    fn member(&self, whole: &str, value: &str, kind: Type, near: Time, from: &mut usize, typed: &mut Typed) {
        let is_text = value.starts_with('"');
        let is_kept = value == "null" || is_text && kind == Type::Text;
        let Some(start) = (value.as_ptr().addr()).checked_sub(whole.as_ptr().addr()).filter(|_| !is_kept) else {
            return;
        };
        if value.starts_with(['{', '[']) {
            typed.misfits = true;
            return;
        }
        let inside = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let plain = inside.map_or(value.into(), |inside| Text::Escaped(inside).plain());
        let mut json = std::mem::take(&mut typed.spare);
        json.clear();
        let now = match kind.of(&plain, near, &mut json) {
            Fit::Itself if is_text => Some(plain.trim_ascii()),
            Fit::Nothing => Some("null"),
            Fit::Written => Some(json.as_str()),
            Fit::Itself => None,
            Fit::Not => {
                typed.misfits = true;
                None
            }
        };
        if let Some(now) = now {
            typed.text.push_str(whole.get(*from..start).unwrap_or_default());
            typed.text.push_str(now);
            *from = start + value.len();
        }
        typed.spare = json;
    }
}

/// So many bytes longer an object may become by its types: it repeats a name some hundred times where it would be more.
const GROWTH: usize = 4 << 10;

/// Whether `known` names something inside of the object `name`.
fn is_below(known: &str, name: &str) -> bool {
    known.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))
}

/// Values of one line with their types, and memory for those that are not in it as they are meant.
#[derive(Clone, Debug, Default)]
pub struct Typed {
    /// Of pairs: what they have now, in their order.
    values: Vec<Now>,
    /// Values that do not stand in the line; of JSON the whole object.
    text: String,
    spare: String,
    /// Whether `text` is an object.
    is_object: bool,
    /// Whether a value did not fit its type.
    pub misfits: bool,
}

/// What a pair has for its value.
#[derive(Clone, Debug)]
enum Now {
    /// What it had.
    Same,
    /// The same, bare.
    Bare,
    /// `null`.
    Nothing,
    /// A JSON value in the memory.
    Json(Range<usize>),
}

impl Typed {
    fn clear(&mut self) {
        self.values.clear();
        self.text.clear();
        (self.is_object, self.misfits) = (false, false);
    }

    fn pair(&mut self, kind: Type, value: Text<'_>, near: Time) -> Now {
        if kind == Type::Text {
            return Now::Same;
        }
        let start = self.text.len();
        let plain = value.plain();
        match kind.of(&plain, near, &mut self.text) {
            // A value with white space around it does not stand for itself.
            Fit::Itself if plain.len() == plain.trim_ascii().len() => Now::Bare,
            Fit::Itself => {
                self.text.push_str(plain.trim_ascii());
                Now::Json(start..self.text.len())
            }
            Fit::Nothing => Now::Nothing,
            Fit::Written => Now::Json(start..self.text.len()),
            Fit::Not => {
                self.misfits = true;
                Now::Same
            }
        }
    }

    /// The fields `before` with their types, in memory lent for pairs.
    pub fn fields<'p, 't: 'p>(&'t self, before: &Fields<'t>, pairs: &'p mut Pairs<'_, 't>) -> Fields<'p> {
        let Fields::Pairs(untyped) = before else {
            return if self.is_object { Fields::Json(&self.text) } else { *before };
        };
        for ((key, value), now) in untyped.iter().zip(&self.values) {
            let value = match now {
                Now::Same => *value,
                Now::Bare => Text::Bare(value.carried()),
                Now::Nothing => Text::Bare("null"),
                Now::Json(range) => value_of(self.text.get(range.clone()).unwrap_or("null")),
            };
            pairs.push(*key, value);
        }
        Fields::Pairs(pairs.as_slice())
    }
}

/// A JSON value that is no object and no list.
fn value_of(json: &str) -> Text<'_> {
    match json.strip_prefix('"').and_then(|json| json.strip_suffix('"')) {
        Some(inside) => Text::Escaped(inside),
        None => Text::Bare(json),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::parse::logfmt;
    use crate::parse::pairs::Scratch;
    use crate::parse::values::TYPES;

    fn types(list: &[(&str, Type)]) -> Types {
        Types::new(list.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect())
    }

    fn json_of(types: &Types, fields: &Fields<'_>) -> (String, bool) {
        let mut typed = Typed::default();
        types.apply(fields, Time { secs: 1_795_423_848, nanos: 0 }, &mut typed);
        let mut scratch = Scratch::default();
        let mut pairs = scratch.lend();
        let json = match typed.fields(fields, &mut pairs) {
            Fields::Json(object) => object.to_owned(),
            Fields::None => String::new(),
            Fields::Pairs(pairs) => {
                let member = |(key, value): &(Text<'_>, Text<'_>)| {
                    let mut out = Vec::new();
                    value.write_value(&mut out);
                    format!("\"{}\":{}", key.plain(), String::from_utf8_lossy(&out))
                };
                format!("{{{}}}", pairs.iter().map(member).collect::<Vec<_>>().join(","))
            }
        };
        (json, typed.misfits)
    }

    fn check_pairs(list: &[(&str, Type)], line: &str, expected: &str, misfits: bool) {
        let mut scratch = Scratch::default();
        let mut pairs = scratch.lend();
        let parsed = logfmt::parse_anywhere(line, &mut pairs).expect("pairs");
        assert_eq!(json_of(&types(list), &parsed.fields), (expected.to_owned(), misfits), "{line}");
    }

    fn check_json(list: &[(&str, Type)], object: &str, expected: &str, misfits: bool) {
        assert_eq!(json_of(&types(list), &Fields::Json(object)), (expected.to_owned(), misfits), "{object}");
    }

    #[test]
    fn pairs_get_their_types() {
        let list =
            [("status", Type::Int), ("took", Type::Duration), ("ok", Type::Bool), ("at", Type::Time), ("n", Type::Int)];
        check_pairs(
            &list,
            "status=200 took=1.5ms ok=yes at=1795423848 n=- x=1",
            r#"{"status":200,"took":0.0015,"ok":true,"at":"2026-11-23T08:50:48Z","n":null,"x":"1"}"#,
            false,
        );
        check_pairs(&list, "status=OK took=\"2 s\" n=\" 7 \"", r#"{"status":"OK","took":2.0,"n":7}"#, true);
        check_pairs(&[("a", Type::Int), ("a", Type::Text)], "a=1 b=2", r#"{"a":"1","b":"2"}"#, false);
    }

    #[test]
    fn members_get_their_types() {
        let list = [("took", Type::Duration), ("http.status", Type::Int), ("id", Type::Text), ("a.b", Type::Bool)];
        check_json(
            &list,
            r#"{"took": "1.5s" ,"http":{"x":"1","status":"200"},"id":17,"a.b":"no","a":{"b":"on"},"z":"1"}"#,
            r#"{"took": 1.5 ,"http":{"x":"1","status":200},"id":"17","a.b":false,"a":{"b":true},"z":"1"}"#,
            false,
        );
        check_json(
            &list,
            r#"{"took":0.5,"id":"17","http":{"status":200}}"#,
            r#"{"took":0.5,"id":"17","http":{"status":200}}"#,
            false,
        );
        check_json(&list, r#"{"took":[1],"http":"x","id":null}"#, r#"{"took":[1],"http":"x","id":null}"#, true);
        check_json(&list, r#"{"took":"soon","id":{"a":1}}"#, r#"{"took":"soon","id":{"a":1}}"#, true);
        let sizes = format!("{{{}\"z\":\"1p\"}}", "\"z\":\"1p\",".repeat(400));
        check_json(&[("z", Type::Bytes)], &sizes, &sizes, true);
        check_json(&[], r#"{"took":"1s"}"#, r#"{"took":"1s"}"#, false);
    }

    proptest! {
        /// Whatever stands in a line of JSON, what comes of it is JSON with the same keys.
        #[test]
        fn json_stays_json(value in "[-+0-9.eE:PThmsnµkKi\"\\\\ ]{0,10}|\\PC{0,8}", other in any::<i64>(), deep in any::<f64>()) {
            let object = serde_json::json!({"a": value, "b": {"c": value, "d": deep}, "e": other, "f": [value]}).to_string();
            for (_, kind) in TYPES {
                let list = types(&[("a", kind), ("b.c", kind), ("b.d", kind), ("e", kind), ("f", kind)]);
                let (json, _) = json_of(&list, &Fields::Json(&object));
                let read: serde_json::Value = serde_json::from_str(&json).map_err(|error| TestCaseError::fail(format!("{json}: {error}")))?;
                let keys = read.as_object().map(|object| object.keys().cloned().collect::<String>());
                prop_assert_eq!(keys.as_deref(), Some("abef"));
            }
        }

        #[test]
        fn no_object_panics(text in "[{}\\[\\]\",:a1 ]{0,40}") {
            json_of(&types(&[("a", Type::Int), ("a.a", Type::Bool)]), &Fields::Json(&text));
        }
    }
}
