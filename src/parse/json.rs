//! A line that is one JSON object: its level and its message.
//!
//! The object itself is not taken apart: a sink copies its bytes whole, so what must be known is that they are valid,
//! which `scan` tells in one pass; level and message are looked at as their members pass by.
//!
//! **Invariant**: only objects count: an array, a number or a quoted string in a log is text. A key with escapes in it is
//! no level's or message's key. Of duplicate keys the last counts, as with most readers.
//!
//! Who wants the level only does not need the whole line: [`level()`] reads no further than the member that says it, since
//! nothing behind `level` can say it better. It is what [`parse`] finds, but in lines that say it twice, or that are JSON
//! only so far.

use crate::model::event::{Fields, Level};
use crate::model::text::Text;

use super::headers;
use super::level;
use super::parsed::Parsed;
use super::scan::{self, Visitor};
use super::untimed;

/// A line that is one JSON object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Json<'a> {
    /// The object, without the white space around it.
    pub object: &'a str,
    /// What its level says, where it has one.
    pub level: Option<Level>,
    /// The inside of the string under `message`, else of that under `msg`.
    pub message: Option<&'a str>,
}

impl<'a> Json<'a> {
    /// As a parser's answer for the line `body`.
    #[inline]
    pub fn parsed(self, body: &'a str) -> Parsed<'a> {
        Parsed {
            level: self.level,
            message: self.message.map_or(Text::Plain(body), Text::Escaped),
            fields: Fields::Json(self.object),
            missed: false,
        }
    }
}

/// The JSON object that `body` is, or `None`.
#[inline]
pub fn parse(body: &str) -> Option<Json<'_>> {
    let mut found = Found { body, level: None, level_rank: u8::MAX, message: None, msg: None };
    let place = scan::whole(body.as_bytes(), &mut found)?;
    Some(Json { object: body.get(place)?, level: found.level, message: found.message.or(found.msg) })
}

/// The level of the JSON object that `body` begins as, where it has one.
#[inline]
pub fn level(body: &str) -> Option<Level> {
    let mut found = OnlyLevel(Found { body, level: None, level_rank: u8::MAX, message: None, msg: None });
    scan::begin(body.as_bytes(), &mut found);
    found.0.level
}

/// Whether `body` begins as a JSON object does.
#[inline]
pub fn begins(body: &str) -> bool {
    let inside = body.trim_ascii_start().strip_prefix('{').map(str::trim_ascii_start);
    inside.is_some_and(|inside| inside.starts_with(['"', '}']))
}

/// Looks for the level and nothing else.
struct OnlyLevel<'a>(Found<'a>);

impl Visitor for OnlyLevel<'_> {
    #[inline(always)]
    fn member(&mut self, key: &[u8], start: usize, end: usize) -> bool {
        if matches!(key, b"log" | b"s") || level::may_be_key(key) {
            self.0.member(key, start, end);
        }
        self.0.level_rank != level::BEST_RANK
    }
}

/// What was found among the outermost members.
struct Found<'a> {
    /// The whole line.
    body: &'a str,
    /// The level under the best key so far.
    level: Option<Level>,
    /// How good that key is; smaller is better.
    level_rank: u8,
    /// The inside of the string under `message`.
    message: Option<&'a str>,
    /// The inside of the string under `msg`.
    msg: Option<&'a str>,
}

impl<'a> Found<'a> {
    fn inside(&self, start: usize, end: usize) -> Option<&'a str> {
        let value = self.body.get(start..end)?;
        value.strip_prefix('"')?.strip_suffix('"')
    }

    fn level(&mut self, key: &[u8], start: usize, end: usize) {
        let Some((rank, kind)) = level::key(key) else { return };
        if rank > self.level_rank {
            return;
        }
        let found = match self.body.as_bytes().get(start) {
            Some(b'"') => self.inside(start, end).and_then(|word| level::of_word(kind, word)),
            Some(b'0'..=b'9') => self
                .body
                .get(start..end)
                .and_then(|number| level::of_number(kind, number).or_else(|| untimed::of_digit(self.body, number))),
            Some(b'{') => self.body.get(start..end).and_then(of_object),
            _ => None,
        };
        if found.is_some() {
            self.level = found;
            self.level_rank = rank;
        }
    }
}

impl Visitor for Found<'_> {
    #[inline(always)]
    fn member(&mut self, key: &[u8], start: usize, end: usize) -> bool {
        match key {
            b"msg" => self.msg = self.inside(start, end),
            b"message" => self.message = self.inside(start, end),
            // `{"log":{"level":"info"}}`: names with dots may come as objects.
            b"log" if self.body.as_bytes().get(start) == Some(&b'{') => {
                let mut inner = Inner { outer: self };
                // The object was found valid a moment ago.
                let _valid = scan::object(inner.outer.body.as_bytes(), start, 1, &mut inner);
            }
            b"s" if self.level.is_none() && self.body.trim_ascii_start().starts_with("{\"t\":{\"$date\"") => {
                self.level = self.inside(start, end).and_then(|letter| headers::mongodb_letter(letter.as_bytes()));
            }
            _ if level::may_be_key(key) => self.level(key, start, end),
            _ => {}
        }
        true
    }
}

/// The level that an object under a level's key names: log4js' `{"level":30000,"levelStr":"WARN"}`.
fn of_object(object: &str) -> Option<Level> {
    let mut named = Named { object, level: None };
    scan::begin(object.as_bytes(), &mut named);
    named.level
}

/// For such an object.
struct Named<'a> {
    object: &'a str,
    level: Option<Level>,
}

impl Visitor for Named<'_> {
    fn member(&mut self, key: &[u8], start: usize, end: usize) -> bool {
        if matches!(key, b"levelStr" | b"name") {
            let word = self.object.get(start..end).and_then(|value| value.strip_prefix('"')?.strip_suffix('"'));
            self.level = word.and_then(level::named);
        }
        self.level.is_none()
    }
}

/// For the object under `log`.
struct Inner<'f, 'a> {
    outer: &'f mut Found<'a>,
}

impl Visitor for Inner<'_, '_> {
    fn member(&mut self, key: &[u8], start: usize, end: usize) -> bool {
        if key == b"level" {
            self.outer.level(b"log.level", start, end);
        }
        true
    }
}
