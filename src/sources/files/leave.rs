//! Letting go of files: read to their end, truncated, held for too long, or never found again.
//!
//! **Invariant**: an origin's record stays while a file of its content may be there, whatever that is called: who
//! finds the compressed file or the copy must not take it for new. What nobody can read any more is counted.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use super::claim::is_retired;
use super::follow::Follower;
use super::slot::Slot;
use super::states::{Gone, Inode};
use crate::flow::checkpoint::{OriginRecord, Record};
use crate::model::feed::Signal;
use crate::model::origin::{Format, OriginId};

/// How long a copy or a compressed file of a file that is gone may take to turn up.
pub(super) const TURN_UP: Duration = Duration::from_secs(5);
/// An origin whose file is nowhere to be found is forgotten after this long.
const FORGET_MISSING: Duration = Duration::from_secs(3600);
/// So many origins of one path are kept for their counts.
const RETIRED: usize = 8;

impl Follower {
    /// Files that the walk did not come upon: deleted, or moved out of sight.
    pub(super) fn look_after_unseen(&mut self) {
        let walk = self.walk;
        let known: Vec<Inode> = self.slots.keys().copied().collect();
        self.look_after_unseen_of(&known);
        let bound = &self.bound;
        let before = self.copies.len();
        self.copies.retain(|_, copy| copy.found.path.exists() && bound.contains_key(&copy.of));
        self.wants_walk |= self.copies.len() != before;
        self.look_after_waiting(|_| true);
        self.passed.retain(|_, (_, seen)| *seen == walk);
    }

    /// The same of these files.
    pub(super) fn look_after_unseen_of(&mut self, inodes: &[Inode]) {
        for inode in inodes {
            match self.slots.get_mut(inode) {
                Some(slot) if slot.seen == self.walk => {}
                Some(slot) if slot.content.is_some() => drop(slot.refresh()),
                Some(_) => self.leave(*inode),
                None => {}
            }
        }
    }

    /// A file that was read to its end has no name any more: what holds the same takes its place.
    fn leave(&mut self, inode: Inode) {
        let Some(id) = self.slots.get(&inode).map(|slot| slot.id()) else { return };
        let copy = self.copies.iter().find(|(_, copy)| copy.of == id).map(|(inode, _)| *inode);
        let Some((at, copy)) = copy.and_then(|at| Some((at, self.copies.remove(&at)?))) else {
            self.unbind(inode, None);
            return;
        };
        if let Some(mut slot) = self.slots.remove(&inode) {
            slot.path = copy.found.path;
            slot.rotated = copy.found.rotated;
            slot.stat = copy.found.stat;
            slot.seen = self.walk;
            slot.deleted = None;
            self.bound.insert(id, at);
            self.slots.insert(at, slot);
        }
    }

    /// An origin has no file from now on. `truncated` is the file that holds other content.
    pub(super) fn unbind(&mut self, inode: Inode, truncated: Option<Inode>) {
        let Some(mut slot) = self.slots.remove(&inode) else { return };
        let id = slot.id();
        if self.bound.get(&id) == Some(&inode) {
            self.bound.remove(&id);
        }
        slot.content = None;
        self.stale_watches.extend(slot.watch.take());
        self.gone.insert(id, Gone { slot, since: Instant::now(), truncated, last_look: None });
    }

    /// Every pipeline is done with a file: its descriptor goes.
    pub(super) fn close(&mut self, inode: Inode) {
        let Some(slot) = self.slots.get_mut(&inode) else { return };
        debug!(path = %slot.path.display(), origin = %slot.id(), "read to its end");
        // What a parked file has grown by since it was parked was not read.
        if !slot.marks.parked() {
            slot.refresh();
        }
        slot.content = None;
        self.wants_walk |= self.denied > 0;
        if slot.again && slot.deleted.is_none() {
            self.lose_sight(inode);
            self.wants_walk = true;
            return;
        }
        if slot.deleted.is_some() {
            self.leave(inode);
        }
    }

    /// A file's content is not what it was: a copy takes the cursor along, the file itself is a new origin.
    pub(super) fn truncated(&mut self, inode: Inode) {
        let Some(slot) = self.slots.get(&inode) else { return };
        let (id, path) = (slot.id(), slot.path.clone());
        self.unbind(inode, Some(inode));
        let copy = self.copies.iter().find(|(_, copy)| copy.of == id).map(|(inode, _)| *inode);
        if let Some(copy) = copy.and_then(|inode| self.copies.remove(&inode)) {
            info!(path = %path.display(), copy = %copy.found.path.display(), "truncated after it was copied");
            self.begin(copy.finder, copy.found);
        }
        // What is there now is found by the next walk, and a copy that was not seen yet, too.
        self.wants_walk = true;
    }

    /// Origins whose file is gone for so long that none of the same content will turn up.
    pub(super) fn give_up_gone(&mut self) {
        let mut given_up = Vec::new();
        for (id, gone) in self.gone.iter_mut().filter(|(_, gone)| gone.since.elapsed() >= TURN_UP) {
            match gone.last_look {
                None => {
                    gone.last_look = Some(self.looks);
                    self.wants_look.insert(gone.slot.path.to_path_buf());
                }
                Some(look) if look < self.looks => given_up.push(*id),
                Some(_) => {}
            }
        }
        let awaited: HashSet<_> = self.waiting.values().map(|waiting| &*waiting.found.logical).collect();
        given_up.retain(|id| self.gone.get(id).is_some_and(|gone| !awaited.contains(&*gone.slot.origin.path)));
        for id in given_up {
            let Some(gone) = self.gone.remove(&id) else { continue };
            if gone.slot.marks.all_done() {
                self.count_unread(&gone.slot);
                self.forget(id);
                continue;
            }
            if gone.truncated.is_some() {
                info!(
                    path = %gone.slot.path.display(),
                    "truncated or replaced in place, and no copy of what it held was found; what was not read by then is \
                     counted as unreachable. Rotate by rename to lose nothing"
                );
            }
            self.abandon(&gone.slot);
        }
    }

    /// Nothing more is read of an origin. Its record stays until what was read of it is settled: killed before, the next
    /// process counts that as out of reach.
    fn abandon(&mut self, slot: &Slot) {
        self.send_all(&Signal::Abandoned(slot.id(), slot.length()));
        self.leaving.insert(slot.id(), Arc::clone(&slot.marks));
    }

    /// Forgets the origins that every pipeline has done with.
    pub(super) fn forget_left(&mut self) {
        let left: Vec<OriginId> =
            self.leaving.iter().filter(|(_, marks)| marks.all_done()).map(|(id, _)| *id).collect();
        for id in left {
            self.leaving.remove(&id);
            self.forget(id);
        }
    }

    /// Whether an origin has a file, had one a moment ago, or has lines that are not settled.
    fn is_here(&self, id: &OriginId) -> bool {
        self.bound.contains_key(id) || self.gone.contains_key(id) || self.leaving.contains_key(id)
    }

    /// Forgets an origin, but for its count: a file of the same name that begins with the same line is another origin
    /// and must not get its identity. Lines of the other formats begin with a time, which does not come again, nor do names
    /// of a spool's segments.
    fn forget(&mut self, id: OriginId) {
        let mut kept: Option<OriginRecord> = None;
        let mut surplus = Vec::new();
        self.parts.book.look(&mut |state| {
            let is_segment = |record: &OriginRecord| {
                self.parts.finders.iter().any(|finder| finder.is_spool && finder.source == record.source)
            };
            let may_come_again = |record: &&OriginRecord| record.format == Format::Plain && !is_segment(record);
            let Some(record) = state.origins.get(&id).filter(may_come_again) else { return };
            let of_path = || state.origins.values().filter(|other| other.path == record.path && other.id != id);
            let is_newest = of_path().all(|other| {
                (other.head_hash, other.head_len) != (record.head_hash, record.head_len) || other.count < record.count
            });
            if !is_newest {
                return;
            }
            kept = Some(OriginRecord { inode: (0, 0), ..record.clone() });
            let mut retired: Vec<_> = of_path().filter(|other| is_retired(other)).collect();
            retired.sort_by_key(|other| std::cmp::Reverse(other.order));
            surplus.extend(retired.iter().skip(RETIRED - 1).map(|other| Record::Forget(other.id)));
        });
        let mut records = vec![Record::Forget(id)];
        records.extend(kept.map(Record::Origin));
        records.extend(surplus);
        self.parts.book.append(records);
    }

    /// Lets go of deleted files that were held for too long, or that hold too much.
    pub(super) fn let_go(&mut self) {
        let limits = self.parts.limits;
        let mut held: Vec<_> = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.content.is_some())
            .filter_map(|(inode, slot)| slot.deleted.map(|since| (since, slot.stat.size, *inode)))
            .collect();
        held.sort_unstable();
        let mut bytes: u64 = held.iter().map(|(_, size, _)| size).sum();
        for (since, size, inode) in held {
            let too_long = since.elapsed() > limits.hold_deleted;
            if !too_long && bytes <= limits.hold_deleted_bytes {
                continue;
            }
            bytes -= size;
            self.unbind(inode, None);
            let Some(slot) = self.slot_of_gone(inode) else { continue };
            warn!(
                path = %slot.path.display(),
                unread_bytes = slot.unread(),
                "a deleted file was let go of before every sink had read it, since it {}; the unread bytes are counted as \
                 unreachable. Normal when a sink is down for long: raise hold_deleted and hold_deleted_bytes to keep more",
                if too_long { "was held for hold_deleted" } else { "and others hold more than hold_deleted_bytes" }
            );
            self.abandon(&slot);
        }
    }

    fn slot_of_gone(&mut self, inode: Inode) -> Option<Box<Slot>> {
        let id = *self.gone.iter().find(|(_, gone)| gone.slot.stat.inode == inode)?.0;
        self.gone.remove(&id).map(|gone| gone.slot)
    }

    /// Origins of the checkpoint whose file is not to be found: what was not read of them is out of reach.
    pub(super) fn say_missing(&mut self) {
        self.said_missing = true;
        let mut missing = Vec::new();
        self.parts.book.look(&mut |state| {
            for origin in state.origins.values().filter(|origin| !self.is_here(&origin.id)) {
                let of_origin = |name: &Arc<str>| state.cursors.get(&(origin.id, Arc::clone(name)));
                let unread = self.sinks().map(|(_, name, _)| {
                    of_origin(name).map_or(0, |cursor| cursor.size.saturating_sub(cursor.resume.offset))
                });
                missing.push((origin.path.clone(), unread.collect::<Vec<_>>()));
            }
        });
        for (path, unread) in missing {
            let most = unread.iter().copied().max().unwrap_or(0);
            if most == 0 {
                continue;
            }
            warn!(
                path = %path.display(),
                bytes = most,
                "a file that was not read to its end is gone; its unread bytes are counted as unreachable. \
                 Normal when it was rotated away while Tailwater was down"
            );
            for ((.., inbox), bytes) in self.sinks().zip(unread) {
                inbox(Signal::Unreachable(bytes));
            }
        }
    }

    /// Origins whose file did not turn up for long are forgotten, and counts of paths that are not in use.
    pub(super) fn forget_missing(&mut self) {
        if self.forgot_missing.elapsed() < FORGET_MISSING {
            return;
        }
        self.forgot_missing = Instant::now();
        let paths: HashSet<_> = self.slots.values().map(|slot| &*slot.origin.path).collect();
        let mut missing = Vec::new();
        self.parts.book.look(&mut |state| {
            let is_missing = |origin: &&OriginRecord| {
                let is_counted = is_retired(origin) && paths.contains(&*origin.path);
                !(self.is_here(&origin.id) || is_counted)
            };
            missing.extend(state.origins.values().filter(is_missing).map(|origin| Record::Forget(origin.id)));
        });
        self.parts.book.append(missing);
    }
}
