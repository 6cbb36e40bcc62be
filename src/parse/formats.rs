//! The forms of a time that settings name.
//!
//! ```text
//! rfc3339   2026-11-23T08:50:48.703Z         epoch_s   1795423848.703       %d.%m.%Y %H:%M:%S   23.11.2026 08:50:48
//! rfc2822   Mon, 23 Nov 2026 08:50:48 GMT    epoch_ms  1795423848703        auto                whatever is known
//! ```
//!
//! **Invariant**: all of the text is the time. A year, or a date, that the form leaves out is the one that puts the time nearest to a
//! time that every replay knows. What says no zone is in that of the settings, whose rules come with the program: the machine's are not asked.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

use crate::model::time::Time;

use super::values;

/// How a time is written.
#[derive(Clone, Debug, PartialEq)]
pub enum Format {
    /// In one of the forms that `auto` knows.
    Auto,
    /// RFC 3339; without a zone, too.
    Rfc3339,
    /// RFC 2822.
    Rfc2822,
    /// A number of units since 1970, of so many nanoseconds each.
    Epoch(i64),
    /// As strptime reads it.
    Strptime(String),
}

/// The names of formats, and what they are.
const NAMES: [(&str, Format); 7] = [
    ("auto", Format::Auto),
    ("rfc3339", Format::Rfc3339),
    ("rfc2822", Format::Rfc2822),
    ("epoch_s", Format::Epoch(1_000_000_000)),
    ("epoch_ms", Format::Epoch(1_000_000)),
    ("epoch_us", Format::Epoch(1_000)),
    ("epoch_ns", Format::Epoch(1)),
];

static MAIL: DateTimeParser = DateTimeParser::new();

impl Format {
    /// The format that is typed so. The error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some((_, format)) = NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(format.clone());
        }
        if !text.contains('%') {
            let names = NAMES.map(|(name, _)| format!("`{name}`")).join(", ");
            return Err(format!("unknown format `{text}`; known: {names}, and strptime's such as `%d/%b/%Y %H:%M:%S`"));
        }
        // What writes a time and cannot read it again is none.
        let written = Timestamp::new(1_795_423_848, 703_931_810).map(BrokenDownTime::from);
        let written = written.and_then(|time| time.to_string(text)).map_err(|error| format!("`{text}`: {error}"))?;
        let read = BrokenDownTime::parse(text, &written).map_err(|error| format!("`{text}`: {error}"))?;
        let near = Time { secs: 1_795_423_848, nanos: 0 };
        match of_parts(read, near, &TimeZone::UTC) {
            Some(time) if (time.secs - near.secs).abs() < 86_400 => Ok(Self::Strptime(text.to_owned())),
            _ => Err(format!("`{text}` does not say a time: it needs a day and a month, or an hour, at the least")),
        }
    }

    /// The time that all of `text` is; `near` is a time that it is not far from, `zone` that of times that say none.
    pub fn read(&self, text: &str, near: Time, zone: &TimeZone) -> Option<Time> {
        let text = text.trim_ascii();
        match self {
            Self::Auto => values::time_of(text, near),
            Self::Rfc3339 => Time::parse_rfc3339(text.as_bytes()).or_else(|| {
                let civil = Time::parse_rfc3339(format!("{text}Z").as_bytes())?;
                let civil = Timestamp::new(civil.secs, i32::try_from(civil.nanos).ok()?).ok()?;
                local(Offset::UTC.to_datetime(civil), zone)
            }),
            Self::Rfc2822 => MAIL.parse_timestamp(text).ok().map(time),
            Self::Epoch(unit) => values::since_1970(text, *unit),
            Self::Strptime(format) => of_parts(BrokenDownTime::parse(format, text).ok()?, near, zone),
        }
    }
}

/// The zone that is typed so: `UTC`, `+02:00`, `Europe/Berlin`.
pub fn zone(text: &str) -> Result<TimeZone, String> {
    let fixed = |text: &str| {
        let (hours, minutes) = text.get(1..)?.split_once(':').or_else(|| text.get(1..)?.split_at_checked(2))?;
        let is_two = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let (hours, minutes) = (
            is_two(hours).then(|| hours.parse::<i32>().ok())??,
            is_two(minutes).then(|| minutes.parse::<i32>().ok())??,
        );
        let seconds = hours * 3_600 + minutes * 60;
        let seconds = if text.starts_with('-') { -seconds } else { seconds };
        Offset::from_seconds(seconds).ok().filter(|_| hours < 24 && minutes < 60)
    };
    if text.starts_with(['+', '-']) {
        let wrong = || "expected an offset from UTC such as `+02:00`".to_owned();
        return fixed(text).map(TimeZone::fixed).ok_or_else(wrong);
    }
    let unknown = |_| "expected `UTC`, an offset such as `+02:00`, or a name such as `Europe/Berlin`".to_owned();
    TimeZoneDatabase::bundled().get(text).map_err(unknown)
}

fn time(timestamp: Timestamp) -> Time {
    Time::from_nanos(timestamp.as_nanosecond())
}

/// Of a time that a clock shows twice the first, of one that it leaps over the one behind the leap.
fn local(civil: DateTime, zone: &TimeZone) -> Option<Time> {
    zone.to_timestamp(civil).ok().map(time)
}

/// The time that was written in parts.
fn of_parts(mut parts: BrokenDownTime, near: Time, zone: &TimeZone) -> Option<Time> {
    if let Some(timestamp) = parts.timestamp() {
        return Some(time(timestamp));
    }
    let own = match (parts.offset(), parts.iana_time_zone()) {
        (Some(offset), _) => Some(TimeZone::fixed(offset)),
        (None, Some(name)) => Some(TimeZoneDatabase::bundled().get(name).ok()?),
        (None, None) => None,
    };
    let zone = own.as_ref().unwrap_or(zone);
    let has_day = parts.day().is_some() && parts.month().is_some() || parts.day_of_year().is_some();
    let has_week =
        parts.iso_week().is_some() || parts.sunday_based_week().is_some() || parts.monday_based_week().is_some();
    let has_year = parts.year().is_some() || parts.iso_week_year().is_some();
    if has_year {
        return local(parts.to_datetime().ok()?, zone);
    }
    if has_week || !has_day && parts.hour().is_none() {
        return None;
    }
    let here = Timestamp::new(near.secs, 0).ok().map(|near| zone.to_datetime(near))?;
    let nearest = |times: [Option<Time>; 3]| {
        times.into_iter().flatten().min_by_key(|time| time.as_nanos().abs_diff(near.as_nanos()))
    };
    if has_day {
        return nearest([0, -1, 1].map(|years| {
            parts.set_year(Some(here.year().checked_add(years)?)).ok()?;
            local(parts.to_datetime().ok()?, zone)
        }));
    }
    let of_day = parts.to_time().ok()?;
    nearest([0_i64, -1, 1].map(|days| {
        let date = here.date().checked_add(jiff::Span::new().days(days)).ok()?;
        local(date.to_datetime(of_day), zone)
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(format: &str, in_zone: &str, text: &str, expected: &str) {
        let format = Format::parse(format).expect("a format");
        let near = Time { secs: 1_795_423_848, nanos: 0 };
        let found = format.read(text, near, &zone(in_zone).expect("a zone")).map(Time::to_rfc3339);
        assert_eq!(found.as_deref().unwrap_or("none"), expected, "{text} as {format:?} in {in_zone}");
    }

    #[test]
    fn times_in_the_formats_of_settings() {
        check("rfc3339", "UTC", "2026-11-23T08:50:48.703+01:00", "2026-11-23T07:50:48.703Z");
        check("rfc3339", "Europe/Berlin", "2026-11-23T08:50:48", "2026-11-23T07:50:48Z");
        check("rfc3339", "Europe/Berlin", "2026-07-23 08:50:48,5", "2026-07-23T06:50:48.5Z");
        check("rfc3339", "UTC", "23/Nov/2026:08:50:48 +0000", "none");
        check("rfc2822", "UTC", "Mon, 23 Nov 2026 08:50:48 +0200", "2026-11-23T06:50:48Z");
        check("epoch_s", "UTC", "1795423848", "2026-11-23T08:50:48Z");
        check("epoch_s", "UTC", "1.795423848703931e9", "2026-11-23T08:50:48.703931Z");
        check("epoch_ms", "UTC", "1795423848703", "2026-11-23T08:50:48.703Z");
        check("epoch_ms", "UTC", "1795423848703.5", "2026-11-23T08:50:48.7035Z");
        check("epoch_us", "UTC", "1795423848703931", "2026-11-23T08:50:48.703931Z");
        check("epoch_ns", "UTC", "1795423848703931810", "2026-11-23T08:50:48.70393181Z");
        check("epoch_ns", "UTC", "soon", "none");
        check("auto", "UTC", "23/Nov/2026:08:50:48 +0000", "2026-11-23T08:50:48Z");
        check("%d.%m.%Y %H:%M:%S", "+02:00", "23.11.2026 08:50:48", "2026-11-23T06:50:48Z");
        check("%d.%m.%Y %H:%M:%S", "UTC", "23.11.2026 08:50:48 or so", "none");
        check("%d.%m.%Y %H:%M:%S", "UTC", "31.11.2026 08:50:48", "none");
        check("%d/%b/%Y:%H:%M:%S %z", "America/New_York", "23/Nov/2026:08:50:48 +0100", "2026-11-23T07:50:48Z");
        check("%m/%d/%Y %I:%M:%S%.f %p", "America/New_York", "07/04/2026 08:50:48.25 PM", "2026-07-05T00:50:48.25Z");
        check("%s", "UTC", "1795423848", "2026-11-23T08:50:48Z");
    }

    #[test]
    fn what_is_left_out_is_near() {
        check("%b %e %H:%M:%S", "UTC", "Nov 23 08:50:47", "2026-11-23T08:50:47Z");
        check("%b %e %H:%M:%S", "UTC", "Jan  2 00:00:00", "2027-01-02T00:00:00Z");
        check("%b %e %H:%M:%S", "UTC", "Jul 31 00:00:00", "2026-07-31T00:00:00Z");
        check("%b %e %H:%M:%S", "UTC", "Feb 29 00:00:00", "none");
        check("%H:%M:%S%.f", "UTC", "23:59:59.5", "2026-11-22T23:59:59.5Z");
        check("%H:%M:%S%.f", "Asia/Tokyo", "17:50:49", "2026-11-23T08:50:49Z");
    }

    #[test]
    fn what_is_no_format_is_said() {
        for text in ["rfc", "%Y", "%Q", "%H:%M:%", "%Z", "%A", "%M:%S", "%U %H", "%c"] {
            assert!(Format::parse(text).is_err(), "{text}: {:?}", Format::parse(text));
        }
        for text in ["Mars/Olympus", "+25:00", "+1", "-02:60", ""] {
            assert!(zone(text).is_err(), "{text}");
        }
        for text in ["UTC", "+0530", "-03:00", "Europe/Berlin", "America/Argentina/Buenos_Aires"] {
            assert!(zone(text).is_ok(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_is_no_time(text in "[0-9TZ:.+e /-]{0,30}|\\PC{0,20}", secs in -62_000_000_000_i64..253_000_000_000) {
            for format in ["auto", "rfc3339", "rfc2822", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns", "%d/%b/%Y:%H:%M:%S %z", "%b %e %H:%M:%S", "%H:%M"] {
                let format = Format::parse(format).map_err(TestCaseError::fail)?;
                format.read(&text, Time { secs, nanos: 0 }, &TimeZone::UTC);
            }
        }

        /// A year that was left out is found again, in any replay.
        #[test]
        fn a_year_is_found_again(secs in 0_i64..4_000_000_000, away in -15_000_000_i64..15_000_000) {
            let format = Format::parse("%m-%d %H:%M:%S").map_err(TestCaseError::fail)?;
            let text = BrokenDownTime::from(Timestamp::new(secs, 0).expect("a time")).to_string("%m-%d %H:%M:%S").expect("a text");
            let near = Time { secs: secs + away, nanos: 0 };
            prop_assert_eq!(format.read(&text, near, &TimeZone::UTC), Some(Time { secs, nanos: 0 }));
        }
    }
}
