//! What Loki's answers do to lines: each row of its verdict table.

use std::time::Duration;

use serde_json::Value;

use crate::rows::{self, Row, assert_stored_once, messages, sink};
use crate::stage::{Books, NOW, SECOND, START, Stage, incompressible};
use crate::support::doubles::loki::{Limits, Loki, LokiStore, Mode, Special, Step};

fn check(row: Row<'_, Special>) -> (Loki, Books) {
    rows::check(row)
}

#[test]
fn stored_is_delivered() {
    let (_, books) = check(Row { name: "204", outcomes: &[("delivered", 1)], ..Row::default() });
    for outcome in ["retry", "held", "split", "failed", "partial"] {
        assert_eq!(books.requests(outcome), 0, "{outcome}");
    }
    assert_eq!(books.of("retries_total", ""), 0);
}

/// Nothing is settled, however often it is answered, and though `give_up_after` is nearly nothing.
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
    held("260", Step::Special(Special::Blocked), "status 260: ingestion blocked for user fake");
    let cases = [
        (301, "Moved Permanently"),
        (401, "no credentials provided"),
        (403, "forbidden by the gateway"),
        (404, "404 page not found"),
        (405, "Method Not Allowed"),
        (422, "error at least one valid stream is required for ingestion"),
        (200, "welcome to this proxy"),
        (400, "tenant ID 'a b' contains unsupported character ' '"),
        (400, "cannot parse common params from request: cannot parse accountID from"),
        (400, "<html><h1>400 Bad Request</h1></html>"),
        (400, "Client sent an HTTP request to an HTTPS server."),
    ];
    for (status, words) in cases {
        held(&format!("{status} {words}"), Step::status(status, words), words);
    }
}

/// One row of the refusals: what is wrong with the lines that say `bad`.
struct Refusal {
    words: &'static str,
    limits: fn(&mut Limits),
    /// Seconds from the start, where the time is what is wrong.
    time: Option<i64>,
    sink: &'static str,
}

const REFUSALS: &[Refusal] = &[
    Refusal { words: "has timestamp too old", limits: |_| {}, time: Some(-8 * 24 * 3600), sink: "" },
    Refusal { words: "has timestamp too new", limits: |_| {}, time: Some(3600 + 1200), sink: "" },
    Refusal { words: "entry too far behind", limits: |_| {}, time: Some(-2 * 3600), sink: "" },
    Refusal {
        words: "max entry size '100' bytes exceeded",
        limits: |limits| limits.max_line = 100,
        time: None,
        sink: "",
    },
    Refusal {
        words: "has 2 label names; limit 1",
        limits: |limits| limits.max_label_names = 1,
        time: None,
        sink: "labels: { app: '{app}', extra: '{fields.extra}' }",
    },
    Refusal {
        words: "label value too long",
        limits: |limits| limits.max_label_value = 50,
        time: None,
        sink: "labels: { app: '{app}', extra: '{fields.extra}' }",
    },
    Refusal {
        words: "has structured metadata too large",
        limits: |limits| limits.max_metadata_bytes = 60,
        time: None,
        sink: "structured_metadata: [stream, fields.extra]",
    },
    Refusal {
        words: "has too many structured metadata labels",
        limits: |limits| limits.max_metadata_entries = 1,
        time: None,
        sink: "structured_metadata: [stream, fields.extra]",
    },
];

/// A 400 is partial and names one entry only: the refused ones are looked for, and no other line goes with them.
#[test]
fn only_refused_entries_are_dropped() {
    for row in REFUSALS {
        refused(row, false);
    }
}

#[test]
fn refused_entries_go_to_the_dead_letter_file() {
    for row in REFUSALS {
        refused(row, true);
    }
}

fn refused(row: &Refusal, to_file: bool) {
    let loki = Loki::start_at(NOW);
    loki.change(|store| (row.limits)(&mut store.limits));
    let stage = Stage::new();
    let (good, bad) = (20, 3);
    let mut left = bad;
    for at in 0..good {
        stage.add_to("shop", "cart-0", START + at * SECOND, &format!("{{\"msg\":\"good {at}\"}}"));
        // The last lines of the file among them.
        if left > 0 && at % 7 == 5 {
            left -= 1;
            let time = row.time.map_or(START + at * SECOND, |offset| START + offset * SECOND);
            stage.add_to(
                "shop",
                "cart-0",
                time,
                &format!("{{\"msg\":\"bad {at}\",\"extra\":\"{}\"}}", "x".repeat(100)),
            );
        }
    }
    assert_eq!(left, 0);
    let file = stage.place.text("dead.json");
    let dead_letter = if to_file { format!("dead_letter: {{ file: {file} }}, ") } else { String::new() };
    let books = stage.run(&sink(&loki, &format!("{dead_letter}{}", row.sink)));
    let (dead, dropped) = if to_file { (bad, 0) } else { (0, bad) };
    books.assert_lines(row.words, good as usize, dead, dropped, 0);
    books.assert_says(row.words, &["the store refused events for good", row.words]);
    let stored = messages(&loki);
    assert_eq!(stored.len(), good as usize, "{}", row.words);
    assert!(stored.iter().all(|(line, count)| line.contains("good") && *count == 1), "{}: {stored:?}", row.words);
    let letters = stage.place.read("dead.json");
    assert_eq!(letters.lines().count(), dead, "{}", row.words);
    for letter in letters.lines() {
        let letter: Value = serde_json::from_str(letter).expect("a letter is JSON");
        assert!(letter["reason"].as_str().is_some_and(|reason| reason.contains(row.words)), "{letter}");
        assert!(letter["entry"].to_string().contains("bad"), "{letter}");
        assert!(letter["path"].as_str().is_some_and(|path| path.ends_with("app/0.log")), "{letter}");
    }
}

/// Refused for nothing, or for what the halves do not have: what a half is stored of is delivered.
#[test]
fn a_400_that_its_halves_do_not_get() {
    let words = "error parsing labels: couldn't parse labels: 1:2: parse error";
    let row = Row { name: "400 once", script: vec![Step::status(400, words)], ..Row::default() };
    check(Row { outcomes: &[("split", 1), ("delivered", 2)], ..row });
}

/// A batch of refused entries ends: after 64 requests what is left goes together.
#[test]
fn the_search_for_refused_entries_has_a_bound() {
    let loki = Loki::start_at(NOW);
    loki.set_mode(Mode::Always(Step::status(400, "couldn't parse labels: 1:2")));
    let stage = Stage::with_lines(500);
    let books = stage.run(&sink(&loki, ""));
    books.assert_lines("all refused", 0, 0, 500, 0);
    books.assert_says(
        "all refused",
        &["refused events for good; they are dropped and counted", "couldn't parse labels"],
    );
    let (requests, batches) = (loki.look(|state| state.seen.len() as u64), books.of("batches_total", ""));
    assert!(requests <= batches * 65, "{requests} requests for {batches} batches");
}

#[test]
fn what_is_too_large_is_split() {
    let script =
        vec![Step::status(400, "cannot read request body: too big data size: 70000000 exceeds 67108864 bytes")];
    check(Row { name: "VictoriaLogs", script, outcomes: &[("split", 1), ("delivered", 2)], ..Row::default() });
    check(Row {
        name: "413",
        script: vec![Step::status(413, "request body too large"), Step::status(413, "")],
        outcomes: &[("split", 2), ("delivered", 3)],
        ..Row::default()
    });

    let loki = Loki::start_at(NOW);
    loki.change(|store| store.limits.max_body = 300);
    let stage = Stage::with_lines(40);
    stage.add(&[incompressible(600)]);
    let books = stage.run(&sink(&loki, "structured_metadata: []"));
    books.assert_lines("413 of a size", 40, 0, 1, 0);
    books.assert_says("413 of a size", &["the store refused events for good", "status 413"]);
    rows::assert_stored_but("413 of a size", &loki, 40, 1);
}

#[test]
fn limits_of_rate_are_waited_for() {
    let twice = |special: Special| vec![Step::Special(special.clone()), Step::Special(special)];
    let failing = "they are kept and sent again";
    check(Row {
        name: "429 of the tenant",
        script: twice(Special::IngestionRate),
        says: &[failing, "ingestion rate limit exceeded for user"],
        outcomes: &[("retry", 2), ("delivered", 1)],
        ..Row::default()
    });
    check(Row { name: "429 without words", script: vec![Step::status(429, "")], ..Row::default() });
    check(Row {
        name: "429 of a read-only store",
        script: vec![Step::status(429, "the storage is in read-only mode")],
        says: &[failing, "the storage is in read-only mode"],
        ..Row::default()
    });
    // Both are partial: the stream that was stored is not sent again with the one that was not.
    for (name, special, words) in [
        ("429 of a stream", Special::StreamRate("cart-1".to_owned()), "Per stream rate limit exceeded"),
        ("429 of new streams", Special::StreamLimit, "maximum active stream limit exceeded"),
    ] {
        let loki = Loki::start_at(NOW);
        loki.script(vec![Step::Special(special)]);
        let stage = Stage::new();
        for at in 0..8 {
            stage.add_to(
                "shop",
                if at % 2 == 0 { "cart-0" } else { "cart-1" },
                START + at * SECOND,
                &format!("line {at}"),
            );
        }
        let books = stage.run(&sink(&loki, ""));
        books.assert_lines(name, 8, 0, 0, 0);
        books.assert_says(name, &[failing, words]);
        assert_stored_once(name, &loki, 8);
        assert!(books.requests("retry") >= 1, "{name}");
    }
}

#[test]
fn what_passes_is_waited_out() {
    for status in [500, 502, 503, 504] {
        let step = Step::status(status, "empty ring");
        let name = format!("{status}");
        check(Row {
            name: &name,
            script: vec![step.clone(), step],
            says: &["they are kept and sent again", "empty ring"],
            outcomes: &[("retry", 2), ("delivered", 1)],
            ..Row::default()
        });
    }
    let no_answer = |name, step: Step, says| {
        check(Row {
            name,
            script: vec![step.clone(), step],
            sink: "timeout: 300ms",
            says: &["they are kept and sent again", says],
            outcomes: &[("failed", 2), ("delivered", 1)],
        })
    };
    no_answer("reset in the middle", Step::Reset, "broke");
    no_answer("no HTTP", Step::Garbage, "broke");
    no_answer("never answered", Step::NeverAnswer, "within `300ms`");
    // What was stored and not answered is sent again, byte by byte the same: known as a repeat, stored once.
    for (name, step, says) in [
        ("stored, never answered", Step::StoreThenSilence, "within `300ms`"),
        ("stored, closed", Step::StoreThenClose, "broke"),
        ("stored, half an answer", Step::Truncate, "broke"),
    ] {
        let (loki, _) = no_answer(name, step, says);
        assert!(loki.look(|state| state.repeats()) >= 8, "{name}");
        let bodies: Vec<u64> = loki.look(|state| state.seen.iter().map(|seen| seen.body_hash).collect());
        assert!(bodies.iter().filter(|hash| **hash == bodies[0]).count() >= 3, "{name}: re-sent as it was");
    }
    let slow = Step::Slow(Duration::from_millis(100));
    let (_, books) = check(Row { name: "slow", script: vec![slow], outcomes: &[("delivered", 1)], ..Row::default() });
    assert_eq!(books.requests("failed"), 0);
}

#[test]
fn a_store_that_is_not_there_is_waited_for() {
    rows::not_there::<LokiStore>();
}

#[test]
fn what_fails_for_too_long_is_given_up_where_that_is_set() {
    let loki = Loki::start_at(NOW);
    loki.set_mode(Mode::Always(Step::status(503, "no ingesters")));
    let stage = Stage::with_lines(8);
    let books = stage.run(&sink(&loki, "retry: { min: 1ms, max: 20ms, give_up_after: 100ms }"));
    books.assert_lines("give_up_after", 0, 0, 0, 8);
    books.assert_says("give_up_after", &["did not take them within `retry.give_up_after`"]);
}
