//! Texts as values of a type: numbers, truth values, times, durations, sizes.
//!
//! **Invariant**: total; what is written is one JSON value (RFC 8259) whatever the text. A text that is only partly of its type is not
//! of it: nothing of a line is lost by a type.

use crate::model::text::Text;
use crate::model::time::Time;

use super::{stamp, time};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A whole number that fits 64 bits with a sign.
    Int,
    /// A number; always with a point or an exponent.
    Float,
    /// `true` or `false`; `yes`, `no`, `on`, `off`, `1` and `0` too.
    Bool,
    /// A point in time; becomes RFC 3339 in UTC.
    Time,
    /// A length of time; becomes a number of seconds, as a [`Type::Float`].
    Duration,
    /// A size; becomes a number of bytes.
    Bytes,
    /// A text, also where the line has a number.
    Text,
}

/// The names of types, as they are typed.
pub const TYPES: [(&str, Type); 7] = [
    ("int", Type::Int),
    ("float", Type::Float),
    ("bool", Type::Bool),
    ("time", Type::Time),
    ("duration", Type::Duration),
    ("bytes", Type::Bytes),
    ("text", Type::Text),
];

/// How a text is a value of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It is the JSON value as it stands.
    Itself,
    /// It says that there is no value.
    Nothing,
    /// The JSON value was appended.
    Written,
    /// It is not of this type.
    Not,
}

impl Type {
    /// Which value of this type `text` is; what does not stand for itself is appended to `out`. A time without a year is the one
    /// nearest to `near`.
    pub(super) fn of(self, text: &str, near: Time, out: &mut String) -> Fit {
        if self == Self::Text {
            quote(text, out);
            return Fit::Written;
        }
        let text = text.trim_ascii();
        if matches!(text, "" | "-" | "null") {
            return Fit::Nothing;
        }
        let fit = match self {
            Self::Int => int(text, out),
            Self::Float => float(text, out),
            Self::Bool => truth(text, out),
            Self::Time => point(text, near, out),
            Self::Duration => float(text, out).or_else(|| duration(text, out)),
            Self::Bytes => int(text, out).or_else(|| size(text, out)),
            Self::Text => None,
        };
        fit.unwrap_or(Fit::Not)
    }
}

fn quote(text: &str, out: &mut String) {
    let mut json = Vec::with_capacity(text.len() + 2);
    Text::Plain(text).write_value(&mut json);
    // Made of a text.
    out.push_str(&String::from_utf8_lossy(&json));
}

/// Equivalent: `[+-]?[0-9]+`, within 64 bits.
fn int(text: &str, out: &mut String) -> Option<Fit> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i64 = text.parse().ok()?;
    let is_json = (digits == "0" || !digits.starts_with('0')) && !text.starts_with('+') && text != "-0";
    if is_json {
        return Some(Fit::Itself);
    }
    out.push_str(&number.to_string());
    Some(Fit::Written)
}

/// Equivalent: `[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?`, and not beyond what 64 bits hold.
fn float(text: &str, out: &mut String) -> Option<Fit> {
    if !text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E')) {
        // The standard library would take words: `inf`, `nan`.
        return None;
    }
    let number: f64 = text.parse().ok().filter(|number: &f64| number.is_finite())?;
    if is_json_number(text.as_bytes()) {
        if text.contains(['.', 'e', 'E']) {
            return Some(Fit::Itself);
        }
        // Else whoever reads it would take it for a whole number: a store by the first that it sees, a condition each time.
        out.push_str(text);
        out.push_str(".0");
        return Some(Fit::Written);
    }
    out.push_str(&serde_json::Number::from_f64(number)?.to_string());
    Some(Fit::Written)
}

/// Whether a text that is a number is one of JSON, which wants digits before and behind a point and no more zeros than one.
fn is_json_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let has_whole = digits == 1 || digits > 1 && text[0] != b'0';
    has_whole && (text.get(digits) != Some(&b'.') || text.get(digits + 1).is_some_and(u8::is_ascii_digit))
}

fn truth(text: &str, out: &mut String) -> Option<Fit> {
    let is = |word: &&str| text.eq_ignore_ascii_case(word);
    let word = match text {
        "true" | "false" => return Some(Fit::Itself),
        _ if ["true", "yes", "on", "1"].iter().any(is) => "true",
        _ if ["false", "no", "off", "0"].iter().any(is) => "false",
        _ => return None,
    };
    out.push_str(word);
    Some(Fit::Written)
}

/// In the forms in which lines write times, all of the text; or seconds to nanoseconds since 1970.
fn point(text: &str, near: Time, out: &mut String) -> Option<Fit> {
    quote(&time_of(text, near)?.to_rfc3339(), out);
    Some(Fit::Written)
}

/// The time that all of `text` is.
pub(super) fn time_of(text: &str, near: Time) -> Option<Time> {
    let bytes = text.as_bytes();
    let is_number = bytes.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    // `20261123085048` is a date and a time of day.
    if is_number && (bytes.len() != 14 || bytes.contains(&b'.')) {
        return time::of_number(bytes);
    }
    let (stamp, length) = stamp::read(bytes)?;
    if length == bytes.len() { stamp.near(near) } else { None }
}

/// The time that is so many units since 1970, of `unit` nanoseconds each. Equivalent: `[0-9]+([.,][0-9]+)?([eE]\+?[0-9]+)?`.
pub(super) fn since_1970(text: &str, unit: i64) -> Option<Time> {
    let (mut number, rest) = Decimal::read(text)?;
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let exponent: u32 = exponent.strip_prefix('+').unwrap_or(exponent).parse().ok().filter(|of| *of <= 19)?;
        let more = exponent.saturating_sub(number.behind);
        number.behind -= exponent - more;
        number.digits = number.digits.checked_mul(10_i128.pow(more))?;
    } else if !rest.is_empty() {
        return None;
    }
    let nanos = number.digits.checked_mul(unit.into())? / 10_i128.pow(number.behind);
    Some(Time::from_nanos(nanos))
}

/// A number as it is written: its digits, and how many of them stand behind the point.
struct Decimal {
    digits: i128,
    behind: u32,
}

impl Decimal {
    /// What `text` begins with, and what follows it. Equivalent: `[0-9]+([.,][0-9]+)?`, of at most 22 digits.
    fn read(text: &str) -> Option<(Self, &str)> {
        let count = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let whole = count(text);
        let (digits, mut rest) = text.split_at_checked(whole)?;
        let mut read = Self { digits: digits.parse().ok()?, behind: 0 };
        if let Some(inside) = rest.strip_prefix(['.', ','])
            && count(inside) > 0
        {
            let (digits, behind) = inside.split_at_checked(count(inside))?;
            read.behind = u32::try_from(digits.len()).ok()?;
            if whole + digits.len() > 22 {
                return None;
            }
            read.digits = read.digits * 10_i128.pow(read.behind) + digits.parse::<i128>().ok()?;
            rest = behind;
        }
        (whole <= 22).then_some((read, rest))
    }

    /// So many times `unit`; what is less than one is cut off.
    fn times(&self, unit: i128) -> i128 {
        self.digits * unit / 10_i128.pow(self.behind)
    }
}

const SECOND: i128 = 1_000_000_000;

/// Units of lengths of time, and their nanoseconds.
const UNITS: [(&[&str], i128); 7] = [
    (&["ns"], 1),
    (&["us", "µs", "μs"], 1_000),
    (&["ms"], 1_000_000),
    (&["s", "sec", "secs", "second", "seconds"], SECOND),
    (&["m", "min", "mins", "minute", "minutes"], 60 * SECOND),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600 * SECOND),
    (&["d", "day", "days"], 86_400 * SECOND),
];

/// `1.5s`, `1h2m3.5s`, `250 ms`, `00:01:02.5`, `PT1M2.5S`.
fn duration(text: &str, out: &mut String) -> Option<Fit> {
    let bare = text.strip_prefix(['+', '-']).unwrap_or(text);
    let nanos = match bare.strip_prefix('P') {
        Some(iso) => iso_8601(iso)?,
        None if bare.contains(':') => clock(bare)?,
        None => units(bare)?,
    };
    if text.starts_with('-') && nanos > 0 {
        out.push('-');
    }
    out.push_str(&(nanos / SECOND).to_string());
    let behind = format!("{:09}", nanos % SECOND);
    let behind = behind.trim_end_matches('0');
    out.push('.');
    out.push_str(if behind.is_empty() { "0" } else { behind });
    Some(Fit::Written)
}

fn units(text: &str) -> Option<i128> {
    let (mut rest, mut sum) = (text, 0_i128);
    while !rest.is_empty() {
        let (number, behind) = Decimal::read(rest)?;
        let behind = behind.trim_start();
        let length = behind.find(|c: char| c.is_ascii_digit() || c == ' ').unwrap_or(behind.len());
        let (unit, behind) = behind.split_at_checked(length)?;
        let (_, nanos) = UNITS.iter().find(|(names, _)| names.contains(&unit))?;
        sum = sum.checked_add(number.times(*nanos))?;
        rest = behind.trim_start();
    }
    Some(sum)
}

/// Equivalent: `[0-9]+:[0-5]?[0-9]:[0-5]?[0-9](\.[0-9]+)?`.
fn clock(text: &str) -> Option<i128> {
    let mut parts = text.splitn(3, ':');
    let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = |text| Decimal::read(text).filter(|(number, rest)| number.behind == 0 && rest.is_empty());
    let ((hours, _), (minutes, _), (seconds, rest)) = (whole(hours)?, whole(minutes)?, Decimal::read(seconds)?);
    let (minutes, seconds) = (minutes.digits, seconds.times(SECOND));
    let is_one = rest.is_empty() && minutes < 60 && seconds < 60 * SECOND;
    is_one.then(|| hours.times(3_600 * SECOND) + minutes * 60 * SECOND + seconds)
}

/// What stands behind the `P` of ISO 8601, without years and months, which have no fixed length.
/// Equivalent: `(n D)?(T(n H)?(n M)?(n S)?)?` without the spaces, with at least one of them.
fn iso_8601(text: &str) -> Option<i128> {
    let (mut rest, mut sum, mut any) = (text, 0_i128, false);
    let (days, of_day) = ([('D', 86_400)], [('H', 3_600), ('M', 60), ('S', 1)]);
    let mut take = |rest: &mut &str, units: &[(char, i128)]| -> Option<()> {
        for (letter, seconds) in units {
            if let Some((number, behind)) = Decimal::read(rest)
                && let Some(behind) = behind.strip_prefix(*letter)
            {
                sum = sum.checked_add(number.times(seconds * SECOND))?;
                any = true;
                *rest = behind;
            }
        }
        Some(())
    };
    take(&mut rest, &days)?;
    if let Some(behind) = rest.strip_prefix('T') {
        rest = behind;
        take(&mut rest, &of_day)?;
    }
    (any && rest.is_empty()).then_some(sum)
}

/// Units of sizes, in small letters, and their bytes. A letter alone is binary, as programs write it (`512K`, `2G`).
const SIZES: [(&[&str], i128); 10] = [
    (&["", "b", "byte", "bytes"], 1),
    (&["kb"], 1_000),
    (&["mb"], 1_000_000),
    (&["gb"], 1_000_000_000),
    (&["tb"], 1_000_000_000_000),
    (&["k", "kib", "ki"], 1 << 10),
    (&["m", "mib", "mi"], 1 << 20),
    (&["g", "gib", "gi"], 1 << 30),
    (&["t", "tib", "ti"], 1 << 40),
    (&["p", "pib", "pi"], 1 << 50),
];

/// `1.5GiB`, `12 kB`, `512K`.
fn size(text: &str, out: &mut String) -> Option<Fit> {
    let (number, unit) = Decimal::read(text)?;
    let unit = unit.trim_start().to_ascii_lowercase();
    let (_, bytes) = SIZES.iter().find(|(names, _)| names.contains(&&*unit))?;
    let bytes = i64::try_from(number.times(*bytes)).ok()?;
    out.push_str(&bytes.to_string());
    Some(Fit::Written)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(kind: Type, text: &str) -> Option<String> {
        let mut out = String::new();
        let near = Time { secs: 1_795_423_848, nanos: 0 };
        match kind.of(text, near, &mut out) {
            Fit::Itself => Some(text.trim_ascii().to_owned()),
            Fit::Nothing => Some("null".to_owned()),
            Fit::Written => Some(out),
            Fit::Not => None,
        }
    }

    fn check(kind: Type, text: &str, expected: &str) {
        assert_eq!(value(kind, text).as_deref().unwrap_or("not"), expected, "{text} as {kind:?}");
    }

    #[test]
    fn numbers() {
        for (text, expected) in [
            ("0", "0"),
            ("200", "200"),
            ("-7", "-7"),
            ("+5", "5"),
            ("007", "7"),
            ("-0", "0"),
            ("9223372036854775807", "9223372036854775807"),
            ("9223372036854775808", "not"),
            ("1.0", "not"),
            ("1e3", "not"),
            ("12ms", "not"),
            ("-", "null"),
            ("", "null"),
            ("--", "not"),
            ("٣", "not"),
        ] {
            check(Type::Int, text, expected);
        }
        for (text, expected) in [
            ("0.043", "0.043"),
            ("1.50", "1.50"),
            ("12", "12.0"),
            ("-1e-3", "-1e-3"),
            (".5", "0.5"),
            ("5.", "5.0"),
            ("+1.5", "1.5"),
            ("007.5", "7.5"),
            ("1e999", "not"),
            ("inf", "not"),
            ("NaN", "not"),
            ("1,5", "not"),
            ("1.2.3", "not"),
        ] {
            check(Type::Float, text, expected);
        }
    }

    #[test]
    fn truth_values() {
        for (text, expected) in [
            ("true", "true"),
            ("False", "false"),
            ("YES", "true"),
            ("off", "false"),
            ("1", "true"),
            ("2", "not"),
            ("t", "not"),
        ] {
            check(Type::Bool, text, expected);
        }
    }

    #[test]
    fn durations_are_seconds() {
        for (text, expected) in [
            ("0.043", "0.043"),
            ("12", "12.0"),
            ("1.5s", "1.5"),
            ("250ms", "0.25"),
            ("250 ms", "0.25"),
            ("12.345µs", "0.000012345"),
            ("7ns", "0.000000007"),
            ("0.5ns", "0.0"),
            ("1h2m3.5s", "3723.5"),
            ("1m 30s", "90.0"),
            ("3 days", "259200.0"),
            ("-1.5s", "-1.5"),
            ("00:01:02.5", "62.5"),
            ("100:00:00", "360000.0"),
            ("00:99:00", "not"),
            ("01:02", "not"),
            ("PT1M2.5S", "62.5"),
            ("P1DT1H", "90000.0"),
            ("P", "not"),
            ("PT", "not"),
            ("P1M", "not"),
            ("1.5", "1.5"),
            ("s", "not"),
            ("1x", "not"),
            ("1s2", "not"),
            ("1s, then 2s", "not"),
            ("-", "null"),
        ] {
            check(Type::Duration, text, expected);
        }
    }

    #[test]
    fn sizes_are_bytes() {
        for (text, expected) in [
            ("612", "612"),
            ("1.5KiB", "1536"),
            ("12 kB", "12000"),
            ("512K", "524288"),
            ("2g", "2147483648"),
            ("3 bytes", "3"),
            ("9999999999TiB", "not"),
            ("1.5", "1"),
            ("1 x", "not"),
        ] {
            check(Type::Bytes, text, expected);
        }
    }

    #[test]
    fn times_are_rfc_3339() {
        for (text, expected) in [
            ("2026-11-23T08:50:48.703Z", "\"2026-11-23T08:50:48.703Z\""),
            ("Mon, 23 Nov 2026 09:50:48 +0100", "\"2026-11-23T08:50:48Z\""),
            ("23/Nov/2026:08:50:48 +0000", "\"2026-11-23T08:50:48Z\""),
            ("1795423848.703", "\"2026-11-23T08:50:48.703Z\""),
            ("20261123085048", "\"2026-11-23T08:50:48Z\""),
            ("1795423848703", "\"2026-11-23T08:50:48.703Z\""),
            ("Nov 23 08:50:48", "\"2026-11-23T08:50:48Z\""),
            ("2026-11-23T08:50:48Z until tomorrow", "not"),
            ("soon", "not"),
        ] {
            check(Type::Time, text, expected);
        }
    }

    #[test]
    fn texts_stay_texts() {
        check(Type::Text, "12", "\"12\"");
        check(Type::Text, "a\"b", "\"a\\\"b\"");
    }

    proptest! {
        /// Whatever the text, what is written is one JSON value of the right kind.
        #[test]
        fn any_text_is_a_json_value_or_none(text in "[-+0-9.,eE:PTHMSDhmsnuµkKMGiBb ]{0,14}|\\PC{0,12}") {
            for (name, kind) in TYPES {
                let Some(json) = value(kind, &text) else { continue };
                let read: serde_json::Value = serde_json::from_str(&json).map_err(|error| TestCaseError::fail(format!("{json}: {error}")))?;
                let fits = match kind {
                    Type::Int | Type::Bytes => read.is_i64() || read.is_null(),
                    Type::Float | Type::Duration => read.is_f64() || read.is_null(),
                    Type::Bool => read.is_boolean() || read.is_null(),
                    Type::Time => read.is_string() || read.is_null(),
                    Type::Text => read.as_str() == Some(&text),
                };
                prop_assert!(fits, "{name}: {text:?} became {json}");
            }
        }

        /// As Go writes them, so they are read.
        #[test]
        fn durations_read_back(nanos in 0_i128..10_000_000_000_000_000) {
            let (hours, minutes) = (nanos / (3_600 * SECOND), nanos / (60 * SECOND) % 60);
            let seconds = nanos % (60 * SECOND);
            let text = format!("{hours}h{minutes}m{}.{:09}s", seconds / SECOND, seconds % SECOND);
            let json = value(Type::Duration, &text).unwrap_or_default();
            let (whole, behind) = json.split_once('.').unwrap_or((&json, "0"));
            let read = whole.parse::<i128>().expect("seconds") * SECOND + format!("{behind:0<9}").parse::<i128>().expect("nanoseconds");
            prop_assert_eq!(read, nanos);
        }
    }
}
