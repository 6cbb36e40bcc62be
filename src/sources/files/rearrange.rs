//! The follower's part that takes in what has changed: who reads, and what.
//!
//! **Invariant**: a pipeline that leaves is done with every file before its place is another's, and one that comes is offered
//! every file that is there, at its own cursor.

use std::sync::Arc;

use super::change::{Change, Join, Sources};
use super::follow::Follower;
use super::states::Inode;
use crate::flow::checkpoint::Cursor;
use crate::model::feed::{Feed, Signal};

impl Follower {
    /// Takes in what has changed.
    pub(super) fn take_changes(&mut self) {
        while let Ok(change) = self.parts.changes.try_recv() {
            match change {
                Change::Join(join) => self.join(join),
                Change::Leave(index) => self.leave_pipeline(index),
                Change::Wants { index, sources } => self.want(index, &sources),
                Change::Sources(sources) => self.take_sources(sources),
            }
        }
    }

    fn leave_pipeline(&mut self, index: usize) {
        for finder in &mut self.parts.finders {
            if let Some(wanted) = finder.wanted_by.get_mut(index) {
                *wanted = false;
            }
        }
        let slots = self.slots.values().chain(self.gone.values().map(|gone| &gone.slot));
        slots.map(|slot| &slot.marks).chain(self.leaving.values()).for_each(|marks| marks.set_done(index));
    }

    fn join(&mut self, join: Join) {
        let Join { index, name, inbox, share, sources } = join;
        let place = (Arc::clone(&name), Arc::clone(&inbox));
        if index < self.parts.pipelines.len() {
            self.parts.pipelines[index] = place;
            self.parts.shares[index] = share;
            self.inflaters[index] = Arc::default();
        } else {
            self.parts.pipelines.push(place);
            self.parts.shares.push(share);
            self.inflaters.push(Arc::default());
        }
        self.want(index, &sources);
        if self.walk > 0 {
            inbox(Signal::Walked);
        }
        self.wants_walk = true;
    }

    /// A pipeline wants these sources; those that it did not want before are offered to it.
    fn want(&mut self, index: usize, sources: &[Arc<str>]) {
        let mut new = Vec::new();
        for finder in &mut self.parts.finders {
            finder.wanted_by.resize(finder.wanted_by.len().max(index + 1), false);
            let wanted = sources.contains(&finder.source);
            let before = std::mem::replace(&mut finder.wanted_by[index], wanted);
            if wanted && !before {
                new.push(Arc::clone(&finder.source));
            }
        }
        let known: Vec<Inode> = self.slots.keys().copied().collect();
        for inode in known {
            if self.slots.get(&inode).is_some_and(|slot| new.contains(&slot.origin.source)) {
                self.offer(inode, index);
            }
        }
        self.wants_walk = true;
    }

    /// Files of sources that are no more, or are others, are let go of where they stand, and found anew where they are still
    /// wanted. One without a name is read to its end: nobody would find it.
    fn take_sources(&mut self, sources: Sources) {
        let Sources { mut finders, kept, hold_deleted, done } = sources;
        self.known_sources.extend(self.parts.finders.iter().map(|finder| Arc::clone(&finder.source)));
        // A source that is seen for the first time begins where `start_at` says.
        finders.iter_mut().for_each(|finder| finder.since = self.walk);
        let places: Vec<Option<usize>> = self
            .parts
            .finders
            .iter()
            .map(|old| finders.iter().position(|new| new.source == old.source && kept.contains(&new.source)))
            .collect();
        for (old, new) in self.parts.finders.iter().zip(&places) {
            if let Some(new) = new {
                finders[*new].wanted_by.clone_from(&old.wanted_by);
                finders[*new].since = old.since;
            }
        }
        self.parts.finders = finders;
        (self.parts.limits.hold_deleted, self.parts.limits.hold_deleted_bytes) = hold_deleted;
        let place = |finder: &mut usize| {
            let new = places.get(*finder).copied().flatten();
            new.inspect(|new| *finder = *new).is_some()
        };
        self.copies.retain(|_, copy| place(&mut copy.finder));
        self.missing.retain_mut(|missing| place(&mut missing.finder));
        let stale = &mut self.stale_watches;
        self.waiting.retain(|_, waiting| {
            let is_kept = place(&mut waiting.finder);
            if !is_kept {
                stale.extend(waiting.watch.take());
            }
            is_kept
        });
        self.waiters.retain(|_, waiter| match &mut waiter.unopened {
            Some((finder, _)) => place(finder),
            None => true,
        });
        self.passed.clear();
        let of_others: Vec<Inode> = self
            .slots
            .iter()
            .filter(|(_, slot)| !kept.contains(&slot.origin.source) && slot.deleted.is_none())
            .map(|(inode, _)| *inode)
            .collect();
        for inode in of_others {
            let Some(slot) = self.slots.get_mut(&inode) else { continue };
            let id = slot.id();
            if slot.content.is_some() {
                slot.again = true;
                slot.marks.set_parked();
                self.send_all(&Signal::Wake(id));
            } else {
                self.lose_sight(inode);
            }
        }
        self.wants_walk = true;
        done();
    }

    /// A closed file is not known any more: the next walk finds it as a restart would.
    pub(super) fn lose_sight(&mut self, inode: Inode) {
        if let Some(slot) = self.slots.remove(&inode) {
            self.stale_watches.extend(slot.watch);
            self.bound.remove(&slot.id());
        }
    }

    /// Offers a file to a pipeline that has come. A closed or a compressed one is found anew by the next walk, and offered
    /// to all at their cursors.
    fn offer(&mut self, inode: Inode, index: usize) {
        let Some(slot) = self.slots.get_mut(&inode) else { return };
        let finder = self.parts.finders.iter().find(|finder| finder.source == slot.origin.source);
        let Some(finder) = finder.filter(|finder| finder.wanted_by[index]) else { return };
        let (name, inbox) = &self.parts.pipelines[index];
        if !self.parts.shares[index].has(&slot.origin, slot.chain) {
            return;
        }
        let mut cursor: Option<Box<Cursor>> = None;
        self.parts.book.look(&mut |state| cursor = state.cursors.get(&(slot.id(), Arc::clone(name))).cloned());
        match &slot.content {
            Some(content) if slot.gzip.is_none() && !slot.marks.parked() => {
                slot.marks.set_wanted(index);
                let feed = Feed {
                    origin: Arc::clone(&slot.origin),
                    content: Arc::clone(content) as _,
                    marks: Arc::clone(&slot.marks),
                    head: Some(slot.head.landmark()),
                    replayable: true,
                    chain: slot.chain,
                    order: slot.order,
                    parser: finder.parser,
                };
                inbox(Signal::Feed(feed, cursor.map(|cursor| Box::new(cursor.resume))));
            }
            // Others read it: it is found anew when they are done with it.
            Some(_) => slot.again = true,
            None => self.lose_sight(inode),
        }
    }
}
