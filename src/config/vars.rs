//! Variables in values: `${VAR}`, `${VAR:-default}`, and `$${` for a `${` that stays.
//!
//! Equivalent: `\$\$\{ | \$\{ [A-Za-z_][A-Za-z0-9_]* (:-[^}]*)? \}`. The default takes the place of a variable that is
//! not set or empty, as in a shell. **Invariant**: what a variable holds is text: it is put in once, is not looked at
//! for variables again, and cannot bring YAML structure along. Keys take no variables.
//!
//! A plain value that is empty once its variables are in (`url: ${URL:-}`) counts as not typed; in quotes it is an
//! empty text.

use super::yaml::Scalar;
use crate::model::settings::{Place, Problems};

/// Looks a variable of the environment up.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The text of `scalar` with its variables put in; `None` where that failed, which is noted in `problems`.
pub fn put_in(scalar: &Scalar<'_>, env: Env<'_>, problems: &mut Problems) -> Option<String> {
    let mut out = String::with_capacity(scalar.text.len());
    let mut rest = scalar.text;
    let mut failed = false;
    while let Some(at) = rest.find("${") {
        let (before, reference) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = &reference[2..];
            continue;
        }
        out.push_str(before);
        let (length, value) = match parse(reference) {
            Reference::Variable { name, default, length } => {
                let value = env(name).filter(|value| !(value.is_empty() && default.is_some()));
                (length, value.or_else(|| default.map(str::to_owned)).ok_or_else(|| missing(name)))
            }
            Reference::Malformed { length, text } => (length, Err((text, FORMS.to_owned()))),
        };
        let (typed, after) = reference.split_at(length);
        match value {
            Ok(value) => out.push_str(&value),
            Err((text, hint)) => {
                problems.add_with_hint(&place_of(typed, scalar), text, hint);
                failed = true;
            }
        }
        rest = after;
    }
    out.push_str(rest);
    (!failed).then_some(out)
}

const FORMS: &str = "write `${NAME}` or `${NAME:-default}`; `$${` stands for a `${` that stays";

/// What a `${` begins. `length` is how many bytes of the text belong to it.
#[derive(Debug, PartialEq, Eq)]
enum Reference<'a> {
    Variable { name: &'a str, default: Option<&'a str>, length: usize },
    Malformed { length: usize, text: String },
}

/// Parses a text that begins with `${`.
fn parse(text: &str) -> Reference<'_> {
    let Some(end) = text.find('}') else {
        return Reference::Malformed { length: text.len(), text: "`${` without a `}`".to_owned() };
    };
    let length = end + 1;
    let inside = &text[2..end];
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    if default.is_some_and(|default| default.contains("${")) {
        let text = format!("a variable inside the default of `{name}`");
        return Reference::Malformed { length, text };
    }
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Reference::Malformed { length, text: format!("`${{{inside}}}` is no variable") };
    }
    Reference::Variable { name, default, length }
}

fn missing(name: &str) -> (String, String) {
    let text = format!("the environment variable `{name}` is not set");
    (text, format!("set it, or give a default: `${{{name}:-default}}`"))
}

/// Where `typed` stands: it is looked for in what the scalar was typed as; escapes may hide it, then the place is the
/// scalar's.
fn place_of(typed: &str, scalar: &Scalar<'_>) -> Place {
    let mut place = scalar.place.clone();
    let Some(at) = scalar.raw.find(typed) else { return place };
    let before = &scalar.raw[..at];
    let newlines = before.matches('\n').count();
    let last = before.rsplit('\n').next().unwrap_or(before);
    let column = u32::try_from(last.chars().count()).unwrap_or(u32::MAX);
    place.line = place.line.saturating_add(u32::try_from(newlines).unwrap_or(u32::MAX));
    place.column = if newlines == 0 { place.column.saturating_add(column) } else { column.saturating_add(1) };
    place
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn env(name: &str) -> Option<String> {
        match name {
            "HOST" => Some("loki".to_owned()),
            "EMPTY" => Some(String::new()),
            "EVIL" => Some("a: {b: ${HOST}}\n- c".to_owned()),
            _ => None,
        }
    }

    fn read(text: &str) -> (Option<String>, Problems) {
        let place = Place { file: Arc::from("f"), line: 3, column: 8 };
        let mut problems = Problems::default();
        let scalar = Scalar { text, raw: &format!("\"{text}\""), place: &place };
        (put_in(&scalar, &env, &mut problems), problems)
    }

    fn check(text: &str, expected: &str) {
        let (value, problems) = read(text);
        assert_eq!(value.as_deref(), Some(expected), "{text}: {problems:?}");
        assert!(problems.0.is_empty(), "{text}: {problems:?}");
    }

    fn check_wrong(text: &str, expected: &[&str]) {
        let (value, problems) = read(text);
        assert_eq!(value, None, "{text}");
        let said: Vec<_> =
            problems.0.iter().map(|p| format!("{}:{} {}", p.place.line, p.place.column, p.text)).collect();
        assert_eq!(said, expected, "{text}");
    }

    #[test]
    fn variables() {
        check("http://${HOST}:3100", "http://loki:3100");
        check("${HOST}${HOST}", "lokiloki");
        check("${HOST:-other}", "loki");
        check("${NONE:-other}", "other");
        check("${NONE:-http://a:-b}", "http://a:-b");
        check("${NONE:-}", "");
        check("${EMPTY}", "");
        check("${EMPTY:-other}", "other");
        check("$${HOST}", "${HOST}");
        check("$$${HOST}", "$${HOST}");
        check("a$ $HOST ^b$ $$ c", "a$ $HOST ^b$ $$ c");
        check("${EVIL}", "a: {b: ${HOST}}\n- c");
        check("é${HOST}é", "élokié");
    }

    #[test]
    fn what_is_no_variable() {
        check_wrong("${NONE}", &["3:9 the environment variable `NONE` is not set"]);
        check_wrong("é ${HOST} ${NONE}", &["3:19 the environment variable `NONE` is not set"]);
        check_wrong(
            "${NONE} ${1A}",
            &["3:9 the environment variable `NONE` is not set", "3:17 `${1A}` is no variable"],
        );
        check_wrong("a\n ${NONE}", &["4:2 the environment variable `NONE` is not set"]);
        check_wrong("${HOST", &["3:9 `${` without a `}`"]);
        check_wrong("${}", &["3:9 `${}` is no variable"]);
        check_wrong("${HOST-x}", &["3:9 `${HOST-x}` is no variable"]);
        check_wrong("${NONE:-${HOST}}", &["3:9 a variable inside the default of `NONE`"]);
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_the_regex(text in "[${}:A1é -]{0,24}") {
            let pattern = regex::Regex::new(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}").expect("a regex");
            let env = |name: &str| (name.len() % 2 == 1).then(|| "v".to_owned());
            let place = Place { file: Arc::from("f"), line: 1, column: 1 };
            let mut problems = Problems::default();
            let value = put_in(&Scalar { text: &text, raw: &text, place: &place }, &env, &mut problems);
            if let Some(value) = value {
                let expected = pattern.replace_all(&text, |found: &regex::Captures<'_>| match (found.get(1), found.get(2)) {
                    (Some(name), default) => {
                        env(name.as_str()).or(default.map(|d| d.as_str().to_owned())).unwrap_or_default()
                    }
                    _ => "${".to_owned(),
                });
                proptest::prop_assert_eq!(value, expected);
            }
        }
    }
}
