//! The families of a pipeline's series: their names, what they count, and the series of one pipeline.
//!
//! **Invariant**: a series is there, at 0, as soon as its pipeline is.

use std::sync::Mutex;

use prometheus::core::{Atomic, GenericCounterVec};
use prometheus::{CounterVec, GaugeVec, HistogramVec, IntCounterVec, IntGaugeVec};

use super::look::Look;
use super::maker::Maker;
use super::pipeline::{Outcome, PipelineMetrics};
use crate::model::event::Flaw;

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
                "Lines of which a transform's condition or metric asked a value for what it is not (it counts as not held, or is not counted), that a transform would have made too long or could not parse (they stay), or of which it could not give a value its type.",
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
                "Times that reading had to wait for batches to be answered for: enough are on their way, or they hold the memory.",
                &[],
            ),
            permit_wait: new.float_counters(
                "permit_wait_seconds_total",
                "Time that reading has waited for batches to be answered for.",
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

fn of<P: Atomic>(family: &GenericCounterVec<P>, pipeline: &str) -> prometheus::core::GenericCounter<P> {
    family.with_label_values(&[pipeline])
}
