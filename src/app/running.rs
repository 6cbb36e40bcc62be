//! The started program, as its supervisor has it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, Sender};

use super::parts::{Event, Started};
use super::roster::SharedRoster;
use super::workers::Workers;
use crate::config::settings::Settings;
use crate::sources::files::change::Change;
use crate::sources::files::follow::Gauges;
use crate::sources::files::watch::Waker;

/// The started program.
pub struct Running {
    /// What happens.
    pub events: Receiver<Event>,
    /// The pipelines, by index.
    pub pipelines: Vec<Started>,
    /// How many of them there may be at a time.
    pub most_pipelines: usize,
    /// Makes more of them.
    pub workers: Workers,
    /// Sources that have not ended; files end only when read once.
    pub sources: usize,
    /// Whether there is a pipe that has not ended.
    pub has_pipe: bool,
    /// Ends the waiting for what is in a spool; `None` where there is none.
    pub stop_spool: Option<Arc<AtomicBool>>,
    /// The files' follower.
    pub files: Files,
    /// Numbers of the follower.
    pub gauges: Arc<Gauges>,
    /// What the admin port sees.
    pub roster: SharedRoster,
    /// The settings in effect.
    pub settings: Settings,
}

/// How the files' follower is spoken to.
pub struct Files {
    /// Ends it.
    pub stop: Arc<AtomicBool>,
    /// Wakes it to see that, or that there are changes; `None` where no files are followed.
    pub waker: Option<Waker>,
    /// Tells it what has changed.
    pub changes: Sender<Change>,
}

impl Files {
    /// Tells the follower, if there is one.
    pub fn tell(&self, change: Change) {
        // One that has ended follows nothing any more.
        drop(self.changes.send(change));
        if let Some(waker) = &self.waker {
            waker.wake();
        }
    }
}
