//! The follower's looks: at everything, or into the folders in which something changed.
//!
//! **Invariant**: a look into a folder leaves behind what a walk of everything would: files found there are taken in, files that
//! are there no more are looked after. What is found is compared with what is known, never trusted to an event.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::follow::Follower;
use super::found::{Found, Stat};
use super::slot::Slot;
use super::states::Inode;
use super::walk::Walker;
use super::watch::Watch;

/// Where more changed at once than in so many folders, everything is walked.
const LOOKS_MAX: usize = 256;

/// A look of the follower's, at what one source wants.
struct Look<'l> {
    follower: &'l mut Follower,
    finder: usize,
    watch: Option<&'l mut Watch>,
    /// Whether every folder that was read is watched.
    is_watched: bool,
}

impl Walker for Look<'_> {
    fn enter(&mut self, folder: &Path) {
        if let Some(watch) = &mut self.watch {
            self.is_watched &= watch.add(folder);
        }
    }

    fn found(&mut self, files: Vec<Found>) {
        for found in files {
            self.follower.take_in(self.finder, found);
        }
    }

    fn left_out(&mut self, path: PathBuf, why: String) {
        self.follower.say(&path, why);
    }

    fn unreadable(&mut self, path: PathBuf, why: String) {
        self.follower.say_unreadable(&path, why);
    }
}

impl Follower {
    /// Walks all sources and takes in what is found; has every folder watched before it is read, where a watch is given.
    pub(super) fn walk_all(&mut self, mut watch: Option<&mut Watch>) {
        self.walk += 1;
        self.looks += 1;
        self.denied = 0;
        self.unopened = 0;
        self.open = self.held();
        self.call_waiters();
        for finder in 0..self.parts.finders.len() {
            self.parts.gauges.beat.beat();
            let places = Arc::clone(&self.parts.finders[finder].places);
            places.walk(&mut Look { follower: self, finder, watch: watch.as_deref_mut(), is_watched: true });
        }
        self.look_after_unseen();
        self.dismiss_waiters();
    }

    /// Looks into the folders in which something changed at `places`, as a walk would. Whether all of them are watched; `None`
    /// where only a walk of everything tells.
    pub(super) fn look_into(&mut self, places: &BTreeSet<PathBuf>, watch: &mut Watch) -> Option<bool> {
        if self.denied > 0 {
            return None;
        }
        let mut targets = BTreeSet::new();
        for place in places {
            let finders = self.parts.finders.iter().enumerate();
            let mut is_known = false;
            for (index, folder) in finders.filter_map(|(index, finder)| Some((index, finder.places.folder_of(place)?)))
            {
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
        let mut is_watched = true;
        for (finder, folder) in &targets {
            let places = Arc::clone(&self.parts.finders[*finder].places);
            let mut look = Look { follower: self, finder: *finder, watch: Some(&mut *watch), is_watched: true };
            places.walk_in(folder, &mut look);
            is_watched &= look.is_watched;
        }
        self.look_after_unseen_of(&known);
        self.copies.retain(|_, copy| !is_below(&copy.found.path) || copy.found.path.exists());
        self.look_after_waiting(is_below);
        Some(is_watched)
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
        let has_changed = |slot: &Slot| {
            std::fs::metadata(&slot.path).is_ok_and(|meta| {
                let stat = Stat::of(&meta);
                stat.inode != slot.stat.inode || stat.size != slot.stat.size
            })
        };
        let changed: Vec<PathBuf> =
            closed.filter(|slot| has_changed(slot)).map(|slot| slot.path.to_path_buf()).collect();
        self.wants_look.extend(changed);
    }
}
