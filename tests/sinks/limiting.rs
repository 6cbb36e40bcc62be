//! Transforms that remember, end to end: what stores get of them, what is counted, and what is said before the end.

use std::ffi::OsStr;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::scenario::{PATIENCE, Place, Tailwater};
use crate::stage::{NOW, START, Stage, quick};
use crate::support::doubles::elasticsearch::Elasticsearch;
use crate::support::doubles::loki::Loki;
use crate::support::doubles::{Mode, Step};
use crate::support::http;

const MILLI: i64 = 1_000_000;

fn stored(store: &Loki) -> Vec<String> {
    store.look(|state| {
        let mut stored: Vec<_> = state.entries().map(|(.., time, entry)| (time, entry.line.clone())).collect();
        stored.sort();
        stored.into_iter().map(|(_, line)| line).collect()
    })
}

/// Two containers: one shouts for two seconds, a hundred lines each, among what the other whispers.
fn shout(stage: &Stage) {
    for at in 0..200 {
        stage.add_to("shop", "loud-0", START + at * 10 * MILLI, &format!("loud {at}"));
        if at % 50 == 0 {
            stage.add_to("shop", "calm-0", START + at * 10 * MILLI, &format!("calm {at}"));
        }
    }
}

/// By the lines' time, though all is read at once: the burst, then the rate; the rest is counted and told of, each container for itself.
#[test]
fn what_is_over_the_limit_is_counted_and_told_of() {
    let store = Loki::start_at(NOW);
    let stage = Stage::new();
    shout(&stage);
    let own = "transforms: { calm: { limit: { lines_per_second: 10, burst: 20 } } }";
    let books = stage.run(&format!("type: loki, url: '{}', {}", store.url(), quick(own)));
    // 20 at once, and 10 for each of 1.99 seconds.
    let on = 20 + 19;
    assert_eq!(books.of("lines_filtered_total", "rule=\"calm\""), 200 - on);
    assert_eq!(books.of("lines_delivered_total", ""), on + 4);
    let lines = stored(&store);
    assert_eq!(lines.iter().filter(|line| line.starts_with("calm ")).count(), 4);
    let said: Vec<_> = lines.iter().filter(|line| line.contains("left out")).collect();
    let [said] = said[..] else { panic!("one summary line: {said:?}") };
    let bytes = books.of("bytes_filtered_total", "rule=\"calm\"");
    assert!(
        said.starts_with(&format!("161 lines ({bytes} bytes) of `shop/loud-0/app` were left out within 1.8s: "))
            && said.ends_with(" more than 10 lines a second, the limit `calm`"),
        "{said}"
    );
    assert_eq!(lines.len(), 39 + 4 + 1);
}

/// A document like any other: an id, a place in the log, and fields for programs.
#[test]
fn a_summary_is_a_document() {
    let store = Elasticsearch::start();
    let stage = Stage::new();
    shout(&stage);
    let own = "data_stream: logs-a-b, transforms: { own: { limit: { bytes_per_second: 1KiB, burst: 1KiB, by: [pod], when: \"kubernetes.pod == 'loud-0'\" } } }";
    let books = stage.run(&format!("type: elasticsearch, url: '{}', {}", store.url(), quick(own)));
    let left_out = books.of("lines_filtered_total", "rule=\"own\"");
    assert!(left_out > 100, "{left_out} lines");
    store.look(|state| {
        let documents: Vec<Value> = state.documents("logs-a-b").iter().map(|document| document.json()).collect();
        assert_eq!(documents.len() as u64, 204 - left_out + 1);
        let said: Vec<_> = documents.iter().filter(|document| document["fields"]["tailwater"].is_object()).collect();
        let [said] = said[..] else { panic!("one summary line: {said:?}") };
        let of = &said["fields"]["tailwater"];
        assert_eq!((&of["limit"], &of["key"], &of["lines"]), (&json!("own"), &json!("loud-0"), &json!(left_out)));
        assert_eq!((&said["log"]["level"], &said["kubernetes"]["pod"]["name"]), (&json!("warn"), &json!("loud-0")));
        assert_eq!(said["@timestamp"], of["to"]);
    });
}

/// Nothing follows what was left out, and the end comes: it is told of all the same.
#[test]
fn what_was_left_out_is_told_of_before_the_end() {
    let store = Loki::start_at(NOW);
    let stage = Stage::new();
    shout(&stage);
    let own = "transforms: { calm: { limit: { lines_per_second: 10, summary_every: 1h } } }";
    let mut run = stage.start(&format!("type: loki, url: '{}', {}", store.url(), quick(own)));
    run.wait_for("lines_filtered_total", "rule=\"calm\"", 81);
    run.wait_for("lines_delivered_total", "", 123);
    assert!(stored(&store).iter().all(|line| !line.contains("left out")), "an hour has not passed");
    assert_eq!(run.process.terminate(), 0);
    assert_eq!(stored(&store).iter().filter(|line| line.starts_with("81 lines (")).count(), 1);
}

/// By the clock, where no more lines come.
#[test]
fn what_was_left_out_is_told_of_after_a_while() {
    let store = Loki::start_at(NOW);
    let stage = Stage::new();
    shout(&stage);
    let own = "transforms: { calm: { limit: { lines_per_second: 10, summary_every: 1s } } }";
    let mut run = stage.start(&format!("type: loki, url: '{}', {}", store.url(), quick(own)));
    let said = || stored(&store).iter().any(|line| line.contains(" of `shop/loud-0/app` were left out"));
    run.process.wait_until("a summary line", PATIENCE, said);
    assert_eq!(run.process.terminate(), 0);
}

/// A store that takes nothing, and the end: then the log says it, whether it waited in a batch or for one.
#[test]
fn what_no_store_could_be_told_is_said() {
    let stage = Stage::new().top("shutdown_grace: 100ms");
    shout(&stage);
    let own = "transforms: { calm: { limit: { lines_per_second: 10, summary_every: 1h } } }";
    let mut run = stage.start(&format!("type: loki, url: 'http://127.0.0.1:1', {}", quick(own)));
    run.wait_for("lines_filtered_total", "rule=\"calm\"", 81);
    assert_eq!(run.process.terminate(), 0);
    let log = run.process.said();
    let said = log.lines().find(|line| line.contains("the end came before the store could be told how many"));
    assert!(said.is_some_and(|said| said.contains("\"lines\":81,")), "{log}");
}

/// What is unanswered when the sink's settings change is sent again, as lines are.
#[test]
fn what_is_unanswered_at_a_change_of_settings_is_told_again() {
    let store = Loki::start_at(NOW);
    store.set_mode(Mode::Always(Step::NeverAnswer));
    let stage = Stage::new().top("shutdown_grace: 100ms");
    shout(&stage);
    let own = "transforms: { calm: { limit: { lines_per_second: 10, summary_every: 1h } } }";
    let sink = format!("type: loki, url: '{}', {}", store.url(), quick(own));
    let mut run = stage.start(&sink);
    run.wait_for("lines_filtered_total", "rule=\"calm\"", 81);
    stage.settings(&sink.replace("transforms:", "labels: { job: other }, transforms:"));
    run.process.signal(Signal::HUP);
    run.wait_for("reloads_total", "applied", 1);
    store.recover();
    let said = || stored(&store).iter().filter(|line| line.starts_with("81 lines (")).count() == 1;
    run.process.wait_until("it is told", PATIENCE, said);
    assert_eq!(run.process.terminate(), 0);
}

/// On `/metrics`, with the sink's name, of what other transforms have left; over a change of settings counts go on.
#[test]
fn lines_become_metrics() {
    let store = Loki::start_at(NOW);
    let stage = Stage::new();
    let line =
        |at: u64| format!("{{\"status\":{},\"took\":{}.5}}", if at.is_multiple_of(10) { 500 } else { 200 }, at % 3);
    stage.add(&(0..30).map(line).collect::<Vec<_>>());
    let own = "transforms: { fine: { drop: 'fields.took > 2.0' }, numbers: { metrics: { \
               app_requests_total: { help: \"Requests \\\\ all.\", labels: { status: '{fields.status}', pod: '{pod}' } }, \
               app_seconds: { value: fields.took, buckets: [1, 2], when: fields.status == 200 }, \
               app_wrong_total: { value: fields.nothing } } } }";
    let sink = format!("type: loki, url: '{}', {}", store.url(), quick(own));
    let mut run = stage.start(&sink);
    run.wait_for("lines_delivered_total", "", 20);
    let series =
        |page: &str| -> Vec<String> { page.lines().filter(|line| line.contains("app_")).map(str::to_owned).collect() };
    // Of 0, 1, … 29 those that leave 2 when divided by 3 are left out; 0, 10 and 0 + 10 of the rest are failures.
    let expected = [
        "# HELP app_requests_total Requests \\\\ all.",
        "# TYPE app_requests_total counter",
        "app_requests_total{pipeline=\"store\",status=\"200\",pod=\"cart-0\"} 18",
        "app_requests_total{pipeline=\"store\",status=\"500\",pod=\"cart-0\"} 2",
        "# HELP app_seconds app_seconds",
        "# TYPE app_seconds histogram",
        "app_seconds_bucket{pipeline=\"store\",le=\"1\"} 9",
        "app_seconds_bucket{pipeline=\"store\",le=\"2\"} 18",
        "app_seconds_bucket{pipeline=\"store\",le=\"+Inf\"} 18",
        "app_seconds_sum{pipeline=\"store\"} 18",
        "app_seconds_count{pipeline=\"store\"} 18",
        "# HELP app_wrong_total app_wrong_total",
        "# TYPE app_wrong_total counter",
    ];
    assert_eq!(series(&run.page()), expected);
    stage.settings(&sink.replace("transforms:", "labels: { job: other }, transforms:"));
    run.process.signal(Signal::HUP);
    run.wait_for("reloads_total", "applied", 1);
    assert_eq!(series(&run.page()), expected);
    // By other workers, too; they show themselves a moment later.
    stage.settings(&sink.replace("transforms:", "workers: 2, transforms:"));
    run.process.signal(Signal::HUP);
    run.wait_for("reloads_total", "applied", 2);
    let admin = run.process.admin();
    run.process.wait_until("the counts are back", PATIENCE, || {
        let answer = http::request("GET", &admin, "/metrics", &[], b"").and_then(http::Response::success);
        answer.and_then(http::Response::text).is_ok_and(|page| series(&page) == expected)
    });
    assert_eq!(run.process.terminate(), 0);
}

/// Labels with too many values are counted in one series, and that is said once.
#[test]
fn too_many_series_are_one() {
    let store = Loki::start_at(NOW);
    let stage = Stage::with_lines(50);
    let own = "transforms: { numbers: { metrics: { app_lines_total: { max_series: 3, labels: { level: '{level}', path: '{path}' } }, \
               app_ids_total: { max_series: 3, labels: { id: '{fields.n}' } } } } }";
    stage.add(&(0..50).map(|n| format!("n={n} a=b")).collect::<Vec<_>>());
    let mut run = stage.start(&format!("type: loki, url: '{}', {}", store.url(), quick(own)));
    run.wait_for("lines_delivered_total", "", 100);
    let page = run.page();
    assert!(page.contains("app_ids_total{pipeline=\"store\",id=\"_other\"} 48\n"), "{page}");
    assert_eq!(page.matches("\napp_ids_total{").count(), 4);
    assert_eq!(page.matches("\napp_lines_total{").count(), 1);
    assert_eq!(run.process.terminate(), 0);
    assert_eq!(run.process.said().matches("meets more labels than `max_series`").count(), 1);
}

/// The first goes on at once; what repeats it is counted, and told of in front of what follows, in syslog's words.
#[test]
fn repeats_are_one_line_and_a_count() {
    let store = Elasticsearch::start();
    let stage = Stage::new();
    let line = |text: &str| format!("{{\"level\":\"error\",\"msg\":\"{text}\",\"at\":{}}}", text.len());
    let lines = ["retry", "retry", "retry", "retry", "done", "retry"].map(line);
    stage.add(&lines);
    stage.add_to("shop", "other-0", START, &lines[0]);
    let own = "data_stream: logs-a-b, transforms: { again: { dedupe: {} } }";
    let books = stage.run(&format!("type: elasticsearch, url: '{}', {}", store.url(), quick(own)));
    assert_eq!((books.of("lines_filtered_total", "rule=\"again\""), books.of("lines_delivered_total", "")), (3, 4));
    store.look(|state| {
        let mut documents: Vec<Value> = state.documents("logs-a-b").iter().map(|document| document.json()).collect();
        documents.retain(|document| document["kubernetes"]["pod"]["name"] == "cart-0");
        documents.sort_by_key(|document| document["@timestamp"].to_string());
        let messages: Vec<_> = documents.iter().map(|document| document["message"].as_str().expect("a text")).collect();
        assert_eq!(messages, ["retry", "message repeated 3 times: [retry]", "done", "retry"]);
        let told = &documents[1];
        assert_eq!(
            told["fields"],
            json!({ "tailwater": { "dedupe": "again", "repeated": 3, "lines": 3, "from": "2026-11-23T08:50:48Z", "to": "2026-11-23T08:50:51Z" } })
        );
        assert_eq!(told["log"]["level"], "error");
    });
}

/// In the order of the lines where the store keeps that: what is told stands before what ends the fold.
#[test]
fn what_is_told_stands_in_its_place() {
    let place = Place::new();
    let file = place.write("lines.log", "a\na\na\nb\nb\nc\n");
    let settings = place.write(
        "t.yaml",
        "sources: { pipe: { type: stdin } }\nsinks: { out: { type: stdout, format: json, transforms: { again: { dedupe: {} } } } }\n",
    );
    let arguments = [OsStr::new("run"), OsStr::new("--config"), settings.as_os_str()];
    assert_eq!(Tailwater::with(&place, arguments).stdin(&file).run(), 0, "{}", place.read("log"));
    let out = place.read("stdout");
    let messages: Vec<Value> =
        out.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["message"].clone()).collect();
    let expected = ["a", "message repeated 2 times: [a]", "b", "message repeated 1 time: [b]", "c"];
    assert_eq!(messages, expected);
}

/// Eight containers of a sink with two workers (one, where there is one CPU), each with a hundred lines at once, every other one a repeat:
/// its own limit and its own repeats are what they are with one worker; a limit that they share is each worker's; metrics are the sum.
#[test]
fn two_workers() {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let stage = Stage::new();
    for at in 0..100 {
        for pod in 0..8 {
            stage.add_to("shop", &format!("pod-{pod}"), START + at * MILLI, &format!("line {}", at / 2));
        }
    }
    let metrics = "numbers: { metrics: { app_lines_total: { labels: { pod: '{pod}' } } } }";
    let run = |transform: &str| {
        let store = Elasticsearch::start();
        let own = format!("workers: 2, data_stream: logs-a-b, transforms: {{ {metrics}, it: {transform} }}");
        let books = stage.run(&format!("type: elasticsearch, url: '{}', {}", store.url(), quick(&own)));
        stage.place.rename("state", &format!("state of {}", transform.len()));
        for pod in 0..8 {
            let series = format!("\napp_lines_total{{pipeline=\"store\",pod=\"pod-{pod}\"}} 100\n");
            assert!(books.page.contains(&series), "{}", books.page);
        }
        800 - books.of("lines_filtered_total", "rule=\"it\"")
    };
    assert_eq!(run("{ limit: { lines_per_second: 1, burst: 10 } }"), 80);
    assert_eq!(run("{ dedupe: {} }"), 400);
    let shared = run("{ limit: { lines_per_second: 1, burst: 10, by: [namespace] } }");
    assert!((10..=10 * cpus.min(2)).contains(&shared), "{shared} lines");
}
