//! The time that a line says: at its head, or under a key.
//!
//! As with levels, only the line's *head* is read: what stands before the first word that could be part of a sentence.
//! Before a time there may be signs, brackets, numbers, names, addresses, a level; in JSON and logfmt it stands under a
//! key that is one for times.
//!
//! ```text
//! 2026-11-23 08:50:48,703 [main] WARN  disk nearly full         10.0.0.1 - ann [23/Nov/2026:08:50:48 +0000] "GET / …
//! W1123 08:50:48.703931       1 disk.go:12] nearly full         <30>Nov 23 08:50:48 host disk[1]: nearly full
//! {"level":40,"time":1795423848703,"msg":"disk nearly full"}    ts=2026-11-23T08:50:48.703Z level=warn msg="nearly full"
//! ```
//!
//! **Invariant**: no time is taken from a sentence, and none is made up: a time of day without a date is none, and a number
//! is one only where it counts seconds (or parts of these) since 1970 in a place for it.

use crate::model::time::Time;

use super::stamp::{self, EPOCHS};
use super::words::shaped;
use super::{headers, leads, level, markup};

mod keyed;
mod places;

pub(super) use keyed::of_number;
use keyed::{end_of_quoted, key, of_text, pairs};

/// No time is looked for behind this many bytes of plain text.
const MAX_HEAD: usize = 256;
/// No more words stand before a time.
const MAX_WORDS: usize = 16;
/// No cell between bars is longer.
const MAX_CELL: usize = 32;

/// The time that `line` says, where it says one. A year that it leaves out is the one that puts it nearest to `near`.
pub fn find(line: &[u8], near: Time) -> Option<Time> {
    // What begins with a tab goes on from the line before.
    if line.first() == Some(&b'\t') {
        return None;
    }
    let line = line.trim_ascii_start();
    if line.first() == Some(&b'{') {
        return keyed::members(line, near);
    }
    if let Some((_, seconds)) = headers::abseil(line) {
        return of_number(seconds);
    }
    if let Some((secs, nanos, _)) = headers::tai64n(line) {
        return EPOCHS.contains(&secs).then_some(Time { secs, nanos });
    }
    if let Some(count) = headers::cluster(line).or_else(|| markup::millis_of(line)).or_else(|| places::audit(line)) {
        return of_number(count);
    }
    if let Some(time) = places::read(line) {
        return time.near(near);
    }
    // A day and a short year, or a number before a time without a year.
    if line.get(2) == Some(&b' ') && shaped(line, b"00 Aaa 00 00:00:00").is_some() {
        return None;
    }
    let line = leads::behind(line).unwrap_or(line);
    klog(line, near).or_else(|| {
        let head =
            Head { text: line, at: 0, depth: 0, asides: 0, tagged: false, cell: false, words: 0, plain: true, near };
        head.time().or_else(|| places::in_brackets(line)?.near(near))
    })
}

/// The time in klog's header, whose date has no sign, and in CockroachDB's.
fn klog(line: &[u8], near: Time) -> Option<Time> {
    headers::klog(line).or_else(|| headers::cockroach(line))?;
    let digits = line.get(1..)?;
    let date = digits.iter().position(|&byte| byte == b' ')?;
    let mut text = [0; 32];
    let end = line.iter().enumerate().skip(date + 2).find(|(_, byte)| **byte == b' ').map(|(at, _)| at)?;
    let of_day = line.get(date + 1..end)?;
    // `1123 08:50:48.703931` is `11-23 08:50:48.703931`, and `20261123 08:50:48` stands for itself.
    let mut length = 0;
    let mut put = |part: &[u8]| {
        text.get_mut(length..length + part.len())?.copy_from_slice(part);
        length += part.len();
        Some(())
    };
    if date == 4 {
        put(&digits[..2])?;
        put(b"-")?;
        put(&digits[2..4])?;
    } else {
        put(&digits[..date])?;
    }
    put(of_day)?;
    stamp::read(&text[..length])?.0.near(near)
}

/// A line's head, as far as it was read.
struct Head<'a> {
    text: &'a [u8],
    at: usize,
    /// How many brackets are open.
    depth: u8,
    /// How many parentheses are open that began behind a word: what is in them is an aside.
    asides: u8,
    /// A word in upper case was passed that is no name.
    tagged: bool,
    /// The last sign was a bar.
    cell: bool,
    /// How many words were passed.
    words: usize,
    /// Nothing but numbers and names was seen so far.
    plain: bool,
    near: Time,
}

impl Head<'_> {
    fn time(mut self) -> Option<Time> {
        while self.words <= MAX_WORDS && self.at < MAX_HEAD {
            self.skip_signs();
            let rest = self.text.get(self.at..)?;
            let cell = if self.cell { rest.iter().take(MAX_CELL).position(|&byte| byte == b'|') } else { None };
            match (rest.first()?, cell) {
                // A line of JSON behind what compose or another wrapper wrote.
                (b'{', _) => return keyed::members(rest, self.near),
                (b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z', _) => {}
                (_, Some(length)) => {
                    self.at += length;
                    self.words += 1;
                    continue;
                }
                _ => return None,
            }
            if self.asides == 0
                && let Some((stamp, _)) = stamp::read(rest)
                && let Some(time) = stamp.near(self.near)
            {
                return Some(time);
            }
            if let Some(time) = self.epoch(rest) {
                return Some(time);
            }
            match (self.word(rest), cell) {
                (Word::Time(time), _) => return Some(time),
                (Word::Passed(length), _) => self.at += length,
                // A short cell of a table is passed as a whole.
                (Word::Text, Some(length)) => self.at += length,
                (Word::Text, None) => return None,
            }
            self.words += 1;
        }
        None
    }

    /// Passes white space, brackets, signs and a terminal's colours.
    fn skip_signs(&mut self) {
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b'{' if self.text.get(self.at + 1) == Some(&b'"') => return,
                b'(' if self.words > 0 => self.asides = self.asides.saturating_add(1),
                b')' => self.asides = self.asides.saturating_sub(1),
                _ => {}
            }
            match byte {
                0x1b => {
                    let rest = &self.text[self.at..];
                    let end = rest.iter().take(16).position(|&byte| byte == b'm');
                    self.at += end.map_or(1, |end| end + 1);
                    continue;
                }
                b'[' | b'(' | b'<' | b'{' => self.depth = self.depth.saturating_add(1),
                b']' | b')' | b'>' | b'}' => self.depth = self.depth.saturating_sub(1),
                b' ' | b'\t' | b'|' | b'"' | b'\'' | b'*' | b'#' | b'-' | b'=' | b',' | b';' | b':' | b'.' | b'%'
                | b'!' => {}
                _ => return,
            }
            if *byte != b' ' {
                self.cell = *byte == b'|';
            }
            self.at += 1;
        }
    }

    /// Seconds (with a fraction) or milliseconds since 1970, where nothing but numbers and names stands before.
    fn epoch(&self, rest: &[u8]) -> Option<Time> {
        if self.depth > 1 || !self.plain && self.depth == 0 {
            return None;
        }
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let fraction = match rest.get(digits..) {
            Some([b'.', fraction @ ..]) => fraction.iter().take_while(|byte| byte.is_ascii_digit()).count(),
            _ => 0,
        };
        let length = if fraction > 0 { digits + 1 + fraction } else { digits };
        let exponent = match rest.get(length..) {
            Some([b'e' | b'E', b'+', digits @ ..]) => 2 + digits.iter().take_while(|b| b.is_ascii_digit()).count(),
            _ => 0,
        };
        let length = length + exponent;
        let fits = match digits {
            10 => exponent == 0 && rest[0] == b'1',
            13 | 16 | 19 => self.words == 0 && exponent == 0 && fraction == 0 && rest[0] == b'1',
            1 => self.words == 0 && exponent > 0 && fraction >= 9,
            _ => false,
        };
        let ends = matches!(rest.get(length), Some(b' ' | b'\t' | b',' | b']' | b')' | b'|' | b';' | b':'));
        // `ID 1795423848 not found` has none, `APPREAD 1117869872 2005.06.04 …` and ROS' `[INFO] [1795423848.703931]: x` have.
        let is_alone = fraction >= 3 && self.depth == 1 && matches!(rest[length..], [b']' | b',', ..]);
        let ends = ends && (digits < 16 || matches!(rest[length], b' ' | b'\t'));
        let is_followed = is_alone
            || self.plain && !self.tagged
            || self.plain && rest.get(length + 1).is_some_and(u8::is_ascii_digit);
        if fits && ends && is_followed { of_number(&rest[..length]) } else { None }
    }

    fn word(&mut self, rest: &[u8]) -> Word {
        let ends =
            |byte: &u8| matches!(byte, b' ' | b'\t' | b'|' | b'[' | b']' | b'(' | b')' | b'>' | b',' | b'"' | 0x1b);
        let length = rest.iter().position(ends).unwrap_or(rest.len());
        let word = &rest[..length];
        if let Some(equals) = word.iter().position(|&byte| byte == b'=') {
            return self.pair(rest, equals);
        }
        let bare = word.strip_suffix(b":").unwrap_or(word);
        let is_name = bare.iter().any(|byte| byte.is_ascii_digit() || b"._/@$#-:".contains(byte));
        let is_level = std::str::from_utf8(bare).is_ok_and(|word| word.len() > 2 && level::named(word).is_some());
        let is_upper = bare.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_');
        self.plain &= (is_name || is_upper) && word.len() == bare.len();
        self.tagged |= is_upper && !is_name;
        if self.depth > 0 || word.is_empty() || is_level {
            return Word::Passed(length.max(1));
        }
        let next = rest[length..].trim_ascii_start().first();
        // `Jicofo 2026-11-23 08:50:48.703 INFO: x`: a program's name, where a level stands behind the time.
        let is_first = || self.words == 0 && next.is_some_and(u8::is_ascii_digit) && is_before_level(&rest[length..]);
        // A user's name before a bracket, a container's before a bar, `time: 2026-11-23 …`.
        let is_set_off = matches!(next, Some(b'[' | b'|'))
            || word.len() > bare.len() && key(bare).is_some()
            || self.words == 0 && is_protocol(word)
            // A host's name behind syslog's priority: `<189>switch: 2026 Nov 23 08:50:48 UTC: x`.
            || word.len() > bare.len()
                && self.words == 1
                && self.text.starts_with(b"<")
                && next.is_some_and(u8::is_ascii_digit)
            || is_first();
        // `expires: …` and `2026-11-23 until 2026-11-24` say other times than the event's.
        let has_other =
            is_name && word.len() > bare.len() && bare.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'-');
        if (is_name && !has_other) || is_upper || is_set_off { Word::Passed(length) } else { Word::Text }
    }

    /// A pair; a line of pairs is looked through to its end.
    fn pair(&self, rest: &[u8], equals: usize) -> Word {
        let value = &rest[equals + 1..];
        let inside = value.strip_prefix(b"\"").or_else(|| value.strip_prefix(b"'"));
        let quote = value.first().copied();
        let end = match inside {
            Some(inside) => end_of_quoted(inside, quote.unwrap_or(b'"')) + 2,
            None => value.iter().position(|byte| matches!(byte, b' ' | b'\t' | b'\n')).unwrap_or(value.len()),
        };
        let end = end.min(value.len());
        if key(&rest[..equals]).is_some() {
            let text = inside.unwrap_or(value);
            if let Some(time) = of_text(text.get(..end).unwrap_or(text), self.near) {
                return Word::Time(time);
            }
        }
        // The kernel's audit log.
        if let Some(number) = value.strip_prefix(b"audit(")
            && let Some(colon) = number.iter().position(|&byte| byte == b':')
            && let Some(time) = of_number(&number[..colon])
        {
            return Word::Time(time);
        }
        // The line's first word, or the first behind syslog's priority.
        if self.at == 0 || self.words == 1 && self.text.get(self.at - 1) == Some(&b'>') {
            return pairs(rest, self.near).map_or(Word::Passed(equals + 1 + end), Word::Time);
        }
        Word::Passed(equals + 1 + end)
    }
}

/// What a word of the head is.
enum Word {
    /// It says the time.
    Time(Time),
    /// No sentence's: the head goes on behind so many bytes.
    Passed(usize),
    /// Perhaps a sentence's.
    Text,
}

/// Whether a date with the year first, a time of day and a level follow.
fn is_before_level(rest: &[u8]) -> bool {
    let rest = rest.trim_ascii_start();
    let Some((_, length)) = stamp::read(rest).filter(|_| rest.get(4).is_some_and(|byte| !byte.is_ascii_digit())) else {
        return false;
    };
    let behind = rest[length..].trim_ascii_start();
    let end = behind.iter().take(12).position(|byte| matches!(byte, b' ' | b':')).unwrap_or(0);
    level::upper(&behind[..end], false).is_some()
}

/// What a load balancer's access log (AWS ALB) begins with.
fn is_protocol(word: &[u8]) -> bool {
    matches!(word, b"http" | b"https" | b"h2" | b"grpcs" | b"ws" | b"wss")
}

#[cfg(test)]
mod tests;
