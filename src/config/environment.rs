//! Variables that stand for keys of the settings file: `TAILWATER__SINKS__LOKI__URL` is `url` of the sink `loki`.
//!
//! ```text
//! TAILWATER__SINKS__LOKI__BATCH__MAX_AGE=50ms
//!            └──┬─┘ └─┬┘ └─┬─┘ └──┬──┘
//!            key    name  key    key        two underscores between, capitals or not
//! ```
//!
//! **Invariant**: a variable goes before what the file says at its place and behind what a flag says there (or the
//! variable of a flag: one underscore), and changes nothing beside it. What it holds is
//! text, read as the same text in the file would be; only where a list or a map belongs, `[…]` and `{…}` are read as
//! YAML. An empty variable is as good as none. No message quotes what a variable holds: it may be a secret.

use std::sync::Arc;

use super::keys::keys_below;
use super::parts::{sink_tables, source_tables};
use super::yaml;
use crate::model::settings::{Key, Node, Place, Problems, Value};
use crate::parse::typed;
use crate::transform::count::settings as count;
use crate::transform::settings as transforms;
use crate::transform::shape::parse as text;
use crate::{sinks, sources};

/// What the names of these variables begin with.
pub const PREFIX: &str = "TAILWATER__";

/// What a variable's place is called, before its name.
const VARIABLE: &str = "environment variable ";

/// Puts `variables` (names and values; those without [`PREFIX`] are left out) over what `root`, a map with the keys `top`,
/// says.
pub fn put_over(root: &mut Node, top: &'static [Key], variables: &[(String, String)], problems: &mut Problems) {
    let mut named: Vec<(&str, Vec<&str>, &str)> = variables
        .iter()
        .filter_map(|(name, text)| {
            Some((name.as_str(), name.strip_prefix(PREFIX)?.split("__").collect(), text.as_str()))
        })
        .filter(|(.., text)| !text.is_empty())
        .collect();
    // A whole map goes before its keys, so that both may be given.
    named.sort_by(|one, other| (one.1.len(), one.0).cmp(&(other.1.len(), other.0)));
    let mut taken: Vec<&str> = Vec::new();
    for (name, path, text) in named {
        let place = place(name);
        if let Some(first) = taken.iter().find(|taken| taken.eq_ignore_ascii_case(name)) {
            let hint = "names are taken with capitals or without: remove one of the two";
            problems.add_with_hint(&place, format!("`{first}` stands for the same key"), hint);
            continue;
        }
        taken.push(name);
        if path.iter().any(|part| part.is_empty()) {
            let hint = "write one key after the other with two underscores between: `TAILWATER__SINKS__LOKI__URL`";
            problems.add_with_hint(&place, "its name names no key", hint);
            continue;
        }
        put(root, &Level::Keys(vec![top]), &path, &place, text, problems);
    }
}

/// Whether any of `variables` stands for a key.
pub fn has_any(variables: &[(String, String)]) -> bool {
    variables.iter().any(|(name, text)| name.starts_with(PREFIX) && !text.is_empty())
}

/// Whether one of `variables` stands for `key` at the top or for something below it.
pub fn has_key(variables: &[(String, String)], key: &str) -> bool {
    variables.iter().any(|(name, text)| {
        let first = name.strip_prefix(PREFIX).and_then(|path| path.split("__").next());
        !text.is_empty() && first.is_some_and(|first| first.eq_ignore_ascii_case(key))
    })
}

fn place(variable: &str) -> Place {
    Place { file: Arc::from(format!("{VARIABLE}{variable}")), line: 0, column: 0 }
}

/// What may stand at a place of the settings.
enum Level {
    /// A map with the keys of these tables.
    Keys(Vec<&'static [Key]>),
    /// A map of sources, sinks or transforms by name, each with the keys of these tables.
    Parts(Vec<&'static [Key]>),
    /// A map with names of the user's own.
    Names,
    /// A list.
    List,
    /// One value, or nothing that is known.
    Value,
}

impl Level {
    fn of(key: &Key) -> Self {
        if let Some(known) = keys_below(key.name) {
            return Self::Keys(vec![known]);
        }
        match key.kind {
            "map of sources" => Self::Parts(sources::KINDS.iter().flat_map(source_tables).collect()),
            "map of sinks" => Self::Parts(sinks::KINDS.iter().flat_map(sink_tables).collect()),
            "map of transforms" => Self::Parts(vec![transforms::KEYS]),
            "map of metrics" => Self::Parts(vec![count::KEYS]),
            "parser" => Self::Names,
            "parser of a text" => Self::Keys(vec![text::KEYS, typed::KEYS]),
            "preset, or a list of them" | "template, or a list of names" => Self::List,
            kind if kind.starts_with("map of ") => Self::Names,
            kind if kind.starts_with("list of ") => Self::List,
            _ => Self::Value,
        }
    }

    /// The name that `part` of a variable's name stands for beside `siblings`, and what may stand there.
    fn below(&self, part: &str, siblings: &[(String, Place, Node)]) -> (String, Self) {
        // A shell takes neither `-` nor `.` in a variable's name.
        let alike = |c: char| if matches!(c, '-' | '.') { '_' } else { c.to_ascii_lowercase() };
        let same = |name: &str| name.chars().map(alike).eq(part.chars().map(alike));
        let named = || {
            let known = siblings.iter().find(|(name, ..)| same(name));
            known.map_or_else(|| part.to_ascii_lowercase(), |(name, ..)| name.clone())
        };
        match self {
            Self::Keys(tables) => {
                let key = tables.iter().flat_map(|table| table.iter()).find(|key| key.name.eq_ignore_ascii_case(part));
                key.map_or_else(|| (part.to_ascii_lowercase(), Self::Value), |key| (key.name.to_owned(), Self::of(key)))
            }
            Self::Parts(tables) => (named(), Self::Keys(tables.clone())),
            Self::Names | Self::List | Self::Value => (named(), Self::Value),
        }
    }
}

fn put(node: &mut Node, level: &Level, path: &[&str], place: &Place, text: &str, problems: &mut Problems) {
    let Some((part, rest)) = path.split_first() else {
        if !is_of_a_flag(node)
            && let Some(value) = value(level, text, place, problems)
        {
            *node = Node { place: place.clone(), value };
        }
        return;
    };
    if !matches!(node.value, Value::Map(_)) {
        *node = Node { place: place.clone(), value: Value::Map(Vec::new()) };
    }
    let Value::Map(entries) = &mut node.value else { return };
    let (name, below) = level.below(part, entries);
    let at = entries.iter().position(|(known, ..)| *known == name).unwrap_or_else(|| {
        entries.push((name, place.clone(), Node { place: place.clone(), value: Value::Null }));
        entries.len() - 1
    });
    if let Some((_, key_place, node)) = entries.get_mut(at) {
        if rest.is_empty() {
            *key_place = place.clone();
        }
        put(node, &below, rest, place, text, problems);
    }
}

/// Whether a value was typed as a flag, or in the variable of one.
fn is_of_a_flag(node: &Node) -> bool {
    let file = &*node.place.file;
    let variable = file.strip_prefix(VARIABLE).is_some_and(|name| !name.starts_with(PREFIX));
    matches!(node.value, Value::Scalar(_) | Value::List(_)) && (variable || file.starts_with("flag "))
}

/// What `text` means where `level` may stand; `None` where it is no YAML, which is noted.
fn value(level: &Level, text: &str, place: &Place, problems: &mut Problems) -> Option<Value> {
    let trimmed = text.trim();
    let (is_list, is_map) = (trimmed.starts_with('['), trimmed.starts_with('{'));
    let is_yaml = match level {
        Level::List => is_list,
        // Some stand for a list as well.
        Level::Keys(_) => is_map || is_list,
        Level::Parts(_) | Level::Names => is_map,
        Level::Value => false,
    };
    if !is_yaml {
        return Some(Value::Scalar(text.to_owned()));
    }
    let mut found = Problems::default();
    let mut as_it_is = |scalar: yaml::Scalar<'_>, _: &mut Problems| Some(scalar.text.to_owned());
    match yaml::parse(trimmed, &place.file, &mut as_it_is, &mut found) {
        Some(tree) if found.0.is_empty() => Some(placed(tree.root, place).value),
        _ => {
            let column = found.0.first().map_or(0, |problem| problem.place.column);
            let what = if is_list { "list" } else { "map" };
            let hint =
                "write it as in YAML on one line: `[a, b]` or `{ key: value }`, a text with special signs in quotes";
            problems.add_with_hint(place, format!("what it holds is no {what}; see its character {column}"), hint);
            None
        }
    }
}

/// `node` with `place` as the place of all of it: a variable has no lines.
fn placed(node: Node, place: &Place) -> Node {
    let value = match node.value {
        Value::List(items) => Value::List(items.into_iter().map(|item| placed(item, place)).collect()),
        Value::Map(entries) => {
            Value::Map(entries.into_iter().map(|(key, _, node)| (key, place.clone(), placed(node, place))).collect())
        }
        value => value,
    };
    Node { place: place.clone(), value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::KEYS;

    const FILE: &str = "\
state_dir: /s
fields: { Team: a }
sinks:
  my-loki: { type: loki, url: http://a, labels: { app: x } }
sources:
  in: { type: stdin }
";

    fn draw(node: &Node) -> String {
        match &node.value {
            Value::Null => "null".to_owned(),
            Value::Scalar(text) => text.clone(),
            Value::List(items) => format!("[{}]", items.iter().map(draw).collect::<Vec<_>>().join(" ")),
            Value::Map(entries) => {
                let entries: Vec<_> = entries.iter().map(|(key, _, node)| format!("{key}={}", draw(node))).collect();
                format!("{{{}}}", entries.join(" "))
            }
        }
    }

    fn put_all(variables: &[(&str, &str)]) -> (Node, Vec<String>) {
        let mut problems = Problems::default();
        let mut as_it_is = |scalar: yaml::Scalar<'_>, _: &mut Problems| Some(scalar.text.to_owned());
        let tree = yaml::parse(FILE, &Arc::from("f"), &mut as_it_is, &mut problems).expect("YAML");
        let mut root = tree.root;
        let variables: Vec<_> = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        put_over(&mut root, KEYS, &variables, &mut problems);
        (root, problems.0.iter().map(|problem| format!("{}: {}", problem.place, problem.text)).collect())
    }

    /// What stands at `path` once `variables` are over [`FILE`].
    fn check(variables: &[(&str, &str)], path: &str, expected: &str) {
        let (root, problems) = put_all(variables);
        assert_eq!(problems, Vec::<String>::new(), "{variables:?}");
        let found = path.split('.').try_fold(&root, |node, key| match &node.value {
            Value::Map(entries) => entries.iter().find(|(name, ..)| name == key).map(|(.., node)| node),
            _ => None,
        });
        assert_eq!(found.map(draw).as_deref(), Some(expected), "{variables:?}");
    }

    fn check_wrong(variables: &[(&str, &str)], expected: &str) {
        assert_eq!(put_all(variables).1, [expected], "{variables:?}");
    }

    #[test]
    fn what_variables_stand_for() {
        check(&[("TAILWATER__STATE_DIR", "/t")], "state_dir", "/t");
        check(&[("TAILWATER__STATE_DIR", "")], "state_dir", "/s");
        check(&[("TAILWATER_STATE_DIR", "/t"), ("PATH", "/bin")], "state_dir", "/s");
        check(
            &[("TAILWATER__sinks__My_Loki__Url", "http://b")],
            "sinks.my-loki",
            "{type=loki url=http://b labels={app=x}}",
        );
        check(
            &[("TAILWATER__SINKS__MY_LOKI__LABELS__APP", "{container}")],
            "sinks.my-loki.labels",
            "{app={container}}",
        );
        check(
            &[("TAILWATER__SINKS__MY_LOKI__LABELS", "{a: b, c: \"{pod}\"}")],
            "sinks.my-loki.labels",
            "{a=b c={pod}}",
        );
        check(&[("TAILWATER__SINKS__MY_LOKI__BATCH__MAX_AGE", "50ms")], "sinks.my-loki.batch", "{max_age=50ms}");
        check(&[("TAILWATER__SOURCES__N__INCLUDE", "[/a/*.log, '/b']")], "sources.n", "{include=[/a/*.log /b]}");
        check(&[("TAILWATER__SOURCES__N__INCLUDE", "/a/[0-9].log")], "sources.n.include", "/a/[0-9].log");
        check(&[("TAILWATER__PARSE__REGEX", "[a-z]+ {2}")], "parse", "{regex=[a-z]+ {2}}");
        check(&[("TAILWATER__PARSE", "json")], "parse", "json");
        check(&[("TAILWATER__TRANSFORMS__A__PARSE", "json")], "transforms", "{a={parse=json}}");
        check(
            &[("TAILWATER__TRANSFORMS__A__PARSE__FIELD", "log"), ("TAILWATER__TRANSFORMS__A__PARSE__CSV", "[a, b]")],
            "transforms.a.parse",
            "{csv=[a b] field=log}",
        );
        check(&[("TAILWATER__FIELDS__TEAM", "${X}")], "fields", "{Team=${X}}");
        check(
            &[("TAILWATER__SINKS__B__URL", "u"), ("TAILWATER__SINKS__B", "{ type: loki, url: v }")],
            "sinks.b",
            "{type=loki url=u}",
        );
        check(&[("TAILWATER__NONE__SUCH", "[x]")], "none", "{such=[x]}");
    }

    #[test]
    fn what_is_wrong_is_said_without_the_value() {
        check_wrong(&[("TAILWATER__", "geheim")], "environment variable TAILWATER__: its name names no key");
        check_wrong(
            &[("TAILWATER__SINKS____URL", "geheim")],
            "environment variable TAILWATER__SINKS____URL: its name names no key",
        );
        check_wrong(
            &[("TAILWATER__SINKS__A__HEADERS", "{x: geheim")],
            "environment variable TAILWATER__SINKS__A__HEADERS: what it holds is no map; see its character 1",
        );
        check_wrong(
            &[("TAILWATER__STATE_DIR", "/a"), ("TAILWATER__state_dir", "/b")],
            "environment variable TAILWATER__state_dir: `TAILWATER__STATE_DIR` stands for the same key",
        );
    }
}
