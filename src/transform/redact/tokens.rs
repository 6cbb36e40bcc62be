//! Tokens and keys that say by their beginning what they are, and those that a name before them tells of.
//!
//! **Invariant**: only the secret is taken, not the name or the word that tells of it. A beginning alone is not enough: it
//! must be as long as those that are given out.

use super::hit::{begins_with, ends_with, run, word_at, word_before};

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// What a JSON web token came to.
pub(super) enum Web {
    /// Where it begins and ends.
    Token(usize, usize),
    /// No dot comes before this place, so no token begins before it.
    Until(usize),
}

/// The JSON web token whose `J` of `eyJ` is at `at`: three parts (signed) or five (encrypted) of base64url.
pub(super) fn jwt(text: &[u8], at: usize) -> Option<Web> {
    let start = at.checked_sub(2).filter(|start| text[*start..].starts_with(b"ey"))?;
    if word_before(text, start) {
        return None;
    }
    let header = run(text, at, is_base64url);
    if text.get(header) != Some(&b'.') || header - start < 12 {
        return Some(Web::Until(header));
    }
    let (mut end, mut dots) = (header, 0);
    while dots < 4 && text.get(end) == Some(&b'.') {
        dots += 1;
        end = run(text, end + 1, is_base64url);
    }
    let full_stop = usize::from(text[..end].ends_with(b"."));
    (dots >= 2 && end - start >= 32).then_some(Web::Token(start, end - full_stop))
}

/// Behind the access key that begins at `at`: `A(?:KIA|SIA|BIA|CCA)[A-Z2-7]{16}`.
pub(super) fn aws_id(text: &[u8], at: usize) -> Option<usize> {
    let kind = text.get(at..at + 4)?;
    if !matches!(kind, b"AKIA" | b"ASIA" | b"ABIA" | b"ACCA") || word_before(text, at) {
        return None;
    }
    let end = run(text, at, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    (end - at == 20 && !word_at(text, end)).then_some(end)
}

/// The secret behind a name such as `aws_secret_access_key` or `SessionToken`, whose `k` is at `at`.
pub(super) fn aws_secret(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let name = aws_name(text, at)?;
    let start = run(&text[..text.len().min(name + 12)], name, |byte| {
        matches!(byte, b' ' | b'"' | b'\'' | b'\\' | b':' | b'=' | b'>')
    });
    let says = text[name..start].iter().any(|byte| matches!(byte, b':' | b'=' | b'>'));
    let end = run(text, start, is_base64);
    (says && is_aws_secret(&text[start..end])).then_some((start, end))
}

/// Whether `value`, under a name of [`aws_name`], is a secret.
pub(super) fn is_aws_secret(value: &[u8]) -> bool {
    (value.len() == 40 || value.len() >= 100) && value.iter().all(|byte| is_base64(*byte))
}

/// Behind the name of a secret whose `k` is at `at`.
pub(super) fn aws_name(text: &[u8], at: usize) -> Option<usize> {
    let before = |at: usize, word: &[u8]| {
        let at = at - usize::from(at > 0 && matches!(text[at - 1], b'_' | b'-'));
        ends_with(text, at, word).then(|| at - word.len())
    };
    if begins_with(text, at + 1, b"ey") {
        before(at, b"access").and_then(|at| before(at, b"secret"))?;
        return Some(at + 3);
    }
    if begins_with(text, at + 1, b"en") && ends_with(text, at, b"to") {
        before(at - 2, b"session").or_else(|| before(at - 2, b"security"))?;
        return Some(at + 3);
    }
    None
}

/// Behind the key that begins at `at` with `AIza`, `ya29.` or `GOCSPX-`.
pub(super) fn gcp(text: &[u8], at: usize) -> Option<usize> {
    let (head, least, most) = match text[at..] {
        [b'A', b'I', b'z', b'a', ..] => (4, 35, 35),
        [b'y', b'a', b'2', b'9', b'.', ..] => (5, 20, usize::MAX),
        [b'G', b'O', b'C', b'S', b'P', b'X', b'-', ..] => (7, 28, 28),
        _ => return None,
    };
    let end = run(text, at + head, |byte| is_base64url(byte) || head == 5 && byte == b'.');
    let end = end - usize::from(text[..end].ends_with(b"."));
    let len = (end - at).saturating_sub(head);
    (len >= least && len <= most && !word_before(text, at)).then_some(end)
}

/// The token whose `_` is at `at`: `gh[oprsu]_\w{36,}` or `github_pat_\w{22,}`.
pub(super) fn github(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let (start, head, least) = match text[..at] {
        [.., b'g', b'h', b'o' | b'p' | b'r' | b's' | b'u'] => (at - 3, at + 1, 36),
        [.., b'g', b'i', b't', b'h', b'u', b'b'] if text[at + 1..].starts_with(b"pat_") => (at - 6, at + 5, 22),
        _ => return None,
    };
    let end = run(text, head, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (end - head >= least && !word_before(text, start)).then_some((start, end))
}

/// The most bytes of a token of Slack.
const SLACK_MAX: usize = 512;

/// The token whose first `-` is at `at`: `xox[abcdeoprs]-…`, `xoxe.xoxp-…` or `xapp-…`.
pub(super) fn slack(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let start = match text[..at] {
        [.., b'x', b'o', b'x', b'a'..=b'e' | b'o' | b'p' | b'r' | b's'] => at - 4,
        [.., b'x', b'a', b'p', b'p'] => at - 4,
        _ => return None,
    };
    let start = if text[..start].ends_with(b"xoxe.") { start - 5 } else { start };
    let near = &text[..text.len().min(at + SLACK_MAX)];
    let end = run(near, at + 1, |byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let has_digit = text[at..end].iter().any(u8::is_ascii_digit);
    (end - at > 10 && has_digit && !word_before(text, start)).then_some((start, end))
}

/// The secret part of a web hook's address, whose `/` behind `hooks.slack.com` is at `at`.
pub(super) fn slack_hook(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let start = at + 1 + b"services/".len();
    if !text[..at].ends_with(b"hooks.slack.com") || !text[at + 1..].starts_with(b"services/") {
        return None;
    }
    let end = run(text, start, |byte| byte.is_ascii_alphanumeric() || byte == b'/');
    (end - start >= 20).then_some((start, end))
}

/// The token behind `Bearer`, or behind `Basic` in a header, whose `b` is at `at`.
pub(super) fn bearer(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let word = if begins_with(text, at + 1, b"earer") {
        6
    } else if begins_with(text, at + 1, b"asic") && names_header(&text[at.saturating_sub(32)..at]) {
        5
    } else {
        return None;
    };
    let start = run(text, at + word, |byte| byte == b' ' || byte == b'\t');
    if start == at + word || word_before(text, at) {
        return None;
    }
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=\\".contains(&byte);
    let end = run(text, start, is_token);
    // `\/` is a slash; any other escape is not of the token.
    let end = text[start..end]
        .windows(2)
        .position(|pair| pair[0] == b'\\' && pair[1] != b'/')
        .map_or(end - usize::from(text[start..end].ends_with(b"\\")), |len| start + len);
    let token = &text[start..end];
    let is_secret = token.len() >= 24 || token.len() >= 8 && (word == 5 || token.iter().any(u8::is_ascii_digit));
    is_secret.then_some((start, end))
}

/// The value of a member `"authorization":"…"`, behind its scheme; the `z` of the name is at `at`.
pub(super) fn header(text: &[u8], at: usize) -> Option<(usize, usize)> {
    if !ends_with(text, at, b"authori") || !begins_with(text, at + 1, b"ation") {
        return None;
    }
    let near = &text[..text.len().min(at + 20)];
    let start = run(near, at + 6, |byte| matches!(byte, b' ' | b'"' | b'\\' | b':' | b'=' | b'>' | b'['));
    let between = &text[at + 6..start];
    let is_member = between.iter().filter(|byte| **byte == b'"').count() == 2 && between.ends_with(b"\"");
    let end = text[start..].iter().position(|byte| matches!(byte, b'"' | b'\\')).map_or(text.len(), |len| start + len);
    let scheme = text[start..end].iter().position(|byte| *byte == b' ').map_or(0, |len| len + 1);
    (is_member && start + scheme < end).then_some((start + scheme, end))
}

/// Whether a header with credentials is named in what stands before them.
pub(super) fn names_header(before: &[u8]) -> bool {
    before.windows(13).any(|word| word.eq_ignore_ascii_case(b"authorization"))
}
