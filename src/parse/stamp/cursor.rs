//! The steps of which reading a form is made: a byte, spaces, digits.
//!
//! **Invariant**: what a step does not find stays where it is, and no step goes past the text's end.

use super::Cursor;

impl Cursor<'_> {
    pub(super) fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub(super) fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    pub(super) fn take_any(&mut self, bytes: &[u8]) -> Option<u8> {
        let byte = self.peek().filter(|byte| bytes.contains(byte))?;
        self.at += 1;
        Some(byte)
    }

    pub(super) fn spaces(&mut self) -> usize {
        let from = self.at;
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
        self.at - from
    }

    pub(super) fn digit_count(&self) -> usize {
        self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count()
    }

    /// A number of `least` to `most` digits, all that are there.
    pub(super) fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        let count = self.digit_count();
        if count < least || count > most {
            return None;
        }
        self.fixed(count)
    }

    /// A number of the next `count` digits.
    pub(super) fn fixed(&mut self, count: usize) -> Option<u32> {
        let digits = self.rest().get(..count)?;
        let number = digits
            .iter()
            .try_fold(0_u32, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))?;
        self.at += count;
        Some(number)
    }
}
