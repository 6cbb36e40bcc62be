//! Descriptors are a budget: where there are more files than may be open, they take turns.
//!
//! ```text
//! no descriptor left ──▶ denied: asked again at the next walk
//!        │
//!        └─▶ parked: an open file whose read lines are all settled ──every pipeline lets go──▶ closed
//! ```
//!
//! **Invariant**: a file is parked only where every cursor on it stands where its pipeline has read to; it is opened again
//! as a restart would open it. Deleted files, whose bytes nobody could open again, and compressed ones are never parked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::warn;

use super::follow::Follower;
use super::found::Found;
use super::slot::Slot;
use super::states::{Inode, Waiter};
use crate::model::feed::Signal;

/// A file that has more to read keeps its descriptor for this long, once it has it.
pub(super) const TURN: Duration = Duration::from_millis(500);

impl Follower {
    /// Whether this file may be open, too. What is free is kept for those that are called.
    pub(super) fn take_descriptor(&mut self, inode: Inode) -> bool {
        let kept = if self.called.remove(&inode) { 0 } else { self.called.len() };
        let is_free = self.open + kept < self.parts.limits.descriptors;
        if is_free {
            self.open += 1;
            self.waiters.remove(&inode);
        }
        is_free
    }

    /// At a walk's beginning: calls as many of those that wait as there are descriptors, the longest first. By the order of
    /// the walk alone, those at its end would wait for as long as the others are written to.
    pub(super) fn call_waiters(&mut self) {
        let free = self.parts.limits.descriptors.saturating_sub(self.open);
        let mut waiters: Vec<_> = self.waiters.iter().map(|(inode, waiter)| (waiter.since, *inode)).collect();
        waiters.sort_unstable();
        self.called = waiters.into_iter().take(free).map(|(_, inode)| inode).collect();
    }

    /// At its end: who was called and did not come is gone, or needs none any more.
    pub(super) fn dismiss_waiters(&mut self) {
        let walk = self.walk;
        self.called.clear();
        let gone: Vec<Inode> =
            self.waiters.iter().filter(|(_, waiter)| waiter.last != walk).map(|(inode, _)| *inode).collect();
        for inode in gone {
            if let Some((finder, found)) = self.waiters.remove(&inode).and_then(|waiter| waiter.unopened) {
                self.miss_unopened(finder, found);
            }
        }
    }

    /// A file has to wait for a descriptor. One that was followed is not taken for gone meanwhile.
    pub(super) fn deny(&mut self, inode: Inode) {
        self.denied += 1;
        let waiter = self.waiters.entry(inode).or_insert(Waiter { since: Instant::now(), last: 0, unopened: None });
        waiter.last = self.walk;
        match self.slots.get_mut(&inode) {
            Some(slot) => slot.seen = self.walk,
            None => self.unopened += 1,
        }
        if !std::mem::replace(&mut self.said_few, true) {
            warn!(
                open = self.parts.limits.descriptors,
                "there are more files to read than may be open at a time, so they take turns: each is read later than it \
                 could be, and one that is deleted before its turn is lost, and counted as unreachable. Raise the limit of open files (nofile)"
            );
        }
    }

    /// The same of a file of which nothing is known but what a walk said. Gone before its turn, its bytes are counted.
    pub(super) fn deny_unopened(&mut self, inode: Inode, finder: usize, found: Found) {
        self.deny(inode);
        if let Some(waiter) = self.waiters.get_mut(&inode) {
            waiter.unopened = Some((finder, found));
        }
    }

    /// Has as many files let go of as others wait for.
    pub(super) fn park(&mut self) {
        if self.denied == 0 {
            return;
        }
        let parked = self.slots.values().filter(|slot| slot.content.is_some() && slot.marks.parked()).count();
        let mut free: Vec<(bool, _, Inode)> = Vec::new();
        for (inode, slot) in &mut self.slots {
            let may_be = slot.content.is_some() && slot.gzip.is_none() && !slot.marks.parked();
            if may_be && slot.refresh() {
                slot.marks.set_overtaken();
            }
            if !may_be || slot.deleted.is_some() || slot.marks.overtaken() {
                continue;
            }
            let has_more = slot.unread() > 0;
            if !has_more || slot.opened.elapsed() >= TURN {
                free.push((has_more, slot.opened, *inode));
            }
        }
        // Those that are read to their end first, and of them those that were opened first.
        free.sort_unstable();
        let mut wanted = self.denied.saturating_sub(parked);
        for (has_more, _, inode) in free {
            if wanted == 0 {
                return;
            }
            let Some(slot) = self.slots.get(&inode).filter(|slot| self.is_settled(slot)) else { continue };
            let id = slot.id();
            slot.marks.set_parked();
            if let Some(slot) = self.slots.get_mut(&inode) {
                slot.has_more = has_more;
            }
            self.send_all(&Signal::Wake(id));
            wanted -= 1;
        }
        self.close_waiting(wanted);
    }

    /// Files that are open.
    pub(super) fn held(&self) -> usize {
        let slots = self.slots.values().filter(|slot| slot.content.is_some()).count();
        slots + self.waiting.values().filter(|waiting| waiting.is_held()).count()
    }

    /// Whether some file was closed for another's sake.
    pub(super) fn has_parked(&self) -> bool {
        self.slots.values().any(|slot| slot.content.is_none() && slot.marks.parked())
    }

    /// What was not read of a parked file that is gone is out of reach.
    pub(super) fn count_unread(&self, slot: &Slot) {
        if !slot.has_more {
            return;
        }
        warn!(
            path = %slot.path.display(),
            "a file was deleted or replaced while it waited for a descriptor; its unread bytes are counted as unreachable. \
             Raise the limit of open files (nofile)"
        );
        for (_, name, inbox) in self.sinks() {
            let mut read = 0;
            self.parts.book.look(&mut |state| {
                let cursor = state.cursors.get(&(slot.id(), Arc::clone(name)));
                read = cursor.map_or(0, |cursor| cursor.resume.offset);
            });
            inbox(Signal::Unreachable(slot.length().saturating_sub(read)));
        }
    }

    /// Whether every pipeline has all settled that it has read.
    fn is_settled(&self, slot: &Slot) -> bool {
        let mut is_settled = true;
        self.parts.book.look(&mut |state| {
            let pipelines = self.parts.pipelines.iter().enumerate();
            is_settled = pipelines.filter_map(|(index, (name, _))| Some((name, slot.marks.read_by(index)?))).all(
                |(name, read)| {
                    let cursor = state.cursors.get(&(slot.id(), Arc::clone(name)));
                    cursor.map_or(read == 0, |cursor| cursor.resume.offset >= read)
                },
            );
        });
        is_settled
    }
}
