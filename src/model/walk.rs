//! Walks over JSON that is known to be valid, without building values.
//!
//! **Invariant**: on valid JSON the members come exactly as they stand; on anything else the walk ends early, and
//! never panics. It refuses to check what it skips: the parser did.

use std::borrow::Cow;

use memchr::memchr2;

use super::event::Fields;
use super::text::Text;

/// The members of a JSON object, in the order of the text.
pub(crate) fn members(object: &str) -> Members<'_> {
    let start = object.bytes().take_while(u8::is_ascii_whitespace).count();
    let end = if object.as_bytes().get(start) == Some(&b'{') { start + 1 } else { object.len() };
    Members { text: object, at: end }
}

/// See [`members`]. Gives the inside of the key's quotes and the value's text.
#[derive(Clone)]
pub(crate) struct Members<'a> {
    /// The whole object.
    text: &'a str,
    /// Offset behind the last member, or the opening brace.
    at: usize,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.text.as_bytes();
        let key_start = skip(bytes, self.at, b",");
        if bytes.get(key_start) != Some(&b'"') {
            return None;
        }
        let key_end = string_end(bytes, key_start)?;
        let value_start = skip(bytes, key_end, b":");
        let value_end = value_end(bytes, value_start)?;
        self.at = value_end;
        Some((self.text.get(key_start + 1..key_end - 1)?, self.text.get(value_start..value_end)?))
    }
}

/// The offset behind white space and the bytes of `also`.
fn skip(bytes: &[u8], from: usize, also: &[u8]) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let found = rest.iter().position(|byte| !byte.is_ascii_whitespace() && !also.contains(byte));
    found.map_or(bytes.len(), |at| from + at)
}

/// The offset behind the closing quote of the string whose opening quote is at `from`.
fn string_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from + 1;
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// The offset behind the value that begins at `from`.
fn value_end(bytes: &[u8], from: usize) -> Option<usize> {
    match bytes.get(from)? {
        b'"' => string_end(bytes, from),
        b'{' | b'[' => nested_end(bytes, from),
        _ => {
            let rest = &bytes[from..];
            let len = rest.iter().position(|byte| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace());
            Some(from + len.unwrap_or(rest.len()))
        }
    }
}

fn nested_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = from;
    loop {
        match bytes.get(at)? {
            b'"' => {
                at = string_end(bytes, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// The field called `name`, as plain text: `name` itself at the top, else its parts between dots one inside the
/// other. Strings come without quotes, other values as their JSON; `null` counts as absent. The first of equal keys.
pub(crate) fn field<'a>(fields: &Fields<'a>, name: &str) -> Option<Cow<'a, str>> {
    match fields {
        Fields::None => None,
        Fields::Json(object) => json_field(object, name),
        Fields::Pairs(pairs) => {
            let (_, value) = pairs.iter().find(|(key, _)| key.plain() == name)?;
            (*value != Text::Bare("null")).then(|| value.plain())
        }
    }
}

fn json_field<'a>(object: &'a str, name: &str) -> Option<Cow<'a, str>> {
    scalar(member(object, name)?)
}

/// The value of the member called `name`, as it stands: `name` itself at the top, else its parts between dots one inside
/// the other. The first of equal keys.
pub(crate) fn member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let mut nested = None;
    let (head, rest) = name.split_once('.').map_or((name, None), |(head, rest)| (head, Some(rest)));
    for (key, value) in members(object) {
        let key = Text::Escaped(key).plain();
        if key == name {
            return Some(value);
        }
        if nested.is_none() && rest.is_some() && key == head && value.starts_with('{') {
            nested = Some(value);
        }
    }
    member(nested?, rest?)
}

/// A JSON value as plain text.
pub(crate) fn scalar(value: &str) -> Option<Cow<'_, str>> {
    match value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
        Some(inside) => Some(Text::Escaped(inside).plain()),
        None => (value != "null").then_some(Cow::Borrowed(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(object: &str, expected: &[(&str, &str)]) {
        assert_eq!(members(object).collect::<Vec<_>>(), expected, "{object}");
    }

    #[test]
    fn members_as_they_stand() {
        check("{}", &[]);
        check(" { } ", &[]);
        check(r#"{"a":1}"#, &[("a", "1")]);
        check(
            r#"{"a" : "x\"}," , "b":[1,{"c":"]"}] ,"":null}"#,
            &[("a", r#""x\"},""#), ("b", r#"[1,{"c":"]"}]"#), ("", "null")],
        );
    }

    #[test]
    fn what_is_no_object_ends_the_walk() {
        for text in ["", "[]", "{", "{\"", "{\"a", "{\"a\\", "{\"a\":", "{\"a\":[", "{\"a\":\"\\", "}"] {
            check(text, &[]);
        }
    }

    #[test]
    fn fields_by_name() {
        let fields = Fields::Json(r#"{"a":{"b":{"c":"deep"},"n":null},"a.b":7,"s":"x\ty","o":{"k":[1]}}"#);
        for (name, expected) in [
            ("a.b", Some("7")),
            ("a.b.c", Some("deep")),
            ("s", Some("x\ty")),
            ("o", Some(r#"{"k":[1]}"#)),
            ("o.k", Some("[1]")),
            ("a.n", None),
            ("zz", None),
            ("s.x", None),
        ] {
            assert_eq!(field(&fields, name).as_deref(), expected, "{name}");
        }
        let pairs = [(Text::Plain("a.b"), Text::Escaped(r"x\ny")), (Text::Plain("a.b"), Text::Plain("late"))];
        assert_eq!(field(&Fields::Pairs(&pairs), "a.b").as_deref(), Some("x\ny"));
    }

    proptest! {
        #[test]
        fn another_reader_sees_the_same_members(pairs in proptest::collection::btree_map(".{0,8}", ".{0,12}", 0..6), space in "[ \t]{0,2}") {
            let mut text = format!("{{{space}");
            for (at, (key, value)) in pairs.iter().enumerate() {
                let key = serde_json::Value::from(key.as_str());
                let value = serde_json::json!([value, {"k": value}]);
                let comma = if at > 0 { "," } else { "" };
                text.push_str(&format!("{comma}{space}{key}{space}:{space}{value}{space}"));
            }
            text.push('}');
            let expected: serde_json::Value = serde_json::from_str(&text).expect("valid JSON");
            let seen: serde_json::Map<String, serde_json::Value> = members(&text)
                .map(|(key, value)| (Text::Escaped(key).plain().into_owned(), serde_json::from_str(value).expect("valid value")))
                .collect();
            prop_assert_eq!(serde_json::Value::Object(seen), expected);
        }

        #[test]
        fn no_text_panics(text in "[{}\\[\\]\",:a\\\\ ]{0,40}") {
            prop_assert!(members(&text).count() <= text.len());
            prop_assert!(field(&Fields::Json(&text), "a.a").is_none_or(|value| value.len() <= text.len()));
        }
    }
}
