//! Sizes and durations as people write them: `64MiB`, `1s`, `250ms`, `1h30m`.

use std::time::Duration;

/// Units of sizes and their bytes: decimal, binary, and binary as Kubernetes writes them.
pub const SIZE_UNITS: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
];

/// Units of durations and their nanoseconds.
pub const DURATION_UNITS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Parses a size in bytes: digits and one of `B kB MB GB KiB MiB GiB TiB` (or `Ki Mi Gi Ti`). The error says what is expected.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let expected = || "expected a size such as `64MiB`, `512KiB` or `1MB`".to_owned();
    let (number, unit) = split(text.trim());
    let factor = SIZE_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    match (number.parse::<u64>(), factor) {
        (Ok(0), None) if unit.is_empty() => Ok(0),
        (Ok(number), Some(factor)) => number.checked_mul(factor).ok_or_else(|| format!("`{text}` is too large")),
        _ => Err(expected()),
    }
}

/// Parses a duration: digits and a unit of `ns us ms s m h d`, once or several times (`1h30m`).
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let expected = || "expected a duration such as `250ms`, `1s`, `5m` or `1h30m`".to_owned();
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(expected());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (number, behind) = split(rest);
        let unit_len = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, next) = behind.split_at(unit_len);
        let factor = DURATION_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
        let (Ok(number), Some(factor)) = (number.parse::<u64>(), factor) else {
            return Err(expected());
        };
        total = number
            .checked_mul(factor)
            .and_then(|part| total.checked_add(part))
            .ok_or_else(|| format!("`{text}` is too long"))?;
        rest = next;
    }
    Ok(Duration::from_nanos(total))
}

/// Digits and what follows them, without the space between.
fn split(text: &str) -> (&str, &str) {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(at);
    (number, rest.trim_start())
}

/// A size as a person reads it: the largest binary unit that divides it, else bytes.
pub fn format_bytes(bytes: u64) -> String {
    for (name, factor) in [("TiB", 1_u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes >= factor && bytes.is_multiple_of(factor) {
            return format!("{}{name}", bytes / factor);
        }
    }
    format!("{bytes}B")
}

/// A duration as a person reads it, such that [`parse_duration`] reads it back.
pub fn format_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    for (name, factor) in DURATION_UNITS.iter().rev() {
        if nanos >= u128::from(*factor) && nanos.is_multiple_of(u128::from(*factor)) {
            return format!("{}{name}", nanos / u128::from(*factor));
        }
    }
    "0s".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(parse_bytes("64MiB"), Ok(64 << 20));
        assert_eq!(parse_bytes("1 MB"), Ok(1_000_000));
        assert_eq!(parse_bytes("0"), Ok(0));
        for wrong in ["", "64", "MiB", "64 mib", "-1MiB", "1.5MiB", "99999999999TiB"] {
            assert!(parse_bytes(wrong).is_err(), "{wrong}");
        }
        for bytes in [0, 1, 1023, 1 << 20, 3 << 30] {
            assert_eq!(parse_bytes(&format_bytes(bytes)), Ok(bytes));
        }
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("0"), Ok(Duration::ZERO));
        for wrong in ["", "5", "s", "1 sec", "-1s", "1.5s", "999999999999999d"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
        for nanos in [0, 1_000_000, 90_000_000_000, 86_400_000_000_000] {
            let duration = Duration::from_nanos(nanos);
            assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
    }
}
