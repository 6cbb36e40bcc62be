//! Transforms end to end: what stores get, under whose name the rest is counted, and what a restart makes of it.

use serde_json::{Value, json};

use crate::scenario::PATIENCE;
use crate::stage::{NOW, START, Stage, quick};
use crate::support::doubles::elasticsearch::Elasticsearch;
use crate::support::doubles::loki::Loki;
use crate::support::http;

const HEALTH: &str = r#"{"level":"info","path":"/health","status":200}"#;
const FAILED: &str = r#"{"level":"error","path":"/pay","status":503}"#;

/// A line of each kind, and none that an order of a text and a number could be asked of but one.
fn lines() -> Vec<String> {
    let mut lines: Vec<String> =
        [HEALTH, FAILED, r#"{"level":"debug","path":"/x","status":"none"}"#].map(Into::into).into();
    lines.extend(["plain text".to_owned(), "level=warn status=404 path=/y".to_owned(), HEALTH.to_owned()]);
    lines
}

fn loki(store: &Loki, more: &str) -> String {
    format!("type: loki, url: '{}', {}", store.url(), quick(more))
}

fn stored(store: &Loki) -> Vec<String> {
    store.look(|state| {
        let mut stored: Vec<_> = state.entries().map(|(.., time, entry)| (time, entry.line.clone())).collect();
        stored.sort();
        stored.into_iter().map(|(_, line)| line).collect()
    })
}

fn status(admin: &str) -> Value {
    let answer = http::request("GET", admin, "/status", &[], b"").and_then(http::Response::success);
    serde_json::from_str(&answer.and_then(http::Response::text).expect("/status answers")).expect("JSON")
}

/// In order: those at the top before the sink's own, each line under the first that leaves it out.
#[test]
fn what_is_left_out_is_counted_under_its_name() {
    let store = Loki::start_at(NOW);
    let stage = Stage::new().top(
        r#"transforms:
  health: { drop: fields.path == "/health" }
  grave: { keep: level == null || level >= info }"#,
    );
    stage.add(&lines());
    let own = "transforms: { client: { drop: 'fields.status < 500' } }";
    let mut run = stage.start(&loki(&store, own));
    run.wait_for("lines_filtered_total", "", 4);
    run.wait_for("lines_delivered_total", "", 2);
    let page = status(&run.process.admin());
    let pipeline = &page["pipelines"][0];
    let bytes = |line: &str| line.len() as u64 + "2026-11-23T08:50:48Z stdout F \n".len() as u64;
    assert_eq!(
        pipeline["filtered"],
        json!({
            "health": { "lines": 2, "bytes": 2 * bytes(HEALTH), "errors": 0 },
            "grave": { "lines": 1, "bytes": bytes(&lines()[2]), "errors": 0 },
            "client": { "lines": 1, "bytes": bytes(&lines()[4]), "errors": 0 },
        })
    );
    for of in [&pipeline["lines"], &pipeline["workloads"][0]["lines"]] {
        assert_eq!((&of["read"], &of["delivered"], &of["filtered"]), (&json!(6), &json!(2), &json!(4)), "{pipeline:#}");
    }
    let books = run.end();
    assert_eq!(books.of("lines_filtered_total", "rule=\"health\""), 2);
    assert_eq!(books.of("bytes_filtered_total", "rule=\"client\""), bytes(&lines()[4]));
    assert_eq!(books.of("transform_errors_total", ""), 0);
    assert_eq!(stored(&store), [FAILED, "plain text"]);
}

#[test]
fn a_wrong_question_is_counted_and_does_not_hold() {
    let store = Loki::start_at(NOW);
    let stage = Stage::new();
    stage.add(&lines());
    let own = "transforms: { a: { drop: 'fields.status < 500' }, b: { keep: 'fields.status >= 500' } }";
    let books = stage.run(&loki(&store, own));
    assert_eq!(books.of("transform_errors_total", "rule=\"a\""), 1);
    assert_eq!(books.of("transform_errors_total", "rule=\"b\""), 1);
    assert_eq!(
        (books.of("lines_filtered_total", "rule=\"a\""), books.of("lines_filtered_total", "rule=\"b\"")),
        (3, 2)
    );
    assert_eq!(stored(&store), [FAILED]);
}

/// Secrets are gone before a condition sees the line, those by name too.
#[test]
fn conditions_see_what_redaction_leaves() {
    let store = Loki::start_at(NOW);
    let stage = Stage::new().top("redact: { presets: [email], fields: password }");
    stage.add(&["from a@example.com", "password=hunter2-hunter2 n=1", "other"]);
    let own = "transforms: { mail: { drop: line.contains('redacted:email') }, \
               word: { drop: 'fields.password == \"[redacted:field]\"' } }";
    let books = stage.run(&loki(&store, own));
    assert_eq!(
        (books.of("lines_filtered_total", "rule=\"mail\""), books.of("lines_filtered_total", "rule=\"word\"")),
        (1, 1)
    );
    assert_eq!(stored(&store), ["other"]);
}

/// A route is a `keep` on each sink.
#[test]
fn the_same_lines_by_two_sinks() {
    let (errors, all) = (Elasticsearch::start(), Loki::start_at(NOW));
    let stage = Stage::new();
    stage.add(&lines());
    let more = format!(
        "type: elasticsearch, url: '{}', data_stream: logs-a-b, transforms: {{ errors: {{ keep: level >= error }} }}, {} }}, \
         loki: {{ {}",
        errors.url(),
        quick(""),
        loki(&all, "transforms: { rest: { keep: '!(level >= error)' } }"),
    );
    let mut run = stage.start(&more);
    run.wait_for("lines_read_total", "", 12);
    run.wait_for("lines_delivered_total", "", 5);
    run.process.kill();
    errors.look(|state| assert_eq!(state.documents("logs-a-b").len(), 1));
    // Of the line without a level nothing can be said: `level < error` of it is not known, so neither is its opposite.
    assert_eq!(stored(&all).len(), 4);
}

/// Killed while lines are left out, in flight and delivered: the next process goes on where it was.
#[test]
fn a_restart_neither_loses_nor_repeats() {
    let store = Elasticsearch::start();
    let stage = Stage::new();
    let line = |at: usize| format!("{{\"n\":{at}}}");
    stage.add(&(0..500).map(line).collect::<Vec<_>>());
    let sink = format!(
        "type: elasticsearch, url: '{}', data_stream: logs-a-b, transforms: {{ odd: {{ drop: fields.n % 2 == 1 }} }}, {}",
        store.url(),
        quick("batch: { max_bytes: 16KiB, max_age: 20ms }")
    );
    let mut run = stage.start(&sink);
    run.wait_for("lines_filtered_total", "", 100);
    run.process.kill();
    stage.add(&(500..1000).map(line).collect::<Vec<_>>());
    let mut run = stage.start(&sink);
    let admin = run.process.admin();
    let documents = || store.look(|state| state.documents("logs-a-b").len());
    run.process.wait_until("all documents", PATIENCE, || documents() >= 500);
    run.process.wait_until("nothing in flight", PATIENCE, || status(&admin)["pipelines"][0]["lag"]["bytes"] == 0);
    assert_eq!(run.process.terminate(), 0);
    store.look(|state| {
        let mut numbers: Vec<_> =
            state.documents("logs-a-b").iter().map(|document| document.json()["fields"]["n"].as_u64()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..1000).step_by(2).map(Some).collect::<Vec<_>>());
    });
}

/// Nothing is sent, so no answer of a store moves a cursor; it is written all the same.
#[test]
fn where_all_is_left_out_the_cursor_moves() {
    let store = Loki::start_at(NOW);
    let stage = Stage::with_lines(300);
    let sink = loki(&store, "transforms: { all: { drop: 'true' } }");
    let mut run = stage.start(&sink);
    run.wait_for("lines_filtered_total", "rule=\"all\"", 300);
    let admin = run.process.admin();
    run.process.wait_until("a cursor is written", PATIENCE, || {
        let page = http::request("GET", &admin, "/metrics", &[], b"").and_then(http::Response::text);
        // The first write says which file it is.
        page.unwrap_or_default().lines().any(|line| {
            line.strip_prefix("tailwater_checkpoint_writes_total ")
                .is_some_and(|count| count.parse::<u64>().is_ok_and(|count| count > 1))
        })
    });
    run.process.kill();
    stage.add_to("shop", "cart-0", START + 300 * 1_000_000_000, "one more");
    let mut run = stage.start(&sink);
    run.wait_for("lines_filtered_total", "rule=\"all\"", 1);
    let page = run.page();
    assert_eq!(run.process.terminate(), 0);
    assert!(page.contains("tailwater_lines_read_total{pipeline=\"store\"} 1\n"), "{page}");
    assert_eq!(stored(&store), Vec::<String>::new());
}

/// The table of docs/shaping.md, end to end: what is in its last column is what Loki stores.
#[test]
fn what_the_page_on_shaping_shows() {
    let page = include_str!("../../docs/shaping.md");
    let (head, table) = page.split_once("becomes |\n").expect("a table");
    let line = head.rsplit('`').nth(1).expect("a line");
    let mut tried = 0;
    for row in table.lines().skip(1).take_while(|row| row.starts_with('|')) {
        let cells: Vec<&str> = row.split('`').collect();
        let (transform, expected) = (cells[1], cells[cells.len() - 2]);
        let store = Loki::start_at(NOW);
        let stage = Stage::new().top(&format!("transforms:\n  x:\n    {transform}"));
        stage.add(&[line]);
        stage.run(&loki(&store, "")).assert_lines(transform, 1, 0, 0, 0);
        assert_eq!(stored(&store), [expected], "{transform}");
        tried += 1;
    }
    assert_eq!(tried, 6);
}

/// Shapes come in one order with conditions; each sink has its own behind those at the top.
#[test]
fn shapes_and_conditions_in_one_order() {
    let (search, logs) = (Elasticsearch::start(), Loki::start_at(NOW));
    let stage = Stage::new().top(
        r#"transforms:
  names: { rename: { status: http.status } }
  fine: { drop: fields.http.status < 400 }
  where: { set: { where: "{namespace}/{pod}" } }"#,
    );
    stage.add(&lines());
    let more = format!(
        "type: elasticsearch, url: '{}', data_stream: logs-a-b, transforms: {{ few: {{ keep_only: [http, where] }} }}, {} }}, \
         loki: {{ {}",
        search.url(),
        quick(""),
        loki(&logs, "transforms: { structured: { keep: has(fields.path) } }"),
    );
    let mut run = stage.start(&more);
    run.wait_for("lines_read_total", "", 12);
    run.wait_for("lines_delivered_total", "", 7);
    run.process.kill();
    search.look(|state| {
        let mut fields: Vec<_> =
            state.documents("logs-a-b").iter().map(|document| document.json()["fields"].to_string()).collect();
        fields.sort();
        let at = r#""where":"shop/cart-0""#;
        let expected = [
            format!(r#"{{"http":{{"status":"404"}},{at}}}"#),
            format!(r#"{{"http":{{"status":"none"}},{at}}}"#),
            format!(r#"{{"http":{{"status":503}},{at}}}"#),
            format!("{{{at}}}"),
        ];
        assert_eq!(fields, expected);
        // A text stays the message, however often its fields change.
        let is_text = |message: &Value| message == "plain text";
        assert_eq!(
            state.documents("logs-a-b").iter().filter(|document| is_text(&document.json()["message"])).count(),
            1
        );
    });
    let failed = r#"{"level":"error","path":"/pay","http":{"status":503},"where":"shop/cart-0"}"#;
    assert_eq!(stored(&logs)[0], failed);
    assert_eq!(stored(&logs).len(), 3);
}

/// A text inside of a line, at the top and on a sink; what the one makes the other sees. What cannot be parsed stays and is counted.
#[test]
fn texts_are_parsed() {
    let (search, logs) = (Elasticsearch::start(), Loki::start_at(NOW));
    let stage = Stage::new().top(
        r#"transforms:
  inner: { parse: { field: text, as: logfmt, types: { took: duration }, into: text } }
  slow: { keep: '!has(fields.text.took) || fields.text.took > 0.5' }"#,
    );
    stage.add(&[
        r#"{"text":"took=2s level=warn req=\"GET /a HTTP/1.1\"","n":1}"#,
        r#"{"text":"took=2ms","n":2}"#,
        r#"{"text":"no pairs","n":3}"#,
        "plain text",
    ]);
    let more = format!(
        "type: elasticsearch, url: '{}', data_stream: logs-a-b, {} }}, loki: {{ {}",
        search.url(),
        quick(""),
        loki(&logs, r"transforms: { path: { parse: { field: text.req, regex: '^\w+ (?<path>\S+)' } } }"),
    );
    let mut run = stage.start(&more);
    run.wait_for("lines_delivered_total", "", 6);
    run.wait_for("lines_filtered_total", "rule=\"slow\"", 2);
    let page = status(&run.process.admin());
    run.process.kill();
    for pipeline in page["pipelines"].as_array().expect("pipelines") {
        assert_eq!(pipeline["filtered"]["inner"]["errors"], 1, "{page:#}");
        // A field that is not there is none that cannot be parsed.
        assert_eq!(pipeline["filtered"]["path"]["errors"].as_u64().unwrap_or(0), 0, "{page:#}");
    }
    search.look(|state| {
        let documents: Vec<Value> = state.documents("logs-a-b").iter().map(|document| document.json()).collect();
        let of = |n: u64| documents.iter().find(|document| document["fields"]["n"] == n).expect("a document");
        assert_eq!(of(1)["fields"]["text"], json!({ "took": 2.0, "level": "warn", "req": "GET /a HTTP/1.1" }));
        assert_eq!((&of(1)["log"]["level"], &of(3)["fields"]["text"]), (&json!("warn"), &json!("no pairs")));
    });
    assert_eq!(
        stored(&logs),
        [
            r#"{"text":{"took":2.0,"level":"warn","req":"GET /a HTTP/1.1"},"n":1,"path":"/a"}"#,
            r#"{"text":"no pairs","n":3}"#,
            "plain text"
        ]
    );
}

/// Read again by a process that knows nothing of the first, the same lines go on.
#[test]
fn a_sample_is_the_same_when_it_is_read_again() {
    let store = Elasticsearch::start();
    let stage = Stage::new();
    stage.add(&(0..200).map(|at| format!("{{\"n\":{at},\"trace\":{}}}", at / 10)).collect::<Vec<_>>());
    let sink = format!(
        "type: elasticsearch, url: '{}', data_stream: logs-a-b, transforms: {{ some: {{ sample: {{ rate: 0.5, by: '{{fields.trace}}' }} }} }}, {}",
        store.url(),
        quick("")
    );
    let numbers = || {
        let all = store.look(|state| {
            let documents = state.documents("logs-a-b");
            documents.iter().map(|document| document.json()["fields"]["n"].as_u64()).collect::<Vec<_>>()
        });
        all.into_iter().flatten().collect::<std::collections::BTreeSet<_>>()
    };
    let books = stage.run(&sink);
    let first = numbers();
    assert!(first.len() > 20 && first.len() < 180 && first.len() % 10 == 0, "{} lines", first.len());
    assert_eq!(books.of("lines_filtered_total", "rule=\"some\"") as usize, 200 - first.len());
    stage.place.rename("state", "forgotten");
    stage.run(&sink);
    assert_eq!(numbers(), first);
}
