//! Nanoseconds since 1970, UTC, as RFC 3339 writes them, and back. No zones but `Z` and `±hh:mm`, no leap seconds.

const DAY: i64 = 86_400;

/// `2026-11-23T08:50:48`, without fraction and zone.
pub fn seconds_text(seconds: i64) -> String {
    let (year, month, day) = civil(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// As Go's RFC3339Nano: trailing zeros of the fraction trimmed, no fraction where it is zero.
pub fn rfc3339(nanos: i64) -> String {
    let mut text = seconds_text(nanos.div_euclid(1_000_000_000));
    let fraction = nanos.rem_euclid(1_000_000_000);
    if fraction > 0 {
        text.push_str(format!(".{fraction:09}").trim_end_matches('0'));
    }
    text + "Z"
}

/// The nanoseconds of an RFC 3339 time; `None` where it is none.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let days = days(number(0..4)?, number(5..7)?, number(8..10)?);
    let mut seconds = days * DAY + number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?;
    let mut rest = text.get(19..)?;
    let mut nanos = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        nanos = format!("{:0<9}", &fraction[..digits]).get(..9)?.parse().ok()?;
        rest = &fraction[digits..];
    }
    if rest != "Z" {
        let sign = if rest.starts_with('-') { -1 } else { 1 };
        seconds -= sign * (rest.get(1..3)?.parse::<i64>().ok()? * 3600 + rest.get(4..6)?.parse::<i64>().ok()? * 60);
    }
    Some(seconds * 1_000_000_000 + nanos)
}

/// Year, month and day of a day counted from 1970-01-01; Howard Hinnant's `civil_from_days`.
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * march_month + 2) / 5 + 1)
}

/// The reverse of `civil`.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let march_month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * march_month + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    era * 146_097 + of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read() {
        for (nanos, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_500_000_000, "2000-02-29T00:00:00.5Z"),
            (1_795_423_848_703_931_810, "2026-11-23T08:50:48.70393181Z"),
        ] {
            assert_eq!(rfc3339(nanos), text);
            assert_eq!(parse_rfc3339(text), Some(nanos));
        }
        assert_eq!(parse_rfc3339("2026-11-23T03:50:48.703931810-05:00"), Some(1_795_423_848_703_931_810));
        assert_eq!(parse_rfc3339("yesterday"), None);
    }
}
