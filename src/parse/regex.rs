//! The user's own expression: its named groups become fields.
//!
//! **Invariant**: an [`Expression`] has at least one named group. Groups without a name, and those that took no part
//! in a match, make no field.

use ::regex::{CaptureLocations, Regex};

use crate::model::event::Fields;
use crate::model::text::Text;

use super::level::{self, KeyKind};
use super::pairs::Pairs;
use super::parsed::Parsed;

/// An expression and the memory for its matches.
#[derive(Clone, Debug)]
pub struct Expression {
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
        let regex = Regex::new(text).map_err(|error| {
            // A syntax error is a drawing of several lines, of which the last says what is the matter.
            let words = error.to_string();
            let last = words.lines().last().unwrap_or("");
            Wrong {
                text: format!("`{text}` is no regular expression: {}", last.trim_start_matches("error: ")),
                hint: "the syntax is that of Rust's `regex` crate, without look-around and back-references".to_owned(),
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

    /// What the groups say of `body`; `None` where it does not match.
    pub fn parse<'p, 't: 'p>(&'t mut self, body: &'t str, pairs: &'p mut Pairs<'_, 't>) -> Option<Parsed<'p>> {
        let Self { regex, groups, locations } = self;
        regex.captures_read(locations, body)?;
        let (mut found, mut message) = (None, Text::Plain(body));
        for (index, name) in groups.iter() {
            let Some(value) = locations.get(*index).and_then(|(start, end)| body.get(start..end)) else { continue };
            match name.as_str() {
                "level" => found = level::of_word(KeyKind::Level, value),
                "message" => message = Text::Plain(value),
                _ => {}
            }
            pairs.push(Text::Plain(name), Text::Plain(value));
        }
        Some(Parsed { level: found, message, fields: Fields::Pairs(pairs.as_slice()), missed: false })
    }
}
