//! The memory that a line's pairs are lent from, so that no line allocates.
//!
//! Pairs borrow from their line and so cannot outlive it, but their memory can: it is lent to one line after the
//! other. **Invariant**: what is lent is empty.

use std::fmt;

use crate::model::text::Text;

/// A key and its value.
pub type Pair<'t> = (Text<'t>, Text<'t>);

/// The memory of one worker.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Always empty: only its capacity counts.
    spare: Vec<Pair<'static>>,
}

impl Scratch {
    /// An empty list for the pairs of one line. Its memory comes back when it is dropped.
    #[inline]
    pub fn lend<'t>(&mut self) -> Pairs<'_, 't> {
        Pairs { list: std::mem::take(&mut self.spare), home: &mut self.spare }
    }
}

/// The pairs of one line, in memory lent from a [`Scratch`].
pub struct Pairs<'s, 't> {
    /// The pairs.
    list: Vec<Pair<'t>>,
    /// Where the memory goes when the line is done.
    home: &'s mut Vec<Pair<'static>>,
}

impl<'t> Pairs<'_, 't> {
    /// Adds a pair.
    #[inline]
    pub fn push(&mut self, key: Text<'t>, value: Text<'t>) {
        self.list.push((key, value));
    }

    /// Removes all pairs.
    pub fn clear(&mut self) {
        self.list.clear();
    }

    /// The pairs so far.
    pub fn as_slice(&self) -> &[Pair<'t>] {
        &self.list
    }
}

impl fmt::Debug for Pairs<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list.fmt(f)
    }
}

impl Drop for Pairs<'_, '_> {
    #[inline]
    fn drop(&mut self) {
        if self.list.capacity() == 0 {
            return;
        }
        self.list.clear();
        // An empty list of short-lived pairs becomes an empty list of long-lived ones: nothing is mapped, and the
        // standard library collects a vector's own iterator into the vector's memory. (Were it to stop doing so, the
        // program would allocate once per line and the test below would fail.)
        *self.home = std::mem::take(&mut self.list).into_iter().map(|_| (Text::Plain(""), Text::Plain(""))).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_lent_again() {
        let mut scratch = Scratch::default();
        let mut first = std::ptr::null();
        for line in 0..3 {
            let text = line.to_string();
            let mut pairs = scratch.lend();
            assert_eq!(pairs.as_slice(), []);
            for _ in 0..10 {
                pairs.push(Text::Plain(&text), Text::Plain("x"));
            }
            if line == 0 {
                first = pairs.as_slice().as_ptr().cast::<u8>();
            }
            assert_eq!(pairs.as_slice().as_ptr().cast(), first);
        }
    }
}
