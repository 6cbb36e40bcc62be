//! What became of what was read, in entries as they were framed and in their bytes.
//!
//! ```text
//! read = delivered + filtered + dead-lettered + dropped{reason} + given back + in flight        (bytes: + cut)
//! ```
//!
//! A piece of a line counts singly; an event joined of three settles three entries. What is filtered never is in flight; which
//! transform left it out is counted beside. **Invariant**: the identity holds
//! at every moment, in entries and in bytes. It is added to once per turn and once per settled run, never per line, and
//! refuses to know how it is shown.

use crate::model::batch::{DropReason, Fate};
use crate::model::event::{Flaw, Span};

/// A number of entries and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Entries as they were framed.
    pub entries: u64,
    /// The bytes of their spans, line ends and the runtime's wrapping included.
    pub bytes: u64,
}

impl Tally {
    /// Of one entry each.
    #[inline]
    pub fn of(spans: &[Span]) -> Self {
        Self { entries: spans.len() as u64, bytes: spans.iter().map(|span| span.len()).sum() }
    }

    /// Adds.
    #[inline]
    pub fn add(&mut self, other: Self) {
        self.entries += other.entries;
        self.bytes += other.bytes;
    }

    /// Takes away what was added before.
    fn take(&mut self, other: Self) {
        debug_assert!(self.entries >= other.entries && self.bytes >= other.bytes, "an entry is settled once");
        self.entries = self.entries.saturating_sub(other.entries);
        self.bytes = self.bytes.saturating_sub(other.bytes);
    }
}

/// Lines whose form was wrong, by what was the matter, in the order of [`Flaw::ALL`]. They meet their fate like all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flaws([u64; Flaw::ALL.len()]);

impl Flaws {
    /// One more.
    #[inline]
    pub fn note(&mut self, flaw: Flaw) {
        self.0[flaw as usize] += 1;
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0 == [0; Flaw::ALL.len()]
    }

    /// The flaws that lines had, and how many had each.
    pub fn counts(&self) -> impl Iterator<Item = (Flaw, u64)> {
        Flaw::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum += more);
    }
}

/// The account of a pipeline, or of one origin or workload in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Handed on for the first time by this process. Its bytes include those in `cut`.
    pub read: Tally,
    /// The store has them.
    pub delivered: Tally,
    /// Left out by a transform of the settings.
    pub filtered: Tally,
    /// Refused by the store, and in the dead-letter file or index.
    pub dead_lettered: Tally,
    /// Gone for a reason, by the place of [`DropReason::ALL`].
    pub dropped: [Tally; DropReason::ALL.len()],
    /// Unanswered when the settings changed: read again under the new ones, and counted as read once more.
    pub given_back: Tally,
    /// Handed on and not settled.
    pub in_flight: Tally,
    /// Bytes behind the beginning of lines that were too long to be held: no entry of their own.
    pub cut: u64,
}

impl Account {
    /// Takes in what a turn handed on, and how many bytes it passed over in lines that it cut.
    pub fn hand_on(&mut self, tally: Tally, cut: u64) {
        self.read.add(tally);
        self.read.bytes += cut;
        self.cut += cut;
        self.in_flight.add(tally);
    }

    /// A turn has left so much out.
    pub fn filter(&mut self, tally: Tally) {
        self.read.add(tally);
        self.filtered.add(tally);
    }

    /// Entries have met their fate.
    pub fn settle(&mut self, fate: &Fate, tally: Tally) {
        self.in_flight.take(tally);
        match fate {
            Fate::Delivered => self.delivered.add(tally),
            Fate::DeadLettered => self.dead_lettered.add(tally),
            Fate::Dropped(reason) => self.dropped[place(*reason)].add(tally),
        }
    }

    /// What is in flight will not be answered for: it is read again. Gives how much that is.
    pub fn give_back(&mut self) -> Tally {
        let given = std::mem::take(&mut self.in_flight);
        self.given_back.add(given);
        given
    }

    /// What was dropped for `reason`.
    pub fn dropped(&self, reason: DropReason) -> Tally {
        self.dropped[place(reason)]
    }

    /// What has met its fate.
    pub fn settled(&self) -> Tally {
        let mut sum = self.delivered;
        sum.add(self.filtered);
        sum.add(self.dead_lettered);
        self.dropped.iter().for_each(|tally| sum.add(*tally));
        sum
    }

    /// Whether the identity holds.
    pub fn is_balanced(&self) -> bool {
        let mut sum = self.settled();
        sum.add(self.given_back);
        sum.add(self.in_flight);
        sum.bytes += self.cut;
        sum == self.read
    }

    /// Adds another account to this one.
    pub fn add(&mut self, other: &Self) {
        self.read.add(other.read);
        self.delivered.add(other.delivered);
        self.filtered.add(other.filtered);
        self.dead_lettered.add(other.dead_lettered);
        self.dropped.iter_mut().zip(other.dropped).for_each(|(sum, more)| sum.add(more));
        self.given_back.add(other.given_back);
        self.in_flight.add(other.in_flight);
        self.cut += other.cut;
    }
}

fn place(reason: DropReason) -> usize {
    DropReason::ALL.iter().position(|known| *known == reason).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_holds_from_reading_to_every_fate() {
        let tally = |entries, bytes| Tally { entries, bytes };
        let mut account = Account::default();
        account.hand_on(tally(10, 1000), 50);
        assert!(account.is_balanced());
        for (fate, settled) in [
            (Fate::Delivered, tally(4, 400)),
            (Fate::DeadLettered, tally(3, 300)),
            (Fate::Dropped(DropReason::GaveUp), tally(2, 200)),
            (Fate::Dropped(DropReason::Refused), tally(1, 100)),
        ] {
            account.settle(&fate, settled);
            assert!(account.is_balanced(), "{account:?}");
        }
        account.filter(tally(5, 50));
        assert!(account.is_balanced(), "{account:?}");
        assert_eq!(
            (account.in_flight, account.settled(), account.read),
            (tally(0, 0), tally(15, 1050), tally(15, 1100))
        );
        assert_eq!(account.dropped(DropReason::GaveUp), tally(2, 200));
        let mut sum = account;
        sum.add(&account);
        assert!(sum.is_balanced() && sum.read == tally(30, 2200));
        sum.cut += 1;
        assert!(!sum.is_balanced());
    }

    #[test]
    fn flaws_are_counted_singly_and_added_up() {
        let mut flaws = Flaws::default();
        assert!(flaws.is_empty());
        flaws.note(Flaw::NoTime);
        flaws.note(Flaw::Cut);
        let mut sum = flaws;
        sum.add(&flaws);
        assert_eq!(sum.counts().collect::<Vec<_>>(), [(Flaw::Cut, 2), (Flaw::NoTime, 2)]);
        assert!(!sum.is_empty());
    }

    #[test]
    fn what_is_given_back_is_neither_in_flight_nor_settled() {
        let tally = |entries, bytes| Tally { entries, bytes };
        let mut account = Account::default();
        account.hand_on(tally(3, 30), 0);
        account.settle(&Fate::Delivered, tally(1, 10));
        assert_eq!(account.give_back(), tally(2, 20));
        assert!(account.is_balanced());
        assert_eq!(
            (account.in_flight, account.settled(), account.given_back),
            (tally(0, 0), tally(1, 10), tally(2, 20))
        );
    }

    #[test]
    fn pieces_count_singly() {
        let spans = [Span { start: 0, end: 10 }, Span { start: 30, end: 35 }];
        assert_eq!(Tally::of(&spans), Tally { entries: 2, bytes: 15 });
    }
}
