//! What the started program's threads are, and what they say.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use tokio::sync::watch;

use crate::exit::Exit;
use crate::metrics::beat::Beat;
use crate::model::budget::Budget;
use crate::pipeline::{Inbox, Summary};
use crate::sinks::kind::Transport;

/// What the supervisor hears.
#[derive(Clone)]
pub enum Event {
    /// A signal to end; its number.
    Signal(i32),
    /// The settings are to be loaded again.
    Reload,
    /// A pipeline reads on by new settings; how many lines it gave back.
    Refitted {
        /// Its index.
        index: usize,
        /// Lines that were unanswered, and are read again.
        given_back: u64,
    },
    /// A pipe was read to its end, and all of it is in its spool.
    Spooled,
    /// A source has given all its feeds; a pipe with a spool: and all of them are settled.
    SourceEnded {
        /// Whether it was the pipe.
        pipe: bool,
    },
    /// A pipeline's thread has ended.
    PipelineEnded(usize),
    /// The reader of stdout went away.
    StdoutClosed,
    /// A delivery cannot work at all, and why.
    DeliveryFailed(String),
}

/// Why the program does not start.
pub struct Refused {
    /// The fact and the way out.
    pub message: String,
    /// The exit code.
    pub exit: Exit,
}

/// Ends a delivery at a time; `None` until that is known.
pub type Deadline = watch::Sender<Option<tokio::time::Instant>>;

/// One started pipeline.
pub struct Started {
    /// The sink's name.
    pub name: Arc<str>,
    /// The sink's place in the settings.
    pub sink: usize,
    /// Which of its workers it is, from 0.
    pub worker: usize,
    /// Whether it turns.
    pub beat: Arc<Beat>,
    /// How it is delivered.
    pub transport: Transport,
    /// Its inbox.
    pub inbox: Sender<Inbox>,
    /// Its memory.
    pub budget: Budget,
    /// Ends its delivery.
    pub deadline: Deadline,
    /// Its thread, until it is joined.
    pub thread: Option<JoinHandle<Summary>>,
}

impl Started {
    /// Ends its delivery at `at`.
    pub fn end_at(&self, at: Instant) {
        // Without a delivery over HTTP nobody listens.
        let _nobody = self.deadline.send(Some(at.into()));
    }
}

/// Starts a thread that is called `name`.
pub(super) fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Refused> {
    // The kernel shows fifteen bytes of a thread's name; NUL would be refused.
    let name = name.replace('\0', "");
    thread::Builder::new().name(name).spawn(run).map_err(|error| Refused {
        message: format!("a thread cannot be started: {error}; raise the limit of processes or threads"),
        exit: Exit::Internal,
    })
}

/// Does something when it is dropped, also where its thread panics.
pub(super) struct OnDrop<F: FnOnce()>(pub(super) Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(then) = self.0.take() {
            then();
        }
    }
}
