//! What real stores answer, and what becomes of the lines: read back through the stores' own query interfaces, by
//! readers that share no code with the encoders.
//!
//! Every run ends with its books, as in `tests/sinks`: delivered once, or gone for a named reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};

use crate::stage::{SECOND, START, Stage, incompressible, quick};
use crate::support::stores::{OpenSearch, VictoriaLogs};
use crate::support::time;

fn sink(store: &OpenSearch, more: &str) -> String {
    format!("type: elasticsearch, url: '{}', {}", store.url(), quick(more))
}

/// A node that all tests share, without what an earlier run left of these names.
fn shared(names: &[&str]) -> OpenSearch {
    let store = OpenSearch::from_env();
    let streams = json!({ "index_patterns": ["logs-stores.*"], "priority": 500, "data_stream": {} });
    store.put_template("stores-streams", &streams);
    for name in names {
        store.delete(name);
    }
    store
}

/// How many documents each message has.
fn messages(store: &OpenSearch, index: &str) -> BTreeMap<String, usize> {
    store.refresh(index);
    let mut messages = BTreeMap::new();
    for document in store.all_documents(index) {
        let message = document.source["message"].as_str().unwrap_or("none").to_owned();
        *messages.entry(message).or_default() += 1;
    }
    messages
}

fn once<S: AsRef<str>>(lines: &[S]) -> BTreeMap<String, usize> {
    lines.iter().map(|line| (line.as_ref().to_owned(), 1)).collect()
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("line {at}")).collect()
}

#[test]
fn dated_indices_and_the_document_as_it_is_stored() {
    let store = shared(&["stores-dated-2026.11.23", "stores-dated-2026.11.24"]);
    let stage = Stage::new().top("fields: { cluster: blue }");
    let midnight = 1_795_478_400 * SECOND;
    let line = r#"{"level":"WARN","msg":"disk \"nearly\" full","free":12,"a.b":{"c":["é"]}}"#;
    stage.add_to("shop", "cart-0", midnight - 1, line);
    stage.add_to("shop", "cart-0", midnight, "plain é");
    let books = stage.run(&sink(&store, "index: 'stores-dated-%Y.%m.%d'"));
    books.assert_lines("dated", 2, 0, 0, 0);
    assert_eq!(messages(&store, "stores-dated-2026.11.24"), once(&["plain é"]));
    store.refresh("stores-dated-2026.11.23");
    let stored = store.all_documents("stores-dated-2026.11.23");
    let document = &stored[0].source;
    assert_eq!(document["@timestamp"], "2026-11-23T23:59:59.999999999Z");
    assert_eq!((&document["message"], &document["stream"]), (&json!("disk \"nearly\" full"), &json!("stdout")));
    assert_eq!((&document["log"]["level"], &document["log"]["offset"]), (&json!("warn"), &json!(0)));
    assert_eq!(document["kubernetes"]["namespace"], "shop");
    assert_eq!(document["kubernetes"]["pod"]["name"], "cart-0");
    assert_eq!(document["kubernetes"]["container"]["name"], "app");
    assert_eq!(document["labels"]["cluster"], "blue");
    assert_eq!(document["fields"], serde_json::from_str::<Value>(line).expect("JSON"));
}

#[test]
fn a_repeat_is_known_by_its_id() {
    let name = "logs-stores.repeat-default";
    let store = shared(&[name]);
    let stage = Stage::with_lines(50);
    let ids = || store.all_documents(name).into_iter().map(|document| document.id).collect::<BTreeSet<_>>();
    let mut first = None;
    for compression in ["gzip", "none"] {
        stage
            .run(&sink(&store, &format!("data_stream: {name}, compression: {compression}")))
            .assert_lines(name, 50, 0, 0, 0);
        assert_eq!(messages(&store, name), once(&numbered(50)));
        // The cursors are lost: all is read, and sent, again.
        fs::remove_dir_all(stage.place.path("state")).expect("the state is there");
        let seen = ids();
        assert_eq!(first.get_or_insert_with(|| seen.clone()), &seen);
    }
}

fn conflicts() -> Stage {
    let stage = Stage::new();
    stage.add(&[
        r#"{"msg":"1","free":12}"#,
        r#"{"msg":"2","free":"twelve \"or so\" é"}"#,
        r#"{"msg":"3","free":{"not":"a number"}}"#,
        r#"{"msg":"text","free":4}"#,
    ]);
    stage
}

fn map(store: &OpenSearch, pattern: &str, properties: &Value) {
    let mappings = json!({ "properties": properties });
    let template = json!({ "index_patterns": [pattern], "priority": 500, "template": { "mappings": mappings } });
    store.put_template(pattern, &template);
}

#[test]
fn a_mapping_conflict_is_folded() {
    let name = "stores-conflict";
    let store = shared(&[name]);
    map(&store, name, &json!({ "fields": { "properties": { "free": { "type": "long" } } } }));
    let books = conflicts().run(&sink(&store, &format!("index: {name}")));
    books.assert_lines(name, 4, 0, 0, 0);
    assert_eq!(messages(&store, name), once(&["1", "2", "3", "text"]));
    let folded: BTreeSet<String> = store
        .all_documents(name)
        .into_iter()
        .filter_map(|document| document.source["fields_text"].as_str().map(str::to_owned))
        .collect();
    let expected = [r#"{"msg":"2","free":"twelve \"or so\" é"}"#, r#"{"msg":"3","free":{"not":"a number"}}"#];
    assert_eq!(folded, expected.map(str::to_owned).into());
}

/// The message itself is what the mapping refuses, so folding does not help.
#[test]
fn what_is_still_refused_is_a_dead_letter() {
    let (name, dead) = ("stores-refused", "stores-dead-letters");
    for (to, dead_lettered) in [("", false), ("file", true), ("index", true)] {
        let store = shared(&[name, dead]);
        map(&store, name, &json!({ "message": { "type": "long" } }));
        let stage = conflicts();
        let file = stage.place.text("dead.json");
        let setting = match to {
            "file" => format!("dead_letter: {{ file: {file} }}"),
            "index" => format!("dead_letter: {{ index: {dead} }}"),
            _ => String::new(),
        };
        let books = stage.run(&sink(&store, &format!("index: {name}, {setting}")));
        books.assert_lines(to, 3, usize::from(dead_lettered), usize::from(!dead_lettered), 0);
        books.assert_says(to, &["refused events for good", "failed to parse field [message] of type [long]"]);
        assert_eq!(messages(&store, name), once(&["1", "2", "3"]), "{to}");
        let letters = stage.place.read("dead.json");
        assert_eq!(letters.lines().count(), usize::from(to == "file"), "{letters}");
        store.refresh(dead);
        let letters = store.all_documents(dead);
        assert_eq!(letters.len(), usize::from(to == "index"));
        for letter in letters {
            let original = letter.source["event"]["original"].as_str().expect("the document as it was");
            assert!(original.contains(r#""message":"text""#), "{original}");
            assert_eq!(letter.source["error"]["type"], "mapper_parsing_exception");
        }
    }
}

#[test]
fn what_is_too_large_is_split() {
    let store = OpenSearch::start_with(&["http.max_content_length=1mb"]);
    for compression in ["gzip", "none"] {
        let name = format!("stores-large-{compression}");
        let stage = Stage::new().top("memory_limit: 128MiB");
        let lines: Vec<String> = (0..300).map(|at| format!("{at} {}", "x".repeat(10_000))).collect();
        stage.add(&lines);
        let more = format!("index: {name}, compression: {compression}, batch: {{ max_bytes: 4MiB, max_age: 10s }}");
        let books = stage.run(&sink(&store, &more));
        books.assert_lines(&name, 300, 0, 0, 0);
        assert!(books.requests("split") >= 1, "a request of 3 MB is over 1 MB");
        assert_eq!(messages(&store, &name), once(&lines));
    }
}

/// Blocks that somebody set: 429 of a full disk, 403 of an administrator. Nothing is lost until they are gone.
#[test]
fn a_blocked_index_is_waited_for() {
    for (block, words) in [
        ("index.blocks.read_only_allow_delete", "read-only-allow-delete block"),
        ("index.blocks.write", "FORBIDDEN/8/index write (api)"),
    ] {
        let name = "logs-stores.blocked-default";
        let store = shared(&[name]);
        let stage = Stage::with_lines(3);
        let mut run = stage.start(&sink(&store, &format!("data_stream: {name}")));
        run.wait_for("lines_delivered_total", "", 3);
        store.put_settings(name, &json!({ block: true }));
        let mut count = 3;
        run.add(&["line 3", "line 4"], &mut count);
        run.wait_for("retries_total", "", 3);
        assert!(run.process.said().contains(words), "{}", run.process.said());
        store.put_settings(name, &json!({ block: null }));
        run.end().assert_lines(block, 5, 0, 0, 0);
        assert_eq!(messages(&store, name), once(&numbered(5)));
    }
}

/// With the right to make no index, what goes to none is refused for good: 404.
#[test]
fn an_index_that_may_not_be_made() {
    let store = OpenSearch::start_with(&["action.auto_create_index=stores-yes*"]);
    let stage = Stage::new();
    stage.add(&[r#"{"msg":"a","to":"yes"}"#, r#"{"msg":"b","to":"no"}"#]);
    let books = stage.run(&sink(&store, "index: 'stores-{fields.to}'"));
    books.assert_lines("404", 1, 0, 1, 0);
    books.assert_says("404", &["refused events for good", "no such index [stores-no]"]);
    assert_eq!(messages(&store, "stores-yes"), once(&["a"]));
}

/// A pipeline that is not there yet is a mistake of the settings, and no fault of the lines.
#[test]
fn an_ingest_pipeline() {
    let name = "stores-pipeline";
    let store = shared(&[name]);
    store.try_ask("DELETE", "/_ingest/pipeline/tailwater-test", None);
    let stage = Stage::with_lines(3);
    let mut run = stage.start(&sink(&store, &format!("index: {name}, pipeline: tailwater-test")));
    run.wait_for("retries_total", "", 2);
    assert!(run.process.said().contains("pipeline with id [tailwater-test] does not exist"), "{}", run.process.said());
    store.ask("PUT", "/_ingest/pipeline/tailwater-test", Some(&json!({ "processors": [] })));
    run.end().assert_lines(name, 3, 0, 0, 0);
    assert_eq!(messages(&store, name), once(&numbered(3)));
}

/// Adds lines until some request was refused for now, and gives all of them.
fn until_retried(stage: &Stage, sink: &str, line: impl Fn(usize) -> String, name: &str) -> usize {
    let mut run = stage.start(sink);
    let mut count = 0;
    for _ in 0..50 {
        let lines: Vec<String> = (0..400).map(|at| line(count as usize + at)).collect();
        run.add(&lines.iter().map(String::as_str).collect::<Vec<_>>(), &mut count);
        run.wait_for("lines_delivered_total", "", count);
        if run.count("retries_total", "") > 0 {
            break;
        }
    }
    assert!(run.count("retries_total", "") > 0, "{name}: the node refused nothing");
    run.end().assert_lines(name, count as usize, 0, 0, 0);
    count as usize
}

/// The whole request is refused while too much is under way: 429.
#[test]
fn indexing_pressure() {
    let store = OpenSearch::start_with(&["indexing_pressure.memory.limit=40kb"]);
    let sink = sink(&store, "index: pressure, requests_in_flight: 16, batch: { max_bytes: 16KiB, max_age: 50ms }");
    let stage = Stage::new();
    let count = until_retried(&stage, &sink, |at| format!("{at} {}", "x".repeat(1000)), "pressure");
    let stored = messages(&store, "pressure");
    assert!(stored.len() == count && stored.values().all(|copies| *copies == 1), "{} of {count}", stored.len());
}

/// A full queue refuses items of a bulk and takes others: those alone are sent again.
#[test]
fn a_full_queue() {
    let store = OpenSearch::start_with(&["thread_pool.write.size=1", "thread_pool.write.queue_size=1"]);
    let sink =
        sink(&store, "index: 'queue-{fields.n}', requests_in_flight: 8, batch: { max_bytes: 16KiB, max_age: 50ms }");
    let stage = Stage::new();
    let line = |at: usize| format!("{{\"msg\":\"{at}\",\"n\":{},\"pad\":\"{}\"}}", at % 12, "x".repeat(300));
    let count = until_retried(&stage, &sink, line, "queue");
    let stored = messages(&store, "queue-*");
    assert!(stored.len() == count && stored.values().all(|copies| *copies == 1), "{} of {count}", stored.len());
}

fn push(url: &str, test: &str, more: &str) -> String {
    let labels = if more.contains("labels:") { String::new() } else { format!("labels: {{ test: {test} }}, ") };
    format!("type: loki, url: '{url}', {labels}{}", quick(more))
}

#[test]
fn entries_as_victorialogs_reads_them() {
    let store = VictoriaLogs::from_env();
    for encoding in ["protobuf", "json"] {
        let stage = Stage::new().top("fields: { cluster: blue }");
        let lines = [r#"{"level":"WARN","msg":"a \"b\" é","trace.id":"4bf9"}"#, "plain \u{fffd} 😀\t", ""];
        for (at, line) in lines.iter().enumerate() {
            stage.add_to("shop", "cart-0", START + 123_456_789 + at as i64, line);
        }
        let test = format!("entries-{encoding}");
        let more = format!("encoding: {encoding}, structured_metadata: [stream, level, pod, fields.trace.id]");
        stage.run(&push(&store.loki_url(), &test, &more)).assert_lines(encoding, 3, 0, 0, 0);
        store.force_flush();
        let mut entries = store.query(&format!("{{test=\"{test}\"}}"));
        entries.sort_by_key(|entry| entry["_time"].as_str().and_then(time::parse_rfc3339));
        assert_eq!(entries.len(), 3, "{encoding}: {entries:?}");
        for (at, (entry, line)) in entries.iter().zip(lines).enumerate() {
            assert_eq!(entry["_msg"], line, "{encoding}");
            assert_eq!(entry["_time"], time::rfc3339(START + 123_456_789 + at as i64), "{encoding}");
            assert_eq!((&entry["stream"], &entry["pod"]), (&json!("stdout"), &json!("cart-0")), "{encoding}");
            assert_eq!(entry["_stream"], format!("{{cluster=\"blue\",test=\"{test}\"}}"), "{encoding}");
        }
        assert_eq!((&entries[0]["level"], &entries[0]["trace_id"]), (&json!("warn"), &json!("4bf9")), "{encoding}");
        assert!(entries[1]["level"].is_null() && entries[1]["trace_id"].is_null(), "{encoding}: {:?}", entries[1]);
    }
}

#[test]
fn tenants_are_numbers_in_victorialogs() {
    let store = VictoriaLogs::from_env();
    let stage = Stage::new();
    stage.add(&[r#"{"msg":"a","to":"12:3"}"#, r#"{"msg":"b","to":"7"}"#, r#"{"msg":"c","to":"12:3"}"#]);
    stage.run(&push(&store.loki_url(), "numbers", "tenant: '{fields.to}'")).assert_lines("tenants", 3, 0, 0, 0);
    store.force_flush();
    let count = |account, project| store.tenant(account, project).count("{test=\"numbers\"}");
    assert_eq!((count(12, 3), count(7, 0), count(0, 0)), (2, 1, 0));

    // A name is refused for the tenant, and not for the lines: they wait for the settings to be mended.
    let stage = Stage::with_lines(3).top("shutdown_grace: 100ms");
    let mut run = stage.start(&push(&store.loki_url(), "names", "tenant: team-a"));
    run.wait_for("requests_total", "outcome=\"held\"", 2);
    assert_eq!(run.process.terminate(), 0);
    let said = run.process.said();
    assert!(said.contains("until something is changed") && said.contains("team-a"), "{said}");
    stage.run(&push(&store.loki_url(), "names", "tenant: '31:1'")).assert_lines("mended", 3, 0, 0, 0);
    store.force_flush();
    assert_eq!(store.tenant(31, 1).count("{test=\"names\"}"), 3);
}

#[test]
fn what_is_too_big_for_victorialogs_is_split() {
    let store = VictoriaLogs::start_with(&["-loki.maxRequestSize=100KB"]);
    for encoding in ["protobuf", "json"] {
        let stage = Stage::new();
        let lines: Vec<String> = (0..60).map(|at| format!("{at} {}", incompressible(10_000))).collect();
        stage.add(&lines);
        let more = format!("encoding: {encoding}, batch: {{ max_age: 10s }}");
        let books = stage.run(&push(&store.loki_url(), encoding, &more));
        books.assert_lines(encoding, 60, 0, 0, 0);
        assert!(books.requests("split") >= 1, "{encoding}: 600 KB are over 100 KB");
        store.force_flush();
        let entries = store.query(&format!("{{test=\"{encoding}\"}}"));
        let stored: BTreeSet<&str> = entries.iter().filter_map(|entry| entry["_msg"].as_str()).collect();
        assert_eq!((entries.len(), stored), (60, lines.iter().map(String::as_str).collect()), "{encoding}");
    }
}

/// A full disk makes it read-only: 429. The lines stay in their files, and another start finds them.
#[test]
fn a_full_victorialogs_is_waited_for() {
    let full = VictoriaLogs::start_with(&["-storage.minFreeDiskSpaceBytes=1000000GB"]);
    let stage = Stage::with_lines(5).top("shutdown_grace: 100ms");
    let mut run = stage.start(&push(&full.loki_url(), "full", ""));
    run.wait_for("requests_total", "outcome=\"retry\"", 3);
    assert!(run.process.said().contains("they are kept and sent again"), "{}", run.process.said());
    assert_eq!(run.process.terminate(), 0);
    let store = full.restart("TERM", &[]);
    stage.run(&push(&store.loki_url(), "full", "")).assert_lines("space again", 5, 0, 0, 0);
    store.force_flush();
    let entries = store.query("{test=\"full\"}");
    let stored: BTreeSet<&str> = entries.iter().filter_map(|entry| entry["_msg"].as_str()).collect();
    assert_eq!((entries.len(), stored), (5, numbered(5).iter().map(String::as_str).collect()));
}
