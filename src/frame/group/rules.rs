//! `multiline:` of the settings, at the top and on a source: which lines make one event.
//!
//! **Invariant**: what is in [`Rules`] can be used as it is: expressions compile, bounds are bounds. What a line is depends on the
//! lines before it in its event alone.

use std::time::Duration;

use regex::bytes::Regex;

use crate::model::settings::{Key, Node, Problems, Section, Value, nearest};

use super::traces::{self, LANGUAGES, Set, States};

/// The keys of `multiline`, where it is a map.
pub const KEYS: &[Key] = &[
    Key {
        name: "presets",
        kind: "preset, or a list of them",
        default: "auto",
        help: "which traces are known; `auto` knows all languages",
    },
    Key {
        name: "start",
        kind: "regular expression",
        default: "",
        help: "instead: an event begins at a line that matches, and goes on to the next that does",
    },
    Key {
        name: "continue",
        kind: "regular expression",
        default: "",
        help: "instead: a line that matches belongs to the line before it; with `start`, only where that began an event",
    },
    Key { name: "max_lines", kind: "number", default: "2000", help: "the most lines of an event; the rest is another" },
    Key {
        name: "gap",
        kind: "duration",
        default: "2s",
        help: "the longest time between two lines of an event, by the lines' own times",
    },
];

/// The bounds of `max_lines`: more would be much bookkeeping for one event.
const MOST_LINES: u64 = 10_000;
/// The bounds of `gap`: what is open is not delivered, so it is short; and long enough for a program that is short of a CPU.
const GAPS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(60));

/// Which lines make one event.
#[derive(Clone, Debug)]
pub struct Rules {
    kind: Kind,
    /// The most lines of an event; at least two.
    pub max_lines: usize,
    /// Two lines that are further apart are not of one event.
    pub gap: Duration,
}

#[derive(Clone, Debug)]
enum Kind {
    /// Every line is an event.
    None,
    /// The languages' traces.
    Traces(Set),
    /// A line that matches begins an event, every other goes on with it.
    Start(Regex),
    /// A line that matches goes on with an event, every other begins one.
    Continue(Regex),
    /// The first begins an event, the second goes on with it; others are alone.
    Both(Regex, Regex),
}

/// How an open event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing(States);

/// What a line is to an open event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Not of it.
    Ends,
    /// Of it.
    Goes(Standing),
    /// Of it if a later line is.
    May(Standing),
}

impl Default for Rules {
    fn default() -> Self {
        Self::of(Kind::Traces(Set::auto()))
    }
}

impl Rules {
    fn of(kind: Kind) -> Self {
        Self { kind, max_lines: 2000, gap: Duration::from_secs(2) }
    }

    /// Rules by which every line is an event.
    pub fn none() -> Self {
        Self::of(Kind::None)
    }

    /// Those of one preset; `None` where it is not known.
    pub fn preset(name: &str) -> Option<Self> {
        Some(Self::of(match name {
            "none" => Kind::None,
            "auto" => Kind::Traces(Set::auto()),
            _ => Kind::Traces(Set::NONE.with(LANGUAGES.iter().position(|language| language.name == name)?)),
        }))
    }

    /// Those of an expression that every event's first line matches; `None` where it is none.
    pub fn start(expression: &str) -> Option<Self> {
        Regex::new(expression).ok().map(|regex| Self::of(Kind::Start(regex)))
    }

    /// Reads `multiline: auto`, `multiline: [java, go]` or `multiline: { start: '…' }`. `None` if it is wrong, which is noted.
    pub fn from_settings(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.value {
            Value::Scalar(name) if name == "none" => Some(Self::none()),
            Value::Scalar(_) | Value::List(_) => presets(node, problems).map(Self::of),
            Value::Map(_) => {
                let mut section = Section::new("`multiline`", node, &[KEYS], problems);
                let made = Self::read(&mut section);
                section.end();
                made
            }
            Value::Null => {
                problems.add_with_hint(&node.place, "`multiline` has no value", known());
                None
            }
        }
    }

    fn read(section: &mut Section<'_>) -> Option<Self> {
        let named = section.node("presets").map(|node| presets(node, section.problems()));
        let (start, following) = (expression(section, "start"), expression(section, "continue"));
        let max_lines = section.parsed("max_lines", |text| match text.parse() {
            Ok(lines @ 2..=MOST_LINES) => Ok(lines as usize),
            _ => Err(format!("expected a whole number from 2 to {MOST_LINES}; `multiline: none` joins nothing")),
        });
        let gap = section.parsed("gap", |text| match crate::model::units::parse_duration(text)? {
            gap if (GAPS.0..=GAPS.1).contains(&gap) => Ok(gap),
            _ => Err("choose between `100ms` and `60s`: what is open waits so long before it is delivered".to_owned()),
        });
        if named.is_some() && (start.is_some() || following.is_some()) {
            section.problem("`presets` and expressions of your own exclude each other", "write either of them");
            return None;
        }
        let kind = match (named, start, following) {
            (Some(named), ..) => named?,
            (None, Some(start), Some(following)) => Kind::Both(start?, following?),
            (None, Some(start), None) => Kind::Start(start?),
            (None, None, Some(following)) => Kind::Continue(following?),
            (None, None, None) => Kind::Traces(Set::auto()),
        };
        let default = Self::of(kind);
        Some(Self { max_lines: max_lines.unwrap_or(default.max_lines), gap: gap.unwrap_or(default.gap), ..default })
    }

    /// Whether any lines are joined at all.
    #[inline]
    pub fn joins(&self) -> bool {
        !matches!(self.kind, Kind::None)
    }

    /// Whether `line` may be the first of several: cheap, and never wrong where it says no.
    #[inline]
    pub fn may_begin(&self, line: &[u8]) -> bool {
        match &self.kind {
            Kind::None => false,
            Kind::Traces(set) => traces::may_begin(*set, line),
            Kind::Start(_) | Kind::Continue(_) => true,
            Kind::Both(start, _) => start.is_match(line),
        }
    }

    /// How an event stands that begins with `line`; `None` where the line is an event of its own.
    pub fn first(&self, line: &[u8]) -> Option<Standing> {
        match &self.kind {
            Kind::None => None,
            Kind::Traces(set) => traces::first(*set, line).map(Standing),
            // What stands before the first line that begins an event is one, too.
            Kind::Start(_) | Kind::Continue(_) => Some(Standing(States::default())),
            Kind::Both(start, _) => start.is_match(line).then(|| Standing(States::default())),
        }
    }

    /// What `line` is to an event that stands so.
    pub fn next(&self, standing: Standing, line: &[u8]) -> Next {
        let goes = match &self.kind {
            Kind::None => false,
            Kind::Traces(set) => {
                return match traces::next(*set, standing.0, line) {
                    traces::Next::Ends => Next::Ends,
                    traces::Next::Goes(states) => Next::Goes(Standing(states)),
                    traces::Next::May(states) => Next::May(Standing(states)),
                };
            }
            Kind::Start(start) => !start.is_match(line),
            Kind::Continue(following) => following.is_match(line),
            Kind::Both(start, following) => !start.is_match(line) && following.is_match(line),
        };
        if goes { Next::Goes(standing) } else { Next::Ends }
    }
}

fn presets(node: &Node, problems: &mut Problems) -> Option<Kind> {
    let nodes = match &node.value {
        Value::List(nodes) => &nodes[..],
        _ => std::slice::from_ref(node),
    };
    let mut set = Set::NONE;
    let mut is_right = !nodes.is_empty();
    if nodes.is_empty() {
        problems.add_with_hint(&node.place, "no preset is named", known());
    }
    for node in nodes {
        let name = match &node.value {
            Value::Scalar(name) => name.as_str(),
            _ => "",
        };
        let languages = || LANGUAGES.iter().map(|language| language.name);
        match languages().position(|known| known == name) {
            Some(at) => set = set.with(at),
            None if name == "auto" => set = set.and(Set::auto()),
            None => {
                is_right = false;
                let hint = match nearest(name, languages().chain(["auto", "none"])) {
                    Some(near) if near != name => format!("did you mean `{near}`? {}", known()),
                    _ => known(),
                };
                let text = match &node.value {
                    Value::Scalar(_) if name == "none" => "`none` stands alone: `multiline: none`".to_owned(),
                    Value::Scalar(_) => format!("unknown preset `{name}`"),
                    _ => "a preset is a name".to_owned(),
                };
                problems.add_with_hint(&node.place, text, hint);
            }
        }
    }
    is_right.then_some(Kind::Traces(set))
}

/// The expression under `key`; `Some(None)` where it is wrong, which is noted.
fn expression(section: &mut Section<'_>, key: &str) -> Option<Option<Regex>> {
    let node = section.node(key)?;
    let Value::Scalar(text) = &node.value else {
        section.problems().add_with_hint(
            &node.place,
            format!("`{key}` must be a single value"),
            "write one expression; `a|b` is either of two",
        );
        return Some(None);
    };
    match Regex::new(text) {
        Ok(regex) if text.is_empty() || (key == "continue" && regex.is_match(b"")) => {
            section.problems().add_with_hint(
                &node.place,
                format!("`{key}` matches an empty line, so nearly every line would"),
                "say what must be there: `+` instead of `*`, or `^` and what the line begins with",
            );
            Some(None)
        }
        Ok(regex) => Some(Some(regex)),
        Err(error) => {
            let words = error.to_string();
            let last = words.lines().last().unwrap_or("").trim_start_matches("error: ").to_owned();
            section.problems().add_with_hint(
                &node.place,
                format!("`{key}` is no regular expression: {last}"),
                "the syntax is that of Rust's `regex` crate, without look-around and back-references",
            );
            Some(None)
        }
    }
}

/// What may be typed, for messages.
fn known() -> String {
    let names: Vec<_> = LANGUAGES.iter().map(|language| language.name).collect();
    format!("known: auto, none, {}; or `{{ start: '…' }}`, `{{ continue: '…' }}`", names.join(", "))
}
