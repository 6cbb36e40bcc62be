//! The level at the beginning of a plain line.
//!
//! Programs that log text put a level where a person looks for it: at the very beginning, or behind a time, a thread,
//! a process id. That is all this reads: the line's *head*, which ends at the first word that could be part of a
//! sentence. What marks a level there:
//!
//! ```text
//! 2026-11-23 08:50:48,703 [main] WARN  disk nearly full     upper case
//! WARNING:root:disk nearly full      error: disk full        a colon (in any case of the letters)
//! 2026/11/23 08:50:48 [warn] 29#29: disk nearly full         brackets (in any case)
//! 08:50:48 level=warn disk nearly full                       a level's key
//! W1123 08:50:48.703931       1 disk.go:12] nearly full      klog's header
//! 1:M 23 Nov 2026 08:50:48.703 # disk nearly full            Redis's header
//! ```
//!
//! **Invariant**: a level is never guessed from a sentence: `an error occurred` has none, and neither has an access log.

use crate::model::event::Level;

use super::headers::{self, shaped};
use super::level;
use super::stamp;

/// No head is longer.
const MAX_HEAD: usize = 256;
/// No group in brackets at a line's head is longer.
const MAX_GROUP: usize = 80;
/// No head has more words.
const MAX_WORDS: usize = 20;

/// The level that the head of `line` says.
pub fn level(line: &str) -> Option<Level> {
    let bytes = line.as_bytes();
    let bytes = &bytes[..bytes.len().min(MAX_HEAD)];
    if let Some(found) = headers::of(bytes) {
        return Some(found);
    }
    // `####<Nov 23, 2026 8:50:48 AM UTC> <Notice> …` of WebLogic.
    let bytes = bytes.strip_prefix(b"####").unwrap_or(bytes);
    let head = match headers::behind_host(bytes) {
        Some(rest) => Head { rest, time_seen: true, names: 1, upper: MAX_UPPER },
        None => Head { rest: bytes, time_seen: false, names: 0, upper: 0 },
    };
    // What the program itself says goes before what it told syslog.
    head.level().or_else(|| headers::mnemonic(bytes)).or_else(|| headers::priority(bytes))
}

/// No more words in upper case stand before a level.
const MAX_UPPER: u8 = 2;

/// A line's head, as far as it was not read yet.
struct Head<'a> {
    /// What was not read yet.
    rest: &'a [u8],
    /// A time of day was seen.
    time_seen: bool,
    /// How many names (of a logger, a host, a thread) were seen.
    names: u8,
    /// How many words in upper case that are no level were seen behind these.
    upper: u8,
}

/// What a piece of the head is.
enum Piece {
    /// A level.
    Level(Level),
    /// Nothing of a sentence: the head goes on.
    Neutral,
    /// Perhaps a word of a sentence: the head has ended.
    Text,
}

impl<'a> Head<'a> {
    fn level(mut self) -> Option<Level> {
        for _ in 0..MAX_WORDS {
            let behind_tab = self.skip_space();
            let piece = match *self.rest.first()? {
                b'[' => self.group(b']'),
                b'(' => self.group(b')'),
                b'<' => self.group(b'>'),
                b'{' if self.time_seen => self.braces(),
                b'"' | b'\'' | b'{' => Piece::Text,
                _ => self.word(behind_tab),
            };
            match piece {
                Piece::Level(level) => return Some(level),
                Piece::Neutral => {}
                Piece::Text => return None,
            }
        }
        None
    }

    /// Skips white space, bars and a terminal's colours; tells whether a tab was the last of it.
    fn skip_space(&mut self) -> bool {
        let mut behind_tab = false;
        loop {
            match self.rest {
                [0x1b, ..] if behind_colour(self.rest).len() < self.rest.len() => self.rest = behind_colour(self.rest),
                [byte @ (b'\t' | b' ' | b'|'), rest @ ..] => {
                    behind_tab = *byte == b'\t';
                    self.rest = rest;
                }
                _ => return behind_tab,
            }
        }
    }

    /// Something in brackets, and the colon that may follow it.
    fn group(&mut self, close: u8) -> Piece {
        let inside = &self.rest[1..];
        let window = &inside[..inside.len().min(MAX_GROUP)];
        let Some(end) = window.iter().position(|&byte| byte == close) else { return Piece::Text };
        self.rest = &inside[end + 1..];
        if let [b':', rest @ ..] = self.rest {
            self.rest = rest;
        }
        let inside = without_colour(&inside[..end]).trim_ascii();
        if let Some(level) = level::set_off(inside) {
            return Piece::Level(level);
        }
        if inside.first().is_some_and(u8::is_ascii_digit) {
            return self.level_behind_time(inside).map_or(Piece::Neutral, Piece::Level);
        }
        if close != b']' {
            return Piece::Neutral;
        }
        // Apache's `[core:error]`, and `[Server thread/INFO]`.
        let last = inside.iter().rposition(|byte| matches!(byte, b':' | b'/')).map(|at| inside.split_at(at));
        let named = match last {
            Some((module, [b':', word @ ..])) if !module.contains(&b' ') => level::set_off(word),
            Some((_, [b'/', word @ ..])) => level::upper(word, false),
            _ => None,
        };
        // `[08:50:48 INF]`, `[2026-11-23T08:50:48Z WARN  module]`, `[INFO module]`.
        named.or_else(|| self.level_behind_time(inside)).map_or(Piece::Neutral, Piece::Level)
    }

    /// ClickHouse's query: `2026.11.23 08:50:48.703931 [ 1 ] {8c1c5ad6-…} <Error> …`.
    fn braces(&mut self) -> Piece {
        let inside = &self.rest[1..];
        let length = inside.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').count();
        match &inside[length..] {
            [b'}', b' ', rest @ ..] => {
                self.rest = rest;
                Piece::Neutral
            }
            _ => Piece::Text,
        }
    }

    fn level_behind_time(&mut self, inside: &[u8]) -> Option<Level> {
        for word in inside.split(|&byte| byte == b' ').filter(|word| !word.is_empty()) {
            let made = Made::of(word);
            if self.is_neutral(word, made) {
                continue;
            }
            // Celery's `[2026-11-23 08:50:48,703: WARNING/MainProcess]`.
            let slash = word.iter().position(|&byte| byte == b'/').filter(|_| self.time_seen);
            return level::upper(&word[..slash.unwrap_or(word.len())], self.time_seen);
        }
        None
    }

    /// Something up to white space, a bar, a bracket or a colour.
    fn word(&mut self, behind_tab: bool) -> Piece {
        let end = self.rest.iter().position(|byte| matches!(byte, b' ' | b'\t' | b'|' | b'[' | b'(' | 0x1b));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        let made = Made::of(word);
        if self.is_neutral(word, made) {
            return Piece::Neutral;
        }
        if let Some(level) = level::upper(word, self.time_seen) {
            return Piece::Level(level);
        }
        // Tabs on both sides set a word off as well as brackets do, and a colon may stand behind a colour's end.
        let is_set_off = match rest {
            [b'\t', ..] => behind_tab,
            // Columns: `2016-09-28 04:30:30, Info                  CBS    Loaded`.
            [b' ', b' ', ..] => self.time_seen && self.names == 0,
            [0x1b, ..] => behind_colour(rest).first() == Some(&b':'),
            _ => false,
        };
        if is_set_off && let Some(level) = level::set_off(word) {
            return Piece::Level(level);
        }
        if made.has(COLON)
            && let Some(level) = before_colon(word).or_else(|| behind_channel(word).filter(|_| self.time_seen))
        {
            return Piece::Level(level);
        }
        if self.time_seen
            && let Some(level) = behind_category(word, rest).or_else(|| behind_facility(word))
        {
            return Piece::Level(level);
        }
        if let Some(at) = word.iter().position(|&byte| byte == b'=') {
            return keyed(&word[..at], &word[at + 1..]);
        }
        // A file's or a host's name before the time.
        if !self.time_seen && self.names == 0 && rest.get(1).is_some_and(u8::is_ascii_digit) && is_name(word) {
            self.names += 1;
            return if stamp::read(&rest[1..]).is_some() { Piece::Neutral } else { Piece::Text };
        }
        // PHP's `[23-Nov-2026 08:50:48 UTC] PHP Warning:  Undefined variable`.
        if self.time_seen && word == b"PHP" {
            let next = rest.trim_ascii_start();
            let colon = next.iter().position(|&byte| byte == b':').unwrap_or(0);
            return match &next[..colon] {
                b"Fatal error" | b"Parse error" => Piece::Level(Level::Error),
                b"Deprecated" => Piece::Level(Level::Info),
                name => level::set_off(name).map_or(Piece::Text, Piece::Level),
            };
        }
        // The alerts of clusters begin with a tag and the seconds: `APPREAD 1117869872 2005.06.04 …`.
        let is_tag = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
        if !self.time_seen && word.iter().all(is_tag) && is_epoch_next(rest) {
            return Piece::Neutral;
        }
        // Their facilities stand before the level: `… R02-M1-N0 RAS KERNEL INFO instruction cache parity error`.
        if self.time_seen && self.names > 1 && self.upper < MAX_UPPER && word.iter().all(u8::is_ascii_uppercase) {
            self.upper += 1;
            return Piece::Neutral;
        }
        // A logger, a host or a user may stand between the time and the level.
        if self.time_seen && self.names < 2 && (is_name(word) || separated(rest)) {
            self.names += 1;
            return Piece::Neutral;
        }
        Piece::Text
    }

    /// Whether `word` is a number, a time, a date or only signs. Notes a time of day.
    fn is_neutral(&mut self, word: &[u8], made: Made) -> bool {
        if !made.has(LETTER | DIGIT | OTHER) {
            return true;
        }
        match word {
            [b'0'..=b'9' | b'+' | b'-' | b'#', ..] => {
                self.time_seen |= made.has(COLON) && has_time(word)
                    || is_epoch(word)
                    || shaped(word, b"0000-00-00-00.00.00").is_some();
                made.letters <= 3 && !made.has(SIGN | OTHER)
            }
            // `I,` of Ruby, `Mon,` of dates.
            [rest @ .., b','] => rest.len() == 1 || is_of_calendar(rest),
            _ => word.len() == 1 && made.has(LETTER) || is_of_calendar(word),
        }
    }
}

const LETTER: u8 = 1;
const DIGIT: u8 = 2;
const COLON: u8 = 4;
/// Signs that stand in numbers, times and dates.
const NUMBER_SIGN: u8 = 8;
/// The other signs of ASCII.
const SIGN: u8 = 16;
/// Controls, and what is beyond ASCII.
const OTHER: u8 = 32;

const CLASSES: [u8; 256] = {
    let mut table = [OTHER; 256];
    let mut byte = 0;
    while byte < 128 {
        let value = byte as u8;
        table[byte] = match value {
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b'0'..=b'9' => DIGIT,
            b':' => COLON,
            b'.' | b',' | b';' | b'/' | b'+' | b'-' | b'_' | b'#' | b']' => NUMBER_SIGN,
            _ if value.is_ascii_punctuation() => SIGN,
            _ => OTHER,
        };
        byte += 1;
    }
    table
};

/// What a word is made of.
#[derive(Clone, Copy)]
struct Made {
    /// The classes of its bytes, joined.
    classes: u8,
    /// How many letters it has.
    letters: usize,
}

impl Made {
    fn of(word: &[u8]) -> Self {
        word.iter().fold(Self { classes: 0, letters: 0 }, |made, &byte| {
            let class = CLASSES[usize::from(byte)];
            Self { classes: made.classes | class, letters: made.letters + usize::from(class & LETTER) }
        })
    }

    fn has(self, classes: u8) -> bool {
        self.classes & classes != 0
    }
}

/// Seconds since 1970, of this century. Equivalent: `^1[0-9]{9}$`.
fn is_epoch(word: &[u8]) -> bool {
    word.len() == 10 && word[0] == b'1' && word.iter().all(u8::is_ascii_digit)
}

fn is_epoch_next(rest: &[u8]) -> bool {
    rest.strip_prefix(b" ").and_then(|rest| rest.get(..10)).is_some_and(is_epoch)
}

/// Equivalent: `^[^:]*[0-9]:[0-9]{2}:[0-9]{2}`.
fn has_time(word: &[u8]) -> bool {
    let digit = word.iter().position(|&byte| byte == b':').and_then(|colon| colon.checked_sub(1));
    digit.is_some_and(|digit| shaped(&word[digit..], b"0:00:00").is_some())
}

/// What follows a terminal's colour, or `text` itself. Equivalent: `^\x1b\[[0-9;]*m`.
fn behind_colour(text: &[u8]) -> &[u8] {
    let [0x1b, b'[', rest @ ..] = text else { return text };
    let len = rest.iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b';')).count();
    match rest.get(len) {
        Some(b'm') => &rest[len + 1..],
        _ => text,
    }
}

/// `text` without a colour at its beginning and what follows the next one.
fn without_colour(text: &[u8]) -> &[u8] {
    let text = behind_colour(text);
    text.iter().position(|&byte| byte == 0x1b).map_or(text, |end| &text[..end])
}

/// Whether `word` belongs to a time: a month, a day, a zone.
fn is_of_calendar(word: &[u8]) -> bool {
    match word.len() {
        2 => matches!(word, b"AM" | b"PM" | b"am" | b"pm"),
        3 => matches!(
            word,
            b"Jan"
                | b"Feb"
                | b"Mar"
                | b"Apr"
                | b"May"
                | b"Jun"
                | b"Jul"
                | b"Aug"
                | b"Sep"
                | b"Oct"
                | b"Nov"
                | b"Dec"
                | b"Mon"
                | b"Tue"
                | b"Wed"
                | b"Thu"
                | b"Fri"
                | b"Sat"
                | b"Sun"
                | b"UTC"
                | b"GMT"
                | b"CET"
                | b"EST"
                | b"EDT"
                | b"CST"
                | b"CDT"
                | b"MST"
                | b"MDT"
                | b"PST"
                | b"PDT"
                | b"IST"
                | b"JST"
                | b"BST"
                | b"MSK"
        ),
        _ => word == b"CEST",
    }
}

/// `WARN:`, `error:`, `WARNING:root:text`: in lower case only if the colon ends the word.
fn before_colon(word: &[u8]) -> Option<Level> {
    let at = word.iter().position(|&byte| byte == b':')?;
    let name = &word[..at];
    if at + 1 == word.len() || name.iter().all(u8::is_ascii_uppercase) { level::set_off(name) } else { None }
}

/// BIND's `general: info: zone loaded`.
fn behind_category(word: &[u8], rest: &[u8]) -> Option<Level> {
    word.strip_suffix(b":")?;
    let next = rest.strip_prefix(b" ")?;
    level::set_off(&next[..next.iter().take(12).position(|&byte| byte == b':')?])
}

/// Syslog's `daemon.notice`, as BusyBox writes it.
fn behind_facility(word: &[u8]) -> Option<Level> {
    let dot = word.iter().position(|&byte| byte == b'.')?;
    match &word[..dot] {
        b"kern" | b"user" | b"mail" | b"daemon" | b"auth" | b"authpriv" | b"syslog" | b"lpr" | b"news" | b"uucp"
        | b"cron" | b"ftp" => {}
        [b'l', b'o', b'c', b'a', b'l', b'0'..=b'7'] => {}
        _ => return None,
    }
    level::set_off(&word[dot + 1..])
}

/// Monolog's `app.ERROR:`.
fn behind_channel(word: &[u8]) -> Option<Level> {
    let name = word.strip_suffix(b":")?;
    let dot = name.iter().rposition(|&byte| byte == b'.')?;
    level::upper(&name[dot + 1..], true)
}

/// `level=warn`; another pair is neutral.
fn keyed(key: &[u8], value: &[u8]) -> Piece {
    let Some((_, kind)) = level::key(key) else {
        let is_key = !key.is_empty() && key.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(byte));
        return if is_key && !value.contains(&b'"') { Piece::Neutral } else { Piece::Text };
    };
    let value = value.strip_suffix(b",").unwrap_or(value);
    let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    let word = std::str::from_utf8(value).unwrap_or("");
    level::of_word(kind, word).map_or(Piece::Neutral, Piece::Level)
}

/// `com.example.Shop`, `user@db`, `web-1`: hardly a word of a sentence.
fn is_name(word: &[u8]) -> bool {
    let inside = word.strip_suffix(b":").unwrap_or(word);
    let inside = inside.get(..inside.len().saturating_sub(1)).unwrap_or(inside);
    word.is_ascii() && inside.iter().any(|byte| byte.is_ascii_digit() || b".@/_$#:-".contains(byte))
}

/// Whether what follows is a sign that parts columns, as in `shop - WARN - text`.
fn separated(rest: &[u8]) -> bool {
    let rest = rest.trim_ascii_start();
    matches!(rest, [b'|', ..] | [b'-', b' ', ..])
}
