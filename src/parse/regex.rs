//! Expressions, tried in order: the named groups of the first that matches become fields.
//!
//! **Invariant**: each of an [`Expression`]'s alternatives has at least one named group. Groups without a name, and those that took no part
//! in a match, make no field.

use ::regex::{CaptureLocations, Regex};

use crate::model::event::Fields;
use crate::model::text::Text;

use super::level::{self, KeyKind};
use super::pairs::Pairs;
use super::parsed::Parsed;

/// One expression or several, and the memory for their matches.
#[derive(Clone, Debug)]
pub struct Expression {
    /// In the order in which they are tried.
    alternatives: Vec<Alternative>,
    /// Whether the group `message` goes on to the line's end.
    message_to_end: bool,
}

/// One expression.
#[derive(Clone, Debug)]
struct Alternative {
    /// The compiled expression.
    regex: Regex,
    /// Index and name of each named group, ascending.
    groups: Vec<(usize, String)>,
    /// Where the groups of the last match lie.
    locations: CaptureLocations,
}

/// Why an expression cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// What is wrong with it.
    pub text: String,
    /// The way out.
    pub hint: String,
}

impl Expression {
    /// Compiles an expression.
    pub fn new(text: &str) -> Result<Self, Wrong> {
        Ok(Self { alternatives: vec![Alternative::new(text)?], message_to_end: false })
    }

    /// Adds one that is tried where those before do not match.
    pub fn or(mut self, text: &str) -> Result<Self, Wrong> {
        self.alternatives.push(Alternative::new(text)?);
        Ok(self)
    }

    /// The group `message` goes on from where it begins to the line's end, which then needs no looking at: an engine with groups
    /// costs more for each sign than all else that is done with it.
    #[must_use]
    pub fn with_message_to_end(self) -> Self {
        Self { message_to_end: true, ..self }
    }

    /// What the groups of the first alternative that matches say of `body`; `None` where none does.
    pub fn parse<'p, 't: 'p>(&'t mut self, body: &'t str, pairs: &'p mut Pairs<'_, 't>) -> Option<Parsed<'p>> {
        let matching = self.alternatives.iter_mut().find_map(|alternative| alternative.matching(body))?;
        Some(matching.parsed(body, self.message_to_end, pairs))
    }
}

impl Alternative {
    fn new(text: &str) -> Result<Self, Wrong> {
        let regex = Regex::new(text).map_err(|error| {
            // A syntax error is a drawing of several lines, of which the last says what is the matter.
            let words = error.to_string();
            let last = words.lines().last().unwrap_or("");
            Wrong {
                text: format!("`{text}` is no regular expression: {}", last.trim_start_matches("error: ")),
                hint: "write `\\` before a sign that stands for itself; the syntax is that of Rust's `regex` crate, \
                       without look-around and back-references"
                    .to_owned(),
            }
        })?;
        let groups: Vec<_> =
            regex.capture_names().enumerate().filter_map(|(index, name)| Some((index, name?.to_owned()))).collect();
        if groups.is_empty() {
            return Err(Wrong {
                text: format!("`{text}` has no named group, so no line would get a field"),
                hint: "name what is to be kept: `(?<message>.*)`".to_owned(),
            });
        }
        let locations = regex.capture_locations();
        Ok(Self { regex, groups, locations })
    }

    /// Itself, where it matches.
    fn matching(&mut self, body: &str) -> Option<&Self> {
        self.regex.captures_read(&mut self.locations, body)?;
        Some(self)
    }

    /// What the groups of the last match say of `body`.
    fn parsed<'p, 't: 'p>(&'t self, body: &'t str, message_to_end: bool, pairs: &'p mut Pairs<'_, 't>) -> Parsed<'p> {
        let Self { groups, locations, .. } = self;
        let (mut found, mut message) = (None, Text::Plain(body));
        for (index, name) in groups {
            let Some((start, mut end)) = locations.get(*index) else { continue };
            if message_to_end && name == "message" {
                end = body.len();
            }
            let Some(value) = body.get(start..end) else { continue };
            match name.as_str() {
                "level" => found = level::of_word(KeyKind::Level, value),
                "message" => message = Text::Plain(value),
                _ => {}
            }
            pairs.push(Text::Plain(name), Text::Plain(value));
        }
        Parsed { level: found, message, fields: Fields::Pairs(pairs.as_slice()), missed: false }
    }
}
