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
//! 2026-11-23T08:50:48Z warn shop [disk.go:12] nearly full    any case, directly behind a time and before a name
//! W [23/Nov/2026:08:50:48 +0000] disk nearly full            a letter before a time, or behind it in brackets
//! 2026-11-23 08:50:48,703,WARN,shop,disk nearly full         a column
//! 2026-11-23 08:50:48 Shop Main:7f5c <WARN> nearly full      brackets in upper case, a few words behind a time
//! Nov 23 08:50:48 web shop[1]: {"level":"warn","msg":"…"}    JSON behind what syslog wrote
//! ```
//!
//! **Invariant**: a level is never guessed from a sentence: `an error occurred` has none, and neither has an access log.

use crate::model::event::Level;

use super::beyond;
use super::headers;
use super::json;
use super::leads;
use super::level;
use super::marks::{self, Piece};
use super::stamp;
use super::untimed;
use super::words::{self, COLON, DIGIT, LETTER, Made, OTHER, SIGN, is_name, shaped};

mod groups;
mod rare;

/// No head is longer.
const MAX_HEAD: usize = 256;
/// No head has more words.
const MAX_WORDS: usize = 20;

/// The level that the head of `line` says.
pub fn level(line: &str) -> Option<Level> {
    let bytes = line.as_bytes();
    let bytes = &bytes[..bytes.len().min(MAX_HEAD)];
    if let Some(found) = headers::of(bytes).or_else(|| untimed::of(line.as_bytes())) {
        return Some(found);
    }
    // `####<Nov 23, 2026 8:50:48 AM UTC> <Notice> …` of WebLogic, `[#|2026-11-23T08:50:48.703+0000|INFO|…` of GlassFish.
    let bytes = bytes.strip_prefix(b"####").or_else(|| bytes.strip_prefix(b"[#|")).unwrap_or(bytes);
    let bytes = leads::behind(bytes).unwrap_or(bytes);
    let whole = bytes.len();
    let begun = Head { line, rest: bytes, time_seen: false, names: 0, upper: 0, titles: 0, led: false, whole };
    let head = match headers::behind_host(bytes) {
        Some(rest) => Head { rest, time_seen: true, names: 1, upper: MAX_UPPER, ..begun },
        None => match headers::tai64n(bytes) {
            Some((.., rest)) => Head { rest, time_seen: true, ..begun },
            // Bacula's `23-Nov 08:50 shop-dir JobId 12: Error: x`, whose time has no seconds.
            None => match shaped(bytes, b"00-Aaa 00:00 ") {
                Some(rest) => Head { rest, time_seen: true, ..begun },
                None => begun,
            },
        },
    };
    // What the program itself says goes before what it told syslog.
    head.level().or_else(|| headers::mnemonic(bytes)).or_else(|| headers::priority(bytes))
}

/// No more names stand between the time and a word that is hardly anything but a level.
const MAX_NAMES: u8 = 4;
/// No more words in upper case stand before a level.
const MAX_UPPER: u8 = 2;
/// No more words that end in a colon do.
const MAX_TITLES: u8 = 3;

/// A line's head, as far as it was not read yet.
struct Head<'a> {
    /// The whole line.
    line: &'a str,
    /// What was not read yet.
    rest: &'a [u8],
    /// A time of day was seen.
    time_seen: bool,
    /// How many names (of a logger, a host, a thread) were seen.
    names: u8,
    /// How many words in upper case that are no level were seen behind these.
    upper: u8,
    /// How many words that end in a colon were seen: what follows them is read with care.
    titles: u8,
    /// A plain word that leads to a program's name was seen.
    led: bool,
    /// How long the head was before anything was read.
    whole: usize,
}

impl<'a> Head<'a> {
    fn level(mut self) -> Option<Level> {
        for _ in 0..MAX_WORDS {
            let behind_tab = self.skip_space();
            let from_here = self.rest;
            let piece = match *self.rest.first()? {
                b'[' => self.group(b']'),
                b'(' => self.group(b')'),
                b'<' => self.group(b'>'),
                b'{' if self.time_seen && self.rest.starts_with(b"{\"") => return self.payload(),
                b'{' if self.time_seen || self.rest.len() < self.whole => self.braces(),
                b'"' | b'\'' | b'{' => Piece::Text,
                _ => self.word(behind_tab),
            };
            match piece {
                Piece::Level(level) => return Some(level),
                Piece::Neutral => {}
                Piece::Text => return beyond::beyond(from_here, self.time_seen),
            }
        }
        None
    }

    /// The level of a JSON object behind what syslog or a runtime wrote.
    fn payload(&self) -> Option<Level> {
        let at = self.line.len().min(MAX_HEAD) - self.rest.len();
        self.line.get(at..).and_then(json::level)
    }

    /// Skips white space, bars and a terminal's colours; tells whether a tab was the last of it.
    fn skip_space(&mut self) -> bool {
        let mut behind_tab = false;
        loop {
            match self.rest {
                [0x1b, ..] if words::behind_colour(self.rest).len() < self.rest.len() => {
                    self.rest = words::behind_colour(self.rest)
                }
                [byte @ (b'\t' | b' ' | b'|'), rest @ ..] => {
                    behind_tab = *byte == b'\t';
                    self.rest = rest;
                }
                _ => return behind_tab,
            }
        }
    }

    /// Something up to white space, a bar, a bracket or a colour.
    fn word(&mut self, behind_tab: bool) -> Piece {
        let end = self.rest.iter().position(|byte| matches!(byte, b' ' | b'\t' | b'|' | b'[' | b'(' | 0x1b));
        let from_here = self.rest;
        let (word, rest) = from_here.split_at(end.unwrap_or(from_here.len()));
        self.rest = rest;
        let made = Made::of(word);
        if self.is_neutral(word, made) {
            let letter = match word {
                [letter] if self.time_seen => {
                    // Android Studio's columns: `1234-5678  Tag   com.example  W  x`.
                    if self.names == 2 && rest.starts_with(b"  ") {
                        level::letter(*letter)
                    } else if self.names < 2 || rest.starts_with(b"|") {
                        marks::lettered(word, rest, self.names)
                    } else {
                        marks::before_place(*letter, rest)
                    }
                }
                _ => None,
            };
            // Behind an SMTP reply's `535 5.7.8` stands what the other side said.
            let is_reply = word.len() == 3 && shaped(rest, b" 0.0.0 ").is_some();
            return letter.map_or(if is_reply { Piece::Text } else { Piece::Neutral }, Piece::Level);
        }
        let is_title_near = self.titles > 0;
        if !(self.led && is_title_near)
            && let Some(level) = level::upper(word, self.time_seen && !is_title_near && self.names <= 2)
        {
            // The Datadog agent's `… UTC | TRACE | WARN | (x) | y`: the first is a part of it.
            let next = rest.strip_prefix(b" | ").map(words::next).and_then(|next| level::upper(next, false));
            return Piece::Level(next.unwrap_or(level));
        }
        // Tabs on both sides set a word off as well as brackets do, and a colon may stand behind a colour's end.
        let is_set_off = match rest {
            [b'\t', ..] => behind_tab,
            // Columns: `2016-09-28 04:30:30, Info                  CBS    Loaded`.
            [b' ', b' ', ..] => self.time_seen && self.names == 0,
            [0x1b, ..] => self.names == 0 && self.titles == 0 || words::behind_colour(rest).first() == Some(&b':'),
            _ => false,
        };
        if is_set_off && let Some(level) = level::set_off(word) {
            return Piece::Level(level);
        }
        if made.has(COLON)
            && let Some(level) =
                marks::before_colon(word).or_else(|| marks::behind_channel(word).filter(|_| self.time_seen))
        {
            return Piece::Level(level);
        }
        if self.time_seen
            && let Some(level) = marks::behind_category(word, rest).or_else(|| marks::behind_facility(word))
        {
            return Piece::Level(level);
        }
        if let Some(level) = self.marked(word, made, from_here) {
            return Piece::Level(level);
        }
        if let Some(at) = word.iter().position(|&byte| byte == b'=') {
            return self.pair(from_here, at, word.len());
        }
        // `Nov-23 08:50:48`, RouterOS' `nov/23 08:50:48`.
        if let [first, a, b, b'-' | b'/', ..] = word
            && words::is_of_calendar(&[first.to_ascii_uppercase(), *a, *b])
        {
            return Piece::Neutral;
        }
        let behind = rest.trim_ascii_start();
        if !self.time_seen && self.names == 0 && behind.first().is_some_and(u8::is_ascii_digit) {
            // A file's or a host's name before the time, or a level.
            if let Some(level) = marks::before_date(word) {
                return stamp::read(behind).map_or(Piece::Text, |_| Piece::Level(level));
            }
            // A number may stand between: `ImageService: 139853338433792: 2026-11-23 08:50:48,703 …`.
            let digits = behind.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let dated = behind[digits..].strip_prefix(b": ").filter(|_| made.has(COLON)).unwrap_or(behind);
            let is_dated = stamp::read(dated).is_some();
            if is_name(word) || from_here.len() == self.whole && is_dated {
                self.names += 1;
                return if is_dated { Piece::Neutral } else { Piece::Text };
            }
        }
        if let Some(piece) = self.of_program(word, made, from_here) {
            return piece;
        }
        // The alerts of clusters begin with a tag and the seconds: `APPREAD 1117869872 2005.06.04 …`.
        let is_tag = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
        if !self.time_seen && word.iter().all(is_tag) && words::is_epoch_next(rest) {
            return Piece::Neutral;
        }
        // Their facilities stand before the level: `… R02-M1-N0 RAS KERNEL INFO instruction cache parity error`.
        if self.time_seen && self.names > 1 && self.upper < MAX_UPPER && word.iter().all(u8::is_ascii_uppercase) {
            self.upper += 1;
            return Piece::Neutral;
        }
        // A logger, a host or a user may stand between the time and the level.
        let is_set_apart =
            || self.names < 2 && (words::separated(rest) || matches!(rest, [b' ', b' ' | b':', ..] | [b'\t', ..]));
        if self.time_seen && self.names < MAX_NAMES && (is_name(word) || words::is_camel(word) || is_set_apart()) {
            self.names += 1;
            return Piece::Neutral;
        }
        // log4j's own `2026-11-23 08:50:48,703 main ERROR Unable to locate appender`.
        if self.time_seen && self.names == 0 && word == b"main" {
            self.names += 1;
            return Piece::Neutral;
        }
        if self.is_program(word, rest) { Piece::Neutral } else { Piece::Text }
    }

    /// A pair; a value in quotes is passed as a whole.
    fn pair(&mut self, from_here: &'a [u8], equals: usize, length: usize) -> Piece {
        let piece = marks::keyed(&from_here[..equals], &from_here[equals + 1..length]);
        if let Piece::Text = piece
            && let [b'"', inside @ ..] = &from_here[equals + 1..]
            && let Some(end) = inside.iter().position(|&byte| byte == b'"')
            && from_here[..equals].iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(byte))
        {
            self.time_seen |= words::has_time(&inside[..end]);
            self.rest = &inside[end + 1..];
            return Piece::Neutral;
        }
        piece
    }

    /// Whether `word` is a number, a time, a date or only signs. Notes a time of day.
    fn is_neutral(&mut self, word: &[u8], made: Made) -> bool {
        if !made.has(LETTER | DIGIT | OTHER) || self.time_seen && made.is_symbol(word) {
            return true;
        }
        match word {
            [b'0'..=b'9' | b'+' | b'-' | b'#', ..] => {
                self.time_seen |= made.has(COLON) && words::has_time(word)
                    || words::is_epoch(word)
                    || words::is_epoch_millis(word)
                    || words::has_dotted_time(word);
                made.letters <= 3 && !made.has(SIGN | OTHER) && !words::is_column_next(word)
            }
            // Network gear's `%Nov`, `*Nov`.
            [b'%' | b'*' | b'.', rest @ ..] => words::is_of_calendar(rest),
            // `I,` of Ruby, `Mon,` of dates.
            [rest @ .., b','] => rest.len() == 1 || words::is_of_calendar(rest),
            _ => word.len() == 1 && made.has(LETTER) || words::is_of_calendar(word),
        }
    }
}
