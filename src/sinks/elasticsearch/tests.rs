//! Bulk actions, their other forms, and what answers mean.

use std::sync::Arc;

use std::io::Read;

use proptest::prelude::*;
use serde_json::Value;

use super::KIND;
use crate::sinks::kind::{Given, Sink};
use crate::sinks::samples::{Sample, any_sample, build, encode, file, golden, pipe, pod, typed};

fn sink(settings: &[(&str, crate::model::settings::Node)]) -> Sink {
    build(&KIND, settings, &Given::default()).expect("a sink")
}

fn plain() -> Sink {
    sink(&[("compression", typed("none"))])
}

/// Action and document of an item.
fn lines(item: &[u8]) -> (Value, Value) {
    let text = std::str::from_utf8(item).expect("UTF-8");
    let (action, document) = text.strip_suffix('\n').and_then(|text| text.split_once('\n')).expect("two lines");
    assert!(!document.contains('\n'));
    (serde_json::from_str(action).expect("valid JSON"), serde_json::from_str(document).expect("valid JSON"))
}

#[test]
fn golden_bulk() {
    let sink = plain();
    let samples: Vec<_> = golden().into_iter().map(|(_, sample)| sample).collect();
    let body = encode(&sink, &samples);
    let items: Vec<u32> = (0..body.items.len() as u32).collect();
    let request = sink.wire.request(&Arc::new(body.clone()), &items);
    assert_eq!(request.path, "/_bulk?filter_path=errors,items.*.error,items.*.status");
    assert_eq!(request.headers, [("Content-Type", "application/x-ndjson".to_owned())]);
    assert_eq!(
        String::from_utf8_lossy(&request.body),
        include_str!("../../../tests/golden/sinks/elasticsearch.ndjson")
    );
    let part = sink.wire.request(&Arc::new(body.clone()), &[1, 2, 5]);
    assert_eq!(part.body, [body.item(1), body.item(2), body.item(5)].concat());
}

#[test]
fn a_gzipped_request_holds_the_same() {
    let sink = sink(&[("pipeline", typed("a/b")), ("ids", typed("false")), ("index", typed("app-%Y.%m.%d"))]);
    let body = encode(&sink, &[Sample::json(pod()), Sample::plain(file())]);
    let request = sink.wire.request(&Arc::new(body.clone()), &[0, 1]);
    assert_eq!(request.path, "/_bulk?filter_path=errors,items.*.error,items.*.status&pipeline=a%2Fb");
    assert!(request.headers.contains(&("Content-Encoding", "gzip".to_owned())));
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&*request.body).read_to_end(&mut plain).expect("gzip");
    assert_eq!(plain, body.bytes);
    assert!(plain.starts_with(b"{\"create\":{\"_index\":\"app-2026.11.23\"}}\n{\"@timestamp\""));
}

#[test]
fn fields_for_every_event_are_labels() {
    let given = Given { fields: vec![("dc".into(), "x".into())], ..Given::default() };
    let sink = build(&KIND, &[], &given).expect("a sink");
    let body = encode(&sink, &[Sample::json(pod()), Sample::plain(pipe())]);
    for item in 0..2 {
        assert_eq!(lines(body.item(item)).1["labels"], serde_json::json!({"dc": "x"}));
    }
}

#[test]
fn a_name_follows_its_event() {
    let sink = sink(&[("index", typed("{level}-{fields.free}-%H"))]);
    let json = Sample::json(pod());
    let later = Sample { time: json.time.plus_nanos(1_000_000_000), level: None, ..Sample::json(pod()) };
    let mut next = Sample::json(pod());
    next.time.secs += 3600;
    let other = Sample { body: r#"{"free":13}"#.into(), ..Sample::json(pod()) };
    let body = encode(&sink, &[json, later, next, other]);
    let names: Vec<_> =
        (0..4).map(|item| lines(body.item(item)).0["create"]["_index"].as_str().expect("a name").to_owned()).collect();
    assert_eq!(names, ["warn-12-08", "unknown-12-08", "warn-12-09", "warn-13-08"]);
}

#[test]
fn settings_that_cannot_be() {
    for (settings, expected) in [
        (vec![("index", typed("a")), ("data_stream", typed("b"))], "not both"),
        (vec![("index", typed("A"))], "lower case"),
        (vec![("data_stream", typed("logs-{nope}"))], "unknown placeholder `{nope}`"),
        (vec![("compression", typed("zstd"))], "`gzip` or `none`"),
        (vec![("ids", typed("maybe"))], "`true` or `false`"),
    ] {
        let problems = build(&KIND, &settings, &Given::default()).expect_err(expected);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(expected), "{problems:?}");
    }
}

#[test]
fn a_folded_item_holds_its_fields_as_text() {
    let sink = plain();
    // A message, and fields, that look like the place where fields begin.
    let body = r#"{"msg":",\"fields\":{","fields":{"a":1},"x":2}"#;
    let tricky = Sample { body: body.into(), message: Some(r#",\"fields\":{"#.into()), ..Sample::json(pod()) };
    let samples = [Sample::json(pod()), tricky, Sample::logfmt(pod()), Sample::plain(pod())];
    let body = encode(&sink, &samples);
    for item in 0..3 {
        let (action, document) = lines(body.item(item));
        let folded = sink.wire.fold(body.item(item)).expect("a folded item");
        let (folded_action, mut folded_document) = lines(&folded);
        assert_eq!(action, folded_action);
        let text = folded_document["fields_text"].take();
        let fields: Value = serde_json::from_str(text.as_str().expect("a text")).expect("valid JSON");
        assert_eq!(fields, document["fields"]);
        assert_eq!(folded_document["message"], document["message"]);
        assert_eq!(folded_document.get("fields"), None);
        assert_eq!(sink.wire.fold(&folded), None, "an item is folded once");
    }
    assert_eq!(sink.wire.fold(body.item(3)), None, "there is nothing to fold");
}

#[test]
fn dead_letters_keep_id_time_and_reason() {
    for ids in ["true", "false"] {
        let sink = sink(&[("ids", typed(ids))]);
        let tricky = Sample { body: r#"{"a":1,"_id":"x"}"#.into(), ..Sample::json(pod()) };
        let body = encode(&sink, [&tricky]);
        let (action, document) = lines(body.item(0));
        let letter = sink.wire.dead_letter(body.item(0), "dead", "mapper_parsing_exception: no: [a]");
        let (letter_action, letter) = lines(&letter.expect("a form for dead letters"));
        assert_eq!(letter_action["create"]["_index"], "dead");
        assert_eq!(letter_action["create"].get("_id"), action["create"].get("_id"));
        assert_eq!(letter_action["create"].get("_id").is_some(), ids == "true");
        assert_eq!(letter["@timestamp"], document["@timestamp"]);
        assert_eq!(letter["error"], serde_json::json!({"type": "mapper_parsing_exception", "reason": "no: [a]"}));
        let original: Value =
            serde_json::from_str(letter["event"]["original"].as_str().expect("a text")).expect("valid JSON");
        assert_eq!(original, document);
        let sent: Value = serde_json::from_slice(&sink.wire.letter(&body, 0)).expect("valid JSON");
        assert_eq!(sent, document);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn any_event_is_two_lines_of_valid_json(sample in any_sample()) {
        let sink = plain();
        let body = encode(&sink, [&sample]);
        let (action, document) = lines(body.item(0));
        prop_assert_eq!(&action["create"]["_index"], "logs-tailwater-default");
        prop_assert_eq!(&document["@timestamp"], &sample.time.to_rfc3339());
        if sample.json {
            prop_assert_eq!(&document["fields"], &serde_json::from_str::<Value>(&sample.body).expect("valid JSON"));
        } else {
            prop_assert_eq!(&document["message"], sample.message.as_ref().unwrap_or(&sample.body));
        }
        if let Some(folded) = sink.wire.fold(body.item(0)) {
            lines(&folded);
        }
    }
}
