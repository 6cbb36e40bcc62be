//! The time of day and the zone of a point in time: the second half of the forms in `stamp`.
//!
//! **Invariant**: a part that is not whole is left where it stands, and what stands behind it is not this file's.

use super::super::words::shaped;
use super::zones::{begins_word, named_zone, signed_zone};
use super::{Cursor, OfDay};

impl Cursor<'_> {
    /// `08:50:48.703`, and the AM or PM behind it; the seconds may be missing where `short` is allowed.
    pub(super) fn time(&mut self, short: bool) -> Option<OfDay> {
        let hour = self.number(1, 2)?;
        self.take(b':')?;
        let minute = self.fixed(2)?;
        let mut of_day = OfDay { hour, minute, second: 0, nanos: 0, has_half: false, has_colon: false };
        if matches!(self.rest(), [b':', b'0'..=b'9', ..]) {
            self.at += 1;
            // libvirt's `08:50:8.703+0000`.
            let digits = if matches!(self.rest(), [_, b'.', b'0'..=b'9', ..]) { 1 } else { 2 };
            of_day.second = self.fixed(digits)?;
            let (at, colon) = (self.at, self.peek() == Some(b':'));
            of_day.nanos = self.fraction();
            of_day.has_colon = colon && self.at > at;
        } else if !short {
            return None;
        }
        self.half(&mut of_day)?;
        Some(of_day)
    }

    /// AM or PM, where it is there. Newer Javas write a narrow space before it.
    fn half(&mut self, of_day: &mut OfDay) -> Option<()> {
        let rest = self.rest();
        let gap = if rest.starts_with("\u{202f}".as_bytes()) { 3 } else { usize::from(rest.first() == Some(&b' ')) };
        let is_pm = match rest.get(gap..) {
            Some([b'A' | b'a', b'M' | b'm', after @ ..]) if !begins_word(after) => false,
            Some([b'P' | b'p', b'M' | b'm', after @ ..]) if !begins_word(after) => true,
            _ => return Some(()),
        };
        if !(1..=12).contains(&of_day.hour) {
            return None;
        }
        of_day.hour = of_day.hour % 12 + if is_pm { 12 } else { 0 };
        of_day.has_half = true;
        self.at += gap + 2;
        Some(())
    }

    /// `085048`.
    pub(super) fn compact_time(&mut self) -> Option<OfDay> {
        if self.digit_count() != 6 {
            return None;
        }
        let (hour, minute, second) = (self.fixed(2)?, self.fixed(2)?, self.fixed(2)?);
        Some(OfDay { hour, minute, second, nanos: self.fraction(), has_half: false, has_colon: false })
    }

    /// `8:5:48:7`, where the last part is milliseconds.
    pub(super) fn loose_time(&mut self) -> Option<OfDay> {
        let hour = self.number(1, 2)?;
        self.take(b':')?;
        let minute = self.number(1, 2)?;
        self.take(b':')?;
        let second = self.number(1, 2)?;
        let nanos = match self.peek() {
            Some(b':') => {
                let at = self.at;
                self.at += 1;
                match self.number(1, 3) {
                    Some(millis) => millis * 1_000_000,
                    // A process's number stands there in Greenplum's lines.
                    None => {
                        self.at = at;
                        0
                    }
                }
            }
            _ => self.fraction(),
        };
        Some(OfDay { hour, minute, second, nanos, has_half: false, has_colon: false })
    }

    /// `-08.50.48.703931`.
    pub(super) fn dotted_time(&mut self) -> Option<OfDay> {
        self.take(b'-')?;
        let hour = self.fixed(2)?;
        self.take(b'.')?;
        let minute = self.fixed(2)?;
        self.take(b'.')?;
        let second = self.fixed(2)?;
        Some(OfDay { hour, minute, second, nanos: self.fraction(), has_half: false, has_colon: false })
    }

    /// `08.50.48`, `08-50-48` behind a date and what parts them.
    pub(super) fn signed_time(&mut self) -> Option<OfDay> {
        let signed = match self.rest().get(2)? {
            b'.' => shaped(self.rest(), b"00.00.00"),
            b'-' => shaped(self.rest(), b"00-00-00"),
            _ => None,
        };
        signed.filter(|behind| !behind.first().is_some_and(u8::is_ascii_alphanumeric))?;
        let hour = self.fixed(2)?;
        self.at += 1;
        let minute = self.fixed(2)?;
        self.at += 1;
        let second = self.fixed(2)?;
        Some(OfDay { hour, minute, second, nanos: self.fraction(), has_half: false, has_colon: false })
    }

    /// DB2's zone, in minutes: the `+060` of `2026-11-23-09.50.48.703931+060`. In seconds; 0 where nothing stands.
    pub(super) fn minutes_of_zone(&mut self) -> i64 {
        let [sign @ (b'+' | b'-'), a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] = self.rest() else {
            return 0;
        };
        let minutes = [a, b, c].iter().fold(0, |sum, digit| sum * 10 + i64::from(**digit - b'0'));
        if begins_word(rest) || minutes > 14 * 60 {
            return 0;
        }
        let seconds = if *sign == b'-' { -minutes * 60 } else { minutes * 60 };
        self.at += 4;
        seconds
    }

    /// An optional fraction of a second in nanoseconds; digits past these are cut off.
    pub(super) fn fraction(&mut self) -> u32 {
        let [b'.' | b',' | b':', digits @ ..] = self.rest() else { return 0 };
        let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        // Behind a colon other things stand, too: `08:50:48:703` is one, `08:50:48:7` is none.
        if count == 0 || (self.peek() == Some(b':') && count != 3 && count != 6) {
            return 0;
        }
        let digit = |at: usize| digits[..count].get(at).map_or(0, |byte| u32::from(byte - b'0'));
        let nanos = (0..9).fold(0, |sum, at| sum * 10 + digit(at));
        self.at += 1 + count;
        nanos
    }

    /// Seconds east of UTC, of what stands there: `Z`, `+01:00`, ` +0100`, `+01`, ` UTC`; 0 where nothing does.
    pub(super) fn zone(&mut self) -> i64 {
        let rest = self.rest();
        let gap = rest.iter().take(2).take_while(|&&byte| byte == b' ').count();
        let Some(zone) = rest.get(gap..) else { return 0 };
        let (offset, length) = match zone {
            [b'Z' | b'z', after @ ..] if gap == 0 && !begins_word(after) => (0, 1),
            [b'+' | b'-', ..] => match signed_zone(zone, gap == 0) {
                Some(found) => found,
                None => return 0,
            },
            _ if gap > 0 || zone.first().is_some_and(u8::is_ascii_uppercase) => {
                let length = zone.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
                let behind = zone.get(length..).unwrap_or_default();
                match named_zone(&zone[..length]) {
                    Some(offset) if !begins_word(behind) => match signed_zone(behind, true) {
                        // JavaScript's `GMT+0100`.
                        Some((signed, signed_length)) if offset == 0 => (signed, length + signed_length),
                        _ => (offset, length),
                    },
                    _ => return 0,
                }
            }
            _ => return 0,
        };
        self.at += gap + length;
        offset
    }
}
