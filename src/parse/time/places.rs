//! Times at places of their own: what a few programs write, and where a form is so rare that it may stand behind words.
//!
//! **Invariant**: the whole form must fit.

use super::super::stamp::{self, Stamp};
use super::super::words::shaped;
use super::super::{marks, markup};

/// The time of a line of one of these programs.
#[inline]
pub(super) fn read(line: &[u8]) -> Option<Stamp> {
    match line.first()? {
        b'S' => request(line),
        b'L' => game(line),
        b'[' => chromium(line),
        b'<' => markup::time_of(line),
        b'0' => sybase(line).or_else(|| month_first(line)),
        b'1' => month_first(line),
        b'a'..=b'z' | b'A'..=b'Z' => titled(line).or_else(|| labelled(line)).or_else(|| behind_level(line)),
        _ => None,
    }
}

/// The time at the end of the line that Rails writes when a request begins.
///
/// Equivalent: `^Started [A-Z]+ "[^"]*" for [^ ]+ at (…)$`.
fn request(line: &[u8]) -> Option<Stamp> {
    let rest = line.strip_prefix(b"Started ")?;
    let rest = rest[rest.iter().take_while(|byte| byte.is_ascii_uppercase()).count()..].strip_prefix(b" \"")?;
    let rest = rest[rest.iter().position(|&byte| byte == b'"')? + 1..].strip_prefix(b" for ")?;
    stamp::read(rest[rest.iter().position(|&byte| byte == b' ')?..].strip_prefix(b" at ")?).map(|(stamp, _)| stamp)
}

/// Sybase ASE's `00:0000:00000:00012:2026/11/23 08:50:48.70 server  x`.
fn sybase(line: &[u8]) -> Option<Stamp> {
    stamp::read(shaped(line, b"00:0000:00000:00000:")?).map(|(stamp, _)| stamp)
}

/// Suricata's alerts and the records of PBS have the month first: `11/03/2026-08:50:48.703931  [**] [1:2029054:2] x`,
/// `11/03/2026 08:50:48;0100;PBS_Server;Job;12.x;y`.
fn month_first(line: &[u8]) -> Option<Stamp> {
    let rest = shaped(line, b"00/00/0000")?;
    let is_known = match rest.first()? {
        b'-' => shaped(rest, b"-00:00:00.000000  [**] [").is_some(),
        _ => shaped(rest, b" 00:00:00;0000;").or_else(|| shaped(rest, b" 00:00:00.000000;0000;")).is_some(),
    };
    if is_known { stamp::read_month_first(line).map(|(stamp, _)| stamp) } else { None }
}

/// The servers of Source games write the month first: `L 11/23/2026 - 08:50:48: x`.
fn game(line: &[u8]) -> Option<Stamp> {
    let dated = line.strip_prefix(b"L ")?;
    shaped(dated, b"00/00/0000 - 00:00:00: ")?;
    stamp::read_month_first(dated).map(|(stamp, _)| stamp)
}

/// Chromium's `[12:34:1123/085048.703931:ERROR:gpu.cc(12)] x`, with or without process and thread.
fn chromium(line: &[u8]) -> Option<Stamp> {
    let inside = &line[1..line.len().min(64)];
    let slash = inside.iter().position(|byte| !byte.is_ascii_digit() && *byte != b':')?;
    let date = inside.get(slash.checked_sub(4)?..)?;
    shaped(date, b"0000/000000")?;
    let rest = &date[11..];
    let digits =
        rest.strip_prefix(b".").map_or(0, |digits| digits.iter().take_while(|b| b.is_ascii_digit()).count() + 1);
    if rest.get(digits) != Some(&b':') || !rest.get(digits + 1)?.is_ascii_uppercase() {
        return None;
    }
    let mut text = *b"00-00 00:00:00.000000000";
    let length = 14 + digits.min(10);
    for (to, from) in [(0..2, 0..2), (3..5, 2..4), (6..8, 5..7), (9..11, 7..9), (12..14, 9..11)] {
        text.get_mut(to)?.copy_from_slice(date.get(from)?);
    }
    text.get_mut(14..length)?.copy_from_slice(rest.get(..digits.min(10))?);
    stamp::read(text.get(..length)?).map(|(stamp, _)| stamp)
}

/// A time directly behind a title that says no other time, with more behind it: Go's `redis: 2026/11/23 08:50:48 x`.
///
/// Equivalent of what stands before the time: `^[A-Za-z0-9_.-]+: ([0-9]+: )?`.
fn titled(line: &[u8]) -> Option<Stamp> {
    let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
    let length = line.iter().take(32).take_while(is_part).count();
    let rest = line[length..].strip_prefix(b": ")?;
    if !rest.first()?.is_ascii_digit() || says_other(&line[..length]) {
        return None;
    }
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let dated = rest[digits..].strip_prefix(b": ").unwrap_or(rest);
    shaped(dated, b"0000-00-00").or_else(|| shaped(dated, b"0000/00/00"))?;
    let (stamp, length) = stamp::read(dated)?;
    matches!(dated[length..], [b' ', b'[' | b'A'..=b'Z' | b'a'..=b'z', ..]).then_some(stamp)
}

/// The time behind a name and a level: vdsm's `Thread-1::INFO::2026-11-23 08:50:48,703::x`, yt's
/// `yt : [WARNING  ] 2026-11-23 08:50:48,703 x`.
fn behind_level(line: &[u8]) -> Option<Stamp> {
    stamp::read(marks::between_name_and_date(line)?.1).map(|(stamp, _)| stamp)
}

/// The seconds since 1970 in the kernel's audit log: `audit: type=1400 audit(1795423848.703:151): x`, with or without
/// what stands before the parenthesis.
pub(super) fn audit(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"audit")?;
    let number = match rest.strip_prefix(b": type=") {
        Some(kind) => kind[kind.iter().take(8).position(|&byte| byte == b' ')?..].strip_prefix(b" audit(")?,
        None => rest.strip_prefix(b"(")?,
    };
    Some(&number[..number.iter().take(24).position(|&byte| byte == b':')?])
}

/// LTSV's `time:[23/Nov/2026:08:50:48 +0000]\thost:10.0.0.1\t…`.
fn labelled(line: &[u8]) -> Option<Stamp> {
    let dated = line.strip_prefix(b"time:")?;
    let dated = dated.strip_prefix(b"[").unwrap_or(dated);
    let (stamp, length) = stamp::read(dated)?;
    matches!(dated[length..], [b'\t', ..] | [b']', b'\t', ..]).then_some(stamp)
}

/// Whether `title` is a word for another time than the event's.
fn says_other(title: &[u8]) -> bool {
    const OTHERS: [&str; 16] = [
        "expires", "expiry", "expired", "until", "since", "modified", "updated", "created", "from", "to", "start",
        "end", "next", "last", "valid", "due",
    ];
    OTHERS.iter().any(|other| other.as_bytes().eq_ignore_ascii_case(title))
}

/// The time in brackets that access logs write, behind up to a few hundred bytes of fields.
///
/// Equivalent: `\[[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-9]{2}`.
#[inline]
pub(super) fn in_brackets(line: &[u8]) -> Option<Stamp> {
    let window = &line[..line.len().min(256)];
    memchr::memchr_iter(b'[', window).find_map(|at| {
        let dated = &line[at + 1..];
        shaped(dated, b"00/Aaa/0000:00:00:00")?;
        stamp::read(dated).map(|(stamp, _)| stamp)
    })
}
