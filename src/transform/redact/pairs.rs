//! Fields by name: in JSON objects wherever they stand, in other lines as their parser found them.
//!
//! A parser's values lie in the line, so where one is a secret, the line is written anew around it, and values and message
//! are taken from the new one. **Invariant**: then no part of the event holds the value at its place.

use std::ops::Range;

use regex::{Regex, RegexBuilder};

use crate::model::event::Fields;
use crate::model::text::Text;

/// The names of fields whose values are secrets.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    names: Vec<String>,
    /// Whether a line has the last part of a name in it.
    any: Option<Regex>,
}

impl Names {
    pub(super) fn new(names: &[String]) -> Self {
        let last = |name: &String| regex::escape(name.rsplit('.').next().unwrap_or(name));
        let expression = names.iter().map(last).collect::<Vec<_>>().join("|");
        // Names are words; too many of them for one automaton, and every object is looked into.
        let any = (!names.is_empty()).then(|| RegexBuilder::new(&expression).case_insensitive(true).build().ok());
        Self { names: names.to_vec(), any: any.flatten() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub(super) fn may_be_in(&self, line: &str) -> bool {
        !self.names.is_empty() && self.any.as_ref().is_none_or(|any| any.is_match(line))
    }

    /// Whether the value under `key`, inside of the keys of `path`, is a secret: capitals do not matter, and a name without
    /// dots means the key wherever it stands.
    pub(super) fn has(&self, path: &[&str], key: &str) -> bool {
        self.names.iter().any(|name| {
            if name.eq_ignore_ascii_case(key) {
                return true;
            }
            let mut parts = name.rsplit('.');
            parts.next().is_some_and(|last| last.eq_ignore_ascii_case(key))
                && parts.eq_by_case(path.iter().rev().copied())
        })
    }
}

trait EqByCase<'a> {
    fn eq_by_case(self, other: impl Iterator<Item = &'a str>) -> bool;
}

impl<'a, I: Iterator<Item = &'a str>> EqByCase<'a> for I {
    /// Part by part, capitals or not; equal only where both have parts and as many.
    fn eq_by_case(self, other: impl Iterator<Item = &'a str>) -> bool {
        let (mut mine, mut theirs, mut any) = (self, other, false);
        loop {
            match (mine.next(), theirs.next()) {
                (Some(a), Some(b)) if a.eq_ignore_ascii_case(b) => any = true,
                (None, None) => return any,
                _ => return false,
            }
        }
    }
}

/// An event's texts without the values of the fields that are secrets.
#[derive(Debug)]
pub struct Changed {
    /// The line.
    pub body: String,
    /// The values, where they lie in the line; in the order of the fields.
    values: Vec<Option<Range<usize>>>,
    message: Option<Range<usize>>,
}

impl Names {
    /// `body`, with the values replaced (by what `replace` makes of them) of those of its fields that are secrets by their
    /// names; `None` where none is.
    pub(super) fn replaced(
        &self,
        body: &str,
        message: Text<'_>,
        fields: &Fields<'_>,
        replace: impl Fn(&str) -> String,
    ) -> Option<Changed> {
        let Fields::Pairs(pairs) = fields else { return None };
        let is_secret = |(key, value): &(Text<'_>, Text<'_>)| !value.is_empty() && self.has(&[], &key.plain());
        let mut places: Vec<(Range<usize>, String)> = pairs
            .iter()
            .filter(|pair| is_secret(pair))
            .filter_map(|(_, value)| Some((place(body, value.carried())?, replace(&value.plain()))))
            .collect();
        places.sort_by_key(|(place, _)| (place.start, place.end));
        // Groups of an expression may lie in each other: the outer goes.
        places.dedup_by(|later, kept| later.0.start < kept.0.end);
        if places.is_empty() {
            return None;
        }
        let (mut out, mut from) = (String::with_capacity(body.len()), 0);
        // For each replaced place: where it was, and where what replaces it is.
        let mut moves: Vec<(Range<usize>, Range<usize>)> = Vec::new();
        for (place, text) in places {
            out.push_str(body.get(from..place.start)?);
            let start = out.len();
            out.push_str(&text);
            from = place.end;
            moves.push((place, start..out.len()));
        }
        out.push_str(body.get(from..)?);
        let moved = |part: Text<'_>| Some(moved(place(body, part.carried())?, &moves));
        let values = pairs.iter().map(|(_, value)| moved(*value)).collect();
        Some(Changed { values, message: moved(message), body: out })
    }
}

impl Changed {
    /// The pairs with their values as they are now.
    pub fn pairs<'c>(&'c self, pairs: &[(Text<'c>, Text<'c>)]) -> Vec<(Text<'c>, Text<'c>)> {
        pairs.iter().zip(&self.values).map(|((key, value), place)| (*key, self.text(*value, place.as_ref()))).collect()
    }

    /// The message as it is now.
    pub fn message<'c>(&'c self, message: Text<'c>) -> Text<'c> {
        self.text(message, self.message.as_ref())
    }

    fn text<'c>(&'c self, text: Text<'c>, place: Option<&Range<usize>>) -> Text<'c> {
        let Some(now) = place.and_then(|place| self.body.get(place.clone())) else { return text };
        match text {
            // What stands for a secret is a text.
            Text::Plain(_) | Text::Bare(_) => Text::Plain(now),
            Text::Escaped(_) => Text::Escaped(now),
        }
    }
}

/// Where `part` lies in `whole`, if it is a part of it.
fn place(whole: &str, part: &str) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    let end = start + part.len();
    (end <= whole.len()).then_some(start..end)
}

/// Where a place of the old line is in the new one. What is replaced in part is gone as a whole with it.
fn moved(place: Range<usize>, moves: &[(Range<usize>, Range<usize>)]) -> Range<usize> {
    let (mut start, mut end) = (place.start, place.end);
    for (was, is) in moves {
        if place.start >= was.end {
            start = shifted(place.start, was, is);
        } else if place.start > was.start {
            start = is.start;
        }
        if place.end >= was.end {
            end = shifted(place.end, was, is);
        } else if place.end > was.start {
            end = is.end;
        }
    }
    start..end
}

/// A place behind `was`, in the new line, where nothing is replaced between.
fn shifted(at: usize, was: &Range<usize>, is: &Range<usize>) -> usize {
    at - was.end + is.end
}
