//! Cuts a buffer at its LFs, without copying.
//!
//! **Invariant**: lines and their spans follow each other without a gap; what stands behind the last LF is never
//! a line, it is the caller's [`Lines::rest`]. An unfinished last line at the end of an input is the caller's
//! decision, since only the caller knows that it has ended.

use memchr::Memchr;

use crate::model::event::Span;

/// The finished lines of a buffer: each without its LF, with its span, LF included, in the origin's offsets.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    /// The whole buffer.
    buffer: &'a [u8],
    /// The offset of the buffer's first byte in its origin.
    base: u64,
    /// Where the next line starts in the buffer.
    at: usize,
    /// The LFs at and behind `at`.
    ends: Memchr<'a>,
}

impl<'a> Lines<'a> {
    /// The lines of `buffer`, whose first byte is at offset `base` of its origin and starts a line.
    pub fn new(buffer: &'a [u8], base: u64) -> Self {
        Self { buffer, base, at: 0, ends: memchr::memchr_iter(b'\n', buffer) }
    }

    /// The bytes that no line was made of yet; once the iterator has ended, the unfinished last line.
    pub fn rest(&self) -> &'a [u8] {
        &self.buffer[self.at..]
    }

    /// The offset in the origin of the first byte of [`Lines::rest`].
    pub fn offset(&self) -> u64 {
        self.base + self.at as u64
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = (&'a [u8], Span);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let end = self.ends.next()?;
        let line = &self.buffer[self.at..end];
        let span = Span { start: self.base + self.at as u64, end: self.base + end as u64 + 1 };
        self.at = end + 1;
        Some((line, span))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads `input` in buffers of the given sizes, carrying the unfinished rest over as a pipeline does.
    fn read(input: &[u8], sizes: &[usize]) -> (Vec<(Vec<u8>, Span)>, u64) {
        let mut found = Vec::new();
        let (mut start, mut end) = (0, 0);
        let mut sizes = sizes.iter().copied().cycle();
        while end < input.len() {
            end = (end + sizes.next().unwrap_or(1).max(1)).min(input.len());
            let mut lines = Lines::new(&input[start..end], start as u64);
            found.extend(lines.by_ref().map(|(line, span)| (line.to_vec(), span)));
            assert_eq!(lines.rest(), &input[lines.offset() as usize..end]);
            start = lines.offset() as usize;
        }
        (found, start as u64)
    }

    fn check(input: &str, expected: &[&str], rest: &str) {
        let mut lines = Lines::new(input.as_bytes(), 0);
        let found: Vec<_> = lines.by_ref().map(|(line, _)| String::from_utf8_lossy(line).into_owned()).collect();
        assert_eq!(found, expected);
        assert_eq!(lines.rest(), rest.as_bytes());
    }

    #[test]
    fn lines_and_rest() {
        check("", &[], "");
        check("a", &[], "a");
        check("\n", &[""], "");
        check("a\nb\n\nc", &["a", "b", ""], "c");
        check("a\r\n\0\n", &["a\r", "\0"], "");
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_lines(
            input in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'a'), Just(b'\r'), any::<u8>()], 0..300),
            sizes in proptest::collection::vec(1_usize..40, 1..8),
        ) {
            let whole = read(&input, &[input.len().max(1)]);
            prop_assert_eq!(&read(&input, &sizes), &whole);
            let mut at = 0;
            for (line, span) in &whole.0 {
                prop_assert_eq!(span.start, at);
                prop_assert_eq!(&input[span.start as usize..span.end as usize - 1], &line[..]);
                prop_assert_eq!(input[span.end as usize - 1], b'\n');
                at = span.end;
            }
            prop_assert_eq!(at, whole.1);
            prop_assert!(!input[at as usize..].contains(&b'\n'));
        }
    }
}
