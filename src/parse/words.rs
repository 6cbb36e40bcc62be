//! What the words of a line's head are: numbers, times, names, or perhaps a sentence's.
//!
//! **Invariant**: nothing here knows of levels, and nothing looks at more than a word and what stands directly behind it.

pub(super) const LETTER: u8 = 1;
pub(super) const DIGIT: u8 = 2;
pub(super) const COLON: u8 = 4;
/// Signs that stand in numbers, times and dates.
const NUMBER_SIGN: u8 = 8;
/// The other signs of ASCII.
pub(super) const SIGN: u8 = 16;
/// Controls, and what is beyond ASCII.
pub(super) const OTHER: u8 = 32;

const CLASSES: [u8; 256] = {
    let mut table = [OTHER; 256];
    let mut byte = 0;
    while byte < 128 {
        let value = byte as u8;
        table[byte] = match value {
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b'0'..=b'9' => DIGIT,
            b':' => COLON,
            b'.' | b',' | b';' | b'/' | b'+' | b'-' | b'_' | b'#' | b']' => NUMBER_SIGN,
            _ if value.is_ascii_punctuation() => SIGN,
            _ => OTHER,
        };
        byte += 1;
    }
    table
};

/// What a word is made of.
#[derive(Clone, Copy)]
pub(super) struct Made {
    /// The classes of its bytes, joined.
    classes: u8,
    /// How many letters it has.
    pub(super) letters: usize,
}

impl Made {
    pub(super) fn of(word: &[u8]) -> Self {
        word.iter().fold(Self { classes: 0, letters: 0 }, |made, &byte| {
            let class = CLASSES[usize::from(byte)];
            Self { classes: made.classes | class, letters: made.letters + usize::from(class & LETTER) }
        })
    }

    /// Whether `word` is one sign from beyond ASCII, such as an arrow.
    pub(super) fn is_symbol(self, word: &[u8]) -> bool {
        self.classes & (LETTER | DIGIT) == 0 && word.len() < 5 && word.iter().all(|byte| !byte.is_ascii())
    }

    pub(super) fn has(self, classes: u8) -> bool {
        self.classes & classes != 0
    }
}

/// Seconds since 1970, of this century, with or without a fraction. Equivalent: `^1[0-9]{9}(\.[0-9]+)?$`.
pub(super) fn is_epoch(word: &[u8]) -> bool {
    let is_part = |(at, byte): (usize, &u8)| byte.is_ascii_digit() || at == 10 && *byte == b'.';
    word.len() > 9
        && word[0] == b'1'
        && word.len() != 11
        && word.iter().enumerate().all(is_part)
        && (word.len() == 10 || word[10] == b'.')
}

/// Milliseconds since 1970. Equivalent: `^1[0-9]{12}$`.
pub(super) fn is_epoch_millis(word: &[u8]) -> bool {
    word.len() == 13 && word[0] == b'1' && word.iter().all(u8::is_ascii_digit)
}

pub(super) fn is_epoch_next(rest: &[u8]) -> bool {
    rest.strip_prefix(b" ").and_then(|rest| rest.get(..10)).is_some_and(is_epoch)
}

/// Equivalent: `^[^:]*[0-9]:[0-9]{2}:[0-9]{2}`.
pub(super) fn has_time(word: &[u8]) -> bool {
    let digit = word.iter().position(|&byte| byte == b':').and_then(|colon| colon.checked_sub(1));
    digit.is_some_and(|digit| shaped(&word[digit..], b"0:00:00").is_some())
}

/// What follows a terminal's colour, or `text` itself. Equivalent: `^\x1b\[[0-9;]*m`.
pub(super) fn behind_colour(text: &[u8]) -> &[u8] {
    let [0x1b, b'[', rest @ ..] = text else { return text };
    let len = rest.iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b';')).count();
    match rest.get(len) {
        Some(b'm') => &rest[len + 1..],
        _ => text,
    }
}

/// `text` without a colour at its beginning and what follows the next one.
pub(super) fn without_colour(text: &[u8]) -> &[u8] {
    let text = behind_colour(text);
    text.iter().position(|&byte| byte == 0x1b).map_or(text, |end| &text[..end])
}

/// Whether `word` belongs to a time: a month, a day, a zone.
pub(super) fn is_of_calendar(word: &[u8]) -> bool {
    match word.len() {
        2 => matches!(word, b"AM" | b"PM" | b"am" | b"pm"),
        3 => matches!(
            word,
            b"Jan"
                | b"Feb"
                | b"Mar"
                | b"Apr"
                | b"May"
                | b"Jun"
                | b"Jul"
                | b"Aug"
                | b"Sep"
                | b"Oct"
                | b"Nov"
                | b"Dec"
                | b"Mon"
                | b"Tue"
                | b"Wed"
                | b"Thu"
                | b"Fri"
                | b"Sat"
                | b"Sun"
                | b"UTC"
                | b"GMT"
                | b"CET"
                | b"EST"
                | b"EDT"
                | b"CST"
                | b"CDT"
                | b"MST"
                | b"MDT"
                | b"PST"
                | b"PDT"
                | b"IST"
                | b"JST"
                | b"BST"
                | b"MSK"
        ),
        _ => word == b"CEST",
    }
}

/// `com.example.Shop`, `user@db`, `web-1`: hardly a word of a sentence.
pub(super) fn is_name(word: &[u8]) -> bool {
    let inside = word.strip_suffix(b":").unwrap_or(word);
    let inside = inside.get(..inside.len().saturating_sub(1)).unwrap_or(inside);
    word.is_ascii() && inside.iter().any(|byte| byte.is_ascii_digit() || b".@/_$#:-".contains(byte))
}

/// `HardJob`: a name of several words in one.
pub(super) fn is_camel(word: &[u8]) -> bool {
    let is_hump = |pair: &[u8]| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase();
    word.iter().all(u8::is_ascii_alphabetic) && word.windows(2).any(is_hump)
}

/// Whether `sign` stands in `word` twice.
pub(super) fn has_two(word: &[u8], sign: u8) -> bool {
    word.iter().filter(|&&byte| byte == sign).nth(1).is_some()
}

/// `2026-11-23-08.50.48`, `2026.11.23-08.50.48`.
pub(super) fn has_dotted_time(word: &[u8]) -> bool {
    shaped(word, b"0000-00-00-00.00.00").or_else(|| shaped(word, b"0000.00.00-00.00.00")).is_some()
}

/// What follows brackets directly behind a name, and their colon: the `(ann)<12>:` of `imap(ann)<12>: x`.
pub(super) fn behind_asides(rest: &[u8]) -> Option<&[u8]> {
    let mut at = rest;
    loop {
        let close = match at {
            [b'(', ..] => b')',
            [b'[', ..] => b']',
            [b'<', ..] => b'>',
            [b':', b' ', behind @ ..] if at.len() < rest.len() => return Some(behind),
            _ => return None,
        };
        at = &at[at.iter().take(64).position(|&byte| byte == close)? + 1..];
    }
}

/// Whether what follows is a sign that parts columns, as in `shop - WARN - text`.
pub(super) fn separated(rest: &[u8]) -> bool {
    let rest = rest.trim_ascii_start();
    matches!(rest, [b'|', ..] | [b'-', b' ', ..])
}

/// The word that follows white space.
pub(super) fn next(rest: &[u8]) -> &[u8] {
    let rest = rest.trim_ascii_start();
    &rest[..rest.iter().position(|byte| matches!(byte, b' ' | b'\t' | b'[' | b'|')).unwrap_or(rest.len())]
}

/// `web`, `mail-1`, `org.shop`: what a program or a logger may be called, with nothing around it.
pub(super) fn is_plain_name(word: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-/".contains(byte);
    word.first().is_some_and(u8::is_ascii_alphabetic) && word.iter().all(is_part)
}

/// Whether `rest` begins with a process's id in brackets, with or without a thread's. Equivalent: `^\[[0-9]+(:[0-9]+)?\]`.
pub(super) fn is_process_next(rest: &[u8]) -> bool {
    let [b'[', inside @ ..] = rest else { return false };
    let end = inside.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b':').count();
    let colons = inside[..end].iter().filter(|&&byte| byte == b':').count();
    end > 0 && inside[0] != b':' && inside[end - 1] != b':' && colons < 2 && inside.get(end) == Some(&b']')
}

/// Whether a program's name and its process follow.
pub(super) fn leads_to_process(rest: &[u8]) -> bool {
    let behind = rest.trim_ascii_start().get(next(rest).len()..).unwrap_or_default();
    is_process_next(behind)
}

/// Whether a column of letters follows a number or a time. Equivalent: `^[0-9].*,[A-Z]`.
pub(super) fn is_column_next(word: &[u8]) -> bool {
    let comma = word.iter().rposition(|&byte| byte == b',');
    comma.and_then(|comma| word.get(comma + 1)).is_some_and(u8::is_ascii_uppercase) && word[0].is_ascii_digit()
}

/// A number of a few digits.
pub(super) fn number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 4 {
        return None;
    }
    digits.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
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
