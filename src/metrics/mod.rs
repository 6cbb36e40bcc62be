//! Every series the agent has, named once.
//!
//! - this file: the series of a pipeline, of files and of checkpoints
//! - [`beat`]: whether a loop still turns
//! - [`look`]: what a pipeline says of itself when it is asked
//! - `workloads`: series per workload, for those who want them
//! - `maker`: makes series and registers them
//! - `process`: what the kernel knows of this process
//!
//! **Invariant**: counters only grow, and are added to once per batch or request, never per line. What can be read where
//! it lives (a pipeline's account, permits, the process) is read when the page is asked for, so nothing has to be kept in
//! step and the numbers of one page belong together.
#![expect(clippy::disallowed_methods, reason = "the process's own series come from /proc, ages from the clock")]

pub mod beat;
pub mod look;
mod maker;
mod process;
mod workloads;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use prometheus::core::{Atomic, GenericCounterVec};
use prometheus::{
    Counter, CounterVec, Encoder as _, Gauge, GaugeVec, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Registry, TextEncoder,
};

use crate::model::batch::DropReason;
use crate::model::budget::Budget;
use crate::model::event::Flaw;
use look::Look;
use maker::Maker;
pub use process::ProcessLook;

/// The flaws that are counted.
const FLAWS: [Flaw; 4] = [Flaw::Cut, Flaw::NotCri, Flaw::NotDocker, Flaw::NotParsed];
/// The content type of [`Metrics::render`]'s text.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

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

/// All series of the process. Shared.
pub struct Metrics {
    registry: Registry,
    families: Families,
    process: process::Process,
    pipelines: Mutex<Vec<(String, Arc<PipelineMetrics>)>>,
    checkpoint_age: OnceLock<Gauge>,
    checkpoint_written: Mutex<Option<Instant>>,
    build: IntGaugeVec,
    uptime: Gauge,
    began: Instant,
    /// Files whose descriptor is open.
    pub files_open: IntGauge,
    /// Files that are followed, open or not.
    pub files_known: IntGauge,
    /// Moves written to the checkpoint.
    pub checkpoint_writes: IntCounter,
    /// Writes to the checkpoint that failed.
    pub checkpoint_errors: IntCounter,
}

/// The series of one pipeline.
pub struct PipelineMetrics {
    lines_read: IntCounter,
    bytes_read: IntCounter,
    lines_delivered: IntCounter,
    bytes_delivered: IntCounter,
    lines_dead_lettered: IntCounter,
    bytes_dead_lettered: IntCounter,
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
    malformed: IntCounterVec,
    requests: IntCounterVec,
    permit_held: IntGauge,
    permit_size: IntGauge,
    /// Of each worker.
    budgets: Mutex<Vec<Budget>>,
    last_error: Mutex<Option<LastError>>,
    /// The last look at each worker.
    published: Mutex<Vec<Look>>,
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
struct Families {
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
    lines_dropped: IntCounterVec,
    lines_dead_lettered: IntCounterVec,
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
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All series, at zero.
    pub fn new() -> Self {
        let new = Maker::new(Registry::new());
        let families = Families {
            lines_read: new.counters("lines_read_total", "Lines read from the sources.", &[]),
            bytes_read: new.counters("bytes_read_total", "Bytes of the lines read.", &[]),
            lines_delivered: new.counters("lines_delivered_total", "Lines that the store has.", &[]),
            bytes_delivered: new.counters("bytes_delivered_total", "Bytes of input whose lines the store has.", &[]),
            bytes_dropped: new.counters("bytes_dropped_total", "Bytes of dropped lines, by reason.", &["reason"]),
            bytes_dead_lettered: new.counters("bytes_dead_lettered_total", "Bytes of dead-lettered lines.", &[]),
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
                "Lines left out by a rule of the settings.",
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
        };
        Self {
            process: process::Process::new(&new),
            pipelines: Mutex::default(),
            checkpoint_age: OnceLock::new(),
            checkpoint_written: Mutex::default(),
            uptime: new.float_gauge("tailwater_uptime_seconds", "Time since the program began."),
            began: Instant::now(),
            build: new.gauges("build_info", "Which build this is; always 1.", &["version", "commit", "profile"]),
            files_open: new.gauge("files_open", "Followed files whose descriptor is open."),
            files_known: new.gauge("files_known", "Files that are followed, open or not."),
            checkpoint_writes: new.counter("checkpoint_writes_total", "Moves of cursors written to the checkpoint."),
            checkpoint_errors: new.counter("checkpoint_errors_total", "Writes to the checkpoint that failed."),
            families,
            registry: new.into_registry(),
        }
    }

    /// Says which build this is.
    pub fn set_build(&self, version: &str, commit: &str, profile: &str) {
        self.build.with_label_values(&[version, commit, profile]).set(1);
    }

    /// The series of the pipeline `name`; the same ones for the same name. Every reason, outcome and flaw is there
    /// from the start, so that a rate sees the first one.
    pub fn pipeline(&self, name: &str) -> Arc<PipelineMetrics> {
        let mut pipelines = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = pipelines.iter().find(|(known, _)| known == name) {
            return Arc::clone(known);
        }
        let new = Arc::new(self.families.pipeline(name));
        pipelines.push((name.to_owned(), Arc::clone(&new)));
        new
    }

    /// Notes that the checkpoint was written now.
    pub fn checkpoint_written(&self) {
        self.checkpoint_writes.inc();
        *self.checkpoint_written.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Time since the program began.
    pub fn uptime(&self) -> Duration {
        self.began.elapsed()
    }

    /// What the kernel knows of this process.
    pub fn process(&self) -> ProcessLook {
        self.process.look()
    }

    /// All series in Prometheus' text format; with `workloads` those of each workload too.
    pub fn render(&self, workloads: bool) -> String {
        self.process.refresh();
        self.uptime.set(self.uptime().as_secs_f64());
        // Without a checkpoint there is no age: a gauge that is missing cannot raise a false alarm.
        if let Some(written) = *self.checkpoint_written.lock().unwrap_or_else(PoisonError::into_inner) {
            let age = self.checkpoint_age.get_or_init(|| {
                Maker::new(self.registry.clone())
                    .float_gauge("tailwater_checkpoint_age_seconds", "Time since the checkpoint was last written.")
            });
            age.set(written.elapsed().as_secs_f64());
        }
        let pipelines = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (_, pipeline) in &pipelines {
            pipeline.refresh();
        }
        let mut out = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut out) {
            // Writing into memory cannot fail; if it ever did, a scraper should see it rather than half a page.
            return format!("# {error}\n");
        }
        let mut page = String::from_utf8_lossy(&out).into_owned();
        if workloads {
            let looks: Vec<_> =
                pipelines.iter().map(|(name, pipeline)| (name.as_str(), pipeline.published())).collect();
            workloads::render(&looks, &mut page);
        }
        page
    }
}

impl PipelineMetrics {
    /// Lines dropped for `reason`.
    pub fn dropped(&self, reason: DropReason) -> IntCounter {
        self.dropped.with_label_values(&[self.name.as_str(), reason.name()])
    }

    /// Lines left out by `rule`.
    pub fn filtered(&self, rule: &str) -> IntCounter {
        self.filtered.with_label_values(&[self.name.as_str(), rule])
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

    /// Shows this budget's permits, beside those of other workers.
    pub fn show_budget(&self, budget: &Budget) {
        self.budgets.lock().unwrap_or_else(PoisonError::into_inner).push(budget.clone());
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
            sum(&published)
        };
        let up_to = |counter: &IntCounter, value: u64| counter.inc_by(value.saturating_sub(counter.get()));
        let account = &look.account;
        up_to(&self.lines_read, account.read.entries);
        up_to(&self.bytes_read, account.read.bytes);
        up_to(&self.lines_delivered, account.delivered.entries);
        up_to(&self.bytes_delivered, account.delivered.bytes);
        up_to(&self.lines_dead_lettered, account.dead_lettered.entries);
        up_to(&self.bytes_dead_lettered, account.dead_lettered.bytes);
        up_to(&self.bytes_cut, account.cut);
        up_to(&self.unreachable_bytes, look.unreachable);
        for reason in DropReason::ALL {
            let dropped = account.dropped(reason);
            up_to(&self.dropped(reason), dropped.entries);
            up_to(&self.bytes_dropped.with_label_values(&[self.name.as_str(), reason.name()]), dropped.bytes);
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
        budgets.iter().fold((0, 0), |(held, size), budget| (held + budget.held(), size + budget.size()))
    }

    /// Notes what a store said. `words` are masked, and hold nothing of a line.
    pub fn note_error(&self, words: String) {
        let error = LastError { words, at: Instant::now() };
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// What the store said last, and how long ago.
    pub fn last_error(&self) -> Option<(String, Duration)> {
        let last = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().map(|error| (error.words.clone(), error.at.elapsed()))
    }

    fn refresh(&self) {
        let (held, size) = self.memory();
        if size > 0 {
            self.permit_held.set(held as i64);
            self.permit_size.set(size as i64);
        }
    }
}

impl Families {
    fn pipeline(&self, name: &str) -> PipelineMetrics {
        let pipeline = PipelineMetrics {
            lines_read: of(&self.lines_read, name),
            bytes_read: of(&self.bytes_read, name),
            lines_delivered: of(&self.lines_delivered, name),
            bytes_delivered: of(&self.bytes_delivered, name),
            lines_dead_lettered: of(&self.lines_dead_lettered, name),
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
            batches: of(&self.batches, name),
            retries: of(&self.retries, name),
            request_bytes: of(&self.request_bytes, name),
            request_duration: self.request_duration.clone(),
            refusing: self.refusing.with_label_values(&[name]),
            permit_waits: of(&self.permit_waits, name),
            permit_wait: self.permit_wait.with_label_values(&[name]),
            dropped: self.lines_dropped.clone(),
            filtered: self.lines_filtered.clone(),
            malformed: self.lines_malformed.clone(),
            requests: self.requests.clone(),
            permit_held: self.permit_held.with_label_values(&[name]),
            permit_size: self.permit_size.with_label_values(&[name]),
            budgets: Mutex::default(),
            name: name.to_owned(),
        };
        // Asking for a series makes it.
        pipeline.publish(0, &Look::default());
        for outcome in Outcome::ALL {
            drop(pipeline.requests(outcome));
            drop(pipeline.request_duration.with_label_values(&[name, outcome.name()]));
        }
        FLAWS.iter().for_each(|&flaw| drop(pipeline.malformed(flaw)));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::account::Tally;

    /// A page with every series on it.
    fn page() -> String {
        let metrics = Metrics::new();
        metrics.set_build("1.2.3", "abcdef", "release");
        metrics.checkpoint_written();
        let pipeline = metrics.pipeline("loki");
        pipeline.filtered("health").inc_by(3);
        pipeline.show_budget(&Budget::new(100));
        pipeline.request_took(Outcome::Delivered, Duration::from_millis(20));
        let mut look = Look::default();
        look.account.hand_on(Tally { entries: 7, bytes: 70 }, 0);
        metrics.pipeline("loki").publish(0, &look);
        metrics.render(false)
    }

    #[test]
    fn every_series_is_there_from_the_start() {
        let page = page();
        for line in [
            "tailwater_lines_read_total{pipeline=\"loki\"} 7",
            "tailwater_bytes_read_total{pipeline=\"loki\"} 70",
            "tailwater_lines_in_flight{pipeline=\"loki\"} 7",
            "tailwater_lag_seconds{pipeline=\"loki\"} 0",
            "tailwater_lines_filtered_total{pipeline=\"loki\",rule=\"health\"} 3",
            "tailwater_lines_dropped_total{pipeline=\"loki\",reason=\"refused\"} 0",
            "tailwater_lines_dropped_total{pipeline=\"loki\",reason=\"gave_up\"} 0",
            "tailwater_lines_dropped_total{pipeline=\"loki\",reason=\"over_limit\"} 0",
            "tailwater_lines_malformed_total{flaw=\"not_cri\",pipeline=\"loki\"} 0",
            "tailwater_requests_total{outcome=\"held\",pipeline=\"loki\"} 0",
            "tailwater_request_duration_seconds_bucket{outcome=\"delivered\",pipeline=\"loki\",le=\"0.025\"} 1",
            "tailwater_sink_refusing{pipeline=\"loki\"} 0",
            "tailwater_permit_size_bytes{pipeline=\"loki\"} 100",
            "tailwater_build_info{commit=\"abcdef\",profile=\"release\",version=\"1.2.3\"} 1",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} in\n{page}");
        }
    }

    #[test]
    fn names_and_help_follow_the_conventions() {
        let page = page();
        let types: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
        assert!(types.len() > 25, "{types:?}");
        for (name, kind) in types {
            let help = page.lines().find_map(|line| line.strip_prefix(&format!("# HELP {name} ")));
            let help = help.unwrap_or_default();
            assert!(help.ends_with('.') && help.len() > 10, "{name}: {help}");
            assert!(name.starts_with("tailwater_") || name.starts_with("process_"), "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
            for unit in ["_ms", "_millis", "_kib", "_minutes", "_count", "_sum", "_bucket"] {
                assert!(!name.ends_with(unit), "{name}");
            }
        }
    }

    #[test]
    fn without_a_checkpoint_there_is_no_age() {
        let metrics = Metrics::new();
        assert!(!metrics.render(false).contains("checkpoint_age"));
        metrics.checkpoint_written();
        assert!(metrics.render(false).contains("tailwater_checkpoint_age_seconds 0"));
        assert!(metrics.render(false).contains("tailwater_checkpoint_age_seconds 0"), "asked for twice");
    }
}
