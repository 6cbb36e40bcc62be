//! What bulk answers do to documents: each row of both tables, of whole requests and of items.

use std::time::Duration;

use serde_json::Value;

use crate::rows::{self, Row, assert_stored_once, messages, sink};
use crate::stage::{Books, Stage, incompressible};
use crate::support::doubles::Answer;
use crate::support::doubles::elasticsearch::{Elasticsearch, ElasticsearchStore, ItemFailure, Mode, Special, Step};

const STREAM: &str = "logs-tailwater-default";

fn check(row: Row<'_, Special>) -> (Elasticsearch, Books) {
    rows::check(row)
}

fn documents(store: &Elasticsearch, index: &str) -> Vec<Value> {
    store.look(|state| state.documents(index).iter().map(|document| document.json()).collect())
}

#[test]
fn stored_is_delivered() {
    let (_, books) = check(Row { name: "201", outcomes: &[("delivered", 1)], ..Row::default() });
    for outcome in ["retry", "held", "split", "failed", "partial"] {
        assert_eq!(books.requests(outcome), 0, "{outcome}");
    }
    // Without cursors the same lines are read again: their ids are known.
    let (name, stage, store) = ("409", Stage::with_lines(8), Elasticsearch::start());
    for _ in 0..2 {
        let books = stage.run(&sink(&store, ""));
        books.assert_lines(name, 8, 0, 0, 0);
        assert_eq!(books.requests("retry") + books.requests("partial"), 0, "{name}: no trouble");
        std::fs::remove_dir_all(stage.place.path("state")).expect("the state is there");
    }
    assert!(store.look(|state| state.repeats()) >= 8, "{name}");
    assert_stored_once(name, &store, 8);
}

/// Two folders with the same lines are two logs, and one of them is no repeat of the other.
#[test]
fn equal_lines_of_two_logs_are_two() {
    let store = Elasticsearch::start();
    for _ in 0..2 {
        Stage::with_lines(8).run(&sink(&store, "")).assert_lines("two", 8, 0, 0, 0);
    }
    assert_eq!(store.look(|state| (state.stored(), state.repeats())), (16, 0));
}

#[test]
fn what_a_person_must_mend_is_held() {
    let held = |name: &str, step: Step, words: &str| {
        check(Row {
            name,
            script: vec![step.clone(), step.clone(), step],
            sink: "retry: { min: 1ms, max: 20ms, give_up_after: 1ms }",
            says: &["the store takes nothing until something is changed", words],
            outcomes: &[("held", 3), ("delivered", 1)],
        })
    };
    for (status, words) in [
        (301, "Moved Permanently"),
        (401, "missing authentication credentials"),
        (403, "action [indices:data/write/bulk] is unauthorized"),
        (404, "no such handler"),
        (405, "Incorrect HTTP method"),
        (406, "Content-Type header [application/x-ndjson] is not supported"),
        (204, "status 204"),
        (400, "<html>400 Bad Request</html>"),
        (400, "Client sent an HTTP request to an HTTPS server."),
    ] {
        held(&format!("{status} {words}"), Step::status(status, words), words);
    }
}

/// Those that were refused for now, and no others, are sent again.
#[test]
fn items_are_retried_alone() {
    for (name, failure) in [
        ("429 of the queue", ItemFailure::queue_full()),
        ("429 of a read-only index", ItemFailure::read_only()),
        ("503", ItemFailure::unavailable()),
        ("500", ItemFailure::new(500, "exception", "unexpected")),
        // A person must act, and nothing is lost until then.
        ("403", ItemFailure::write_blocked()),
        ("401", ItemFailure::new(401, "security_exception", "not allowed")),
        ("a status of no table", ItemFailure::new(418, "teapot", "short and stout")),
        (
            "a pipeline that is not there yet",
            ItemFailure::new(400, "illegal_argument_exception", "pipeline with id [p] does not exist"),
        ),
    ] {
        let words = failure.reason.clone();
        let script = vec![Step::Special(Special::FailEvery(3, failure))];
        let says = ["they are kept and sent again", words.as_str()];
        let (store, _) = check(Row { name, script, says: &says, outcomes: &[("partial", 1)], ..Row::default() });
        let items: Vec<usize> = store.look(|state| state.bulks.iter().map(|bulk| bulk.items).collect());
        assert_eq!(items.iter().sum::<usize>(), 8 + items[0].div_ceil(3), "{name}: {items:?}");
    }
}

/// A rule that refuses an application's fields, whatever they hold.
fn refuse_fields(store: &Elasticsearch, failure: ItemFailure) {
    store.set_rule(move |item| item.document["fields"]["free"].is_string().then(|| failure.clone()));
}

fn stage_with_conflicts() -> Stage {
    let stage = Stage::new();
    stage.add(&[
        r#"{"msg":"line 0","free":12}"#,
        r#"{"msg":"line 1","free":"twelve \"or so\" é"}"#,
        "line 2",
        r#"{"msg":"line 3","free":"x","nested":{"a":[1,2]}}"#,
    ]);
    stage
}

#[test]
fn a_mapping_conflict_is_folded() {
    for failure in [
        ItemFailure::mapping_conflict("fields.free"),
        ItemFailure::document_parsing("fields.free"),
        ItemFailure::new(400, "illegal_argument_exception", "Limit of total fields [1000] has been exceeded"),
    ] {
        let name = failure.kind.clone();
        let store = Elasticsearch::start();
        refuse_fields(&store, failure);
        let books = stage_with_conflicts().run(&sink(&store, ""));
        books.assert_lines(&name, 4, 0, 0, 0);
        assert_stored_once(&name, &store, 4);
        let folded: Vec<Value> =
            documents(&store, STREAM).iter().filter_map(|doc| doc.get("fields_text").cloned()).collect();
        let texts =
            [r#"{"msg":"line 1","free":"twelve \"or so\" é"}"#, r#"{"msg":"line 3","free":"x","nested":{"a":[1,2]}}"#];
        assert_eq!(folded, texts, "{name}");
        assert!(
            documents(&store, STREAM).iter().all(|doc| doc.get("fields").is_none_or(|fields| fields["free"] == 12))
        );
    }
}

/// Refused with its fields folded too, or for what folding does not change.
#[test]
fn what_is_refused_for_good() {
    let refuse = |store: &Elasticsearch, failure: ItemFailure| {
        let bad = |message: &Value| matches!(message.as_str(), Some("line 1" | "line 2"));
        store.set_rule(move |item| (item.index == STREAM && bad(&item.document["message"])).then(|| failure.clone()));
    };
    for failure in [ItemFailure::mapping_conflict("message"), ItemFailure::not_found()] {
        let (name, reason) = (failure.kind.clone(), failure.reason.clone());
        let says = format!("{name}: {reason}");
        let stage = |dead_letter: &str| {
            let store = Elasticsearch::start();
            refuse(&store, failure.clone());
            let stage = stage_with_conflicts();
            let file = stage.place.text("dead.json");
            let books = stage.run(&sink(&store, &dead_letter.replace("FILE", &file)));
            books.assert_says(&name, &["the store refused events for good", &says]);
            let kept: Vec<String> = messages(&store).into_keys().collect();
            assert_eq!(kept, ["line 0", "line 3"], "{name}");
            (store, books, stage.place.read("dead.json"))
        };
        let (_, books, _) = stage("");
        books.assert_lines(&name, 2, 0, 2, 0);
        let (_, books, _) = stage("dead_letter: drop");
        books.assert_lines(&name, 2, 0, 2, 0);

        let (_, books, letters) = stage("dead_letter: { file: FILE }");
        books.assert_lines(&name, 2, 2, 0, 0);
        let letters: Vec<Value> = letters.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert!(letters.iter().all(|letter| letter["reason"] == says.as_str()), "{letters:?}");
        let mut refused: Vec<&str> = letters.iter().filter_map(|letter| letter["entry"]["message"].as_str()).collect();
        refused.sort_unstable();
        assert_eq!(refused, ["line 1", "line 2"], "{name}");

        let (store, books, _) = stage("dead_letter: { index: dead-letters }");
        books.assert_lines(&name, 2, 2, 0, 0);
        let letters = documents(&store, "dead-letters");
        assert_eq!(letters.len(), 2, "{name}");
        for letter in &letters {
            assert_eq!(
                (&letter["error"]["type"], &letter["error"]["reason"]),
                (&name.as_str().into(), &reason.as_str().into())
            );
            let original: Value =
                serde_json::from_str(letter["event"]["original"].as_str().expect("text")).expect("JSON");
            assert_eq!(original["@timestamp"], letter["@timestamp"]);
            assert!(matches!(original["message"].as_str(), Some("line 1" | "line 2")), "{original}");
        }
    }
    // The index for letters refuses them too: dropped, and said.
    let store = Elasticsearch::start();
    store.set_rule(|item| {
        (item.document["message"] != "line 0").then(|| ItemFailure::new(400, "strict", "no such field"))
    });
    let books = stage_with_conflicts().run(&sink(&store, "dead_letter: { index: dead-letters }"));
    books.assert_lines("a refused letter", 1, 0, 3, 0);
    assert!(documents(&store, "dead-letters").is_empty());
}

/// A field whose name is nearly as long as a line may be, and a store that quotes it: the answer was longer than what is
/// kept of one, so the request was asked again and again, and nothing behind it was delivered ever after.
#[test]
fn a_reason_as_long_as_a_line_stops_nothing() {
    let store = Elasticsearch::start();
    store.set_rule(|item| {
        let name = item.document["fields"].as_object()?.keys().find(|name| name.len() > 1000)?;
        let reason = format!("mapping set to strict, dynamic introduction of [{name}] is not allowed");
        Some(ItemFailure::new(400, "strict_dynamic_mapping_exception", &reason))
    });
    let stage = Stage::with_lines(10);
    let long = "x".repeat(200_000);
    stage.add(&[format!("{{\"msg\":\"line 10\",\"{long}\":1}}")]);
    stage.add(&["line 11"]);
    let books = stage.run(&sink(&store, ""));
    books.assert_lines("a long reason", 12, 0, 0, 0);
    assert_stored_once("a long reason", &store, 12);
    assert!(books.requests("split") >= 1);
}

/// One item fails the whole request: it is looked for, and the others are stored.
#[test]
fn a_refused_request_is_bisected() {
    let store = Elasticsearch::start();
    store.set_mode(Mode::Always(Step::Special(Special::Poisoned("poison".to_owned()))));
    let stage = Stage::with_lines(20);
    stage.add(&["poison 1"]);
    let file = stage.place.text("dead.json");
    let books = stage.run(&sink(&store, &format!("dead_letter: {{ file: {file} }}")));
    books.assert_lines("whole 400", 20, 1, 0, 0);
    books.assert_says("whole 400", &["the store refused events for good", "Malformed action/metadata line [1]"]);
    assert_stored_once("whole 400", &store, 20);
    assert_eq!(stage.place.read("dead.json").matches("poison 1").count(), 1);

    let store = Elasticsearch::start();
    store.set_mode(Mode::Always(Step::status(400, r#"{"error":{"type":"x","reason":"y"},"status":400}"#)));
    let books = Stage::with_lines(500).run(&sink(&store, ""));
    books.assert_lines("always 400", 0, 0, 500, 0);
    let (requests, batches) = (store.look(|state| state.seen.len() as u64), books.of("batches_total", ""));
    assert!(requests <= batches * 65, "{requests} requests for {batches} batches");
}

#[test]
fn what_is_too_large_is_split() {
    let script = vec![Step::status(413, ""), Step::Answer(Answer { close: true, ..Answer::new(413, "") })];
    check(Row { name: "413", script, outcomes: &[("split", 2), ("delivered", 3)], ..Row::default() });
    for compression in ["gzip", "none"] {
        let store = Elasticsearch::start();
        store.change(|store| store.max_body = 4000);
        let stage = Stage::with_lines(40);
        stage.add(&[incompressible(4000)]);
        let books = stage.run(&sink(&store, &format!("compression: {compression}")));
        books.assert_lines("413 of a size", 40, 0, 1, 0);
        books.assert_says("413 of a size", &["the store refused events for good", "status 413"]);
        rows::assert_stored_but("413 of a size", &store, 40, 1);
    }
}

#[test]
fn what_passes_is_waited_out() {
    let pressure = Step::Special(Special::IndexingPressure);
    check(Row {
        name: "429 of indexing pressure",
        script: vec![pressure.clone(), pressure],
        says: &["they are kept and sent again", "rejected execution of coordinating operation"],
        outcomes: &[("retry", 2), ("delivered", 1)],
        ..Row::default()
    });
    for status in [429, 500, 502, 503, 504] {
        let (name, step) = (format!("{status}"), Step::status(status, "upstream connect error"));
        check(Row {
            name: &name,
            script: vec![step.clone(), step],
            says: &["they are kept and sent again", "upstream connect error"],
            outcomes: &[("retry", 2), ("delivered", 1)],
            ..Row::default()
        });
    }
    // Not known what was stored: the ids make it safe to ask again.
    for (name, step, says, repeats) in [
        ("half an answer", Step::Truncate, "broke", true),
        ("closed without an answer", Step::StoreThenClose, "broke", true),
        ("no HTTP", Step::Garbage, "broke", false),
        ("no JSON", Step::status(200, "<html>welcome</html>"), "the answer is broken: status 200", false),
        ("no bulk answer", Step::status(200, "{}"), "the answer has no items", false),
        ("reset in the middle", Step::Reset, "broke", false),
        ("never answered", Step::NeverAnswer, "within `300ms`", false),
        ("stored, never answered", Step::StoreThenSilence, "within `300ms`", true),
    ] {
        let says = ["they are kept and sent again", says];
        let (store, books) =
            check(Row { name, script: vec![step], sink: "timeout: 300ms", says: &says, ..Row::default() });
        assert!(books.requests("retry") + books.requests("failed") >= 1, "{name}");
        assert_eq!(store.look(|state| state.repeats()) > 0, repeats, "{name}");
    }
    // Nothing can be said of any of them, so all are asked for again.
    let (name, store) = ("fewer items than sent", Elasticsearch::start());
    let mut refused = false;
    store.set_rule(move |_| (!std::mem::replace(&mut refused, true)).then(ItemFailure::queue_full));
    store.script(vec![Step::Special(Special::FewerItems(2))]);
    let books = Stage::with_lines(8).run(&sink(&store, ""));
    books.assert_lines(name, 8, 0, 0, 0);
    books.assert_says(name, &["they are kept and sent again", "the answer is of 2 items, 8 were sent"]);
    assert_stored_once(name, &store, 8);
    let slow = Step::Slow(Duration::from_millis(100));
    let (_, books) = check(Row { name: "slow", script: vec![slow], outcomes: &[("delivered", 1)], ..Row::default() });
    assert_eq!(books.requests("failed"), 0);
}

#[test]
fn a_store_that_is_not_there_is_waited_for() {
    rows::not_there::<ElasticsearchStore>();
}

#[test]
fn what_fails_for_too_long_is_given_up_where_that_is_set() {
    let store = Elasticsearch::start();
    store.set_rule(|item| (item.document["message"] == "line 3").then(ItemFailure::read_only));
    let books = Stage::with_lines(8).run(&sink(&store, "retry: { min: 1ms, max: 20ms, give_up_after: 100ms }"));
    books.assert_lines("give_up_after", 7, 0, 0, 1);
    books.assert_says("give_up_after", &["did not take them within `retry.give_up_after`"]);
}

/// Without ids the store cannot know a repeat.
#[test]
fn without_ids_it_is_at_least_once() {
    let store = Elasticsearch::start();
    store.script(vec![Step::StoreThenClose]);
    let books = Stage::with_lines(8).run(&sink(&store, "ids: false"));
    books.assert_lines("ids: false", 8, 0, 0, 0);
    let seen = messages(&store);
    assert!(
        seen.len() == 8 && seen.values().all(|count| *count <= 2) && seen.values().any(|count| *count == 2),
        "{seen:?}"
    );
    assert!(store.look(|state| state.documents(STREAM).iter().all(|document| document.id.starts_with("auto-"))));
}
