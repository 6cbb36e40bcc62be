//! Events that stand in a line as XML: Windows' own and log4j's.
//!
//! **Invariant**: a line that does not begin as one of the two is none, and only their own attributes and elements are read.

use memchr::memmem;

use crate::model::event::Level;

use super::level;
use super::stamp::{self, Stamp};

/// How much of such a line is looked through.
const MAX_HEAD: usize = 2048;

/// The level of Windows' `<Event xmlns="…"><System>…<Level>2</Level>…`, and that of an element with an attribute for it, as log4j's
/// `<log4j:event logger="…" timestamp="…" level="WARN" …>`.
pub(super) fn level_of(line: &[u8]) -> Option<Level> {
    let Some(event) = windows(line) else { return of_attributes(line) };
    match between(event, b"<Level>", b'<')? {
        b"1" => Some(Level::Fatal),
        b"2" => Some(Level::Error),
        b"3" => Some(Level::Warn),
        b"0" | b"4" => Some(Level::Info),
        b"5" => Some(Level::Debug),
        _ => None,
    }
}

/// The level of the first element's best attribute that is one.
fn of_attributes(line: &[u8]) -> Option<Level> {
    let (mut found, mut best) = (None, u8::MAX);
    let mut rest = &line[..line.len().min(MAX_HEAD)];
    loop {
        let equals = rest.iter().position(|byte| matches!(byte, b'=' | b'>')).filter(|&at| rest[at] == b'=');
        let Some(equals) = equals else { return found };
        let name = rest[..equals].rsplit(|&byte| byte == b' ').next()?;
        let Some((quote @ (b'"' | b'\''), inside)) = rest[equals + 1..].split_first() else { return found };
        let Some(end) = memchr::memchr(*quote, inside) else { return found };
        if let Some((rank, kind)) = level::key(name)
            && rank < best
            && let Some(level) = std::str::from_utf8(&inside[..end]).ok().and_then(|word| level::of_word(kind, word))
        {
            (found, best) = (Some(level), rank);
        }
        rest = &inside[end + 1..];
    }
}

/// The time of these: `<TimeCreated SystemTime='2026-11-23T08:50:48.7039318Z'/>`.
pub(super) fn time_of(line: &[u8]) -> Option<Stamp> {
    stamp::read(value(windows(line)?, b"SystemTime=")?).map(|(stamp, _)| stamp)
}

/// The milliseconds since 1970 of log4j's.
pub(super) fn millis_of(line: &[u8]) -> Option<&[u8]> {
    value(line.strip_prefix(b"<log4j:event ")?, b"timestamp=")
}

fn windows(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"<Event ")?;
    Some(&rest[..rest.len().min(MAX_HEAD)])
}

/// The value in quotes behind `name`.
fn value<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let text = &text[..text.len().min(MAX_HEAD)];
    let (quote @ (b'"' | b'\''), inside) = text.get(memmem::find(text, name)? + name.len()..)?.split_first()? else {
        return None;
    };
    inside.get(..memchr::memchr(*quote, inside)?)
}

/// What stands between `begin` and the next `end`.
fn between<'a>(text: &'a [u8], begin: &[u8], end: u8) -> Option<&'a [u8]> {
    let inside = text.get(memmem::find(text, begin)? + begin.len()..)?;
    inside.get(..memchr::memchr(end, inside)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Time;

    #[test]
    fn events_in_markup() {
        let near = Time::parse_rfc3339(b"2026-11-27T08:00:00Z").expect("a time");
        let windows = b"<Event xmlns='http://x'><System><Provider Name='y'/><Level>3</Level><TimeCreated SystemTime='2026-11-23T08:50:48.7039318Z'/></System></Event>";
        assert_eq!(level_of(windows), Some(Level::Warn));
        let time = time_of(windows).and_then(|stamp| stamp.near(near)).map(Time::to_rfc3339);
        assert_eq!(time.as_deref(), Some("2026-11-23T08:50:48.7039318Z"));
        let log4j = br#"<log4j:event logger="shop" timestamp="1795423848703" level="ERROR" thread="main">"#;
        assert_eq!((level_of(log4j), millis_of(log4j)), (Some(Level::Error), Some(&b"1795423848703"[..])));
        for line in [
            "",
            "<Event>",
            "<Event ",
            "<Event <Level>",
            "<Event <Level>9<",
            "<html><Level>3</Level>",
            "<log4j:event level=x",
        ] {
            let line = line.as_bytes();
            assert_eq!((level_of(line), time_of(line), millis_of(line)), (None, None, None), "{line:?}");
        }
    }
}
