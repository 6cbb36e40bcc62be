//! What marks a word of a line's head as a level: a colon, a key, a facility, columns, or what stands around it.
//!
//! **Invariant**: a word that could be a sentence's is none; each mark is a form that no sentence has.

use crate::model::event::Level;

use super::level::{self, KeyKind};
use super::{headers, words};

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
    if at + 1 == word.len() || name.iter().all(u8::is_ascii_uppercase) {
        return level::set_off(name);
    }
    // gpsd's `gpsd:ERROR: x`.
    let inner = word.strip_suffix(b":")?;
    level::upper(&inner[inner.iter().rposition(|&byte| byte == b':')? + 1..], false)
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
    let known = level::key(key).map(|(_, kind)| kind);
    // Heroku's `at=error`.
    let Some(kind) = known.or((key == b"at").then_some(KeyKind::Task)) else {
        let is_key = !key.is_empty() && key.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(byte));
        return if is_key && !value.contains(&b'"') { Piece::Neutral } else { Piece::Text };
    };
    let value = value.split(|&byte| byte == b',').next().unwrap_or_default();
    let value = value.strip_prefix(b"[").and_then(|value| value.strip_suffix(b"]")).unwrap_or(value);
    let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    let word = std::str::from_utf8(value).unwrap_or("");
    level::of_word(kind, word).map_or(Piece::Neutral, Piece::Level)
}

/// A letter for a level, directly behind a time and before a name that ends in a colon: Santa's `I santad: x`, WebSphere's
/// `E   SRVE0068E: x`; before a bar, as in older etcds' `W | etcdserver: x`; or before a bracket, as in GlusterFS's
/// `E [socket.c:12:connect] x`. Before it stand so many `names`.
pub(super) fn lettered(word: &[u8], rest: &[u8], names: u8) -> Option<Level> {
    let [letter] = word else { return None };
    if names == 0 && (rest.starts_with(b" [") || rest.starts_with(b" - ")) {
        return level::letter(*letter);
    }
    let next = words::next(rest);
    // `I`, `A` and others are words of sentences; before a thread's or a file's name the rest are none.
    let has_sign = next.iter().any(u8::is_ascii_digit) || words::is_name(next);
    let is_place = *letter != b'I' && next.first().is_some_and(u8::is_ascii_alphabetic) && has_sign;
    // `I tensorflow/core/x.cc:64] y`, QuestDB's `I i.q.c.Server x`.
    let is_file = next.iter().filter(|&&byte| byte == b'.').count() > 1 && next[0].is_ascii_lowercase()
        || next.ends_with(b"]") && next.contains(&b':') && next.contains(&b'.');
    let is_barred = rest.starts_with(b" | ") || rest.starts_with(b"|");
    let is_name = next.len() > 2 && next.ends_with(b":") || is_barred || is_place || is_file;
    if is_name && let Some(level) = level::letter(*letter) {
        return Some(level);
    }
    before_place(*letter, rest)
}

/// A letter in any case before a place in a source file, with a word between: SAP HANA's `e Basis   TraceStream.cpp(00715) : x`,
/// MythTV's `I TVRecEvent tv_rec.cpp:1050 (HandleStateChange) x`.
pub(super) fn before_place(letter: u8, rest: &[u8]) -> Option<Level> {
    let between = words::next(rest).len();
    let file = rest.trim_ascii_start().get(between..)?.trim_ascii_start();
    let file = &file[..file.iter().take(80).position(|&byte| byte == b' ')?];
    let (name, line) = file.split_at(file.iter().position(|byte| matches!(byte, b'(' | b':'))?);
    let line = line[1..].strip_suffix(b")").unwrap_or(&line[1..]);
    let is_place = name.contains(&b'.') && !line.is_empty() && line.iter().all(u8::is_ascii_digit);
    if is_place { level::letter(letter.to_ascii_uppercase()) } else { None }
}

/// The level that a word directly before a date is, in any case: `info 2026-11-23T08:50:48Z`; or that it ends in:
/// `Zigbee2MQTT:error 2026-11-23 08:50:48`.
pub(super) fn before_date(word: &[u8]) -> Option<Level> {
    let word = word.strip_suffix(b":").unwrap_or(word);
    let word = &word[word.iter().rposition(|&byte| byte == b':').map_or(0, |colon| colon + 1)..];
    level::spoken(word, true).or_else(|| level::upper(word, true))
}

/// The level between a name and a date, and what begins with the date: vdsm's `Thread-1::INFO::2026-11-23 08:50:48,703::x`,
/// yt's `yt : [WARNING  ] 2026-11-23 08:50:48,703 x`.
///
/// Equivalent: `^[A-Za-z0-9._/-]+(::([A-Z]+)::| : \[([A-Za-z]+) *\] )` before a digit.
pub(super) fn between_name_and_date(line: &[u8]) -> Option<(Level, &[u8])> {
    let name = line.iter().take(40).position(|byte| matches!(byte, b' ' | b':'))?;
    let (word, dated) = match &line[name..] {
        [b':', b':', rest @ ..] => {
            let end = rest.iter().take(12).position(|byte| !byte.is_ascii_uppercase())?;
            (&rest[..end], rest[end..].strip_prefix(b"::")?)
        }
        [b' ', b':', b' ', b'[', rest @ ..] => {
            let end = rest.iter().take(14).position(|&byte| byte == b']')?;
            (rest[..end].trim_ascii(), rest[end..].strip_prefix(b"] ")?)
        }
        _ => return None,
    };
    let fits = dated.first().is_some_and(u8::is_ascii_digit) && words::is_plain_name(&line[..name]);
    level::set_off(word).filter(|_| fits).map(|level| (level, dated))
}

/// The iOS system's `iPhone SpringBoard[1672] <Notice>: x`, where `rest` is what follows the host's name.
pub(super) fn behind_process(rest: &[u8]) -> Option<Level> {
    let process = &rest[..rest.iter().take(64).position(|&byte| byte == b'<')?];
    let inside = &rest[process.len() + 1..];
    let process = process.trim_ascii_start().strip_suffix(b"] ")?;
    let digits = process.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let name = process[..process.len() - digits].strip_suffix(b"[")?;
    let name = name.strip_suffix(b")").unwrap_or(name);
    let end = inside.iter().take(12).position(|&byte| byte == b'>')?;
    let fits = digits > 0 && inside[end..].starts_with(b">: ") && !name.is_empty() && !name.contains(&b' ');
    if fits { level::set_off(&inside[..end]) } else { None }
}

/// rustc's `error[E0382]: x`.
pub(super) fn before_code(word: &[u8], rest: &[u8]) -> Option<Level> {
    let [b'[', b'A'..=b'Z', code @ ..] = rest else { return None };
    let end = code.iter().take(12).position(|&byte| byte == b']')?;
    if code[end..].starts_with(b"]: ") { level::set_off(word) } else { None }
}

/// Puppet's `Puppet (err): x`. `rest` is what follows the name.
pub(super) fn before_aside(rest: &[u8]) -> Option<Level> {
    let inside = rest.strip_prefix(b" (")?;
    let end = inside.iter().take(14).position(|&byte| byte == b')')?;
    if inside[end..].starts_with(b"): ") { level::set_off(&inside[..end]) } else { None }
}

/// The level that stands behind a title, both with a colon: Unreal's `LogInit: Error: x`, a compiler's `x.c:12:3: error: x`.
pub(super) fn behind_title(word: &[u8], rest: &[u8]) -> Option<Level> {
    let name = word.strip_suffix(b":")?;
    let next = rest.strip_prefix(b" ")?;
    let next = &next[..next.iter().take(14).position(|&byte| byte == b':')?];
    if next == b"Display" && name.starts_with(b"Log") {
        return Some(Level::Info);
    }
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-/:".contains(byte);
    if !name.first()?.is_ascii_digit() && name.iter().all(is_part) { level::set_off(next) } else { None }
}

/// A name and a level behind it, then a gap: OpenLDAP's `slapd debug  conn=1 …`, Corosync's `corosync notice  [MAIN  ] x`.
/// Also a tag behind a letter: logcat's `E/ActivityManager( 123): x`.
pub(super) fn before_tag(word: &[u8], rest: &[u8]) -> Option<Level> {
    if let [letter, b'/', tag @ ..] = word {
        let is_tag = rest.starts_with(b"(") && !tag.is_empty() || tag.len() > 2 && tag.ends_with(b":");
        return if is_tag { level::letter(*letter) } else { None };
    }
    let next = words::next(rest);
    let behind = rest.trim_ascii_start().get(next.len()..)?;
    let is_column = words::is_plain_name(word) && behind.starts_with(b"  ");
    if is_column { level::spoken(next, true) } else { None }
}

/// RouterOS' topics: `system,error,critical`, `dhcp,info`.
pub(super) fn of_topics(word: &[u8]) -> Option<Level> {
    let is_topic = |byte: &u8| byte.is_ascii_lowercase() || matches!(byte, b',' | b'-' | b'0'..=b'9');
    if memchr::memchr(b',', word).is_none() || !word.iter().all(is_topic) || !word[0].is_ascii_lowercase() {
        return None;
    }
    word.split(|&byte| byte == b',').skip(1).find_map(|topic| level::spoken(topic, true))
}

/// A level in any case of its letters, directly behind a time: `2026-11-23T08:50:48Z warn shop [disk.go:12] nearly full`.
/// Words that begin sentences, too, count only before a name or a bracket.
pub(super) fn bare(word: &[u8], rest: &[u8]) -> Option<Level> {
    let next = words::next(rest);
    let behind = rest.trim_ascii_start().get(next.len()..).unwrap_or_default();
    let is_bracket = |text: &[u8]| matches!(text.trim_ascii_start(), [b'[' | b'<', ..]);
    let is_title = next.len() > 3 && next[0].is_ascii_uppercase() && next.ends_with(b":");
    let is_named = next.first().is_some_and(u8::is_ascii_alphabetic) && words::is_name(next) || is_title;
    // libvirt's `1234: error : x`, NLog's `|Error|Shop|x`.
    let is_apart = words::separated(rest) || rest.trim_ascii_start().starts_with(b":");
    let is_sure = is_bracket(rest) || rest.starts_with(b" (") || is_named || is_bracket(behind) || is_apart;
    match word {
        // Log4perl's `WARN> x`.
        [name @ .., b'>'] => level::set_off(name),
        _ => level::spoken(word, is_sure),
    }
}

/// The level in a group in brackets: Apache's `[core:error]`, `[Server thread/INFO]`, `[INFO/MainProcess]`, `[INFO:shop]`, Twisted's
/// `[web#info]`, Solaris' `[ID 12 auth.crit]`, Chromium's `[12:34:1123/085048.703931:ERROR:gpu.cc(12)]`, Couchbase's
/// `[ns_server:info,2026-11-23T08:50:48.703Z,…]`.
pub(super) fn in_group(inside: &[u8]) -> Option<Level> {
    let last = inside.iter().rposition(|byte| matches!(byte, b':' | b'/' | b'#')).map(|at| inside.split_at(at));
    let found = match last {
        Some((module, [b':' | b'#', word @ ..])) if !module.trim_ascii().contains(&b' ') || module.contains(&b':') => {
            // BepInEx' `[Warning: Shop]`, `[Info   : Shop]`.
            let padded = module.strip_suffix(b" ").map(<[u8]>::trim_ascii);
            let first = padded.and_then(|module| level::spoken(module, true));
            level::set_off(word).or_else(|| level::upper(module, false)).or(first)
        }
        Some((first, [b'/', word @ ..])) => level::upper(word, false).or_else(|| level::upper(first, false)),
        _ => None,
    };
    found.or_else(|| match inside {
        // Foreman's `[I|app|8c1c]`.
        [letter, b'|', ..] => level::letter(*letter),
        // xapi's `[error|xs1|12 |Async.x|backtrace]`.
        [b'a'..=b'z', ..] if inside.contains(&b'|') => {
            level::spoken(&inside[..inside.iter().position(|&byte| byte == b'|')?], true)
        }
        [b'I', b'D', b' ', rest @ ..] => behind_facility(rest.rsplit(|&byte| byte == b' ').next()?),
        [b'0'..=b'9', .., b')'] => {
            inside.split(|&byte| byte == b':').skip(1).find_map(|part| level::upper(part, false))
        }
        _ => {
            let (module, rest) = inside.split_at(inside.iter().position(|&byte| byte == b',')?);
            // Nessus' `[debug, scan]`.
            if let Some(level) = level::spoken(module, true) {
                return Some(level);
            }
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
        b"Fatal error" => Some(Level::Fatal),
        b"Parse error" => Some(Level::Error),
        b"Deprecated" => Some(Level::Info),
        name => level::set_off(name),
    }
}

/// Icinga's `warning/ApiListener: x`.
pub(super) fn before_slash(word: &[u8]) -> Option<Level> {
    let slash = word.iter().position(|&byte| byte == b'/')?;
    if word.ends_with(b":") { level::set_off(&word[..slash]) } else { None }
}

/// Jetty's `2026-11-23 08:50:48.703:WARN:oejs.Server:main: x`, SABnzbd's `2026-11-23 08:50:48,703::INFO::[x:12] y`.
pub(super) fn between_colons(word: &[u8]) -> Option<Level> {
    let mut parts = word.split(|&byte| byte == b':').skip(3).skip_while(|part| part.is_empty());
    let part = parts.next()?;
    parts.next()?;
    level::upper(part, false)
}

/// No level is looked for behind so many columns.
const MAX_COLUMNS: usize = 26;

/// A column between the others, parted by `sign`, that is nothing but a level in upper case, as PostgreSQL and Python write them;
/// directly behind the time in any case. `text` is the line from the columns on.
pub(super) fn in_columns(text: &[u8], sign: u8) -> Option<Level> {
    let columns = text.split(|&byte| byte == sign).take(MAX_COLUMNS).map(<[u8]>::trim_ascii).enumerate();
    columns
        .map(|(at, column)| {
            (at, column.strip_prefix(b"\"").and_then(|column| column.strip_suffix(b"\"")).unwrap_or(column))
        })
        .find_map(|(at, column)| match level::upper(column, column != b"SUCCESS" && column != b"CONFIG") {
            None if at == 1 => level::spoken(column, true),
            found => found,
        })
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

/// DB2's `LEVEL: Warning`, and LTSV's `level:warn`.
pub(super) fn behind_key(word: &[u8], rest: &[u8]) -> Option<Level> {
    let (key, value) = word.split_at(word.iter().position(|&byte| byte == b':')?);
    let (_, kind) = level::key(key)?;
    let value = if value.len() > 1 { &value[1..] } else { words::next(rest) };
    let level = level::set_off(value.strip_suffix(b",").unwrap_or(value))?;
    (kind != KeyKind::Task || level != Level::Fatal).then_some(level)
}

/// `*ERROR*`, `#ERROR#`, `ERROR!`, `ERROR,`, and `shop/ERROR`: a level in upper case with nothing but signs around it, or a name
/// and a sign before it. A mail server's `-ERR` is none.
pub(super) fn between_signs(word: &[u8], made: words::Made) -> Option<Level> {
    // `*` and the like at either end, or a sign within: most words have none.
    if made.letters == word.len() || !word.iter().rev().take(3).any(u8::is_ascii_uppercase) || word == b"-ERR" {
        return None;
    }
    let is_letter = u8::is_ascii_alphabetic;
    let begin = word.iter().position(is_letter)?;
    let end = word.iter().rposition(is_letter)? + 1;
    let inside = &word[begin..end];
    let last = match inside.iter().rposition(|byte| matches!(byte, b'/' | b'.' | b':')) {
        Some(at) if begin == 0 && words::is_plain_name(&inside[..at]) && !inside[..at].contains(&b'/') => {
            &inside[at + 1..]
        }
        Some(_) => return None,
        None => inside,
    };
    level::upper(last, false)
}

/// The level of a message's name as Huawei's and H3C's gear writes it: `%%01IFNET/3/LINK_STATE(l): x`, `SHELL/5/SHELL_LOGIN: x`.
///
/// Equivalent: `^(%%[0-9]{2})?[A-Z0-9_]+/[0-7]/[A-Z0-9_]+:?$`.
pub(super) fn of_slashes(word: &[u8]) -> Option<Level> {
    let mut parts = word.split(|&byte| byte == b'/');
    let (module, severity, name) = (parts.next()?, parts.next()?, parts.next()?);
    let [digit @ b'0'..=b'7'] = severity else { return None };
    let module = module.strip_prefix(b"%%").unwrap_or(module);
    let name = name.strip_suffix(b":").unwrap_or(name);
    let is_part =
        |part: &[u8]| part.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_');
    let fits = module.len() > 1 && name.len() > 1 && is_part(module) && is_part(name) && parts.next().is_none();
    if fits { headers::severity(u32::from(digit - b'0')) } else { None }
}

/// The level that the last letter of an IBM message's name says: `AMQ6184W: x`, `CWWKF0011I: x`; also without the colon where a
/// time stands before it: `ANS1228E x`. And VMware's `vmx| I005: x`, whose letter is the first.
///
/// Equivalent: `^[A-Z]{3,8}[0-9]{3,5}[IWES]:$`.
pub(super) fn of_message(word: &[u8], time_seen: bool) -> Option<Level> {
    let word = match word.strip_suffix(b":") {
        Some(word) => word,
        None if time_seen && word.len() == 8 => word,
        None => return None,
    };
    if let [letter @ (b'I' | b'W' | b'E'), digits @ ..] = word
        && digits.len() == 3
        && digits.iter().all(u8::is_ascii_digit)
    {
        return level::letter(*letter).filter(|_| time_seen);
    }
    let (letter, name) = word.split_last()?;
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
