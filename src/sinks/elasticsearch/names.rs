//! Names of indices and data streams, made legal.
//!
//! **Invariant**: a rendered name is one that the store takes: lower case, none of its forbidden characters, not
//! beginning with `-`, `_` or `+`, at most 255 bytes. The texts typed into a template are checked at the start; only
//! what a placeholder brings is changed: a forbidden character becomes `_`, and in a data stream's part a `-` too,
//! since `-` parts its type, dataset and namespace. What is empty becomes `unknown`.

use crate::model::event::Event;
use crate::model::template::{Depends, Template, cut};

/// The most bytes of a name.
pub(super) const NAME_MAX: usize = 255;

/// The template of an index's or a data stream's name.
#[derive(Clone, Debug)]
pub(super) struct NameTemplate {
    template: Template,
    /// Whether `-` in a value would part the name.
    data_stream: bool,
}

impl NameTemplate {
    /// Parses the name of an index, such as `app-%Y.%m.%d`. The error says what is expected.
    pub(super) fn index(text: &str) -> Result<Self, String> {
        Self::parse(text, false)
    }

    /// Parses the name of a data stream, such as `logs-{namespace}-default`. The error says what is expected.
    pub(super) fn data_stream(text: &str) -> Result<Self, String> {
        Self::parse(text, true)
    }

    fn parse(text: &str, data_stream: bool) -> Result<Self, String> {
        let template = Template::parse_dated(text)?;
        if text.is_empty() {
            return Err("expected a name, such as `logs-app-default`".to_owned());
        }
        for text in template.texts() {
            if let Some(bad) = text.chars().find(|c| forbidden(*c)) {
                return Err(format!("a name cannot have {bad:?}; expected lower case, digits, `-`, `_` and `.`"));
            }
            if let Some(upper) = text.chars().find(|c| c.is_uppercase()) {
                let lower = upper.to_lowercase();
                return Err(format!("a name must be in lower case: write `{lower}` for `{upper}`"));
            }
        }
        if text.starts_with(['-', '_', '+']) || matches!(text, "." | "..") {
            return Err(
                "a name cannot begin with `-`, `_` or `+`, nor be `.` or `..`: begin it with a letter or a digit"
                    .to_owned(),
            );
        }
        if template.is_constant() && text.len() > NAME_MAX {
            return Err(format!("a name has at most {NAME_MAX} bytes"));
        }
        Ok(Self { template, data_stream })
    }

    /// What a rendering depends on, beside the origin.
    pub(super) fn depends(&self) -> Depends {
        self.template.depends()
    }

    /// Replaces `out` by the event's name.
    pub(super) fn render(&self, event: &Event<'_>, out: &mut String) {
        out.clear();
        self.template.render_with(event, out, |value, out| put_value(value, self.data_stream, out));
        let legal = out.trim_start_matches(['-', '_', '+']);
        let begins = out.len() - legal.len();
        out.drain(..begins);
        out.truncate(cut(out, NAME_MAX).len());
        if matches!(out.as_str(), "" | "." | "..") {
            out.clear();
            out.push_str("unknown");
        }
    }
}

fn forbidden(c: char) -> bool {
    c.is_control() || c.is_whitespace() || matches!(c, '\\' | '/' | '*' | '?' | '"' | '<' | '>' | '|' | ',' | '#' | ':')
}

fn put_value(value: &str, data_stream: bool, out: &mut String) {
    if value.is_empty() {
        out.push_str("unknown");
    }
    // More than a name can have is cut off later; a long value is not worth walking.
    for c in cut(value, 2 * NAME_MAX).chars() {
        if forbidden(c) || (data_stream && c == '-') {
            out.push('_');
        } else {
            out.extend(c.to_lowercase());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::samples::{Sample, file, named_file, pod};
    use proptest::prelude::*;

    fn check(template: Result<NameTemplate, String>, sample: &Sample, expected: &str) {
        let mut out = String::from("before");
        sample.with(|event| template.expect("a template").render(event, &mut out));
        assert_eq!(out, expected);
    }

    #[test]
    fn names_made_legal() {
        let (pod, file) = (Sample::json(pod()), Sample::plain(file()));
        check(NameTemplate::index("app-%Y.%m.%d"), &pod, "app-2026.11.23");
        check(NameTemplate::index("{pod}-%H"), &pod, "cart-7c9d-x2x-08");
        check(NameTemplate::data_stream("logs-{pod}-{namespace}"), &pod, "logs-cart_7c9d_x2x-shop");
        check(NameTemplate::data_stream("logs-{namespace}-default"), &file, "logs-unknown-default");
        check(NameTemplate::index("{path}"), &file, "var_log_nginx_access.log");
        check(NameTemplate::index("{fields.level}"), &pod, "warn");
        check(NameTemplate::index("{path}"), &Sample::plain(named_file("+++")), "unknown");
        check(NameTemplate::index("{path}"), &Sample::plain(named_file("..")), "unknown");
        check(NameTemplate::index("{path}"), &Sample::plain(named_file(&"É".repeat(300))), &"é".repeat(127));
    }

    #[test]
    fn names_that_no_store_takes() {
        for text in ["", "App", "a b", "a/b", "a*", "-a", "_a", "..", "a,b", "a:b", "{pod", "%q", &"a".repeat(256)] {
            assert!(NameTemplate::index(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_value_becomes_a_legal_name(value in ".{0,40}", data_stream in any::<bool>()) {
            let template = NameTemplate::parse("{path}", data_stream).expect("a template");
            let mut out = String::new();
            Sample::plain(named_file(&value)).with(|event| template.render(event, &mut out));
            prop_assert!(!out.is_empty() && out.len() <= NAME_MAX);
            prop_assert!(!out.starts_with(['-', '_', '+']) && out != "." && out != "..");
            prop_assert!(!out.chars().any(forbidden));
            prop_assert!(!data_stream || !out.contains('-'));
        }
    }
}
