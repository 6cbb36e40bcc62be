//! What the follower knows of files that are not followed, or not any more.
//!
//! Facts only; what is made of them stands in the follower's parts: [`Waiting`] and [`Missing`] in `waiting`, [`Waiter`] in
//! `descriptors`, [`Copy`] in `claim`, [`Gone`] in `leave`.

use std::time::Instant;

use super::found::{Found, Stat};
use super::identify::Head;
use super::slot::{FileContent, Slot};
use crate::model::origin::OriginId;

/// Device and inode.
pub(super) type Inode = (u64, u64);

/// A file that stands by: it has what an origin's own file has.
pub(super) struct Copy {
    /// The source that wants it.
    pub(super) finder: usize,
    /// What a walk said of it.
    pub(super) found: Found,
    /// Whose content it holds.
    pub(super) of: OriginId,
}

/// An origin without a file. A copy or the compressed file may still turn up.
pub(super) struct Gone {
    /// What it was.
    pub(super) slot: Box<Slot>,
    /// Since when.
    pub(super) since: Instant,
    /// The file itself, where it has other content now.
    pub(super) truncated: Option<Inode>,
    /// The last look before it was too late.
    pub(super) last_look: Option<u64>,
}

/// A file that cannot be read yet.
pub(super) struct Waiting {
    pub(super) finder: usize,
    /// What was last seen of it.
    pub(super) found: Found,
    /// Since when it is as `found` says.
    pub(super) since: Instant,
    /// Tells of its next byte.
    pub(super) watch: Option<i32>,
    /// What it begins with, once it has bytes.
    pub(super) begun: Option<Begun>,
}

/// The beginning of a first line.
pub(super) struct Begun {
    /// All of it.
    pub(super) head: Head,
    /// The file's place in its chain.
    pub(super) order: u64,
    /// The open file; closed where others need the descriptor.
    pub(super) content: Option<FileContent>,
    /// When it was first seen without a name.
    pub(super) deleted: Option<Instant>,
}

/// Bytes that were seen, and are not where they were.
pub(super) struct Missing {
    pub(super) finder: usize,
    pub(super) found: Found,
    /// What they were; `None` where the file was never open.
    pub(super) head: Option<Head>,
    pub(super) since: Instant,
    /// The last look before it is too late.
    pub(super) last_look: Option<u64>,
}

impl Waiting {
    /// Whether it has a descriptor.
    pub(super) fn is_held(&self) -> bool {
        self.content().is_some()
    }

    /// The open file.
    pub(super) fn content(&self) -> Option<&FileContent> {
        self.begun.as_ref()?.content.as_ref()
    }

    /// Its place in its chain, once it has bytes.
    pub(super) fn order(&self) -> Option<u64> {
        Some(self.begun.as_ref()?.order)
    }

    /// Takes in that a walk came upon it. Whether it is what it was, as far as a name can tell.
    pub(super) fn see(&mut self, found: &Found) -> bool {
        if !self.is_held() && self.found.stat != found.stat {
            return false;
        }
        // What an open file grew by is its own descriptor's to say.
        self.found = Found { stat: self.found.stat, ..found.clone() };
        true
    }

    /// Whether its name leads elsewhere, or nowhere.
    pub(super) fn is_gone(&self) -> bool {
        !std::fs::metadata(&self.found.path).is_ok_and(|meta| Stat::of(&meta).inode == self.found.stat.inode)
    }
}

/// A file that waits for a descriptor.
pub(super) struct Waiter {
    pub(super) since: Instant,
    /// The walk that last came upon it.
    pub(super) last: u64,
    /// What that said of it, where it was never open: the source that wants it, and what was found.
    pub(super) unopened: Option<(usize, Found)>,
}
