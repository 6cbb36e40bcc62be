//! A point in time, its parsing and its text.
//!
//! The formats on the hot path (CRI's and Docker's RFC 3339 with nanoseconds) are parsed by hand. Equivalent:
//! `^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d([.,]\d{1,9}\d*)?(Z|z|[+-]\d\d:?\d\d)$` (RFC 3339, section 5.6; digits past
//! nanoseconds are cut off).

use std::time::{Duration, SystemTime};

/// A point in time: seconds since 1970-01-01T00:00:00Z and nanoseconds within the second.
///
/// Wider than nanoseconds in 64 bits, since logs hold years such as 1600 and 2500 too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    /// Seconds since the epoch; negative before it.
    pub secs: i64,
    /// Nanoseconds behind `secs`, below 1,000,000,000.
    pub nanos: u32,
}

/// A date, a time of day and a zone, as they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// The year, such as 2026.
    pub year: i64,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
    /// 0 to 23.
    pub hour: u32,
    /// 0 to 59.
    pub minute: u32,
    /// 0 to 59, or 60 in a leap second.
    pub second: u32,
    /// Nanoseconds within the second.
    pub nanos: u32,
    /// Seconds east of UTC.
    pub offset: i64,
}

const SECONDS_PER_DAY: i64 = 86_400;
/// 9999-12-31T23:59:59Z: the last second with a four-digit year.
const LAST_SECOND: i64 = 253_402_300_799;
/// 0000-01-01T00:00:00Z.
const FIRST_SECOND: i64 = -62_167_219_200;

impl Time {
    /// From nanoseconds since the epoch.
    pub fn from_nanos(nanos: i128) -> Self {
        let secs = nanos.div_euclid(1_000_000_000);
        Self {
            secs: secs.clamp(i128::from(FIRST_SECOND), i128::from(LAST_SECOND)) as i64,
            nanos: nanos.rem_euclid(1_000_000_000) as u32,
        }
    }

    /// As the system's clock tells it; `None` before 1970.
    pub fn to_system(self) -> Option<SystemTime> {
        let secs = u64::try_from(self.secs).ok()?;
        SystemTime::UNIX_EPOCH.checked_add(Duration::new(secs, self.nanos))
    }

    /// What the system's clock says.
    pub fn of_system(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { secs: i64::try_from(since.as_secs()).unwrap_or(i64::MAX), nanos: since.subsec_nanos() }
    }

    /// Nanoseconds since the epoch.
    pub fn as_nanos(self) -> i128 {
        i128::from(self.secs) * 1_000_000_000 + i128::from(self.nanos)
    }

    /// This time and `nanos` nanoseconds more.
    pub fn plus_nanos(self, nanos: u32) -> Self {
        let sum = self.nanos + nanos % 1_000_000_000;
        Self {
            secs: self.secs + i64::from(nanos / 1_000_000_000) + i64::from(sum / 1_000_000_000),
            nanos: sum % 1_000_000_000,
        }
    }

    /// Year, month (1–12) and day (1–31) in UTC.
    pub fn date(self) -> (i64, u32, u32) {
        civil_from_days(self.secs.div_euclid(SECONDS_PER_DAY))
    }

    /// Parses RFC 3339, see the module. `None` for anything else, also for dates that do not exist; a leap second
    /// (`:60`) is taken as the second that follows.
    pub fn parse_rfc3339(text: &[u8]) -> Option<Self> {
        let (head, rest) = text.split_at_checked(19)?;
        let head: &[u8; 19] = head.try_into().ok()?;
        if head[4] != b'-'
            || head[7] != b'-'
            || !matches!(head[10], b'T' | b't' | b' ')
            || head[13] != b':'
            || head[16] != b':'
        {
            return None;
        }
        let year = i64::from(two(head, 0)?) * 100 + i64::from(two(head, 2)?);
        let (month, day) = (two(head, 5)?, two(head, 8)?);
        let (hour, minute, second) = (two(head, 11)?, two(head, 14)?, two(head, 17)?);
        let (nanos, zone) = fraction(rest)?;
        let offset = zone_offset(zone)?;
        Self::from_civil(Civil { year, month, day, hour, minute, second, nanos, offset })
    }

    /// The point in time that was written so; `None` where the date or the time of day does not exist. A leap second is
    /// taken as the second that follows.
    #[inline]
    pub fn from_civil(civil: Civil) -> Option<Self> {
        let Civil { year, month, day, hour, minute, second, nanos, offset } = civil;
        if !(1..=12).contains(&month)
            || day == 0
            || day > days_in_month(year, month)
            || hour > 23
            || minute > 59
            || second > 60
        {
            return None;
        }
        let days = days_from_civil(year, month, day);
        let secs = days * SECONDS_PER_DAY + i64::from(hour * 3600 + minute * 60 + second) - offset;
        Some(Self { secs, nanos })
    }

    /// Appends the time as RFC 3339 in UTC, the fraction without trailing zeros (none where it is zero): the form
    /// that container runtimes write.
    pub fn write_rfc3339(self, out: &mut Vec<u8>) {
        let secs = self.secs.clamp(FIRST_SECOND, LAST_SECOND);
        let (year, month, day) = civil_from_days(secs.div_euclid(SECONDS_PER_DAY));
        let of_day = secs.rem_euclid(SECONDS_PER_DAY) as u32;
        let year = year as u32;
        let mut text = *b"0000-00-00T00:00:00";
        put_two(&mut text, 0, year / 100);
        put_two(&mut text, 2, year % 100);
        put_two(&mut text, 5, month);
        put_two(&mut text, 8, day);
        put_two(&mut text, 11, of_day / 3600);
        put_two(&mut text, 14, of_day / 60 % 60);
        put_two(&mut text, 17, of_day % 60);
        out.extend_from_slice(&text);
        if self.nanos != 0 {
            let mut digits = *b".000000000";
            let mut rest = self.nanos;
            for digit in digits[1..].iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
            let kept = digits.iter().rposition(|&digit| digit != b'0').unwrap_or(0);
            out.extend_from_slice(&digits[..=kept]);
        }
        out.push(b'Z');
    }

    /// The time as [`Time::write_rfc3339`] writes it.
    pub fn to_rfc3339(self) -> String {
        let mut out = Vec::with_capacity(30);
        self.write_rfc3339(&mut out);
        // Only ASCII was written.
        String::from_utf8_lossy(&out).into_owned()
    }
}

fn digit(byte: u8) -> Option<u32> {
    let value = byte.wrapping_sub(b'0');
    (value < 10).then_some(u32::from(value))
}

fn two(text: &[u8; 19], at: usize) -> Option<u32> {
    Some(digit(text[at])? * 10 + digit(text[at + 1])?)
}

fn put_two(text: &mut [u8; 19], at: usize, value: u32) {
    text[at] = b'0' + (value / 10) as u8;
    text[at + 1] = b'0' + (value % 10) as u8;
}

/// Reads an optional fraction; gives nanoseconds and what follows.
fn fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    if !matches!(text.first(), Some(b'.' | b',')) {
        return Some((0, text));
    }
    let digits = &text[1..];
    let mut nanos = 0;
    let mut count = 0;
    while let Some(value) = digits.get(count).copied().and_then(digit) {
        if count < 9 {
            nanos = nanos * 10 + value;
        }
        count += 1;
    }
    if count == 0 {
        return None;
    }
    for _ in count..9 {
        nanos *= 10;
    }
    Some((nanos, &digits[count..]))
}

/// Seconds east of UTC.
fn zone_offset(zone: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match *zone {
        [b'Z' | b'z'] => return Some(0),
        [sign, a, b, b':', c, d] | [sign, a, b, c, d] => (sign, digit(a)? * 10 + digit(b)?, digit(c)? * 10 + digit(d)?),
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    let offset = i64::from(hours * 3600 + minutes * 60);
    match sign {
        b'+' => Some(offset),
        b'-' => Some(-offset),
        _ => None,
    }
}

fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar: years begin in March, so that the leap
/// day is the last, and 400 years are always 146,097 days.
fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The reverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = ((month_from_march + 2) % 12 + 1) as u32;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(i64, u32)>) {
        let expected = expected.map(|(secs, nanos)| Time { secs, nanos });
        assert_eq!(Time::parse_rfc3339(text.as_bytes()), expected, "{text}");
    }

    #[test]
    fn rfc3339_as_runtimes_write_it() {
        check("2026-11-23T08:50:48.70393181Z", Some((1_795_423_848, 703_931_810)));
        check("1970-01-01T00:00:00Z", Some((0, 0)));
        check("1969-12-31T23:59:59.5Z", Some((-1, 500_000_000)));
        check("2026-11-23T08:50:48+00:00", Some((1_795_423_848, 0)));
        check("2026-11-23T08:50:48.123456789-05:00", Some((1_795_441_848, 123_456_789)));
        check("2026-11-23T08:50:48.1234567891234+0530", Some((1_795_404_048, 123_456_789)));
        check("2024-02-29T00:00:00Z", Some((1_709_164_800, 0)));
        check("2500-01-01T00:00:00Z", Some((16_725_225_600, 0)));
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "",
            "2026-11-23",
            "2026-11-23T08:50:48",
            "2026-13-23T08:50:48Z",
            "2023-02-29T00:00:00Z",
            "2026-11-31T08:50:48Z",
            "2026-11-23T24:50:48Z",
            "2026-11-23T08:50:48.Z",
            "2026-11-23T08:50:48ZZ",
            "2026-11-23T08:50:48+25:00",
            "2026-1x-23T08:50:48Z",
            "2026-11-23T08:50:48 Z",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn text_reads_back() {
        for secs in [0, -1, 951_782_400, 1_795_423_848, 4_102_444_799, LAST_SECOND, FIRST_SECOND] {
            for nanos in [0, 1, 500_000_000, 703_931_810, 999_999_999] {
                let time = Time { secs, nanos };
                let text = time.to_rfc3339();
                assert_eq!(Time::parse_rfc3339(text.as_bytes()), Some(time), "{text}");
            }
        }
        assert_eq!(Time { secs: 1_795_423_848, nanos: 703_931_810 }.to_rfc3339(), "2026-11-23T08:50:48.70393181Z");
    }

    #[test]
    fn every_day_of_800_years_has_its_date() {
        let mut expected = (1600, 1, 1);
        for days in days_from_civil(1600, 1, 1)..days_from_civil(2400, 1, 1) {
            assert_eq!(civil_from_days(days), expected);
            assert_eq!(days_from_civil(expected.0, expected.1, expected.2), days);
            expected.2 += 1;
            if expected.2 > days_in_month(expected.0, expected.1) {
                expected = if expected.1 == 12 { (expected.0 + 1, 1, 1) } else { (expected.0, expected.1 + 1, 1) };
            }
        }
    }
}
