//! Headers of a fixed form whose level is a single letter, sign or number.
//!
//! **Invariant**: the whole form must fit, since a letter alone says nothing.

use crate::model::event::Level;

use super::words::shaped;

/// The level of a line that begins with one of the headers.
#[inline]
pub(super) fn of(line: &[u8]) -> Option<Level> {
    match line.first()? {
        b'=' => report(line),
        b'0'..=b'9' => redis(line).or_else(|| android(line)).or_else(|| mongodb(line)),
        b'A'..=b'Z' => klog(line)
            .or_else(|| android(line))
            .or_else(|| Some(abseil(line)?.0))
            .or_else(|| cockroach(line))
            .or_else(|| letter_before_time(line)),
        b'[' => letter_before_time(line).or_else(|| redis(line)),
        b'<' => letter_before_time(line),
        b'(' => sssd(line).or_else(|| letter_before_time(line)),
        _ => None,
    }
}

/// The level in klog's (and glog's) header.
///
/// Equivalent: `^[IWEF]([0-9]{4}|[0-9]{8}) [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6} +[0-9]+ [^ \]]+:[0-9]+\]`.
pub(super) fn klog(line: &[u8]) -> Option<Level> {
    let (letter, rest) = line.split_first()?;
    let level = match letter {
        b'I' => Level::Info,
        b'W' => Level::Warn,
        b'E' => Level::Error,
        b'F' => Level::Fatal,
        _ => return None,
    };
    let rest = shaped(rest, b"00000000 00:00:00.000000 ").or_else(|| shaped(rest, b"0000 00:00:00.000000 "))?;
    let rest = &rest[rest.iter().take_while(|&&byte| byte == b' ').count()..];
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let place = rest[digits..].strip_prefix(b" ")?;
    let end = place.iter().position(|byte| matches!(byte, b' ' | b']'))?;
    let number = place[..end].rsplit(|&byte| byte == b':').next()?;
    (digits > 0 && place[end] == b']' && number.len() + 1 < end && is_digits(number)).then_some(level)
}

/// The level in glog's header in brackets, as PyTorch writes it: `[W1123 08:50:48.703931818 x.cpp:12]`, where `inside` is
/// what stands in these. Equivalent: `^[IWEF][0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]`.
pub(super) fn glog(inside: &[u8]) -> Option<Level> {
    let (letter @ (b'I' | b'W' | b'E' | b'F'), rest) = inside.split_first()? else { return None };
    shaped(rest, b"0000 00:00:00.0")?;
    super::level::letter(*letter)
}

/// The level, and the seconds since 1970, in Abseil's header before its logging is set up.
///
/// Equivalent: `^([IWEF])0000 00:00:([0-9]{10}\.[0-9]{6}) `.
pub(super) fn abseil(line: &[u8]) -> Option<(Level, &[u8])> {
    let (letter, rest) = line.split_first()?;
    let level = match letter {
        b'I' => Level::Info,
        b'W' => Level::Warn,
        b'E' => Level::Error,
        b'F' => Level::Fatal,
        _ => return None,
    };
    let seconds = rest.strip_prefix(b"0000 00:00:")?;
    shaped(seconds, b"0000000000.000000 ")?;
    Some((level, seconds.get(..17)?))
}

/// The seconds since 1970 in the records of clusters: number, node, component, state, seconds, flag.
///
/// Equivalent: `^[0-9]+ [^ ]+ [^ ]+ [^ ]+ (1[0-9]{9}) [01] `.
pub(super) fn cluster(line: &[u8]) -> Option<&[u8]> {
    if !line.first()?.is_ascii_digit() {
        return None;
    }
    let mut words = line.get(..line.len().min(256))?.split(|&byte| byte == b' ');
    let number = words.next()?;
    let are_names = words.by_ref().take(3).filter(|word| !word.is_empty()).count() == 3;
    let (seconds, flag) = (words.next()?, words.next()?);
    let is_it = is_digits(number)
        && are_names
        && seconds.len() == 10
        && seconds[0] == b'1'
        && is_digits(seconds)
        && matches!(flag, b"0" | b"1")
        && words.next().is_some();
    is_it.then_some(seconds)
}

/// The level in Redis's header, of today and of old.
///
/// Equivalent: `^([0-9]+:[XCSM] |\[[0-9]+\] )?[0-9]{2} [A-Z][a-z]{2} ([0-9]{4} )?[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3})? [.\-*#] `.
pub(super) fn redis(line: &[u8]) -> Option<Level> {
    let inside = line.strip_prefix(b"[").unwrap_or(line);
    let digits = inside.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let dated = match &inside[digits..] {
        [b':', b'X' | b'C' | b'S' | b'M', b' ', rest @ ..] if digits > 0 && inside.len() == line.len() => rest,
        [b']', b' ', rest @ ..] if digits > 0 && inside.len() < line.len() => rest,
        _ => line,
    };
    let timed = shaped(dated, b"00 Aaa 0000 ").or_else(|| shaped(dated, b"00 Aaa "))?;
    match shaped(timed, b"00:00:00.000 ").or_else(|| shaped(timed, b"00:00:00 "))? {
        [b'-', b' ', b'[', ..] => None,
        [b'.' | b'-', b' ', ..] => Some(Level::Debug),
        [b'*', b' ', ..] => Some(Level::Info),
        [b'#', b' ', ..] => Some(Level::Warn),
        _ => None,
    }
}

/// The level in CockroachDB's header, which has a goroutine's number where klog has a place.
///
/// Equivalent: `^([IWEF])[0-9]{6} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6} [0-9]+ `.
pub(super) fn cockroach(line: &[u8]) -> Option<Level> {
    let (letter @ (b'I' | b'W' | b'E' | b'F'), rest) = line.split_first()? else { return None };
    behind_number(shaped(rest, b"000000 00:00:00.000000 ")?)?;
    super::level::letter(*letter)
}

/// The seconds since 1970 in a label of daemontools, runit and s6 (TAI64N, as multilog(8) writes it: ten seconds ahead),
/// its nanoseconds, and what follows it.
///
/// Equivalent: `^@(40{7}[0-9a-f]{8})([0-9a-f]{8}) `.
pub(super) fn tai64n(line: &[u8]) -> Option<(i64, u32, &[u8])> {
    let label = line.get(1..25).filter(|_| line[0] == b'@' && line.get(25) == Some(&b' '))?;
    if !label.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f')) {
        return None;
    }
    let hex = |part: &[u8]| u64::from_str_radix(std::str::from_utf8(part).ok()?, 16).ok();
    let secs = hex(&label[..16])?.checked_sub(0x4000_0000_0000_000a)?;
    let nanos = hex(&label[16..])?.try_into().ok().filter(|nanos| *nanos < 1_000_000_000)?;
    Some((i64::try_from(secs).ok()?, nanos, &line[26..]))
}

/// The level of a letter directly before a time: CUPS's `E [23/Nov/2026:08:50:48 +0000] x`, Murmur's
/// `<W>2026-11-23 08:50:48.703 x`, qBittorrent's `(W) 2026-11-23T08:50:48 - x`, Tendermint's `I[2026-11-23|08:50:48.703] x`, Passenger's
/// `[ N 2026-11-23 08:50:48.7039 12/T1 x.cpp:12 ]: y`, Tornado's `[W 261123 08:50:48 web:12] x`, Jupyter's `[W 08:50:48.703 App] x`.
pub(super) fn letter_before_time(line: &[u8]) -> Option<Level> {
    let (letter, rest) = match line {
        [b'[', b' ', letter, b' ', rest @ ..]
        | [b'[', letter, b' ', rest @ ..]
        | [b'<', letter, b'>', rest @ ..]
        | [b'(', letter, b')', b' ', rest @ ..] => (letter, rest),
        [letter, b'[', rest @ ..] => (letter, rest),
        [letter, b' ' | b',', rest @ ..] => {
            let rest = rest.trim_ascii_start();
            (letter, rest.strip_prefix(b"[").unwrap_or(rest))
        }
        _ => return None,
    };
    let level = super::level::letter(*letter)?;
    (shaped(rest, b"00:00:00").is_some() || super::stamp::read(rest).is_some()).then_some(level)
}

/// The level of SSSD's debug bits (sssd.conf(5), `debug_level`).
///
/// Equivalent: `^\([^)]*[0-9]\):? \[[^ ]+\] \[[a-z0-9_]+\] \((0x[0-9a-f]{4})\): `.
pub(super) fn sssd(line: &[u8]) -> Option<Level> {
    let rest = line.get(..line.len().min(160))?.strip_prefix(b"(")?;
    let rest = &rest[rest.iter().position(|&byte| byte == b')')? + 1..];
    let rest = rest.strip_prefix(b":").unwrap_or(rest).strip_prefix(b" [")?;
    let mut words = rest.split(|&byte| byte == b' ');
    let (service, function, bits) = (words.next()?, words.next()?, words.next()?);
    let function = function.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let is_function = function.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    if !service.ends_with(b"]") || !is_function {
        return None;
    }
    Some(match bits.strip_prefix(b"(0x")?.strip_suffix(b"):")? {
        b"0010" | b"0020" => Level::Fatal,
        b"0040" => Level::Error,
        b"0080" => Level::Warn,
        b"0100" => Level::Info,
        b"0200" | b"0400" => Level::Debug,
        b"1000" | b"2000" | b"4000" => Level::Trace,
        _ => return None,
    })
}

/// The level in logcat's lines: `threadtime`, `time` and `brief`.
///
/// Equivalent: `^(([0-9]{4}-)?[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3} +[0-9]+ +[0-9]+ ([VDIWEFA]) |(time )?([VDIWEFA])/[^(]*\( *[0-9]+\): )`.
pub(super) fn android(line: &[u8]) -> Option<Level> {
    let dated = shaped(line, b"00-00 00:00:00.000 ").or_else(|| shaped(line, b"0000-00-00 00:00:00.000 "));
    let rest = dated.unwrap_or(line);
    if let [letter, b'/', tag @ ..] = rest {
        let open = tag.iter().position(|&byte| byte == b'(')?;
        let process = tag[open + 1..].trim_ascii_start();
        let digits = process.iter().take_while(|byte| byte.is_ascii_digit()).count();
        return if digits > 0 && process[digits..].starts_with(b"): ") { android_letter(*letter) } else { None };
    }
    let thread = behind_number(dated?)?;
    match behind_number(thread)? {
        [letter, b' ', ..] => android_letter(*letter),
        _ => None,
    }
}

fn android_letter(letter: u8) -> Option<Level> {
    Some(match letter {
        b'V' => Level::Trace,
        b'D' => Level::Debug,
        b'I' => Level::Info,
        b'W' => Level::Warn,
        b'E' => Level::Error,
        b'F' | b'A' => Level::Fatal,
        _ => return None,
    })
}

/// What follows ` *[0-9]+ `.
fn behind_number(text: &[u8]) -> Option<&[u8]> {
    let text = text.trim_ascii_start();
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    text[digits..].strip_prefix(b" ").filter(|_| digits > 0)
}

/// The level in MongoDB's lines before version 4.4. Equivalent: `^[^ ]+T[^ ]+ ([FEWI]|D[1-5]?) ([A-Z]{3,}|-) `.
pub(super) fn mongodb(line: &[u8]) -> Option<Level> {
    shaped(line, b"0000-00-00T00:00:00.000")?;
    let rest = &line[line.iter().position(|&byte| byte == b' ')? + 1..];
    let (level, rest) = rest.split_at(rest.iter().position(|&byte| byte == b' ')?);
    let component = &rest[1..];
    let component = &component[..component.iter().position(|&byte| byte == b' ')?];
    let is_component = component == b"-" || component.len() >= 3 && component.iter().all(u8::is_ascii_uppercase);
    if is_component { mongodb_letter(level) } else { None }
}

/// The level of MongoDB's `F`, `E`, `W`, `I`, `D1` to `D5`.
pub(super) fn mongodb_letter(text: &[u8]) -> Option<Level> {
    Some(match text {
        b"F" => Level::Fatal,
        b"E" => Level::Error,
        b"W" => Level::Warn,
        b"I" => Level::Info,
        b"D" | [b'D', b'1'..=b'5'] => Level::Debug,
        _ => return None,
    })
}

/// The level of syslog's priority (RFC 5424, section 6.2.1; RFC 3164, section 4.1.1; the kernel's own).
///
/// Equivalent: `^<(0|[1-9][0-9]{0,2})>[0-9A-Za-z\[ ]`, up to 191.
pub(super) fn priority(line: &[u8]) -> Option<Level> {
    let inside = line.strip_prefix(b"<")?;
    let digits = inside.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    let number = inside[..digits].iter().fold(0_u32, |sum, byte| sum * 10 + u32::from(byte - b'0'));
    let is_one = (1..=3).contains(&digits) && number <= 191 && (digits == 1 || inside[0] != b'0');
    match inside[digits..] {
        [b'>', b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'[' | b' ', ..] if is_one => severity(number % 8),
        _ => None,
    }
}

/// The level of a message's name as network gear writes it: `%LINK-3-UPDOWN: …`, `%FTD-session-5-106100: …`.
///
/// Equivalent: `%{1,2}[A-Z][A-Za-z0-9_-]*-([0-7])-[A-Z0-9_]+( : |:)`, at a word's beginning.
pub(super) fn mnemonic(line: &[u8]) -> Option<Level> {
    let at = memchr::memchr(b'%', line).filter(|&at| at == 0 || line[at - 1] == b' ')?;
    // Some write the sign twice.
    let name = line[at + 1..].strip_prefix(b"%").unwrap_or(&line[at + 1..]);
    let begin = line.len() - name.len();
    let name = &name[..name.iter().position(|&byte| byte == b':' || byte == b' ')?];
    let behind = &line[begin + name.len()..];
    if !(behind.starts_with(b":") || behind.starts_with(b" : ")) || !name.first()?.is_ascii_uppercase() {
        return None;
    }
    let mut parts = name.rsplit(|&byte| byte == b'-');
    let (mnemonic, severity_part) = (parts.next()?, parts.next()?);
    let is_part = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    let [digit @ b'0'..=b'7'] = severity_part else { return None };
    let is_facility = parts.clone().next().is_some()
        && parts.all(|part| part.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_'));
    let is_whole = is_facility && !mnemonic.is_empty() && mnemonic.iter().all(is_part);
    if is_whole { severity(u32::from(digit - b'0')) } else { None }
}

/// The level of one of syslog's severities.
pub(super) fn severity(number: u32) -> Option<Level> {
    Some(match number {
        0..=2 => Level::Fatal,
        3 => Level::Error,
        4 => Level::Warn,
        5 | 6 => Level::Info,
        7 => Level::Debug,
        _ => return None,
    })
}

/// The level in Erlang's reports. Equivalent: `^=([A-Z]+) REPORT====`.
pub(super) fn report(line: &[u8]) -> Option<Level> {
    let name = line.strip_prefix(b"=")?;
    let end = name.iter().position(|&byte| byte == b' ')?;
    if !name[end..].starts_with(b" REPORT====") {
        return None;
    }
    super::level::upper(&name[..end], true)
}

/// Where a line begins with syslog's time and a host: what follows these, and the program's name.
///
/// Equivalent: `^(<[0-9]+>)?[A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} [^ ]+ ([^ ]+:)?`.
pub(super) fn behind_host(line: &[u8]) -> Option<&[u8]> {
    let line = match line.strip_prefix(b"<") {
        Some(inside) => &inside[inside.iter().take(4).position(|&byte| byte == b'>')? + 1..],
        None => line,
    };
    let rest = shaped(line, b"Aaa 00 00:00:00 ").or_else(|| shaped(line, b"Aaa  0 00:00:00 "))?;
    let end = rest.iter().position(|&byte| byte == b' ')?;
    // A tag without a host, or BSD's `<auth.info>` before both.
    let host = &rest[..end];
    if host.ends_with(b":") || host.starts_with(b"<") || host.contains(&b'\t') {
        return None;
    }
    let rest = &rest[end + 1..];
    let tag = &rest[..rest.iter().position(|&byte| byte == b' ').unwrap_or(rest.len())];
    let is_name = |name: &[u8]| {
        let first = name.split(|&byte| byte == b':').next().unwrap_or_default();
        super::level::set_off(first).is_none() && !name.contains(&b'(')
    };
    let is_tag = tag.strip_suffix(b":").is_some_and(is_name);
    Some(if is_tag { &rest[tag.len()..] } else { rest })
}

/// What follows host, program, process and message in syslog's header (RFC 5424, section 6), where `host` begins it.
///
/// Equivalent of `rest`: `^ [A-Za-z][^ ]* ([0-9]+|-) [^ ]+ [-\[]`.
pub(super) fn behind_process<'a>(host: &[u8], rest: &'a [u8]) -> Option<&'a [u8]> {
    let begin = rest.get(..rest.len().min(160))?.strip_prefix(b" ")?;
    let mut parts = begin.splitn(4, |&byte| byte == b' ');
    let (program, process, message, behind) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let fits = host.first()?.is_ascii_alphabetic()
        && super::words::is_plain_name(program)
        && (process == b"-" || is_digits(process))
        && !message.is_empty()
        && matches!(behind, [b'-' | b'[', ..]);
    if fits { rest.get(rest.len().min(160) - behind.len()..) } else { None }
}

fn is_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::bytes::Regex;

    use super::*;

    proptest! {
        #[test]
        fn the_equivalent_regexes_agree(
            klog_line in "[IWEFD]([0-9]{3,5}|[0-9]{8}) [0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{5,6} {1,3}[0-9]{0,3} [a-z:. 0-9]{0,4}(\\.go)?:?[0-9]{0,2}\\]? x",
            android_line in "([0-9]{4}-)?([0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3} )?( {0,2}[0-9]{1,3} {1,2}[0-9]{1,3} [VDIWEFAX] ?|[VDIX]/[a-z]{0,2}\\( {0,2}[0-9]{0,2}\\):? )x",
            priority_line in "<[0-9]{0,4}>[0-9A-Z\\[a ]x",
            mnemonic_line in "(x |x)?%{1,2}[A-Za-z_]{0,3}(-[a-z]{1,2})?-[0-9]-[A-Z]{0,3} ?:? x",
            redis_line in "([0-9]{0,3}:[XCSMQ] |\\[?[0-9]{0,2}\\]? )?[0-9]{2} [A-Z][a-z]{2} ([0-9]{4} )?[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{2,3})? [.*#x-] ?x",
        ) {
            let regex = Regex::new(r"^([IWEF])([0-9]{4}|[0-9]{8}) [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6} +[0-9]+ [^ \]]+:[0-9]+\]");
            let found = regex.expect("valid").is_match(klog_line.as_bytes());
            prop_assert_eq!(klog(klog_line.as_bytes()).is_some(), found, "{}", klog_line);
            let regex = Regex::new(
                r"^([0-9]{4}-)?[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3} +[0-9]+ +[0-9]+ ([VDIWEFA]) |^(([0-9]{4}-)?[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3} )?([VDIWEFA])/[^(]*\( *[0-9]+\): ",
            );
            let found = regex.expect("valid").is_match(android_line.as_bytes());
            prop_assert_eq!(android(android_line.as_bytes()).is_some(), found, "{}", android_line);
            let regex = Regex::new(r"^<(0|[1-9][0-9]?|1[0-8][0-9]|19[01])>[0-9A-Za-z\[ ]");
            let found = regex.expect("valid").is_match(priority_line.as_bytes());
            prop_assert_eq!(priority(priority_line.as_bytes()).is_some(), found, "{}", priority_line);
            let regex = Regex::new(r"(^| )%{1,2}[A-Z][A-Za-z0-9_-]*-[0-7]-[A-Z0-9_]+(:| : )");
            let found = regex.expect("valid").is_match(mnemonic_line.as_bytes());
            prop_assert_eq!(mnemonic(mnemonic_line.as_bytes()).is_some(), found, "{}", mnemonic_line);
            let regex = Regex::new(r"^([0-9]+:[XCSM] |\[[0-9]+\] )?[0-9]{2} [A-Z][a-z]{2} ([0-9]{4} )?[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3})? [.\-*#] ");
            let found = regex.expect("valid").is_match(redis_line.as_bytes());
            prop_assert_eq!(redis(redis_line.as_bytes()).is_some(), found, "{}", redis_line);
        }
    }
}
