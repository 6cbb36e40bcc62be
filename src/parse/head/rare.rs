//! Words of a line's head that few lines have: marks of single programs, and names that lead to a level.
//!
//! **Invariant**: as everywhere in the head, what could be a sentence's is none.

use crate::model::event::Level;

use super::super::marks::{self, Piece};
use super::super::words::{self, COLON, DIGIT, Made};
use super::super::{headers, level, stamp, untimed};
use super::{Head, MAX_TITLES, MAX_UPPER};

impl<'a> Head<'a> {
    /// The level of a word that none of the everyday marks fits.
    pub(super) fn marked(&self, word: &[u8], made: Made, from_here: &[u8]) -> Option<Level> {
        let rest = &from_here[word.len()..];
        if (made.has(COLON) || self.time_seen)
            && made.has(DIGIT)
            && let Some(level) = marks::of_message(word, self.time_seen)
        {
            return Some(level);
        }
        if let Some(level) = untimed::of_domain(word, rest) {
            return Some(level);
        }
        let is_first = from_here.len() == self.whole;
        if made.has(COLON)
            && (self.time_seen || is_first || rest.starts_with(b"\t"))
            && let Some(level) = marks::behind_title(word, rest).or_else(|| marks::behind_key(word, rest))
        {
            return Some(level);
        }
        if is_first && let Some(level) = marks::before_code(word, rest) {
            return Some(level);
        }
        // `log4j:WARN x`.
        if is_first
            && made.has(COLON)
            && let Some(level) = marks::between_signs(word, made).filter(|_| !word.contains(&b'/'))
        {
            return Some(level);
        }
        if !self.time_seen {
            return None;
        }
        if made.has(COLON)
            && let Some(level) = match word {
                [b'0'..=b'9', ..] => marks::between_colons(word),
                _ => marks::before_slash(word),
            }
        {
            return Some(level);
        }
        if words::is_column_next(word) || words::has_two(word, b',') {
            return marks::in_columns(from_here, b',').or_else(|| marks::of_topics(word));
        }
        if let Some(level) = marks::of_topics(word) {
            return Some(level);
        }
        if words::has_two(word, b';') {
            return marks::in_columns(from_here, b';');
        }
        // `Nov 23 08:50:48 web err tmm[12]: …` of F5.
        if self.upper == MAX_UPPER && self.names == 1 && words::leads_to_process(rest) {
            return level::spoken(word, true);
        }
        if let Some(level) = marks::of_slashes(word).or_else(|| marks::between_signs(word, made)) {
            return Some(level);
        }
        // The kubelet's lines behind syslog's header.
        if made.letters == 1
            && let Some(level) = headers::glog(from_here)
        {
            return Some(level);
        }
        if let Some(level) = marks::before_aside(rest).or_else(|| marks::before_tag(word, rest)) {
            return Some(level);
        }
        // Telegraf's `E! x`.
        if let [letter, b'!'] = word {
            return level::letter(*letter);
        }
        // Kodi's `T:17       info <general>: x`.
        if self.names == 1 && self.upper == 0 && self.titles == 0 && rest.starts_with(b" <") {
            return level::spoken(word, true);
        }
        if self.names > 0 || self.upper > 0 || self.titles > 0 {
            return None;
        }
        marks::before_priority(word, rest).or_else(|| marks::bare(word, rest))
    }

    /// What a word is that a few programs write, where it is one.
    pub(super) fn of_program(&mut self, word: &[u8], made: Made, from_here: &'a [u8]) -> Option<Piece> {
        let rest = &from_here[word.len()..];
        let behind = rest.trim_ascii_start();
        // A container's name before a bar, as compose writes it.
        if from_here.len() == self.whole
            && let Some(line) = behind.strip_prefix(b"| ")
            && words::is_plain_name(word)
        {
            (self.rest, self.whole) = (line, line.len());
            return Some(
                match line {
                    [b'{', b'"', ..] => self.payload(),
                    _ => headers::of(line),
                }
                .map_or(Piece::Neutral, Piece::Level),
            );
        }
        // LTSV's `time:2026-11-23T08:50:48\thost:10.0.0.1\t…`.
        if made.has(COLON) && rest.starts_with(b"\t") && word.first().is_some_and(u8::is_ascii_lowercase) {
            return Some(Piece::Neutral);
        }
        // The Java wrapper's cell.
        if word == b"jvm"
            && let Some(bar) = rest.iter().take(16).position(|&byte| byte == b'|')
        {
            self.rest = &rest[bar..];
            return Some(Piece::Neutral);
        }
        // PHP's `PHP Warning:  Undefined variable`, with and without a time before it.
        if word == b"PHP" && (self.time_seen || from_here.len() == self.whole) {
            return Some(marks::of_php(rest).map_or(Piece::Text, Piece::Level));
        }
        // `Fatal error: x`, which no sentence has: of PHP, of Bacula.
        if word == b"Fatal" && rest.starts_with(b" error: ") {
            return Some(Piece::Level(Level::Fatal));
        }
        if self.time_seen || from_here.len() != self.whole {
            return None;
        }
        // go-logging's `▶ INFO x`.
        if made.is_symbol(word) {
            return level::upper(words::next(rest), false).map(Piece::Level);
        }
        if !words::is_plain_name(word) {
            return None;
        }
        // A host before a time in brackets: `web [Mon Nov 23 08:50:48 2026] [notice] x`.
        if let Some(inside) = rest.strip_prefix(b" [")
            && stamp::read(inside).is_some()
        {
            self.names += 1;
            return Some(Piece::Neutral);
        }
        marks::behind_process(rest).map(Piece::Level)
    }

    /// Whether `word` is a program's name before its process (`shop[123]: …`), what leads to one, or a title that ends in a
    /// colon. Notes what it is.
    pub(super) fn is_program(&mut self, word: &[u8], rest: &'a [u8]) -> bool {
        if words::is_plain_name(word) && words::is_process_next(rest) {
            let is_tag = rest.iter().position(|&byte| byte == b']').and_then(|end| rest.get(end + 1)) == Some(&b':');
            self.names += 1;
            return self.names <= 3 && (self.time_seen || is_tag);
        }
        if !self.time_seen {
            return false;
        }
        // `imap(ann)<12><x>: …`, Heroku's `app[web.1]: …`.
        if let Some(behind) = words::behind_asides(rest)
            && words::is_plain_name(word)
        {
            self.rest = behind;
            self.titles += 1;
            return self.titles <= MAX_TITLES;
        }
        // Syslog's header of RFC 5424, where nothing was left of it but the time.
        if self.names == 0
            && let Some(behind) = headers::behind_process(word, rest)
        {
            (self.rest, self.names) = (behind, 2);
            return true;
        }
        // pgpool's `main pid 12: …`.
        if word == b"pid" && words::next(rest).first().is_some_and(u8::is_ascii_digit)
            || word == b"main" && rest.starts_with(b" pid ")
        {
            return true;
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
}
