//! The send and retry loop of one sink.
//!
//! ```text
//!            ┌──────────── one task: no locks, nothing to keep in step ────────────┐
//! Batch ────▶│ Worklist per batch ──▶ Gate ──▶ requests under way ──▶ Verdict ─┐   │──▶ Report
//!            │        ▲                                                        │   │
//!            │        └────────────────────────────────────────────────────────┘   │
//!            └─────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! **Invariant**: no more requests are under way than allowed, and request bodies live only while they are: a batch
//! that waits costs its permit and nothing else. Every entry that is not given back at a deadline is reported once.

#[cfg(test)]
mod tests;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::dead_letter::{DeadLetterFile, Letter};
use super::notices::{self, Notices};
use super::progress::Progress;
use super::{DeadLetter, Sent, Settings, Transport};
use crate::flow::retry_gate::{Gate, Health, Pass};
use crate::flow::worklist::{Form, Letters, Part, Rules, Worklist};
use crate::metrics::{Outcome, PipelineMetrics};
use crate::model::batch::{Batch, Report};
use crate::model::body::Body;
use crate::model::sink::{Answer, ItemVerdict, Request, Verdict, Wire};
use crate::model::time::Time;

/// The bounds of what is kept of an answer: its beginning, and so much for each item.
const ANSWER_BASE: usize = 64 << 10;
const ANSWER_PER_ITEM: usize = 2 << 10;
const ANSWER_MAX: usize = 16 << 20;
/// So many times its own bytes are kept of the answer to a single item: its reason and the causes may quote all of it.
const ANSWER_OF_ONE: usize = 8;
/// So many failures in a row make an outage: when it ends, everything that waits for it goes on at once. Fewer may be
/// the fault of one batch, whose own pause must then stand.
const OUTAGE: u32 = 3;

/// One sink's delivery.
pub struct Delivery<T> {
    /// The sink's name.
    pub sink: Arc<str>,
    /// The sink's own half: makes requests and reads answers.
    pub wire: Arc<dyn Wire>,
    /// What carries requests.
    pub transport: T,
    /// How batches are delivered.
    pub settings: Settings,
    /// The pipeline's series.
    pub metrics: Arc<PipelineMetrics>,
    /// Whether anything gets done.
    pub progress: Arc<Progress>,
}

/// What a delivery ended with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abandoned {
    /// Batches that were not wholly settled.
    pub batches: usize,
    /// Their entries without a fate; no report speaks of them.
    pub entries: u64,
}

impl<T: Transport> Delivery<T> {
    /// Delivers `batches` until their channel is closed and all is settled, or until `deadline` (once there is one)
    /// has passed. A deadline also ends all pauses, so that the time left is used.
    pub async fn run(
        self,
        mut batches: mpsc::UnboundedReceiver<Batch>,
        mut deadline: watch::Receiver<Option<Instant>>,
        report: impl Fn(Report),
    ) -> Result<Abandoned, String> {
        let mut state = Loop::new(self, report)?;
        let (mut open, mut hurried, mut deadline_can_change) = (true, false, true);
        loop {
            let end = *deadline.borrow_and_update();
            if end.is_some() && !hurried {
                hurried = true;
                state.hurry();
            }
            // One time for the whole turn. What is over at a later one would be neither begun now nor waited for.
            let now = state.start.elapsed();
            state.expire(now);
            state.begin_ready(now);
            if (!open && state.works.is_empty()) || end.is_some_and(|end| end <= Instant::now()) {
                break;
            }
            let wake = [state.wake_at(now), end].into_iter().flatten().min();
            tokio::select! {
                batch = batches.recv(), if open => match batch {
                    Some(batch) => state.take(batch),
                    None => open = false,
                },
                Some(done) = state.tasks.join_next_with_id() => match done {
                    Ok((task, sent)) => state.finish(task, sent),
                    Err(error) => state.finish(error.id(), Sent::Nothing("the request's task broke off".to_owned())),
                },
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
                changed = deadline.changed(), if deadline_can_change => deadline_can_change = changed.is_ok(),
                // Whatever is unsettled is ready, under way or waits for a time, so this is never reached.
                else => break,
            }
        }
        batches.close();
        while let Ok(batch) = batches.try_recv() {
            state.take(batch);
        }
        Ok(state.abandoned())
    }
}

/// One batch and what is known of it.
struct Work {
    /// Names the work, in order of arrival.
    key: u64,
    batch: Batch,
    list: Worklist,
    /// Whether a part of it was reported.
    reported: bool,
    /// The origins last reported as under retry.
    retrying: Vec<u32>,
}

/// One request (or write of letters) under way.
struct Flight {
    task: Id,
    work: u64,
    part: u32,
    items: usize,
    began: Instant,
    /// `None` for letters on their way to a file.
    pass: Option<Pass>,
}

struct Loop<T, R> {
    delivery: Delivery<T>,
    report: R,
    letters: Option<DeadLetterFile>,
    gate: Gate,
    works: Vec<Work>,
    next_key: u64,
    flights: Vec<Flight>,
    tasks: JoinSet<Sent>,
    notices: Notices,
    start: Instant,
    chance: Chance,
}

impl<T: Transport, R: Fn(Report)> Loop<T, R> {
    fn new(delivery: Delivery<T>, report: R) -> Result<Self, String> {
        let (letters, refused_go) = match &delivery.settings.dead_letter {
            DeadLetter::Drop => (None, "they are dropped and counted (set `dead_letter` to keep them)"),
            DeadLetter::File(path) => (Some(DeadLetterFile::new(path.clone())?), "they go to the dead-letter file"),
            DeadLetter::Index(_) => (None, "they go to the dead-letter index"),
        };
        Ok(Self {
            gate: Gate::new(delivery.settings.requests_in_flight),
            notices: Notices::new(Arc::clone(&delivery.sink), refused_go),
            delivery,
            report,
            letters,
            works: Vec::new(),
            next_key: 0,
            flights: Vec::new(),
            tasks: JoinSet::new(),
            start: Instant::now(),
            chance: Chance::new(),
        })
    }

    fn take(&mut self, batch: Batch) {
        let list = Worklist::new(&batch.body);
        self.works.push(Work { key: self.next_key, batch, list, reported: false, retrying: Vec::new() });
        self.next_key += 1;
        self.tell(self.works.len() - 1);
    }

    /// Begins everything that may begin now.
    fn begin_ready(&mut self, now: Duration) {
        // One portion of letters at a time: each is a copy in memory.
        if !self.flights.iter().any(|flight| flight.pass.is_none()) {
            let letters = self.ready(now, true).next();
            if let Some((work, part)) = letters {
                let (key, id, items) = (work.key, part.id, part.items.len());
                let writing = self.write_letters(work, part);
                let task = self.tasks.spawn(writing).id();
                self.begin(Flight { task, work: key, part: id, items, began: Instant::now(), pass: None });
            }
        }
        while self.gate.is_open(now) {
            let Some((work, part)) = self.next_request(now) else { break };
            let request = self.request(&work.batch.body, part);
            let metrics = &self.delivery.metrics;
            metrics.request_bytes.inc_by(request.body.len() as u64);
            metrics.retries.inc_by(u64::from(part.failures() > 0));
            let (key, id, items) = (work.key, part.id, part.items.len());
            // A request of one item is the end of the search for the one whose reason is so long.
            let quoted =
                if items == 1 { ANSWER_OF_ONE * work.batch.body.item(part.items[0] as usize).len() } else { 0 };
            let answer_max = (ANSWER_BASE + ANSWER_PER_ITEM * items + quoted).min(ANSWER_MAX);
            let task = self.tasks.spawn(self.delivery.transport.send(request, answer_max)).id();
            let pass = Some(self.gate.begin());
            self.begin(Flight { task, work: key, part: id, items, began: Instant::now(), pass });
        }
    }

    /// The request to send next: the first in order of arrival. But a store that failed is probed with what failed
    /// least, so that one batch that nothing can be done with does not stand for the store.
    fn next_request(&self, now: Duration) -> Option<(&Work, &Part)> {
        let mut ready = self.ready(now, false);
        if self.gate.failures() == 0 { ready.next() } else { ready.min_by_key(|(_, part)| part.failures()) }
    }

    /// The first part of each batch that is ready to go to the dead-letter file, or to the store.
    fn ready(&self, now: Duration, to_file: bool) -> impl Iterator<Item = (&Work, &Part)> {
        let goes = move |part: &Part| (part.form == Form::Letter && self.letters.is_some()) == to_file;
        self.works.iter().filter_map(move |work| Some((work, work.list.ready(now, goes)?)))
    }

    fn begin(&mut self, flight: Flight) {
        if let Some(work) = self.works.iter_mut().find(|work| work.key == flight.work) {
            work.list.begin(flight.part);
        }
        self.flights.push(flight);
    }

    fn request(&self, body: &Arc<Body>, part: &Part) -> Request {
        let wire = &self.delivery.wire;
        match (part.form, &self.delivery.settings.dead_letter) {
            (Form::Folded, _) => {
                let (body, items) = second_form(body, part, |item, _| wire.fold(item));
                wire.request(&Arc::new(body), &items)
            }
            (Form::Letter, DeadLetter::Index(index)) => {
                let (body, items) = second_form(body, part, |item, words| {
                    wire.dead_letter(item, index, &self.delivery.transport.mask(words))
                });
                wire.request(&Arc::new(body), &items)
            }
            (Form::Plain | Form::Letter, _) => wire.request(body, &part.items),
        }
    }

    fn write_letters(&self, work: &Work, part: &Part) -> impl Future<Output = Sent> + Send + 'static {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time = Time::from_nanos(now.as_nanos() as i128);
        let mut lines = Vec::new();
        for (&item, words) in part.items.iter().zip(&part.words) {
            let (index, body) = (item as usize, &work.batch.body);
            let entry = self.delivery.wire.letter(body, index);
            let reason = self.delivery.transport.mask(words);
            Letter { time, sink: &self.delivery.sink, reason: &reason, body, index, entry: &entry }.write(&mut lines);
        }
        let writing = self.letters.as_ref().map(|file| file.write(lines));
        async move {
            match writing {
                Some(writing) => match writing.await {
                    Ok(()) => Sent::Answer { status: 200, body: Vec::new() },
                    Err(error) => Sent::Nothing(error.to_string()),
                },
                None => Sent::Nothing("there is no dead-letter file".to_owned()),
            }
        }
    }

    /// Takes in what came back.
    fn finish(&mut self, task: Id, sent: Sent) {
        let Some(at) = self.flights.iter().position(|flight| flight.task == task) else { return };
        let flight = self.flights.swap_remove(at);
        let Some(index) = self.works.iter().position(|work| work.key == flight.work) else { return };
        let now = self.start.elapsed();
        let failed = matches!(sent, Sent::Nothing(_));
        let verdict = match sent {
            Sent::Nothing(words) => Verdict::Retry(words),
            Sent::Untrusted(words) => Verdict::Hold(words),
            Sent::Answer { .. } if flight.pass.is_none() => Verdict::Delivered,
            Sent::Answer { status, body } => self.delivery.wire.verdict(&Answer { status, body: &body }, flight.items),
        };
        let outcome = if failed { Outcome::Failed } else { outcome(&verdict) };
        let work = &mut self.works[index];
        let rules = rules(&self.delivery, &work.batch.body);
        let told = work.list.answer(flight.part, verdict, &rules, now, self.chance.next());
        for notice in &told.notices {
            let words = self.delivery.transport.mask(&notice.words);
            self.delivery.metrics.note_error(notices::without_lines(&words));
            match flight.pass {
                Some(_) => self.notices.trouble(notice, &words, now),
                None => self.notices.letters_failing(notice.items, &words, now),
            }
        }
        if let Some(pass) = flight.pass {
            self.delivery.metrics.request_took(outcome, flight.began.elapsed());
            let (retry, random) = (&self.delivery.settings.retry, self.chance.next());
            let recovery = self.gate.end(pass, told.health, now, |failures| match told.health {
                Health::Held => retry.hold(random),
                _ => retry.pause(failures, random),
            });
            self.delivery.metrics.refusing.set(i64::from(self.gate.failures() > 0));
            if let Some(recovery) = recovery {
                self.notices.recovered(recovery);
                if recovery.failures >= OUTAGE {
                    self.works.iter_mut().for_each(|work| work.list.release(now));
                }
            }
        }
        self.tell(index);
    }

    /// Gives up what has been failing for too long.
    fn expire(&mut self, now: Duration) {
        for index in (0..self.works.len()).rev() {
            let work = &mut self.works[index];
            let gone = work.list.expire(&work.batch.body, &self.delivery.settings.retry, now);
            for notice in &gone {
                self.notices.trouble(notice, "", now);
            }
            if !gone.is_empty() {
                self.tell(index);
            }
        }
    }

    /// Reports what has changed for one batch, if anything has.
    fn tell(&mut self, index: usize) {
        let work = &mut self.works[index];
        let retrying = work.list.retrying(&work.batch.body);
        if work.list.is_done() {
            let Work { batch, mut list, reported, .. } = self.works.remove(index);
            let report = if !reported && list.only_delivered() {
                self.delivery.progress.made(batch.body.spans.len() as u64);
                Report::Delivered(batch)
            } else {
                let settled = list.take_settled(&batch.body);
                self.delivery.progress.made(settled.iter().map(|settled| settled.spans.len() as u64).sum());
                Report::End { batch: batch.id, settled, permit: batch.permit }
            };
            (self.report)(report);
        } else if retrying != work.retrying || (work.list.has_settled() && !retrying.is_empty()) {
            let settled = work.list.take_settled(&work.batch.body);
            self.delivery.progress.made(settled.iter().map(|settled| settled.spans.len() as u64).sum());
            let origins = &work.batch.body.origins;
            let report = Report::Part {
                batch: work.batch.id,
                settled,
                retrying: retrying.iter().map(|&origin| Arc::clone(&origins[origin as usize])).collect(),
            };
            work.reported = true;
            work.retrying = retrying;
            (self.report)(report);
        }
    }

    /// When something is to be done without anything coming in, that could not be done at `now`.
    fn wake_at(&self, now: Duration) -> Option<Instant> {
        let pauses = self.works.iter().filter_map(|work| work.list.wake_at(&self.delivery.settings.retry, now));
        let gate = Some(self.gate.opens_at()).filter(|at| *at > now);
        // A time that no clock reaches is no time.
        pauses.chain(gate).min().and_then(|at| self.start.checked_add(at))
    }

    fn hurry(&mut self) {
        let now = self.start.elapsed();
        self.gate.hurry(now);
        self.works.iter_mut().for_each(|work| work.list.release(now));
    }

    fn abandoned(self) -> Abandoned {
        let entries = self.works.iter().map(|work| work.list.open_entries(&work.batch.body));
        Abandoned { batches: self.works.len(), entries: entries.sum() }
    }
}

fn rules<'a, T>(delivery: &'a Delivery<T>, body: &'a Body) -> Rules<'a> {
    let letters = match &delivery.settings.dead_letter {
        DeadLetter::Drop => Letters::Drop,
        DeadLetter::File(_) => Letters::File,
        DeadLetter::Index(index) => Letters::Index(index),
    };
    Rules { body, wire: &*delivery.wire, retry: &delivery.settings.retry, letters }
}

fn outcome(verdict: &Verdict) -> Outcome {
    match verdict {
        Verdict::Delivered => Outcome::Delivered,
        Verdict::Items(items) if items.iter().all(|item| *item == ItemVerdict::Delivered) => Outcome::Delivered,
        Verdict::Items(_) => Outcome::Partial,
        Verdict::Retry(_) | Verdict::RetryByGroup(_) => Outcome::Retry,
        Verdict::Hold(_) => Outcome::Held,
        Verdict::Split(_) | Verdict::Bisect(_) => Outcome::Split,
    }
}

/// A body of the part's items in another form, and all its indices. An item without that form keeps its own.
fn second_form(body: &Body, part: &Part, form: impl Fn(&[u8], &str) -> Option<Vec<u8>>) -> (Body, Vec<u32>) {
    let mut out = Body { groups: body.groups.clone(), ..Body::default() };
    for (nth, &item) in part.items.iter().enumerate() {
        let (bytes, index) = (body.item(item as usize), item as usize);
        let words = part.words.get(nth).map_or("", |words| words);
        match form(bytes, words) {
            Some(second) => out.bytes.extend_from_slice(&second),
            None => out.bytes.extend_from_slice(bytes),
        }
        let facts = body.items[index];
        out.close_item(&body.origins[facts.origin as usize], body.item_spans(index), facts.group);
    }
    let all = (0..out.items.len() as u32).collect();
    (out, all)
}

/// A source of numbers for pauses. It only has to differ between machines and moments, so the standard library's
/// randomly keyed hash is enough.
struct Chance {
    state: RandomState,
    count: u64,
}

impl Chance {
    fn new() -> Self {
        Self { state: RandomState::new(), count: 0 }
    }

    fn next(&mut self) -> u64 {
        self.count += 1;
        self.state.hash_one(self.count)
    }
}
