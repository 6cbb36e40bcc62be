//! Every series the agent has, named once.
//!
//! - this file: all of them on one page, and those of files and of checkpoints
//! - `pipeline`: the series of a pipeline; `families`: their names, and what they count
//! - [`beat`]: whether a loop still turns
//! - [`look`]: what a pipeline says of itself when it is asked
//! - [`counted`]: series that the settings make of events
//! - `workloads`: series per workload, for those who want them
//! - `maker`: makes series and registers them
//! - `process`: what the kernel knows of this process
//!
//! **Invariant**: counters only grow, and are added to once per batch or request, never per line. What can be read where
//! it lives (a pipeline's account, permits, the process) is read when the page is asked for, so nothing has to be kept in
//! step and the numbers of one page belong together.
#![expect(clippy::disallowed_methods, reason = "the process's own series come from /proc, ages from the clock")]

pub mod beat;
pub mod counted;
mod families;
pub mod look;
mod maker;
mod pipeline;
mod process;
mod workloads;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use prometheus::{Encoder as _, Gauge, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder};

use families::Families;
use maker::Maker;
pub use pipeline::{LastError, Outcome, PipelineMetrics};
pub use process::ProcessLook;

/// The content type of [`Metrics::render`]'s text.
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

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
    reloads: IntCounterVec,
    /// Files whose descriptor is open.
    pub files_open: IntGauge,
    /// Files that are followed, open or not.
    pub files_known: IntGauge,
    /// Moves written to the checkpoint.
    pub checkpoint_writes: IntCounter,
    /// Writes to the checkpoint that failed.
    pub checkpoint_errors: IntCounter,
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
        let families = Families::new(&new);
        let reloads = new.counters_of(
            "reloads_total",
            "Times that the settings were loaded again, by what became of them.",
            &["outcome"],
        );
        // Asking for a series makes it.
        ["applied", "refused"].iter().for_each(|outcome| drop(reloads.with_label_values(&[outcome])));
        Self {
            process: process::Process::new(&new),
            pipelines: Mutex::default(),
            checkpoint_age: OnceLock::new(),
            checkpoint_written: Mutex::default(),
            uptime: new.float_gauge("tailwater_uptime_seconds", "Time since the program began."),
            began: Instant::now(),
            build: new.gauges("build_info", "Which build this is; always 1.", &["version", "commit", "profile"]),
            reloads,
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

    /// Settings that were loaded again and `applied` or `refused`.
    pub fn reloads(&self, outcome: &str) -> IntCounter {
        self.reloads.with_label_values(&[outcome])
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
        let looks: Vec<_> = pipelines.iter().map(|(name, pipeline)| (name.as_str(), pipeline.published())).collect();
        let counted: Vec<_> = looks.iter().map(|(name, look)| (*name, look.counted.clone())).collect();
        counted::render(&counted, &mut page);
        if workloads {
            workloads::render(&looks, &mut page);
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::look::{FilteredLook, Look};
    use super::*;
    use crate::flow::account::Tally;
    use crate::model::budget::Budget;

    /// A page with every series on it.
    fn page() -> String {
        let metrics = Metrics::new();
        metrics.set_build("1.2.3", "abcdef", "release");
        metrics.checkpoint_written();
        let pipeline = metrics.pipeline("loki");
        pipeline.show_budget(0, &Budget::new(100));
        pipeline.request_took(Outcome::Delivered, Duration::from_millis(20));
        let mut look = Look::default();
        look.account.hand_on(Tally { entries: 7, bytes: 70 }, 0);
        look.filtered.push(FilteredLook { rule: "health".into(), tally: Tally { entries: 3, bytes: 30 }, wrong: 2 });
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
            "tailwater_bytes_filtered_total{pipeline=\"loki\",rule=\"health\"} 30",
            "tailwater_transform_errors_total{pipeline=\"loki\",rule=\"health\"} 2",
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
