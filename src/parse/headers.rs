//! Headers of a fixed form whose level is a single letter or sign.
//!
//! **Invariant**: the whole form must fit, since a letter alone says nothing.

use crate::model::event::Level;

/// The level in klog's (and glog's) header.
///
/// Equivalent: `^[IWEF]([0-9]{4}|[0-9]{8}) [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6} +[0-9]+ [^ \]]+:[0-9]+\]`.
pub(super) fn klog(line: &[u8]) -> Option<Level> {
    let (letter, rest) = line.split_first()?;
    let level = match letter {
        b'I' => Level::Info,
        b'W' => Level::Warn,
        b'E' => Level::Error,
        b'F' => Level::Fatal,
        _ => return None,
    };
    let rest = shaped(rest, b"00000000 00:00:00.000000 ").or_else(|| shaped(rest, b"0000 00:00:00.000000 "))?;
    let rest = &rest[rest.iter().take_while(|&&byte| byte == b' ').count()..];
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let place = rest[digits..].strip_prefix(b" ")?;
    let end = place.iter().position(|byte| matches!(byte, b' ' | b']'))?;
    let number = place[..end].rsplit(|&byte| byte == b':').next()?;
    (digits > 0 && place[end] == b']' && number.len() + 1 < end && is_digits(number)).then_some(level)
}

/// The level in Redis's header.
///
/// Equivalent: `^[0-9]+:[XCSM] [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3} [.\-*#] `.
pub(super) fn redis(line: &[u8]) -> Option<Level> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let [b':', b'X' | b'C' | b'S' | b'M', rest @ ..] = &line[digits..] else { return None };
    match shaped(rest, b" 00 Aaa 0000 00:00:00.000 ")? {
        _ if digits == 0 => None,
        [b'.' | b'-', b' ', ..] => Some(Level::Debug),
        [b'*', b' ', ..] => Some(Level::Info),
        [b'#', b' ', ..] => Some(Level::Warn),
        _ => None,
    }
}

/// What follows a beginning of the given shape: `0` stands for a digit, `A` and `a` for a letter, the others for
/// themselves.
pub(super) fn shaped<'a>(text: &'a [u8], shape: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = text.split_at_checked(shape.len())?;
    let fits = head.iter().zip(shape).all(|(byte, shape)| match shape {
        b'0' => byte.is_ascii_digit(),
        b'A' => byte.is_ascii_uppercase(),
        b'a' => byte.is_ascii_lowercase(),
        _ => byte == shape,
    });
    fits.then_some(rest)
}

fn is_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::bytes::Regex;

    use super::*;

    proptest! {
        #[test]
        fn the_equivalent_regexes_agree(
            klog_line in "[IWEFD]([0-9]{3,5}|[0-9]{8}) [0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{5,6} {1,3}[0-9]{0,3} [a-z:. 0-9]{0,4}(\\.go)?:?[0-9]{0,2}\\]? x",
            redis_line in "[0-9]{0,3}:[XCSMQ] [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{2,3} [.*#x-] ?x",
        ) {
            let regex = Regex::new(r"^([IWEF])([0-9]{4}|[0-9]{8}) [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6} +[0-9]+ [^ \]]+:[0-9]+\]");
            let found = regex.expect("valid").is_match(klog_line.as_bytes());
            prop_assert_eq!(klog(klog_line.as_bytes()).is_some(), found, "{}", klog_line);
            let regex = Regex::new(r"^[0-9]+:[XCSM] [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3} [.\-*#] ");
            let found = regex.expect("valid").is_match(redis_line.as_bytes());
            prop_assert_eq!(redis(redis_line.as_bytes()).is_some(), found, "{}", redis_line);
        }
    }
}
