//! Cases that stand in the settings: lines, and what is to become of them. `tailwater test` runs them.

use std::path::PathBuf;

use crate::model::settings::{Key, Node, Problems, Section, Value};

/// The keys of a case.
pub const KEYS: &[Key] = &[
    Key { name: "name", kind: "text", default: "", help: "what it is called when it is run" },
    Key {
        name: "source",
        kind: "text",
        default: "",
        help: "the source that is to have read the lines; found by `as` if not set",
    },
    Key {
        name: "as",
        kind: "path",
        default: "",
        help: "the file that they are to stand in, such as `/var/log/pods/shop_cart-0_1/app/0.log`",
    },
    Key { name: "sink", kind: "text", default: "", help: "the sink whose events are looked at; the first if not set" },
    Key { name: "input", kind: "text", default: "", help: "the lines, as they stand in the file" },
    Key {
        name: "expect",
        kind: "list of events",
        default: "",
        help: "the events, in order; `[]` where none may come. Of each only what is written here is looked at",
    },
];

/// The keys of an event in `expect`.
pub const EXPECT_KEYS: &[Key] = &[
    Key { name: "time", kind: "text", default: "", help: "as `2026-11-23T08:50:48.703Z`" },
    Key { name: "stream", kind: "text", default: "", help: "`stdout` or `stderr`" },
    Key { name: "level", kind: "text", default: "", help: "`trace` to `fatal`; `\"null\"` where none may be found" },
    Key { name: "message", kind: "text", default: "", help: "the message" },
    Key { name: "body", kind: "text", default: "", help: "the whole text" },
    Key { name: "flaw", kind: "text", default: "", help: "what was wrong with its form; `\"null\"` for nothing" },
    Key { name: "fields", kind: "map of texts", default: "", help: "some of its fields" },
];

/// One case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What it is called.
    pub name: String,
    /// The source that is to have read the lines.
    pub source: Option<String>,
    /// The file that they are to stand in.
    pub path: Option<PathBuf>,
    /// The sink whose events are looked at.
    pub sink: Option<String>,
    /// The lines.
    pub input: String,
    /// The events that are to come.
    pub expect: Vec<Expected>,
}

/// What is to be so of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Keys of the event itself.
    pub keys: Vec<(&'static str, String)>,
    /// Some of its fields.
    pub fields: Vec<(String, String)>,
}

/// Reads the list.
pub(super) fn read(node: Option<&Node>, problems: &mut Problems) -> Vec<Case> {
    let items = match node.map(|node| (&node.place, &node.value)) {
        None => return Vec::new(),
        Some((_, Value::List(items))) => items,
        Some((place, _)) => {
            problems.add_with_hint(
                place,
                "`tests` must be a list",
                "write `tests: [{ name: …, input: …, expect: [] }]`",
            );
            return Vec::new();
        }
    };
    items.iter().enumerate().map(|(index, item)| case(index, item, problems)).collect()
}

fn case(index: usize, item: &Node, problems: &mut Problems) -> Case {
    let number = format!("test {}", index + 1);
    let mut section = Section::new(number.clone(), item, &[KEYS], problems);
    let case = Case {
        name: section.text("name").unwrap_or(number),
        source: section.text("source"),
        path: section.text("as").map(PathBuf::from),
        sink: section.text("sink"),
        input: section.required_text("input"),
        expect: events(&mut section),
    };
    section.end();
    case
}

fn events(section: &mut Section<'_>) -> Vec<Expected> {
    let hint = "write a list of events: `expect: [{ level: error }]`, or `expect: []` where none may come";
    match section.node("expect").map(|node| (&node.place, &node.value)) {
        Some((_, Value::List(items))) => items.iter().map(|item| event(item, section.problems())).collect(),
        Some((place, _)) => {
            section.problems().add_with_hint(place, "`expect` must be a list", hint);
            Vec::new()
        }
        None => {
            let text = format!("{} needs `expect`", section.what());
            section.problem(text, hint);
            Vec::new()
        }
    }
}

fn event(item: &Node, problems: &mut Problems) -> Expected {
    let mut section = Section::new("an expected event", item, &[EXPECT_KEYS], problems);
    let names = EXPECT_KEYS.iter().map(|key| key.name).filter(|name| *name != "fields");
    let keys = names.filter_map(|name| Some((name, section.text(name)?))).collect();
    let fields = section.text_map("fields").unwrap_or_default();
    section.end();
    Expected { keys, fields: fields.into_iter().map(|(key, value, _)| (key, value)).collect() }
}
