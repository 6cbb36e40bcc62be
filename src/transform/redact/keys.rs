//! Private keys as PEM and its kin write them: from `BEGIN` to the end, and line by line.
//!
//! ```text
//! -----BEGIN PRIVATE KEY-----
//! MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj     a line of base64, as long as whoever wrote it likes
//! 8iXYw==                                                              its end, often shorter
//! -----END PRIVATE KEY-----
//! ```
//!
//! **Invariant**: a line counts as one of a key only where it is nothing else, and then by its characters: those of chance, not of words.

use memchr::{memchr, memmem};

use super::hit::run;

/// The shortest line that is told by its characters alone.
const SHORTEST: usize = 40;
/// The shortest last line, which ends with `=`.
const SHORTEST_END: usize = 20;
/// A longer line than any writer makes is a key's only if it begins as one.
const LONGEST: usize = 128;
/// How keys begin that are not wrapped: PKCS#1 and #8, EC, OpenSSH.
const BEGINNINGS: [&[u8]; 4] = [b"MII", b"MIG", b"MHc", b"b3BlbnNzaC1rZXkt"];

/// The private key whose first hyphen is at `at`: to the end of its last line, or of the text.
pub(super) fn block(text: &[u8], at: usize) -> Option<usize> {
    let rest = text[at..].strip_prefix(b"-----BEGIN ")?;
    let label = run(rest, 0, |byte| byte.is_ascii_uppercase() || byte == b' ');
    let is_private = rest[..label].ends_with(b"PRIVATE KEY") || rest[..label].ends_with(b"PRIVATE KEY BLOCK");
    if !is_private || !rest[label..].starts_with(b"-----") {
        return None;
    }
    let body = at + 11 + label + 5;
    let Some(last) = memmem::find(&text[body..], b"-----END ") else { return Some(text.len()) };
    let end = body + last + 9;
    Some(memmem::find(&text[end..], b"-----").map_or(text.len(), |len| end + len + 5))
}

/// The lines of a text that are a key's: where they begin and end.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        while from <= text.len() {
            let end = memchr(b'\n', &text[from..]).map_or(text.len(), |len| from + len);
            let line = &text[from..end];
            let start = from + line.len() - line.trim_ascii_start().len();
            from = end + 1;
            let line = line.trim_ascii();
            if is_line(line) {
                return Some((start, start + line.len()));
            }
        }
        None
    })
}

/// Whether [`lines`] may find something in the text, or in a string of the JSON object that it is.
pub(super) fn may_have(text: &[u8]) -> bool {
    // Most objects have no string of several lines, which is the fastest to see.
    let has_strings_of_lines = || text.trim_ascii_start().starts_with(b"{") && memmem::find(text, b"\\n").is_some();
    lines(text).next().is_some() || has_strings_of_lines() && has_line_of_string(text)
}

/// Whether a run of base64 that is long enough stands in the text with the escape of a line's end beside it.
fn has_line_of_string(text: &[u8]) -> bool {
    let mut at = SHORTEST_END - 1;
    // Every such run has a byte at a multiple of the shortest length.
    while at < text.len() {
        if is_base64(text[at]) {
            let before = text[..at].iter().rev().take_while(|byte| is_base64(**byte)).count();
            let end = run(text, at, is_base64);
            let start = at - before;
            let is_ended = text[end..].starts_with(b"\\n") || text[end..].starts_with(b"\\r\\n");
            // Behind an escape its letter looks like one of the run.
            let is_begun = start > 0 && text[start - 1] == b'\\' && text[start] == b'n';
            if end - start >= SHORTEST_END && (is_ended || is_begun) && is_mixed(&text[start..end]) {
                return true;
            }
            at = end;
        }
        at += SHORTEST_END;
    }
    false
}

/// Whether a whole line is one of a private key.
fn is_line(line: &[u8]) -> bool {
    if line.len() < SHORTEST_END || !line.iter().all(|byte| is_base64(*byte)) || !is_mixed(line) {
        return false;
    }
    match line.len() {
        // As OpenSSL, OpenSSH and MIME write them.
        64 | 70 | 76 => true,
        SHORTEST..=LONGEST => is_shuffled(line),
        length if length < SHORTEST => line.ends_with(b"=") && length.is_multiple_of(4) && is_shuffled(line),
        _ => BEGINNINGS.iter().any(|beginning| line.starts_with(beginning)),
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// Whether all kinds of characters are there: hashes in hexadecimal digits and most paths lack one.
fn is_mixed(line: &[u8]) -> bool {
    line.iter().any(|byte| matches!(byte, b'g'..=b'z'))
        && line.iter().any(|byte| matches!(byte, b'G'..=b'Z'))
        && line.iter().any(u8::is_ascii_digit)
}

/// Whether capitals, small letters and digits take turns as chance has them: after two characters in three, where words and names
/// made of words do it after one in four.
fn is_shuffled(line: &[u8]) -> bool {
    let kind = |byte: &u8| match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    let turns = line.windows(2).filter(|pair| kind(&pair[0]) != kind(&pair[1])).count();
    turns * 12 >= (line.len() - 1) * 5
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(text: &str) -> Vec<&str> {
        lines(text.as_bytes()).map(|(start, end)| &text[start..end]).collect()
    }

    #[test]
    fn lines_of_keys_by_their_characters() {
        let key = "Mg6BcDg9QpAmhyUxZVCGhMjTgSzmY1SqyPpOX4HLhYcQY1TT0WcMGAJkqR5mS3f8aIeQvq8bF0xkVVdLrSuLZ1fC2wVYv7s8n0j7yQe5c0E=";
        for length in [40, 48, 60, 64, 65, 70, 72, 76, 78, 104] {
            assert_eq!(found(&key[..length]), [&key[..length]], "{length}");
        }
        // Its last line; indented, as in YAML; with a carriage return; between other lines.
        assert_eq!(found(&key[88..]), [&key[88..]]);
        let text = format!("key: |\n    {}\n    {}\r\nand so on", &key[..48], &key[48..96]);
        assert_eq!(found(&text), [&key[..48], &key[48..96]]);
        // Not wrapped at all.
        let long = format!("MIIEvQ{}", key[..100].repeat(9));
        assert_eq!(found(&long), [&long]);
        for line in [
            "",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "org/springframework/boot/autoconfigure/web2/ServerPropertiesAutoConfiguration",
            "AbstractHandlerMethodMappingRegistrationProcessor2FactoryBean",
            "/usr/lib/x86/Resources/en/LocalizableStringsV2/Contents/Info",
            "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSTUVWXYZ",
            "the key Mg6BcDg9QpAmhyUxZVCGhMjTgSzmY1SqyPpOX4HLhYcQY1TT",
            &key[..30],
            &"Mg6BcDg9Qp".repeat(30),
        ] {
            assert_eq!(found(line), [""; 0], "{line}");
        }
    }

    proptest! {
        /// Keys are random: hardly any line of one is missed, whatever its length.
        #[test]
        fn a_line_of_chance_is_one(bytes in proptest::collection::vec(any::<u8>(), 36..90)) {
            const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            let line: Vec<u8> = bytes.iter().map(|byte| ALPHABET[usize::from(byte % 64)]).collect();
            // The odds of a miss are one in thousands; the test is of what is glanced at.
            if lines(&line).next().is_some() {
                prop_assert!(line.len() >= SHORTEST);
                let object = format!(r#"{{"a":1,"key":"{}\nrest"}}"#, String::from_utf8_lossy(&line));
                prop_assert!(may_have(&line) && may_have(object.as_bytes()));
                let object = format!(r#"{{"key":"first\n{}"}}"#, String::from_utf8_lossy(&line));
                prop_assert!(may_have(object.as_bytes()), "{}", object);
            }
        }
    }
}
