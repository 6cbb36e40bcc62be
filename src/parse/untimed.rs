//! Headers of tools that write no time before the level, and of numbers that mean levels in one program's JSON only.
//!
//! **Invariant**: the whole form must fit, since a letter, a name or a digit alone says nothing.

use memchr::memmem;

use crate::model::event::Level;

use super::words::shaped;
use super::{headers, level, marks, markup, stamp};

/// The level of a line that begins with one of the headers.
#[inline]
pub(super) fn of(line: &[u8]) -> Option<Level> {
    match line {
        [b'Q', rest @ ..] => qtest(rest),
        [letter, b' ', b'(', rest @ ..] => uptime(*letter, rest),
        [letter @ (b'E' | b'W' | b'I' | b'N'), b':', b' ', b'A'..=b'Z' | b'a'..=b'z' | b'[', ..] => {
            level::letter(*letter)
        }
        [letter, b'/', tag @ ..] => android_tag(*letter, tag),
        [b'n', b'p', b'm', b' ', rest @ ..] | [b'g', b'y', b'p', b' ', rest @ ..] => node(rest),
        [b'"', rest @ ..] => first_column(rest),
        [b'[', rest @ ..] => before_date(rest).or_else(|| vlc(rest)),
        [b'<', b'A'..=b'Z' | b'a'..=b'z', ..] => markup::level_of(line),
        [b'{', rest @ ..] => of_map(rest),
        [b'0'..=b'9' | b'a'..=b'f', ..] => {
            wine(line).or_else(|| if line[0].is_ascii_digit() { falco(line) } else { before_date(line) })
        }
        [b'A'..=b'Z' | b'a'..=b'z', ..] => before_date(line).or_else(|| Some(marks::between_name_and_date(line)?.0)),
        _ => None,
    }
}

/// A level or its letter at the very beginning, and a sign between it and a date: `E|2026-11-23 08:50:48|x`,
/// `error;2026-11-23 08:50:48;x`, `[E] 2026-11-23 08:50:48 x`.
fn before_date(text: &[u8]) -> Option<Level> {
    let end = text.iter().take(12).position(|byte| !byte.is_ascii_alphabetic())?;
    let rest = match &text[end..] {
        [b';' | b',' | b'|' | b':' | b']', rest @ ..] => rest.trim_ascii_start(),
        _ => return None,
    };
    if !rest.first()?.is_ascii_digit() || end == 0 {
        return None;
    }
    let level = match &text[..end] {
        [letter] => level::letter(*letter),
        word => level::spoken(word, true),
    }?;
    stamp::read(rest).map(|_| level)
}

/// Falco's `08:50:48.703931818: Notice A shell was spawned`, also with a date.
///
/// Equivalent: `^([0-9]{4}-[0-9]{2}-[0-9]{2}T)?[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{9}(\+0000)?: ([A-Za-z]+) `.
fn falco(line: &[u8]) -> Option<Level> {
    let text = match (line.get(8)?, line.get(29)) {
        (b'.', _) => shaped(line, b"00:00:00.000000000: "),
        (_, Some(b'+')) => shaped(line, b"0000-00-00T00:00:00.000000000+0000: "),
        _ => None,
    }?;
    level::set_off(&text[..text.iter().take(16).position(|&byte| byte == b' ')?])
}

/// VLC's `[00007f5c4c0012a0] main libvlc error: x`, behind an object's address.
///
/// Equivalent: `^(0x)?[0-9a-f]{7,16}\] ([a-z0-9_]+ ){2,3}(debug|warning|error): `.
fn vlc(inside: &[u8]) -> Option<Level> {
    let inside = inside.strip_prefix(b"0x").unwrap_or(inside);
    let digits = inside.iter().take(17).take_while(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).count();
    let text = inside[digits..].strip_prefix(b"] ").filter(|_| (7..17).contains(&digits))?;
    let text = &text
        [..text.iter().take(64).position(|&byte| byte == b':').filter(|colon| text[*colon..].starts_with(b": "))?];
    let names = text.iter().filter(|&&byte| byte == b' ').count();
    let is_part = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b' ');
    let fits = (2..4).contains(&names) && text.iter().all(is_part);
    if fits { level::set_off(text.rsplit(|&byte| byte == b' ').next()?) } else { None }
}

/// ESP-IDF's `E (1234) wifi: x`, with milliseconds since the start. Equivalent: `^[EWIDV] \([0-9]+\) [^ ]+: `.
fn uptime(letter: u8, rest: &[u8]) -> Option<Level> {
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let tag = rest[digits..].strip_prefix(b") ").filter(|_| digits > 0)?;
    let tag = &tag[..tag.iter().take(64).position(|&byte| byte == b' ')?];
    if tag.ends_with(b":") && letter != b'N' { level::letter(letter) } else { None }
}

/// Older logcats' `E/ActivityManager: x`. Equivalent: `^[VDIWEF]/[A-Za-z][A-Za-z0-9_.$-]{2,}: `.
pub(super) fn android_tag(letter: u8, tag: &[u8]) -> Option<Level> {
    let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_.$-".contains(byte);
    let length = tag.iter().take(64).take_while(is_part).count();
    let fits = length > 2 && tag[0].is_ascii_alphabetic() && tag[length..].starts_with(b": ");
    if fits && b"VDIWEF".contains(&letter) { level::letter(letter) } else { None }
}

/// npm's and node-gyp's `npm ERR! code ENOENT`.
fn node(rest: &[u8]) -> Option<Level> {
    match &rest[..rest.iter().take(8).position(|&byte| byte == b' ')?] {
        b"ERR!" | b"error" => Some(Level::Error),
        b"WARN" | b"warn" => Some(Level::Warn),
        b"notice" | b"info" => Some(Level::Info),
        _ => None,
    }
}

/// The level in a map as languages print theirs: Python's `{'level': 'error', …}`, Ruby's `{:level=>:error, …}`, Java's
/// `{level=error, …}`.
fn of_map(inside: &[u8]) -> Option<Level> {
    const WAYS: [&[u8]; 4] = [b"'level': '", b":level=>:", b":level=>\"", b"level="];
    let window = &inside[..inside.len().min(512)];
    WAYS.iter().find_map(|way| {
        let at = memmem::find(window, way).filter(|&at| at == 0 || matches!(window[at - 1], b' ' | b','))?;
        let value = &window[at + way.len()..];
        level::spoken(&value[..value.iter().position(|byte| !byte.is_ascii_alphabetic())?], true)
    })
}

/// QTest's `QWARN  : Shop::cart() x`. Equivalent: `^Q[A-Z]+ +: `.
fn qtest(rest: &[u8]) -> Option<Level> {
    let end = rest.iter().take(12).position(|&byte| byte == b' ')?;
    if rest[end..].trim_ascii_start().starts_with(b": ") { level::upper(&rest[..end], false) } else { None }
}

/// Wine's channels: `0024:err:module:import_dll x`, also behind the seconds since the start.
///
/// Equivalent: `^([0-9]+\.[0-9]+:)?([0-9a-f]{4}:){1,2}(err|warn|trace):`.
fn wine(line: &[u8]) -> Option<Level> {
    // A date's fifth byte ends this.
    let begin = line.iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'.')).count();
    if line.get(begin) != Some(&b':') {
        return None;
    }
    let mut parts = line.get(..line.len().min(40))?.split(|&byte| byte == b':').peekable();
    let is_hex = |part: &[u8]| part.len() == 4 && part.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let is_seconds = |part: &[u8]| part.contains(&b'.') && part.iter().all(|b| b.is_ascii_digit() || *b == b'.');
    parts.next_if(|part| is_seconds(part));
    parts.next_if(|part| is_hex(part))?;
    parts.next_if(|part| is_hex(part));
    let class = parts.next()?;
    parts.next()?;
    match class {
        b"err" => Some(Level::Error),
        b"warn" => Some(Level::Warn),
        b"trace" => Some(Level::Trace),
        _ => None,
    }
}

/// ColdFusion's first column: `"Error","ajp-bio-8014-exec-1",…`; hMailServer's, before a tab.
fn first_column(inside: &[u8]) -> Option<Level> {
    let end = inside.iter().take(12).position(|&byte| byte == b'"')?;
    if inside[end..].starts_with(b"\",\"") || inside[end..].starts_with(b"\"\t") {
        level::set_off(&inside[..end])
    } else {
        None
    }
}

/// GLib's `(gedit:1234): Gtk-WARNING **: x`, where `rest` is what follows the word.
pub(super) fn of_domain(word: &[u8], rest: &[u8]) -> Option<Level> {
    if !rest.starts_with(b" **") {
        return None;
    }
    let dash = word.iter().rposition(|&byte| byte == b'-')?;
    level::upper(&word[dash + 1..], false)
}

/// The level of a digit under a level's key, where the line's other keys tell whose digit it is: GELF has syslog's
/// severities, Nextcloud counts from 0 (debug) to 4 (fatal), lager from 0 (debug) to 3 (fatal).
pub(super) fn of_digit(line: &str, digit: &str) -> Option<Level> {
    let [digit @ b'0'..=b'7'] = digit.as_bytes() else { return None };
    let has = |key: &str| memmem::find(line.as_bytes(), key.as_bytes()).is_some();
    if has("\"short_message\":") {
        return headers::severity(u32::from(digit - b'0'));
    }
    let levels: &[Level] = if has("\"reqId\":") && has("\"remoteAddr\":") {
        &[Level::Debug, Level::Info, Level::Warn, Level::Error, Level::Fatal]
    } else if has("\"log_level\":") && has("\"source\":") && has("\"data\":") {
        &[Level::Debug, Level::Info, Level::Error, Level::Fatal]
    } else {
        &[]
    };
    levels.get(usize::from(digit - b'0')).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Option<Level>) {
        assert_eq!(of(line.as_bytes()), expected, "{line}");
    }

    #[test]
    fn tools() {
        check("E (1234) wifi: x", Some(Level::Error));
        check("I (12) boot: ESP-IDF", Some(Level::Info));
        check("W: x is not signed", Some(Level::Warn));
        check("E/ActivityManager: x", Some(Level::Error));
        check("E|2026-11-23 08:50:48|x", Some(Level::Error));
        check("Error;2026-11-23 08:50:48;x", Some(Level::Error));
        check("[E] 2026-11-23 08:50:48 x", Some(Level::Error));
        check("E: 2026-11-23 08:50:48 x", Some(Level::Error));
        check("{'time': 1, 'level': 'error', 'msg': 'x'}", Some(Level::Error));
        check("{:timestamp=>\"x\", :message=>\"y\", :level=>:warn}", Some(Level::Warn));
        check("{level=error, msg=x}", Some(Level::Error));
        check("QWARN  : Shop::cart() x", Some(Level::Warn));
        check("npm ERR! code ENOENT", Some(Level::Error));
        check("npm warn deprecated x@1.0.0: no", Some(Level::Warn));
        check("0024:err:module:import_dll Library x", Some(Level::Error));
        check("12.034:0124:0128:warn:x:y z", Some(Level::Warn));
        check("E: [pulseaudio] module.c: x", Some(Level::Error));
        check("\"Error\",\"exec-1\",\"11/23/26\"", Some(Level::Error));
        for line in [
            "E (x) wifi: x",
            "E (12) wifi x",
            "A (12) list: x",
            "E:\\x",
            "E: ",
            "C: drive",
            "I/O: x",
            "I/O error: x",
            "Q/System: x",
            "{highlevel=error}",
            "{level=error",
            "{'level': 3}",
            "{",
            "QWARN x",
            "E|2026|x",
            "total: 2026-11-23 08:50:48",
            "QUESTION : x",
            "npm install x",
            "npm error",
            "0024:fixme:x:y",
            "0024:err",
            "err:module:x",
            "08:50:48 err:x:",
            "\"Error\", he said",
            "\"\",\"",
            "E",
            "",
        ] {
            check(line, None);
        }
    }

    #[test]
    fn domains() {
        assert_eq!(of_domain(b"GLib-GIO-CRITICAL", b" **: x"), Some(Level::Fatal));
        assert_eq!(of_domain(b"Gtk-WARNING", b" x"), None);
        assert_eq!(of_domain(b"a-b", b" **"), None);
    }

    #[test]
    fn digits() {
        let check = |line: &str, digit: &str, expected| assert_eq!(of_digit(line, digit), expected, "{line} {digit}");
        let gelf = r#"{"version":"1.1","short_message":"x","level":3}"#;
        check(gelf, "3", Some(Level::Error));
        check(gelf, "8", None);
        check(gelf, "30", None);
        let nextcloud = r#"{"reqId":"x","level":3,"remoteAddr":""}"#;
        check(nextcloud, "3", Some(Level::Error));
        check(nextcloud, "0", Some(Level::Debug));
        check(nextcloud, "5", None);
        let lager = r#"{"source":"x","message":"y","log_level":2,"data":{}}"#;
        check(lager, "2", Some(Level::Error));
        check(r#"{"level":3}"#, "3", None);
    }
}
