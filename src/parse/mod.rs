//! Entry → level, message and fields. Pure: takes a body, returns facts.
//!
//! In reading order:
//! - [`Parser`], here: the kinds, their settings, and which parser a line goes to
//! - [`auto`]: decides line by line what a line is
//! - [`json`]: a line that is one JSON object, and `scan`: the one pass that checks it
//! - [`logfmt`]: `key=value` pairs
//! - [`regex`]: the user's own expression
//! - [`plain`]: a line that is only text, and [`head`]: the level at its beginning (`headers`: forms of single letters)
//! - [`level`]: which keys and which words mean which level
//! - [`time`]: the time that a line says, and `stamp`: the forms of it
//! - [`parsed`], [`pairs`]: the answer, and the memory that its pairs are lent from
//!
//! **Invariant**: parsing is total and never changes or loses a byte of the body; a line that is not what its parser
//! looks for is a plain one, and [`Parsed`] says so.

pub mod auto;
pub mod head;
mod headers;
pub mod json;
pub mod level;
pub mod logfmt;
pub mod pairs;
pub mod parsed;
pub mod plain;
mod quoted;
pub mod regex;
mod scan;
mod stamp;
pub mod time;

use crate::model::event::Level;
use crate::model::settings::{Key, Node, Problems, Section, Value, nearest};

use pairs::Pairs;
use parsed::Parsed;

/// One kind of parser, for settings, help and documents.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The name as typed.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Makes it; `None` for the kind that needs more than its name.
    make: Option<fn() -> Parser>,
}

/// All kinds.
pub const KINDS: &[Kind] = &[
    Kind { name: "auto", help: "line by line: JSON objects, logfmt, else plain text", make: Some(|| Parser::Auto) },
    Kind { name: "json", help: "JSON objects; other lines stay plain text", make: Some(|| Parser::Json) },
    Kind {
        name: "logfmt",
        help: "pairs such as `level=warn msg=\"disk nearly full\"`, wherever they stand in the line",
        make: Some(|| Parser::Logfmt),
    },
    Kind { name: "plain", help: "text; only a level is looked for", make: Some(|| Parser::Plain) },
    Kind {
        name: "regex",
        help: "an expression of your own whose named groups become fields: `{ regex: '^(?<level>\\w+) (?<message>.*)' }`",
        make: None,
    },
];

const REGEX_KEYS: &[Key] = &[Key {
    name: "regex",
    kind: "regular expression",
    default: "",
    help: "named groups become fields, `message` and `level` also set the event's own",
}];

const NO_EXPRESSION: &str = "parser `regex` needs its expression";
const NO_EXPRESSION_HINT: &str = "write `parse: { regex: '…' }`";

/// Turns bodies into level, message and fields. One per worker and source.
#[derive(Clone, Debug)]
pub enum Parser {
    /// Decides line by line.
    Auto,
    /// JSON objects.
    Json,
    /// `key=value` pairs.
    Logfmt,
    /// Text.
    Plain,
    /// The user's own expression.
    Regex(Box<regex::Expression>),
}

impl Parser {
    /// Reads `parse: auto` or `parse: { regex: '…' }`. `None` if it is wrong, which is noted.
    pub fn from_settings(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.value {
            Value::Scalar(name) => Self::named(name, node, problems),
            Value::Map(_) => {
                let mut section = Section::new("`parse`", node, &[REGEX_KEYS], problems);
                let made = Self::expression(&mut section);
                section.end();
                made
            }
            Value::Null | Value::List(_) => {
                problems.add_with_hint(&node.place, "`parse` must be the name of a parser or a map", known_names());
                None
            }
        }
    }

    fn expression(section: &mut Section<'_>) -> Option<Self> {
        let typed = section.node("regex");
        match (typed, section.text("regex")) {
            (Some(typed), Some(text)) if !text.is_empty() => match regex::Expression::new(&text) {
                Ok(expression) => Some(Self::Regex(Box::new(expression))),
                Err(wrong) => {
                    section.problems().add_with_hint(&typed.place, wrong.text, wrong.hint);
                    None
                }
            },
            // A list or a map, which was noted already.
            (Some(_), None) => None,
            _ => {
                section.problem(NO_EXPRESSION, NO_EXPRESSION_HINT);
                None
            }
        }
    }

    fn named(name: &str, node: &Node, problems: &mut Problems) -> Option<Self> {
        let kind = KINDS.iter().find(|kind| kind.name == name);
        if let Some(make) = kind.and_then(|kind| kind.make) {
            return Some(make());
        }
        match kind {
            Some(_) => problems.add_with_hint(&node.place, NO_EXPRESSION, NO_EXPRESSION_HINT),
            None => {
                let hint = match nearest(name, KINDS.iter().map(|kind| kind.name)) {
                    Some(near) => format!("did you mean `{near}`? {}", known_names()),
                    None => known_names(),
                };
                problems.add_with_hint(&node.place, format!("unknown parser `{name}`"), hint);
            }
        }
        None
    }

    /// The name as typed in settings.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Json => "json",
            Self::Logfmt => "logfmt",
            Self::Plain => "plain",
            Self::Regex(_) => "regex",
        }
    }

    /// What `body` says. Total; the answer depends on the body alone. `pairs` comes fresh from
    /// [`pairs::Scratch::lend`] and holds the answer's pairs.
    #[inline]
    pub fn parse<'p, 't: 'p>(&'t mut self, body: &'t str, pairs: &'p mut Pairs<'_, 't>) -> Parsed<'p> {
        let found = match self {
            Self::Auto => return auto::parse(body, pairs),
            Self::Plain => return plain::parse(body),
            Self::Json => json::parse(body).map(|json| json.parsed(body)),
            Self::Logfmt => logfmt::parse_anywhere(body, pairs),
            Self::Regex(expression) => expression.parse(body, pairs),
        };
        found.unwrap_or_else(|| Parsed { missed: true, ..plain::parse(body) })
    }
}

impl Parser {
    /// What `body` says of its level alone: as [`Parser::parse`] finds it, without looking at more of the line than that
    /// takes ([`json::level`]).
    #[inline]
    pub fn level<'t>(&'t mut self, body: &'t str, pairs: &mut Pairs<'_, 't>) -> Option<Level> {
        match self {
            Self::Auto => auto::level(body, pairs),
            _ => self.parse(body, pairs).level,
        }
    }
}

fn known_names() -> String {
    let names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
    format!("known: {}", names.join(", "))
}

#[cfg(test)]
mod tests;
