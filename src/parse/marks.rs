//! What marks a word of a line's head as a level: a colon, a key, a facility, columns, or what stands around it.
//!
//! **Invariant**: a word that could be a sentence's is none; each mark is a form that no sentence has.

use crate::model::event::Level;

use super::{headers, level, words};

/// What a piece of the head is.
pub(super) enum Piece {
    /// A level.
    Level(Level),
    /// Nothing of a sentence: the head goes on.
    Neutral,
    /// Perhaps a word of a sentence: the head has ended.
    Text,
}

/// `WARN:`, `error:`, `WARNING:root:text`: in lower case only if the colon ends the word. Also ESXi's `cpu7:35233)ALERT:`.
pub(super) fn before_colon(word: &[u8]) -> Option<Level> {
    let word = match word.iter().position(|&byte| byte == b')') {
        Some(at) if word.starts_with(b"cpu") => &word[at + 1..],
        _ => word,
    };
    let at = word.iter().position(|&byte| byte == b':')?;
    let name = &word[..at];
    if at + 1 == word.len() || name.iter().all(u8::is_ascii_uppercase) { level::set_off(name) } else { None }
}

/// BIND's `general: info: zone loaded`.
pub(super) fn behind_category(word: &[u8], rest: &[u8]) -> Option<Level> {
    word.strip_suffix(b":")?;
    let next = rest.strip_prefix(b" ")?;
    level::set_off(&next[..next.iter().take(12).position(|&byte| byte == b':')?])
}

/// Syslog's `daemon.notice`, as BusyBox writes it.
pub(super) fn behind_facility(word: &[u8]) -> Option<Level> {
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
pub(super) fn behind_channel(word: &[u8]) -> Option<Level> {
    let name = word.strip_suffix(b":")?;
    let dot = name.iter().rposition(|&byte| byte == b'.')?;
    level::upper(&name[dot + 1..], true)
}

/// `level=warn`; another pair is neutral.
pub(super) fn keyed(key: &[u8], value: &[u8]) -> Piece {
    let Some((_, kind)) = level::key(key) else {
        let is_key = !key.is_empty() && key.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(byte));
        return if is_key && !value.contains(&b'"') { Piece::Neutral } else { Piece::Text };
    };
    let value = value.strip_suffix(b",").unwrap_or(value);
    let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    let word = std::str::from_utf8(value).unwrap_or("");
    level::of_word(kind, word).map_or(Piece::Neutral, Piece::Level)
}

/// A letter for a level, directly behind a time and before a name that ends in a colon: Santa's `I santad: x`, WebSphere's
/// `E   SRVE0068E: x`; or before a bar, as in older etcds' `W | etcdserver: x`.
pub(super) fn lettered(word: &[u8], rest: &[u8]) -> Option<Level> {
    let [letter] = word else { return None };
    let next = words::next(rest);
    // `I`, `A` and others are words of sentences; before a thread's or a file's name the rest are none.
    let has_sign = next.iter().any(u8::is_ascii_digit) || words::is_name(next);
    let is_place = *letter != b'I' && next.first().is_some_and(u8::is_ascii_alphabetic) && has_sign;
    let is_name = next.len() > 2 && next.ends_with(b":") || rest.starts_with(b" | ") || is_place;
    if is_name { level::letter(*letter) } else { None }
}

/// A level in any case of its letters, directly behind a time: `2026-11-23T08:50:48Z warn shop [disk.go:12] nearly full`.
/// Words that begin sentences, too, count only before a name or a bracket.
pub(super) fn bare(word: &[u8], rest: &[u8]) -> Option<Level> {
    let next = words::next(rest);
    let behind = rest.trim_ascii_start().get(next.len()..).unwrap_or_default();
    let is_bracket = |text: &[u8]| matches!(text.trim_ascii_start(), [b'[' | b'<', ..]);
    let is_named = next.first().is_some_and(u8::is_ascii_alphabetic) && words::is_name(next);
    level::spoken(word, is_bracket(rest) || rest.starts_with(b" (") || is_named || is_bracket(behind))
}

/// The level in a group in brackets: Apache's `[core:error]`, `[Server thread/INFO]`, `[INFO/MainProcess]`, `[INFO:shop]`, Twisted's
/// `[web#info]`, Solaris' `[ID 12 auth.crit]`, Chromium's `[12:34:1123/085048.703931:ERROR:gpu.cc(12)]`, Couchbase's
/// `[ns_server:info,2026-11-23T08:50:48.703Z,…]`.
pub(super) fn in_group(inside: &[u8]) -> Option<Level> {
    let last = inside.iter().rposition(|byte| matches!(byte, b':' | b'/' | b'#')).map(|at| inside.split_at(at));
    let found = match last {
        Some((module, [b':' | b'#', word @ ..])) if !module.contains(&b' ') => {
            level::set_off(word).or_else(|| level::upper(module, false))
        }
        Some((first, [b'/', word @ ..])) => level::upper(word, false).or_else(|| level::upper(first, false)),
        _ => None,
    };
    found.or_else(|| match inside {
        [b'I', b'D', b' ', rest @ ..] => behind_facility(rest.rsplit(|&byte| byte == b' ').next()?),
        [b'0'..=b'9', .., b')'] => {
            inside.split(|&byte| byte == b':').skip(2).find_map(|part| level::upper(part, false))
        }
        _ => {
            let (module, rest) = inside.split_at(inside.iter().position(|&byte| byte == b',')?);
            let colon = module.iter().position(|&byte| byte == b':')?;
            if rest.get(1).is_some_and(u8::is_ascii_digit) { level::set_off(&module[colon + 1..]) } else { None }
        }
    })
}

/// The level of PHP's kinds of errors. `rest` is what follows `PHP`.
pub(super) fn of_php(rest: &[u8]) -> Option<Level> {
    let next = rest.trim_ascii_start();
    let colon = next.iter().take(20).position(|&byte| byte == b':')?;
    match &next[..colon] {
        b"Fatal error" | b"Parse error" => Some(Level::Error),
        b"Deprecated" => Some(Level::Info),
        name => level::set_off(name),
    }
}

/// Icinga's `warning/ApiListener: x`.
pub(super) fn before_slash(word: &[u8]) -> Option<Level> {
    let slash = word.iter().position(|&byte| byte == b'/')?;
    if word.ends_with(b":") { level::set_off(&word[..slash]) } else { None }
}

/// Jetty's `2026-11-23 08:50:48.703:WARN:oejs.Server:main: x`.
pub(super) fn between_colons(word: &[u8]) -> Option<Level> {
    let mut parts = word.split(|&byte| byte == b':').skip(3);
    let part = parts.next()?;
    parts.next()?;
    level::upper(part, false)
}

/// No level is looked for behind so many columns.
const MAX_COLUMNS: usize = 26;

/// A column of comma-separated ones that is nothing but a level in upper case, as PostgreSQL and Python write them.
/// `text` is the line from the columns on.
pub(super) fn in_columns(text: &[u8]) -> Option<Level> {
    let columns = text.split(|&byte| byte == b',').take(MAX_COLUMNS).map(<[u8]>::trim_ascii);
    columns
        .map(|column| column.strip_prefix(b"\"").and_then(|column| column.strip_suffix(b"\"")).unwrap_or(column))
        .find_map(|column| level::upper(column, column != b"SUCCESS" && column != b"CONFIG"))
}

/// Syslog's severity as ESXi (`In(14)`, a word's beginning and the priority) and stunnel (`LOG3[123]`) write it.
pub(super) fn before_priority(word: &[u8], rest: &[u8]) -> Option<Level> {
    match word {
        b"Em" | b"Al" | b"Cr" | b"Er" | b"Wa" | b"No" | b"In" | b"Db" => {
            let inside = rest.strip_prefix(b"(")?;
            let digits = &inside[..inside.iter().take(4).position(|&byte| byte == b')')?];
            headers::severity(words::number(digits)? % 8)
        }
        [b'L', b'O', b'G', digit @ b'0'..=b'7'] if rest.starts_with(b"[") => headers::severity(u32::from(digit - b'0')),
        _ => None,
    }
}

/// DB2's `LEVEL: Warning`.
pub(super) fn behind_key(word: &[u8], rest: &[u8]) -> Option<Level> {
    let is_key = word.strip_suffix(b":").is_some_and(|key| level::key(key).is_some());
    if is_key { level::set_off(words::next(rest)) } else { None }
}

/// The level that the last letter of an IBM message's name says: `AMQ6184W: x`, `CWWKF0011I: x`.
///
/// Equivalent: `^[A-Z]{3,8}[0-9]{3,5}[IWES]:$`.
pub(super) fn of_message(word: &[u8]) -> Option<Level> {
    let (letter, name) = word.strip_suffix(b":")?.split_last()?;
    let letters = name.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    let digits = &name[letters..];
    let is_name =
        (3..=8).contains(&letters) && (3..=5).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    match letter {
        b'I' if is_name => Some(Level::Info),
        b'W' if is_name => Some(Level::Warn),
        b'E' | b'S' if is_name => Some(Level::Error),
        _ => None,
    }
}
