//! The series of a pipeline.
//!
//! **Invariant**: the workers of a pipeline have one set of series: what each says of itself is added up.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus::{Counter, Gauge, HistogramVec, IntCounter, IntCounterVec, IntGauge};

use super::look::Look;
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
    pub(super) lines_read: IntCounter,
    pub(super) bytes_read: IntCounter,
    pub(super) lines_delivered: IntCounter,
    pub(super) bytes_delivered: IntCounter,
    pub(super) lines_dead_lettered: IntCounter,
    pub(super) bytes_dead_lettered: IntCounter,
    pub(super) lines_given_back: IntCounter,
    pub(super) bytes_given_back: IntCounter,
    pub(super) bytes_cut: IntCounter,
    pub(super) unreachable_bytes: IntCounter,
    pub(super) lines_in_flight: IntGauge,
    pub(super) bytes_in_flight: IntGauge,
    pub(super) lag_bytes: IntGauge,
    pub(super) lag_seconds: Gauge,
    pub(super) since_progress: Gauge,
    /// Batches handed to the delivery.
    pub batches: IntCounter,
    /// Requests that were sent again, whole or in part.
    pub retries: IntCounter,
    /// Bytes of request bodies sent.
    pub request_bytes: IntCounter,
    /// Whether the store takes nothing at the moment.
    pub refusing: IntGauge,
    /// How often reading had to wait for memory that batches hold, and how long.
    pub(super) permit_waits: IntCounter,
    pub(super) permit_wait: Counter,
    pub(super) request_duration: HistogramVec,
    pub(super) dropped: IntCounterVec,
    pub(super) bytes_dropped: IntCounterVec,
    pub(super) filtered: IntCounterVec,
    pub(super) bytes_filtered: IntCounterVec,
    pub(super) wrong: IntCounterVec,
    pub(super) malformed: IntCounterVec,
    pub(super) requests: IntCounterVec,
    pub(super) permit_held: IntGauge,
    pub(super) permit_size: IntGauge,
    /// Of each worker.
    pub(super) budgets: Mutex<Vec<(usize, Budget)>>,
    pub(super) last_error: Mutex<Option<LastError>>,
    pub(super) crowded_labels: IntGauge,
    pub(super) demoted_labels: IntGauge,
    /// Labels that have taken too many values, in the order of their names.
    pub(super) crowded: Mutex<BTreeSet<String>>,
    /// Transforms that have met more keys than they remember.
    pub(super) forgetful: Mutex<BTreeSet<String>>,
    /// Those of them that are stored beside the line.
    pub(super) demoted: Mutex<BTreeSet<String>>,
    /// The last look at each worker.
    pub(super) published: Mutex<Vec<Look>>,
    /// What workers have counted that are no more.
    pub(super) retired: Mutex<Look>,
    pub(super) name: String,
}

/// What a store, or the way to it, said last when it did not take entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastError {
    /// Its words, without credentials and without parts of lines.
    pub words: String,
    /// When it was said.
    pub at: Instant,
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
        let Look { mut account, unreachable, counted, .. } = last;
        account.give_back();
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        *retired = std::mem::take(&mut *retired).and(Look { account, unreachable, counted, ..Look::default() });
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
        let mut look = sum(&self.published.lock().unwrap_or_else(PoisonError::into_inner));
        // What no worker counts any more is in the settings no more.
        let retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        for counted in &mut look.counted {
            let before = retired.counted.iter().find(|before| before.metric.name == counted.metric.name);
            before.into_iter().for_each(|before| counted.merge(before));
        }
        look
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

/// That of all workers.
fn sum(looks: &[Look]) -> Look {
    looks.iter().cloned().reduce(Look::and).unwrap_or_default()
}
