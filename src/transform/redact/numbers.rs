//! Numbers that carry their own check (cards, IBANs), and telephone numbers.
//!
//! **Invariant**: no number is taken that is part of a longer word or number. What has a check is taken only where the
//! check holds; a telephone number has none, so it needs a sign of its own: `+`, `tel:` or an area code in parentheses.

use super::hit::{ends_with, word_at, word_before};

/// Groups of digits as cards are written with blanks or hyphens in them.
const CARD_GROUPS: [&[usize]; 4] = [&[4, 4, 4, 4, 3], &[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4]];
const CARD_MAX: usize = 19;

/// Behind the card number whose first digit is at `at`.
///
/// `(?<![\w.])\d{14,19}(?!\w|\.\d)`, or groups of `CARD_GROUPS` with one and the same of ` ` and `-` between.
pub(super) fn card(text: &[u8], at: usize) -> Option<usize> {
    if word_before(text, at) || matches!(text[..at], [.., b'0'..=b'9', b'.']) {
        return None;
    }
    let mut digits = [0; CARD_MAX + 1];
    let (mut count, mut ends, mut groups) = (0, [0; 5], [0; 5]);
    let (mut group, mut place, mut between) = (0, at, None);
    loop {
        match text.get(place) {
            Some(digit @ b'0'..=b'9') => {
                if count == digits.len() {
                    break;
                }
                digits[count] = digit - b'0';
                count += 1;
                groups[group] += 1;
                place += 1;
                ends[group] = place;
            }
            Some(byte @ (b' ' | b'-'))
                if group < 4
                    && between.is_none_or(|before| before == *byte)
                    && text.get(place + 1).is_some_and(u8::is_ascii_digit) =>
            {
                between = Some(*byte);
                group += 1;
                place += 1;
            }
            _ => break,
        }
    }
    let ends_here = |end: usize| {
        let goes_on = text.get(end) == Some(&b'.') && text.get(end + 1).is_some_and(u8::is_ascii_digit);
        !word_at(text, end) && !goes_on
    };
    let is_card = |len: usize| len <= CARD_MAX && is_issued(&digits[..len]) && has_luhn(&digits[..len]);
    if (14..=CARD_MAX).contains(&groups[0]) {
        return (ends_here(ends[0]) && is_card(groups[0])).then_some(ends[0]);
    }
    CARD_GROUPS.iter().find_map(|wanted| {
        let end = ends[wanted.len() - 1];
        (groups[..wanted.len()] == **wanted && ends_here(end) && is_card(wanted.iter().sum())).then_some(end)
    })
}

/// Whether a network gives out cards of this length that begin so: times since 1970 and counters do not.
fn is_issued(digits: &[u8]) -> bool {
    let first = |count: usize| digits[..count].iter().fold(0_u32, |number, digit| number * 10 + u32::from(*digit));
    match digits.len() {
        14 => matches!(first(3), 300..=305 | 360..=369 | 380..=399),
        15 => matches!(first(2), 34 | 37),
        16 => {
            digits[0] == 4
                || matches!(first(2), 51..=55 | 62 | 65)
                || matches!(first(4), 2221..=2720 | 3528..=3589 | 6011 | 5018 | 5020 | 5038 | 5893 | 6304 | 6759..=6763)
                || matches!(first(3), 644..=649)
        }
        17..=19 => digits[0] == 4 && digits.len() == 19 || first(2) == 62 || matches!(first(4), 6011 | 3528..=3589),
        _ => false,
    }
}

/// ISO/IEC 7812's check digit.
fn has_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits.iter().rev().enumerate().fold(0, |sum, (at, digit)| {
        let digit = u32::from(*digit);
        let twice = digit * 2;
        sum + if at % 2 == 0 { digit } else { twice / 10 + twice % 10 }
    });
    sum.is_multiple_of(10)
}

/// The countries of the IBAN registry, and how long theirs are.
const IBANS: &[(&[u8; 2], u8)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HN", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];

/// Where the IBAN whose check digits begin at `at` begins and ends: with a blank after every fourth character or none.
pub(super) fn iban(text: &[u8], at: usize) -> Option<(usize, usize)> {
    let start = at.checked_sub(2)?;
    let country = text.get(start..at)?;
    let wanted = usize::from(IBANS.iter().find(|(code, _)| *code == country)?.1);
    if word_before(text, start) {
        return None;
    }
    let (mut place, mut count, mut remainder, mut head) = (start, 0, 0_u32, 0_u32);
    let add = |remainder: u32, byte: u8| match byte {
        b'0'..=b'9' => (remainder * 10 + u32::from(byte - b'0')) % 97,
        _ => (remainder * 100 + u32::from(byte - b'A') + 10) % 97,
    };
    let mut first = [0; 4];
    while count < wanted {
        let byte = *text.get(place)?;
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' => {
                match first.get_mut(count) {
                    Some(kept) => *kept = byte,
                    None => remainder = add(remainder, byte),
                }
                count += 1;
            }
            b' ' if count % 4 == 0 && text[place - 1] != b' ' => {}
            _ => return None,
        }
        place += 1;
    }
    // The country and the check digits count last.
    for byte in first {
        remainder = add(remainder, byte);
        head += 1;
    }
    debug_assert_eq!(head, 4);
    let has_digits = first[2].is_ascii_digit() && first[3].is_ascii_digit();
    (has_digits && remainder == 1 && !word_at(text, place)).then_some((start, place))
}

/// Behind the number whose `+` is at `at`, or whose first digit is, behind `tel:`.
///
/// `\+[1-9](?:[ .()/-]{0,2}\d){7,14}(?!\w)`; without anything between, at least ten digits; with one dot only, none:
/// that is a difference (`+3.14159265`).
pub(super) fn phone(text: &[u8], at: usize) -> Option<usize> {
    let has_plus = text.get(at) == Some(&b'+');
    if has_plus && (word_before(text, at) || matches!(text[..at], [.., b'.' | b'+'])) {
        return None;
    }
    let (mut place, mut count, mut end) = (at + usize::from(has_plus), 0, at);
    let (mut between, mut dots, mut gap) = (0, 0, 0);
    // The longest that is a number by itself: what stands behind a blank may be something else.
    let mut best = None;
    let is_number = |count: usize, between: usize, dots: usize| {
        count >= (if between > 0 || !has_plus { 8 } else { 10 }) && dots != 1
    };
    while let Some(byte) = text.get(place) {
        match byte {
            b'0'..=b'9' if count < 15 => {
                if count == 0 && has_plus && *byte == b'0' {
                    return None;
                }
                between += usize::from(gap > 0);
                count += 1;
                gap = 0;
                end = place + 1;
            }
            b'0'..=b'9' => return best,
            b' ' | b'.' | b'(' | b')' | b'/' | b'-' if gap < 2 && count > 0 => {
                if gap == 0 && is_number(count, between, dots) {
                    best = Some(end);
                    // Long enough: what follows is another.
                    if count >= 12 && *byte == b' ' {
                        break;
                    }
                }
                dots += usize::from(*byte == b'.' && text.get(place + 1).is_some_and(u8::is_ascii_digit));
                gap += 1;
            }
            _ => break,
        }
        place += 1;
    }
    if is_number(count, between, dots) && !word_at(text, end) { Some(end) } else { best }
}

/// Behind the North American number whose area code's parenthesis is at `at`: `\([2-9]\d\d\) ?[2-9]\d\d[-. ]\d{4}`.
pub(super) fn area_phone(text: &[u8], at: usize) -> Option<usize> {
    let digits =
        |from: usize, count: usize| text.get(from..from + count).filter(|part| part.iter().all(u8::is_ascii_digit));
    if word_before(text, at) || digits(at + 1, 3)?[0] < b'2' || text.get(at + 4) != Some(&b')') {
        return None;
    }
    let from = at + 5 + usize::from(text.get(at + 5) == Some(&b' '));
    let is_number = digits(from, 3)?[0] >= b'2' && matches!(text.get(from + 3), Some(b'-' | b'.' | b' '));
    (is_number && digits(from + 4, 4).is_some() && !word_at(text, from + 8)).then_some(from + 8)
}

/// Where the digits of `tel:` begin, whose colon is at `at`.
pub(super) fn tel(text: &[u8], at: usize) -> Option<usize> {
    let is_tel = ends_with(text, at, b"tel") && !word_before(text, at - 3);
    is_tel.then(|| at + 1 + usize::from(text.get(at + 1) == Some(&b' ')))
}
