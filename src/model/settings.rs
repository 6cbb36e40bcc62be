//! The tree of typed-in settings, and reading it without stopping at the first problem.
//!
//! Every kind of setting lists its keys in a const table of [`Key`]s beside the code that they configure. A
//! [`Section`] reads one map of the tree against such tables: what is wrong is noted in [`Problems`] with its
//! place, the reading goes on, and unknown keys are reported when the section is [`Section::end`]ed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use super::nearest::{meant, nearest};
use super::units;

/// Where a setting was typed: a file (or an environment variable, or a flag), line and column, both from 1; line 0
/// where there are no lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file's name, `environment variable X` or `flag --x`.
    pub file: Arc<str>,
    /// Line, from 1; 0 where the file has no lines.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}", self.file)
        } else {
            write!(f, "{}:{}:{}", self.file, self.line, self.column)
        }
    }
}

/// A value of the tree, with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it was typed.
    pub place: Place,
    /// What was typed.
    pub value: Value,
}

impl Node {
    /// The value of a key, where this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(known, ..)| known == key).map(|(.., node)| node),
            Value::Null | Value::Scalar(_) | Value::List(_) => None,
        }
    }

    /// Whether the same was typed in both, wherever it stands and in whatever order keys do.
    pub fn says_same(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.says_same(b)),
            (Value::Map(a), Value::Map(b)) => {
                let has = |key: &str, node: &Self| other.get(key).is_some_and(|other| node.says_same(other));
                a.len() == b.len() && a.iter().all(|(key, _, node)| has(key, node))
            }
            (a, b) => a == b,
        }
    }
}

/// What was typed. Variables are already put in.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing, or `null`, or `~`.
    Null,
    /// Any text, number or truth value, as typed.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order typed; keys are unique.
    Map(Vec<(String, Place, Node)>),
}

/// One known key of a section, for reading, help, documents and the schema.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The key as typed.
    pub name: &'static str,
    /// The kind of value, in words: `size`, `duration`, `text`, `list of globs`, ….
    pub kind: &'static str,
    /// The default, as it would be typed; empty where there is none.
    pub default: &'static str,
    /// One sentence.
    pub help: &'static str,
}

/// One thing that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What: lower case, no full stop, values in backticks.
    pub text: String,
    /// The way out.
    pub hint: String,
}

/// All that is wrong with the settings, in the order found.
#[derive(Debug, Default)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Notes a problem and the way out: what to write instead. There is none without.
    pub fn add_with_hint(&mut self, place: &Place, text: impl Into<String>, hint: impl Into<String>) {
        self.0.push(Problem { place: place.clone(), text: text.into(), hint: hint.into() });
    }
}

/// One map of the tree, being read.
pub struct Section<'a> {
    what: String,
    place: Place,
    entries: Vec<(&'a str, &'a Place, &'a Node)>,
    taken: Vec<bool>,
    tables: Vec<&'static [Key]>,
    problems: &'a mut Problems,
}

impl<'a> Section<'a> {
    /// Begins to read `node` as a map whose keys stand in `tables`. `what` names it in messages: ``sink `loki` ``.
    /// Anything but a map (or nothing) is noted as a problem and read as an empty map.
    pub fn new(what: impl Into<String>, node: &'a Node, tables: &[&'static [Key]], problems: &'a mut Problems) -> Self {
        let what = what.into();
        let entries: Vec<_> = match &node.value {
            Value::Map(entries) => entries.iter().map(|(key, place, node)| (key.as_str(), place, node)).collect(),
            Value::Null => Vec::new(),
            Value::Scalar(_) | Value::List(_) => {
                problems.add_with_hint(
                    &node.place,
                    format!("{what} must be a map"),
                    format!("write keys and values: {}", names(tables)),
                );
                Vec::new()
            }
        };
        Self {
            what,
            place: node.place.clone(),
            taken: vec![false; entries.len()],
            entries,
            tables: tables.to_vec(),
            problems,
        }
    }

    /// Where the section was typed.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What the section is called in messages.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// The list of problems, to note one's own.
    pub fn problems(&mut self) -> &mut Problems {
        self.problems
    }

    /// Notes a problem at the section's own place.
    pub fn problem(&mut self, text: impl Into<String>, hint: impl Into<String>) {
        self.problems.add_with_hint(&self.place, text, hint);
    }

    /// The value under `key`, if it was typed and is not null.
    pub fn node(&mut self, key: &str) -> Option<&'a Node> {
        debug_assert!(
            self.tables.iter().any(|table| table.iter().any(|known| known.name == key)),
            "`{key}` stands in a key table of {}",
            self.what
        );
        let at = self.entries.iter().position(|(name, ..)| *name == key)?;
        self.taken[at] = true;
        let node = self.entries[at].2;
        (node.value != Value::Null).then_some(node)
    }

    /// A text (or number, or truth value, as typed).
    pub fn text(&mut self, key: &str) -> Option<String> {
        let node = self.node(key)?;
        self.scalar(key, node)
    }

    /// A text that must be given.
    pub fn required_text(&mut self, key: &str) -> String {
        if let Some(text) = self.text(key) {
            return text;
        }
        let typed = self.entries.iter().find(|(name, ..)| *name == key).map(|(_, place, node)| (*place, &node.value));
        let place = match typed {
            // It is no single value, which was said already.
            Some((_, Value::List(_) | Value::Map(_))) => return String::new(),
            Some((place, _)) => place.clone(),
            None => self.place.clone(),
        };
        let hint = match self.known(key) {
            Some(known) => format!("add `{key}`: {}", known.help),
            None => format!("add `{key}`"),
        };
        self.problems.add_with_hint(&place, format!("{} needs `{key}`", self.what), hint);
        String::new()
    }

    /// A value parsed by `parse`, whose error says what is expected.
    pub fn parsed<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let node = self.node(key)?;
        let text = self.scalar(key, node)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(expected) => {
                self.problems.add_with_hint(&node.place, format!("`{key}` cannot be `{text}`"), expected);
                None
            }
        }
    }

    /// A size in bytes, such as `1MiB`.
    pub fn bytes(&mut self, key: &str) -> Option<u64> {
        self.parsed(key, units::parse_bytes)
    }

    /// A duration, such as `1s`.
    pub fn duration(&mut self, key: &str) -> Option<Duration> {
        self.parsed(key, units::parse_duration)
    }

    /// A whole number.
    pub fn number(&mut self, key: &str) -> Option<u64> {
        self.parsed(key, |text| text.parse().map_err(|_| "expected a whole number".to_owned()))
    }

    /// `true` or `false`.
    pub fn truth(&mut self, key: &str) -> Option<bool> {
        self.parsed(key, |text| text.parse().map_err(|_| "expected `true` or `false`".to_owned()))
    }

    /// One of the named choices.
    pub fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        self.parsed(key, |text| {
            choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
                let names: Vec<_> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
                match names.split_last() {
                    Some((last, first)) if !first.is_empty() => format!("expected {} or {last}", first.join(", ")),
                    _ => format!("expected {}", names.join("")),
                }
            })
        })
    }

    /// A list of texts; a single text stands for a list of one.
    pub fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        self.placed_texts(key).map(|texts| texts.into_iter().map(|(text, _)| text).collect())
    }

    /// A list of texts with their places; a single text stands for a list of one.
    pub fn placed_texts(&mut self, key: &str) -> Option<Vec<(String, Place)>> {
        let node = self.node(key)?;
        match &node.value {
            Value::List(nodes) => Some(
                nodes.iter().filter_map(|node| self.scalar(key, node).map(|text| (text, node.place.clone()))).collect(),
            ),
            Value::Map(_) => {
                let (text, hint) = (format!("`{key}` must be a list"), format!("write `{key}: [a, b]`"));
                self.problems.add_with_hint(&node.place, text, hint);
                None
            }
            _ => self.scalar(key, node).map(|text| vec![(text, node.place.clone())]),
        }
    }

    /// A map of texts, in the order typed, with the places of the values.
    pub fn text_map(&mut self, key: &str) -> Option<Vec<(String, String, Place)>> {
        let node = self.node(key)?;
        match &node.value {
            Value::Map(entries) => Some(
                entries
                    .iter()
                    .filter_map(|(name, _, node)| {
                        self.scalar(name, node).map(|text| (name.clone(), text, node.place.clone()))
                    })
                    .collect(),
            ),
            _ => {
                self.problems.add_with_hint(
                    &node.place,
                    format!("`{key}` must be a map"),
                    format!("write `{key}: {{ name: value }}`"),
                );
                None
            }
        }
    }

    /// The entries of a map of anything: name, place of the name, value.
    pub fn entries(&mut self, key: &str) -> Vec<(&'a str, &'a Place, &'a Node)> {
        let Some(node) = self.node(key) else { return Vec::new() };
        match &node.value {
            Value::Map(entries) => entries.iter().map(|(name, place, node)| (name.as_str(), place, node)).collect(),
            _ => {
                let hint = format!("write `{key}: {{ NAME: {{ … }} }}`, a name of your own before each");
                self.problems.add_with_hint(&node.place, format!("`{key}` must be a map of names"), hint);
                Vec::new()
            }
        }
    }

    /// Reads the map under `key` as a section of its own. `None` if it was not typed.
    pub fn section<T>(
        &mut self,
        key: &str,
        tables: &[&'static [Key]],
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> Option<T> {
        let node = self.node(key)?;
        let mut section = Section::new(format!("`{key}` of {}", self.what), node, tables, self.problems);
        let value = read(&mut section);
        section.end();
        Some(value)
    }

    /// Ends the section: keys that nobody asked for are reported, with the nearest known one.
    pub fn end(self) {
        for ((key, place, _), taken) in self.entries.iter().zip(&self.taken) {
            if *taken {
                continue;
            }
            let known: Vec<_> = self.tables.iter().flat_map(|table| table.iter()).map(|known| known.name).collect();
            let hint = match meant(key, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`? known: {}", known.join(", ")),
                None => format!("known: {}", known.join(", ")),
            };
            self.problems.add_with_hint(place, format!("unknown key `{key}` in {}", self.what), hint);
        }
    }

    fn scalar(&mut self, key: &str, node: &Node) -> Option<String> {
        match &node.value {
            Value::Scalar(text) => Some(text.clone()),
            Value::Null => {
                let hint = format!("write {} behind `{key}:`, or leave the key out", self.one(key));
                self.problems.add_with_hint(&node.place, format!("`{key}` has no value"), hint);
                None
            }
            Value::List(_) | Value::Map(_) => {
                let hint = format!("write {} behind `{key}:`, no list and no map", self.one(key));
                self.problems.add_with_hint(&node.place, format!("`{key}` must be a single value"), hint);
                None
            }
        }
    }

    /// What belongs behind a key, in words.
    fn one(&self, key: &str) -> String {
        match self.known(key) {
            Some(known) if known.kind.contains('|') => format!("one of `{}`", known.kind.replace(" | ", "`, `")),
            Some(known) => format!("one {}", known.kind),
            None => "one value".to_owned(),
        }
    }

    fn known(&self, key: &str) -> Option<&'static Key> {
        self.tables.iter().flat_map(|table| table.iter()).find(|known| known.name == key)
    }
}

fn names(tables: &[&'static [Key]]) -> String {
    let names: Vec<_> = tables.iter().flat_map(|table| table.iter()).map(|key| key.name).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &[Key] = &[
        Key { name: "url", kind: "text", default: "", help: "where to" },
        Key { name: "max_age", kind: "duration", default: "1s", help: "how long" },
    ];

    fn node(value: Value) -> Node {
        Node { place: Place { file: "t.yaml".into(), line: 3, column: 5 }, value }
    }

    #[test]
    fn all_problems_are_noted_in_one_go() {
        let place = node(Value::Null).place;
        let map = node(Value::Map(vec![
            ("ulr".into(), place.clone(), node(Value::Scalar("x".into()))),
            ("max_age".into(), place, node(Value::Scalar("5 parsecs".into()))),
        ]));
        let mut problems = Problems::default();
        let mut section = Section::new("sink `a`", &map, &[KEYS], &mut problems);
        assert_eq!(section.required_text("url"), "");
        assert_eq!(section.duration("max_age"), None);
        section.end();
        let texts: Vec<_> = problems.0.iter().map(|problem| problem.text.as_str()).collect();
        assert_eq!(texts, ["sink `a` needs `url`", "`max_age` cannot be `5 parsecs`", "unknown key `ulr` in sink `a`"]);
        assert_eq!(problems.0[2].hint, "did you mean `url`? known: url, max_age");
    }

    #[test]
    fn a_required_key_without_a_value_is_missed() {
        let place = node(Value::Null).place;
        let map = node(Value::Map(vec![("url".into(), place, node(Value::Null))]));
        let mut problems = Problems::default();
        let mut section = Section::new("sink `a`", &map, &[KEYS], &mut problems);
        assert_eq!(section.required_text("url"), "");
        section.end();
        assert_eq!(problems.0.len(), 1);
        assert_eq!(problems.0[0].text, "sink `a` needs `url`");
    }
}
