//! What all HTTP stores' answers have in common: the server's words, and refusals that are not the store's own.
//!
//! **Invariant**: the words are one line of text, of bounded length, whatever was answered.

use crate::model::sink::Answer;

/// The most bytes of an answer that are repeated to a person.
const WORDS_MAX: usize = 512;

/// The status and the beginning of the answer, on one line.
pub(crate) fn words(answer: &Answer<'_>) -> String {
    let said = one_line(answer.body);
    if said.is_empty() { format!("status {}", answer.status) } else { format!("status {}: {said}", answer.status) }
}

/// The beginning of a text, on one line.
pub(crate) fn one_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(WORDS_MAX)]);
    let mut line = String::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// Whether the answer contains one of the texts, in any case.
pub(crate) fn says(answer: &Answer<'_>, texts: &[&str]) -> bool {
    let said = String::from_utf8_lossy(&answer.body[..answer.body.len().min(4096)]).to_lowercase();
    texts.iter().any(|text| said.contains(&text.to_lowercase()))
}

/// Whether a refusal (400) came from something that never looked at the entries: a proxy's page, or a server that
/// wanted TLS. To take it for a refusal of the entries would lose them all.
pub(crate) fn is_not_about_entries(answer: &Answer<'_>) -> bool {
    answer.body.trim_ascii_start().first() == Some(&b'<')
        || says(answer, &["HTTP request was sent to HTTPS port", "HTTP request to an HTTPS server"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Answer<'_> {
        Answer { status: 400, body: body.as_bytes() }
    }

    #[test]
    fn words_are_one_bounded_line() {
        assert_eq!(words(&answer("")), "status 400");
        assert_eq!(words(&answer(" a\n\tb\u{1b}[31m \n")), "status 400: a b [31m");
        assert!(words(&answer(&"é".repeat(5000))).len() < WORDS_MAX + 32);
    }

    #[test]
    fn refusals_of_others() {
        for body in [
            "<html>400 Bad Request</html>",
            "\n<!DOCTYPE html>",
            "Client sent an HTTP request to an HTTPS server.\n",
            "400 The plain HTTP request was sent to HTTPS port",
        ] {
            assert!(is_not_about_entries(&answer(body)), "{body}");
        }
        assert!(!is_not_about_entries(&answer("entry for stream '{a=\"<b>\"}' has timestamp too old")));
    }
}
