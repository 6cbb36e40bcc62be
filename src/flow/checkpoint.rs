//! What a checkpoint says: origins, and where each pipeline is in them. Its bytes are [`record`](super::record)'s and
//! [`slot`](super::slot)'s to know.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::model::feed::Resume;
use crate::model::origin::{Format, OriginId};

/// What is known of an origin's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginRecord {
    /// The identity, fixed at first sight.
    pub id: OriginId,
    /// The source that found it.
    pub source: Arc<str>,
    /// Folder and name without a rotation's suffix, as bytes of the file system.
    pub path: Arc<Path>,
    /// How its lines are wrapped.
    pub format: Format,
    /// Bytes of the first line that took part in the identity.
    pub head_len: u16,
    /// Their hash.
    pub head_hash: u64,
    /// How many origins of the same path and head came before.
    pub count: u32,
    /// Where it was last seen: device and inode. A hint, never an identity.
    pub inode: (u64, u64),
    /// Its place among the origins of one path; later ones are greater.
    pub order: u64,
}

/// Where a pipeline is in an origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// What going on needs.
    pub resume: Resume,
    /// The bytes before `check_at` are hashed, so that a file is known again.
    pub check: Check,
    /// The size that the origin was last seen with.
    pub size: u64,
}

/// A hash over the (at most 1,024) bytes before an offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// The offset.
    pub at: u64,
    /// How many bytes before it are hashed.
    pub len: u16,
    /// Their hash; of no bytes where `len` is 0.
    pub hash: u64,
}

impl Check {
    /// The most bytes that are hashed.
    pub const MAX: usize = 1024;

    /// Where the bytes that were hashed begin.
    pub fn start(&self) -> u64 {
        self.at - u64::from(self.len)
    }

    /// Over `bytes`, which end at `at`.
    pub fn new(at: u64, bytes: &[u8]) -> Self {
        debug_assert!(bytes.len() <= Self::MAX && bytes.len() as u64 <= at);
        Self { at, len: bytes.len() as u16, hash: xxh3_64(bytes) }
    }

    /// Whether `bytes`, read from [`Check::start`], are the same.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        self.len == 0 || (bytes.len() == usize::from(self.len) && xxh3_64(bytes) == self.hash)
    }
}

/// One thing to remember.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A new origin, or a new place where it was seen.
    Origin(OriginRecord),
    /// A pipeline has moved in an origin.
    Cursor(Arc<str>, OriginId, Cursor),
    /// The line that names the fields of an origin's others; empty where it has none.
    Header(OriginId, Arc<str>),
    /// An origin is gone for good.
    Forget(OriginId),
    /// A pipeline stores a label beside its lines from now on.
    Demoted(Arc<str>, Arc<str>),
    /// A pipeline has all its labels in its streams' names again.
    Promoted(Arc<str>),
    /// The snapshot is whole.
    SnapshotEnd,
}

/// All that a checkpoint says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The origins known.
    pub origins: BTreeMap<OriginId, OriginRecord>,
    /// Per origin and pipeline: where reading goes on.
    pub cursors: BTreeMap<(OriginId, Arc<str>), Box<Cursor>>,
    /// Per pipeline: the labels that are stored beside its lines. From where on in an origin, its cursor says.
    pub demoted: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    /// Of origins whose parser takes the names of its fields from one: the header line, empty where there is none.
    pub headers: BTreeMap<OriginId, Arc<str>>,
}

/// Every file has one record, and a cursor in each pipeline: see decision 041.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<OriginRecord>() <= 96 && size_of::<Cursor>() <= 176);

impl State {
    /// Takes a record in.
    pub fn apply(&mut self, record: Record) {
        match record {
            Record::Origin(origin) => {
                self.origins.insert(origin.id, origin);
            }
            // A late answer may move a cursor of an origin that was forgotten meanwhile.
            Record::Cursor(_, id, _) if !self.origins.contains_key(&id) => {}
            Record::Cursor(pipeline, id, cursor) => match self.cursors.entry((id, pipeline)) {
                Entry::Vacant(entry) => drop(entry.insert(Box::new(cursor))),
                Entry::Occupied(entry) => **entry.into_mut() = cursor,
            },
            Record::Header(id, _) if !self.origins.contains_key(&id) => {}
            // The first one counts, whoever found it.
            Record::Header(id, line) => drop(self.headers.entry(id).or_insert(line)),
            Record::Forget(id) => {
                self.origins.remove(&id);
                self.headers.remove(&id);
                self.cursors.retain(|(of, _), _| *of != id);
            }
            Record::Demoted(pipeline, label) => {
                self.demoted.entry(pipeline).or_default().insert(label);
            }
            Record::Promoted(pipeline) => {
                self.demoted.remove(&pipeline);
                let cursors = self.cursors.iter_mut().filter(|((_, of), _)| *of == pipeline);
                cursors.for_each(|(_, cursor)| cursor.resume.demotions = None);
            }
            Record::SnapshotEnd => {}
        }
    }

    /// The header line of the file that was rotated before this one, where it has one.
    pub fn header_before(&self, id: OriginId) -> Option<Arc<str>> {
        let origin = self.origins.get(&id)?;
        let is_before = |other: &&OriginRecord| {
            other.order < origin.order
                && (&other.source, &other.path, other.format) == (&origin.source, &origin.path, origin.format)
        };
        let before = self.origins.values().filter(is_before).max_by_key(|other| other.order)?;
        self.headers.get(&before.id).filter(|line| !line.is_empty()).cloned()
    }
}

/// Where checkpoints are kept: in memory, or on disk too.
pub trait Book: Send + Sync {
    /// Looks at what is known; keep it short.
    fn look(&self, look: &mut dyn FnMut(&State));

    /// Remembers; a record of now on is there after a crash.
    fn append(&self, records: Vec<Record>);
}
