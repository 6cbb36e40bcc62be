//! Label sets: their text, as Loki's own parser reads it, and back.
//!
//! ```text
//! {namespace="shop", pod="cart-7c9d-x2x"}      values quoted as Go quotes strings
//! ```
//!
//! **Invariant**: [`parse`] gives back what [`put`] wrote. The text is the identity of a stream: equal labels have
//! equal texts, since they are always written in the order of the settings.

use crate::model::template::cut;
use crate::model::text::escape;

/// The most bytes of a label's value that Loki takes by default.
pub(super) const VALUE_MAX: usize = 2048;
/// The most bytes of a label's name that Loki takes by default.
pub(super) const NAME_MAX: usize = 1024;
/// The most bytes of one quoted byte: `\x1b`.
const QUOTED: usize = 4;

/// Whether Loki takes it as a label's name: `^[a-zA-Z_][a-zA-Z0-9_]*$`.
pub(super) fn is_name(name: &str) -> bool {
    name.len() <= NAME_MAX
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The nearest name that Loki takes: `trace.id` becomes `trace_id`.
pub(super) fn to_name(text: &str) -> String {
    let mut name: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if name.bytes().next().is_none_or(|first| first.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

/// Appends a label to a set that was begun with `{`. A value beyond [`VALUE_MAX`] is cut.
pub(super) fn put(name: &str, value: &str, set: &mut String) {
    if !set.ends_with('{') {
        set.push_str(", ");
    }
    set.push_str(name);
    set.push_str("=\"");
    quote(cut(value, VALUE_MAX), set);
    set.push('"');
}

/// The most bytes that [`put`] appends for a value of at most `value` bytes.
pub(super) fn put_bound(name: &str, value: usize) -> usize {
    name.len() + QUOTED * value.min(VALUE_MAX) + 5
}

/// Appends a value as it stands between the quotes of a Go string.
fn quote(value: &str, out: &mut String) {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\x1f' | '\x7f' => {
                let byte = c as usize;
                out.push_str("\\x");
                out.push(HEX[byte >> 4]);
                out.push(HEX[byte & 15]);
            }
            // Go's scanner takes a byte order mark for one, wherever it stands.
            '\u{feff}' => out.push_str("\\ufeff"),
            _ => out.push(c),
        }
    }
}

/// The names and values of a set that [`put`] wrote.
pub(super) fn parse(set: &str) -> Vec<(&str, String)> {
    let mut labels = Vec::new();
    let mut rest = set.strip_prefix('{').unwrap_or_default();
    while let Some((name, quoted)) = rest.split_once("=\"") {
        let (value, after) = unquote(quoted);
        labels.push((name.trim_start_matches(", "), value));
        rest = after;
    }
    labels
}

/// The value up to the closing quote, and what follows it.
fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => match chars.next() {
                Some('n') => value.push('\n'),
                Some('r') => value.push('\r'),
                Some('t') => value.push('\t'),
                Some(length @ ('x' | 'u')) => {
                    let digits = if length == 'x' { 2 } else { 4 };
                    let code = chars.by_ref().take(digits).fold(0, |code, c| code * 16 + c.to_digit(16).unwrap_or(0));
                    value.extend(char::from_u32(code));
                }
                other => value.extend(other),
            },
            _ => value.push(c),
        }
    }
    (value, chars.as_str())
}

/// The set as a JSON object, for pushes in JSON and for people.
pub(super) fn to_json(set: &str) -> Vec<u8> {
    let mut out = vec![b'{'];
    for (at, (name, value)) in parse(set).iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"\"" } else { b",\"" });
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":\"");
        escape(value, &mut out);
        out.push(b'"');
    }
    out.push(b'}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(labels: &[(&str, &str)], expected: &str) {
        let mut set = String::from("{");
        labels.iter().for_each(|(name, value)| put(name, value, &mut set));
        set.push('}');
        assert_eq!(set, expected);
    }

    #[test]
    fn sets_as_loki_reads_them() {
        check(&[], "{}");
        check(&[("a", "b"), ("c", "d")], r#"{a="b", c="d"}"#);
        check(&[("a", "x\"\\\n\u{0}\u{1b}\u{7f}é😀\u{feff}\t")], "{a=\"x\\\"\\\\\\n\\x00\\x1b\\x7fé😀\\ufeff\\t\"}");
        check(&[("a", "{b=\"c\", d=\"e\"}")], r#"{a="{b=\"c\", d=\"e\"}"}"#);
    }

    #[test]
    fn names() {
        for name in ["a", "_", "app_kubernetes_io_name", "A9"] {
            assert!(is_name(name), "{name}");
            assert_eq!(to_name(name), name);
        }
        for (name, legal) in [("", "_"), ("9a", "_9a"), ("trace.id", "trace_id"), ("é", "_"), ("a-b c", "a_b_c")] {
            assert!(!is_name(name), "{name}");
            assert_eq!(to_name(name), legal);
        }
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        let mut set = String::from("{");
        put("a", &"é".repeat(2000), &mut set);
        assert_eq!(parse(&set)[0].1, "é".repeat(VALUE_MAX / 2));
        let mut set = String::from("{");
        put("a", &format!("x{}", "é".repeat(2000)), &mut set);
        assert_eq!(parse(&set)[0].1.len(), VALUE_MAX - 1);
    }

    proptest! {
        #[test]
        fn any_set_reads_back(values in proptest::collection::vec(".{0,20}|[\\x00-\\x7f]{0,20}", 0..5)) {
            let names = ["a", "b_c", "_d", "e9", "F"];
            let mut set = String::from("{");
            for (name, value) in names.iter().zip(&values) {
                let before = set.len();
                put(name, value, &mut set);
                prop_assert!(set.len() - before <= put_bound(name, value.len()));
            }
            set.push('}');
            let expected: Vec<_> = names.iter().copied().zip(values.iter().cloned()).collect();
            prop_assert_eq!(parse(&set), expected.clone());
            let json: std::collections::HashMap<String, String> = serde_json::from_slice::<serde_json::Value>(&to_json(&set))
                .expect("valid JSON").as_object().expect("an object").iter()
                .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect();
            prop_assert_eq!(json, expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
        }
    }
}
