//! One line of Docker's json-file driver.
//!
//! ```text
//! {"log":"hello\n","stream":"stdout","attrs":{"tag":"x"},"time":"2026-11-23T08:50:48.70393181Z"}
//! ```
//!
//! Keys may come in any order; `log` and `time` must be there; what other keys hold is skipped. A `log` that does not
//! end with a line feed is a piece. Refuses to be a JSON validator: it takes a little more than JSON (broken escapes
//! become U+FFFD), since what is taken for Docker's line loses nothing by it.

use crate::model::event::{Entry, Stream};
use crate::model::text::unescape;
use crate::model::time::Time;

use super::time_cache::TimeCache;

/// The entry that `line` (without its LF) is, or `None` if it is not Docker's. `scratch` holds the body where `log`
/// has escapes beside its final line feed.
pub fn parse<'a>(line: &'a [u8], times: &mut TimeCache, scratch: &'a mut Vec<u8>) -> Option<Entry<'a>> {
    let (log, stream, time) = members(line, times)?;
    let (body, partial) = match log.first_escape {
        None => (log.inner, true),
        Some(at) if &log.inner[at..] == b"\\n" => (&log.inner[..at], false),
        Some(_) => {
            scratch.clear();
            unescape(log.inner, scratch);
            match scratch.strip_suffix(b"\n") {
                Some(body) => (body, false),
                None => (&scratch[..], true),
            }
        }
    };
    let body = if partial { body } else { body.strip_suffix(b"\r").unwrap_or(body) };
    Some(Entry { time: Some(time), stream, partial, body, flaw: None })
}

/// The values of the keys that count.
fn members<'a>(line: &'a [u8], times: &mut TimeCache) -> Option<(Quoted<'a>, Option<Stream>, Time)> {
    let (mut log, mut stream, mut time) = (None, None, None);
    let mut cursor = Cursor { rest: line };
    cursor.take(b'{')?;
    loop {
        let key = cursor.string()?;
        cursor.take(b':')?;
        match key.inner {
            b"log" => log = Some(cursor.string()?),
            b"stream" => {
                stream = match cursor.string()?.inner {
                    b"stdout" => Some(Stream::Stdout),
                    b"stderr" => Some(Stream::Stderr),
                    _ => return None,
                }
            }
            b"time" => {
                let text = cursor.string()?.inner;
                let (found, len) = times.read(text)?;
                time = (len == text.len()).then_some(found);
            }
            _ => cursor.skip_value()?,
        }
        if cursor.take(b',').is_none() {
            break;
        }
    }
    cursor.take(b'}')?;
    cursor.skip_space();
    cursor.rest.is_empty().then_some((log?, stream, time?))
}

/// The inside of a JSON string.
struct Quoted<'a> {
    /// What stands between the quotes.
    inner: &'a [u8],
    /// Where its first escape is.
    first_escape: Option<usize>,
}

/// What of the line was not read yet.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn skip_space(&mut self) {
        while let [b' ' | b'\t' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.skip_space();
        let (&first, rest) = self.rest.split_first()?;
        (first == byte).then(|| self.rest = rest)
    }

    fn string(&mut self) -> Option<Quoted<'a>> {
        self.take(b'"')?;
        let mut at = memchr::memchr2(b'"', b'\\', self.rest)?;
        let first_escape = (self.rest[at] == b'\\').then_some(at);
        // Where there is one escape there are many, close together (JSON inside of JSON): a plain loop is faster there.
        while self.rest[at] != b'"' {
            let rest = self.rest.get(at + 2..)?;
            at += 2 + rest.iter().position(|&byte| byte == b'"' || byte == b'\\')?;
        }
        let inner = &self.rest[..at];
        self.rest = &self.rest[at + 1..];
        Some(Quoted { inner, first_escape })
    }

    fn skip_value(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            self.skip_space();
            match *self.rest.first()? {
                b'"' => {
                    self.string()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.rest = &self.rest[1..];
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.rest = &self.rest[1..];
                }
                b',' | b':' if depth == 0 => return None,
                b',' | b':' => self.rest = &self.rest[1..],
                _ => {
                    let len = self.rest.iter().take_while(|byte| !b",:{}[]\" \t\r".contains(byte)).count();
                    self.rest = &self.rest[len..];
                }
            }
            if depth == 0 {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIME: &str = "2026-11-23T08:50:48.70393181Z";

    fn check(line: &str, expected: Option<(Option<Stream>, bool, &str)>) {
        let mut scratch = Vec::new();
        let line = line.replace("TIME", &format!("\"time\":\"{TIME}\""));
        let found = parse(line.as_bytes(), &mut TimeCache::default(), &mut scratch);
        let facts = found.as_ref().map(|entry| {
            assert_eq!(entry.time, Time::parse_rfc3339(TIME.as_bytes()));
            (entry.stream, entry.partial, String::from_utf8_lossy(entry.body).into_owned())
        });
        assert_eq!(facts, expected.map(|(stream, partial, body)| (stream, partial, body.to_owned())), "{line}");
    }

    #[test]
    fn lines_as_docker_writes_them() {
        let (out, err) = (Some(Stream::Stdout), Some(Stream::Stderr));
        check(r#"{"log":"hello\n","stream":"stdout",TIME}"#, Some((out, false, "hello")));
        check(r#"{"log":"hello","stream":"stderr",TIME}"#, Some((err, true, "hello")));
        check(r#"{"log":"\n","stream":"stdout",TIME}"#, Some((out, false, "")));
        check(r#"{"log":"a\r\n","stream":"stdout",TIME}"#, Some((out, false, "a")));
        check(r#"{"log":"a\r","stream":"stdout",TIME}"#, Some((out, true, "a\r")));
        check(r#"{"log":"a\\n","stream":"stdout",TIME}"#, Some((out, true, "a\\n")));
        check(r#"{"log":"\\n\n","stream":"stdout",TIME}"#, Some((out, false, "\\n")));
        check(r#"{"log":"{\"a\":\"\u003cb\u003e\"}\n","stream":"stdout",TIME}"#, Some((out, false, r#"{"a":"<b>"}"#)));
        check(r#"{"log":"x\u000a","stream":"stdout",TIME}"#, Some((out, false, "x")));
        check(r#"{"log":"x\n","stream":"stdout","attrs":{"a":"}","b":["{",1,null]},TIME}"#, Some((out, false, "x")));
        check(r#"{TIME,"attrs":null,"n":-1.5e3,"stream":"stdout","log":"x\n"}"#, Some((out, false, "x")));
        check(r#"{ "log" : "x\n" , "stream" : "stdout" , TIME } "#, Some((out, false, "x")));
        check(r#"{"log":"x\n",TIME}"#, Some((None, false, "x")));
    }

    #[test]
    fn what_is_not_dockers() {
        for line in [
            "",
            "{}",
            "hello",
            r#"{"log":"x\n","stream":"stdout"}"#,
            r#"{"stream":"stdout",TIME}"#,
            r#"{"log":"x\n","stream":"stdin",TIME}"#,
            r#"{"log":"x\n","stream":"stdout",TIME"#,
            r#"{"log":"x\n","stream":"stdout",TIME}x"#,
            r#"{"log":"x\n","stream":"stdout",TIME,}"#,
            r#"{"log":1,"stream":"stdout",TIME}"#,
            r#"{"log":"x\n","stream":"stdout","time":"yesterday"}"#,
            r#"{"log":"x\n","stream":"stdout","time":"2026-11-23T08:50:48Z "}"#,
            r#"{"log":"x\n","attrs":{"a":[1},"b":2,TIME"#,
            r#"{"log":"x\"#,
            r#"{"log":"x\n","attrs":,TIME}"#,
        ] {
            check(line, None);
        }
    }

    proptest! {
        #[test]
        fn what_a_json_writer_wrote_is_read_back(log in any::<String>(), tag in any::<String>(), order in 0_usize..24) {
            let mut members = vec![
                format!("\"log\":{}", serde_json::to_string(&log).expect("writable")),
                r#""stream":"stderr""#.to_owned(),
                format!("\"attrs\":{{\"tag\":{}}}", serde_json::to_string(&tag).expect("writable")),
                format!("\"time\":\"{TIME}\""),
            ];
            let mut shuffled = Vec::new();
            let mut order = order;
            while !members.is_empty() {
                shuffled.push(members.remove(order % members.len()));
                order /= members.len() + 1;
            }
            let line = format!("{{{}}}", shuffled.join(","));
            let mut scratch = Vec::new();
            let entry = parse(line.as_bytes(), &mut TimeCache::default(), &mut scratch).expect("Docker's");
            prop_assert_eq!(entry.partial, !log.ends_with('\n'));
            let body = log.strip_suffix('\n').map_or(&log[..], |log| log.strip_suffix('\r').unwrap_or(log));
            prop_assert_eq!(entry.body, body.as_bytes());
        }
    }
}
