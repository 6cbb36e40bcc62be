//! The time under a key: of a JSON object's members, or of a line of pairs; and what a value under such a key may be.
//!
//! **Invariant**: a key is one for the event's own time, never for another (`expires`), and a number is a time only where it
//! counts seconds, or parts of these, since 1970.

use crate::model::time::Time;

use super::super::scan::{self, Visitor};
use super::super::stamp::{self, EPOCHS};

/// A line of pairs is looked through so far.
const MAX_PAIRS: usize = 4096;

/// The time of two pairs, as firewalls write it: `date=2026-11-23 time=08:50:48`, with or without quotes,
/// and of the zone behind them.
fn of_two_pairs(rest: &[u8], near: Time) -> Option<Time> {
    let mut text = [0; 32];
    let mut length = 0;
    let mut rest = rest;
    for name in [&b"date="[..], b"time="] {
        let value = rest.strip_prefix(name)?;
        let value = value.strip_prefix(b"\"").unwrap_or(value);
        let end = value.iter().position(|byte| matches!(byte, b' ' | b'"')).unwrap_or(value.len());
        text.get_mut(length..length + end)?.copy_from_slice(&value[..end]);
        *text.get_mut(length + end)? = b' ';
        length += end + 1;
        rest = value[end..].strip_prefix(b"\"").unwrap_or(&value[end..]).trim_ascii_start();
    }
    // Sophos' `timezone="CEST"`: of a zone that is not known the time is not either.
    if let Some(zone) = rest.strip_prefix(b"timezone=") {
        let zone = zone.strip_prefix(b"\"").unwrap_or(zone);
        let end = zone.iter().position(|byte| matches!(byte, b' ' | b'"')).unwrap_or(zone.len());
        text.get_mut(length..length + end)?.copy_from_slice(&zone[..end]);
        length += end;
        return stamp::read(&text[..length]).filter(|(_, read)| *read == length)?.0.near(near);
    }
    stamp::read(&text[..length])?.0.near(near)
}

/// The time under the best key of a line that begins with a pair.
pub(super) fn pairs(line: &[u8], near: Time) -> Option<Time> {
    let line = &line[..line.len().min(MAX_PAIRS)];
    let (mut best, mut at) = (None, 0);
    while at < line.len() {
        let rest = &line[at..];
        let length = rest.iter().position(|byte| matches!(byte, b'=' | b' ' | b'\t')).unwrap_or(rest.len());
        at += length + 1;
        if rest.get(length) != Some(&b'=') {
            continue;
        }
        let value = &rest[length + 1..];
        let (text, taken) = match value {
            [b'"', inside @ ..] => {
                let end = end_of_quoted(inside, b'"');
                (&inside[..end], end + 2)
            }
            _ => {
                let end = value.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(value.len());
                (&value[..end], end)
            }
        };
        at += taken;
        if let Some(rank) = key(&rest[..length])
            && best.is_none_or(|(best, _)| rank < best)
            && let Some(time) = of_text(text, near).or_else(|| of_two_pairs(rest, near))
        {
            best = Some((rank, time));
        }
    }
    best.map(|(_, time)| time)
}

/// How many bytes stand before the closing `quote`.
pub(super) fn end_of_quoted(inside: &[u8], quote: u8) -> usize {
    let mut escaped = false;
    inside
        .iter()
        .position(|&byte| {
            let closes = byte == quote && !escaped;
            escaped = byte == b'\\' && !escaped;
            closes
        })
        .unwrap_or(inside.len())
}

/// The time under the best key of a line that begins with a brace.
pub(super) fn members(line: &[u8], near: Time) -> Option<Time> {
    let mut found = Found { line, near, time: None, rank: u8::MAX };
    scan::begin(line, &mut found);
    found.time
}

/// For the members of a JSON object.
struct Found<'a> {
    line: &'a [u8],
    near: Time,
    time: Option<Time>,
    /// How good the key of `time` is; smaller is better.
    rank: u8,
}

impl Visitor for Found<'_> {
    #[inline(always)]
    fn member(&mut self, name: &[u8], start: usize, end: usize) -> bool {
        if let Some(rank) = key(name)
            && rank < self.rank
            && let Some(time) = self.line.get(start..end).and_then(|value| of_value(value, self.near))
        {
            self.time = Some(time);
            self.rank = rank;
        }
        self.rank > SURE_RANK
    }
}

/// A JSON value under a time's key.
fn of_value(value: &[u8], near: Time) -> Option<Time> {
    match value.first()? {
        b'"' => of_text(value.get(1..value.len() - 1)?, near),
        b'0'..=b'9' => of_number(value),
        b'{' => {
            let mut parts = Parts { object: value, near, date: None, secs: None, nanos: 0 };
            scan::begin(value, &mut parts);
            let of_secs = parts.secs.map(|secs| Time { secs, nanos: parts.nanos });
            parts.date.or(of_secs).filter(|time| EPOCHS.contains(&time.secs) && time.nanos < 1_000_000_000)
        }
        _ => None,
    }
}

/// A time as an object: MongoDB's `{"$date":"…"}`, log4j's `{"epochSecond":…,"nanoOfSecond":…}`, protobuf's
/// `{"seconds":…,"nanos":…}`.
struct Parts<'a> {
    object: &'a [u8],
    near: Time,
    date: Option<Time>,
    secs: Option<i64>,
    nanos: u32,
}

impl Visitor for Parts<'_> {
    fn member(&mut self, name: &[u8], start: usize, end: usize) -> bool {
        let Some(value) = self.object.get(start..end) else { return true };
        let number = || std::str::from_utf8(value).ok().and_then(|text| text.trim_matches('"').parse::<i64>().ok());
        match name {
            // PHP's `{"date":"2026-11-23 08:50:48.703931","timezone_type":3,"timezone":"UTC"}`.
            b"date" => self.date = of_value(value, self.near),
            b"timezone" if value != b"\"UTC\"" && value != b"\"+00:00\"" => self.date = None,
            b"$date" if !value.starts_with(b"{") => self.date = of_value(value, self.near),
            b"epochSecond" | b"seconds" => self.secs = number(),
            b"nanoOfSecond" | b"nanos" => self.nanos = number().and_then(|nanos| nanos.try_into().ok()).unwrap_or(0),
            _ => {}
        }
        true
    }
}

/// Behind a key of this rank or a better one no other is looked for.
const SURE_RANK: u8 = 3;

/// The rank of a key for times (0 is the best), in any case of its letters.
pub(super) fn key(name: &[u8]) -> Option<u8> {
    // A cheap test that most keys of a line fail. With this bit set `T` is `t` and `@` is a backtick.
    match (name.first()? | 0x20, name.len()) {
        (b't' | b'`' | b'd' | b'e' | b'a' | b'i' | b'l' | b'_' | 0x7f | b's' | b'r' | b'w' | b'm', _) => {}
        (b'p', 9) | (b'c', 12 | 15) | (b'u', 7 | 8) => {}
        _ => return None,
    }
    let mut buffer = [0; 32];
    let lower = buffer.get_mut(..name.len())?;
    for (to, from) in lower.iter_mut().zip(name) {
        *to = from.to_ascii_lowercase();
    }
    Some(match &*lower {
        b"@timestamp" => 0,
        b"timestamp" | b"time_stamp" => 1,
        b"time" | b"@t" | b"_timestamp" | b"_time" => 2,
        b"ts" | b"@ts" => 3,
        b"datetime" | b"date_time" | b"eventtime" | b"event_time" | b"logtime" | b"log_time" | b"event.created" => 4,
        b"asctime" | b"instant" | b"timemillis" | b"timestamp_ms" | b"time_iso8601" | b"time_local"
        | b"time_unix_nano" | b"timeunixnano" | b"log.time" | b"log_timestamp" | b"logtimestamp" | b"timestampms" => 5,
        b"ibm_datetime"
        | b"event_timestamp"
        | b"eventtimestamp"
        | b"timestamp_utc"
        | b"isotimestamp"
        | b"eventdatetime"
        | b"edgestarttimestamp"
        | b"unixtime"
        | b"event_ts"
        | b"messagetime"
        | b"logged_at"
        | b"utctime"
        | b"calendartime"
        | b"systemtime"
        | b"timereported"
        | b"timegenerated"
        | b"timecreated" => 5,
        b"_source_realtime_timestamp" => 6,
        b"__realtime_timestamp" => 7,
        b"startutc" | b"start_time" | b"requestreceivedtimestamp" | b"requesttime" | b"starttime" => 8,
        b"date" | b"t" | b"dt" | b"when" => 9,
        b"msec" | b"published" | b"creationtime" | b"createddatetime" | b"activitydatetime" => 10,
        _ => return None,
    })
}

/// The time that a text under a time's key is, from its beginning.
pub(super) fn of_text(text: &[u8], near: Time) -> Option<Time> {
    let text = text.trim_ascii();
    let text = text.strip_prefix(b"[").unwrap_or(text);
    let is_number = text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    // A bare number may be `20261123085048` too.
    if is_number && (text.len() != 14 || text.contains(&b'.')) {
        return of_number(text);
    }
    stamp::read(text)?.0.near(near)
}

/// Seconds, or milli-, micro- or nanoseconds since 1970, by how large the number is. An exponent is allowed, as in zap's
/// `1.795423848703931e+09`.
pub(crate) fn of_number(text: &[u8]) -> Option<Time> {
    let (mut digits, mut count, mut point, mut at) = (0_u128, 0_u32, None, 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'0'..=b'9' if count < 30 => {
                digits = digits * 10 + u128::from(byte - b'0');
                count += 1;
            }
            b'.' if point.is_none() => point = Some(count),
            b'e' | b'E' => break,
            _ => return None,
        }
        at += 1;
    }
    let exponent: i32 = match text.get(at + 1..) {
        Some(exponent) => {
            let exponent = std::str::from_utf8(exponent).ok()?;
            exponent.strip_prefix('+').unwrap_or(exponent).parse().ok()?
        }
        None => 0,
    };
    let whole = i32::try_from(point.unwrap_or(count)).ok()?.checked_add(exponent)?;
    let (unit, scale) = match whole {
        10 => (9, 1_000_000_000),
        13 => (6, 1_000_000),
        16 => (3, 1_000),
        19 => (0, 1),
        _ => return None,
    };
    // Nanoseconds: the digits, moved by as many places as there are behind the point.
    let behind = i32::try_from(count).ok()? - whole;
    let nanos = match behind {
        0.. => digits.checked_mul(scale)?.checked_div(10_u128.checked_pow(behind.unsigned_abs())?)?,
        _ => digits.checked_mul(10_u128.checked_pow(behind.unsigned_abs() + unit)?)?,
    };
    let time = Time::from_nanos(i128::try_from(nanos).ok()?);
    EPOCHS.contains(&time.secs).then_some(time)
}
