//! Addresses: of people (e-mail) and of machines (IPv4, IPv6).
//!
//! **Invariant**: nothing is taken that is part of a longer word, and each byte of a text is looked at a bounded number of
//! times, whatever the text.

use super::hit::{run, word_at, word_before};

/// What systemd's instances end with; they look like addresses otherwise (`user@1000.service`).
const UNITS: [&[u8]; 7] = [b"service", b"socket", b"slice", b"scope", b"timer", b"mount", b"device"];

/// Where the address around the `@` at `at` begins and ends; not before `from`.
///
/// `[A-Za-z0-9À-ɏ][A-Za-z0-9À-ɏ._%+-]*@(?:[A-Za-z0-9À-ɏ-]+\.)+[A-Za-zÀ-ɏ]{2,}`
pub(super) fn email(text: &[u8], at: usize, from: usize) -> Option<(usize, usize)> {
    let mut start = at;
    while start > from {
        start = match text[from..start] {
            [.., byte] if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-') => start - 1,
            // Letters of Latin scripts beyond ASCII; those of others stand beside addresses without a blank.
            [.., 0xc3..=0xc9, 0x80..=0xbf] => start - 2,
            _ => break,
        };
    }
    // The letter of an escape (`\n`, `\u003c`) is none of the name.
    if start > 0 && text[start - 1] == b'\\' {
        start += match text.get(start) {
            Some(b'n' | b'r' | b't' | b'b' | b'f') => 1,
            Some(b'u')
                if text[start + 1..at].len() >= 4 && text[start + 1..start + 5].iter().all(u8::is_ascii_hexdigit) =>
            {
                5
            }
            _ => 0,
        };
    }
    start = run(text, start, |byte| matches!(byte, b'.' | b'%' | b'+' | b'-'));
    if start >= at {
        return None;
    }
    let domain = at + 1;
    let mut end = domain;
    while let Some(byte) = text.get(end) {
        end += match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'.' | b'-' => 1,
            0xc3..=0xc9 if matches!(text.get(end + 1), Some(0x80..=0xbf)) => 2,
            _ => break,
        };
    }
    // The last label is of letters; what does not fit behind it is not the address's.
    loop {
        let dot = text[domain..end].iter().rposition(|byte| *byte == b'.').filter(|at| *at > 0)? + domain;
        let letters = run(&text[..end], dot + 1, |byte| byte.is_ascii_alphabetic() || byte >= 0x80);
        let label = &text[dot + 1..letters];
        if label.len() >= 2 && !word_at(text, letters) {
            let is_unit = UNITS.contains(&label);
            return (word_at(text, domain) && !is_unit).then_some((start, letters));
        }
        end = dot;
    }
}

/// Behind the address whose first digit is at `at`: four numbers up to 255 without zeros before them, and neither a word
/// nor a fifth number around them.
pub(super) fn ipv4(text: &[u8], at: usize) -> Option<usize> {
    if word_before(text, at) || at > 0 && text[at - 1] == b'.' {
        return None;
    }
    let end = four_numbers(text, at)?;
    let goes_on = text.get(end) == Some(&b'.') && text.get(end + 1).is_some_and(u8::is_ascii_digit);
    (!word_at(text, end) && !goes_on).then_some(end)
}

fn four_numbers(text: &[u8], at: usize) -> Option<usize> {
    let mut place = at;
    for part in 0..4 {
        if part > 0 {
            place += usize::from(text.get(place) == Some(&b'.')).checked_sub(1).map(|_| 1)?;
        }
        let end = run(&text[..text.len().min(place + 4)], place, |byte| byte.is_ascii_digit());
        let digits = &text[place..end];
        let number = digits.iter().fold(0_u32, |number, digit| number * 10 + u32::from(digit - b'0'));
        if digits.is_empty() || digits.len() > 3 || number > 255 || digits.len() > 1 && digits[0] == b'0' {
            return None;
        }
        place = end;
    }
    Some(place)
}

/// What an IPv6 address around a colon came to.
pub(super) enum Colons {
    /// An address.
    Address(usize, usize),
    /// None before this place.
    Until(usize),
}

/// The address around the colon at `at`, the first of its run; not before `from`.
///
/// Eight groups of up to four hexadecimal digits, or fewer with one `::`; the last two may be an IPv4 address. So that
/// times, MAC addresses and paths of C++ and Rust are none: with eight groups one has three digits, with `::` there is a
/// decimal digit.
pub(super) fn ipv6(text: &[u8], at: usize, from: usize) -> Colons {
    let is_hex = |byte: &u8| byte.is_ascii_hexdigit();
    let before = text[from..at].iter().rev().take(5).take_while(|byte| is_hex(byte)).count();
    let start = at - before;
    let end = run(text, at, |byte| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.');
    if before > 4
        || word_before(text, start)
        || start > 0 && matches!(text[start - 1], b':' | b'.')
        || word_at(text, end)
    {
        return Colons::Until(end);
    }
    let trimmed = text[start..end].iter().rposition(is_hex).map_or(start, |last| start + last + 1);
    // `::` at the end is part of it: `2001:db8::`.
    let trimmed = if text[trimmed..end].starts_with(b"::") && trimmed > start { trimmed + 2 } else { trimmed };
    if is_ipv6(&text[start..trimmed]) { Colons::Address(start, trimmed) } else { Colons::Until(end) }
}

fn is_ipv6(address: &[u8]) -> bool {
    let (mut groups, mut longest, mut has_gap, mut place) = (0, 0, false, 0);
    if address.starts_with(b"::") {
        has_gap = true;
        place = 2;
    }
    while place < address.len() {
        let end = run(address, place, |byte| byte.is_ascii_hexdigit());
        if address.get(end) == Some(&b'.') {
            groups += 2;
            if four_numbers(address, place) != Some(address.len()) {
                return false;
            }
            break;
        }
        if end == place || end - place > 4 {
            return false;
        }
        groups += 1;
        longest = longest.max(end - place);
        place = end;
        match address[end..] {
            [] => break,
            [b':', b':', ..] if !has_gap => {
                has_gap = true;
                place += 2;
            }
            [b':', _, ..] => place += 1,
            _ => return false,
        }
    }
    let has_digit = address.iter().any(u8::is_ascii_digit);
    if has_gap { groups <= 7 && has_digit } else { groups == 8 && longest > 2 }
}
