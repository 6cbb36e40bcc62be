//! Labels that are stored beside the line.

use super::*;
use crate::model::settings::Node;

const LABELS: [(&str, &str); 3] = [("pod", "{pod}"), ("request", "{fields.free}"), ("c", "const")];

fn demoting(more: &[(&'static str, Node)]) -> Vec<(&'static str, Node)> {
    let labels: Vec<_> = LABELS.iter().map(|(name, text)| (*name, typed(text))).collect();
    let mut settings = vec![("labels", typed_map(&labels)), ("demote", typed("true"))];
    settings.extend(more.iter().cloned());
    settings
}

#[test]
fn a_demoted_label_is_metadata_of_the_same_name_and_value() {
    for (encoding, read) in [("protobuf", read_protobuf as fn(&Request) -> Vec<Stream>), ("json", read_json)] {
        let sink = sink(&demoting(&[("encoding", typed(encoding))]));
        let names = sink.encoder().demotable().to_vec();
        assert_eq!(names, ["pod", "request", "c"]);
        // Turns of the same origin, with other labels demoted each time.
        let samples = [0b000, 0b010, 0b011, 0b111, 0b000].map(|demoted| Sample { demoted, ..Sample::json(pod()) });
        let body = encode(&sink, &samples);
        let streams = read(&sink.wire.request(&Arc::new(body.clone()), &all(&body)));
        let all_of = |metadata: &[(String, String)]| {
            let mut pairs: Vec<_> = metadata.iter().map(|(name, value)| format!("{name}={value}")).collect();
            pairs.sort();
            pairs.join(" ")
        };
        let mut metadata: Vec<_> = streams.iter().map(|(_, entries)| (entries.len(), all_of(&entries[0].2))).collect();
        let expected = [
            (2, "level=warn stream=stderr"),
            (1, "level=warn request=12 stream=stderr"),
            (1, "level=warn pod=cart-7c9d-x2x request=12 stream=stderr"),
            (1, "c=const level=warn pod=cart-7c9d-x2x request=12 stream=stderr"),
        ];
        assert_eq!(metadata, expected.map(|(count, text)| (count, text.to_owned())), "{encoding}");
        metadata.clear();
        if encoding == "protobuf" {
            let heads: Vec<_> = streams.iter().map(|(labels, _)| labels.as_str()).collect();
            let (first, second) =
                (r#"{pod="cart-7c9d-x2x", request="12", c="const"}"#, r#"{pod="cart-7c9d-x2x", c="const"}"#);
            assert_eq!(heads, [first, second, r#"{c="const"}"#, r#"{source="pods"}"#], "a stream has a label");
        }
    }
}

/// Lines of an origin that had one rendering have one each once the label that differs is beside them, and the other way round.
#[test]
fn values_are_those_of_the_line() {
    let sink = sink(&demoting(&[]));
    let line = |number: u32, demoted| Sample {
        body: format!("free={number}"),
        pairs: vec![("free".into(), number.to_string())],
        demoted,
        ..Sample::plain(pod())
    };
    let body = encode(&sink, &[line(1, 0), line(2, 0), line(3, 2), line(4, 2), line(5, 0)]);
    let streams = read_protobuf(&sink.wire.request(&Arc::new(body.clone()), &all(&body)));
    let seen: Vec<_> = streams
        .iter()
        .flat_map(|(labels, entries)| {
            entries.iter().map(move |(_, line, metadata)| (labels.contains("request"), line, metadata))
        })
        .map(|(is_label, line, metadata)| (is_label, line.as_str(), metadata.first().map(|(_, value)| value.as_str())))
        .collect();
    let expected =
        [(true, "free=1", None), (true, "free=2", None), (false, "free=3", Some("3")), (false, "free=4", Some("4"))];
    assert_eq!(seen, [&expected[..], &[(true, "free=5", None)]].concat());
}

/// What stands beside the line anyway is there once.
#[test]
fn a_name_stands_once() {
    let more = [("structured_metadata", typed_list(&["pod", "level"]))];
    let sink = sink(&demoting(&more));
    let body = encode(&sink, &[Sample { demoted: 1, ..Sample::json(pod()) }]);
    let metadata = read_protobuf(&sink.wire.request(&Arc::new(body.clone()), &[0])).remove(0).1.remove(0).2;
    assert_eq!(metadata.iter().filter(|(name, _)| name == "pod").count(), 1, "{metadata:?}");
}

#[test]
fn streams_that_are_one_without_the_label_are_one() {
    let sink = sink(&demoting(&[]));
    let mut encoder = sink.encoder();
    let (here, there) = (pod(), file());
    assert_ne!(encoder.stream(&here, 0), encoder.stream(&there, 0));
    assert_eq!(encoder.stream(&here, 1), encoder.stream(&there, 1), "told apart by the pod alone");
}

/// The workers of a sink count together, and each is told; one that does not demote names no labels.
#[test]
fn a_sink_counts_as_a_whole() {
    let line = |number: u32| Sample { pairs: vec![("free".into(), number.to_string())], ..Sample::plain(pod()) };
    let sink = sink(&demoting(&[("max_label_values", typed("3"))]));
    let (mut one, mut other) = (sink.encoder(), sink.encoder());
    let mut body = Body::default();
    for number in 0..2 {
        line(number).with(|event| one.push(event, &mut body));
        line(number + 10).with(|event| other.push(event, &mut body));
    }
    assert_eq!([one.crowded().as_deref(), one.crowded().as_deref()], [Some("request"), None]);
    assert_eq!(other.crowded().as_deref(), Some("request"));
    assert!(super::sink(&[]).encoder().demotable().is_empty());
}

#[test]
fn an_entry_is_within_its_bound() {
    let big = |origin| Sample { body: "\u{1}".repeat(3000), demoted: 7, level: None, ..Sample::plain(origin) };
    for encoding in ["protobuf", "json"] {
        let mut sample = big(pod());
        sample.pairs = vec![("free".into(), "\u{1}".repeat(3000))];
        let sink = sink(&demoting(&[("encoding", typed(encoding))]));
        let bound = sink.encoder().bound(3000);
        for demoted in 0..8 {
            sample.demoted = demoted;
            let body = encode(&sink, [&sample]);
            assert!(body.bytes.len() <= bound, "{} of {bound} bytes", body.bytes.len());
        }
    }
}

#[test]
fn what_cannot_work_is_refused_at_the_start() {
    let check = |settings: &[(&'static str, Node)], expected: &str| {
        let problems = build(&KIND, &demoting(settings), &Given::default()).expect_err(expected);
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{expected}: {problems:?}");
    };
    check(&[("max_label_values", typed("0"))], "would never do anything");
    check(&[("structured_metadata", typed_list(&["fields.pod"]))], "label `pod` and structured metadata `pod`");
    let given = Given { fields: (0..70).map(|at| (format!("l{at}"), "x".into())).collect(), ..Given::default() };
    let many = demoting(&[("max_label_names", typed("200"))]);
    let problems = build(&KIND, &many, &given).expect_err("too many");
    assert!(problems.iter().any(|problem| problem.contains("73 labels are too many for `demote`")), "{problems:?}");
}
