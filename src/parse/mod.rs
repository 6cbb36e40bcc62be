//! Entry → level, message and fields. Pure: takes a body, returns facts.
//!
//! In reading order:
//! - [`Parser`], here: the kinds, and which parser a line goes to
//! - [`auto`]: decides line by line what a line is
//! - [`json`]: a line that is one JSON object, and `scan`: the one pass that checks it
//! - [`nested`]: such a line inside of another
//! - [`logfmt`]: `key=value` pairs
//! - [`regex`]: the user's own expressions, and [`known`]: those of klog, syslog, nginx and Apache
//! - [`grok`]: the same from patterns with names; [`separated`]: CSV and TSV, and [`columns`]: the names
//!   that a header line gives
//! - [`plain`]: a line that is only text, and [`head`]: the level at its beginning (`headers`: forms of single letters,
//!   `untimed`: those without a time, `markup`: events as XML, `marks`: what marks a level, `beyond`: what does so behind
//!   the head, `leads`: what is passed before it, `words`: what other words are)
//! - [`level`]: which keys and which words mean which level
//! - [`time`]: the time that a line says, at its head or under a key (`time/keyed`), and `stamp`: the forms of it
//! - [`parsed`], [`pairs`]: the answer, and the memory that its pairs are lent from
//! - [`recipe`]: a parser and what is done with its answer; [`types`], [`values`]: fields that are numbers, truth values, times
//! - [`moment`]: the time under a field that settings name, and [`formats`]: how it is written
//! - [`typed`]: what is typed under `parse`; [`reader`]: the same for texts inside of events
//!
//! **Invariant**: parsing is total and never changes or loses a byte of the body; a line that is not what its parser
//! looks for is a plain one, and [`Parsed`] says so.

pub mod auto;
mod beyond;
pub mod columns;
pub mod formats;
pub mod grok;
pub mod head;
mod headers;
pub mod json;
pub mod known;
mod leads;
pub mod level;
pub mod logfmt;
mod marks;
mod markup;
pub mod moment;
pub mod nested;
pub mod pairs;
pub mod parsed;
pub mod plain;
mod quoted;
pub mod reader;
pub mod recipe;
pub mod regex;
mod scan;
pub mod separated;
mod stamp;
pub mod time;
pub mod typed;
pub mod types;
mod untimed;
pub mod values;
mod words;

use crate::model::event::{Fields, Level};
use crate::model::text::Text;

use pairs::Pairs;
use parsed::Parsed;
use values::Type;

/// One kind of parser, for settings, help and documents.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The name as typed.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Makes it; `None` for the kind that needs more than its name.
    make: Option<fn() -> Option<Parser>>,
}

/// All kinds.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "auto",
        help: "line by line: JSON objects, logfmt, else plain text",
        make: Some(|| Some(Parser::Auto)),
    },
    Kind { name: "json", help: "JSON objects; other lines stay plain text", make: Some(|| Some(Parser::Json)) },
    Kind {
        name: "logfmt",
        help: "pairs such as `level=warn msg=\"disk nearly full\"`, wherever they stand in the line",
        make: Some(|| Some(Parser::Logfmt)),
    },
    Kind { name: "plain", help: "text; only a level is looked for", make: Some(|| Some(Parser::Plain)) },
    Kind {
        name: "klog",
        help: "the header of Kubernetes' own programs and of glog: `level`, `time`, `thread`, `file`, `line`, `message`",
        make: Some(|| known::Known::klog().map(Parser::known)),
    },
    Kind {
        name: "syslog",
        help: "RFC 3164 and 5424: `priority`, `time`, `host`, `program`, `pid`, `message_id`, `structured_data`, `message`",
        make: Some(|| known::Known::syslog().map(Parser::known)),
    },
    Kind {
        name: "nginx",
        help: "its access log (common, combined): `client`, `user`, `time`, `method`, `path`, `protocol`, `status`, `bytes`, `referer`, `agent`; and its error log",
        make: Some(|| known::Known::nginx().map(Parser::known)),
    },
    Kind {
        name: "apache",
        help: "its access log (common, combined, with or without the virtual host), with the names of `nginx`; and its error log",
        make: Some(|| known::Known::apache().map(Parser::known)),
    },
    Kind {
        name: "regex",
        help: "expressions of your own, tried in order, whose named groups become fields: `{ regex: '^(?<level>\\w+) (?<message>.*)' }`",
        make: None,
    },
    Kind {
        name: "grok",
        help: "the same, put together from the patterns of Logstash: `{ grok: '%{IP:client} %{NUMBER:bytes}' }`",
        make: None,
    },
    Kind {
        name: "csv",
        help: "values between separators, as CSV writes them, under these names: `{ csv: [time, level, message], separator: ';' }`, or those of each file's header line: `{ csv: header }`",
        make: None,
    },
    Kind { name: "tsv", help: "values between tabs: `{ tsv: [time, level, message] }`, `{ tsv: header }`", make: None },
];

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
    /// The user's own expressions.
    Regex(Box<regex::Expression>),
    /// Grok expressions.
    Grok(Box<grok::Expressions>),
    /// Values between separators.
    Separated(Box<separated::Separated>),
    /// A format that is known by its name.
    Known(Box<known::Known>),
}

impl Parser {
    fn known(known: known::Known) -> Self {
        Self::Known(Box::new(known))
    }

    /// The name as typed in settings.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Json => "json",
            Self::Logfmt => "logfmt",
            Self::Plain => "plain",
            Self::Regex(_) => "regex",
            Self::Grok(_) => "grok",
            Self::Separated(separated) => separated.name(),
            Self::Known(known) => known.name,
        }
    }

    /// Whether it takes lines of JSON apart.
    #[inline]
    pub fn knows_json(&self) -> bool {
        matches!(self, Self::Auto | Self::Json)
    }

    /// Values between separators, whose names are those of each file's header line.
    #[inline]
    pub fn headed(&mut self) -> Option<&mut separated::Separated> {
        match self {
            Self::Separated(separated) if separated.wants_header() => Some(separated),
            _ => None,
        }
    }

    /// Whether it needs to know its file's header line.
    pub fn wants_header(&self) -> bool {
        matches!(self, Self::Separated(separated) if separated.wants_header())
    }

    /// The types that it gives its fields by itself.
    pub fn types(&self) -> Vec<(String, Type)> {
        match self {
            Self::Grok(expressions) => expressions.types().to_vec(),
            Self::Known(known) => known.types().iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect(),
            _ => Vec::new(),
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
            Self::Grok(expressions) => expressions.parse(body, pairs),
            Self::Separated(separated) => separated.parse(body, pairs),
            Self::Known(known) => known.parse(body, pairs),
        };
        found.unwrap_or_else(|| Parsed { missed: true, ..plain::parse(body) })
    }
}

impl Parser {
    /// As [`Parser::parse`], for who looks fields up by name and minds no message: what begins as a JSON object is taken for
    /// one, and of it only the level is looked for. In lines that are JSON only so far, what stands before that is found.
    #[inline]
    pub fn outline<'p, 't: 'p>(&'t mut self, body: &'t str, pairs: &'p mut Pairs<'_, 't>) -> Parsed<'p> {
        match self {
            // Others must tell whether a line was missed.
            Self::Auto if json::begins(body) => {
                let (level, message, fields) = (json::level(body), Text::Plain(body), Fields::Json(body));
                Parsed { level, message, fields, missed: false }
            }
            _ => self.parse(body, pairs),
        }
    }

    /// What `body` says of its level alone: as [`Parser::parse`] finds it, without looking at more of the line than that
    /// takes ([`json::level`]); and whether it was missed.
    #[inline]
    pub fn level<'t>(&'t mut self, body: &'t str, pairs: &mut Pairs<'_, 't>) -> (Option<Level>, bool) {
        match self {
            Self::Auto => (auto::level(body), false),
            _ => {
                let parsed = self.parse(body, pairs);
                (parsed.level, parsed.missed)
            }
        }
    }
}

#[cfg(test)]
mod tests;
