//! What stands in brackets or braces at a line's head.
//!
//! **Invariant**: a group is passed as a whole; what is in it is a level, or nothing of a sentence.

use crate::model::event::Level;

use super::super::marks::{self, Piece};
use super::super::words::{self, Made, shaped};
use super::super::{headers, level};
use super::Head;

/// No group in brackets at a line's head is longer.
const MAX_GROUP: usize = 200;
/// No more words of a group in brackets stand between its time and its level.
const MAX_ASIDE: usize = 2;

impl Head<'_> {
    /// Something in brackets, and the colon that may follow it.
    pub(super) fn group(&mut self, close: u8) -> Piece {
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
            // The kernel's priority behind the time of who read it: `2026-11-23T08:50:48 <6>[   30.405126] x`.
            if let (b'>', [digit @ b'0'..=b'7'], [b'[', ..]) = (close, inside, self.rest)
                && self.time_seen
            {
                return headers::severity(u32::from(digit - b'0')).map_or(Piece::Neutral, Piece::Level);
            }
            let found = match inside {
                [.., b')'] => marks::in_group(inside),
                // SageMaker's `[2026-11-23:08:50:48:INFO]`.
                _ if inside.get(10) == Some(&b':') => {
                    let word = shaped(inside, b"0000-00-00:00:00:00:");
                    word.and_then(|word| level::upper(word, true)).or_else(|| self.level_behind_time(inside))
                }
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
            (b']', [letter]) if self.time_seen || matches!(self.rest, [b'[', b'0'..=b'9', ..]) => {
                return level::letter(*letter).map_or(Piece::Neutral, Piece::Level);
            }
            // MySQL's third kind beside notes and warnings.
            (b']', b"System") if self.rest.starts_with(b" [MY-") => return Piece::Level(Level::Info),
            (b']', [b'A'..=b'Z', b'A'..=b'Z' | b'a'..=b'z', .., b'0'..=b'9'])
                if self.time_seen && self.behind_stream(inside) =>
            {
                return Piece::Neutral;
            }
            (b']', _) => {}
            _ => return Piece::Neutral,
        }
        // `[level=error]`, `[level: error]`.
        if matches!(inside, [b'l' | b'L' | b's' | b'S', ..])
            && let Some(at) = inside.iter().position(|byte| matches!(byte, b'=' | b':'))
            && level::key(&inside[..at]).is_some()
            && let Piece::Level(level) = marks::keyed(&inside[..at], inside[at + 1..].trim_ascii())
        {
            return Piece::Level(level);
        }
        let named = marks::in_group(inside).or_else(|| headers::glog(inside));
        // `[08:50:48 INF]`, `[2026-11-23T08:50:48Z WARN  module]`, `[INFO module]`.
        named.or_else(|| self.level_behind_time(inside)).map_or(Piece::Neutral, Piece::Level)
    }

    /// Passes Cloud Foundry's stream behind its source: the `ERR` of `[APP/PROC/WEB/0] ERR x` is no level.
    fn behind_stream(&mut self, source: &[u8]) -> bool {
        const SOURCES: [&[u8]; 8] = [b"APP", b"RTR", b"CELL", b"API", b"STG", b"SSH", b"LGR", b"PROXY"];
        let first = source.split(|&byte| byte == b'/').next().unwrap_or_default();
        let stream = self.rest.trim_ascii_start();
        let behind = stream.strip_prefix(b"ERR").or_else(|| stream.strip_prefix(b"OUT"));
        let behind = behind.filter(|behind| matches!(behind, [] | [b' ', ..]));
        match behind {
            Some(behind)
                if first.len() < source.len() && SOURCES.iter().any(|name| name.eq_ignore_ascii_case(first)) =>
            {
                self.rest = behind;
                true
            }
            _ => false,
        }
    }

    /// ClickHouse's query (`2026.11.23 08:50:48.703931 [ 1 ] {8c1c5ad6-…} <Error> …`) and Airflow's place (`{task.py:12}`,
    /// also with two braces).
    pub(super) fn braces(&mut self) -> Piece {
        let inside = &self.rest[1..];
        let inside = inside.strip_prefix(b"{").unwrap_or(inside);
        let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
        let length = inside.iter().take_while(is_part).count();
        let behind = &inside[length..];
        if behind.starts_with(b"}")
            && let Some(level) = level::upper(&inside[..length], false)
        {
            return Piece::Level(level);
        }
        self.rest = match behind {
            [b'}', b' ' | b'[', ..] => &behind[1..],
            [b'}', b'}', b' ', ..] => &behind[2..],
            _ => return Piece::Text,
        };
        Piece::Neutral
    }

    /// The level that `word` is in any case, by what stands `next` to it or as the first between bars.
    fn spoken(&self, word: &[u8], next: Option<&[u8]>, barred: bool) -> Option<Level> {
        let level = level::spoken(word, true)?;
        let next = next.unwrap_or_default();
        let is_date = || shaped(next, b"0000/00/00").or_else(|| shaped(next, b"0000-00-00")).is_some();
        // XenServer's `[20261123T08:50:48.703Z| info|xs1|0 thread_zero||xapi]`, vCenter's
        // `[2026-11-23 08:50:48.703 F5A5AB90 info 'shop' opID=1]`, Geode's `[warn 2026/11/23 08:50:48.703 UTC shop <main> tid=0x1]`.
        (barred || next.starts_with(b"'") || !self.time_seen && is_date()).then_some(level)
    }

    fn level_behind_time(&mut self, inside: &[u8]) -> Option<Level> {
        let mut asides = 0;
        let mut words = inside.split(|byte| matches!(byte, b' ' | b'|')).filter(|word| !word.is_empty()).peekable();
        while let Some(word) = words.next() {
            let made = Made::of(word);
            if self.is_neutral(word, made) {
                // Ray's `[2026-11-23 08:50:48,703 E 12 34]`.
                if let [letter] = word
                    && self.time_seen
                    && words.peek().is_some_and(|next| next.iter().all(u8::is_ascii_digit))
                    && let Some(level) = level::letter(*letter)
                {
                    return Some(level);
                }
                continue;
            }
            // Celery's `[2026-11-23 08:50:48,703: WARNING/MainProcess]`.
            let slash = word.iter().position(|&byte| byte == b'/').filter(|_| self.time_seen);
            let first = &word[..slash.unwrap_or(word.len())];
            let found = match first {
                // logcat's `[ 11-23 08:50:48.703  1234: 5678 I/Tag ]`.
                [letter] if slash.is_some() => level::letter(*letter),
                _ => level::upper(first, self.time_seen && asides == 0),
            };
            let found =
                found.or_else(|| self.spoken(word, words.peek().copied(), asides == 0 && inside.contains(&b'|')));
            // A thread or two may stand between the time and the level: `[2026-11-23 08:50:48,703 pool-3-thread-1 INFO shop]`.
            if found.is_some() || !self.time_seen || asides == MAX_ASIDE {
                return found;
            }
            asides += 1;
        }
        None
    }
}
