//! Tells of folders in which something changed.
//!
//! inotify watches *folders* (new names, renames, deletions); how files grow is asked for by time. Only a file that
//! is idle is watched itself, for its next byte, once. Where watches run out, or a file system reports nothing, the
//! follower's regular walk and the pipelines' looks find the same later.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use tracing::warn;

/// Watches folders and can be woken from another thread.
pub struct Watch {
    /// `None` where the system gives no inotify instance.
    inotify: Option<OwnedFd>,
    /// Watched folders by their watch.
    folders: HashMap<i32, Folder>,
    /// Counts the walks of everything.
    walk: u32,
    /// Whether this walk came upon a folder that is not watched.
    unwatched: bool,
    /// Files that are watched for their next byte.
    files: HashSet<i32>,
    /// No more files than this are watched: folders go first.
    most_files: usize,
    wake: Arc<OwnedFd>,
    /// Whether it was said that watches ran out.
    said: bool,
}

/// A folder that is watched.
struct Folder {
    path: Box<Path>,
    /// Whether its file system is known to tell.
    tells: bool,
    /// The walk that last came upon it.
    walk: u32,
}

/// Wakes a [`Watch`] that waits.
#[derive(Clone)]
pub struct Waker(Arc<OwnedFd>);

impl Waker {
    /// Ends the current (or the next) wait.
    pub fn wake(&self) {
        // The counter can only be full, and then the waiter is woken anyway.
        let _full = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }
}

/// What came of a wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Woken {
    /// Whether anything may have changed.
    pub changed: bool,
    /// Where something changed: entries of watched folders, or such a folder itself.
    pub places: BTreeSet<PathBuf>,
    /// The files that have bytes now; they are watched no more.
    pub files: Vec<i32>,
    /// Whether there was more to tell than the system keeps: anything may have changed.
    pub missed: bool,
}

/// What the watches of folders are good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// Some folders are not watched.
    Partial,
    /// All are, and some file system may not tell.
    Watched,
    /// All are, on file systems that tell of every change.
    Told,
}

/// File systems whose changes all go through this kernel, by the magic numbers of `statfs(2)`: ext2 to 4, XFS, Btrfs, tmpfs,
/// F2FS, ZFS. Not those of a network, of FUSE, or overlays, whose lower layers may change unseen.
const TELLING: [u64; 6] = [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0xf2f5_2010, 0x2fc1_2fc1];

/// Whether the file system at `path` is known to tell of changes.
pub fn tells(path: &Path) -> bool {
    // Where it cannot be told, it is not known to.
    rustix::fs::statfs(path).is_ok_and(|stat| TELLING.contains(&(stat.f_type as u64)))
}

/// Whether two names lead to one folder.
fn is_one(one: &Path, other: &Path) -> bool {
    let of = |path: &Path| std::fs::metadata(path).map(|meta| (meta.dev(), meta.ino()));
    matches!((of(one), of(other)), (Ok(one), Ok(other)) if one == other)
}

/// How many watches the system gives a user.
fn most_watches() -> usize {
    let text = std::fs::read_to_string("/proc/sys/fs/inotify/max_user_watches").unwrap_or_default();
    // The least that any kernel gives.
    text.trim().parse().unwrap_or(8192)
}

impl Watch {
    /// Watches nothing yet.
    pub fn new() -> io::Result<Self> {
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let inotify = match inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK) {
            Ok(inotify) => Some(inotify),
            Err(error) => {
                warn!(
                    %error,
                    "no inotify instance is left, so new files are found by looking every second; nothing is lost. \
                     Raise fs.inotify.max_user_instances to find them at once"
                );
                None
            }
        };
        let most_files = most_watches() / 2;
        Ok(Self {
            inotify,
            folders: HashMap::new(),
            walk: 0,
            unwatched: false,
            files: HashSet::new(),
            most_files,
            wake,
            said: false,
        })
    }

    /// A handle that wakes it.
    pub fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.wake))
    }

    /// A walk of everything begins: folders that it does not come upon are watched no more when it ends.
    pub fn begin_walk(&mut self) {
        self.walk = self.walk.wrapping_add(1);
        self.unwatched = false;
    }

    /// Watches a folder, too; false where that is not to be had. A folder that is gone needs no watch, and one that may not be
    /// read is said by the walk.
    pub fn add(&mut self, path: &Path) -> bool {
        const FLAGS: WatchFlags = WatchFlags::CREATE
            .union(WatchFlags::DELETE)
            .union(WatchFlags::MOVED_FROM)
            .union(WatchFlags::MOVED_TO)
            .union(WatchFlags::ATTRIB)
            .union(WatchFlags::DELETE_SELF)
            .union(WatchFlags::MOVE_SELF)
            .union(WatchFlags::ONLYDIR);
        use rustix::io::Errno;
        let watch = match &self.inotify {
            Some(inotify) => inotify::add_watch(inotify, path, FLAGS),
            None => {
                self.unwatched = true;
                return false;
            }
        };
        match watch {
            // A known folder gives the same watch, under whatever name; one made anew under its old name gets another.
            Ok(watch) => {
                let walk = self.walk;
                let folder =
                    self.folders.entry(watch).or_insert_with(|| Folder { path: path.into(), tells: tells(path), walk });
                folder.walk = walk;
                if *folder.path != *path && !is_one(&folder.path, path) {
                    folder.path = path.into();
                }
                true
            }
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => true,
            Err(error) => {
                self.unwatched = true;
                if !std::mem::replace(&mut self.said, true) {
                    warn!(
                        folder = %path.display(),
                        %error,
                        "a folder cannot be watched, so its new files are found by looking every second; nothing is lost. \
                         Normal where fs.inotify.max_user_watches is small: raise it to find them at once"
                    );
                }
                false
            }
        }
    }

    /// The walk has ended; what the watches of folders are good for.
    pub fn end_walk(&mut self) -> Coverage {
        let Some(inotify) = &self.inotify else { return Coverage::Partial };
        let walk = self.walk;
        let unseen = self.folders.extract_if(|_, folder| folder.walk != walk);
        for (watch, _) in unseen {
            // The kernel took the watch away already where the folder is gone.
            let _gone = inotify::remove_watch(inotify, watch);
        }
        if self.unwatched {
            Coverage::Partial
        } else if self.folders.values().all(|folder| folder.tells) {
            Coverage::Told
        } else {
            Coverage::Watched
        }
    }

    /// Watches a file for its next byte; `None` where that is not to be had.
    pub fn arm(&mut self, file: &Path) -> Option<i32> {
        let inotify = self.inotify.as_ref().filter(|_| self.files.len() < self.most_files)?;
        // Without a watch it is looked at in time.
        let watch = inotify::add_watch(inotify, file, WatchFlags::MODIFY | WatchFlags::ONESHOT).ok()?;
        self.files.insert(watch);
        Some(watch)
    }

    /// Watches a file no more.
    pub fn disarm(&mut self, watch: i32) {
        if let Some(inotify) = self.inotify.as_ref().filter(|_| self.files.remove(&watch)) {
            // It may have told of a byte just now, and then the kernel took it away.
            let _gone = inotify::remove_watch(inotify, watch);
        }
    }

    /// Waits for a change, a wake or `timeout`.
    pub fn wait(&mut self, timeout: Duration) -> Woken {
        let mut fds = vec![PollFd::from_borrowed_fd(self.wake.as_fd(), PollFlags::IN)];
        if let Some(inotify) = &self.inotify {
            fds.push(PollFd::from_borrowed_fd(inotify.as_fd(), PollFlags::IN));
        }
        let timeout = Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        // A signal or an error ends the wait early, which costs one more round.
        let _early = poll(&mut fds, Some(&timeout));
        let mut counter = [0; 8];
        // Nothing to take where nobody woke us.
        let _empty = rustix::io::read(&self.wake, &mut counter);
        self.drain()
    }

    /// Takes all events.
    fn drain(&mut self) -> Woken {
        let mut woken = Woken::default();
        let Some(inotify) = &self.inotify else { return woken };
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(inotify, &mut buffer);
        while let Ok(event) = reader.next() {
            let watch = event.wd();
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                woken.missed = true;
                woken.changed = true;
            } else if self.files.remove(&watch) {
                woken.files.push(watch);
            } else if event.events().contains(ReadFlags::IGNORED) {
                // Else it is the end of a file's watch, which was told.
                woken.places.extend(self.folders.remove(&watch).map(|folder| folder.path.into()));
            } else if let Some(Folder { path, .. }) = self.folders.get(&watch) {
                let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                woken.places.insert(name.map_or_else(|| path.to_path_buf(), |name| path.join(name)));
            } else {
                woken.changed = true;
            }
        }
        woken
    }
}
