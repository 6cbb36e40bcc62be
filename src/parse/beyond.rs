//! The level that stands behind a line's head, where the head ends in words that are hardly a sentence's.
//!
//! **Invariant**: only a form that no sentence has counts here, in upper case but for the marks of one program each; behind a
//! second word that is all lower case nothing does.

use crate::model::event::Level;

use super::level;
use super::marks::{self, Piece};

/// Nothing that marks a level behind the head is farther from it.
const MAX_BEYOND: usize = 96;

/// No more words stand between a time and what marks a level behind the head; without a time, one does.
const MAX_BETWEEN: usize = 5;
/// No more of these are all lower case, as a sentence's words are; without a time, none is.
const MAX_PROSE: usize = 1;

/// The level in upper case that stands behind a few words that are hardly a sentence's, in brackets, before a colon or in a
/// column: Vertica's `Init Session:7f5c <INFO> x`, Ambassador's `diagd 1.0 [P1TMainThread] INFO: x`, `shop: [WARNING] x`.
pub(super) fn beyond(text: &[u8], time_seen: bool) -> Option<Level> {
    let mut text = &text[..text.len().min(MAX_BEYOND)];
    let (mut words, mut prose, mut groups, mut is_titled, mut is_arrow) = (0, 0, 0, false, false);
    loop {
        text = text.trim_ascii_start();
        let close = match text.first()? {
            b'[' => b']',
            b'<' => b'>',
            b'(' => b')',
            _ => b' ',
        };
        let end = text.iter().position(|&byte| byte == close || byte == b'\t')?;
        let (word, rest) = text.split_at(end);
        text = rest;
        if close != b' ' {
            let inside = word[1..].trim_ascii();
            let found = level::upper(inside, false).or_else(|| in_angles(word, inside));
            // vCenter's events: `Event [12] [1-1] [2026-11-23T08:50:48Z] [vim.event.EventEx] [error] [] x`.
            // And `nginx: [emerg] x`, `2026-11-23 08:50:48 main [error] x`.
            let is_set_off = groups > 1 || (is_titled || time_seen) && words == 1;
            if let Some(level) = found.or_else(|| if is_set_off { level::set_off(inside) } else { None }) {
                return Some(level);
            }
            is_titled = false;
            groups += 1;
            text = rest.get(1..)?;
            continue;
        }
        let is_apart = rest.starts_with(b" - ") || time_seen && matches!(rest, [b'\t', ..] | [b' ', b' ' | b'|', ..]);
        // Behind one name, `2026-11-23 08:50:48 Cart ERROR Disk full`, a sentence's beginning is enough; `Got ERROR from x` has none.
        let begins = matches!(rest, [b' ', b'A'..=b'Z' | b'[', ..]);
        let is_column = words > 0 && is_apart || time_seen && words == 1 && prose == 0 && begins;
        // Fabric's `2026-11-23 08:50:48.703 UTC [shop] load -> INFO 002 x`.
        let is_pointed_at = time_seen && is_arrow;
        is_arrow = word == b"->";
        let name = word.strip_suffix(b":");
        let is_column = is_column || is_pointed_at;
        if let Some(level) = name.or(is_column.then_some(word)).and_then(|name| level::upper(name, false)) {
            return Some(level);
        }
        if words == 1
            && time_seen
            && let Some(at) = word.iter().position(|&byte| byte == b'=')
            && let Piece::Level(level) = marks::keyed(&word[..at], &word[at + 1..])
        {
            return Some(level);
        }
        if word.iter().any(|byte| matches!(byte, b'"' | b'\'' | b'=')) {
            return None;
        }
        (groups, is_titled) = (0, name.is_some());
        words += usize::from(word.iter().any(u8::is_ascii_alphanumeric));
        prose += usize::from(word.iter().all(u8::is_ascii_lowercase));
        if words > if time_seen { MAX_BETWEEN } else { 1 } || prose > if time_seen { MAX_PROSE } else { 0 } {
            return None;
        }
    }
}

/// Coherence's `<Warning>` and `<D5>`.
fn in_angles(text: &[u8], inside: &[u8]) -> Option<Level> {
    match (text.first()?, inside) {
        (b'<', [b'D', b'1'..=b'9']) => Some(Level::Debug),
        (b'<', [b'A'..=b'Z', ..]) => level::spoken(inside, true),
        _ => None,
    }
}
