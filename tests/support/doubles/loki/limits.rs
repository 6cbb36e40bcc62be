//! Loki's limits and its words of refusal.
//!
//! The words are those of Loki's `pkg/validation` and `pkg/ingester`, since an operator reads them in our messages.

use super::labels;
use super::push::{PushedEntry, PushedStream};
use crate::support::doubles::wire::Answer;
use crate::support::time;

const SECOND: i64 = 1_000_000_000;

/// Loki's defaults, each of which a test may change.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of one line.
    pub max_line: usize,
    pub max_label_names: usize,
    pub max_label_name: usize,
    pub max_label_value: usize,
    /// Bytes of one entry's structured metadata, names and values.
    pub max_metadata_bytes: usize,
    pub max_metadata_entries: usize,
    /// Nanoseconds before now.
    pub max_age: i64,
    /// Nanoseconds after now.
    pub max_ahead: i64,
    /// Nanoseconds behind the newest of the stream.
    pub out_of_order: i64,
    /// Bytes of a request's body, as it came.
    pub max_body: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_line: 256 * 1024,
            max_label_names: 15,
            max_label_name: 1024,
            max_label_value: 2048,
            max_metadata_bytes: 64 * 1024,
            max_metadata_entries: 128,
            max_age: 7 * 24 * 3600 * SECOND,
            max_ahead: 600 * SECOND,
            out_of_order: 3600 * SECOND,
            max_body: 100 * 1024 * 1024,
        }
    }
}

impl Limits {
    /// What is valid of a stream, and why the rest is not.
    pub(super) fn check_stream(&self, mut stream: PushedStream, now: i64) -> (Option<PushedStream>, Option<Refusal>) {
        if let Some(reason) = self.refuse_labels(&stream) {
            return (None, Some(Refusal::new(400, reason)));
        }
        let mut reasons = Vec::new();
        let name = labels::canonical(&stream.labels);
        stream.entries.retain(|entry| {
            let reason = self.refuse_entry(&name, entry, now);
            let valid = reason.is_none();
            reasons.extend(reason);
            valid
        });
        let refusal = (!reasons.is_empty()).then(|| Refusal::new(400, grouped(&reasons)));
        let left = (!stream.entries.is_empty()).then_some(stream);
        (left, refusal)
    }

    fn refuse_labels(&self, stream: &PushedStream) -> Option<String> {
        if let Some(reason) = &stream.unreadable {
            return Some(reason.clone());
        }
        let name = labels::canonical(&stream.labels);
        let count = stream.labels.len();
        if count == 0 {
            return Some("error at least one label pair is required per stream".to_owned());
        }
        if count > self.max_label_names {
            return Some(format!("entry for stream '{name}' has {count} label names; limit {}", self.max_label_names));
        }
        for (label, value) in &stream.labels {
            if label.len() > self.max_label_name {
                return Some(format!("stream '{name}' has label name too long: '{label}'"));
            }
            if value.len() > self.max_label_value {
                return Some(format!("stream '{name}' has label value too long: '{value}'"));
            }
        }
        None
    }

    fn refuse_entry(&self, name: &str, entry: &PushedEntry, now: i64) -> Option<String> {
        if entry.time < now - self.max_age {
            let (time, oldest) = (seconds(entry.time), seconds(now - self.max_age));
            return Some(format!(
                "entry for stream '{name}' has timestamp too old: {time}, oldest acceptable timestamp is: {oldest}"
            ));
        }
        if entry.time > now + self.max_ahead {
            return Some(format!("entry for stream '{name}' has timestamp too new: {}", seconds(entry.time)));
        }
        if entry.line.len() > self.max_line {
            return Some(format!(
                "max entry size '{}' bytes exceeded for stream '{name}' while adding an entry with length '{}' bytes",
                self.max_line,
                entry.line.len()
            ));
        }
        let bytes: usize = entry.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > self.max_metadata_bytes {
            return Some(format!(
                "stream '{name}' has structured metadata too large: '{bytes}' bytes, limit: '{}' bytes. Please see \
                 `limits_config.max_structured_metadata_size` or contact your Loki administrator to increase it.",
                self.max_metadata_bytes
            ));
        }
        let count = entry.metadata.len();
        if count > self.max_metadata_entries {
            return Some(format!(
                "stream '{name}' has too many structured metadata labels: '{count}', limit: '{}'. Please see \
                 `limits_config.max_structured_metadata_entries_count` or contact your Loki administrator to increase it.",
                self.max_metadata_entries
            ));
        }
        None
    }
}

/// A status and Loki's words.
pub(super) struct Refusal {
    status: u16,
    words: String,
}

impl Refusal {
    fn new(status: u16, words: String) -> Refusal {
        Refusal { status, words }
    }

    pub(super) fn into_answer(self) -> Answer {
        Answer::new(self.status, self.words + "\n").header("Content-Type", "text/plain; charset=utf-8")
    }

    pub(super) fn blocked(tenant: &str) -> Refusal {
        let words = format!("ingestion blocked for user {tenant} until '2100-01-01T00:00:00Z' with status code '260'");
        Refusal::new(260, words)
    }

    pub(super) fn no_streams() -> Refusal {
        Refusal::new(422, "error at least one valid stream is required for ingestion".to_owned())
    }

    pub(super) fn ingestion_rate(tenant: &str, streams: &[PushedStream]) -> Refusal {
        let lines: usize = streams.iter().map(|stream| stream.entries.len()).sum();
        let bytes: usize = streams.iter().map(size).sum();
        let words = format!(
            "ingestion rate limit exceeded for user {tenant} (limit: 4194304 bytes/sec) while attempting to ingest \
             '{lines}' lines totaling '{bytes}' bytes, reduce log volume or contact your Loki administrator to see if \
             the limit can be increased"
        );
        Refusal::new(429, words)
    }

    pub(super) fn stream_rate(tenant: &str, name: &str, stream: &PushedStream) -> Refusal {
        let reason = format!(
            "Per stream rate limit exceeded (limit: 3MB/sec) while attempting to ingest for stream '{name}' totaling \
             {}B, consider splitting a stream via additional labels or contact your Loki administrator to see if the \
             limit can be increased",
            size(stream)
        );
        let failed: Vec<_> = stream.entries.iter().map(|entry| (entry.time, reason.clone())).collect();
        Refusal::new(429, ignored(tenant, name, &failed, failed.len()))
    }

    pub(super) fn stream_limit(tenant: &str, name: &str) -> Refusal {
        let words = format!(
            "maximum active stream limit exceeded when trying to create stream {name}, reduce the number of active \
             streams (reduce labels or reduce label values), or contact your Loki administrator to see if the limit \
             can be increased, user: '{tenant}'"
        );
        Refusal::new(429, words)
    }

    /// `behind` is (time, the oldest that would have been taken).
    pub(super) fn too_far_behind(tenant: &str, name: &str, behind: &[(i64, i64)], total: usize) -> Refusal {
        let reason = |&(time, oldest): &(i64, i64)| {
            let (time_text, oldest) = (seconds(time), seconds(oldest));
            let words = format!(
                "entry too far behind, entry timestamp is: {time_text}, oldest acceptable timestamp is: {oldest}"
            );
            (time, words)
        };
        let failed: Vec<_> = behind.iter().map(reason).collect();
        Refusal::new(400, ignored(tenant, name, &failed, total))
    }
}

/// The ingester's list: at most ten entries, then the sum.
fn ignored(tenant: &str, name: &str, failed: &[(i64, String)], total: usize) -> String {
    let mut words = String::new();
    for (time, reason) in failed.iter().take(10) {
        let time = time::rfc3339(*time).replace('T', " ").replace('Z', " +0000 UTC");
        words.push_str(&format!("entry with timestamp {time} ignored, reason: '{reason}',\n"));
    }
    words + &format!("user '{tenant}', total ignored: {} out of {total} for stream: {name}", failed.len())
}

/// As Loki joins a stream's errors: each kind once, with its count where there is more than one.
fn grouped(reasons: &[String]) -> String {
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    for reason in reasons {
        match kinds.iter_mut().find(|(kind, _)| kind == reason) {
            Some((_, count)) => *count += 1,
            None => kinds.push((reason, 1)),
        }
    }
    let alone = kinds.len() == 1 && kinds[0].1 == 1;
    let word = |(kind, count): (&str, usize)| {
        if alone { kind.to_owned() } else { format!("{count} errors like: {kind}") }
    };
    kinds.into_iter().map(word).collect::<Vec<_>>().join("; ")
}

fn size(stream: &PushedStream) -> usize {
    stream.entries.iter().map(|entry| entry.line.len()).sum()
}

fn seconds(nanos: i64) -> String {
    time::seconds_text(nanos.div_euclid(SECOND)) + "Z"
}
