//! `transforms:` of the settings, at the top and on a sink.
//!
//! **Invariant**: what is read here can be run as it is. Names are unique in what one sink runs, so that each line that is
//! left out is counted under one name.

use crate::model::settings::{Key, Node, Place, Problems, Section, Value};

use super::condition::{Condition, Mistake};
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
];

/// The transforms of one map, and where each was typed.
#[derive(Clone, Debug, Default)]
pub struct Settings(Vec<(Step, Place)>);

impl Settings {
    /// Reads the map of transforms under `key` of `section`, in the order typed.
    pub fn read(section: &mut Section<'_>, key: &str) -> Self {
        let mut read = Vec::new();
        for (name, place, node) in section.entries(key) {
            let problems = section.problems();
            check_name(name, place, problems);
            if let Some(what) = transform(name, place, node, problems) {
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

fn transform(name: &str, place: &Place, node: &Node, problems: &mut Problems) -> Option<What> {
    let mut section = Section::new(format!("transform `{name}`"), node, &[KEYS], problems);
    let keep = condition(&mut section, name, "keep");
    let drop = condition(&mut section, name, "drop");
    let typed = keep.is_some() as usize + drop.is_some() as usize;
    if typed != 1 && matches!(node.value, Value::Map(_) | Value::Null) {
        let names: Vec<_> = KEYS.iter().map(|key| format!("`{}`", key.name)).collect();
        let text = match typed {
            0 => format!("transform `{name}` does nothing"),
            _ => format!("transform `{name}` does several things"),
        };
        let hint = format!("write one of {}; several things are several transforms, in their order", names.join(", "));
        section.problems().add_with_hint(place, text, hint);
    }
    section.end();
    // What is wrong with the condition has been said.
    keep.flatten().map(What::Keep).or(drop.flatten().map(What::Drop))
}

/// The condition under `key`: whether there is one, and whether it can be run.
fn condition(section: &mut Section<'_>, name: &str, key: &str) -> Option<Option<Condition>> {
    let node = section.node(key)?;
    let Some(text) = section.text(key) else { return Some(None) };
    match Condition::new(&text) {
        Ok(condition) => Some(Some(condition)),
        Err(mistake) => {
            let what = format!("the condition of transform `{name}`{}: {}", place_in(&text, &mistake), mistake.text);
            section.problems().add_with_hint(&node.place, what, mistake.hint);
            Some(None)
        }
    }
}

/// How much of a condition is quoted from where it is wrong.
const QUOTED: usize = 24;

/// Where in a condition something is wrong, in words: its place in the file is that of all of it.
fn place_in(text: &str, mistake: &Mistake) -> String {
    let Some(at) = mistake.at else { return String::new() };
    let rest: String = text.chars().skip(at).take(QUOTED).collect();
    let rest = rest.lines().next().unwrap_or("").trim_end();
    if rest.is_empty() { " at its end".to_owned() } else { format!(" at character {}, `{rest}`", at + 1) }
}

/// Names stand in metrics and in `/status`.
fn check_name(name: &str, place: &Place, problems: &mut Problems) {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || !name.chars().all(legal) {
        let text = format!("`{name}` cannot be the name of a transform");
        problems.add_with_hint(place, text, "use letters, digits, `_`, `-` and `.`");
    }
}
