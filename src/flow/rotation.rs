//! What a file's name says about its rotation.
//!
//! Known forms, each with `.gz` behind it or not:
//!
//! ```text
//! 0.log.20261123-085035     kubelet            access.log-20261123         logrotate, dateext
//! access.log.1              logrotate, docker  access.log-20261123-08      logrotate, dateformat with hours
//! app.log.2026-11-23        logback, log4j     access.log-20261123.1       logrotate, twice a day
//! access.log-20261123-1795770258               logrotate, dateformat with the seconds since 1970
//! ```
//!
//! Equivalent: `^(.+?)([.-](\d{8}([-_T]?(\d{2,6}|\d{10}))?|\d{4}-\d\d-\d\d([T_-]\d\d([-:]?\d\d){0,2})?)(\.\d{1,3})?|\.\d{1,4})(\.gz)?$`

/// A file's name, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name<'a> {
    /// The name of the file that was rotated.
    pub base: &'a [u8],
    /// The rotation's suffix without the separator before it; `None` for the file itself.
    pub suffix: Option<&'a [u8]>,
    /// Whether the content is compressed.
    pub gzip: bool,
}

/// Takes a name apart. Anything that is no known form is the base, whole.
pub fn parse(name: &[u8]) -> Name<'_> {
    let (plain, gzip) = match name.strip_suffix(b".gz") {
        Some(plain) if !plain.is_empty() => (plain, true),
        _ => (name, false),
    };
    match split(plain) {
        Some((base, suffix)) => Name { base, suffix: Some(suffix), gzip },
        None => Name { base: plain, suffix: None, gzip },
    }
}

/// The base and the suffix of a rotated name.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    // The longest suffix wins, so separators are tried from the left; a date's own `-` and `.` come later.
    (1..name.len())
        .filter(|&at| matches!(name[at], b'.' | b'-'))
        .find(|&at| is_suffix(name[at], &name[at + 1..]))
        .map(|at| (&name[..at], &name[at + 1..]))
}

fn is_suffix(separator: u8, text: &[u8]) -> bool {
    let is_count = |text: &[u8], most: usize| (1..=most).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    if separator == b'.' && is_count(text, 4) {
        return true;
    }
    let date = match text.iter().position(|&byte| byte == b'.') {
        Some(dot) if is_count(&text[dot + 1..], 3) => &text[..dot],
        Some(_) => return false,
        None => text,
    };
    is_date(date)
}

/// Eight digits or `dddd-dd-dd`, and a time of day of two to six digits or ten of seconds since 1970 behind it, if any.
fn is_date(text: &[u8]) -> bool {
    let shape: Vec<u8> = text.iter().map(|byte| if byte.is_ascii_digit() { b'd' } else { *byte }).collect();
    let rest = match shape.as_slice() {
        [b'd', b'd', b'd', b'd', b'-', b'd', b'd', b'-', b'd', b'd', rest @ ..] => rest,
        [b'd', b'd', b'd', b'd', b'd', b'd', b'd', b'd', rest @ ..] => rest,
        _ => return false,
    };
    let digits = match rest {
        [] => return true,
        [b'-' | b'_' | b'T', digits @ ..] => digits,
        digits => digits,
    };
    if digits == [b'd'; 10] {
        return true;
    }
    let count = digits.iter().filter(|&&byte| byte == b'd').count();
    matches!(count, 2 | 4 | 6) && digits.iter().all(|byte| matches!(byte, b'd' | b'-' | b':'))
}

/// Orders the files of one base from the oldest to the newest: a greater count is older, a later date is newer,
/// the file itself is the newest.
pub fn age_order(a: &Name<'_>, b: &Name<'_>) -> std::cmp::Ordering {
    use std::cmp::Ordering;
    match (a.suffix, b.suffix) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => match (count(a), count(b)) {
            (Some(a), Some(b)) => b.cmp(&a),
            _ => a.cmp(b),
        },
    }
}

/// A suffix that is a count: `1`, `12`.
fn count(suffix: &[u8]) -> Option<u32> {
    if suffix.len() > 4 {
        return None;
    }
    std::str::from_utf8(suffix).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, base: &str, suffix: Option<&str>, gzip: bool) {
        let expected = Name { base: base.as_bytes(), suffix: suffix.map(str::as_bytes), gzip };
        assert_eq!(parse(name.as_bytes()), expected, "{name}");
    }

    #[test]
    fn names_as_rotators_write_them() {
        check("0.log", "0.log", None, false);
        check("0.log.20261123-085035", "0.log", Some("20261123-085035"), false);
        check("0.log.20261123-085035.gz", "0.log", Some("20261123-085035"), true);
        check("12.log", "12.log", None, false);
        check("access.log.1", "access.log", Some("1"), false);
        check("access.log.12.gz", "access.log", Some("12"), true);
        check("access.log-20261123", "access.log", Some("20261123"), false);
        check("access.log-20261123.gz", "access.log", Some("20261123"), true);
        check("access.log-20261123.1", "access.log", Some("20261123.1"), false);
        check("access.log-20261123-08", "access.log", Some("20261123-08"), false);
        check("access.log-2026112308.gz", "access.log", Some("2026112308"), true);
        check("access.log-20261123-1795770258", "access.log", Some("20261123-1795770258"), false);
        check("access.log-1795770258.gz", "access.log", Some("1795770258"), true);
        check("app.log.2026-11-23", "app.log", Some("2026-11-23"), false);
        check("app.log.2026-11-23_08-50", "app.log", Some("2026-11-23_08-50"), false);
        check("abc-json.log", "abc-json.log", None, false);
        check("abc-json.log.2.gz", "abc-json.log", Some("2"), true);
    }

    #[test]
    fn names_that_only_look_rotated() {
        check("app-1.log", "app-1.log", None, false);
        check("2026.log", "2026.log", None, false);
        check("v1.2-3", "v1.2-3", None, false);
        check(".1", ".1", None, false);
        check(".gz", ".gz", None, false);
        check("app-20261123-17957702581", "app-20261123-17957702581", None, false);
        check("core.12345", "core.12345", None, false);
        check("access.log.old", "access.log.old", None, false);
        check("x.tmp", "x.tmp", None, false);
        check("", "", None, false);
    }

    #[test]
    fn from_the_oldest_to_the_newest() {
        let order = |names: &mut Vec<&str>| names.sort_by(|a, b| age_order(&parse(a.as_bytes()), &parse(b.as_bytes())));
        let mut counts = vec!["a.log", "a.log.10.gz", "a.log.1", "a.log.2.gz"];
        order(&mut counts);
        assert_eq!(counts, ["a.log.10.gz", "a.log.2.gz", "a.log.1", "a.log"]);
        let mut dates = vec!["0.log", "0.log.20261123-085045", "0.log.20261123-085035.gz"];
        order(&mut dates);
        assert_eq!(dates, ["0.log.20261123-085035.gz", "0.log.20261123-085045", "0.log"]);
    }
}
