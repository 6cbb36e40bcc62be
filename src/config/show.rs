//! The settings in effect, as YAML that can be loaded again: `tailwater check`.
//!
//! What was typed is shown as it was understood, variables put in, and where: `# tailwater.yaml:3`, `# flag --to`. What was
//! not typed is shown with its default and marked `# default`. **Invariant**: no secret is shown. Values under keys that name one are masked, and so are all
//! headers and the passwords in URLs.

use std::fmt::Write as _;

use super::keys::keys_below;
use super::parts::{SINK_KEYS, SOURCE_KEYS, sink_tables, source_tables};
use super::secret::{MASK, is_secret, mask_urls};
use super::settings::{KEYS, Settings};
use crate::model::settings::{Key, Node, Place, Value};
use crate::model::units;
use crate::{log, sinks, sources};

/// The settings in effect.
pub fn render(settings: &Settings) -> String {
    let mut out = String::new();
    let computed = [
        ("memory_limit", units::format_bytes(settings.memory_limit)),
        ("log.format", name_of(&log::FORMATS, &settings.log.format).to_owned()),
    ];
    let mut show = Show { out: &mut out, computed: &computed };
    show.map(0, "", Some(&settings.tree), &[KEYS]);
    out
}

fn name_of<'n, T: PartialEq>(names: &[(&'n str, T)], value: &T) -> &'n str {
    names.iter().find(|(_, known)| known == value).map_or("", |(name, _)| name)
}

/// Keys whose default counts only while another is not typed.
const EITHER: [(&str, &str); 1] = [("data_stream", "index")];

/// Whether a default is a value as it would be typed, not words about it.
pub fn is_value(default: &str) -> bool {
    let is_flow =
        (default.starts_with('[') && default.ends_with(']')) || (default.starts_with('{') && default.ends_with('}'));
    !default.is_empty() && (is_flow || !default.contains(' '))
}

struct Show<'a> {
    /// What was written so far.
    out: &'a mut String,
    /// Defaults that depend on the machine, by path.
    computed: &'a [(&'static str, String)],
}

impl Show<'_> {
    /// The keys of `known` in their order: typed, or with their default.
    fn map(&mut self, depth: usize, path: &str, node: Option<&Node>, known: &[&'static [Key]]) {
        let typed = |key: &str| node.and_then(|node| entry(node, key)).filter(|node| node.value != Value::Null);
        for key in known.iter().flat_map(|table| table.iter()) {
            if EITHER.iter().any(|(this, other)| key.name == *this && typed(this).is_none() && typed(other).is_some()) {
                continue;
            }
            let typed = typed(key.name);
            let path = if path.is_empty() { key.name.to_owned() } else { format!("{path}.{}", key.name) };
            match (path.as_str(), typed) {
                ("sources", Some(parts)) => self.parts(key.name, parts, |kind| {
                    let kind = sources::KINDS.iter().find(|known| known.name == kind);
                    kind.map_or_else(|| vec![SOURCE_KEYS], source_tables)
                }),
                ("sinks", Some(parts)) => self.parts(key.name, parts, |kind| {
                    let kind = sinks::KINDS.iter().find(|known| known.name == kind);
                    kind.map_or_else(|| vec![SINK_KEYS], sink_tables)
                }),
                _ => self.entry(depth, &path, key, typed),
            }
        }
    }

    fn entry(&mut self, depth: usize, path: &str, key: &Key, typed: Option<&Node>) {
        if let Some(known) =
            keys_below(key.name).filter(|_| typed.is_none_or(|node| matches!(node.value, Value::Map(_))))
        {
            // A map that was not typed counts only where that means its defaults, not that there is none.
            if typed.is_some() || matches!(key.name, "log" | "batch" | "retry") {
                self.line(depth, key.name, "");
                return self.map(depth + 1, path, typed, &[known]);
            }
        }
        match typed {
            Some(node) => self.typed(depth, key.name, node, is_secret(key.name)),
            None => {
                let computed = self.computed.iter().find(|(known, _)| *known == path);
                let default = computed.map_or(key.default, |(_, value)| value);
                if is_value(default) {
                    self.line(depth, key.name, &format!(" {default} # default"));
                } else if !default.is_empty() {
                    // Words, since the default depends on the line or on the machine.
                    self.line(depth, &format!("# {}", key.name), &format!(" {default}"));
                }
            }
        }
    }

    /// A map of sources or sinks.
    fn parts(&mut self, key: &str, parts: &Node, known: impl Fn(&str) -> Vec<&'static [Key]>) {
        self.line(0, key, "");
        let Value::Map(parts) = &parts.value else { return };
        for (name, _, part) in parts {
            self.line(1, &scalar(name), "");
            let kind = match entry(part, "type").map(|node| &node.value) {
                Some(Value::Scalar(kind)) => kind.as_str(),
                _ => "",
            };
            self.map(2, &format!("{key}.{name}"), Some(part), &known(kind));
        }
    }

    /// A value as typed, whatever its form.
    fn typed(&mut self, depth: usize, key: &str, node: &Node, secret: bool) {
        let value = flow(node, secret || key == "headers");
        self.line(depth, key, &format!(" {value} # {}", came_from(&node.place)));
    }

    fn line(&mut self, depth: usize, key: &str, rest: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.out, "{}{key}:{rest}", "  ".repeat(depth));
    }
}

/// Where a value was typed, on one line.
fn came_from(place: &Place) -> String {
    let visible = |c: char| if c.is_control() { '?' } else { c };
    let file: String = place.file.chars().map(visible).collect();
    if place.line == 0 { file } else { format!("{file}:{}", place.line) }
}

fn entry<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find(|(name, ..)| name == key).map(|(.., node)| node)
}

/// A value on one line.
fn flow(node: &Node, secret: bool) -> String {
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Scalar(_) if secret => quoted(MASK),
        Value::Scalar(text) => scalar(&mask_urls(text)),
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(|item| flow(item, secret)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(entries) if entries.is_empty() => "{}".to_owned(),
        Value::Map(entries) => {
            let entries: Vec<_> = entries
                .iter()
                .map(|(key, _, node)| format!("{}: {}", scalar(key), flow(node, secret || is_secret(key))))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

/// A text as a YAML scalar: plain where nobody can take it for something else, otherwise in double quotes.
fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | ':' | '+');
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.'));
    let last = !text.ends_with(':');
    if first && last && text.chars().all(plain) && !text.eq_ignore_ascii_case("null") {
        text.to_owned()
    } else {
        quoted(text)
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.replace("${", "$${").chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{85}' | '\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::vars;
    use crate::config::yaml;
    use crate::model::settings::Problems;
    use std::sync::Arc;

    proptest::proptest! {
        #[test]
        fn a_scalar_reads_back(text in "([ -~]|\\PC|[\n\t\r\u{85}\u{2028}\u{feff}\u{1}]|[$][{]){0,12}") {
            let typed = format!("a: {}\nb: [{}]\n", scalar(&text), scalar(&text));
            let mut put_in = |scalar: yaml::Scalar<'_>, problems: &mut Problems| vars::put_in(&scalar, &|_| None, problems);
            let mut problems = Problems::default();
            let node = yaml::parse(&typed, &Arc::from("f"), &mut put_in, &mut problems);
            proptest::prop_assert!(problems.0.is_empty(), "{typed}: {problems:?}");
            let back = node.as_ref().and_then(|tree| entry(&tree.root, "a")).map(|node| node.value.clone());
            proptest::prop_assert_eq!(back, Some(Value::Scalar(text)));
        }
    }
}
