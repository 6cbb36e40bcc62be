//! The series of a pipeline.
//!
//! **Invariant**: the workers of a pipeline have one set of series: what each says of itself is added up.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus::core::{Atomic, GenericCounterVec};
use prometheus::{
    Counter, CounterVec, Gauge, GaugeVec, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
};

use super::look::Look;
use super::maker::Maker;
use crate::model::batch::DropReason;
use crate::model::budget::Budget;
use crate::model::event::Flaw;

/// What became of a request. The names are part of the public interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Everything was stored.
    Delivered,
    /// The store answered item by item, and not all were stored.
    Partial,
    /// To be sent again, whole or by its groups.
    Retry,
    /// Kept until a person changes something.
    Held,
    /// Too large, or with something refused in it: sent again in halves.
    Split,
    /// No answer came.
    Failed,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Self; 6] = [Self::Delivered, Self::Partial, Self::Retry, Self::Held, Self::Split, Self::Failed];

    /// The name used in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Partial => "partial",
            Self::Retry => "retry",
            Self::Held => "held",
            Self::Split => "split",
            Self::Failed => "failed",
        }
    }
}

/// The series of one pipeline.
pub struct PipelineMetrics {
    lines_read: IntCounter,
    bytes_read: IntCounter,
    lines_delivered: IntCounter,
    bytes_delivered: IntCounter,
    lines_dead_lettered: IntCounter,
    bytes_dead_lettered: IntCounter,
    lines_given_back: IntCounter,
    bytes_given_back: IntCounter,
    bytes_cut: IntCounter,
    unreachable_bytes: IntCounter,
    lines_in_flight: IntGauge,
    bytes_in_flight: IntGauge,
    lag_bytes: IntGauge,
    lag_seconds: Gauge,
    since_progress: Gauge,
    /// Batches handed to the delivery.
    pub batches: IntCounter,
    /// Requests that were sent again, whole or in part.
    pub retries: IntCounter,
    /// Bytes of request bodies sent.
    pub request_bytes: IntCounter,
    /// Whether the store takes nothing at the moment.
    pub refusing: IntGauge,
    /// How often reading had to wait for memory that batches hold, and how long.
    permit_waits: IntCounter,
    permit_wait: Counter,
    request_duration: HistogramVec,
    dropped: IntCounterVec,
    bytes_dropped: IntCounterVec,
    filtered: IntCounterVec,
    bytes_filtered: IntCounterVec,
    wrong: IntCounterVec,
    malformed: IntCounterVec,
    requests: IntCounterVec,
    permit_held: IntGauge,
    permit_size: IntGauge,
    /// Of each worker.
    budgets: Mutex<Vec<(usize, Budget)>>,
    last_error: Mutex<Option<LastError>>,
    crowded_labels: IntGauge,
    demoted_labels: IntGauge,
    /// Labels that have taken too many values, in the order of their names.
    crowded: Mutex<BTreeSet<String>>,
    /// Transforms that have met more keys than they remember.
    forgetful: Mutex<BTreeSet<String>>,
    /// Those of them that are stored beside the line.
    demoted: Mutex<BTreeSet<String>>,
    /// The last look at each worker.
    published: Mutex<Vec<Look>>,
    /// What workers have counted that are no more.
    retired: Mutex<Look>,
    name: String,
}

/// What a store, or the way to it, said last when it did not take entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastError {
    /// Its words, without credentials and without parts of lines.
    pub words: String,
    /// When it was said.
    pub at: Instant,
}

/// The families with a label `pipeline`, and those with one more.
pub(super) struct Families {
    lines_read: IntCounterVec,
    bytes_read: IntCounterVec,
    lines_delivered: IntCounterVec,
    bytes_delivered: IntCounterVec,
    bytes_dropped: IntCounterVec,
    bytes_dead_lettered: IntCounterVec,
    bytes_cut: IntCounterVec,
    bytes_in_flight: IntGaugeVec,
    lag_bytes: IntGaugeVec,
    lag_seconds: GaugeVec,
    since_progress: GaugeVec,
    lines_filtered: IntCounterVec,
    bytes_filtered: IntCounterVec,
    transform_errors: IntCounterVec,
    lines_dropped: IntCounterVec,
    lines_dead_lettered: IntCounterVec,
    lines_given_back: IntCounterVec,
    bytes_given_back: IntCounterVec,
    lines_malformed: IntCounterVec,
    unreachable_bytes: IntCounterVec,
    lines_in_flight: IntGaugeVec,
    batches: IntCounterVec,
    requests: IntCounterVec,
    request_bytes: IntCounterVec,
    request_duration: HistogramVec,
    refusing: IntGaugeVec,
    permit_waits: IntCounterVec,
    permit_wait: CounterVec,
    retries: IntCounterVec,
    permit_held: IntGaugeVec,
    permit_size: IntGaugeVec,
    crowded_labels: IntGaugeVec,
    demoted_labels: IntGaugeVec,
}

impl PipelineMetrics {
    /// Lines dropped for `reason`.
    pub fn dropped(&self, reason: DropReason) -> IntCounter {
        self.dropped.with_label_values(&[self.name.as_str(), reason.name()])
    }

    /// Lines with `flaw`.
    pub fn malformed(&self, flaw: Flaw) -> IntCounter {
        self.malformed.with_label_values(&[self.name.as_str(), flaw.name()])
    }

    /// Requests that ended in `outcome`.
    pub fn requests(&self, outcome: Outcome) -> IntCounter {
        self.requests.with_label_values(&[self.name.as_str(), outcome.name()])
    }

    /// A request took so long, and ended in `outcome`.
    pub fn request_took(&self, outcome: Outcome, time: Duration) {
        self.requests(outcome).inc();
        self.request_duration.with_label_values(&[self.name.as_str(), outcome.name()]).observe(time.as_secs_f64());
    }

    /// Reading begins to wait for memory.
    pub fn waits_for_permit(&self) {
        self.permit_waits.inc();
    }

    /// It has waited so long.
    pub fn waited_for_permit(&self, time: Duration) {
        self.permit_wait.inc_by(time.as_secs_f64());
    }

    /// Shows the permits of a worker's budget, beside those of the others.
    pub fn show_budget(&self, worker: usize, budget: &Budget) {
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        match budgets.iter_mut().find(|(known, _)| *known == worker) {
            Some((_, known)) => *known = budget.clone(),
            None => budgets.push((worker, budget.clone())),
        }
    }

    /// A worker is no more: what it has counted stays, what it was behind goes.
    pub fn retire(&self, worker: usize) {
        self.budgets.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _)| *known != worker);
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = published.get_mut(worker).map(std::mem::take) else { return };
        drop(published);
        let (mut account, unreachable) = (last.account, last.unreachable);
        account.give_back();
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        *retired = std::mem::take(&mut *retired).and(Look { account, unreachable, ..Look::default() });
        drop(retired);
        self.publish(worker, &Look::default());
        self.refusing.set(0);
    }

    /// Brings the series up to what one of the pipeline's workers says of itself. A look that is older than the last one
    /// changes no counter.
    pub fn publish(&self, worker: usize, look: &Look) {
        let look = {
            let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
            if published.len() <= worker {
                published.resize_with(worker + 1, Look::default);
            }
            published[worker] = Look { origins: Vec::new(), ..look.clone() };
            let retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner).clone();
            sum(&published).and(retired)
        };
        let up_to = |counter: &IntCounter, value: u64| counter.inc_by(value.saturating_sub(counter.get()));
        let account = &look.account;
        up_to(&self.lines_read, account.read.entries);
        up_to(&self.bytes_read, account.read.bytes);
        up_to(&self.lines_delivered, account.delivered.entries);
        up_to(&self.bytes_delivered, account.delivered.bytes);
        up_to(&self.lines_dead_lettered, account.dead_lettered.entries);
        up_to(&self.bytes_dead_lettered, account.dead_lettered.bytes);
        up_to(&self.lines_given_back, account.given_back.entries);
        up_to(&self.bytes_given_back, account.given_back.bytes);
        up_to(&self.bytes_cut, account.cut);
        up_to(&self.unreachable_bytes, look.unreachable);
        for reason in DropReason::ALL {
            let dropped = account.dropped(reason);
            up_to(&self.dropped(reason), dropped.entries);
            up_to(&self.bytes_dropped.with_label_values(&[self.name.as_str(), reason.name()]), dropped.bytes);
        }
        for filtered in &look.filtered {
            let of = |family: &IntCounterVec| family.with_label_values(&[self.name.as_str(), &*filtered.rule]);
            up_to(&of(&self.filtered), filtered.tally.entries);
            up_to(&of(&self.bytes_filtered), filtered.tally.bytes);
            up_to(&of(&self.wrong), filtered.wrong);
        }
        self.lines_in_flight.set(account.in_flight.entries as i64);
        self.bytes_in_flight.set(account.in_flight.bytes as i64);
        self.lag_bytes.set(look.lag.bytes as i64);
        self.lag_seconds.set(look.lag.age.as_secs_f64());
        self.since_progress.set(look.since_progress.as_secs_f64());
    }

    /// The last look that was published.
    pub fn published(&self) -> Look {
        sum(&self.published.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The bytes that permits hold and that they may hold.
    pub fn memory(&self) -> (usize, usize) {
        let budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        budgets.iter().fold((0, 0), |(held, size), (_, budget)| (held + budget.held(), size + budget.size()))
    }

    /// Notes what a store said. `words` are masked, and hold nothing of a line.
    pub fn note_error(&self, words: String) {
        let error = LastError { words, at: Instant::now() };
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// A label has taken more values than it may; whether that is news.
    pub fn crowds(&self, label: &str) -> bool {
        let mut crowded = self.crowded.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = crowded.insert(label.to_owned());
        self.crowded_labels.set(crowded.len() as i64);
        is_new
    }

    /// A transform has met more keys than it remembers; whether that is news.
    pub fn forgets(&self, transform: &str) -> bool {
        self.forgetful.lock().unwrap_or_else(PoisonError::into_inner).insert(transform.to_owned())
    }

    /// A label is stored beside the line; whether that is news.
    pub fn demotes(&self, label: &str) -> bool {
        self.crowds(label);
        let mut demoted = self.demoted.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = demoted.insert(label.to_owned());
        self.demoted_labels.set(demoted.len() as i64);
        is_new
    }

    /// No label is stored beside the line any more.
    pub fn promotes(&self) {
        self.demoted.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.demoted_labels.set(0);
    }

    /// Labels that are.
    pub fn demoted(&self) -> Vec<String> {
        self.demoted.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Labels that have.
    pub fn crowded(&self) -> Vec<String> {
        self.crowded.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// What the store said last, and how long ago.
    pub fn last_error(&self) -> Option<(String, Duration)> {
        let last = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().map(|error| (error.words.clone(), error.at.elapsed()))
    }

    pub(super) fn refresh(&self) {
        let (held, size) = self.memory();
        if size > 0 || self.permit_size.get() > 0 {
            self.permit_held.set(held as i64);
            self.permit_size.set(size as i64);
        }
    }
}

impl Families {
    /// All of them, without a pipeline.
    pub(super) fn new(new: &Maker) -> Self {
        Self {
            lines_read: new.counters("lines_read_total", "Lines read from the sources.", &[]),
            bytes_read: new.counters("bytes_read_total", "Bytes of the lines read.", &[]),
            lines_delivered: new.counters("lines_delivered_total", "Lines that the store has.", &[]),
            bytes_delivered: new.counters("bytes_delivered_total", "Bytes of input whose lines the store has.", &[]),
            bytes_dropped: new.counters("bytes_dropped_total", "Bytes of dropped lines, by reason.", &["reason"]),
            bytes_dead_lettered: new.counters("bytes_dead_lettered_total", "Bytes of dead-lettered lines.", &[]),
            lines_given_back: new.counters(
                "lines_given_back_total",
                "Lines that were unanswered when the sink's settings changed: read again under the new ones, they may arrive twice.",
                &[],
            ),
            bytes_given_back: new.counters("bytes_given_back_total", "Bytes of lines given back.", &[]),
            bytes_cut: new.counters(
                "bytes_cut_total",
                "Bytes behind the beginning of lines that were too long to be held; the beginning is delivered.",
                &[],
            ),
            bytes_in_flight: new.gauges("bytes_in_flight", "Bytes of lines read and not yet settled.", &["pipeline"]),
            lag_bytes: new.gauges(
                "lag_bytes",
                "Bytes that are there and not settled, read or not, over all known files.",
                &["pipeline"],
            ),
            lag_seconds: new.float_gauges("lag_seconds", "Age of the oldest line that is not settled."),
            since_progress: new.float_gauges(
                "seconds_since_progress",
                "Time since lines were last settled; 0 where there is nothing to settle.",
            ),
            lines_filtered: new.counters(
                "lines_filtered_total",
                "Lines left out by a transform of the settings, by its name.",
                &["rule"],
            ),
            bytes_filtered: new.counters(
                "bytes_filtered_total",
                "Bytes of lines left out by a transform of the settings, by its name.",
                &["rule"],
            ),
            transform_errors: new.counters(
                "transform_errors_total",
                "Lines of which a transform's condition or metric asked a value for what it is not (it counts as not held, or is not counted), or that a transform would have made too long (they stay).",
                &["rule"],
            ),
            lines_dropped: new.counters("lines_dropped_total", "Lines dropped, by reason.", &["reason"]),
            lines_dead_lettered: new.counters(
                "lines_dead_lettered_total",
                "Lines that the store refused and that are in the dead-letter file or index.",
                &[],
            ),
            lines_malformed: new.counters(
                "lines_malformed_total",
                "Lines whose form was wrong, by flaw; they are delivered all the same.",
                &["flaw"],
            ),
            unreachable_bytes: new.counters(
                "unreachable_bytes_total",
                "Bytes that were gone before they could be read.",
                &[],
            ),
            lines_in_flight: new.gauges("lines_in_flight", "Lines read and not yet settled.", &["pipeline"]),
            batches: new.counters("batches_total", "Batches handed to the delivery.", &[]),
            requests: new.counters("requests_total", "Requests to the store, by what became of them.", &["outcome"]),
            request_bytes: new.counters("request_bytes_total", "Bytes of request bodies sent to the store.", &[]),
            request_duration: new.histograms(
                "request_duration_seconds",
                "Time from sending a request to the end of its answer, by what became of it.",
                &["outcome"],
            ),
            refusing: new.gauges(
                "sink_refusing",
                "1 while the store takes nothing: the last request failed as a whole, or no answer came.",
                &["pipeline"],
            ),
            permit_waits: new.counters(
                "permit_waits_total",
                "Times that reading had to wait for memory that batches hold.",
                &[],
            ),
            permit_wait: new.float_counters(
                "permit_wait_seconds_total",
                "Time that reading has waited for memory that batches hold.",
            ),
            retries: new.counters("retries_total", "Requests sent after a failure, whole or in part.", &[]),
            permit_held: new.gauges("permit_held_bytes", "Memory that batches hold at the moment.", &["pipeline"]),
            permit_size: new.gauges("permit_size_bytes", "Memory that batches may hold.", &["pipeline"]),
            crowded_labels: new.gauges(
                "crowded_labels",
                "Labels that have taken more values than `max_label_values` allows.",
                &["pipeline"],
            ),
            demoted_labels: new.gauges(
                "demoted_labels",
                "Labels that are stored as structured metadata since they took too many values.",
                &["pipeline"],
            ),
        }
    }

    /// The series of the pipeline `name`.
    pub(super) fn pipeline(&self, name: &str) -> PipelineMetrics {
        let pipeline = PipelineMetrics {
            lines_read: of(&self.lines_read, name),
            bytes_read: of(&self.bytes_read, name),
            lines_delivered: of(&self.lines_delivered, name),
            bytes_delivered: of(&self.bytes_delivered, name),
            lines_dead_lettered: of(&self.lines_dead_lettered, name),
            lines_given_back: of(&self.lines_given_back, name),
            bytes_given_back: of(&self.bytes_given_back, name),
            unreachable_bytes: of(&self.unreachable_bytes, name),
            lines_in_flight: self.lines_in_flight.with_label_values(&[name]),
            bytes_in_flight: self.bytes_in_flight.with_label_values(&[name]),
            bytes_dead_lettered: of(&self.bytes_dead_lettered, name),
            bytes_cut: of(&self.bytes_cut, name),
            bytes_dropped: self.bytes_dropped.clone(),
            lag_bytes: self.lag_bytes.with_label_values(&[name]),
            lag_seconds: self.lag_seconds.with_label_values(&[name]),
            since_progress: self.since_progress.with_label_values(&[name]),
            last_error: Mutex::default(),
            published: Mutex::default(),
            retired: Mutex::default(),
            batches: of(&self.batches, name),
            retries: of(&self.retries, name),
            request_bytes: of(&self.request_bytes, name),
            request_duration: self.request_duration.clone(),
            refusing: self.refusing.with_label_values(&[name]),
            permit_waits: of(&self.permit_waits, name),
            permit_wait: self.permit_wait.with_label_values(&[name]),
            dropped: self.lines_dropped.clone(),
            filtered: self.lines_filtered.clone(),
            bytes_filtered: self.bytes_filtered.clone(),
            wrong: self.transform_errors.clone(),
            malformed: self.lines_malformed.clone(),
            requests: self.requests.clone(),
            permit_held: self.permit_held.with_label_values(&[name]),
            permit_size: self.permit_size.with_label_values(&[name]),
            crowded_labels: self.crowded_labels.with_label_values(&[name]),
            demoted_labels: self.demoted_labels.with_label_values(&[name]),
            crowded: Mutex::default(),
            forgetful: Mutex::default(),
            demoted: Mutex::default(),
            budgets: Mutex::default(),
            name: name.to_owned(),
        };
        // Asking for a series makes it.
        pipeline.publish(0, &Look::default());
        for outcome in Outcome::ALL {
            drop(pipeline.requests(outcome));
            drop(pipeline.request_duration.with_label_values(&[name, outcome.name()]));
        }
        Flaw::ALL.iter().for_each(|&flaw| drop(pipeline.malformed(flaw)));
        pipeline
    }
}

/// That of all workers.
fn sum(looks: &[Look]) -> Look {
    looks.iter().cloned().reduce(Look::and).unwrap_or_default()
}

fn of<P: Atomic>(family: &GenericCounterVec<P>, pipeline: &str) -> prometheus::core::GenericCounter<P> {
    family.with_label_values(&[pipeline])
}
