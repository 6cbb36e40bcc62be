//! Tells of folders in which something changed.
//!
//! inotify watches *folders* (new names, renames, deletions); how files grow is asked for by time. Only a file that
//! is idle is watched itself, for its next byte, once. Where watches run out, or a file system reports nothing, the
//! follower's regular walk and the pipelines' looks find the same later.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
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
    folders: HashMap<PathBuf, i32>,
    /// Files that are watched for their next byte.
    files: HashSet<i32>,
    /// No more files than this are watched: folders go first.
    most_files: usize,
    wake: Arc<OwnedFd>,
    /// Whether it was said that watches ran out.
    said: bool,
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
    /// Whether something changed in a watched folder.
    pub changed: bool,
    /// The files that have bytes now; they are watched no more.
    pub files: Vec<i32>,
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
        Ok(Self { inotify, folders: HashMap::new(), files: HashSet::new(), most_files, wake, said: false })
    }

    /// A handle that wakes it.
    pub fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.wake))
    }

    /// Watches these folders and no others.
    pub fn set(&mut self, folders: &BTreeSet<PathBuf>) {
        let Some(inotify) = &self.inotify else { return };
        self.folders.retain(|folder, watch| {
            let keep = folders.contains(folder);
            if !keep {
                // The kernel took the watch away already where the folder is gone.
                let _gone = inotify::remove_watch(inotify, *watch);
            }
            keep
        });
        let flags = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        for folder in folders {
            // Adding a known folder again gives the same watch; a folder made anew under its old name gets a new one.
            match inotify::add_watch(inotify, folder, flags) {
                Ok(watch) => {
                    self.folders.insert(folder.clone(), watch);
                }
                Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => {}
                Err(error) => {
                    if !std::mem::replace(&mut self.said, true) {
                        warn!(
                            folder = %folder.display(),
                            %error,
                            "a folder cannot be watched, so its new files are found by looking every second; nothing is lost. \
                             Normal where fs.inotify.max_user_watches is small: raise it to find them at once"
                        );
                    }
                }
            }
        }
    }

    /// Whether every folder wanted is watched.
    pub fn is_complete(&self, folders: &BTreeSet<PathBuf>) -> bool {
        self.inotify.is_some() && self.folders.len() >= folders.len()
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
            if self.files.remove(&watch) {
                woken.files.push(watch);
            } else if event.events().contains(ReadFlags::IGNORED) {
                let before = self.folders.len();
                self.folders.retain(|_, known| *known != watch);
                // Else it is the end of a file's watch, which was told.
                woken.changed |= self.folders.len() != before;
            } else {
                woken.changed = true;
            }
        }
        woken
    }
}
