//! What holds for every sink.

use std::sync::Arc;

use proptest::prelude::*;

use super::samples::{Sample, any_sample, build, encode, golden, typed, typed_list, typed_map};
use super::{Given, KINDS, Sink, elasticsearch, loki, null, stdout};
use crate::model::sink::Verdict;

fn given() -> Given {
    Given { fields: vec![("team".into(), "a \"b\"".into()), ("team".into(), "c".into())], terminal: false, color: true }
}

/// Every kind in every form that writes bytes of its own.
fn all() -> Vec<Sink> {
    let fields = || typed_map(&[("a", typed("{fields.a}")), ("b", typed("{path}{level}")), ("c", typed("{stream}"))]);
    let metadata = || typed_list(&["fields.a", "fields.b", "path", "flaw", "level"]);
    let forms: Vec<(&super::Kind, Vec<_>)> = vec![
        (&loki::KIND, vec![]),
        (&loki::KIND, vec![("encoding", typed("json"))]),
        (&loki::KIND, vec![("labels", fields()), ("structured_metadata", metadata()), ("tenant", typed("{fields.a}"))]),
        (&loki::KIND, vec![("labels", fields()), ("structured_metadata", metadata()), ("encoding", typed("json"))]),
        (&elasticsearch::KIND, vec![]),
        (
            &elasticsearch::KIND,
            vec![("index", typed("{fields.a}-%Y")), ("ids", typed("false")), ("compression", typed("none"))],
        ),
        (&stdout::KIND, vec![]),
        (&stdout::KIND, vec![("format", typed("logfmt"))]),
        (&stdout::KIND, vec![("format", typed("text"))]),
        (&null::KIND, vec![]),
    ];
    forms.into_iter().map(|(kind, settings)| build(kind, &settings, &given()).expect("a sink")).collect()
}

#[test]
fn every_key_of_every_kind_is_read() {
    for kind in KINDS {
        let unknown = build(kind, &[("zzz", typed("1"))], &Given::default()).expect_err("an unknown key");
        assert_eq!(unknown.len(), 1, "{unknown:?}");
        for key in kind.keys {
            // A key that the kind forgot to read is reported as unknown.
            let problems = build(kind, &[(key.name, typed("x"))], &Given::default()).err().unwrap_or_default();
            assert!(!problems.iter().any(|problem| problem.contains("unknown key")), "{}: {problems:?}", key.name);
            assert!(!key.help.is_empty() && !key.kind.is_empty());
        }
    }
}

/// The whole of what a sink makes of the events, and what it says of their memory.
fn check(sink: &Sink, samples: &[Sample]) {
    let (mut encoder, mut body) = (sink.encoder(), crate::model::body::Body::default());
    for sample in samples {
        let before = body.bytes.len();
        sample.with(|event| encoder.push(event, &mut body));
        let (added, bound) = (body.bytes.len() - before, encoder.bound(sample.body.len()));
        assert!(added <= bound, "{added} bytes for a line of {}, bound {bound}", sample.body.len());
    }
    assert_eq!(body.items.len(), samples.len());
    assert_eq!(body.spans.len(), samples.iter().map(|sample| sample.spans.len()).sum::<usize>());
    let routes: std::collections::BTreeSet<_> = body.groups.iter().map(|group| group.route.clone()).collect();
    for route in routes {
        let of_route = |item: &u32| body.groups[body.items[*item as usize].group as usize].route == route;
        let items: Vec<u32> = (0..samples.len() as u32).filter(of_route).collect();
        let request = sink.wire.request(&Arc::new(body.clone()), &items);
        assert!(request.body.len() <= sink.wire.bound(body.bytes.len()));
        for (name, value) in &request.headers {
            assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{name}: {value}");
        }
    }
    for index in 0..samples.len() {
        let letter = sink.wire.letter(&body, index);
        assert!(!letter.contains(&b'\n'));
        assert!(serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&letter).is_ok());
    }
    // A second encoder, and the same events again: not one byte differs.
    assert_eq!(encode(sink, samples).bytes, body.bytes);
}

#[test]
fn the_golden_events() {
    let samples: Vec<_> = golden().into_iter().map(|(_, sample)| sample).collect();
    all().iter().for_each(|sink| check(sink, &samples));
}

#[test]
fn the_longest_lines_stay_within_the_bound() {
    let worst = ["\u{0}", "\"", "\u{202e}", "a", "\u{9b}"];
    for text in worst {
        let text = text.repeat(262_144 / text.len());
        let plain = || Sample { body: text.clone(), ..Sample::plain(super::samples::pod()) };
        let key_only = || Sample { pairs: vec![(text.clone(), String::new())], ..plain() };
        let value_only = || Sample { pairs: vec![("a".into(), text.clone())], message: Some(text.clone()), ..plain() };
        let mut many = plain();
        many.body = "a ".repeat(131_072);
        many.pairs = (0..131_072).map(|at| (["a", "b", "c"][at % 3].to_owned(), String::new())).collect();
        let path: String = text.chars().take(3000).collect();
        let long_path = || Sample::plain(super::samples::named_file(&path));
        all().iter().for_each(|sink| check(sink, &[plain(), key_only(), value_only(), long_path()]));
        all().iter().for_each(|sink| check(sink, std::slice::from_ref(&many)));
    }
}

#[test]
fn no_sink_settles_what_was_not_answered_with_success() {
    for sink in all().iter().filter(|sink| sink.transport == super::Transport::Http) {
        for status in (100..600).filter(|status| !matches!(status, 200 | 204)) {
            let answer = crate::model::sink::Answer { status, body: b"{}" };
            assert_ne!(sink.wire.verdict(&answer, 3), Verdict::Delivered, "{status}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_events(samples in proptest::collection::vec(any_sample(), 1..8)) {
        all().iter().for_each(|sink| check(sink, &samples));
    }
}
