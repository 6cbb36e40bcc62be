//! Which labels of a store's streams are stored beside the line instead, and from where on.
//!
//! ```text
//! entry begins at   0 ──────────── from ──────────── sent ────▶
//!                   │ has the label │ beside the line │ never sent
//! ```
//!
//! **Invariant**: which of an entry's labels stand beside it depends on where the entry begins and on these marks alone, and what
//! was sent under a label begins before the label's mark. So an entry that is read again is sent to the stream that it went to before.

use std::sync::Arc;

/// What a pipeline remembers of one origin, for a sink that demotes labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demotions {
    /// Behind the beginning of every entry that was sent, or is in a batch.
    pub sent: u64,
    /// The labels that are demoted in this origin.
    pub labels: Vec<Demotion>,
}

/// From where on a label is stored beside an origin's lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demotion {
    /// The label's name.
    pub label: Arc<str>,
    /// Entries that begin here or behind it have it beside them, earlier ones in their stream's name.
    pub from: u64,
}

impl Demotions {
    /// Has marks of exactly `labels`, in their order. One that is new here begins behind all that was sent.
    pub fn fit(&mut self, labels: &[Arc<str>]) {
        let known = std::mem::take(&mut self.labels);
        let mark = |label: &Arc<str>| {
            let mark = known.iter().find(|mark| mark.label == *label).cloned();
            mark.unwrap_or_else(|| Demotion { label: Arc::clone(label), from: self.sent })
        };
        self.labels = labels.iter().map(mark).collect();
    }

    /// An entry that begins at `start` is about to be sent: which labels stand beside it, by their places.
    #[inline]
    pub fn send(&mut self, start: u64) -> impl Iterator<Item = usize> {
        self.sent = self.sent.max(start + 1);
        self.labels.iter().enumerate().filter(move |(_, mark)| mark.from <= start).map(|(place, _)| place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_ends_behind_what_was_sent_under_it_and_nowhere_else() {
        let sent = |marks: &mut Demotions, start| marks.send(start).collect::<Vec<_>>();
        let names: Vec<Arc<str>> = ["pod".into(), "request".into()].to_vec();
        let mut marks = Demotions::default();
        assert_eq!(sent(&mut marks, 40), [0; 0]);
        marks.fit(&names[1..]);
        // Of another stream, whose pieces began earlier.
        assert_eq!(sent(&mut marks, 10), [0; 0]);
        assert_eq!((sent(&mut marks, 41), sent(&mut marks, 40)), (vec![0], vec![]));
        assert_eq!(sent(&mut marks, 100), [0]);
        marks.fit(&names);
        assert_eq!((sent(&mut marks, 101), sent(&mut marks, 41)), (vec![0, 1], vec![1]), "the first mark is kept");
        // Lines that come to an origin that was never read.
        let mut new = Demotions::default();
        new.fit(&names);
        assert_eq!(sent(&mut new, 0), [0, 1]);
        new.fit(&[]);
        assert_eq!(sent(&mut new, 9), [0; 0]);
    }
}
