//! Who a line comes from.
//!
//! **Invariant**: an [`Origin`] never changes after it was made; it is shared by everything that handles its
//! lines. Whatever is known of a file from elsewhere is fixed here before its first line is read, so that a
//! replay makes the same events (`docs/delivery.md`).

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3;

/// The most bytes of a first line that take part in an identity.
pub const HEAD_MAX: usize = 1024;

/// The identity of one file's content, under all its names and inodes.
///
/// 128 bits over the logical path, the first line (to its LF, at most [`HEAD_MAX`] bytes) and a count of equal
/// predecessors. It is computed once, at first sight, written to the checkpoint and never computed anew.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OriginId(pub u128);

impl OriginId {
    /// Computes the identity of a file seen for the first time.
    ///
    /// `logical_path` is folder and name without a rotation's suffix; `head` the first line to its LF, at most
    /// [`HEAD_MAX`] bytes; `count` how many origins with the same path and head there were before.
    pub fn new(logical_path: &[u8], head: &[u8], count: u32) -> Self {
        debug_assert!(head.len() <= HEAD_MAX);
        let mut hash = Xxh3::new();
        hash.update(&(logical_path.len() as u64).to_le_bytes());
        hash.update(logical_path);
        hash.update(&(head.len() as u64).to_le_bytes());
        hash.update(head);
        hash.update(&count.to_le_bytes());
        Self(hash.digest128())
    }

    /// The 32 lower-case hexadecimal digits of the identity.
    pub fn parse(hex: &str) -> Option<Self> {
        (hex.len() == 32).then(|| u128::from_str_radix(hex, 16).ok()).flatten().map(Self)
    }
}

impl fmt::Display for OriginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for OriginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How a file's lines are wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `RFC3339Nano stdout|stderr P|F content`, written by containerd and CRI-O.
    Cri,
    /// `{"log":"…\n","stream":"…","time":"…"}`, written by Docker's json-file driver.
    Docker,
    /// Bare lines.
    Plain,
}

impl Format {
    /// The name used in settings, checkpoints and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cri => "cri",
            Self::Docker => "docker",
            Self::Plain => "plain",
        }
    }

    /// The reverse of [`Format::name`].
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Cri, Self::Docker, Self::Plain].into_iter().find(|format| format.name() == name)
    }
}

/// The Kubernetes names of an origin, from its path. They are one text behind one another, since every file has them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Workload {
    /// How often the container was restarted before this file was begun.
    pub restart: u32,
    /// Where in `text` each name but the last ends.
    ends: [u32; 4],
    text: Arc<str>,
}

/// What a [`Workload`] is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Names<'n> {
    /// The pod's namespace.
    pub namespace: &'n str,
    /// The pod's name.
    pub pod: &'n str,
    /// The pod's uid; for static pods a hash of their configuration.
    pub uid: &'n str,
    /// The container's name.
    pub container: &'n str,
    /// What the pod is a copy of, derived from its name as controllers name pods.
    pub app: &'n str,
}

impl Workload {
    /// Of these names.
    pub fn new(names: Names<'_>, restart: u32) -> Self {
        let Names { namespace, pod, uid, container, app } = names;
        let (mut ends, mut end) = ([0; 4], 0);
        for (place, name) in ends.iter_mut().zip([namespace, pod, uid, container]) {
            end += name.len() as u32;
            *place = end;
        }
        Self { restart, ends, text: [namespace, pod, uid, container, app].concat().into() }
    }

    /// That of another file of the container, begun after so many restarts.
    pub fn at_restart(&self, restart: u32) -> Self {
        Self { restart, ..self.clone() }
    }

    /// The pod's namespace.
    pub fn namespace(&self) -> &str {
        &self.text[..self.ends[0] as usize]
    }

    /// The pod's name.
    pub fn pod(&self) -> &str {
        self.between(0)
    }

    /// The pod's uid; for static pods a hash of their configuration.
    pub fn uid(&self) -> &str {
        self.between(1)
    }

    /// The container's name.
    pub fn container(&self) -> &str {
        self.between(2)
    }

    /// What the pod is a copy of, derived from its name as controllers name pods.
    pub fn app(&self) -> &str {
        &self.text[self.ends[3] as usize..]
    }

    fn between(&self, place: usize) -> &str {
        &self.text[self.ends[place] as usize..self.ends[place + 1] as usize]
    }
}

/// One file's content (or one pipe), under all its names; made once, shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Identity, the same after a restart, a rename, a compression.
    pub id: OriginId,
    /// The name of the source that found it.
    pub source: Arc<str>,
    /// The logical path: folder and name without a rotation's suffix. Empty for a pipe.
    pub path: Arc<Path>,
    /// How its lines are wrapped.
    pub format: Format,
    /// Its Kubernetes names, where its path gives them.
    pub workload: Option<Workload>,
    /// The machine it was read on: `NODE_NAME` where set, else the host's name.
    pub host: Arc<str>,
}

/// Every file has one: see decision 041.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Origin>() <= 128);
