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
//! ```
//!
//! **Invariant**: a level is never guessed from a sentence: `an error occurred` has none, and neither has an access log.

use crate::model::event::Level;

use super::headers;
use super::level;
use super::marks::{self, Piece};
use super::stamp;
use super::words::{self, COLON, DIGIT, LETTER, Made, OTHER, SIGN, is_name, shaped};

/// No head is longer.
const MAX_HEAD: usize = 256;
/// No group in brackets at a line's head is longer.
const MAX_GROUP: usize = 200;
/// No head has more words.
const MAX_WORDS: usize = 20;

/// The level that the head of `line` says.
pub fn level(line: &str) -> Option<Level> {
    let bytes = line.as_bytes();
    let bytes = &bytes[..bytes.len().min(MAX_HEAD)];
    if let Some(found) = headers::of(bytes) {
        return Some(found);
    }
    // `####<Nov 23, 2026 8:50:48 AM UTC> <Notice> …` of WebLogic, `[#|2026-11-23T08:50:48.703+0000|INFO|…` of GlassFish.
    let bytes = bytes.strip_prefix(b"####").or_else(|| bytes.strip_prefix(b"[#|")).unwrap_or(bytes);
    let bytes = stamp::behind_name(bytes).unwrap_or(bytes);
    let begun = Head { rest: bytes, time_seen: false, names: 0, upper: 0, titles: 0, led: false, whole: bytes.len() };
    let head = match headers::behind_host(bytes) {
        Some(rest) => Head { rest, time_seen: true, names: 1, upper: MAX_UPPER, ..begun },
        None => match headers::tai64n(bytes) {
            Some((.., rest)) => Head { rest, time_seen: true, ..begun },
            None => begun,
        },
    };
    // What the program itself says goes before what it told syslog.
    head.level().or_else(|| headers::mnemonic(bytes)).or_else(|| headers::priority(bytes))
}

/// No more words in upper case stand before a level.
const MAX_UPPER: u8 = 2;
/// No more words that end in a colon do.
const MAX_TITLES: u8 = 3;
/// No more words of a group in brackets do.
const MAX_ASIDE: usize = 2;

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

    /// Something in brackets, and the colon that may follow it.
    fn group(&mut self, close: u8) -> Piece {
        let inside = &self.rest[1..];
        let window = &inside[..inside.len().min(MAX_GROUP)];
        let Some(end) = window.iter().position(|&byte| byte == close) else { return Piece::Text };
        self.rest = &inside[end + 1..];
        if let [b':', rest @ ..] = self.rest {
            self.rest = rest;
        }
        let inside = words::without_colour(&inside[..end]).trim_ascii();
        let facility = if close == b'>' { marks::behind_facility(inside) } else { None };
        if let Some(level) = level::set_off(inside).or(facility) {
            return Piece::Level(level);
        }
        if inside.first().is_some_and(u8::is_ascii_digit) {
            let found = match inside {
                [.., b')'] => marks::in_group(inside),
                _ => self.level_behind_time(inside),
            };
            return found.map_or(Piece::Neutral, Piece::Level);
        }
        match (close, inside) {
            // X.Org's `(EE)`.
            (b')', b"II") => return Piece::Level(Level::Info),
            (b')', b"WW") => return Piece::Level(Level::Warn),
            (b')', b"EE") => return Piece::Level(Level::Error),
            // Gitea's `[I]`.
            (b']', [letter]) if self.time_seen => return level::letter(*letter).map_or(Piece::Neutral, Piece::Level),
            // MySQL's third kind beside notes and warnings.
            (b']', b"System") if self.rest.starts_with(b" [MY-") => return Piece::Level(Level::Info),
            (b']', _) => {}
            _ => return Piece::Neutral,
        }
        let named = marks::in_group(inside);
        // `[08:50:48 INF]`, `[2026-11-23T08:50:48Z WARN  module]`, `[INFO module]`.
        named.or_else(|| self.level_behind_time(inside)).map_or(Piece::Neutral, Piece::Level)
    }

    /// ClickHouse's query (`2026.11.23 08:50:48.703931 [ 1 ] {8c1c5ad6-…} <Error> …`) and Airflow's place (`{task.py:12}`).
    fn braces(&mut self) -> Piece {
        let inside = &self.rest[1..];
        let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
        let length = inside.iter().take_while(is_part).count();
        match &inside[length..] {
            [b'}', b' ', rest @ ..] => {
                self.rest = rest;
                Piece::Neutral
            }
            _ => Piece::Text,
        }
    }

    fn level_behind_time(&mut self, inside: &[u8]) -> Option<Level> {
        let mut asides = 0;
        let mut words = inside.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).peekable();
        while let Some(word) = words.next() {
            let made = Made::of(word);
            if self.is_neutral(word, made) {
                continue;
            }
            // Celery's `[2026-11-23 08:50:48,703: WARNING/MainProcess]`.
            let slash = word.iter().position(|&byte| byte == b'/').filter(|_| self.time_seen);
            let found = level::upper(&word[..slash.unwrap_or(word.len())], self.time_seen && asides == 0);
            // vCenter's `[2026-11-23 08:50:48.703 F5A5AB90 info 'shop' opID=1]`.
            let is_quote_next = words.peek().is_some_and(|next| next.starts_with(b"'"));
            let found = found.or_else(|| level::spoken(word, true).filter(|_| is_quote_next));
            // A thread or two may stand between the time and the level: `[2026-11-23 08:50:48,703 pool-3-thread-1 INFO shop]`.
            if found.is_some() || !self.time_seen || asides == MAX_ASIDE {
                return found;
            }
            asides += 1;
        }
        None
    }

    /// Something up to white space, a bar, a bracket or a colour.
    fn word(&mut self, behind_tab: bool) -> Piece {
        let end = self.rest.iter().position(|byte| matches!(byte, b' ' | b'\t' | b'|' | b'[' | b'(' | 0x1b));
        let from_here = self.rest;
        let (word, rest) = from_here.split_at(end.unwrap_or(from_here.len()));
        self.rest = rest;
        let made = Made::of(word);
        if self.is_neutral(word, made) {
            let letter = if self.time_seen && self.names < 2 { marks::lettered(word, rest) } else { None };
            return letter.map_or(Piece::Neutral, Piece::Level);
        }
        let is_title_near = self.titles > 0;
        if !(self.led && is_title_near)
            && let Some(level) = level::upper(word, self.time_seen && !is_title_near)
        {
            return Piece::Level(level);
        }
        // Tabs on both sides set a word off as well as brackets do, and a colon may stand behind a colour's end.
        let is_set_off = match rest {
            [b'\t', ..] => behind_tab,
            // Columns: `2016-09-28 04:30:30, Info                  CBS    Loaded`.
            [b' ', b' ', ..] => self.time_seen && self.names == 0,
            [0x1b, ..] => words::behind_colour(rest).first() == Some(&b':'),
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
            return marks::keyed(&word[..at], &word[at + 1..]);
        }
        // `Nov-23 08:50:48`.
        if let [_, _, _, b'-', ..] = word
            && words::is_of_calendar(&word[..3])
        {
            return Piece::Neutral;
        }
        // A file's or a host's name before the time.
        if !self.time_seen && self.names == 0 && rest.get(1).is_some_and(u8::is_ascii_digit) && is_name(word) {
            self.names += 1;
            return if stamp::read(&rest[1..]).is_some() { Piece::Neutral } else { Piece::Text };
        }
        // PHP's `PHP Warning:  Undefined variable`, with and without a time before it.
        if word == b"PHP" && (self.time_seen || from_here.len() == self.whole) {
            return marks::of_php(rest).map_or(Piece::Text, Piece::Level);
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
        if self.time_seen && self.names < 2 && (is_name(word) || words::separated(rest) || rest.starts_with(b"  ")) {
            self.names += 1;
            return Piece::Neutral;
        }
        if self.is_program(word, rest) { Piece::Neutral } else { Piece::Text }
    }

    /// The level of a word that none of the everyday marks fits.
    fn marked(&self, word: &[u8], made: Made, from_here: &[u8]) -> Option<Level> {
        let rest = &from_here[word.len()..];
        if made.has(COLON)
            && let Some(level) = marks::of_message(word)
        {
            return Some(level);
        }
        if !self.time_seen {
            return None;
        }
        if made.has(COLON)
            && let Some(level) = marks::behind_key(word, rest).or_else(|| match word {
                [b'0'..=b'9', ..] => marks::between_colons(word),
                _ => marks::before_slash(word),
            })
        {
            return Some(level);
        }
        if words::is_column_next(word) || word.iter().filter(|&&byte| byte == b',').nth(1).is_some() {
            return marks::in_columns(from_here);
        }
        // `Nov 23 08:50:48 web err tmm[12]: …` of F5.
        if self.upper == MAX_UPPER && self.names == 1 && words::leads_to_process(rest) {
            return level::spoken(word, true);
        }
        if self.names > 0 || self.upper > 0 || self.titles > 0 {
            return None;
        }
        marks::before_priority(word, rest).or_else(|| marks::bare(word, rest))
    }

    /// Whether `word` is a program's name before its process (`shop[123]: …`), what leads to one, or a title that ends in a
    /// colon. Notes what it is.
    fn is_program(&mut self, word: &[u8], rest: &[u8]) -> bool {
        if words::is_plain_name(word) && words::is_process_next(rest) {
            let is_tag = rest.iter().position(|&byte| byte == b']').and_then(|end| rest.get(end + 1)) == Some(&b':');
            self.names += 1;
            return self.names <= 3 && (self.time_seen || is_tag);
        }
        if !self.time_seen {
            return false;
        }
        if let [name @ .., b':'] = word
            && words::is_plain_name(name)
        {
            self.titles += 1;
            return self.titles <= MAX_TITLES;
        }
        // `web sshd[123]: …`, `web mysqld: …`, `cluster [WRN] …`.
        let next = words::next(rest);
        let behind = rest.trim_ascii_start().get(next.len()..).unwrap_or_default();
        let leads = match (next, behind) {
            ([], [b'[', inside @ ..]) => {
                let end = inside.iter().take(12).position(|&byte| byte == b']');
                end.is_some_and(|end| level::upper(&inside[..end], false).is_some())
            }
            ([name @ .., b':'], _) => words::is_plain_name(name) && level::set_off(name).is_none(),
            _ => words::is_process_next(behind),
        };
        self.names += u8::from(leads);
        self.led |= leads;
        leads && self.names <= 2 && words::is_plain_name(word)
    }

    /// Whether `word` is a number, a time, a date or only signs. Notes a time of day.
    fn is_neutral(&mut self, word: &[u8], made: Made) -> bool {
        if !made.has(LETTER | DIGIT | OTHER) {
            return true;
        }
        match word {
            [b'0'..=b'9' | b'+' | b'-' | b'#', ..] => {
                self.time_seen |= made.has(COLON) && words::has_time(word)
                    || words::is_epoch(word)
                    || shaped(word, b"0000-00-00-00.00.00").is_some();
                made.letters <= 3 && !made.has(SIGN | OTHER) && !words::is_column_next(word)
            }
            // `I,` of Ruby, `Mon,` of dates.
            [rest @ .., b','] => rest.len() == 1 || words::is_of_calendar(rest),
            _ => word.len() == 1 && made.has(LETTER) || words::is_of_calendar(word),
        }
    }
}
