//! The follower's files that cannot be read yet: without a byte, without the end of their first line, or compressed just now.
//!
//! ```text
//! empty ──a byte──▶ unfinished, held open ──LF, or 1,024 bytes──────────────────────────────────▶ whose? (claim)
//!                     │ │ └─ nothing more will come: deleted, or a newer file of its chain has bytes ──▲
//!                     │ └─ its descriptor is needed ─▶ closed ──it grew, or nothing more will come──▶ opened again
//!                     └─ truncated, or gone while it was closed ─▶ found in a copy, or counted as unreachable
//! ```
//!
//! **Invariant**: of a file whose bytes were seen each byte is either handed on with an origin or counted as unreachable.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::warn;

use super::change::Inbox;
use super::descriptors::TURN;
use super::follow::Follower;
use super::found::{Found, Stat};
use super::gzip::GzipContent;
use super::identify::{self, Head, Start};
use super::leave::TURN_UP;
use super::slot::{FileContent, QUIET_DELETED, QUIET_SUCCEEDED};
use super::states::{Begun, Inode, Missing, Waiting};
use crate::model::feed::Signal;

/// A compressed file that did not change for this long is whole.
const WHOLE_AFTER: Duration = Duration::from_secs(1);

impl Follower {
    /// A file without a byte, or compressed just now, has to wait.
    pub(super) fn wait_for(&mut self, finder: usize, found: Found) {
        let waiting = Waiting { finder, found, since: Instant::now(), watch: None, begun: None };
        self.waiting.insert(waiting.found.stat.inode, waiting);
    }

    /// A file waits for the end of its first line. It is held open: deleted, it can be read all the same.
    pub(super) fn wait_for_line(&mut self, finder: usize, found: Found, head: Head, content: FileContent) {
        let order = self.place_in_chain(&found);
        let begun = Some(Begun { head, order, content: Some(content), deleted: None });
        let waiting = Waiting { finder, found, since: Instant::now(), watch: None, begun };
        self.waiting.insert(waiting.found.stat.inode, waiting);
    }

    /// Whether a compressed file's own file is held here still: it is read first.
    pub(super) fn awaits(&self, gzip: &Path) -> bool {
        let raw = gzip.with_extension("");
        self.waiting.values().any(|waiting| waiting.is_held() && *waiting.found.path == *raw)
    }

    /// Of each chain the place of its last file with bytes.
    pub(super) fn newest_of_chains(&self) -> HashMap<u64, u64> {
        let slots = self.slots.values().filter(|slot| slot.stat.size > 0).map(|slot| (slot.chain, slot.order));
        let waiting = self.waiting.values().filter_map(|waiting| Some((waiting.found.chain, waiting.order()?)));
        let mut newest = HashMap::new();
        for (chain, order) in slots.chain(waiting) {
            let most = newest.entry(chain).or_insert(order);
            *most = (*most).max(order);
        }
        newest
    }

    /// Looks after all that wait.
    pub(super) fn tend_waiting(&mut self, newest: &HashMap<u64, u64>) {
        for inode in self.waiting.keys().copied().collect::<Vec<_>>() {
            let Some(waiting) = self.waiting.get(&inode) else { continue };
            let is_succeeded = || newest.get(&waiting.found.chain).copied() > waiting.order();
            match &waiting.begun {
                Some(Begun { content: Some(_), .. }) => self.look_at_held(inode, is_succeeded()),
                Some(_) => self.look_at_closed(inode, is_succeeded() && waiting.since.elapsed() >= QUIET_SUCCEEDED),
                None if waiting.found.gzip => self.look_at_compressed(inode),
                None => self.look_at_closed(inode, false),
            }
        }
        self.count_missing();
    }

    fn look_at_compressed(&mut self, inode: Inode) {
        let Some(stat) = self.look_at_name(inode) else { return };
        let Some(waiting) = self.waiting.get(&inode) else { return };
        if stat.size > 0 && waiting.since.elapsed() >= WHOLE_AFTER {
            let (finder, found) = (waiting.finder, waiting.found.clone());
            self.waiting.remove(&inode);
            self.begin_gzip(finder, found);
        }
    }

    /// One without a descriptor. With `all`, nothing more will come.
    fn look_at_closed(&mut self, inode: Inode, all: bool) {
        let Some(before) = self.waiting.get(&inode).map(|waiting| waiting.found.stat) else { return };
        let Some(stat) = self.look_at_name(inode) else { return };
        if stat.size == 0 || (stat == before && !all) {
            return;
        }
        if !self.take_descriptor(inode) {
            // Asked again at the next round; the next walk counts who is still denied.
            if !self.waiters.contains_key(&inode) {
                self.deny(inode);
            }
            if let Some(waiting) = self.waiting.get_mut(&inode) {
                waiting.found.stat = before;
            }
            return;
        }
        let Some(waiting) = self.waiting.get_mut(&inode) else { return };
        let Some(begun) = &mut waiting.begun else {
            let (finder, found) = (waiting.finder, waiting.found.clone());
            self.waiting.remove(&inode);
            return self.begin(finder, found);
        };
        // Replaced between the look and now, or not to be opened: the next look tells.
        let opened = FileContent::open(&waiting.found.path).ok().filter(|(_, stat)| stat.inode == inode);
        waiting.found.stat = before;
        let Some((content, _)) = opened else { return };
        begun.content = Some(content);
        self.look_at_held(inode, all);
    }

    /// Takes in what the system says of a name, where it leads to the file still.
    fn look_at_name(&mut self, inode: Inode) -> Option<Stat> {
        let waiting = self.waiting.get_mut(&inode)?;
        let meta = std::fs::metadata(&waiting.found.path).ok()?; // It may be gone: the next walk tells.
        let stat = Stat::of(&meta);
        if stat.inode != inode {
            return None;
        }
        if stat != waiting.found.stat {
            waiting.found.stat = stat;
            waiting.since = Instant::now();
        }
        Some(stat)
    }

    /// One that is open. `succeeded`: the next file of its chain has bytes already.
    fn look_at_held(&mut self, inode: Inode, succeeded: bool) {
        let Some(waiting) = self.waiting.get_mut(&inode) else { return };
        let Some(begun) = &mut waiting.begun else { return };
        // An error leaves what was known; the next look will tell.
        let Some(Ok((stat, names))) = begun.content.as_ref().map(FileContent::stat) else { return };
        let has_changed = stat != waiting.found.stat;
        if has_changed {
            waiting.found.stat = stat;
            waiting.since = Instant::now();
        }
        if names == 0 {
            begun.deleted.get_or_insert_with(Instant::now);
        }
        let quiet = waiting.since.elapsed();
        let all = match begun.deleted {
            Some(since) => quiet >= QUIET_DELETED && since.elapsed() >= QUIET_DELETED,
            None => succeeded && quiet >= QUIET_SUCCEEDED,
        };
        if has_changed || all {
            self.read_begun(inode, all);
        }
    }

    /// Reads the first line of one that is open, and hands it on where it is whole or, with `all`, as it stands.
    fn read_begun(&mut self, inode: Inode, all: bool) {
        let Some(mut waiting) = self.waiting.remove(&inode) else { return };
        let Some(Begun { head, order, content: Some(content), deleted }) = waiting.begun.take() else { return };
        let start = identify::read_start(&content, all);
        let is_other = |bytes: &[u8]| !head.begins(bytes);
        match start {
            Ok(Start::Head(_, bytes) | Start::Unfinished(_, bytes)) if is_other(&bytes) => {
                self.miss(&waiting, head);
                // What is there now begins anew.
                self.forget_watch(&mut waiting);
                self.begin(waiting.finder, waiting.found);
            }
            Ok(Start::Empty) => {
                self.miss(&waiting, head);
                self.forget_watch(&mut waiting);
                if deleted.is_none() {
                    self.wait_for(waiting.finder, waiting.found);
                }
            }
            Ok(Start::Unfinished(head, _)) => {
                waiting.begun = Some(Begun { head, order, content: Some(content), deleted });
                self.waiting.insert(inode, waiting);
            }
            Ok(Start::Head(head, bytes)) => {
                if deleted.is_some() {
                    // What it was compressed to may be there, and was left alone.
                    self.wants_look.insert(waiting.found.path.to_path_buf());
                }
                self.forget_watch(&mut waiting);
                self.resolve(waiting.finder, waiting.found, head, bytes, content, Some(order));
            }
            Err(error) => {
                let path = waiting.found.path.clone();
                waiting.begun = Some(Begun { head, order, content: Some(content), deleted });
                self.waiting.insert(inode, waiting);
                self.say_unreadable(&path, format!("it cannot be read: {error}"));
            }
        }
    }

    fn forget_watch(&mut self, waiting: &mut Waiting) {
        self.stale_watches.extend(waiting.watch.take());
    }

    /// Lets go of those that a look into their folders did not come upon. `is_below` tells of a path whether it was looked at.
    pub(super) fn look_after_waiting(&mut self, is_below: impl Fn(&Path) -> bool) {
        let is_lost = |waiting: &Waiting| !waiting.is_held() && is_below(&waiting.found.path) && waiting.is_gone();
        let lost: Vec<Inode> = self.waiting.iter().filter(|(_, waiting)| is_lost(waiting)).map(|(at, _)| *at).collect();
        for inode in lost {
            let Some(mut waiting) = self.waiting.remove(&inode) else { continue };
            self.forget_watch(&mut waiting);
            if let Some(begun) = &waiting.begun {
                self.miss(&waiting, begun.head);
            }
        }
    }

    /// Closes as many of those that are open, for others that want to be; gives how many are wanted still.
    pub(super) fn close_waiting(&mut self, mut wanted: usize) -> usize {
        let held = self.waiting.values_mut().filter(|waiting| waiting.since.elapsed() >= TURN);
        for begun in held.filter_map(|waiting| waiting.begun.as_mut()).filter(|begun| begun.deleted.is_none()) {
            if wanted == 0 {
                break;
            }
            if begun.content.take().is_some() {
                wanted -= 1;
            }
        }
        wanted
    }

    fn miss(&mut self, waiting: &Waiting, head: Head) {
        let (finder, found) = (waiting.finder, waiting.found.clone());
        self.missing.push(Missing { finder, found, head: Some(head), since: Instant::now(), last_look: None });
    }

    /// A file was found, and was not opened before it went. What a compressed one held nobody knows.
    pub(super) fn miss_unopened(&mut self, finder: usize, found: Found) {
        let is_there = std::fs::metadata(&found.path).is_ok_and(|meta| Stat::of(&meta).inode == found.stat.inode);
        if found.stat.size > 0 && !found.gzip && !is_there {
            self.missing.push(Missing { finder, found, head: None, since: Instant::now(), last_look: None });
        }
    }

    /// Counts the bytes that were seen, and that no other file holds.
    fn count_missing(&mut self) {
        if self.missing.is_empty() {
            return;
        }
        let mut kept = Vec::new();
        for mut missing in std::mem::take(&mut self.missing) {
            let is_awaited = missing.since.elapsed() < TURN_UP
                || self.waiting.values().any(|other| other.found.gzip && other.found.logical == missing.found.logical);
            let looks = self.looks;
            if is_awaited {
                kept.push(missing);
            } else if *missing.last_look.get_or_insert(looks) == looks {
                self.wants_look.insert(missing.found.path.to_path_buf());
                kept.push(missing);
            } else if !self.holds(&missing) {
                self.count(&missing);
            }
        }
        self.missing = kept;
    }

    fn count(&self, missing: &Missing) {
        let found = &missing.found;
        let size = missing.head.map_or(found.stat.size, |head| u64::from(head.len));
        let wanted_by = &self.parts.finders[missing.finder].wanted_by;
        let wanted = |(index, ..): &(usize, &Arc<str>, &Inbox)| wanted_by.get(*index).copied().unwrap_or(true);
        let mut most = 0;
        for (_, name, inbox) in self.sinks().filter(wanted) {
            let mut known = 0;
            self.parts.book.look(&mut |state| {
                let of_file = state.origins.values().find(|origin| {
                    missing.head.is_none() && origin.inode == found.stat.inode && origin.path == found.logical
                });
                let cursor = of_file.and_then(|origin| state.cursors.get(&(origin.id, Arc::clone(name))));
                // What a cursor was seen to lack is counted with all that is missing since the last run.
                known = cursor.map_or(0, |cursor| match self.said_missing {
                    true => cursor.resume.offset,
                    false => cursor.resume.offset.max(cursor.size),
                });
            });
            let bytes = size.saturating_sub(known);
            most = most.max(bytes);
            inbox(Signal::Unreachable(bytes));
        }
        warn!(
            path = %found.path.display(),
            bytes = most,
            "a file was truncated before its first line had its end, or deleted while it waited for a descriptor; these bytes \
             are counted as unreachable. Rotate by rename to lose nothing, and raise the limit of open files (nofile) where \
             files take turns"
        );
    }

    /// Whether some file begins with what is missing.
    fn holds(&self, missing: &Missing) -> bool {
        let inode = missing.found.stat.inode;
        let Some(wanted) = missing.head else {
            let is_known = self.slots.contains_key(&inode) || self.waiting.contains_key(&inode);
            return is_known || self.waiters.contains_key(&inode);
        };
        let is_its = |other: &Inode, chain: u64| *other == inode || chain == missing.found.chain;
        let slots = self.slots.iter().filter(|(inode, slot)| is_its(inode, slot.chain));
        let slots = slots.map(|(_, slot)| (slot.content.clone(), &*slot.path, slot.gzip.is_some()));
        let copies = self.copies.iter().filter(|(inode, copy)| is_its(inode, copy.found.chain));
        let copies = copies.map(|(_, copy)| (None, &*copy.found.path, copy.found.gzip));
        let waiting = self.waiting.iter().filter(|(inode, waiting)| is_its(inode, waiting.found.chain));
        let mut waiting = waiting.filter_map(|(_, waiting)| waiting.begun.as_ref());
        waiting.any(|begun| begun.head == wanted)
            || slots.chain(copies).any(|(content, path, is_gzip)| {
                let head = || -> io::Result<Head> {
                    let file = content.map_or_else(|| FileContent::open(path).map(|(file, _)| Arc::new(file)), Ok)?;
                    let len = usize::from(wanted.len);
                    match is_gzip {
                        true => identify::head_of(&GzipContent::to_look(file, path), len),
                        false => identify::head_of(&*file, len),
                    }
                };
                // What cannot be read does not hold it.
                head().is_ok_and(|head| head == wanted)
            })
    }
}
