//! Loki's requests, read by a reader of protobuf of its own.

use std::sync::Arc;

use std::collections::HashMap;
use std::io::Read;

use proptest::prelude::*;

use super::KIND;
use crate::model::body::Body;
use crate::model::event::TimeSource;
use crate::model::sink::Request;
use crate::model::time::Time;
use crate::sinks::kind::{Given, Sink};
use crate::sinks::samples::{
    Sample, any_sample, build, encode, file, golden, named_file, pipe, pod, typed, typed_list, typed_map,
};

mod demote;

/// A stream as a store sees it: labels, and entries of time in nanoseconds, line, metadata.
type Stream = (String, Vec<(i128, String, Vec<(String, String)>)>);

/// A message's fields by number: varints as numbers, the rest as bytes.
#[derive(Clone, Debug, Default)]
struct Message {
    numbers: HashMap<u8, u64>,
    bytes: Vec<(u8, Vec<u8>)>,
}

impl Message {
    fn read(mut data: &[u8]) -> Self {
        let mut message = Self::default();
        while let Some((&tag, rest)) = data.split_first() {
            data = rest;
            let mut number = 0_u64;
            for place in 0.. {
                let (&byte, rest) = data.split_first().expect("a varint ends");
                data = rest;
                number += u64::from(byte % 128) << (7 * place);
                if byte < 128 {
                    break;
                }
            }
            match tag % 8 {
                0 => assert!(message.numbers.insert(tag / 8, number).is_none(), "a number stands once"),
                2 => {
                    let (inside, rest) = data.split_at(usize::try_from(number).expect("a length"));
                    data = rest;
                    message.bytes.push((tag / 8, inside.to_vec()));
                }
                wire => panic!("wire type {wire} is not Loki's"),
            }
        }
        message
    }

    fn all(&self, field: u8) -> impl Iterator<Item = &[u8]> {
        self.bytes.iter().filter(move |(number, _)| *number == field).map(|(_, bytes)| bytes.as_slice())
    }

    fn text(&self, field: u8) -> String {
        let texts: Vec<_> = self.all(field).collect();
        assert_eq!(texts.len(), 1, "one field {field}");
        String::from_utf8(texts[0].to_vec()).expect("UTF-8")
    }
}

fn read_protobuf(request: &Request) -> Vec<Stream> {
    let plain = snap::raw::Decoder::new().decompress_vec(&request.body).expect("raw snappy");
    let push = Message::read(&plain);
    let streams = push.all(1).map(|stream| {
        let stream = Message::read(stream);
        let entries = stream.all(2).map(|entry| {
            let entry = Message::read(entry);
            let time = Message::read(entry.all(1).next().expect("a time"));
            let secs = time.numbers.get(&1).copied().unwrap_or(0) as i64;
            let nanos = time.numbers.get(&2).copied().unwrap_or(0);
            let metadata = entry.all(3).map(Message::read).map(|pair| (pair.text(1), pair.text(2)));
            (i128::from(secs) * 1_000_000_000 + i128::from(nanos), entry.text(2), metadata.collect())
        });
        (stream.text(1), entries.collect())
    });
    streams.collect()
}

fn read_json(request: &Request) -> Vec<Stream> {
    let mut plain = String::new();
    flate2::read::GzDecoder::new(&*request.body).read_to_string(&mut plain).expect("gzip of UTF-8");
    let push: serde_json::Value = serde_json::from_str(&plain).expect("valid JSON");
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let streams = push["streams"].as_array().expect("streams").iter().map(|stream| {
        let mut labels: Vec<_> =
            stream["stream"].as_object().expect("labels").iter().map(|(name, value)| (name, text(value))).collect();
        labels.sort();
        let entries = stream["values"].as_array().expect("values").iter().map(|entry| {
            let metadata = entry.get(2).and_then(|metadata| metadata.as_object()).into_iter().flatten();
            let metadata = metadata.map(|(name, value)| (name.clone(), text(value))).collect();
            (text(&entry[0]).parse().expect("nanoseconds"), text(&entry[1]), metadata)
        });
        (format!("{labels:?}"), entries.collect())
    });
    streams.collect()
}

fn sink(settings: &[(&str, crate::model::settings::Node)]) -> Sink {
    build(&KIND, settings, &Given::default()).expect("a sink")
}

fn all(body: &Body) -> Vec<u32> {
    (0..body.items.len() as u32).collect()
}

fn labels_of(settings: &[(&str, crate::model::settings::Node)], sample: &Sample) -> String {
    let sink = sink(settings);
    let body = encode(&sink, [sample]);
    read_protobuf(&sink.wire.request(&Arc::new(body.clone()), &[0])).remove(0).0
}

#[test]
fn golden_streams() {
    let sink = sink(&[]);
    let samples: Vec<_> = golden().into_iter().map(|(_, sample)| sample).collect();
    let body = encode(&sink, &samples);
    let request = sink.wire.request(&Arc::new(body.clone()), &all(&body));
    assert_eq!(request.path, "/loki/api/v1/push");
    assert_eq!(request.headers, [("Content-Type", "application/x-protobuf".to_owned())]);
    let mut seen = String::new();
    for (labels, entries) in read_protobuf(&request) {
        seen.push_str(&format!("{labels}\n"));
        for (time, line, metadata) in entries {
            let metadata: Vec<_> = metadata.iter().map(|(name, value)| format!("{name}={value}")).collect();
            seen.push_str(&format!("  {time} {line:?} {}\n", metadata.join(" ")));
        }
    }
    assert_eq!(seen, include_str!("../../../tests/golden/sinks/loki.txt"));
}

#[test]
fn golden_json() {
    let sink = sink(&[("encoding", typed("json")), ("tenant", typed("team-a"))]);
    let samples: Vec<_> = golden().into_iter().map(|(_, sample)| sample).collect();
    let body = encode(&sink, &samples);
    let request = sink.wire.request(&Arc::new(body.clone()), &all(&body));
    let expected = [("X-Scope-OrgID", "team-a"), ("Content-Type", "application/json"), ("Content-Encoding", "gzip")];
    assert_eq!(request.headers, expected.map(|(name, value)| (name, value.to_owned())));
    let mut plain = String::new();
    flate2::read::GzDecoder::new(&*request.body).read_to_string(&mut plain).expect("gzip of UTF-8");
    assert_eq!(plain + "\n", include_str!("../../../tests/golden/sinks/loki.json"));
}

#[test]
fn labels_by_origin_and_settings() {
    let pod_labels = r#"{namespace="shop", pod="cart-7c9d-x2x", app="cart", container="app"}"#;
    assert_eq!(labels_of(&[], &Sample::json(pod())), pod_labels);
    assert_eq!(labels_of(&[], &Sample::plain(file())), r#"{host="node-1", path="/var/log/nginx/access.log"}"#);
    assert_eq!(labels_of(&[], &Sample::plain(pipe())), r#"{host="node-1", source="stdin"}"#);
    let labels = |entries: &[(&str, &str)]| {
        let entries: Vec<_> = entries.iter().map(|(name, text)| (*name, typed(text))).collect();
        [("labels", typed_map(&entries))]
    };
    let typed = labels(&[("a", "{namespace}"), ("l", "{level}"), ("f", "{fields.free}x"), ("c", "const")]);
    assert_eq!(labels_of(&typed, &Sample::json(pod())), r#"{a="shop", l="warn", f="12x", c="const"}"#);
    assert_eq!(labels_of(&typed, &Sample::plain(pipe())), r#"{f="x", c="const"}"#);
    assert_eq!(labels_of(&labels(&[("a", "{namespace}")]), &Sample::plain(pipe())), r#"{source="stdin"}"#);
    assert_eq!(labels_of(&labels(&[]), &Sample::plain(file())), r#"{source="nginx"}"#);
}

#[test]
fn fields_for_every_event_are_labels() {
    let given = Given { fields: vec![("app".into(), "mine".into()), ("dc".into(), "x".into())], ..Given::default() };
    let check = |settings: &[(&str, _)], expected: &str| {
        let sink = build(&KIND, settings, &given).expect("a sink");
        let body = encode(&sink, [&Sample::json(pod())]);
        assert_eq!(&*body.groups[0].head, expected);
    };
    check(&[], r#"{namespace="shop", pod="cart-7c9d-x2x", app="mine", container="app", dc="x"}"#);
    check(&[("labels", typed_map(&[("app", typed("{app}"))]))], r#"{app="cart", dc="x"}"#);
}

#[test]
fn what_loki_would_refuse_is_refused_at_the_start() {
    let check = |settings: &[(&str, _)], expected: &str| {
        let problems = build(&KIND, settings, &Given::default()).expect_err(expected);
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{expected}: {problems:?}");
    };
    check(&[("labels", typed_map(&[("a.b", typed("x"))]))], "`a.b` cannot be a label's name");
    check(&[("labels", typed_map(&[("a", typed("{nope}"))]))], "unknown placeholder `{nope}`");
    check(
        &[("labels", typed_map(&[("a", typed("x")), ("b", typed("x"))])), ("max_label_names", typed("1"))],
        "2 labels",
    );
    check(&[("structured_metadata", typed_list(&["nope"]))], "unknown metadata `nope`");
    check(&[("structured_metadata", typed_list(&["fields.a.b", "fields.a_b"]))], "a second `a_b`");
    check(&[("tenant", typed("{x"))], "is not closed");
    check(&[("encoding", typed("xml"))], "`protobuf` or `json`");
    check(&[("max_line_size", typed("10B"))], "at least 1KiB");
    check(&[("restamp_older_than", typed("7d"))], "`1m` to `1h`");
    let given = Given { fields: vec![("a-b".into(), "x".into())], ..Given::default() };
    assert!(build(&KIND, &[], &given).is_err());
    let many: Vec<String> = (0..16).map(|at| format!("l{at}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), typed("x"))).collect();
    check(&[("labels", typed_map(&many))], "16 labels, 15 are allowed");
}

#[test]
fn a_restamped_line_keeps_its_own_time_beside_it() {
    let own = Time::parse_rfc3339(b"2026-11-01T08:50:48.5Z").expect("a time");
    for (encoding, read) in [("protobuf", read_protobuf as fn(&Request) -> Vec<Stream>), ("json", read_json)] {
        let sink = sink(&[("encoding", typed(encoding)), ("restamp_older_than", typed("30m"))]);
        let sample = Sample { time_source: TimeSource::Restamped { own }, ..Sample::json(pod()) };
        let body = encode(&sink, [&sample, &Sample::json(pod())]);
        let streams = read(&sink.wire.request(&Arc::new(body.clone()), &[0, 1]));
        let (restamped, other) = (&streams[0].1[0], &streams[0].1[1]);
        assert_eq!(restamped.0, sample.time.as_nanos());
        let mut metadata = restamped.2.clone();
        metadata.retain(|(name, _)| name != "original_time");
        assert_eq!((&metadata, restamped.2.len()), (&other.2, other.2.len() + 1));
        assert!(restamped.2.contains(&("original_time".to_owned(), "2026-11-01T08:50:48.5Z".to_owned())));
        let letter = String::from_utf8(sink.wire.letter(&body, 0)).expect("text");
        assert!(letter.contains("original_time"), "{letter}");
    }
}

#[test]
fn restamping_is_off_unless_asked_for() {
    let mut encoder = sink(&[]).encoder();
    assert_eq!((encoder.restamps_after(), encoder.stream(&pod(), 0).is_some()), (None, true));
    let mut encoder = sink(&[("restamp_older_than", typed("30m"))]).encoder();
    let half_an_hour = Some(std::time::Duration::from_secs(1800));
    assert_eq!((encoder.restamps_after(), encoder.stream(&pod(), 0)), (half_an_hour, None));
}

#[test]
fn tenants_do_not_share_a_group() {
    let sink = sink(&[("tenant", typed("{fields.free}")), ("labels", typed_map(&[("a", typed("x"))]))]);
    let (twelve, none) = (Sample::json(pod()), Sample::plain(pod()));
    let body = encode(&sink, [&twelve, &none, &twelve]);
    let routes: Vec<_> = body.groups.iter().map(|group| group.route.as_deref()).collect();
    assert_eq!(routes, [Some("12"), Some("default")]);
    let request = sink.wire.request(&Arc::new(body.clone()), &[0, 2]);
    assert_eq!(request.headers[0], ("X-Scope-OrgID", "12".to_owned()));
    assert_eq!(read_protobuf(&request)[0].1.len(), 2);
}

#[test]
fn a_part_of_a_body_is_a_whole_request() {
    for (encoding, read) in [("protobuf", read_protobuf as fn(&Request) -> Vec<Stream>), ("json", read_json)] {
        let sink = sink(&[("encoding", typed(encoding))]);
        let line = |origin, body: &str| Sample { body: body.into(), ..Sample::plain(origin) };
        let (a, b) = (named_file("/a"), named_file("/b"));
        let samples = [line(a.clone(), "1"), line(b.clone(), "2"), line(a, "3"), line(b, "4")];
        let body = encode(&sink, &samples);
        assert_eq!(body.groups.len(), 2);
        let lines = |items: &[u32]| -> Vec<Vec<String>> {
            let streams = read(&sink.wire.request(&Arc::new(body.clone()), items));
            streams.into_iter().map(|(_, entries)| entries.into_iter().map(|entry| entry.1).collect()).collect()
        };
        assert_eq!(lines(&[0, 1, 2, 3]), [["1", "3"], ["2", "4"]]);
        assert_eq!(lines(&[1, 2, 3]), [vec!["2", "4"], vec!["3"]]);
        assert_eq!(lines(&[3]), [["4"]]);
    }
}

#[test]
fn a_line_beyond_the_limit_is_cut_and_says_so() {
    let sink = sink(&[("max_line_size", typed("1KiB"))]);
    let line = |len| Sample { body: "x".repeat(len), ..Sample::plain(pod()) };
    let body = encode(&sink, &[line(1024), line(1025)]);
    let entries = read_protobuf(&sink.wire.request(&Arc::new(body.clone()), &[0, 1])).remove(0).1;
    assert_eq!(entries[0].1, "x".repeat(1024));
    assert!(entries[1].1.len() <= 1024 && entries[1].1.ends_with("x …[cut by tailwater]"));
}

#[test]
fn letters_for_people_and_programs() {
    for encoding in ["protobuf", "json"] {
        let sink = sink(&[("encoding", typed(encoding)), ("tenant", typed("t"))]);
        let body = encode(&sink, &[Sample::json(pod()), Sample::json(pod())]);
        let expected = r#"{"tenant":"t","labels":{"namespace":"shop","pod":"cart-7c9d-x2x","app":"cart","container":"app"},"time":"2026-11-23T08:50:48.70393181Z","line":"{\"level\":\"WARN\",\"msg\":\"disk nearly \\\"full\\\"\",\"free\":12,\"nested\":{\"k\":\"v\"}}","metadata":{"stream":"stderr","level":"warn"}}"#;
        for index in 0..2 {
            // JSON objects have no order: read back through a map, metadata may be in another.
            let letter: serde_json::Value =
                serde_json::from_slice(&sink.wire.letter(&body, index)).expect("valid JSON");
            assert_eq!(letter, serde_json::from_str::<serde_json::Value>(expected).expect("valid JSON"), "{encoding}");
        }
    }
}

#[test]
fn one_encoder_serves_bodies_in_turn() {
    let sink = sink(&[]);
    let (a, b) = (Sample::plain(named_file("/a")), Sample::plain(named_file("/b")));
    let mut encoder = sink.encoder();
    let mut bodies = [Body::default(), Body::default(), Body::default()];
    for (sample, at) in [(&a, 0), (&b, 0), (&b, 1), (&a, 1), (&a, 0), (&b, 2), (&b, 0)] {
        sample.with(|event| encoder.push(event, &mut bodies[at]));
    }
    // A group may stand twice in bodies that are filled in turns; each line stands in a group of its own labels.
    for (body, expected) in bodies.iter().zip(["/a /a /b /b", "/a /b", "/b"]) {
        let streams = read_protobuf(&sink.wire.request(&Arc::new(body.clone()), &all(body)));
        let mut seen: Vec<_> =
            streams.iter().flat_map(|(labels, entries)| entries.iter().map(move |_| labels)).collect();
        seen.sort();
        let expected: Vec<_> = expected.split(' ').map(|path| format!(r#"{{host="node-1", path="{path}"}}"#)).collect();
        assert_eq!(seen, expected.iter().collect::<Vec<_>>());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_line_arrives_as_it_is(samples in proptest::collection::vec(any_sample(), 1..20), skip in 1..4_usize) {
        for (encoding, read) in [("protobuf", read_protobuf as fn(&Request) -> Vec<Stream>), ("json", read_json)] {
            let sink = sink(&[("encoding", typed(encoding))]);
            let body = encode(&sink, &samples);
            let items: Vec<u32> = (0..samples.len() as u32).step_by(skip).collect();
            let mut seen: Vec<_> = read(&sink.wire.request(&Arc::new(body.clone()), &items)).into_iter()
                .flat_map(|(_, entries)| entries).collect();
            seen.iter_mut().for_each(|entry| entry.2.sort());
            let mut sent: Vec<_> = items.iter().map(|&item| {
                let sample = &samples[item as usize];
                let mut metadata = Vec::new();
                metadata.extend(sample.level.map(|level| ("level".to_owned(), level.name().to_owned())));
                metadata.extend(sample.stream.map(|stream| ("stream".to_owned(), stream.name().to_owned())));
                (sample.time.as_nanos() + i128::from(sample.nudge), sample.body.clone(), metadata)
            }).collect();
            seen.sort();
            sent.sort();
            prop_assert_eq!(seen, sent);
        }
    }
}
