//! The follower's idle files: each is watched for its next byte, once, so that pipelines look at it seldom.
//!
//! **Invariant**: a byte that came before its file was watched, or that the system had no room to tell of, is told all the same.

use std::time::{Duration, Instant};

use super::follow::Follower;
use super::slot::{FileContent, Slot};
use super::watch::{Watch, Woken, tells};
use crate::model::feed::{News, Signal};

/// A file that did not change for this long is idle.
const IDLE_AFTER: Duration = Duration::from_secs(4);

impl Follower {
    /// Has idle files watched for their next byte, so that pipelines look at them seldom.
    pub(super) fn watch_idle(&mut self, watch: &mut Watch) {
        for stale in self.stale_watches.drain(..) {
            watch.disarm(stale);
        }
        for slot in self.slots.values_mut() {
            if (slot.content.is_none() || slot.marks.ended())
                && let Some(stale) = slot.watch.take()
            {
                watch.disarm(stale);
            }
            let is_idle = slot.content.is_some() && slot.gzip.is_none() && slot.changed.elapsed() >= IDLE_AFTER;
            if !is_idle || slot.watch.is_some() || slot.marks.ended() {
                continue;
            }
            let Some(content) = &slot.content else { continue };
            slot.watch = watch.arm(&content.path());
            if slot.watch.is_none() {
                continue;
            }
            let told = slot.path.parent().is_some_and(tells);
            slot.marks.set_news(if told { News::Told } else { News::Watched });
            let before = slot.stat.size;
            slot.refresh();
            if slot.stat.size != before {
                // It came before the watch: nobody will tell.
                let id = slot.id();
                for (_, inbox) in &self.parts.pipelines {
                    inbox(Signal::Wake(id));
                }
            }
        }
        for waiting in self.waiting.values_mut().filter(|waiting| waiting.watch.is_none() && !waiting.found.gzip) {
            let path = waiting.content().map_or_else(|| waiting.found.path.to_path_buf(), FileContent::path);
            waiting.watch = watch.arm(&path);
        }
    }

    /// Passes on what the watches of files told.
    pub(super) fn wake(&mut self, woken: &Woken) {
        if woken.files.is_empty() && !woken.missed {
            return;
        }
        let is_told = |watch: i32| woken.files.contains(&watch);
        let is_woken = |slot: &Slot| slot.watch.is_some_and(|watch| woken.missed || is_told(watch));
        for (inode, slot) in self.slots.iter_mut().filter(|(_, slot)| is_woken(slot)) {
            self.busy.push(*inode);
            // One that was missed may still be armed; it is armed again all the same.
            self.stale_watches.extend(slot.watch.take().filter(|watch| !is_told(*watch)));
            slot.changed = Instant::now();
            slot.marks.set_news(News::Asked);
            let id = slot.id();
            for (_, inbox) in &self.parts.pipelines {
                inbox(Signal::Wake(id));
            }
        }
        // Files that wait are looked at in every round.
        for waiting in self.waiting.values_mut() {
            waiting.watch = waiting.watch.filter(|watch| !woken.files.contains(watch));
        }
    }
}
