//! Headers of a fixed form whose level is a single letter, sign or number.
//!
//! **Invariant**: the whole form must fit, since a letter alone says nothing.

use crate::model::event::Level;

/// The level of a line that begins with one of the headers.
#[inline]
pub(super) fn of(line: &[u8]) -> Option<Level> {
    match line.first()? {
        b'=' => report(line),
        b'0'..=b'9' => redis(line).or_else(|| android(line)).or_else(|| mongodb(line)),
        b'A'..=b'Z' => klog(line).or_else(|| android(line)).or_else(|| Some(abseil(line)?.0)),
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

/// The level in Redis's header.
///
/// Equivalent: `^[0-9]+:[XCSM] [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3} [.\-*#] `.
pub(super) fn redis(line: &[u8]) -> Option<Level> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let [b':', b'X' | b'C' | b'S' | b'M', rest @ ..] = &line[digits..] else { return None };
    match shaped(rest, b" 00 Aaa 0000 00:00:00.000 ")? {
        _ if digits == 0 => None,
        [b'.' | b'-', b' ', ..] => Some(Level::Debug),
        [b'*', b' ', ..] => Some(Level::Info),
        [b'#', b' ', ..] => Some(Level::Warn),
        _ => None,
    }
}

/// What follows a beginning of the given shape: `0` stands for a digit, `A` and `a` for a letter, the others for
/// themselves.
pub(super) fn shaped<'a>(text: &'a [u8], shape: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = text.split_at_checked(shape.len())?;
    let fits = head.iter().zip(shape).all(|(byte, shape)| match shape {
        b'0' => byte.is_ascii_digit(),
        b'A' => byte.is_ascii_uppercase(),
        b'a' => byte.is_ascii_lowercase(),
        _ => byte == shape,
    });
    fits.then_some(rest)
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
/// Equivalent: `^<(0|[1-9][0-9]{0,2})>([0-9A-Z\[])`, up to 191.
pub(super) fn priority(line: &[u8]) -> Option<Level> {
    let inside = line.strip_prefix(b"<")?;
    let digits = inside.iter().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    let number = inside[..digits].iter().fold(0_u32, |sum, byte| sum * 10 + u32::from(byte - b'0'));
    let is_one = (1..=3).contains(&digits) && number <= 191 && (digits == 1 || inside[0] != b'0');
    match inside[digits..] {
        [b'>', b'0'..=b'9' | b'A'..=b'Z' | b'[', ..] if is_one => severity(number % 8),
        _ => None,
    }
}

/// The level of a message's name as network gear writes it: `%LINK-3-UPDOWN: …`.
///
/// Equivalent: `%[A-Z0-9_]+-[0-7]-[A-Z0-9_]+:`, at a word's beginning.
pub(super) fn mnemonic(line: &[u8]) -> Option<Level> {
    let at = line.iter().position(|&byte| byte == b'%').filter(|&at| at == 0 || line[at - 1] == b' ')?;
    let name = &line[at + 1..];
    let is_part = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    let facility = name.iter().take_while(|byte| is_part(byte)).count();
    let [b'-', digit @ b'0'..=b'7', b'-', rest @ ..] = &name[facility..] else { return None };
    let mnemonic = rest.iter().take_while(|byte| is_part(byte)).count();
    let is_whole = facility > 0 && mnemonic > 0 && rest.get(mnemonic) == Some(&b':');
    if is_whole { severity(u32::from(digit - b'0')) } else { None }
}

fn severity(number: u32) -> Option<Level> {
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
    if rest[..end].ends_with(b":") {
        return None;
    }
    let rest = &rest[end + 1..];
    let tag = &rest[..rest.iter().position(|&byte| byte == b' ').unwrap_or(rest.len())];
    let is_tag = tag.strip_suffix(b":").is_some_and(|name| super::level::set_off(name).is_none());
    Some(if is_tag { &rest[tag.len()..] } else { rest })
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
            mnemonic_line in "(x |x)?%[A-Z_]{0,3}-[0-9]-[A-Z]{0,3}:? x",
            redis_line in "[0-9]{0,3}:[XCSMQ] [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{2,3} [.*#x-] ?x",
        ) {
            let regex = Regex::new(r"^([IWEF])([0-9]{4}|[0-9]{8}) [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6} +[0-9]+ [^ \]]+:[0-9]+\]");
            let found = regex.expect("valid").is_match(klog_line.as_bytes());
            prop_assert_eq!(klog(klog_line.as_bytes()).is_some(), found, "{}", klog_line);
            let regex = Regex::new(
                r"^([0-9]{4}-)?[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3} +[0-9]+ +[0-9]+ ([VDIWEFA]) |^(([0-9]{4}-)?[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3} )?([VDIWEFA])/[^(]*\( *[0-9]+\): ",
            );
            let found = regex.expect("valid").is_match(android_line.as_bytes());
            prop_assert_eq!(android(android_line.as_bytes()).is_some(), found, "{}", android_line);
            let regex = Regex::new(r"^<(0|[1-9][0-9]?|1[0-8][0-9]|19[01])>[0-9A-Z\[]");
            let found = regex.expect("valid").is_match(priority_line.as_bytes());
            prop_assert_eq!(priority(priority_line.as_bytes()).is_some(), found, "{}", priority_line);
            let regex = Regex::new(r"(^| )%[A-Z0-9_]+-[0-7]-[A-Z0-9_]+:");
            let found = regex.expect("valid").is_match(mnemonic_line.as_bytes());
            prop_assert_eq!(mnemonic(mnemonic_line.as_bytes()).is_some(), found, "{}", mnemonic_line);
            let regex = Regex::new(r"^[0-9]+:[XCSM] [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3} [.\-*#] ");
            let found = regex.expect("valid").is_match(redis_line.as_bytes());
            prop_assert_eq!(redis(redis_line.as_bytes()).is_some(), found, "{}", redis_line);
        }
    }
}
