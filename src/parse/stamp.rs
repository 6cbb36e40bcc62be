//! The forms in which programs write a point in time, read at a given place.
//!
//! ```text
//! 2026-11-23T08:50:48.703Z   2026-11-23 08:50:48,703 +0100   2026/11/23 08:50:48   2026.11.23 08:50:48
//! 2026-11-23-08.50.48.703931 20261123-8:50:48:703   20261123T085048Z   20261123085048   261123 085048
//! 26/11/23 08:50:48   11/23/2026 8:50:48 AM   23.11.2026 08:50:48   11-23 08:50:48.703   11.23 08:50:48
//! 23/Nov/2026:08:50:48 +0000   23-Nov-2026 08:50:48.703   23 Nov 2026 08:50:48   Nov 23, 2026 8:50:48 AM
//! 2026:11:23-08:50:48   CET Nov 23 09:50:48   Nov-23 08:50:48   Nov-23-26 08:50:48   20261123:085048
//! 23Nov2026  8:50:48   11-23|08:50:48   11/23/26 8:50:48:703 UTC   11/23/2026:08:50:48   June 16, 2026 16:43
//! Nov 23 08:50:48   Mon Nov 23 08:50:48.703931 2026   Mon, 23 Nov 2026 08:50:48 GMT   Mon Nov 23 08:50:48 UTC 2026
//! ```
//!
//! **Invariant**: a date and a time of day are both there, both exist in the calendar, and the form ends where the digits
//! and letters end. A form that can be read in two ways (`04/05/2026` without AM or PM) is none, unless a sign that only one
//! of them has decides (`names`: names of months, `of_day`: times of day and zones). What says no zone is in
//! UTC; so is what names a zone whose name means several.

use crate::model::time::{Civil, Time};

use super::words::shaped;
use zones::named_zone;

mod cursor;
mod names;
mod of_day;
mod zones;

/// A point in time as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The date, the time of day and the zone; the year means nothing where it was left out.
    civil: Civil,
    /// Whether the year was written.
    has_year: bool,
}

impl Stamp {
    /// The point in time. A year that was left out is the one that puts it nearest to `near`.
    pub(super) fn near(self, near: Time) -> Option<Time> {
        if self.has_year {
            return Time::from_civil(self.civil).filter(|time| EPOCHS.contains(&time.secs));
        }
        let (year, ..) = near.date();
        let of_year = |year| Time::from_civil(Civil { year, ..self.civil });
        [year, year - 1, year + 1]
            .into_iter()
            .filter_map(of_year)
            .min_by_key(|time| time.as_nanos().abs_diff(near.as_nanos()))
    }
}

/// Seconds that a log may be from: 1980 to 2100. What is outside is no time, or a clock that was never set.
pub(super) const EPOCHS: std::ops::Range<i64> = 315_532_800..4_102_444_800;

/// The time that `text` begins with, and how many bytes it takes.
pub(super) fn read(text: &[u8]) -> Option<(Stamp, usize)> {
    begin(text, false)
}

/// As [`read`], of a program that is known to write the month before the day: `03/07/2026 - 08:50:48`.
pub(super) fn read_month_first(text: &[u8]) -> Option<(Stamp, usize)> {
    begin(text, true)
}

fn begin(text: &[u8], month_first: bool) -> Option<(Stamp, usize)> {
    let mut cursor = Cursor { text, at: 0, month_first };
    let stamp = match text.first()? {
        b'0'..=b'9' => cursor.digits_first(),
        b'A'..=b'Z' | b'a'..=b'z' => cursor.letters_first(),
        _ => None,
    }?;
    let ends = !text.get(cursor.at).is_some_and(u8::is_ascii_alphanumeric);
    ends.then_some((stamp, cursor.at))
}

/// `text`, as far as it was read.
struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
    /// Whether a month stands before its day where both could be either.
    month_first: bool,
}

/// A time of day.
#[derive(Clone, Copy)]
struct OfDay {
    hour: u32,
    minute: u32,
    second: u32,
    nanos: u32,
    /// Whether AM or PM was written.
    has_half: bool,
    /// Whether a colon stands before the fraction of a second.
    has_colon: bool,
}

impl Cursor<'_> {
    fn digits_first(&mut self) -> Option<Stamp> {
        match self.digit_count() {
            count @ (1 | 2) if self.rest().get(count) == Some(&b':') => self.time_first(),
            1 | 2 => self.short_first(),
            4 => self.year_first(),
            6 => self.six_digits(),
            8 => self.eight_digits(),
            14 => {
                let (year, month, day) = (self.fixed(4)?, self.fixed(2)?, self.fixed(2)?);
                let of_day = OfDay {
                    hour: self.fixed(2)?,
                    minute: self.fixed(2)?,
                    second: self.fixed(2)?,
                    nanos: self.fraction(),
                    has_half: false,
                    has_colon: false,
                };
                self.stamp(Some(year), month, day, of_day)
            }
            _ => None,
        }
    }

    /// `08:50:48 23/11/2026`, `08:50:48,703 2026-11-23`, `08:50:48, 23 Nov 2026`: a date behind the time of day.
    fn time_first(&mut self) -> Option<Stamp> {
        let of_day = self.time(false)?;
        self.take_any(b",");
        if self.spaces() == 0 {
            return None;
        }
        let (first_digits, first) = (self.digit_count(), self.number(1, 4)?);
        let sign = self.take_any(b"-/. ")?;
        let name = self.month();
        let second = match name {
            Some(month) => month,
            None if sign != b' ' => self.number(1, 2)?,
            None => return None,
        };
        self.take(sign)?;
        let (year, month, day) = match first_digits {
            4 => (first, second, self.number(1, 2)?),
            1 | 2 if name.is_some() || sign == b'.' || first > 12 => (self.fixed(4)?, second, first),
            1 | 2 if second > 12 || of_day.has_half => (self.fixed(4)?, first, second),
            _ => return None,
        };
        self.stamp(Some(year), month, day, of_day)
    }

    /// `2026-11-23 08:50:48`, `2026 Nov 23 08:50:48`.
    fn year_first(&mut self) -> Option<Stamp> {
        let year = self.fixed(4)?;
        let sign = self.take_any(b"-/.: ")?;
        let month = match self.month() {
            Some(month) => month,
            None if sign != b' ' => self.number(1, 2)?,
            None => return None,
        };
        self.take(sign)?;
        // Cisco's `2026 Nov  3 08:50:48`.
        if sign == b' ' {
            self.spaces();
        }
        let day = self.number(1, 2)?;
        let of_day = if self.peek() == Some(b'-') && shaped(self.rest(), b"-00.00.00").is_some() {
            let of_day = self.dotted_time()?;
            let mut stamp = self.stamp(Some(year), month, day, of_day)?;
            stamp.civil.offset += self.minutes_of_zone();
            return Some(stamp);
        } else {
            self.parting()?;
            // `2026-11-23 08.50.48`, `2026-11-23_08-50-48`.
            match self.signed_time() {
                Some(of_day) => of_day,
                None => self.time(true)?,
            }
        };
        self.stamp(Some(year), month, day, of_day)
    }

    /// What may stand between a date and a time of day.
    fn parting(&mut self) -> Option<()> {
        // `[2026-11-23][08:50:48]`.
        if self.rest().starts_with(b"][") {
            self.at += 2;
            return Some(());
        }
        match self.take_any(b"Tt_-:,| \t")? {
            b',' => (self.spaces() > 0 || self.peek()?.is_ascii_digit()).then_some(()),
            b' ' => {
                self.spaces();
                // Gin's `2026/11/23 - 08:50:48`, Suricata's `23/11/2026 -- 08:50:48`.
                // Kibana's `Nov 23, 2026 @ 08:50:48`.
                if matches!(self.rest(), [b'-' | b'@' | b'|', b' ', ..]) {
                    self.at += 2;
                } else if self.rest().starts_with(b"-- ") || self.rest().starts_with(b"at ") {
                    self.at += 3;
                }
                Some(())
            }
            // RabbitMQ's `23-Nov-2026::08:50:48`.
            b':' => {
                self.take_any(b":");
                Some(())
            }
            _ => Some(()),
        }
    }

    /// `261123 085048`, `261123  8:50:48`.
    fn six_digits(&mut self) -> Option<Stamp> {
        let (year, month, day) = (self.fixed(2)?, self.fixed(2)?, self.fixed(2)?);
        if self.spaces() == 0 {
            return None;
        }
        let of_day = self.compact_time().or_else(|| self.time(false))?;
        self.stamp(Some(2000 + year), month, day, of_day)
    }

    /// `20261123T085048Z`, `20261123-8:50:48:703`, `20261123:085048.703`.
    fn eight_digits(&mut self) -> Option<Stamp> {
        let (year, month, day) = (self.fixed(4)?, self.fixed(2)?, self.fixed(2)?);
        self.take_any(b"Tt_-: ")?;
        self.spaces();
        let of_day = self.compact_time().or_else(|| self.loose_time())?;
        self.stamp(Some(year), month, day, of_day)
    }

    /// What begins with a day, a month or a short year.
    fn short_first(&mut self) -> Option<Stamp> {
        let first_digits = self.digit_count();
        let first = self.number(1, 2)?;
        let sign = match self.peek()? {
            // Check Point's `23Nov2026  8:50:48`.
            b'A'..=b'Z' => b'-',
            _ => self.take_any(b"/-. ")?,
        };
        if sign == b' ' {
            self.spaces();
        }
        if let Some(month) = self.month().or_else(|| self.foreign_month()) {
            if matches!(self.rest(), [b'.', b' ' | b'-' | b'/', ..]) {
                self.at += 1;
            }
            let year = match self.peek()? {
                b'0'..=b'9' if sign == b'-' && self.is_year_next() => Some(self.year()?),
                _ => self.year_behind_month()?,
            };
            if year.is_some() {
                self.parting()?;
            }
            // Bacula's `23-Nov 08:50`.
            let of_day = self.time(sign == b'-')?;
            return self.stamp(year, month, first, of_day);
        }
        if sign == b' ' {
            return None;
        }
        let second_digits = self.digit_count();
        let second = self.number(1, 2)?;
        if self.peek() != Some(sign) {
            // Without a year the month comes first: Android's `11-23 08:50:48`, `11/23 08:50:48`, `11.23 08:50:48`.
            if first_digits != 2 || second_digits != 2 || !matches!(self.peek(), Some(b' ' | b'-' | b'|')) {
                return None;
            }
            self.at += 1;
            let of_day = self.time(false)?;
            return self.stamp(None, first, second, of_day);
        }
        self.take(sign)?;
        let third_digits = self.digit_count();
        let third = self.number(2, 4)?;
        // Suricata always writes the day first.
        let is_day_first = sign == b'.' || first > 12 || self.rest().starts_with(b" -- ");
        // NetScaler's and cPanel's `11/03/2026:08:50:48` has the month first.
        let is_joined = sign == b'/' && self.peek() == Some(b':');
        self.parting()?;
        let of_day = self.time(false)?;
        let is_month_first = second > 12 || first == second || of_day.has_half || is_joined || self.month_first;
        let (year, month, day) = match third_digits {
            2 if sign == b'.' => (2000 + third, second, first),
            // WebSphere's `[11/3/26 8:50:48:703 UTC]`.
            2 if second > 12 || of_day.has_colon || of_day.has_half => (2000 + third, first, second),
            // Spark's `26/11/23 08:50:48`; in `11/05/18 08:50:48` the first or the last may be the year.
            2 if first_digits == 2 && second_digits == 2 && (first > 12 || sign == b'-') => {
                (2000 + first, second, third)
            }
            4 if is_day_first => (third, second, first),
            4 if is_month_first => (third, first, second),
            _ => return None,
        };
        self.stamp(Some(year), month, day, of_day)
    }

    /// The year behind a sign and a month's name, where it stands there: `23 Nov 08:50:48` has none.
    fn year_behind_month(&mut self) -> Option<Option<u32>> {
        match self.take_any(b"/-. ")? {
            b' ' if !self.is_year_next() => Some(None),
            _ => Some(Some(self.year()?)),
        }
    }

    /// What begins with a month's or a day's name.
    fn letters_first(&mut self) -> Option<Stamp> {
        if let Some(offset) = self.leading_zone() {
            let mut stamp = self.letters_first()?;
            stamp.civil.offset = offset;
            return Some(stamp);
        }
        if self.weekday().is_some() {
            self.take_any(b",");
            if self.spaces() == 0 {
                return None;
            }
            match self.digit_count() {
                0 => {}
                // journald's `Mon 2026-11-23 08:50:48 CET`.
                4 => return self.year_first(),
                _ => return self.short_first(),
            }
        }
        let month = self.month().or_else(|| self.foreign_month())?;
        if self.rest().starts_with(b". ") {
            self.at += 1;
        }
        if let Some(sign @ (b'-' | b'/')) = self.peek() {
            return self.month_and_sign(month, sign);
        }
        if self.spaces() == 0 {
            return None;
        }
        let day = self.number(1, 2)?;
        self.take_any(b",");
        if self.spaces() == 0 {
            return None;
        }
        let year = if self.is_year_next() {
            let year = self.year()?;
            self.take_any(b",");
            self.spaces();
            let rest = self.rest();
            let between = usize::from(rest.starts_with(b"@ ")) * 2 + usize::from(rest.starts_with(b"at ")) * 3;
            self.at += between;
            Some(year)
        } else {
            None
        };
        // GitLab's `June 16, 2026 16:43`, mpd's `Jun 16 16:43 : x`.
        let is_short = year.is_some() || self.rest().get(5..).is_some_and(|rest| rest.starts_with(b" : "));
        let of_day = self.time(is_short)?;
        let mut stamp = self.stamp(year.or(Some(2000)), month, day, of_day)?;
        stamp.has_year = year.is_some();
        if year.is_none() && self.peek() == Some(b' ') {
            // The year stands last: `Mon Nov 23 08:50:48 2026`.
            let back = self.at;
            self.at += 1;
            let written = if self.is_year_next() { self.year() } else { None };
            match written {
                Some(written) => {
                    stamp.civil.year = i64::from(written);
                    stamp.has_year = true;
                    if stamp.civil.offset == 0 {
                        stamp.civil.offset = self.zone();
                    }
                }
                None => self.at = back,
            }
        }
        Some(stamp)
    }

    /// Monit's zone before the date: `CEST Nov 23 08:50:48`.
    fn leading_zone(&mut self) -> Option<i64> {
        let length = self.rest().iter().take(6).take_while(|byte| byte.is_ascii_uppercase()).count();
        let (name, behind) = self.rest().split_at(length);
        let offset = if behind.first() == Some(&b' ') { named_zone(name)? } else { return None };
        self.at += length + 1;
        Some(offset)
    }

    /// What follows the month's name in `Nov-23 08:50:48`, `Nov-23-26 08:50:48`, RouterOS' `nov/23/2026 08:50:48`.
    fn month_and_sign(&mut self, month: u32, sign: u8) -> Option<Stamp> {
        self.take(sign)?;
        let day = self.fixed(2)?;
        let year = match self.take(sign) {
            Some(()) => Some(self.year()?),
            None => None,
        };
        self.take(b' ')?;
        let of_day = self.time(false)?;
        self.stamp(year, month, day, of_day)
    }

    fn is_year_next(&self) -> bool {
        self.digit_count() == 4
            && matches!(self.rest(), [b'1', b'9', ..] | [b'2', b'0', ..])
            && self.rest().get(4) != Some(&b':')
    }

    fn year(&mut self) -> Option<u32> {
        match self.digit_count() {
            2 => Some(2000 + self.fixed(2)?),
            4 => self.fixed(4),
            _ => None,
        }
    }

    fn stamp(&mut self, year: Option<u32>, month: u32, day: u32, of_day: OfDay) -> Option<Stamp> {
        let offset = self.zone();
        let OfDay { hour, minute, second, nanos, .. } = of_day;
        // A leap year stands for a year that is not known, so that its longest February is allowed.
        let civil = Civil { year: i64::from(year.unwrap_or(2000)), month, day, hour, minute, second, nanos, offset };
        Time::from_civil(civil)?;
        Some(Stamp { civil, has_year: year.is_some() })
    }
}

#[cfg(test)]
mod tests;
