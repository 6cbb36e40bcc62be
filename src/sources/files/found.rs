//! What is known of a file that a source wants before anybody has opened it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use crate::model::origin::Workload;

/// A file that a source wants.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it is, symlinks resolved.
    pub path: Arc<Path>,
    /// Folder and name without a rotation's suffix, symlinks resolved.
    pub logical: Arc<Path>,
    /// Whether the name has a rotation's suffix.
    pub rotated: bool,
    /// Whether the content is compressed.
    pub gzip: bool,
    /// Files that are to be read one after the other share a chain.
    pub chain: u64,
    /// The Kubernetes names, where the path gives them.
    pub workload: Option<Workload>,
    /// What the system says of the file.
    pub stat: Stat,
}

/// What the system says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Device and inode.
    pub inode: (u64, u64),
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since the epoch when it was last written.
    pub modified: i64,
}

impl Stat {
    /// What the system says.
    pub fn of(meta: &fs::Metadata) -> Self {
        let modified = meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec());
        Self { inode: (meta.dev(), meta.ino()), size: meta.size(), modified }
    }
}
