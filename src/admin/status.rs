//! `/status`: how things stand, for people and scripts, as one JSON object.
//!
//! It is written origin by origin: with twenty thousand files a tree of values would take more memory than they do.
//!
//! **Invariant**: it holds names, paths, offsets, counts and a store's own words, and neither a line nor a secret.

use serde_json::{Map, Value, json};

use crate::flow::account::{Account, Tally};
use crate::metrics::look::{Lag, Look, OriginLook, WorkloadLook, WorkloadName};
use crate::metrics::{PipelineMetrics, ProcessLook};
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

/// The whole page. Takes the looks, so that each goes when it is written.
pub fn render(version: &str, process: &ProcessLook, pipelines: Vec<PipelineStatus>) -> String {
    let process = json!({
        "cpu_seconds": process.cpu_seconds,
        "cpu_throttled_seconds": process.throttled_seconds,
        "resident_bytes": process.resident_bytes as u64,
        "open_fds": process.open_fds as u64,
        "max_fds": process.max_fds as u64,
    });
    let mut page = format!("{{\"version\":{},\"process\":{process},\"pipelines\":[", json!(version));
    for (index, status) in pipelines.into_iter().enumerate() {
        page.push_str(if index == 0 { "" } else { "," });
        pipeline(status, &mut page);
    }
    page.push_str("]}\n");
    page
}

fn pipeline(status: PipelineStatus, page: &mut String) {
    let answered = status.look.is_some();
    let look = status.look.unwrap_or_else(|| status.metrics.published());
    let (held, size) = status.metrics.memory();
    let last_error = status.metrics.last_error();
    let head = json!({
        "name": status.name,
        "is_running": answered,
        "lines": counts(&look.account, |tally| tally.entries),
        "bytes": bytes(&look.account),
        "unreachable_bytes": look.unreachable,
        "lag": lag(look.lag),
        "seconds_since_progress": seconds(look.since_progress),
        "last_error": last_error.map(|(words, ago)| json!({ "words": words, "seconds_ago": seconds(ago) })),
        "memory": { "held_bytes": held, "size_bytes": size },
    });
    // The lists stand within the object, behind its other keys.
    let head = head.to_string();
    page.push_str(head.strip_suffix('}').unwrap_or(&head));
    list("workloads", look.workloads.into_iter().map(|look| workload(&look)), page);
    list("origins", look.origins.into_iter().map(|look| origin(&look)), page);
    page.push('}');
}

/// A list as one more key of an object that is being written.
fn list(name: &str, values: impl Iterator<Item = Value>, page: &mut String) {
    page.push_str(&format!(",\"{name}\":["));
    for (index, value) in values.enumerate() {
        page.push_str(if index == 0 { "" } else { "," });
        page.push_str(&value.to_string());
    }
    page.push(']');
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::metrics::Metrics;
    use crate::metrics::look::Doing;
    use crate::model::origin::{Format, Origin, OriginId};

    #[test]
    fn the_page_is_one_json_object() {
        let metrics = Metrics::new();
        let origin = Arc::new(Origin {
            id: OriginId(7),
            source: "files".into(),
            path: "/a \"b\".log".into(),
            format: Format::Cri,
            workload: None,
            host: "h".into(),
        });
        let name = WorkloadName::of(&origin);
        let mut account = Account::default();
        account.hand_on(Tally { entries: 3, bytes: 30 }, 5);
        let lag = Lag { bytes: 40, age: std::time::Duration::from_millis(1500) };
        let (doing, in_flight) = (Doing::Retrying, 3);
        let one = OriginLook { origin, offset: 10, read: 40, size: 50, lag, doing, in_flight };
        let look = Look {
            account,
            lag,
            workloads: vec![WorkloadLook { name, account, lag, origins: 2 }],
            origins: vec![one.clone(), one],
            ..Look::default()
        };
        let gone = metrics.pipeline("gone");
        gone.note_error("status 500".to_owned());
        let pipelines = vec![
            PipelineStatus { name: "a".to_owned(), look: Some(look), metrics: metrics.pipeline("a") },
            PipelineStatus { name: "gone".to_owned(), look: None, metrics: gone },
        ];
        let page: Value =
            serde_json::from_str(&render("1.2", &ProcessLook { open_fds: 7.0, ..ProcessLook::default() }, pipelines))
                .expect("JSON");
        assert_eq!((&page["process"]["open_fds"], &page["process"]["max_fds"]), (&json!(7), &json!(0)));
        let first = &page["pipelines"][0];
        assert_eq!(
            first["lines"],
            json!({"read":3,"delivered":0,"dead_lettered":0,"dropped":{"refused":0,"gave_up":0,"over_limit":0},"in_flight":3})
        );
        assert_eq!((&first["bytes"]["read"], &first["bytes"]["cut"]), (&json!(35), &json!(5)));
        assert_eq!(first["lag"], json!({"bytes":40,"seconds":1.5}));
        assert_eq!(first["workloads"][0]["source"], "files");
        assert_eq!(first["origins"].as_array().map(Vec::len), Some(2));
        let origin = &first["origins"][1];
        assert_eq!((&origin["path"], &origin["state"]), (&json!("/a \"b\".log"), &json!("retrying")));
        let gone = &page["pipelines"][1];
        assert_eq!((&gone["is_running"], &gone["last_error"]["words"]), (&json!(false), &json!("status 500")));
        assert_eq!(gone["origins"], json!([]));
    }
}
