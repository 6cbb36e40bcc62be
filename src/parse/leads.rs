//! What a line may begin with before its head does: the names and numbers of who passed the line on.
//!
//! **Invariant**: what is passed ends directly before a time; else nothing is.

use super::stamp;
use super::words::{self, shaped};

/// No name before a time is longer.
const MAX_NAME: usize = 64;

/// What follows the lead of a line, where it has one.
#[inline]
pub(super) fn behind(line: &[u8]) -> Option<&[u8]> {
    match line.first()? {
        b'a'..=b'z' => behind_name(line).or_else(|| behind_two_names(line)).or_else(|| behind_session(line)),
        b'0'..=b'9' => behind_name(line).or_else(|| behind_session(line)),
        b'A'..=b'Z' => behind_name(line).or_else(|| behind_groups(line)),
        _ => None,
    }
}

/// What follows a name and a colon directly before a time: `shop.log:2026-11-23 08:50:48`, a process's
/// `12:20261123:085048.703`.
fn behind_name(text: &[u8]) -> Option<&[u8]> {
    let colon = text.iter().take(MAX_NAME).position(|byte| matches!(byte, b':' | b' ' | b'[' | b'"'))?;
    let rest = text.get(colon..)?.strip_prefix(b":").filter(|_| colon > 0)?;
    // `expires:2026-11-23 08:50:48` says another time than the event's.
    let is_name = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_uppercase() || b"._/-".contains(byte);
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    // IOS XR's `RP/0/RSP0/CPU0:Nov 23 08:50:48.703 : x`.
    let is_place = digits == 0 && text[..colon].contains(&b'/');
    let fits = (matches!(digits, 4 | 8) || is_place)
        && text[1..colon].iter().chain(text[..1].iter().filter(|byte| byte.is_ascii_digit())).any(is_name);
    (fits && stamp::read(rest).is_some()).then_some(rest)
}

/// A pod and a container, as stern writes them: `shop-6bd6f7cdb-hhbfl web 2026-11-23T08:50:48.703931Z x`.
fn behind_two_names(text: &[u8]) -> Option<&[u8]> {
    let pod = text.iter().take(MAX_NAME).position(|&byte| byte == b' ')?;
    let names = text.get(pod + 1..)?;
    let container = names.iter().take(MAX_NAME).position(|&byte| byte == b' ')?;
    let rest = &names[container + 1..];
    shaped(rest, b"0000-00-00T00:00:00")?;
    let are_names =
        text[..pod].contains(&b'-') && words::is_plain_name(&text[..pod]) && words::is_plain_name(&names[..container]);
    are_names.then_some(rest)
}

/// Tine's session, request and user: `78017 00cff -- ann -- - 2026-11-23T08:50:48+00:00 WARN (4): x`.
///
/// Equivalent: `^[0-9a-f]{5} [0-9a-f]{5} -- [^ ]+ -- (- )?`.
fn behind_session(text: &[u8]) -> Option<&[u8]> {
    if text.get(5) != Some(&b' ') || text.get(11..15) != Some(b" -- ") {
        return None;
    }
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let user = &text[15..];
    let rest = user[user.iter().take(MAX_NAME).position(|&byte| byte == b' ')?..].strip_prefix(b" -- ")?;
    let rest = rest.strip_prefix(b"- ").unwrap_or(rest);
    let fits = text[..5].iter().all(is_hex) && text[6..11].iter().all(is_hex);
    (fits && stamp::read(rest).is_some()).then_some(rest)
}

/// WSO2's tenant and what is empty: `TID: [-1234] [] [2026-11-23 08:50:48,703]  INFO {org.shop} -  x`.
///
/// Equivalent: `^[A-Z]+: (\[[^ \]]*\] )+` before a time in brackets.
fn behind_groups(text: &[u8]) -> Option<&[u8]> {
    let title = text.iter().take(8).position(|byte| !byte.is_ascii_uppercase())?;
    let mut rest = text[title..].strip_prefix(b": ")?;
    while let Some(inside) = rest.strip_prefix(b"[") {
        let end = inside.iter().take(MAX_NAME).position(|byte| matches!(byte, b']' | b' '))?;
        if inside[end] == b' ' {
            return stamp::read(inside).map(|_| rest);
        }
        rest = inside[end..].strip_prefix(b"] ")?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Option<&str>) {
        let found = behind(line.as_bytes()).map(|rest| String::from_utf8_lossy(rest).into_owned());
        assert_eq!(found.as_deref(), expected, "{line}");
    }

    #[test]
    fn leads() {
        let dated = "2026-11-23T08:50:48Z x";
        for lead in
            ["shop.log:", "12:", "shop-6bd6f7cdb-hhbfl web ", "78017 00cff -- ann -- - ", "8e035 ffff3 -- none -- "]
        {
            check(&format!("{lead}{dated}"), Some(dated));
        }
        check("TID: [-1234] [] [2026-11-23 08:50:48,703]  INFO x", Some("[2026-11-23 08:50:48,703]  INFO x"));
        for line in [
            "expires:2026-11-23 08:50:48 x",
            "valid until 2026-11-23T08:50:48Z",
            "shop-1 is up since 2026-11-23T08:50:48Z",
            "shop-1 web 2026-11-23 x",
            "78017 00cff -- ann -- - x",
            "7801g 00cff -- ann -- - 2026-11-23T08:50:48Z",
            "TID: [-1234] [] [x y] z",
            "TID: [-1234",
            "TID: x",
            "web",
            "",
        ] {
            check(line, None);
        }
    }
}
