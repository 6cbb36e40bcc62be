//! Decides line by line what a line is, by its first bytes, and then by whether all of it is that.
//!
//! **Invariant**: the answer depends on the line alone; nothing is remembered from line to line.

use crate::model::event::Level;

use super::pairs::Pairs;
use super::parsed::Parsed;
use super::{json, logfmt, plain};

/// The level alone, as [`parse`] finds it.
#[inline]
pub fn level(body: &str) -> Option<Level> {
    match body.trim_ascii_start().as_bytes().first() {
        Some(b'{') if json::begins(body) => json::level(body),
        _ => logfmt::level_of_whole(body).unwrap_or_else(|| plain::parse(body).level),
    }
}

/// A JSON object, pairs, or text. JSON that was cut is text, whose level is the one that was there.
#[inline]
pub fn parse<'p, 't: 'p>(body: &'t str, pairs: &'p mut Pairs<'_, 't>) -> Parsed<'p> {
    let found = match body.trim_ascii_start().as_bytes().first() {
        Some(b'{') if json::begins(body) => match json::parse(body) {
            Some(json) => Some(json.parsed(body)),
            None => Some(Parsed { level: json::level(body), ..plain::parse(body) }),
        },
        _ => logfmt::parse_whole(body, pairs),
    };
    found.unwrap_or_else(|| plain::parse(body))
}
