//! `transforms:` of the settings, at the top and on a sink.
//!
//! **Invariant**: what is read here can be run as it is. Names are unique in what one sink runs, so that each line that is
//! left out is counted under one name.

use crate::model::reader::Readers;
use crate::model::settings::{Key, Node, Place, Problems, Section, Value};
use crate::model::template::Template;

use super::condition::Condition;
use super::count::Counts;
use super::dedupe::{self, Dedupe};
use super::limit::{self, Limit};
use super::sample::{self, Sample};
use super::shape::Change;
use super::shape::parse::{self, Parse};
use super::steps::{Step, Steps, What};

/// The keys of a transform; each has exactly one.
pub const KEYS: &[Key] = &[
    Key {
        name: "keep",
        kind: "condition",
        default: "",
        help: "lines that the condition holds of go on, others are left out",
    },
    Key {
        name: "drop",
        kind: "condition",
        default: "",
        help: "lines that the condition holds of are left out, others go on",
    },
    Key {
        name: "sample",
        kind: "map",
        default: "",
        help: "a share of the lines goes on, and all errors; others are left out",
    },
    Key {
        name: "limit",
        kind: "map",
        default: "",
        help: "so many lines or bytes a second go on, others are left out; on a sink only",
    },
    Key {
        name: "dedupe",
        kind: "map",
        default: "",
        help: "the first of equal lines goes on, repeats are left out and counted; on a sink only",
    },
    Key {
        name: "metrics",
        kind: "map of metrics",
        default: "",
        help: "counters and histograms on `/metrics`, made of the lines, which all go on; on a sink only",
    },
    Key { name: "rename", kind: "map of names", default: "", help: "fields get other names: old and new" },
    Key { name: "remove", kind: "list of names", default: "", help: "fields that are taken away" },
    Key {
        name: "keep_only",
        kind: "list of names",
        default: "",
        help: "the fields that stay; all others are taken away",
    },
    Key {
        name: "set",
        kind: "map of templates",
        default: "",
        help: "fields that get a text, made of the line's fields and names",
    },
    Key {
        name: "lift",
        kind: "list of names",
        default: "",
        help: "objects whose members take the place of the object",
    },
    Key {
        name: "nest",
        kind: "map of lists of names",
        default: "",
        help: "objects that fields are put into: its name, and theirs",
    },
    Key {
        name: "parse",
        kind: "parser of a text",
        default: "",
        help: "what a field's text says becomes fields, or what the message says",
    },
];

/// Those that remember what came before: only a sink can have them.
const ON_A_SINK: &[&str] = &["limit", "dedupe", "metrics"];

/// Where a map of transforms stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// At the top: each sink runs them.
    AllSinks,
    /// On one sink.
    OneSink,
}

/// The transforms of one map, and where each was typed.
#[derive(Clone, Debug, Default)]
pub struct Settings(Vec<(Step, Place)>);

impl Settings {
    /// Reads the map of transforms under `key` of `section`, in the order typed; `readers` are what texts are parsed by.
    pub fn read(section: &mut Section<'_>, key: &str, of: Of, readers: &Readers) -> Self {
        let mut read = Vec::new();
        for (name, place, node) in section.entries(key) {
            let problems = section.problems();
            check_name(name, place, problems);
            if of == Of::AllSinks {
                check_place(name, node, problems);
            }
            if let Some(what) = transform(name, place, node, readers, problems) {
                read.push((Step { name: name.into(), what }, place.clone()));
            }
        }
        Self(read)
    }

    /// These, then what a sink adds to them.
    pub fn with(&self, sink: &Self, problems: &mut Problems) -> Steps {
        for (step, place) in &sink.0 {
            if self.0.iter().any(|(other, _)| other.name == step.name) {
                problems.add_with_hint(
                    place,
                    format!("there is a transform `{}` at the top already", step.name),
                    "lines are counted by the names of transforms: call it otherwise",
                );
            }
        }
        Steps::new(self.0.iter().chain(&sink.0).map(|(step, _)| step.clone()).collect())
    }
}

fn transform(name: &str, place: &Place, node: &Node, readers: &Readers, problems: &mut Problems) -> Option<What> {
    let mut section = Section::new(format!("transform `{name}`"), node, &[KEYS], problems);
    let mut made: Vec<Option<What>> = Vec::new();
    made.extend(Condition::read(&mut section, name, "keep").map(|condition| condition.map(What::Keep)));
    made.extend(Condition::read(&mut section, name, "drop").map(|condition| condition.map(What::Drop)));
    let sample = section.section("sample", &[sample::KEYS], |section| Sample::read(section, name));
    made.extend(sample.map(|sample| sample.map(What::Sample)));
    let limit = section.section("limit", &[limit::KEYS], |section| Limit::read(section, name));
    made.extend(limit.map(|limit| limit.map(|limit| What::Limit(Box::new(limit)))));
    let dedupe = section.section("dedupe", &[dedupe::KEYS], |section| Dedupe::read(section, name));
    made.extend(dedupe.map(|dedupe| dedupe.map(|dedupe| What::Dedupe(Box::new(dedupe)))));
    if section.node("metrics").is_some() {
        let before = section.problems().0.len();
        let metrics = section.entries("metrics");
        if metrics.is_empty() && section.problems().0.len() == before {
            let hint = "write a name and what it counts: `metrics: { app_lines_total: { help: Lines. } }`";
            section.problem(format!("`metrics` of {} has no metric", section.what()), hint);
        }
        made.push(Counts::read(&metrics, name, section.problems()).map(What::Count));
    }
    if let Some(node) = section.node("parse") {
        made.push(
            parse(name, node, readers, section.problems()).map(|parse| What::Shape(Change::Parse(Box::new(parse)))),
        );
    }
    made.extend(changes(&mut section).into_iter().map(|change| change.map(What::Shape)));
    if made.len() != 1 && matches!(node.value, Value::Map(_) | Value::Null) {
        let names: Vec<_> = KEYS.iter().map(|key| format!("`{}`", key.name)).collect();
        let text = match made.len() {
            0 => format!("transform `{name}` does nothing"),
            _ => format!("transform `{name}` does several things"),
        };
        let hint = format!("write one of {}; several things are several transforms, in their order", names.join(", "));
        section.problems().add_with_hint(place, text, hint);
    }
    section.end();
    // What is wrong with it has been said.
    made.into_iter().flatten().next()
}

/// The changes that were typed; `None` for one that cannot be made.
fn changes(section: &mut Section<'_>) -> Vec<Option<Change>> {
    let mut made = Vec::new();
    if section.node("rename").is_some() {
        let names = section.text_map("rename");
        made.push(names.map(|names| Change::Rename(names.into_iter().map(|(old, new, _)| (old, new)).collect())));
    }
    for (key, make) in [
        ("remove", Change::Remove as fn(Vec<String>) -> Change),
        ("keep_only", Change::KeepOnly),
        ("lift", Change::Lift),
    ] {
        if section.node(key).is_some() {
            made.push(section.texts(key).map(make));
        }
    }
    if section.node("set").is_some() {
        made.push(section.text_map("set").and_then(|values| set(values, section.problems())));
    }
    if section.node("nest").is_some() {
        let groups = section.entries("nest");
        made.push(nest(&groups, section.problems()));
    }
    made
}

/// A parser by its name is for the message, with the other keys it stands in a map.
fn parse(name: &str, node: &Node, readers: &Readers, problems: &mut Problems) -> Option<Parse> {
    let Value::Map(_) = &node.value else {
        return (readers.of_name)(node, problems).map(|reader| Parse::new(None, None, reader));
    };
    let what = format!("`parse` of transform `{name}`");
    let mut section = Section::new(what, node, &[parse::KEYS, readers.keys], problems);
    let parse = Parse::read(&mut section, readers.of_map);
    section.end();
    parse
}

fn set(values: Vec<(String, String, Place)>, problems: &mut Problems) -> Option<Change> {
    let before = problems.0.len();
    let mut set = Vec::new();
    for (name, text, place) in values {
        match Template::parse(&text) {
            Ok(template) => set.push((name, template)),
            Err(wrong) => problems.add_with_hint(
                &place,
                format!("the template of `{name}` cannot be read: {wrong}"),
                "such as `\"{namespace}/{pod}\"` or `\"{fields.user}\"`",
            ),
        }
    }
    (problems.0.len() == before).then_some(Change::Set(set))
}

fn nest(groups: &[(&str, &Place, &Node)], problems: &mut Problems) -> Option<Change> {
    let mut made = Vec::new();
    for (name, place, node) in groups {
        let names: Option<Vec<String>> = match &node.value {
            Value::Scalar(name) => Some(vec![name.clone()]),
            Value::List(items) => items.iter().map(text_of).collect(),
            Value::Null | Value::Map(_) => None,
        };
        match names {
            Some(names) => made.push(((*name).to_owned(), names)),
            None => {
                let text = format!("`{name}` of `nest` must be a list of names");
                problems.add_with_hint(place, text, format!("write `nest: {{ {name}: [user, cart] }}`"));
                return None;
            }
        }
    }
    (!made.is_empty()).then_some(Change::Nest(made))
}

fn text_of(node: &Node) -> Option<String> {
    match &node.value {
        Value::Scalar(text) => Some(text.clone()),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

/// What remembers would do so in each sink by itself, which nobody who writes it once would think of.
fn check_place(name: &str, node: &Node, problems: &mut Problems) {
    let Value::Map(entries) = &node.value else { return };
    for (key, place, _) in entries.iter().filter(|(key, ..)| ON_A_SINK.contains(&key.as_str())) {
        problems.add_with_hint(
            place,
            format!("transform `{name}`: `{key}` cannot stand at the top, since each sink would count for itself"),
            "move it to `transforms` of the sinks that are to have it",
        );
    }
}

/// Names stand in metrics and in `/status`.
fn check_name(name: &str, place: &Place, problems: &mut Problems) {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || !name.chars().all(legal) {
        let text = format!("`{name}` cannot be the name of a transform");
        problems.add_with_hint(place, text, "use letters, digits, `_`, `-` and `.`");
    }
}
