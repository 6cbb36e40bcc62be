//! What the started program is made of, and its threads.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, Sender};
use std::thread::{self, JoinHandle};

use tokio::sync::watch;

use crate::deliver::progress::Progress;
use crate::exit::Exit;
use crate::metrics::Metrics;
use crate::metrics::beat::Beat;
use crate::pipeline::{Inbox, Summary};
use crate::sinks::kind::Transport;
use crate::sources::files::follow::Gauges;
use crate::sources::files::watch::Waker;
use crate::store::Store;

/// What the supervisor hears.
pub enum Event {
    /// A signal to end; its number.
    Signal(i32),
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

/// The started program.
pub struct Running {
    /// What happens.
    pub events: Receiver<Event>,
    /// The pipelines, by index.
    pub pipelines: Vec<Started>,
    /// Checkpoints.
    pub store: Arc<Store>,
    /// Whether anything gets done.
    pub progress: Arc<Progress>,
    /// Sources that have not ended; files end only when read once.
    pub sources: usize,
    /// Whether there is a pipe that has not ended.
    pub has_pipe: bool,
    /// Ends the deliveries.
    pub deadline: watch::Sender<Option<tokio::time::Instant>>,
    /// Ends stdout's writer.
    pub stop_stdout: Arc<AtomicBool>,
    /// Ends the waiting for what is in a spool; `None` where there is none.
    pub stop_spool: Option<Arc<AtomicBool>>,
    /// Ends the follower.
    pub stop_files: Arc<AtomicBool>,
    /// Wakes the follower to see that.
    pub waker: Option<Waker>,
    /// The series.
    pub metrics: Arc<Metrics>,
    /// Numbers of the follower.
    pub gauges: Arc<Gauges>,
}

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
    /// Its thread, until it is joined.
    pub thread: Option<JoinHandle<Summary>>,
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
