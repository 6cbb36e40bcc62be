//! The settings file that people are shown first, with all its keys, run as it is.

use std::collections::BTreeMap;
use std::io::Write as _;

use serde_json::Value;

use crate::scenario::{PATIENCE, Tailwater};
use crate::stage::{NOW, SECOND, START, Stage};
use crate::support::doubles::elasticsearch::Elasticsearch;
use crate::support::doubles::loki::Loki;

/// Every key of the example is in here; paths and addresses are the test's, and stand in variables.
const SETTINGS: &str = r#"
memory_limit: 64MiB             # everything in flight, over all sinks
admin: { listen: 127.0.0.1:0 }
sources:
  pods:    { type: kubernetes, path: "${ROOT}/pods", exclude_namespaces: [kube-system] }
  nginx:   { type: file, include: ["${ROOT}/nginx/*.log"], exclude: ["*.gz", "debug.*"], format: auto, start_at: beginning }
  pipe:    { type: stdin }
parse: auto
sinks:
  loki:
    type: loki
    url: ${LOKI}
    sources: [pods]
    tenant: ${TENANT:-team-a}
    labels: { namespace: "{namespace}", pod: "{pod}", app: "{app}", container: "{container}" }
    structured_metadata: [stream, level]
    headers: { X-Team: a }
    batch: { max_bytes: 1MiB, max_age: 1s }
    retry: { min: 250ms, max: 30s, give_up_after: never }
  search:
    type: elasticsearch
    url: ${SEARCH}
    data_stream: logs-kubernetes.container_logs-default
    compression: gzip
    auth: { basic: { username: me, password_file: "${ROOT}/password" } }
  out: { type: stdout, format: json }
  nowhere: { type: "null" }
"#;

#[test]
fn the_example_of_all_keys() {
    let (push, bulk) = (Loki::start_at(NOW), Elasticsearch::start());
    bulk.change(|store| store.authorization = Some("Basic bWU6b3BlbiBzZXNhbWU=".to_owned()));
    let stage = Stage::new();
    stage.add_to("shop", "cart-7c9d8f6b5-x2x4k", START, r#"{"level":"WARN","msg":"disk"}"#);
    stage.add_to("shop", "cart-7c9d8f6b5-x2x4k", START + SECOND, "plain");
    stage.add_to("kube-system", "dns-0", START, "left out");
    stage.place.write("nginx/access.log", "GET /\nlevel=info msg=hello\n");
    stage.place.write("nginx/debug.log", "left out\n");
    stage.place.write("nginx/access.log.gz", "left out\n");
    stage.place.write("password", "open sesame\n");
    let file = stage.place.settings(SETTINGS);
    let file = file.to_str().expect("a path of text");
    let start = |command| {
        let start = Tailwater::with(&stage.place, [command, "--config", file]);
        let start = start.variable("ROOT", &stage.place.text("")).variable("LOKI", &push.url());
        start.variable("SEARCH", &bulk.url())
    };
    let mut process = start("run").piped().start();
    let mut stdin = process.stdin();
    stdin.write_all(b"from the pipe\n").expect("the pipe is read");
    drop(stdin);

    // Each sink's lines: pods have two, nginx two, the pipe one.
    process.metrics();
    let wanted = [("loki", 2), ("search", 5), ("out", 5), ("nowhere", 5)];
    let admin = process.admin();
    process.wait_until("all is delivered", PATIENCE, || {
        let metrics = crate::scenario::process::Metrics::of(&admin);
        wanted.iter().all(|(sink, count)| metrics.of_pipeline("lines_delivered_total", sink) >= *count)
    });
    for (sink, count) in wanted {
        let metrics = process.metrics();
        metrics.assert_accounted(sink);
        assert_eq!(metrics.of_pipeline("lines_delivered_total", sink), count, "{sink}");
    }
    assert_eq!(process.terminate(), 0);

    push.look(|state| {
        let stored: Vec<_> = state
            .entries()
            .map(|(tenant, stream, _, entry)| {
                let labels: Vec<&str> = stream.labels.values().map(String::as_str).collect();
                (tenant, labels.join(" "), entry.line.as_str(), entry.metadata.len())
            })
            .collect();
        let labels = "cart app shop cart-7c9d8f6b5-x2x4k".to_owned();
        let json = r#"{"level":"WARN","msg":"disk"}"#;
        assert_eq!(stored, [("team-a", labels.clone(), json, 2), ("team-a", labels, "plain", 1)]);
        assert!(state.seen.iter().all(|seen| seen.request.header("x-team") == Some("a")));
    });
    let messages = ["GET /", "disk", "from the pipe", "hello", "plain"];
    let once: BTreeMap<String, usize> = messages.iter().map(|message| ((*message).to_owned(), 1)).collect();
    let count = |events: Vec<Value>| {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for event in events {
            *seen.entry(event["message"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        seen
    };
    let stream = "logs-kubernetes.container_logs-default";
    assert_eq!(
        count(bulk.look(|state| state.documents(stream).iter().map(|document| document.json()).collect())),
        once
    );
    bulk.look(|state| assert!(state.seen.iter().all(|seen| seen.request.header("content-encoding") == Some("gzip"))));
    let printed = stage.place.read("stdout");
    assert_eq!(count(printed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()), once);
    let checked = start("check").run();
    assert_eq!(checked, 0);
    let shown = stage.place.read("stdout");
    assert!(shown.contains("tenant: team-a") && !shown.contains("open sesame"), "{shown}");
    assert!(!process.log().contains("open sesame"));
}
