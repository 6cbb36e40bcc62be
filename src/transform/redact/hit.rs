//! What was found, and where.

/// A place in a text that must not be shown. **Invariant**: not empty, on the borders of characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    /// The first byte.
    pub(super) start: usize,
    /// Behind the last byte.
    pub(super) end: usize,
    /// What it is: an index into the redactor's names.
    pub(super) what: usize,
}

/// Hits by place, of which those that touch the same bytes are one, called as the first.
pub(super) fn merged(mut hits: Vec<Hit>) -> Vec<Hit> {
    hits.sort_by_key(|hit| (hit.start, std::cmp::Reverse(hit.end)));
    hits.dedup_by(|later, kept| {
        let touches = later.start < kept.end;
        if touches {
            kept.end = kept.end.max(later.end);
        }
        touches
    });
    hits
}

/// Whether a byte is part of a word. What is not ASCII is.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Whether a word goes on before `at`; the letter of an escape (`\n`) is part of none.
pub(super) fn word_before(text: &[u8], at: usize) -> bool {
    match text[..at] {
        [.., b'\\', b'n' | b'r' | b't' | b'b' | b'f'] => false,
        [.., byte] => is_word(byte),
        [] => false,
    }
}

/// Whether a word goes on at `at`.
pub(super) fn word_at(text: &[u8], at: usize) -> bool {
    text.get(at).is_some_and(|byte| is_word(*byte))
}

/// Behind the bytes from `at` on that `is` holds for.
pub(super) fn run(text: &[u8], at: usize, is: impl Fn(u8) -> bool) -> usize {
    text[at.min(text.len())..].iter().position(|byte| !is(*byte)).map_or(text.len(), |len| at + len)
}

/// Whether `words` stand before `at`, in capitals or not.
pub(super) fn ends_with(text: &[u8], at: usize, words: &[u8]) -> bool {
    at.checked_sub(words.len()).is_some_and(|from| text[from..at].eq_ignore_ascii_case(words))
}

/// Whether `words` stand at `at`, in capitals or not.
pub(super) fn begins_with(text: &[u8], at: usize, words: &[u8]) -> bool {
    text.get(at..at + words.len()).is_some_and(|found| found.eq_ignore_ascii_case(words))
}
