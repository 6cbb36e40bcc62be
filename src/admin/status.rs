//! `/status`: how things stand, for people and scripts, as one JSON object.
//!
//! It is written origin by origin: with twenty thousand files a tree of values would take more memory than they do.
//!
//! **Invariant**: it holds names, paths, offsets, counts and a store's own words, and neither a line nor a secret.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::flow::account::{Account, Flaws, Tally};
use crate::metrics::look::{FilteredLook, Lag, Look, OriginLook, WorkloadLook, WorkloadName};
use crate::metrics::{PipelineMetrics, ProcessLook};
use crate::model::batch::DropReason;

/// Every key of the page: its path, its kind and what it says. Those of `lines`, `bytes`, `lag`, `filtered` and workloads stand for all
/// that are alike.
pub const FIELDS: &[(&str, &str, &str)] = &[
    ("version", "text", "version, commit and build profile"),
    ("uptime_seconds", "number", "since the program began"),
    ("settings.source", "text", "where the settings are from: the file, `environment` or `flags`"),
    ("settings.loaded_seconds_ago", "number", "how long they have been in effect"),
    (
        "settings.refused",
        "object or null",
        "why the settings that were loaded last were not taken: `message` and `seconds_ago`; `null` where they were",
    ),
    ("process.cpu_seconds", "number", "time on a CPU"),
    ("process.cpu_throttled_seconds", "number", "time kept from running by the control group's CPU limit"),
    ("process.resident_bytes", "number", "memory in use"),
    ("process.open_fds", "number", "open descriptors"),
    ("process.max_fds", "number", "descriptors that may be open"),
    ("sources[].name", "text", "the source's name"),
    ("sources[].type", "text", "its kind"),
    ("pipelines[].name", "text", "the sink's name"),
    ("pipelines[].type", "text", "its kind"),
    (
        "pipelines[].is_running",
        "true or false",
        "whether its thread answered within two seconds; if not, the numbers are its last",
    ),
    ("pipelines[].is_refusing", "true or false", "whether the store takes nothing at the moment"),
    (
        "pipelines[].lines.read",
        "number",
        "lines read since the program began; also `delivered`, `filtered` (left out by a transform), `dead_lettered`, `dropped` by reason, `given_back` (unanswered when settings changed, and read again), `in_flight`",
    ),
    (
        "pipelines[].bytes.read",
        "number",
        "the same in bytes of the file; also `cut`: what followed the beginning of lines too long to be held",
    ),
    (
        "pipelines[].filtered",
        "object",
        "by transform: `lines` and `bytes` that it left out, and `errors`, lines of which its condition asked a value for what it is not, or that it would have made too long or could not parse",
    ),
    (
        "pipelines[].malformed",
        "object",
        "by flaw, where there are any: lines whose form was wrong, whatever became of them (`cut`, `not_cri`, `not_docker`, `not_parsed`, `not_typed`, `no_time`)",
    ),
    ("pipelines[].unreachable_bytes", "number", "bytes that were gone before they could be read"),
    ("pipelines[].lag.bytes", "number", "bytes that are there and not settled, read or not"),
    ("pipelines[].lag.seconds", "number", "the age of the oldest unsettled line"),
    (
        "pipelines[].seconds_since_progress",
        "number",
        "since lines were last settled; 0 where there is nothing to settle",
    ),
    (
        "pipelines[].last_error",
        "object or null",
        "what the store, or the way to it, said last when it did not take lines; `null` if nothing yet",
    ),
    ("pipelines[].last_error.words", "text", "its own words, without credentials and without what it quotes of a line"),
    ("pipelines[].last_error.seconds_ago", "number", "when it said so"),
    ("pipelines[].crowded_labels[]", "text", "a label that has taken more values than `max_label_values` allows"),
    (
        "pipelines[].demoted_labels[]",
        "text",
        "one of them that is stored as structured metadata since then, as `demote` asks for",
    ),
    ("pipelines[].memory.held_bytes", "number", "memory that permits of batches hold"),
    ("pipelines[].memory.size_bytes", "number", "the pipeline's share of `memory_limit`"),
    (
        "pipelines[].workloads[]",
        "object",
        "the counts of one `namespace`, `pod` and `container`, of files and pipes by `source`: `lines`, `bytes`, `malformed`, `lag` as above, and `origins`, how many files are not done with",
    ),
    ("pipelines[].origins[].path", "text", "the file, without a rotation's suffix; a pipe has none"),
    (
        "pipelines[].origins[].source",
        "text",
        "the source that found it; `namespace`, `pod`, `container` where it has them",
    ),
    ("pipelines[].origins[].id", "text", "its identity, fixed at first sight"),
    (
        "pipelines[].origins[].state",
        "text",
        "`reading`, `at_end`, `waiting` (an older file is read first), `retrying` (lines of it are sent again), `held` (another container of the same Loki stream is too far behind), `failing` (it cannot be read at the moment), `gone`",
    ),
    ("pipelines[].origins[].offset", "number", "everything before it is settled"),
    ("pipelines[].origins[].read", "number", "where reading goes on"),
    ("pipelines[].origins[].size", "number", "how many bytes are there"),
    ("pipelines[].origins[].lines_in_flight", "number", "lines read and not settled"),
    ("pipelines[].origins[].lag", "object", "`bytes` and `seconds`, as above"),
    ("pipelines[].origins[].parser", "text", "what its lines are parsed by"),
    ("pipelines[].origins[].malformed", "object", "as above, of what was read of it since the program began"),
];

/// One pipeline.
pub struct PipelineStatus {
    /// The sink's name.
    pub name: String,
    /// The sink's kind.
    pub kind: &'static str,
    /// What it says of itself; `None` where it did not answer, and then what it said last stands.
    pub look: Option<Look>,
    /// Its series.
    pub metrics: std::sync::Arc<PipelineMetrics>,
}

/// The program as a whole.
pub struct ProgramStatus<'v> {
    /// Version, commit and build profile.
    pub version: &'v str,
    /// Since it began.
    pub uptime: Duration,
    /// The settings in effect.
    pub settings: SettingsStatus,
    /// The sources: name and kind.
    pub sources: Vec<(String, &'static str)>,
    /// What the kernel knows of it.
    pub process: ProcessLook,
}

/// The settings in effect.
pub struct SettingsStatus {
    /// Where they are from.
    pub source: String,
    /// How long ago they were loaded.
    pub loaded: Duration,
    /// What was wrong with those loaded last, where they were not taken, and how long ago that was.
    pub refused: Option<(String, Duration)>,
}

/// The whole page. Takes the looks, so that each goes when it is written.
pub fn render(program: &ProgramStatus<'_>, pipelines: Vec<PipelineStatus>) -> String {
    let process = &program.process;
    let sources = program.sources.iter().map(|(name, kind)| json!({ "name": name, "type": kind }));
    let head = json!({
        "version": program.version,
        "uptime_seconds": seconds(program.uptime),
        "settings": {
            "source": program.settings.source,
            "loaded_seconds_ago": seconds(program.settings.loaded),
            "refused": program.settings.refused.as_ref().map(|(message, ago)| {
                json!({ "message": message, "seconds_ago": seconds(*ago) })
            }),
        },
        "process": {
            "cpu_seconds": process.cpu_seconds,
            "cpu_throttled_seconds": process.throttled_seconds,
            "resident_bytes": process.resident_bytes as u64,
            "open_fds": process.open_fds as u64,
            "max_fds": process.max_fds as u64,
        },
        "sources": sources.collect::<Vec<_>>(),
    });
    // The pipelines stand within the object, behind its other keys.
    let head = head.to_string();
    let mut page = head.strip_suffix('}').unwrap_or(&head).to_owned();
    page.push_str(",\"pipelines\":[");
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
        "type": status.kind,
        "is_running": answered,
        "is_refusing": status.metrics.refusing.get() != 0,
        "lines": counts(&look.account, |tally| tally.entries),
        "bytes": bytes(&look.account),
        "filtered": look.filtered.iter().map(filtered).collect::<Map<_, _>>(),
        "malformed": malformed(&look.flaws),
        "unreachable_bytes": look.unreachable,
        "lag": lag(look.lag),
        "seconds_since_progress": seconds(look.since_progress),
        "last_error": last_error.map(|(words, ago)| json!({ "words": words, "seconds_ago": seconds(ago) })),
        "crowded_labels": status.metrics.crowded(),
        "demoted_labels": status.metrics.demoted(),
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
        ("filtered", of(account.filtered).into()),
        ("dead_lettered", of(account.dead_lettered).into()),
        ("dropped", Value::Object(dropped)),
        ("given_back", of(account.given_back).into()),
        ("in_flight", of(account.in_flight).into()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .collect()
}

fn filtered(look: &FilteredLook) -> (String, Value) {
    let FilteredLook { rule, tally, wrong } = look;
    (rule.to_string(), json!({ "lines": tally.entries, "bytes": tally.bytes, "errors": wrong }))
}

fn malformed(flaws: &Flaws) -> Value {
    flaws.counts().map(|(flaw, count)| (flaw.name().to_owned(), count.into())).collect::<Map<_, _>>().into()
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
    value.insert("malformed".to_owned(), malformed(&workload.flaws));
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
    put("parser", look.parser.into());
    put("malformed", malformed(&look.flaws));
    value.into()
}

fn lag(lag: Lag) -> Value {
    json!({ "bytes": lag.bytes, "seconds": seconds(lag.age) })
}

/// To the millisecond.
fn seconds(duration: Duration) -> f64 {
    duration.as_millis() as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use std::path::Path;

    use super::*;
    use crate::metrics::Metrics;
    use crate::metrics::look::Doing;
    use crate::model::event::Flaw;
    use crate::model::origin::{Format, Origin, OriginId};

    #[test]
    fn the_page_is_one_json_object() {
        let metrics = Metrics::new();
        let origin = Arc::new(Origin {
            id: OriginId(7),
            source: "files".into(),
            path: Path::new("/a \"b\".log").into(),
            format: Format::Cri,
            workload: None,
            host: "h".into(),
        });
        let name = WorkloadName::of(&origin);
        let mut account = Account::default();
        account.hand_on(Tally { entries: 3, bytes: 30 }, 5);
        let lag = Lag { bytes: 40, age: std::time::Duration::from_millis(1500) };
        let (doing, in_flight) = (Doing::Retrying, 3);
        let mut flaws = Flaws::default();
        flaws.note(Flaw::NotParsed);
        let parser = "logfmt";
        let one = OriginLook { origin, offset: 10, read: 40, size: 50, lag, doing, in_flight, parser, flaws };
        let look = Look {
            account,
            flaws,
            lag,
            workloads: vec![WorkloadLook { name, account, flaws, lag, origins: 2 }],
            origins: vec![one.clone(), one],
            filtered: vec![FilteredLook { rule: "health".into(), tally: Tally { entries: 2, bytes: 20 }, wrong: 1 }],
            ..Look::default()
        };
        let gone = metrics.pipeline("gone");
        gone.note_error("status 500".to_owned());
        metrics.pipeline("a").crowds("request");
        metrics.pipeline("a").demotes("request");
        let pipelines = vec![
            PipelineStatus { name: "a".to_owned(), kind: "loki", look: Some(look), metrics: metrics.pipeline("a") },
            PipelineStatus { name: "gone".to_owned(), kind: "loki", look: None, metrics: gone },
        ];
        let program = ProgramStatus {
            version: "1.2",
            uptime: Duration::from_secs(5),
            settings: SettingsStatus { source: "t.yaml".to_owned(), loaded: Duration::from_secs(4), refused: None },
            sources: vec![("files".to_owned(), "file")],
            process: ProcessLook { open_fds: 7.0, ..ProcessLook::default() },
        };
        let page: Value = serde_json::from_str(&render(&program, pipelines)).expect("JSON");
        assert_eq!((&page["uptime_seconds"], &page["settings"]["source"]), (&json!(5.0), &json!("t.yaml")));
        assert_eq!(page["sources"], json!([{ "name": "files", "type": "file" }]));
        assert_eq!((&page["process"]["open_fds"], &page["process"]["max_fds"]), (&json!(7), &json!(0)));
        let first = &page["pipelines"][0];
        assert_eq!(
            first["lines"],
            json!({"read":3,"delivered":0,"filtered":0,"dead_lettered":0,"dropped":{"refused":0,"gave_up":0,"over_limit":0},"given_back":0,"in_flight":3})
        );
        assert_eq!((&first["bytes"]["read"], &first["bytes"]["cut"]), (&json!(35), &json!(5)));
        assert_eq!(first["filtered"], json!({"health":{"lines":2,"bytes":20,"errors":1}}));
        assert_eq!(first["lag"], json!({"bytes":40,"seconds":1.5}));
        assert_eq!(first["workloads"][0]["source"], "files");
        assert_eq!(first["origins"].as_array().map(Vec::len), Some(2));
        let origin = &first["origins"][1];
        assert_eq!((&origin["path"], &origin["state"]), (&json!("/a \"b\".log"), &json!("retrying")));
        assert_eq!((&origin["parser"], &origin["malformed"]), (&json!("logfmt"), &json!({"not_parsed":1})));
        assert_eq!(
            (&first["malformed"], &first["workloads"][0]["malformed"]),
            (&origin["malformed"], &origin["malformed"])
        );
        let gone = &page["pipelines"][1];
        assert_eq!((&gone["is_running"], &gone["last_error"]["words"]), (&json!(false), &json!("status 500")));
        assert_eq!(gone["origins"], json!([]));
        is_documented(&page);
    }

    /// Every key of the page stands in [`FIELDS`], alone or for those below it, and each of these is on the page.
    fn is_documented(page: &Value) {
        let mut found = Vec::new();
        paths("", page, &mut found);
        let covers = |known: &str, path: &str| {
            let alike = ["lines.", "bytes.", "lag", "filtered", "malformed", "workloads[]"]
                .iter()
                .find_map(|end| known.find(end).map(|at| at + end.len()));
            path == known || path.starts_with(&known[..alike.unwrap_or(known.len())]) && alike.is_some()
        };
        for path in &found {
            let named = ["namespace", "pod", "container"].iter().any(|name| path.ends_with(&format!("].{name}")));
            let known = FIELDS.iter().any(|(known, ..)| covers(known, path));
            assert!(named || known, "{path} is not documented");
        }
        for (known, ..) in FIELDS {
            assert!(found.iter().any(|path| path.starts_with(known)), "{known} is not on the page");
        }
    }

    /// The paths of all values that are no maps or lists.
    fn paths(at: &str, value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    paths(&if at.is_empty() { key.clone() } else { format!("{at}.{key}") }, value, found);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| paths(&format!("{at}[]"), item, found)),
            _ => found.push(at.to_owned()),
        }
    }
}
