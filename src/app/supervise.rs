//! What happens until the end, and what that comes to.
//!
//! ```text
//! running ──sources ended──▶ emptying ──all settled──▶ 0
//!    │                          └──60 s without progress──▶ 75
//!    ├──SIGHUP──▶ reloading ──▶ running (see `reload`)
//!    └──signal──▶ stopping ──all settled──▶ 0
//!                    ├──shutdown_grace over──▶ 0, or 75 where lines cannot be read again
//!                    └──second signal──▶ at once
//! ```

use std::sync::atomic::Ordering;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::parts::Event;
use super::reload::{self, Loader, Look, Reloading};
use super::running::Running;
use crate::config::settings::Shutdown;
use crate::exit::Exit;
use crate::model::batch::DropReason;
use crate::model::feed::Signal;
use crate::pipeline::{Inbox, Summary};
use crate::sinks::kind::Transport;

/// The end of what can be read gives up after so long without progress.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
/// How often the checkpoint is synced, and numbers are brought up to date.
const TICK: Duration = Duration::from_secs(1);
/// What a pipeline that was told to end gets for it.
const ENDING: Duration = Duration::from_secs(2);

struct Supervisor<'l> {
    running: Running,
    /// Loads the settings again, where they are of a kind that can be.
    loader: Option<&'l Loader<'l>>,
    /// Whether their file has changed.
    look: Option<Look>,
    /// The change of settings that is under way.
    reloading: Option<Reloading>,
    summary: Summary,
    /// When the first signal came.
    stopping: bool,
    /// When the deliveries are to end.
    deadline: Option<Instant>,
    /// Whether the pipelines were told to end.
    aborted: Option<Instant>,
    failed: Option<Exit>,
    /// Whether a pipe was read to its end into its spool, and is not all settled.
    spooled: bool,
    last_tick: Instant,
}

/// Waits for the end; gives the exit code.
pub fn supervise(running: Running, loader: Option<&Loader<'_>>) -> Exit {
    let mut supervisor = Supervisor {
        running,
        loader,
        look: loader.map(Look::at_start),
        reloading: None,
        summary: Summary::default(),
        stopping: false,
        deadline: None,
        aborted: None,
        failed: None,
        spooled: false,
        last_tick: Instant::now(),
    };
    supervisor.run()
}

impl Supervisor<'_> {
    fn run(&mut self) -> Exit {
        while self.is_running() {
            match self.running.events.recv_timeout(self.next_look()) {
                Ok(event) => {
                    if let Some(exit) = self.take(event) {
                        return exit;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.tick();
            self.look_at_deadlines();
        }
        self.stop_sources();
        self.running.workers.store.tick();
        self.outcome()
    }

    fn stop_sources(&self) {
        self.running.files.stop.store(true, Ordering::Release);
        if let Some(stop) = &self.running.stop_spool {
            stop.store(true, Ordering::Release);
        }
        if let Some(waker) = &self.running.files.waker {
            waker.wake();
        }
    }

    /// A pipe that is read into its spool goes on when the pipelines have ended.
    fn is_running(&self) -> bool {
        let has_spool = self.running.stop_spool.is_some();
        let is_spooling = self.stopping && self.running.has_pipe && has_spool && self.aborted.is_none();
        let is_changing = self.reloading.is_some() && self.aborted.is_none();
        is_spooling || is_changing || self.running.pipelines.iter().any(|pipeline| pipeline.thread.is_some())
    }

    /// Whether a signal to end has files read to their end.
    fn drains(&self) -> bool {
        self.running.settings.shutdown == Shutdown::Drain
    }

    fn reload(&mut self) {
        match (&mut self.reloading, self.loader) {
            _ if self.stopping => info!("the settings are not loaded again: the program is ending"),
            (Some(reloading), _) => reloading.once_more(),
            (None, Some(loader)) => {
                self.look = Some(Look::new(loader));
                self.reloading = reload::begin(&mut self.running, loader);
                self.go_on();
            }
            (None, None) => {}
        }
    }

    /// Loads a settings file that has changed, where that is asked for.
    fn look_at_settings(&mut self) {
        let Some((look, loader)) = self.look.as_mut().zip(self.loader) else { return };
        if self.running.settings.reload_on_change && self.reloading.is_none() && look.has_changed(loader) {
            info!("the settings file has changed");
            self.reload();
        }
    }

    /// Goes on with a change of settings, if one is under way.
    fn go_on(&mut self) {
        let Some(mut reloading) = self.reloading.take() else { return };
        if !reloading.go_on(&mut self.running) {
            self.reloading = Some(reloading);
        } else if reloading.is_wanted_again() {
            self.reload();
        }
    }

    fn next_look(&self) -> Duration {
        let now = Instant::now();
        let tick = (self.last_tick + TICK).saturating_duration_since(now);
        let deadline = self.deadline.map(|deadline| deadline.saturating_duration_since(now));
        deadline.map_or(tick, |deadline| tick.min(deadline))
    }

    fn take(&mut self, event: Event) -> Option<Exit> {
        match event {
            Event::Signal(number) => return self.signal(number),
            Event::Reload => self.reload(),
            Event::Refitted { index, given_back } => {
                if let Some(reloading) = &mut self.reloading {
                    reloading.refitted(index, given_back);
                }
                self.go_on();
            }
            Event::Spooled => {
                self.spooled = true;
                self.running.has_pipe = false;
                self.running.workers.progress.touch();
            }
            Event::SourceEnded { pipe } => {
                self.running.sources -= 1;
                if pipe {
                    self.spooled = false;
                    self.running.has_pipe = false;
                    self.running.workers.progress.touch();
                    if self.stopping {
                        self.send_stop();
                    }
                    self.set_deadline_if_stopping();
                }
                if self.running.sources == 0 {
                    self.running.workers.progress.touch();
                    if self.running.stop_spool.is_some() {
                        // All that was in the files is settled.
                        self.send_all(|| Inbox::Stop { drain: false, await_pipe: false });
                    } else {
                        self.send_all(|| Inbox::Source(Signal::NoMoreFeeds));
                    }
                }
            }
            Event::PipelineEnded(index) => self.join(index),
            Event::StdoutClosed => {
                info!("the reader of stdout went away; it has what it wanted");
                for pipeline in &self.running.pipelines {
                    if pipeline.transport == Transport::Stdout {
                        // It may have ended already.
                        drop(pipeline.inbox.send(Inbox::Abort));
                    }
                }
            }
            Event::DeliveryFailed(message) => {
                error!("{message}");
                self.failed = Some(Exit::CannotCreate);
                self.abort();
            }
        }
        None
    }

    fn signal(&mut self, number: i32) -> Option<Exit> {
        if self.stopping {
            warn!(
                signal = number,
                "a second signal: ended at once; what was not delivered is read again at the next start"
            );
            self.running.workers.store.tick();
            return Some(Exit::Undelivered);
        }
        self.stopping = true;
        // Who has not begun by the new settings does not; what the others wait for is their answers.
        self.reloading = None;
        info!(
            signal = number,
            grace = ?self.running.settings.shutdown_grace,
            "stopping: {}, what was read is delivered; a second signal ends at once",
            match (self.running.has_pipe, self.drains()) {
                (true, _) => "stdin is read to its end",
                (false, true) => "files are read to their end",
                (false, false) => "no more is read from files",
            }
        );
        self.send_stop();
        self.running.files.stop.store(true, Ordering::Release);
        self.set_deadline_if_stopping();
        None
    }

    fn send_stop(&self) {
        // What comes into a spool is read at the next start.
        let await_pipe = self.running.has_pipe && self.running.stop_spool.is_none();
        let drain = self.drains();
        self.send_all(|| Inbox::Stop { drain, await_pipe });
    }

    /// A pipe's last lines are the ones wanted, so the grace begins when it has ended.
    fn set_deadline_if_stopping(&mut self) {
        // What is in a spool is not lost, so its pipe is not waited for any longer than the deliveries are.
        let is_awaited = self.running.has_pipe && self.running.stop_spool.is_none();
        if !self.stopping || is_awaited || self.deadline.is_some() {
            return;
        }
        self.set_deadline(Instant::now() + self.running.settings.shutdown_grace);
    }

    fn set_deadline(&mut self, at: Instant) {
        self.deadline = Some(at);
        self.running.pipelines.iter().for_each(|pipeline| pipeline.end_at(at));
    }

    fn look_at_deadlines(&mut self) {
        let is_emptying = self.running.sources <= usize::from(self.spooled) || self.running.settings.once;
        if is_emptying && self.deadline.is_none() && self.running.workers.progress.idle() >= GIVE_UP_AFTER {
            warn!("no progress for {} s: giving up", GIVE_UP_AFTER.as_secs());
            self.set_deadline(Instant::now());
        }
        let Some(deadline) = self.deadline else { return };
        if deadline > Instant::now() {
            return;
        }
        match self.aborted {
            None => self.abort(),
            Some(since) if since.elapsed() > ENDING => {
                error!("a pipeline does not end; its lines are read again at the next start");
                self.failed = Some(Exit::Internal);
                self.running.pipelines.iter_mut().for_each(|pipeline| pipeline.thread = None);
            }
            Some(_) => {}
        }
    }

    fn abort(&mut self) {
        self.aborted = Some(Instant::now());
        self.running.workers.stop_stdout.store(true, Ordering::Release);
        self.stop_sources();
        if self.deadline.is_none() {
            self.set_deadline(Instant::now());
        }
        self.send_all(|| Inbox::Abort);
    }

    fn send_all(&self, message: impl Fn() -> Inbox) {
        for pipeline in &self.running.pipelines {
            // It may have ended already.
            drop(pipeline.inbox.send(message()));
        }
    }

    fn join(&mut self, index: usize) {
        let pipeline = &mut self.running.pipelines[index];
        let Some(thread) = pipeline.thread.take() else { return };
        match thread.join() {
            Ok(summary) => {
                let reloading = self.reloading.as_mut();
                if reloading.is_some_and(|reloading| reloading.ended(&self.running, index, summary)) {
                    self.go_on();
                    return;
                }
                let pipeline = &self.running.pipelines[index];
                // A closed output pipe is a success: nobody wanted the rest.
                let is_wanted = self.aborted.is_some() || pipeline.transport != Transport::Stdout || self.stopping;
                if is_wanted {
                    self.summary.to_be_read_again += summary.to_be_read_again;
                    self.summary.lost += summary.lost;
                    self.summary.unread_bytes += summary.unread_bytes;
                }
            }
            Err(_) => {
                error!(pipeline = %pipeline.name, "a pipeline broke off by a fault of its own; please report it");
                self.failed = Some(Exit::Internal);
                self.abort();
            }
        }
    }

    fn tick(&mut self) {
        if self.last_tick.elapsed() < TICK {
            return;
        }
        self.last_tick = Instant::now();
        self.look_at_settings();
        self.running.workers.store.tick();
        let (metrics, gauges) = (&self.running.workers.metrics, &self.running.gauges);
        metrics.files_open.set(gauges.open.load(Ordering::Relaxed) as i64);
        metrics.files_known.set(gauges.known.load(Ordering::Relaxed) as i64);
        let (errors, syncs) = self.running.workers.store.counts();
        metrics.checkpoint_errors.inc_by(errors.saturating_sub(metrics.checkpoint_errors.get()));
        if syncs > metrics.checkpoint_writes.get() {
            metrics.checkpoint_writes.inc_by(syncs - metrics.checkpoint_writes.get() - 1);
            metrics.checkpoint_written();
        }
    }

    /// Lines that left the books without being delivered, over all pipelines.
    fn dropped(&self) -> u64 {
        let of = |name: &str| {
            let metrics = self.running.workers.metrics.pipeline(name);
            DropReason::ALL.iter().map(|reason| metrics.dropped(*reason).get()).sum::<u64>()
        };
        let sinks = self.running.pipelines.iter().filter(|pipeline| pipeline.worker == 0);
        sinks.map(|pipeline| of(&pipeline.name)).sum()
    }

    fn outcome(&self) -> Exit {
        let Summary { to_be_read_again, lost, unread_bytes } = self.summary;
        let is_kept = self.running.stop_spool.is_some() && lost == 0;
        if unread_bytes > 0 && is_kept {
            warn!(
                unread_bytes,
                "lines of the pipe were not delivered; they are in the spool, and are delivered at the next start"
            );
        } else if lost > 0 || (unread_bytes > 0 && !self.running.settings.once) {
            error!(
                lines = lost,
                unread_bytes,
                "lines of the pipe were not delivered and cannot be read again; a sink that answers would have got them"
            );
        }
        if to_be_read_again > 0 {
            warn!(
                lines = to_be_read_again,
                "not delivered; with a state directory they are read again at the next start"
            );
        }
        if let Some(exit) = self.failed {
            return exit;
        }
        if self.running.settings.once && self.running.gauges.unreadable.load(Ordering::Acquire) > 0 {
            // Said when it was met.
            return Exit::Io;
        }
        let dropped = self.dropped();
        if dropped > 0 {
            warn!(lines = dropped, "dropped, for the reasons said above; name a `dead_letter` to keep such lines");
        }
        // A command that is to deliver everything has failed where a line was refused; a daemon goes on.
        let has_failed_some = dropped > 0 && (self.running.settings.once || self.running.sources == 0);
        let is_incomplete = has_failed_some || lost > 0 || unread_bytes > 0 || (to_be_read_again > 0 && !self.stopping);
        if is_incomplete { Exit::Undelivered } else { Exit::Done }
    }
}
