//! The time at a line's beginning, read fast because the last one is remembered.
//!
//! Neighbouring lines of a file mostly share the minute and the zone, so only the seconds and the fraction are
//! read anew. **Invariant**: what is remembered changes how fast a time is read and never what it is; a property
//! test compares with [`Time::parse_rfc3339`].

use crate::model::time::Time;

/// The minute and the zone of the last time that was read.
#[derive(Clone, Debug)]
pub struct TimeCache {
    /// `YYYY-MM-DDTHH:MM` as it stood in the line; zeros, which no line matches, before the first.
    minute: [u8; 16],
    /// The second at which that minute begins, the zone taken into account.
    secs: i64,
    /// `Z` or `+hh:mm`, as it stood in the line; the first `zone_len` bytes count.
    zone: [u8; 6],
    /// At least 1.
    zone_len: usize,
}

impl Default for TimeCache {
    fn default() -> Self {
        Self { minute: [0; 16], secs: 0, zone: *b"Z     ", zone_len: 1 }
    }
}

impl TimeCache {
    /// The time that `text` begins with (it ends at a space, a quote or the text's end), and its length in bytes.
    #[inline]
    pub fn read(&mut self, text: &[u8]) -> Option<(Time, usize)> {
        self.read_remembered(text).or_else(|| self.read_slow(text))
    }

    /// A time of the remembered minute and zone with 8 or 9 digits of fraction, which is what 99 of 100 lines have.
    #[inline]
    fn read_remembered(&self, text: &[u8]) -> Option<(Time, usize)> {
        let head: &[u8; 29] = text.first_chunk()?;
        if head[..16] != self.minute || head[16] != b':' || head[19] != b'.' {
            return None;
        }
        let (tens, ones) = (head[17].wrapping_sub(b'0'), head[18].wrapping_sub(b'0'));
        if tens > 5 || ones > 9 {
            return None;
        }
        let digits: &[u8; 8] = head[20..28].try_into().ok()?;
        let mut nanos = eight_digits(*digits)? * 10;
        let mut at = 28;
        let ninth = head[28].wrapping_sub(b'0');
        if ninth <= 9 {
            nanos += u32::from(ninth);
            at = 29;
        }
        let rest = text[at..].strip_prefix(&self.zone[..self.zone_len])?;
        if !ends(rest) {
            return None;
        }
        let time = Time { secs: self.secs + i64::from(tens * 10 + ones), nanos };
        Some((time, at + self.zone_len))
    }

    fn read_slow(&mut self, text: &[u8]) -> Option<(Time, usize)> {
        // No time of ours is longer than 64 bytes, and a line without one should not be searched to its end.
        let window = &text[..text.len().min(64)];
        let len = window.iter().position(|byte| matches!(byte, b' ' | b'"')).unwrap_or(window.len());
        let text = &text[..len];
        let time = Time::parse_rfc3339(text)?;
        self.remember(text, time);
        Some((time, len))
    }

    /// `text` is the whole of a valid time.
    fn remember(&mut self, text: &[u8], time: Time) {
        let Some((minute, rest)) = text.split_first_chunk::<16>() else { return };
        let [b':', tens, ones, rest @ ..] = rest else { return };
        let zone_at = rest.iter().position(|byte| !matches!(byte, b'.' | b',' | b'0'..=b'9'));
        let Some(zone) = zone_at.map(|at| &rest[at..]).filter(|zone| zone.len() <= 6) else { return };
        self.minute = *minute;
        self.secs = time.secs - i64::from((tens - b'0') * 10 + (ones - b'0'));
        self.zone[..zone.len()].copy_from_slice(zone);
        self.zone_len = zone.len();
    }
}

fn ends(rest: &[u8]) -> bool {
    matches!(rest.first(), None | Some(b' ' | b'"'))
}

/// Eight decimal digits at once: each step joins neighbours (1 → 2 → 4 → 8 digits) in parts of one word.
fn eight_digits(digits: [u8; 8]) -> Option<u32> {
    const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
    let word = u64::from_le_bytes(digits);
    let values = word.wrapping_sub(0x3030_3030_3030_3030);
    // Below `0` the subtraction borrows, above `9` the addition reaches the high bit.
    if (word.wrapping_add(0x4646_4646_4646_4646) | values | word) & HIGH_BITS != 0 {
        return None;
    }
    let pairs = values.wrapping_mul(10).wrapping_add(values >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    let eight = fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff;
    Some(eight as u32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(cache: &mut TimeCache, text: &str) {
        let end = text.find([' ', '"']).unwrap_or(text.len());
        let expected = Time::parse_rfc3339(&text.as_bytes()[..end]).map(|time| (time, end));
        assert_eq!(cache.read(text.as_bytes()), expected, "{text}");
    }

    #[test]
    fn times_in_a_row() {
        let mut cache = TimeCache::default();
        for text in [
            "2026-11-23T08:50:48.70393181Z stdout",
            "2026-11-23T08:50:59.703931812Z stdout",
            "2026-11-23T08:50:60.703931812Z",
            "2026-11-23T08:50:61.703931812Z",
            "2026-11-23T08:50:48.7Z ",
            "2026-11-23T08:50:48Z",
            "2026-11-23T08:50:48.123456789+00:00 x",
            "2026-11-23T08:50:49.12345678+00:00\"",
            "2026-11-23T08:50:49.123456789-05:00 x",
            "2026-11-23T08:50:49.1234567891Z x",
            "2026-11-23T08:50:49.12345678xZ x",
            "2026-11-23T08:50:49.123456789Zx",
            "2026-11-23T08:50:49.1234/678Z x",
            "2026-11-23T08:50:49.1234:678Z x",
            "2026-11-23T08:51:00.123456789Z x",
            "",
            "2026-11-23T08:51:00.123456789",
        ] {
            check(&mut cache, text);
            check(&mut cache, text);
        }
    }

    proptest! {
        #[test]
        fn the_cache_changes_nothing(
            texts in proptest::collection::vec(
                r#"2026-11-23T08:5[01]:[0-6][0-9](\.[0-9]{0,10}|\.[0-9]{7,9})(Z|z|\+00:00|-05:00|\+0530|)[ "x]?"#,
                1..20,
            ),
        ) {
            let mut cache = TimeCache::default();
            for text in &texts {
                check(&mut cache, text);
            }
        }

        #[test]
        fn eight_digits_as_the_library_reads_them(bytes in any::<[u8; 8]>(), number in 0_u32..100_000_000) {
            let expected = std::str::from_utf8(&bytes).ok().filter(|text| !text.starts_with('+')).and_then(|text| text.parse().ok());
            prop_assert_eq!(eight_digits(bytes), expected);
            let text = format!("{number:08}");
            let digits: [u8; 8] = text.as_bytes().try_into().expect("eight digits");
            prop_assert_eq!(eight_digits(digits), Some(number));
        }
    }
}
