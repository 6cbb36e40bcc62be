//! What is typed under `parse` → a parser.

use crate::model::settings::{Key, Node, Place, Problems, Section, Value, nearest};

use super::grok::Expressions;
use super::moment::Moment;
use super::recipe::Recipe;
use super::regex::Expression;
use super::separated::Separated;
use super::values::{TYPES, Type};
use super::{KINDS, Parser};

/// The keys of `parse` where it is a map: at most one of the first four or `as`, and what belongs to it. Beside them stand
/// [`TIME`] of a source, and in a transform those that say which text.
pub const KEYS: &[Key] = &[
    Key {
        name: "regex",
        kind: "regular expression, or a list of them",
        default: "",
        help: "named groups of the first that matches become fields, `message` and `level` also set the event's own",
    },
    Key {
        name: "grok",
        kind: "grok expression, or a list of them",
        default: "",
        help: "the same from patterns with names: `%{IP:client} %{NUMBER:bytes}`",
    },
    Key {
        name: "csv",
        kind: "list of names, or `header`",
        default: "",
        help: "the names of the values, in order; `\"\"` for one that is no field; `header`: those of each file's header line",
    },
    Key { name: "tsv", kind: "list of names, or `header`", default: "", help: "the same of values between tabs" },
    Key { name: "patterns", kind: "map of texts", default: "", help: "patterns of your own for `grok`, by name" },
    Key { name: "separator", kind: "text", default: "\",\"", help: "the ASCII character between the values of `csv`" },
    Key {
        name: "as",
        kind: "parser",
        default: "auto",
        help: "the name of a parser, where it needs `types` or `time` beside it",
    },
    Key {
        name: "types",
        kind: "map of types",
        default: "",
        help: "fields that are no texts: `int`, `float`, `bool`, `time`, `duration` (becomes seconds), `bytes`; or `text`",
    },
];
/// The key of `parse` that only a source has.
pub const TIME: &[Key] =
    &[Key { name: "time", kind: "field, or map", default: "", help: "the field that says the event's time" }];

/// Stands for the names of each file's header line.
const HEADER: &str = "header";

/// The keys that say which parser it is.
const WAYS: [&str; 5] = ["regex", "grok", "csv", "tsv", "as"];
const NO_WAY: &str = "`parse` needs one of `regex`, `grok`, `csv`, `tsv` and `as`";
const NO_WAY_HINT: &str = "write `parse: { regex: '…' }`, or the name of a parser such as `parse: auto`";

impl Recipe {
    /// Reads `parse: auto` or `parse: { regex: '…' }`. `None` if it is wrong, which is noted.
    pub fn from_settings(node: &Node, problems: &mut Problems) -> Option<Self> {
        let Value::Map(_) = &node.value else { return Self::of_name(node, problems) };
        let mut section = Section::new("`parse`", node, &[KEYS, TIME], problems);
        let has_time = section.node("time").is_some();
        let parser = from_map(&mut section, has_time);
        let types = types(&mut section);
        let time = match section.node("time") {
            None => Some(None),
            Some(node) => Moment::from_settings(node, section.problems()).map(Some),
        };
        section.end();
        Some(Self::new(parser?, types?, time?))
    }

    /// Reads the [`KEYS`] of a text's parser, beside others. `None` if they are wrong, which is noted.
    pub(super) fn of_section(section: &mut Section<'_>) -> Option<Self> {
        let (parser, types) = (from_map(section, true), types(section));
        if parser.as_ref().is_some_and(Parser::wants_header) {
            section.problem("a text inside of a line has no header line", "name its values: `csv: [user, took]`");
            return None;
        }
        Some(Self::new(parser?, types?, None))
    }

    /// The parser of this name. `None` if it is wrong, which is noted.
    pub(super) fn of_name(node: &Node, problems: &mut Problems) -> Option<Self> {
        if let Value::Scalar(name) = &node.value {
            return named(name, &node.place, problems).map(Self::from);
        }
        problems.add_with_hint(&node.place, "`parse` must be the name of a parser or a map", known_names());
        None
    }
}

/// `has_more` where it says more than a parser.
fn from_map(section: &mut Section<'_>, has_more: bool) -> Option<Parser> {
    let typed: Vec<&str> = WAYS.into_iter().filter(|way| section.node(way).is_some()).collect();
    let patterns = section.text_map("patterns");
    let separator = section.parsed("separator", |text| match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => Ok(*byte),
        _ => Err("expected one ASCII character, such as `;`".to_owned()),
    });
    let (way, has_more) = match typed.as_slice() {
        [] => (None, has_more || section.node("types").is_some()),
        [way] => (Some(*way), true),
        _ => (None, false),
    };
    if !has_more {
        section.problem(NO_WAY, NO_WAY_HINT);
        return None;
    }
    // With nothing but what goes with any, it is the usual one.
    let way = way.unwrap_or("as");
    if patterns.is_some() && way != "grok" {
        section.problem("`patterns` are for `grok`", "remove them, or write the expression as `grok`");
    }
    if separator.is_some() && way != "csv" {
        section.problem("`separator` is for `csv`", "remove it");
    }
    if way == "as" {
        let Some(node) = section.node("as") else { return Some(Parser::Auto) };
        let name = section.text("as")?;
        return named(&name, &node.place, section.problems());
    }
    let separator = if way == "tsv" { b'\t' } else { separator.unwrap_or(b',') };
    let is_header = |node: &Node| matches!(&node.value, Value::Scalar(text) if text == HEADER);
    if matches!(way, "csv" | "tsv") && section.node(way).is_some_and(is_header) {
        return Some(Parser::Separated(Box::new(Separated::with_header(separator))));
    }
    // A map was noted already.
    let typed = section.placed_texts(way)?;
    if typed.iter().all(|(text, _)| text.is_empty()) {
        section.problem(NO_WAY, NO_WAY_HINT);
        return None;
    }
    match way {
        "regex" => expression(section, &typed),
        "grok" => {
            let texts: Vec<String> = typed.iter().map(|(text, _)| text.clone()).collect();
            let own: Vec<_> = patterns.unwrap_or_default().into_iter().map(|(name, text, _)| (name, text)).collect();
            match Expressions::new(&texts, &own) {
                Ok(expressions) => Some(Parser::Grok(Box::new(expressions))),
                Err((index, words)) => {
                    let place = typed.get(index).map_or_else(|| section.place().clone(), |(_, place)| place.clone());
                    section.problems().add_with_hint(
                        &place,
                        words,
                        "write `%{PATTERN:name}`; the patterns are Logstash's, and those under `patterns`",
                    );
                    None
                }
            }
        }
        _ => {
            let columns = typed.into_iter().map(|(text, _)| text).collect();
            Some(Parser::Separated(Box::new(Separated::new(columns, separator))))
        }
    }
}

fn expression(section: &mut Section<'_>, typed: &[(String, Place)]) -> Option<Parser> {
    let mut all: Option<Expression> = None;
    for (text, place) in typed {
        let with_it = match all.take() {
            Some(before) => before.or(text),
            None => Expression::new(text),
        };
        match with_it {
            Ok(expression) => all = Some(expression),
            Err(wrong) => {
                section.problems().add_with_hint(place, wrong.text, wrong.hint);
                return None;
            }
        }
    }
    all.map(|expression| Parser::Regex(Box::new(expression)))
}

/// What stands under `types`; `None` if it is wrong, which is noted.
fn types(section: &mut Section<'_>) -> Option<Vec<(String, Type)>> {
    let mut types = Vec::new();
    let before = section.problems().0.len();
    for (name, text, place) in section.text_map("types").unwrap_or_default() {
        match TYPES.iter().find(|(known, _)| *known == text) {
            Some((_, kind)) => types.push((name, *kind)),
            None => {
                let known = TYPES.map(|(name, _)| format!("`{name}`")).join(", ");
                let hint = match nearest(&text, TYPES.iter().map(|(name, _)| *name)) {
                    Some(near) => format!("did you mean `{near}`? known: {known}"),
                    None => format!("known: {known}"),
                };
                section.problems().add_with_hint(&place, format!("unknown type `{text}` of `{name}`"), hint);
            }
        }
    }
    (section.problems().0.len() == before).then_some(types)
}

fn named(name: &str, place: &Place, problems: &mut Problems) -> Option<Parser> {
    let kind = KINDS.iter().find(|kind| kind.name == name);
    if let Some(make) = kind.and_then(|kind| kind.make) {
        return make();
    }
    match kind {
        Some(kind) => problems.add_with_hint(
            place,
            format!("parser `{}` needs more than its name", kind.name),
            format!("write `parse: {{ {}: … }}`: {}", kind.name, kind.help),
        ),
        None => {
            let hint = match nearest(name, KINDS.iter().map(|kind| kind.name)) {
                Some(near) => format!("did you mean `{near}`? {}", known_names()),
                None => known_names(),
            };
            problems.add_with_hint(place, format!("unknown parser `{name}`"), hint);
        }
    }
    None
}

fn known_names() -> String {
    let names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
    format!("known: {}", names.join(", "))
}
