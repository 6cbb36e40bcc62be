//! `/status`: how things stand, for people and scripts, as one JSON object.
//!
//! **Invariant**: it holds names, paths, offsets, counts and a store's own words, and neither a line nor a secret.

use serde_json::{Map, Value, json};

use crate::flow::account::{Account, Tally};
use crate::metrics::PipelineMetrics;
use crate::metrics::look::{Lag, Look, OriginLook, WorkloadLook, WorkloadName};
use crate::model::batch::DropReason;

/// One pipeline.
pub struct PipelineStatus {
    /// The sink's name.
    pub name: String,
    /// What it says of itself; `None` where it did not answer, and then what it said last stands.
    pub look: Option<Look>,
    /// Its series.
    pub metrics: std::sync::Arc<PipelineMetrics>,
}

/// The whole page.
pub fn render(version: &str, pipelines: &[PipelineStatus]) -> String {
    let pipelines: Vec<Value> = pipelines.iter().map(pipeline).collect();
    let mut page = json!({ "version": version, "pipelines": pipelines }).to_string();
    page.push('\n');
    page
}

fn pipeline(status: &PipelineStatus) -> Value {
    let answered = status.look.is_some();
    let look = status.look.clone().unwrap_or_else(|| status.metrics.published());
    let (held, size) = status.metrics.memory();
    let last_error = status.metrics.last_error();
    json!({
        "name": status.name,
        "is_running": answered,
        "lines": counts(&look.account, |tally| tally.entries),
        "bytes": bytes(&look.account),
        "unreachable_bytes": look.unreachable,
        "lag": lag(look.lag),
        "seconds_since_progress": seconds(look.since_progress),
        "last_error": last_error.map(|(words, ago)| json!({ "words": words, "seconds_ago": seconds(ago) })),
        "memory": { "held_bytes": held, "size_bytes": size },
        "workloads": look.workloads.iter().map(workload).collect::<Vec<_>>(),
        "origins": look.origins.iter().map(origin).collect::<Vec<_>>(),
    })
}

fn counts(account: &Account, of: fn(Tally) -> u64) -> Map<String, Value> {
    let dropped: Map<String, Value> =
        DropReason::ALL.iter().map(|reason| (reason.name().to_owned(), of(account.dropped(*reason)).into())).collect();
    [
        ("read", of(account.read).into()),
        ("delivered", of(account.delivered).into()),
        ("dead_lettered", of(account.dead_lettered).into()),
        ("dropped", Value::Object(dropped)),
        ("in_flight", of(account.in_flight).into()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .collect()
}

fn bytes(account: &Account) -> Map<String, Value> {
    let mut bytes = counts(account, |tally| tally.bytes);
    bytes.insert("cut".to_owned(), account.cut.into());
    bytes
}

fn names(name: &WorkloadName) -> Map<String, Value> {
    let named = [
        ("namespace", &*name.namespace),
        ("pod", &*name.pod),
        ("container", &*name.container),
        ("source", &*name.source),
    ];
    named
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect()
}

fn workload(workload: &WorkloadLook) -> Value {
    let mut value = names(&workload.name);
    value.insert("origins".to_owned(), workload.origins.into());
    value.insert("lines".to_owned(), counts(&workload.account, |tally| tally.entries).into());
    value.insert("bytes".to_owned(), bytes(&workload.account).into());
    value.insert("lag".to_owned(), lag(workload.lag));
    value.into()
}

fn origin(look: &OriginLook) -> Value {
    let mut value = names(&WorkloadName::of(&look.origin));
    let mut put = |key: &str, what: Value| value.insert(key.to_owned(), what);
    put("id", look.origin.id.to_string().into());
    if !look.origin.path.as_os_str().is_empty() {
        put("path", look.origin.path.to_string_lossy().into());
    }
    put("state", look.doing.name().into());
    put("offset", look.offset.into());
    put("read", look.read.into());
    put("size", look.size.into());
    put("lines_in_flight", look.in_flight.into());
    put("lag", lag(look.lag));
    value.into()
}

fn lag(lag: Lag) -> Value {
    json!({ "bytes": lag.bytes, "seconds": seconds(lag.age) })
}

/// To the millisecond.
fn seconds(duration: std::time::Duration) -> f64 {
    duration.as_millis() as f64 / 1e3
}
