//! All presets in one pass: a table says for each byte whether something may begin (or stand) there, and only there is
//! looked closer.
//!
//! **Invariant**: the time is linear in the text, whatever stands in it: each look is bounded, or what it has seen is not
//! looked at again.

use super::address::{self, Colons};
use super::hit::{Hit, run};
use super::keys;
use super::numbers;
use super::presets::Presets;
use super::tokens::{self, Web};

/// Finds what the presets stand for.
#[derive(Clone, Debug)]
pub(super) struct Scanner {
    on: Presets,
    /// Whether a closer look is needed at a byte.
    looks: [bool; 256],
}

/// The bytes at which presets are looked for. Rare ones are chosen: the `J` of `eyJ`, not its `e`.
const TRIGGERS: &[(Presets, &[u8])] = &[
    (Presets::EMAIL, b"@"),
    (Presets::IPV4, b"0123456789"),
    (Presets::IPV6, b":"),
    (Presets::CARD, b"0123456789"),
    (Presets::IBAN, b"0123456789"),
    (Presets::PHONE, b"+(:"),
    (Presets::JWT, b"J"),
    (Presets::AWS, b"AkK"),
    (Presets::GCP, b"AyG"),
    (Presets::GITHUB, b"_"),
    (Presets::SLACK, b"-/"),
    (Presets::KEY, b"-"),
    (Presets::BEARER, b"bBzZ"),
];

impl Scanner {
    pub(super) fn new(on: Presets) -> Self {
        let mut looks = [false; 256];
        for (_, bytes) in TRIGGERS.iter().filter(|(preset, _)| on.has(*preset)) {
            bytes.iter().for_each(|byte| looks[usize::from(*byte)] = true);
        }
        Self { on, looks }
    }

    /// Whether anything is found.
    #[inline]
    pub(super) fn is_match(&self, text: &[u8]) -> bool {
        let mut any = false;
        self.walk(text, |_| {
            any = true;
            false
        });
        any
    }

    /// Appends all that is found, by place and apart from each other.
    pub(super) fn all(&self, text: &[u8], hits: &mut Vec<Hit>) {
        self.walk(text, |hit| {
            hits.push(hit);
            true
        });
    }

    /// Gives hits to `take` as long as that wants more.
    #[inline(always)]
    fn walk(&self, text: &[u8], mut take: impl FnMut(Hit) -> bool) {
        let mut at = 0;
        let mut from = 0;
        let mut seen = Seen::default();
        while let Some(more) =
            text.get(at..).and_then(|rest| rest.iter().position(|byte| self.looks[usize::from(*byte)]))
        {
            at += more;
            let mut next = at + 1;
            let found = match text[at] {
                b'0'..=b'9' => {
                    next = run(text, at, |byte| byte.is_ascii_digit());
                    self.digits(text, at, next, from)
                }
                b':' => self.colon(text, at, from, &mut seen),
                b'J' => web_token(text, at, &mut seen),
                byte => self.other(text, at, from, byte),
            };
            if let Some(found) = found.filter(|found| found.start >= from) {
                if !take(found) {
                    return;
                }
                from = found.end;
                next = found.end;
            }
            at = next;
        }
    }

    /// What the digits from `at` to `end` belong to.
    #[inline]
    fn digits(&self, text: &[u8], at: usize, end: usize, from: usize) -> Option<Hit> {
        let behind = |place: usize| text.get(place).is_some_and(u8::is_ascii_digit);
        let is_before = at > from && text[at - 1].is_ascii_uppercase();
        if is_before
            && self.on.has(Presets::IBAN)
            && at >= from + 2
            && let Some(place) = numbers::iban(text, at)
        {
            return Some(hit(Presets::IBAN, place));
        }
        match (end - at, text.get(end)) {
            (1..=3, Some(b'.')) if self.on.has(Presets::IPV4) && behind(end + 1) => {
                address::ipv4(text, at).map(|end| hit(Presets::IPV4, (at, end)))
            }
            (4, Some(b' ' | b'-')) if behind(end + 1) => self.card(text, at),
            (14..=19, _) => self.card(text, at),
            _ => None,
        }
    }

    fn card(&self, text: &[u8], at: usize) -> Option<Hit> {
        let end = self.on.has(Presets::CARD).then(|| numbers::card(text, at)).flatten()?;
        Some(hit(Presets::CARD, (at, end)))
    }

    /// What the colon at `at` belongs to.
    #[inline]
    fn colon(&self, text: &[u8], at: usize, from: usize, seen: &mut Seen) -> Option<Hit> {
        if self.on.has(Presets::PHONE)
            && let Some(start) = numbers::tel(text, at)
            && let Some(end) = numbers::phone(text, start)
        {
            return Some(hit(Presets::PHONE, (start, end)));
        }
        let is_hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
        let has_gap = text.get(at + 1) == Some(&b':');
        let may_be = has_gap || is_hex(text.get(at + 1)) && is_hex(at.checked_sub(1).and_then(|at| text.get(at)));
        if at < seen.colons || !may_be || !self.on.has(Presets::IPV6) {
            return None;
        }
        match address::ipv6(text, at, from) {
            Colons::Address(start, end) => Some(hit(Presets::IPV6, (start, end))),
            Colons::Until(end) => {
                seen.colons = end;
                None
            }
        }
    }

    fn other(&self, text: &[u8], at: usize, from: usize, byte: u8) -> Option<Hit> {
        let on = |preset| self.on.has(preset);
        let to = |preset, end: Option<usize>| end.map(|end| hit(preset, (at, end)));
        let place = |preset, place: Option<(usize, usize)>| place.map(|place| hit(preset, place));
        match byte {
            b'@' => place(Presets::EMAIL, address::email(text, at, from)),
            b'+' => to(Presets::PHONE, numbers::phone(text, at)),
            b'(' => to(Presets::PHONE, numbers::area_phone(text, at)),
            b'A' => {
                let aws = on(Presets::AWS).then(|| tokens::aws_id(text, at)).flatten();
                let gcp = || on(Presets::GCP).then(|| tokens::gcp(text, at)).flatten();
                to(Presets::AWS, aws).or_else(|| to(Presets::GCP, gcp()))
            }
            b'y' | b'G' => to(Presets::GCP, tokens::gcp(text, at)),
            b'k' | b'K' => place(Presets::AWS, tokens::aws_secret(text, at)),
            b'_' => place(Presets::GITHUB, tokens::github(text, at)),
            b'-' => {
                let key = on(Presets::KEY).then(|| keys::block(text, at)).flatten();
                let slack = || on(Presets::SLACK).then(|| tokens::slack(text, at)).flatten();
                to(Presets::KEY, key).or_else(|| place(Presets::SLACK, slack()))
            }
            b'/' => place(Presets::SLACK, tokens::slack_hook(text, at)),
            b'z' | b'Z' => place(Presets::BEARER, tokens::header(text, at)),
            b'b' | b'B' => place(Presets::BEARER, tokens::bearer(text, at)),
            _ => None,
        }
    }
}

/// What was looked at already and need not be again.
#[derive(Default)]
struct Seen {
    /// No IPv6 address has a colon before this place.
    colons: usize,
    /// No web token begins before this place.
    web: usize,
}

fn web_token(text: &[u8], at: usize, seen: &mut Seen) -> Option<Hit> {
    if at < seen.web {
        return None;
    }
    match tokens::jwt(text, at)? {
        Web::Token(start, end) => Some(hit(Presets::JWT, (start, end))),
        Web::Until(end) => {
            seen.web = end;
            None
        }
    }
}

fn hit(preset: Presets, (start, end): (usize, usize)) -> Hit {
    Hit { start, end, what: preset.index() }
}
