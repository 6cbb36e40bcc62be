//! One line of a container log as containerd and CRI-O write it.
//!
//! ```text
//! 2026-11-23T08:50:48.70393181Z stdout F hello
//! time (RFC 3339, any zone)     stream tag body
//! ```
//!
//! Equivalent: `^(RFC 3339) (stdout|stderr) ([PF])(:[^ ]*)?( (.*?))?\r?$`. The tag is a list parted by colons whose
//! first element is `P` (the line goes on in a later entry) or `F`; the other elements are skipped. A CR is removed
//! from an `F` only: at the end of a `P` it is a byte in the middle of the application's line.

use crate::model::event::{Entry, Stream};

use super::time_cache::TimeCache;

/// The entry that `line` (without its LF) is, or `None` if it is not CRI.
#[inline]
pub fn parse<'a>(line: &'a [u8], times: &mut TimeCache) -> Option<Entry<'a>> {
    let (time, len) = times.read(line)?;
    let rest = &line[len..];
    let (stream, rest) = match rest.strip_prefix(b" stdout ") {
        Some(rest) => (Stream::Stdout, rest),
        None => (Stream::Stderr, rest.strip_prefix(b" stderr ")?),
    };
    let (&tag, rest) = rest.split_first()?;
    let partial = match tag {
        b'P' => true,
        b'F' => false,
        _ => return None,
    };
    let body = match rest.split_first() {
        Some((b' ', body)) => body,
        None => rest,
        Some((b':', tags)) => memchr::memchr(b' ', tags).map_or(&[][..], |at| &tags[at + 1..]),
        Some(_) => return None,
    };
    let body = if partial { body } else { body.strip_suffix(b"\r").unwrap_or(body) };
    Some(Entry { time: Some(time), stream: Some(stream), partial, body, flaw: None })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::bytes::Regex;

    use super::*;
    use crate::model::time::Time;

    fn check(line: &str, expected: Option<(Stream, bool, &str)>) {
        let mut times = TimeCache::default();
        for _remembered in [false, true] {
            let found = parse(line.as_bytes(), &mut times);
            let facts = found.as_ref().map(|entry| {
                assert_eq!(entry.time, Time::parse_rfc3339(line.split(' ').next().unwrap_or("").as_bytes()));
                (entry.stream.expect("always there"), entry.partial, entry.body)
            });
            assert_eq!(facts, expected.map(|(stream, partial, body)| (stream, partial, body.as_bytes())), "{line}");
        }
    }

    #[test]
    fn lines_as_runtimes_write_them() {
        check("2026-11-23T08:50:48.70393181Z stdout F hello world", Some((Stream::Stdout, false, "hello world")));
        check("2026-11-23T08:50:48.70393181Z stderr P hello", Some((Stream::Stderr, true, "hello")));
        check("2026-11-23T08:50:48.703931812+00:00 stdout F  x ", Some((Stream::Stdout, false, " x ")));
        check("2026-11-23T08:50:48-05:00 stdout F x", Some((Stream::Stdout, false, "x")));
        check("2026-11-23T08:50:48Z stdout F ", Some((Stream::Stdout, false, "")));
        check("2026-11-23T08:50:48Z stdout F", Some((Stream::Stdout, false, "")));
        check("2026-11-23T08:50:48Z stdout P:a:b x", Some((Stream::Stdout, true, "x")));
        check("2026-11-23T08:50:48Z stdout F:a:b", Some((Stream::Stdout, false, "")));
        check("2026-11-23T08:50:48Z stdout F x\r", Some((Stream::Stdout, false, "x")));
        check("2026-11-23T08:50:48Z stdout F \r", Some((Stream::Stdout, false, "")));
        check("2026-11-23T08:50:48Z stdout P x\r", Some((Stream::Stdout, true, "x\r")));
    }

    #[test]
    fn what_is_not_cri() {
        for line in [
            "",
            "hello",
            "2026-11-23T08:50:48Z",
            "2026-11-23T08:50:48Z ",
            "2026-11-23T08:50:48Z stdout",
            "2026-11-23T08:50:48Z stdout ",
            "2026-11-23T08:50:48Z stdin F x",
            "2026-11-23T08:50:48Z stdout X x",
            "2026-11-23T08:50:48Z stdout FP x",
            "2026-11-23T08:50:48Z stdout  F x",
            "2026-11-23T08:50:48Z  stdout F x",
            "2026-11-23T08:50:48 stdout F x",
            "2026-11-31T08:50:48Z stdout F x",
            " 2026-11-23T08:50:48Z stdout F x",
        ] {
            check(line, None);
        }
    }

    proptest! {
        #[test]
        fn the_equivalent_regex_agrees(
            line in r"(2026-11-23T08:50:48\.[0-9]{6,9}(Z|\+00:00|)|x)[ ]{1,2}(stdout|stderr|stdin)[ ]{1,2}(P|F|PF|F:[a-c: ]{0,3})[ ]{0,2}[a-z \r]{0,6}\r?",
        ) {
            let regex = Regex::new(
                r"(?s-u)^[0-9]{4}-[0-9T:.+-]+Z? (stdout|stderr) ([PF])(:[^ ]*)?( (.*))?$",
            ).expect("valid");
            let time_ok = Time::parse_rfc3339(line.split(' ').next().unwrap_or("").as_bytes()).is_some();
            let expected = regex.captures(line.as_bytes()).filter(|_| time_ok).map(|found| {
                let partial = &found[2] == b"P";
                let body = found.get(5).map_or(&b""[..], |body| body.as_bytes());
                (found[1].to_vec(), partial, if partial { body } else { body.strip_suffix(b"\r").unwrap_or(body) }.to_vec())
            });
            let found = parse(line.as_bytes(), &mut TimeCache::default()).map(|entry| {
                (entry.stream.map_or("", Stream::name).as_bytes().to_vec(), entry.partial, entry.body.to_vec())
            });
            prop_assert_eq!(found, expected);
        }
    }
}
