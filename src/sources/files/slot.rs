//! One file that is followed, and when it is at its end.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::found::{Found, Stat};
use super::identify::{self, Head};
use crate::model::feed::{Content, Marks};
use crate::model::origin::{Origin, OriginId};

/// A deleted file whose size has not changed for this long is at its end.
pub(super) const QUIET_DELETED: Duration = Duration::from_secs(2);
/// A file that has a successor is at its end once its size has not changed for this long: longer than the gap between
/// a rotation's rename and the writer's reopening.
pub(super) const QUIET_SUCCEEDED: Duration = Duration::from_secs(1);

/// The content of an open file. The descriptor keeps the inode, so what was read can be read again whatever
/// happens to its names.
pub struct FileContent(File);

impl FileContent {
    /// Opens a regular file for reading. Anything else is an error, and a FIFO is not waited for.
    pub fn open(path: &Path) -> io::Result<(Self, Stat)> {
        let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let file = File::options().read(true).custom_flags(flags).open(path)?;
        let content = Self(file);
        let stat = content.stat()?.0;
        Ok((content, stat))
    }

    /// What the system says of it, and how many names it has left.
    pub fn stat(&self) -> io::Result<(Stat, u64)> {
        let meta = self.0.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        Ok((Stat::of(&meta), meta.nlink()))
    }

    /// A path that leads to this very file, whatever its names are.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }
}

impl Content for FileContent {
    fn size(&self) -> Option<u64> {
        self.0.metadata().map(|meta| meta.size()).ok() // Not to be told now is not to be told.
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read_at(into, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

/// One file that is followed.
pub struct Slot {
    /// Whose content it is.
    pub origin: Arc<Origin>,
    /// What source and pipelines tell each other about it.
    pub marks: Arc<Marks>,
    /// The open file; `None` once every pipeline is done with it.
    pub content: Option<Arc<FileContent>>,
    /// Where a compressed file's content is said to end.
    pub gzip: Option<u64>,
    /// Its first line.
    pub head: Head,
    /// Where it was last seen.
    pub path: Arc<Path>,
    /// Whether it had a rotation's suffix there.
    pub rotated: bool,
    /// Files to be read one after the other share a chain.
    pub chain: u64,
    /// Its place in the chain.
    pub order: u64,
    /// What the system last said of it.
    pub stat: Stat,
    /// The greatest size it was ever seen with.
    pub most: u64,
    /// When the size was last seen to change.
    pub changed: Instant,
    /// When it was first seen without a name.
    pub deleted: Option<Instant>,
    /// The walk that last saw it.
    pub seen: u64,
    /// The watch that tells of its next byte.
    pub watch: Option<i32>,
    /// When it was opened.
    pub opened: Instant,
    /// Whether it was closed for want of descriptors before all of it was read.
    pub has_more: bool,
    /// Whether it is to be found anew once it is closed: a pipeline has come that has not read it.
    pub again: bool,
}

/// Every file that is followed has one: see decision 041.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Slot>() <= 208);

impl Slot {
    /// Its identity.
    pub fn id(&self) -> OriginId {
        self.origin.id
    }

    /// Whether what a walk found is still this file as it was last known. An open file keeps its inode to itself; a
    /// closed one's may be another's by now.
    pub fn is_still(&self, found: &Found) -> bool {
        match (&self.content, self.gzip) {
            (Some(_), None) => true,
            _ => !self.has_more && self.stat.size == found.stat.size && self.stat.modified == found.stat.modified,
        }
    }

    /// Takes in that a walk saw it. Whether its content is not what it was.
    pub fn see(&mut self, found: &Found, walk: u64) -> bool {
        self.seen = walk;
        if *self.path != *found.path {
            self.path = Arc::clone(&found.path);
        }
        self.rotated = found.rotated;
        let is_written = self.stat.modified != found.stat.modified;
        // What nobody has read from may have been truncated and have grown again, and no reader would see it.
        let is_other = is_written && self.gzip.is_none() && self.marks.slowest_read() == 0 && !self.has_its_head();
        self.note(found.stat) || is_other
    }

    /// Whether the first line is the one it had.
    pub fn has_its_head(&self) -> bool {
        let Some(content) = &self.content else { return true };
        match identify::head_of(&**content, usize::from(self.head.len)) {
            Ok(head) => head == self.head,
            // Not to be read at the moment is not to be another file.
            Err(_) => true,
        }
    }

    /// Takes in what the system says; whether it has shrunk.
    fn note(&mut self, stat: Stat) -> bool {
        // What a parked file grows by is for whoever opens it again: that it is not as it was must be seen then.
        if self.marks.parked() {
            return false;
        }
        let shrunk = stat.size < self.stat.size;
        if stat.size != self.stat.size {
            self.changed = Instant::now();
        }
        self.stat = stat;
        self.most = self.most.max(stat.size);
        shrunk
    }

    /// Asks the system for size and names; whether it has shrunk.
    pub fn refresh(&mut self) -> bool {
        // An error leaves what was known; the next look will tell.
        let Some(Ok((stat, names))) = self.content.as_ref().map(|content| content.stat()) else { return false };
        if names == 0 && self.deleted.is_none() {
            self.deleted = Some(Instant::now());
        }
        self.note(stat)
    }

    /// Whether no more bytes are to be expected. `succeeded`: the next file of its chain has bytes already.
    pub fn is_at_end(&self, succeeded: bool) -> bool {
        let quiet = self.changed.elapsed();
        match self.deleted {
            Some(since) => quiet >= QUIET_DELETED && since.elapsed() >= QUIET_DELETED,
            None => succeeded && quiet >= QUIET_SUCCEEDED,
        }
    }

    /// Where its content ends, as far as is known.
    pub fn length(&self) -> u64 {
        self.gzip.unwrap_or_else(|| self.most.max(self.marks.farthest_read()))
    }

    /// Bytes that the slowest pipeline has not read.
    pub fn unread(&self) -> u64 {
        self.length().saturating_sub(self.marks.slowest_read())
    }
}
