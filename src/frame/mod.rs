//! Bytes of a file → entries. Pure: takes bytes, returns facts.
//!
//! ```text
//! buffer ─▶ lines ─▶ framer (cri | docker | plain) ─▶ joiner ─▶ grouper ─▶ text ─▶ (parse)
//!           cut at LF  the runtime's wrapping undone   pieces     lines      bytes → at most
//!                                                      → a line   → a trace  `max_line` of UTF-8
//! ```
//!
//! In reading order:
//! - [`lines`]: cuts a buffer at its LFs, without copying
//! - [`cri`], [`docker`], [`plain`]: one line with the runtime's wrapping undone
//! - [`time_cache`]: the runtime's time, of which mostly only the seconds change from line to line
//! - [`join`]: pieces of a line that the runtime split, joined per stream
//! - [`group`]: lines that are one event, such as stack traces, grouped per stream
//! - [`text`] and [`cut`]: valid UTF-8 of a bounded length
//!
//! **Invariant**: framing is total. Every line becomes exactly one [`Entry`]; one that is not of its file's format
//! stands whole as the body, with a [`Flaw`] that says so. Nothing here refuses a line.
//!
//! After a node crash a file may hold runs of NULs where blocks were never written: NULs before a valid CRI or
//! Docker line are skipped; elsewhere they are bytes like any other.

pub mod cri;
pub mod cut;
pub mod docker;
pub mod group;
pub mod join;
pub mod lines;
pub mod plain;
pub mod text;
pub mod time_cache;

use crate::model::event::{Entry, Flaw};
use crate::model::origin::{Format, HEAD_MAX};

use time_cache::TimeCache;

/// Undoes the wrapping of one format, line by line. Remembers nothing that changes what a line becomes, so one
/// framer may serve many files of its format.
#[derive(Debug)]
pub struct Framer {
    /// How the lines are wrapped.
    format: Format,
    /// The last minute met.
    times: TimeCache,
    /// Holds a Docker line's `log` with its escapes undone, where it has any.
    scratch: Vec<u8>,
}

impl Framer {
    /// A framer for lines of `format`.
    pub fn new(format: Format) -> Self {
        Self { format, times: TimeCache::default(), scratch: Vec::new() }
    }

    /// The format of its lines.
    pub fn format(&self) -> Format {
        self.format
    }

    /// What `line` (without its LF) is. Total; see the module.
    #[inline]
    pub fn entry<'a>(&'a mut self, line: &'a [u8]) -> Entry<'a> {
        let (entry, flaw) = match self.format {
            Format::Cri => (cri::parse(behind_nuls(line), &mut self.times), Flaw::NotCri),
            Format::Docker => (docker::parse(behind_nuls(line), &mut self.times, &mut self.scratch), Flaw::NotDocker),
            Format::Plain => return plain::entry(line),
        };
        entry.unwrap_or_else(|| Entry { flaw: Some(flaw), ..plain::entry(line) })
    }
}

/// The format of a file that begins with `head`, as soon as it can be told; `None` while more bytes are needed.
///
/// Only the first line that is not all NULs decides, and of it only the first [`HEAD_MAX`] bytes: so the answer
/// depends on the file's bytes and not on how many of them were there when somebody looked. A first line that is
/// longer than that is judged by its beginning.
pub fn detect(head: &[u8]) -> Option<Format> {
    let mut rest = head;
    loop {
        let line = behind_nuls(rest);
        let seen = &line[..line.len().min(HEAD_MAX)];
        match memchr::memchr(b'\n', seen) {
            // A line of NULs alone is the trace of a crash and tells nothing.
            Some(0) if line.len() < rest.len() => rest = &line[1..],
            Some(end) => return Some(of_line(&seen[..end])),
            None if seen.len() == HEAD_MAX => return Some(of_beginning(seen)),
            None => return None,
        }
    }
}

/// The format of an input that ended behind `head`, its last line perhaps without a LF.
pub fn detect_at_end(head: &[u8]) -> Format {
    detect(head).unwrap_or_else(|| {
        let last = head.iter().rposition(|&byte| byte == b'\n').map_or(head, |at| &head[at + 1..]);
        of_line(behind_nuls(last))
    })
}

fn of_line(line: &[u8]) -> Format {
    let mut times = TimeCache::default();
    if cri::parse(line, &mut times).is_some() {
        Format::Cri
    } else if docker::parse(line, &mut times, &mut Vec::new()).is_some_and(|entry| entry.stream.is_some()) {
        Format::Docker
    } else {
        Format::Plain
    }
}

fn of_beginning(line: &[u8]) -> Format {
    if cri::parse(line, &mut TimeCache::default()).is_some() {
        Format::Cri
    } else if line.starts_with(br#"{"log":""#) {
        Format::Docker
    } else {
        Format::Plain
    }
}

fn behind_nuls(line: &[u8]) -> &[u8] {
    match line.first() {
        Some(0) => &line[line.iter().position(|&byte| byte != 0).unwrap_or(line.len())..],
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CRI: &str = "2026-11-23T08:50:48.70393181Z stdout F hello";
    const DOCKER: &str = r#"{"log":"hello\n","stream":"stdout","time":"2026-11-23T08:50:48.70393181Z"}"#;

    fn check_format(head: impl AsRef<[u8]>, expected: Option<Format>) {
        let head = head.as_ref();
        assert_eq!(detect(head), expected, "{:?}", String::from_utf8_lossy(head));
    }

    #[test]
    fn the_first_line_tells_the_format() {
        check_format("", None);
        check_format(CRI, None);
        check_format(format!("{CRI}\n"), Some(Format::Cri));
        check_format(format!("{CRI}\r\n"), Some(Format::Cri));
        check_format(format!("{DOCKER}\n"), Some(Format::Docker));
        check_format("{\"log\":\"x\",\"time\":\"2026-11-23T08:50:48Z\"}\n", Some(Format::Plain));
        check_format("{\"msg\":\"x\"}\n", Some(Format::Plain));
        check_format("\n", Some(Format::Plain));
        check_format(format!("hello\n{CRI}\n"), Some(Format::Plain));
        check_format("\0\0\0", None);
        check_format("\0\0\0\n", None);
        check_format(format!("\0\0\0\n\0{CRI}\n"), Some(Format::Cri));
        check_format(format!("{CRI}{}", "x".repeat(2000)), Some(Format::Cri));
        check_format(format!("{}\n", "x".repeat(2000)), Some(Format::Plain));
        check_format(format!("{{\"log\":\"{}", "x".repeat(2000)), Some(Format::Docker));
    }

    #[test]
    fn an_ended_input_has_a_format_without_a_last_lf() {
        assert_eq!(detect_at_end(CRI.as_bytes()), Format::Cri);
        assert_eq!(detect_at_end(DOCKER.as_bytes()), Format::Docker);
        assert_eq!(detect_at_end(b"hello"), Format::Plain);
        assert_eq!(detect_at_end(b"\0\0\n"), Format::Plain);
        assert_eq!(detect_at_end(b""), Format::Plain);
    }

    #[test]
    fn a_line_that_is_not_of_the_format_stands_whole() {
        for (format, flaw) in [(Format::Cri, Flaw::NotCri), (Format::Docker, Flaw::NotDocker)] {
            let mut framer = Framer::new(format);
            for line in ["", "panic: oh", "\0\0\0", "\0\0{", "2026-11-23T08:50:48Z stdin F x", "{\"log\":\"x\""] {
                let entry = framer.entry(line.as_bytes());
                assert_eq!(
                    entry,
                    Entry { time: None, stream: None, partial: false, body: line.as_bytes(), flaw: Some(flaw) }
                );
            }
        }
        assert_eq!(Framer::new(Format::Cri).entry(b"oops\r").body, b"oops");
    }

    #[test]
    fn nuls_before_a_valid_line_are_skipped() {
        for (format, line) in [(Format::Cri, CRI), (Format::Docker, DOCKER)] {
            let line = format!("\0\0\0\0{line}");
            let mut framer = Framer::new(format);
            let entry = framer.entry(line.as_bytes());
            assert_eq!((entry.body, entry.flaw), (&b"hello"[..], None));
        }
        assert_eq!(Framer::new(Format::Plain).entry(b"\0a\0").body, b"\0a\0");
    }

    proptest! {
        #[test]
        fn any_bytes_are_framed(line in proptest::collection::vec(any::<u8>(), 0..200), cut in 0_usize..80) {
            for format in [Format::Cri, Format::Docker, Format::Plain] {
                let mut framer = Framer::new(format);
                framer.entry(&line);
                for whole in [CRI, DOCKER] {
                    // The beginning of a valid line with anything behind it: deeper into the parsers than noise gets.
                    let mut mixed = whole.as_bytes()[..cut.min(whole.len())].to_vec();
                    mixed.extend_from_slice(&line);
                    framer.entry(&mixed);
                    detect(&mixed);
                    detect_at_end(&mixed);
                }
            }
        }

        #[test]
        fn the_format_does_not_depend_on_when_one_looks(
            pieces in proptest::collection::vec(
                prop_oneof![Just(CRI.to_owned()), Just(DOCKER.to_owned()), Just("\0\0".to_owned()), Just("\n".to_owned()), "[a-z{\"]{0,600}"],
                0..8,
            ),
        ) {
            let all = pieces.concat();
            let last = detect(all.as_bytes());
            for len in 0..all.len() {
                let early = detect(&all.as_bytes()[..len]);
                prop_assert!(early.is_none() || early == last);
            }
        }
    }
}
