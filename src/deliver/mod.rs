//! Delivery: batches in, requests out, reports back.
//!
//! In reading order:
//! - this file: what may be said about a delivery, and what it needs from the outside
//! - [`run`]: the send and retry loop of one sink
//! - [`http`]: requests over HTTP
//! - [`dead_letter`]: the file of refused entries
//! - [`stdout`]: the one writer of stdout
//! - [`null`]: throws away
//! - [`notices`]: what a person hears, and how often
//! - [`progress`]: whether anything still gets done
//! - [`secret`]: what must never be printed
//!
//! **Invariant**: what becomes of an entry is decided in [`crate::flow::worklist`]; here it is only carried out. A
//! batch's permit lives until its last entry is settled and reported.
#![expect(clippy::disallowed_methods, reason = "a delivery sends, waits, and reads certificates and secrets")]

pub mod dead_letter;
pub mod http;
pub mod notices;
pub mod null;
pub mod progress;
pub mod run;
pub mod secret;
pub mod stdout;

use std::path::PathBuf;

use crate::flow::retry;
use crate::model::settings::{Key, Section, Value};
use crate::model::sink::Request;

/// The keys of every sink that sends requests, beside [`http::KEYS`].
pub const KEYS: &[Key] = &[
    Key {
        name: "retry",
        kind: "map",
        default: "",
        help: "when a failed request is sent again: `min`, `max`, `give_up_after`",
    },
    Key { name: "requests_in_flight", kind: "number", default: "4", help: "the most requests under way at once" },
    Key {
        name: "dead_letter",
        kind: "`drop`, `{ file: PATH }` or `{ index: NAME }`",
        default: "drop",
        help: "where entries go that the store refuses for good",
    },
];

/// The keys of `dead_letter`.
pub const DEAD_LETTER_KEYS: &[Key] = &[
    Key { name: "file", kind: "path", default: "", help: "one JSON object per refused entry is appended to this file" },
    Key { name: "index", kind: "text", default: "", help: "refused entries go to this index of the same store" },
];

/// How a sink's batches are delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// When to try again and when to give up.
    pub retry: retry::Settings,
    /// The most requests under way at once; at least one.
    pub requests_in_flight: usize,
    /// Where refused entries go.
    pub dead_letter: DeadLetter,
}

/// Where entries go that the store refuses for good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeadLetter {
    /// Nowhere: counted and dropped.
    #[default]
    Drop,
    /// To a file, one JSON object a line.
    File(PathBuf),
    /// To this index of the same store.
    Index(String),
}

impl Default for Settings {
    fn default() -> Self {
        Self { retry: retry::Settings::default(), requests_in_flight: 4, dead_letter: DeadLetter::Drop }
    }
}

impl Settings {
    /// Reads [`KEYS`].
    pub fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        let retry = section.section("retry", &[retry::KEYS], retry::Settings::read).unwrap_or(default.retry);
        let requests_in_flight = section.parsed("requests_in_flight", |text| match text.parse() {
            Ok(number @ 1..=1024) => Ok(number),
            _ => Err("expected a whole number from 1 to 1024".to_owned()),
        });
        Self {
            retry,
            requests_in_flight: requests_in_flight.unwrap_or(default.requests_in_flight),
            dead_letter: dead_letter_setting(section),
        }
    }
}

fn dead_letter_setting(section: &mut Section<'_>) -> DeadLetter {
    let Some(node) = section.node("dead_letter") else { return DeadLetter::Drop };
    if let Value::Scalar(text) = &node.value {
        if text != "drop" {
            let hint = "write `drop`, `{ file: PATH }` or `{ index: NAME }`";
            section.problems().add_with_hint(&node.place, format!("`dead_letter` cannot be `{text}`"), hint);
        }
        return DeadLetter::Drop;
    }
    let read = |section: &mut Section<'_>| match (section.text("file"), section.text("index")) {
        (Some(path), None) => DeadLetter::File(PathBuf::from(path)),
        (None, Some(index)) => DeadLetter::Index(index),
        _ => {
            let text = format!("{} needs one of `file` and `index`", section.what());
            section.problem(text, "write `drop`, `{ file: PATH }` or `{ index: NAME }`");
            DeadLetter::Drop
        }
    };
    section.section("dead_letter", &[DEAD_LETTER_KEYS], read).unwrap_or_default()
}

/// What carries requests to a store.
pub trait Transport {
    /// Sends `request` and says what came back. At most `answer_max` bytes of an answer's body are kept.
    fn send(&self, request: Request, answer_max: usize) -> impl Future<Output = Sent> + Send + 'static;

    /// `words`, with everything that must not be printed replaced.
    fn mask(&self, words: &str) -> String {
        words.to_owned()
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// An answer.
    Answer {
        /// The HTTP status.
        status: u16,
        /// The answer's body, or its beginning.
        body: Vec<u8>,
    },
    /// No answer, and why. Whether the store has the request's items is not known.
    Nothing(String),
    /// No answer, since one side does not trust the other's certificate, and in which words. The store has none of the
    /// request's items, and takes none until a person changes a certificate.
    Untrusted(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::settings::{Node, Place, Problems};

    fn check(key: &str, value: Value, expected: Settings, problems: &[&str]) {
        let place = Place { file: "t.yaml".into(), line: 1, column: 1 };
        let node = |value| Node { place: place.clone(), value };
        let map = node(Value::Map(vec![(key.to_owned(), place.clone(), node(value))]));
        let mut found = Problems::default();
        let mut section = Section::new("sink `s`", &map, &[KEYS], &mut found);
        assert_eq!(Settings::read(&mut section), expected);
        section.end();
        assert_eq!(found.0.into_iter().map(|problem| problem.text).collect::<Vec<_>>(), problems);
    }

    #[test]
    fn the_settings_are_read() {
        let text = |text: &str| Value::Scalar(text.to_owned());
        let place = Place { file: "t.yaml".into(), line: 1, column: 1 };
        let one =
            |key: &str, value| Value::Map(vec![(key.to_owned(), place.clone(), Node { place: place.clone(), value })]);
        let default = Settings::default;
        check("requests_in_flight", text("8"), Settings { requests_in_flight: 8, ..default() }, &[]);
        check("requests_in_flight", text("0"), default(), &["`requests_in_flight` cannot be `0`"]);
        check("dead_letter", text("drop"), default(), &[]);
        check("dead_letter", text("keep"), default(), &["`dead_letter` cannot be `keep`"]);
        let file = Settings { dead_letter: DeadLetter::File("/d".into()), ..default() };
        check("dead_letter", one("file", text("/d")), file, &[]);
        let index = Settings { dead_letter: DeadLetter::Index("dead".into()), ..default() };
        check("dead_letter", one("index", text("dead")), index, &[]);
        let half = "`dead_letter` of sink `s` needs one of `file` and `index`";
        check("dead_letter", Value::Map(vec![]), default(), &[half]);
        let retry = retry::Settings { min: std::time::Duration::from_secs(1), ..retry::Settings::default() };
        check("retry", one("min", text("1s")), Settings { retry, ..default() }, &[]);
    }
}
