//! The readers against the real stores, without the product: what is put in by hand is read back, and a node of a
//! test's own refuses what its settings say.

#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

use crate::support::http;
use crate::support::stores::{OpenSearch, VictoriaLogs};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn push(store: &VictoriaLogs, headers: &[(&str, &str)], body: &Value) -> (u16, String) {
    let mut all = vec![("Content-Type", "application/json")];
    all.extend_from_slice(headers);
    let body = body.to_string();
    let answer = http::request(
        "POST",
        &store.loki_url().replace("/insert", ""),
        "/insert/loki/api/v1/push",
        &all,
        body.as_bytes(),
    );
    let answer = answer.unwrap();
    (answer.status, answer.text().unwrap())
}

fn stream(test: &str, time: &str, lines: &[&str]) -> Value {
    let values: Vec<Value> = lines.iter().map(|line| json!([time, line, { "level": "warn" }])).collect();
    json!({ "streams": [{ "stream": { "test": test }, "values": values }] })
}

const TIME: &str = "1795423848703931810";

#[test]
fn victorialogs_shows_what_was_pushed_and_every_repeat() {
    let store = VictoriaLogs::from_env();
    let body = stream("readers", TIME, &["eins", "{\"zwei\":2}", "drei \u{fffd} ü", ""]);
    for _ in 0..2 {
        assert_eq!(push(&store, &[], &body).0, 204);
    }
    store.force_flush();
    let mut entries = store.query("{test=\"readers\"}");
    entries.sort_by_key(|entry| entry["_msg"].to_string());
    let messages: Vec<&str> = entries.iter().filter_map(|entry| entry["_msg"].as_str()).collect();
    assert_eq!(
        messages,
        ["", "", "drei \u{fffd} ü", "drei \u{fffd} ü", "eins", "eins", "{\"zwei\":2}", "{\"zwei\":2}"]
    );
    assert_eq!(entries[0]["_time"], "2026-11-23T08:50:48.70393181Z");
    assert_eq!(entries[0]["level"], "warn");
    assert_eq!(store.count("{test=\"readers\"}"), 8);
    assert_eq!(store.count("{test=\"nobody\"}"), 0);
}

#[test]
fn victorialogs_keeps_tenants_apart() {
    let store = VictoriaLogs::from_env();
    assert_eq!(push(&store, &[("X-Scope-OrgID", "12:3")], &stream("tenants", TIME, &["a"])).0, 204);
    assert_eq!(push(&store, &[("X-Scope-OrgID", "team-a")], &stream("tenants", TIME, &["b"])).0, 400);
    store.force_flush();
    assert_eq!(store.count("{test=\"tenants\"}"), 0);
    assert_eq!(store.tenant(12, 3).count("{test=\"tenants\"}"), 1);
}

#[test]
fn victorialogs_drops_refuses_and_survives_on_demand() {
    let store = VictoriaLogs::start_with(&["-loki.maxRequestSize=100KB"]);
    assert_eq!(push(&store, &[], &stream("t", "4000000000000000000", &["too new"])).0, 204);
    assert_eq!(store.rows_dropped().values().sum::<u64>(), 1, "{:?}", store.rows_dropped());
    let (status, words) = push(&store, &[], &stream("t", TIME, &["x".repeat(200_000).as_str()]));
    assert_eq!(status, 400);
    assert!(words.contains("too big data size"), "{words}");
    assert_eq!(push(&store, &[], &stream("t", TIME, &["kept"])).0, 204);
    let store = store.restart("TERM", &[]);
    assert_eq!(store.count("{test=\"t\"}"), 1);

    let full = VictoriaLogs::start_with(&["-storage.minFreeDiskSpaceBytes=1000000GB"]);
    let (status, words) = push(&full, &[], &stream("t", TIME, &["a"]));
    assert_eq!(status, 429, "{words}");
}

fn create(index: &str, id: &str, document: &Value) -> String {
    format!("{}\n{document}\n", json!({ "create": { "_index": index, "_id": id } }))
}

fn statuses(answer: &Value) -> Vec<u64> {
    let items = answer["items"].as_array().unwrap();
    items.iter().map(|item| item["create"]["status"].as_u64().unwrap()).collect()
}

#[test]
fn opensearch_gives_back_every_document() {
    let store = OpenSearch::from_env();
    store.put_template(
        "readers",
        &json!({
            "index_patterns": ["logs-readers-*"], "data_stream": {}, "priority": 500,
            "template": { "mappings": { "properties": { "n": { "type": "long" } } } },
        }),
    );
    let name = "logs-readers-default";
    store.delete(name);
    let document = |n: Value| json!({ "@timestamp": "2026-11-23T08:50:48.70393181Z", "n": n });
    // More than one page of a scroll.
    let body: String = (0..7_000).map(|n| create(name, &format!("id-{n}"), &document(json!(n)))).collect();
    let (status, answer) = store.bulk(&body);
    assert_eq!((status, &answer["errors"]), (200, &json!(false)));
    let again = create(name, "id-1", &document(json!(1))) + &create(name, "id-x", &document(json!("no number")));
    assert_eq!(statuses(&store.bulk(&again).1), [409, 400]);
    store.refresh(name);
    let all = store.all_documents(name);
    let ids: BTreeSet<&str> = all.iter().map(|document| document.id.as_str()).collect();
    assert_eq!((all.len(), ids.len(), store.count(name)), (7_000, 7_000, 7_000));
    assert!(all.iter().all(|document| document.id == format!("id-{}", document.source["n"])));
    assert_eq!(all[0].index, ".ds-logs-readers-default-000001");

    store.roll_over(name);
    assert_eq!(statuses(&store.bulk(&create(name, "id-1", &document(json!(1)))).1), [201]);
    store.put_settings(name, &json!({ "index.blocks.read_only_allow_delete": true }));
    assert_eq!(statuses(&store.bulk(&create(name, "id-2", &document(json!(1)))).1), [429]);
    store.put_settings(name, &json!({ "index.blocks.read_only_allow_delete": null }));
    assert_eq!(statuses(&store.bulk(&create(name, "id-2", &document(json!(1)))).1), [201]);
    store.put_settings(name, &json!({ "index.blocks.write": true }));
    assert_eq!(statuses(&store.bulk(&create(name, "id-3", &document(json!(1)))).1), [403]);
    store.delete(name);
    assert_eq!((store.count(name), store.all_documents(name).len()), (0, 0));
}

#[test]
fn opensearch_refuses_by_its_settings() {
    let document = json!({ "text": "x".repeat(100_000) });
    let large: String = (0..20).map(|n| create("a", &n.to_string(), &document)).collect();

    let store = OpenSearch::start_with(&["http.max_content_length=1mb"]);
    assert_eq!(store.bulk(&large), (413, Value::Null));
    drop(store);

    let store = OpenSearch::start_with(&["indexing_pressure.memory.limit=10kb"]);
    let (status, answer) = store.bulk(&large);
    assert_eq!((status, answer["error"]["type"].as_str()), (429, Some("rejected_execution_exception")));
    drop(store);

    let store = OpenSearch::start_with(&["thread_pool.write.size=1", "thread_pool.write.queue_size=1"]);
    let names: Vec<String> = (0..12).map(|n| format!("a{n}")).collect();
    let bulk = |round: usize| -> Vec<u64> {
        let items = names.iter().map(|name| create(name, &round.to_string(), &document));
        statuses(&store.bulk(&items.collect::<String>()).1)
    };
    bulk(1_000);
    // A bulk over many indices asks for a place in the queue for each: some get one and some do not.
    let mixed = (0..200).any(|round| {
        let answers: Vec<Vec<u64>> = std::thread::scope(|scope| {
            let bulk = &bulk;
            let bulks: Vec<_> = (0..4).map(|n| scope.spawn(move || bulk(round * 4 + n))).collect();
            bulks.into_iter().map(|bulk| bulk.join().unwrap()).collect()
        });
        answers.iter().any(|statuses| statuses.contains(&429) && statuses.contains(&201))
    });
    assert!(mixed, "some bulk is partly 201 and partly 429");
}
