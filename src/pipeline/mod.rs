//! A pipeline: one sink's way through all its origins, on a plain thread of its own.
//!
//! ```text
//! inbox ─▶ feeds ─turn─▶ lines ─▶ entries ─▶ events ─▶ open batch ─seal─▶ outlet ─▶ delivery
//!   ▲                                                                                  │
//!   └──────────────── reports: ledger, checkpoint, permit ◀────────────────────────────┘
//! ```
//!
//! **Invariants**
//! - It reads only while it owns a permit for what it reads: a sink that does not settle leaves no permits, and
//!   the files hold the log.
//! - Before a batch leaves, what a replay needs beside the file's bytes is in the checkpoint; before more is read,
//!   what was settled is.
//! - It never waits for another pipeline.
//!
//! - [`feeds`]: one feed as the pipeline sees it
//! - [`books`]: what is counted, and what is said of it
//! - [`schedule`]: which feeds are looked at next
//! - `pass`: every feed that is due has its turn
//! - `settle`: what a delivery reports
//! - [`refit`]: other settings for one that is at work; `renew`: how it takes them
//! - [`turn`]: reading: lines, entries
//! - [`header`]: the line that names the fields of the others, where a feed has one
//! - `hand`: pieces joined, lines grouped, events handed on
//! - [`forge`]: entries → items of the open batch, and lines of our own; `redacted`: without their secrets; `times`: which time
//!   they have
//! - [`labels`]: labels that took too many values; `demote`: how they come to be stored beside the line
//!
//! What a transform leaves out is settled where it is read, and its cursor written within [`WRITE_AFTER`].
#![expect(clippy::disallowed_methods, reason = "a pipeline asks for the time and waits")]

pub mod books;
mod demote;
pub mod feeds;
pub mod forge;
pub mod hand;
pub mod header;
pub mod labels;
mod pass;
mod redacted;
pub mod refit;
mod renew;
pub mod schedule;
mod settle;
mod times;
pub mod turn;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::flow::checkpoint::{Book, Record};
use crate::flow::pace::Pace;
use crate::metrics::PipelineMetrics;
use crate::metrics::beat::Beat;
use crate::metrics::look::{Doing, Look};
use crate::model::batch::{Batch, Report};
use crate::model::feed::Signal;
use crate::model::origin::{Format, OriginId};
use crate::transform::count::Counted;
use crate::transform::summary::SummaryLine;
use books::Books;
use feeds::FeedState;
use forge::{Forge, Tools};
use refit::Refit;
use schedule::Schedule;
use turn::Reader;

/// A pipeline that had nothing to send for this long sends its next batch as soon as it has read what is there.
const EAGER_AFTER: Duration = Duration::from_secs(1);
/// A cursor that moved over lines that were left out is written so often, where no answer of a store has it written: what is
/// read again after a crash is left out again.
const WRITE_AFTER: Duration = Duration::from_secs(1);
/// The longest wait: a missed wake-up costs no more.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// A piece or trace is closed once so much of its file lies behind its start.
pub const MAX_OPEN: u64 = 1 << 20;

/// What reaches a pipeline.
pub enum Inbox {
    /// From a source.
    Source(Signal),
    /// From the delivery.
    Report(Report),
    /// Read no more from files (`drain`: than what is there now), go on with pipes to their end, deliver, end.
    Stop {
        /// Whether files are read to their end first.
        drain: bool,
        /// Whether a pipe has not ended: its feed may be still to come, and nothing ends before it.
        await_pipe: bool,
    },
    /// Go on by other settings, once what is in flight was answered for or its delivery has given up.
    Refit(Box<Refit>),
    /// End now; what is in flight is not waited for.
    Abort,
    /// The delivery has ended; no more reports will come.
    DeliveryEnded,
    /// Somebody wants to know how things stand.
    Look {
        /// Of each origin too.
        origins: bool,
        /// Takes the answer.
        answer: Box<dyn FnOnce(Look) + Send>,
    },
}

/// What a pipeline is made of.
pub struct Parts {
    /// The sink's name; the pipeline's key in checkpoints and metrics.
    pub name: Arc<str>,
    /// Its place among the pipelines, as sources count them.
    pub index: usize,
    /// Which of its sink's workers it is, from 0.
    pub worker: usize,
    /// Told at every turn.
    pub beat: Arc<Beat>,
    /// What makes items of entries.
    pub tools: Tools,
    /// How often active files are read.
    pub poll_interval: Duration,
    /// Where cursors are kept.
    pub book: Arc<dyn Book>,
    /// What reaches it.
    pub inbox: Receiver<Inbox>,
    /// Takes sealed batches; dropped when no more come.
    pub outlet: Box<dyn Fn(Batch) + Send>,
    /// What is counted.
    pub metrics: Arc<PipelineMetrics>,
}

/// What a pipeline leaves behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Entries handed on and not settled, that will be read again at the next start.
    pub to_be_read_again: u64,
    /// Entries handed on and not settled, that cannot be read again.
    pub lost: u64,
    /// Bytes that were there and not read.
    pub unread_bytes: u64,
}

/// The pipeline's state.
pub struct Pipeline {
    name: Arc<str>,
    index: usize,
    /// Which of its sink's workers it is.
    worker: usize,
    beat: Arc<Beat>,
    forge: Forge,
    reader: Reader,
    max_age: Duration,
    poll_interval: Duration,
    /// The same as it was asked for; batches that must be younger have it look more often.
    longest_poll: Duration,
    book: Arc<dyn Book>,
    inbox: Receiver<Inbox>,
    outlet: Option<Box<dyn Fn(Batch) + Send>>,
    metrics: Arc<PipelineMetrics>,
    books: Books,
    /// Which feeds may go how far, where the store minds.
    pace: Pace,
    /// Whether all files that were there at the start are known.
    is_walked: bool,
    /// Each in a place of its own: a tree of many wastes a third of what it holds.
    feeds: BTreeMap<OriginId, Box<FeedState>>,
    schedule: Schedule,
    /// Batch → origins that have entries of it under retry.
    retrying: HashMap<u64, Vec<OriginId>>,
    /// The feed that was denied room last: the next to have a turn.
    next_turn: Option<OriginId>,
    /// Since when there was no memory for a batch, and no report.
    starved: Option<Instant>,
    no_more_feeds: bool,
    stop: Option<Stop>,
    /// The settings to go on with when the delivery has ended.
    refit: Option<Box<Refit>>,
    /// Batch → the lines of our own in it that are not answered for.
    told: HashMap<u64, Vec<SummaryLine>>,
    /// What transforms have counted under earlier settings.
    counted: Vec<Counted>,
    /// What the clock of transforms with memory counts from.
    started: Instant,
    /// When a batch last left.
    last_batch: Option<Instant>,
    /// Whether a feed's cursor has moved over lines that were left out, and is not written.
    has_unwritten: bool,
    /// When such cursors were last written.
    last_write: Instant,
    is_over: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stop {
    drain: bool,
    await_pipe: bool,
}

impl Pipeline {
    /// From its parts; [`Pipeline::run`] is its thread.
    pub fn new(parts: Parts) -> Self {
        let max_line = parts.tools.max_line;
        let max_age = parts.tools.batch.max_age;
        let mut books = Books::default();
        books.take_steps(parts.tools.left_out_by());
        let reader = Reader::new(max_line, MAX_OPEN, parts.tools.multiline.clone());
        let mut pipeline = Self {
            name: parts.name,
            index: parts.index,
            worker: parts.worker,
            beat: parts.beat,
            forge: Forge::new(parts.tools),
            reader,
            max_age,
            poll_interval: poll_interval(parts.poll_interval, max_age),
            longest_poll: parts.poll_interval,
            book: parts.book,
            inbox: parts.inbox,
            outlet: Some(parts.outlet),
            metrics: parts.metrics,
            books,
            pace: Pace::default(),
            is_walked: false,
            feeds: BTreeMap::new(),
            schedule: Schedule::default(),
            retrying: HashMap::new(),
            next_turn: None,
            starved: None,
            no_more_feeds: false,
            stop: None,
            refit: None,
            told: HashMap::new(),
            counted: Vec::new(),
            started: Instant::now(),
            last_batch: None,
            has_unwritten: false,
            last_write: Instant::now(),
            is_over: false,
        };
        pipeline.take_labels_up();
        pipeline
    }

    /// Reads, hands on and settles until there is nothing more to do or it is told to end.
    pub fn run(mut self) -> Summary {
        let mut has_more = false;
        while !self.is_over {
            self.beat.beat();
            let wait = if has_more { Duration::ZERO } else { self.wait() };
            self.take_messages(wait);
            has_more = self.pass();
            self.say(false);
            self.seal_if_due(has_more);
            if !has_more {
                self.forge.rest();
            }
            self.count();
            if self.has_unwritten && self.last_write.elapsed() >= WRITE_AFTER {
                self.write_cursors();
            }
            // What finds no room now is said when a batch was answered for.
            if self.is_at_end() && self.say(true) {
                self.seal();
                // The delivery ends when it has settled what it has.
                self.outlet = None;
            }
        }
        self.beat.rest();
        self.count();
        self.say_unsaid();
        self.write_cursors();
        self.metrics.publish(self.worker, &self.look(false));
        let summary = self.summary();
        // Nobody waits for a pipeline that has ended.
        for state in self.feeds.values() {
            state.feed.content.release(self.index, u64::MAX);
            state.feed.marks.set_done(self.index);
        }
        summary
    }

    /// Takes what is in the inbox, waiting for the first at most `wait`.
    fn take_messages(&mut self, wait: Duration) {
        let mut message = match self.inbox.recv_timeout(wait) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            // Everybody else is gone: there is nothing to wait for.
            Err(RecvTimeoutError::Disconnected) => {
                self.is_over = true;
                None
            }
        };
        while let Some(taken) = message {
            self.take(taken);
            message = self.inbox.try_recv().ok();
        }
    }

    fn take(&mut self, message: Inbox) {
        match message {
            Inbox::Source(Signal::Feed(feed, resume)) => self.add_feed(feed, resume.map(|resume| *resume)),
            Inbox::Source(Signal::Wake(id)) => {
                if let Some(state) = self.feeds.get_mut(&id) {
                    state.wake();
                    self.put_back(id);
                    self.finish_if_done(id);
                }
            }
            Inbox::Source(Signal::Abandoned(id, size)) => self.abandon(id, size),
            Inbox::Source(Signal::Unreachable(bytes)) => self.books.unreachable += bytes,
            Inbox::Source(Signal::Walked) => self.is_walked = true,
            Inbox::Source(Signal::NoMoreFeeds) => {
                self.no_more_feeds = true;
                self.is_walked = true;
            }
            Inbox::Report(report) => self.settle(report),
            Inbox::Stop { drain, await_pipe } => {
                self.stop = Some(Stop { drain, await_pipe });
                self.wake_all();
            }
            Inbox::Refit(refit) => self.refit(refit),
            Inbox::Abort => self.is_over = true,
            Inbox::DeliveryEnded => self.delivery_ended(),
            Inbox::Look { origins, answer } => answer(self.look(origins)),
        }
    }

    fn add_feed(&mut self, feed: crate::model::feed::Feed, resume: Option<crate::model::feed::Resume>) {
        let id = feed.origin.id;
        if let Some(known) = self.feeds.get_mut(&id) {
            // A copy takes the place of a file that was truncated: the same bytes at the same offsets.
            self.schedule.leave(known.feed.chain, known.feed.order, id);
            self.schedule.join(feed.chain, feed.order, id);
            known.feed = feed;
            known.is_abandoned = false;
            known.wake();
            if let Some(stream) = known.stream {
                self.pace.place(stream, id, known.place());
            }
            self.put_back(id);
            return;
        }
        self.schedule.join(feed.chain, feed.order, id);
        self.begin(Box::new(FeedState::new(feed, resume)));
        self.books.sweep(self.feeds.values().map(|state| &**state));
    }

    /// A feed is read from its position on.
    fn begin(&mut self, mut state: Box<FeedState>) {
        let id = state.feed.origin.id;
        self.forge.fit(&mut state.demotions);
        if state.feed.replayable && state.feed.origin.format != Format::Plain {
            state.stream = self.forge.stream(&state.feed.origin);
        }
        if let Some(stream) = state.stream {
            state.next = state.time_at(state.pos);
            self.pace.place(stream, id, state.place());
        }
        self.schedule.put(state.due, id);
        self.feeds.insert(id, state);
    }

    fn abandon(&mut self, id: OriginId, size: u64) {
        let Some(state) = self.feeds.get_mut(&id) else { return };
        state.abandon();
        // What was seen and is no whole line yet was not read either.
        self.books.unreachable += size.max(state.seen).saturating_sub(state.pos);
        // That is counted. If the process is killed before the origin is forgotten, the next one counts only what is in
        // flight, if anything is.
        state.seen = state.pos;
        self.book.append(vec![Record::Cursor(Arc::clone(&self.name), id, state.cursor())]);
        if let Some(stream) = state.stream {
            self.pace.place(stream, id, None);
        }
        self.finish_if_done(id);
    }

    /// Whether nothing more will be read.
    fn is_at_end(&self) -> bool {
        if self.outlet.is_none() {
            return false;
        }
        match self.stop {
            None => self.no_more_feeds && self.feeds.values().all(|state| state.is_read()),
            Some(stop) => !stop.await_pipe && self.feeds.values().all(|state| state.is_read() || !self.may_read(state)),
        }
    }

    fn seal_if_due(&mut self, has_more: bool) {
        let Some(since) = self.forge.waiting_since() else { return };
        let is_eager = self.last_batch.is_none_or(|last| last.elapsed() >= EAGER_AFTER);
        // Where lines wait for the answer to what is in this batch, nothing is gained by waiting for more.
        let is_awaited = || {
            let mut waiting = self.schedule.waiting().filter_map(|id| self.feeds.get(id));
            waiting.any(|state| self.is_ahead(state))
        };
        let is_due = self.forge.is_full() || since.elapsed() >= self.max_age;
        if is_due || (!has_more && (is_eager || is_awaited())) {
            self.seal();
        }
    }

    fn seal(&mut self) {
        let Some(batch) = self.forge.seal() else { return };
        let mut records = Vec::new();
        // How far an origin was sent under which labels is new with each batch.
        let demotes = self.forge.demotes();
        for origin in &batch.body.origins {
            if let Some(state) = self.feeds.get_mut(&origin.id)
                && (std::mem::take(&mut state.new_readings) || (demotes && state.feed.replayable))
            {
                records.push(Record::Cursor(Arc::clone(&self.name), origin.id, state.cursor()));
            }
        }
        if !records.is_empty() {
            self.book.append(records);
        }
        let told = std::mem::take(&mut self.forge.told);
        if !told.is_empty() {
            self.told.insert(batch.id, told);
        }
        self.metrics.batches.inc();
        self.books.send(&batch);
        self.pace.sealed(batch.id);
        self.last_batch = Some(Instant::now());
        if let Some(outlet) = &self.outlet {
            outlet(batch);
        }
    }

    /// Writes the cursors that have moved over lines that were left out.
    fn write_cursors(&mut self) {
        self.last_write = Instant::now();
        if !std::mem::take(&mut self.has_unwritten) {
            return;
        }
        let moved = self.feeds.iter_mut().filter(|(_, state)| state.is_unwritten && state.feed.replayable);
        let records: Vec<_> =
            moved.map(|(id, state)| Record::Cursor(Arc::clone(&self.name), *id, state.cursor())).collect();
        if !records.is_empty() {
            self.book.append(records);
        }
    }

    fn wait(&self) -> Duration {
        let now = Instant::now();
        let mut waiting = self.schedule.waiting().filter_map(|id| self.feeds.get(id));
        let next_look = if waiting.any(|state| self.is_readable(state)) { Some(now) } else { self.schedule.next() };
        // Where memory ran out, only a report helps; looking again at the files does not.
        let next_look = next_look.filter(|_| self.starved.is_none() && self.outlet.is_some());
        let seal = self.forge.waiting_since().map(|since| since + self.max_age);
        let next = [next_look, seal].into_iter().flatten().min();
        next.map_or(LONGEST_WAIT, |next| next.saturating_duration_since(now)).min(LONGEST_WAIT)
    }

    fn count(&mut self) {
        self.books.note_rest();
        self.books.note_wrong(&mut self.forge.wrong);
        self.say_forgetful();
        self.take_crowded();
    }

    fn look(&self, with_origins: bool) -> Look {
        let doing = |state: &FeedState| match () {
            () if state.is_gone() => Doing::Gone,
            () if state.is_failing => Doing::Failing,
            () if state.retrying > 0 => Doing::Retrying,
            () if self.has_older(state) => Doing::Waiting,
            () if self.is_ahead(state) => Doing::Held,
            () if state.at_end => Doing::AtEnd,
            () => Doing::Reading,
        };
        let parser = |state: &FeedState| self.forge.parser_name(state.feed.parser);
        let feeds = self.feeds.values().map(|state| (&**state, doing(state), parser(state)));
        let look = self.books.look(feeds, with_origins);
        Look { counted: self.counted(), ..look }
    }

    fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for state in self.feeds.values() {
            if state.feed.replayable {
                summary.to_be_read_again += state.in_flight();
                if !state.is_read() && self.stop.is_none() {
                    summary.unread_bytes += unread(state);
                }
            } else {
                summary.lost += state.in_flight();
                summary.unread_bytes += unread(state);
            }
        }
        summary
    }
}

/// How often files are read: so that no line waits long beside a batch's own age.
fn poll_interval(longest: Duration, max_age: Duration) -> Duration {
    longest.min(max_age / 2).max(Duration::from_millis(1))
}

/// Bytes of a feed that are there and were not read; what cannot be read now is not there.
fn unread(state: &FeedState) -> u64 {
    let mut buffer = vec![0; 64 << 10];
    let mut at = state.pos;
    while let Ok(count) = state.content().read_at(at, &mut buffer) {
        if count == 0 {
            break;
        }
        at += count as u64;
    }
    at - state.pos
}

#[cfg(test)]
mod tests;
