//! `key=value` pairs, as Go's logfmt, logrus, Prometheus and many others write them.
//!
//! ```text
//! time=2026-11-23T08:50:48Z level=warn msg="disk \"sda\" nearly full" free=12 note=
//! ```
//!
//! Equivalent of a pair: `KEY=("([^"\\]|\\.)*"|[^\s"]*)(\s|$)` with `KEY` = `[a-zA-Z_@X][a-zA-Z0-9_.\-/@:X]*`, where `X`
//! is any character beyond ASCII. By itself a line counts as logfmt only if all of it is pairs, at least two: a sentence with
//! `x=1` in it is a sentence.
//!
//! **Invariant**: a value given as [`Text::Escaped`] is the inside of a valid JSON string. A quoted value with other
//! escapes (Go's `\x00`) is given as it stands, backslashes and all.

use crate::model::event::{Fields, Level};
use crate::model::text::{Text, special};

use super::level;
use super::pairs::{Pair, Pairs};
use super::parsed::Parsed;
use super::quoted::escape;

/// The pairs of a line that is nothing but pairs, at least two; else `None`.
#[inline]
pub fn parse_whole<'p, 't: 'p>(body: &'t str, pairs: &'p mut Pairs<'_, 't>) -> Option<Parsed<'p>> {
    if !whole(body, |key, value| pairs.push(Text::Plain(key), value)) {
        pairs.clear();
        return None;
    }
    Some(parsed(body, pairs))
}

/// The level alone, as [`parse_whole`] finds it.
#[inline]
pub fn level_of_whole(body: &str) -> Option<Option<Level>> {
    let mut said = Said::default();
    whole(body, |key, value| said.note(key, value)).then_some(said.level)
}

/// Gives `each` the pairs of a line, up to where it is none; whether all of it is pairs, at least two.
#[inline(always)]
fn whole<'t>(body: &'t str, mut each: impl FnMut(&'t str, Text<'t>)) -> bool {
    let mut rest = body.trim_ascii();
    let mut count = 0;
    while !rest.is_empty() {
        let Some((key, value, behind)) = pair(rest) else { return false };
        each(key, value);
        count += 1;
        rest = behind.trim_ascii_start();
    }
    count >= 2
}

/// The pairs of a line, wherever they stand between other words; `None` if there are none.
pub fn parse_anywhere<'p, 't: 'p>(body: &'t str, pairs: &'p mut Pairs<'_, 't>) -> Option<Parsed<'p>> {
    let mut rest = body.trim_ascii();
    let mut any = false;
    while !rest.is_empty() {
        rest = match pair(rest) {
            Some((key, value, behind)) => {
                pairs.push(Text::Plain(key), value);
                any = true;
                behind
            }
            None => &rest[rest.bytes().position(|byte| byte.is_ascii_whitespace()).unwrap_or(rest.len())..],
        };
        rest = rest.trim_ascii_start();
    }
    any.then(|| parsed(body, pairs))
}

fn parsed<'p, 't: 'p>(body: &'t str, pairs: &'p Pairs<'_, 't>) -> Parsed<'p> {
    let pairs: &'p [Pair<'p>] = pairs.as_slice();
    let (mut message, mut msg) = (None, None);
    let mut said = Said::default();
    for &(key, value) in pairs {
        let key = key.carried();
        match key {
            "message" => message = Some(value),
            "msg" => msg = Some(value),
            _ => said.note(key, value),
        }
    }
    Parsed {
        level: said.level,
        message: message.or(msg).unwrap_or(Text::Plain(body)),
        fields: Fields::Pairs(pairs),
        missed: false,
    }
}

/// The level of the pairs so far.
struct Said {
    level: Option<Level>,
    /// Of the key that said it; a smaller one counts more.
    rank: u8,
}

impl Default for Said {
    fn default() -> Self {
        Self { level: None, rank: u8::MAX }
    }
}

impl Said {
    #[inline]
    fn note(&mut self, key: &str, value: Text<'_>) {
        if let Some((rank, kind)) = level::key(key.as_bytes()).filter(|(rank, _)| *rank <= self.rank)
            && let Some(level) = level::of_word(kind, value.carried())
        {
            *self = Self { level: Some(level), rank };
        }
    }
}

/// The pair that `text` begins with, and what follows it: nothing, or white space and more.
#[inline]
fn pair(text: &str) -> Option<(&str, Text<'_>, &str)> {
    let (key, rest) = key(text)?;
    let (value, rest) = match rest.strip_prefix('"') {
        Some(quoted) => quoted_value(quoted)?,
        None => {
            let end = rest.bytes().position(|byte| ENDS_VALUE[usize::from(byte)]).unwrap_or(rest.len());
            (Text::Plain(&rest[..end]), &rest[end..])
        }
    };
    rest.bytes().next().is_none_or(|byte| byte.is_ascii_whitespace()).then_some((key, value, rest))
}

/// The bytes that end a value without quotes.
const ENDS_VALUE: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_whitespace() || byte as u8 == b'"';
        byte += 1;
    }
    table
};

/// The bytes that may stand in a key.
const IN_KEYS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let value = byte as u8;
        table[byte] =
            value.is_ascii_alphanumeric() || value >= 0x80 || matches!(value, b'_' | b'.' | b'-' | b'/' | b'@' | b':');
        byte += 1;
    }
    table
};

/// The key that `text` begins with, and what stands behind its `=`.
#[inline]
fn key(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().position(|byte| !IN_KEYS[usize::from(byte)])?;
    let (key, rest) = text.split_at(end);
    let first = *key.as_bytes().first()?;
    let starts_well = first.is_ascii_alphabetic() || first >= 0x80 || first == b'_' || first == b'@';
    Some((key, rest.strip_prefix('=')?)).filter(|_| starts_well)
}

/// The value behind an opening quote, and what stands behind its closing one.
fn quoted_value(text: &str) -> Option<(Text<'_>, &str)> {
    let bytes = text.as_bytes();
    let (mut at, mut escapes, mut is_json) = (0, false, true);
    loop {
        at = special(bytes, at)?;
        match bytes.get(at)? {
            b'"' => break,
            b'\\' => {
                escapes = true;
                let len = escape(bytes.get(at + 1..)?);
                is_json &= len.is_some();
                at += len.unwrap_or(2);
            }
            _ => {
                is_json = false;
                at += 1;
            }
        }
    }
    let (inner, rest) = (text.get(..at)?, text.get(at + 1..)?);
    let value = if escapes && is_json { Text::Escaped(inner) } else { Text::Plain(inner) };
    Some((value, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::super::pairs::Scratch;
    use super::*;

    proptest! {
        #[test]
        fn the_equivalent_regex_agrees(
            line in prop_oneof![
                "([a-z@é.0-9]{0,3}=?(\"([a-z =]|\\\\[\"nx\\\\]){0,4}\"?|[a-z\"=é]{0,3})[ \t]{0,2}){1,4}",
                "([a-z@é.][a-z0-9]{0,2}=(\"([a-z =]|\\\\[\"nx\\\\]){0,4}\"|[a-z=é]{0,3})[ \t]{1,2}){2,4}",
            ],
        ) {
            let pair = Regex::new(
                r#"(?s)^([a-zA-Z_@[^\x00-\x7f]][a-zA-Z0-9_.\-/@:[^\x00-\x7f]]*)=("(?:[^"\\]|\\.)*"|[^\s"]*)(?-u:[ \t\n\r\x0c]+|$)"#,
            ).expect("valid");
            let mut expected = Some(Vec::new());
            let mut rest = line.trim_ascii();
            while !rest.is_empty() {
                let Some(found) = pair.captures(rest) else {
                    expected = None;
                    break;
                };
                let value = found[2].strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(&found[2]);
                expected.get_or_insert_default().push((found[1].to_owned(), value.to_owned()));
                rest = &rest[found[0].len()..];
            }
            let expected = expected.filter(|pairs| pairs.len() >= 2);
            let mut scratch = Scratch::default();
            let mut pairs = scratch.lend();
            let found = parse_whole(&line, &mut pairs).map(|_| ());
            let inner = |text: &Text<'_>| text.carried().to_owned();
            let list: Vec<_> = pairs.as_slice().iter().map(|(key, value)| (inner(key), inner(value))).collect();
            prop_assert_eq!(found.map(|()| list), expected);
        }
    }
}
