//! The follower's looks: at everything, or into the folders in which something changed.
//!
//! **Invariant**: a look into a folder leaves behind what a walk of everything would: files found there are taken in, files that
//! are there no more are looked after. What is found is compared with what is known, never trusted to an event.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::find::{Found, Stat, Walk};
use super::follow::Follower;
use super::slot::Slot;
use super::states::Inode;

/// Where more changed at once than in so many folders, everything is walked.
const LOOKS_MAX: usize = 256;

impl Follower {
    /// Walks all sources and takes in what is found; gives the folders to watch.
    pub(super) fn walk_all(&mut self) -> BTreeSet<PathBuf> {
        self.walk += 1;
        self.looks += 1;
        self.denied = 0;
        self.unopened = 0;
        self.open = self.held();
        self.call_waiters();
        let mut folders = BTreeSet::new();
        for index in 0..self.parts.finders.len() {
            self.parts.gauges.beat.beat();
            let walk = self.parts.finders[index].walk();
            folders.extend(self.take(index, walk));
        }
        self.look_after_unseen();
        self.dismiss_waiters();
        folders
    }

    /// Looks into the folders in which something changed at `places`, as a walk would; gives the folders to watch there.
    /// `None` where only a walk of everything tells.
    pub(super) fn look_into(&mut self, places: &BTreeSet<PathBuf>) -> Option<BTreeSet<PathBuf>> {
        if self.denied > 0 {
            return None;
        }
        let mut targets = BTreeSet::new();
        for place in places {
            let finders = self.parts.finders.iter().enumerate();
            let mut is_known = false;
            for (index, folder) in finders.filter_map(|(index, finder)| Some((index, finder.folder_of(place)?))) {
                is_known = true;
                targets.insert((index, folder));
            }
            if !is_known || targets.len() > LOOKS_MAX {
                return None;
            }
        }
        self.looks += 1;
        self.open = self.held();
        let is_below = |path: &Path| targets.iter().any(|(_, folder)| path.starts_with(folder));
        let known: Vec<Inode> =
            self.slots.iter().filter(|(_, slot)| is_below(&slot.path)).map(|(inode, _)| *inode).collect();
        // As if the last walk had not come upon them.
        for inode in &known {
            if let Some(slot) = self.slots.get_mut(inode) {
                slot.seen = self.walk - 1;
            }
        }
        let mut folders = BTreeSet::new();
        for (index, folder) in &targets {
            let walk = self.parts.finders[*index].walk_in(folder);
            folders.extend(self.take(*index, walk));
        }
        self.look_after_unseen_of(&known);
        self.copies.retain(|_, copy| !is_below(&copy.found.path) || copy.found.path.exists());
        self.look_after_waiting(is_below);
        Some(folders)
    }

    /// Takes in what a walk came upon; gives the folders that it looked into.
    fn take(&mut self, finder: usize, walk: Walk) -> BTreeSet<PathBuf> {
        for (path, why) in walk.left_out {
            self.say(path, why);
        }
        for (path, why) in walk.unreadable {
            self.say_unreadable(path, why);
        }
        for found in walk.found {
            self.take_in(finder, found);
        }
        walk.folders
    }

    fn take_in(&mut self, finder: usize, found: Found) {
        let inode = found.stat.inode;
        let walk = self.walk;
        let mut may_open = false;
        if let Some(slot) = self.slots.get_mut(&inode) {
            if slot.is_still(&found) {
                if slot.see(&found, walk) {
                    slot.marks.set_overtaken();
                }
                return;
            }
            may_open = self.take_descriptor(inode);
            if !may_open {
                self.deny(inode);
                return;
            }
            // Closed, and not as it was: it has grown, or another file has its inode.
            self.unbind(inode, None);
        }
        if let Some((stat, seen)) = self.passed.get_mut(&inode) {
            *seen = walk;
            if *stat == found.stat {
                return;
            }
            self.passed.remove(&inode);
        }
        if let Some(copy) = self.copies.get_mut(&inode) {
            if copy.found.stat == found.stat {
                copy.found = found;
                return;
            }
            self.copies.remove(&inode);
        }
        if let Some(waiting) = self.waiting.get_mut(&inode) {
            if waiting.see(&found) {
                return;
            }
            self.waiting.remove(&inode);
        }
        if !may_open && !self.take_descriptor(inode) {
            self.deny_unopened(inode, finder, found);
            return;
        }
        self.begin(finder, found);
    }

    /// A file that was read to its end and closed may grow all the same, where its writer keeps it open; nobody tells of it.
    pub(super) fn look_after_closed(&mut self) {
        let closed = self.slots.values().filter(|slot| slot.content.is_none() && slot.gzip.is_none());
        let has_changed = |slot: &&Slot| {
            std::fs::metadata(&slot.path).is_ok_and(|meta| {
                let stat = Stat::of(&meta);
                stat.inode != slot.stat.inode || stat.size != slot.stat.size
            })
        };
        let changed: Vec<PathBuf> = closed.filter(has_changed).map(|slot| slot.path.clone()).collect();
        self.wants_look.extend(changed);
    }
}
