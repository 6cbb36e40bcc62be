//! Lines on standard output.

use std::sync::Arc;

use proptest::prelude::*;

use super::KIND;
use crate::sinks::kind::{Given, Sink};
use crate::sinks::samples::{Sample, any_sample, build, encode, golden, pod, typed};

fn sink(format: &str, color: &str) -> Sink {
    let given = Given { fields: vec![("dc".into(), "x y".into())], ..Given::default() };
    build(&KIND, &[("format", typed(format)), ("color", typed(color))], &given).expect("a sink")
}

fn check(format: &str, color: &str, expected: &str) {
    let sink = sink(format, color);
    let samples: Vec<_> = golden().into_iter().map(|(_, sample)| sample).collect();
    let body = encode(&sink, &samples);
    let items: Vec<u32> = (0..body.items.len() as u32).collect();
    assert_eq!(sink.wire.request(&Arc::new(body.clone()), &items).body, body.bytes);
    assert_eq!(String::from_utf8_lossy(&body.bytes), expected);
}

#[test]
fn golden_json() {
    check("json", "true", include_str!("../../../tests/golden/sinks/stdout.jsonl"));
}

#[test]
fn golden_logfmt() {
    check("logfmt", "true", include_str!("../../../tests/golden/sinks/stdout.logfmt"));
}

#[test]
fn golden_text() {
    check("text", "false", include_str!("../../../tests/golden/sinks/stdout.txt"));
}

#[test]
fn golden_color() {
    check("text", "true", include_str!("../../../tests/golden/sinks/stdout.color.txt"));
}

#[test]
fn the_default_is_for_people_only_on_a_terminal() {
    for (terminal, first) in [(false, "{\"time\":\"2026"), (true, "2026-11-23 08:50:48.703 WARN ")] {
        let sink = build(&KIND, &[], &Given { terminal, ..Given::default() }).expect("a sink");
        let body = encode(&sink, &[Sample::json(pod())]);
        assert!(String::from_utf8_lossy(&body.bytes).starts_with(first));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn any_event_is_one_line(sample in any_sample()) {
        for format in ["json", "logfmt", "text"] {
            let body = encode(&sink(format, "false"), [&sample]);
            let line = body.bytes.strip_suffix(b"\n").expect("a line break");
            prop_assert!(!line.contains(&b'\n'));
            prop_assert!(format == "json" || !line.contains(&0x1b));
            if format == "json" {
                let document: serde_json::Value = serde_json::from_slice(line).expect("valid JSON");
                prop_assert_eq!(&document["time"], &sample.time.to_rfc3339());
                prop_assert_eq!(document.get("level").and_then(|level| level.as_str()), sample.level.map(|level| level.name()));
            }
        }
    }
}
