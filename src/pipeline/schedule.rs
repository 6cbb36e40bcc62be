//! Which feeds are looked at next, at a cost that follows the feeds that are, not those that are known.
//!
//! ```text
//!            due          may be read
//! ┌ queue ┐ ─────▶ asked ──────────▶ turn ─▶ back, with its next time
//! └───────┘           └── not now ─▶ waiting: asked again at every pass
//! ```
//!
//! **Invariant**: a feed that is known and not gone stands in the queue with its own `due`, or waits. Places in the queue
//! whose time is not the feed's any more are passed over, so nothing has to be taken out when a feed is woken.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::model::origin::OriginId;

/// Who is looked at when.
#[derive(Debug, Default)]
pub struct Schedule {
    queue: BTreeSet<(Instant, OriginId)>,
    waiting: BTreeSet<OriginId>,
    /// The feeds by their chain and their place in it.
    chains: BTreeSet<(u64, u64, OriginId)>,
}

impl Schedule {
    /// A feed joins its chain.
    pub fn join(&mut self, chain: u64, order: u64, id: OriginId) {
        self.chains.insert((chain, order, id));
    }

    /// A feed is done with.
    pub fn leave(&mut self, chain: u64, order: u64, id: OriginId) {
        self.chains.remove(&(chain, order, id));
        self.waiting.remove(&id);
    }

    /// The feeds of a chain that come before `order`.
    pub fn before(&self, chain: u64, order: u64) -> impl Iterator<Item = OriginId> {
        const LEAST: OriginId = OriginId(0);
        self.chains.range((chain, 0, LEAST)..(chain, order, LEAST)).map(|(.., id)| *id)
    }

    /// A feed is to be looked at from `due` on.
    pub fn put(&mut self, due: Instant, id: OriginId) {
        self.queue.insert((due, id));
    }

    /// A feed may not be read now: it is asked for again.
    pub fn wait(&mut self, id: OriginId) {
        self.waiting.insert(id);
    }

    /// The feeds that wait for something else than time.
    pub fn waiting(&self) -> impl Iterator<Item = &OriginId> {
        self.waiting.iter()
    }

    /// Takes out whoever may be due at `now`, in the order of identities.
    pub fn take_due(&mut self, now: Instant) -> BTreeSet<OriginId> {
        let mut taken = std::mem::take(&mut self.waiting);
        while let Some(&(due, id)) = self.queue.first().filter(|(due, _)| *due <= now) {
            self.queue.remove(&(due, id));
            taken.insert(id);
        }
        taken
    }

    /// When somebody may be due next.
    pub fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(due, _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn whoever_is_due_or_waits_is_asked() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        let (one, two, three) = (OriginId(1), OriginId(2), OriginId(3));
        schedule.put(now, two);
        schedule.put(now + Duration::from_secs(1), one);
        schedule.wait(three);
        assert_eq!(schedule.next(), Some(now));
        assert_eq!(schedule.take_due(now), BTreeSet::from([two, three]));
        assert_eq!(schedule.waiting().count(), 0);
        assert_eq!(schedule.next(), Some(now + Duration::from_secs(1)));
        assert_eq!(schedule.take_due(now), BTreeSet::new());
    }

    #[test]
    fn a_chain_knows_who_comes_before() {
        let mut schedule = Schedule::default();
        for (order, id) in [(7, 1), (3, 2), (5, 3)] {
            schedule.join(9, order, OriginId(id));
        }
        assert_eq!(schedule.before(9, 7).collect::<Vec<_>>(), [OriginId(2), OriginId(3)]);
        schedule.leave(9, 3, OriginId(2));
        assert_eq!(schedule.before(9, 7).collect::<Vec<_>>(), [OriginId(3)]);
        assert_eq!(schedule.before(8, 7).count(), 0);
        schedule.leave(9, 5, OriginId(3));
        schedule.leave(9, 7, OriginId(1));
        assert!(schedule.chains.is_empty());
    }
}
