//! What requests look like: tenants, labels and metadata, names of streams and indices, what is added to every event,
//! and the forms of stdout.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::scenario::Tailwater;
use crate::stage::{NOW, SECOND, START, Stage, quick};
use crate::support::doubles::elasticsearch::Elasticsearch;
use crate::support::doubles::loki::{Format, Loki};

fn loki(store: &Loki, more: &str) -> String {
    format!("type: loki, url: '{}', {}", store.url(), quick(more))
}

fn elasticsearch(store: &Elasticsearch, more: &str) -> String {
    format!("type: elasticsearch, url: '{}', {}", store.url(), quick(more))
}

/// Lines by tenant and stream, as the double holds them.
fn by_stream(store: &Loki) -> BTreeMap<(String, String), Vec<String>> {
    store.look(|state| {
        let mut streams: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for (tenant, stream, _, entry) in state.entries() {
            let labels: Vec<String> = stream.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
            streams.entry((tenant.to_owned(), labels.join(" "))).or_default().push(entry.line.clone());
        }
        streams
    })
}

fn three_teams() -> Stage {
    let stage = Stage::new();
    for (at, (namespace, team)) in [("shop", "a/b"), ("bank", "c"), ("shop", ""), ("bank", "c")].into_iter().enumerate()
    {
        let time = START + at as i64 * SECOND;
        stage.add_to(namespace, "cart-0", time, &format!("{{\"msg\":\"line {at}\",\"team\":\"{team}\"}}"));
    }
    stage
}

#[test]
fn tenants() {
    for (tenant, expected) in [
        ("team-a", vec![("team-a", 4)]),
        ("'{namespace}'", vec![("bank", 2), ("shop", 2)]),
        ("'{namespace}.{container}'", vec![("bank.app", 2), ("shop.app", 2)]),
        // Made legal, and never none where a tenant is asked for.
        ("'{fields.team}'", vec![("a_b", 1), ("c", 2), ("default", 1)]),
    ] {
        let store = Loki::start_at(NOW);
        store.change(|store| store.tenant_required = true);
        let stage = three_teams();
        stage.run(&loki(&store, &format!("tenant: {tenant}"))).assert_lines(tenant, 4, 0, 0, 0);
        let mut tenants: BTreeMap<String, usize> = BTreeMap::new();
        by_stream(&store)
            .into_iter()
            .for_each(|((tenant, _), lines)| *tenants.entry(tenant).or_default() += lines.len());
        let expected: BTreeMap<String, usize> =
            expected.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
        assert_eq!(tenants, expected, "{tenant}");
        assert_eq!(store.look(|state| state.repeats()), 0);
    }
}

#[test]
fn labels_and_metadata() {
    let check = |more: &str, labels: &[&str], metadata: &[(&str, &str)]| {
        for (encoding, format) in [("protobuf", Format::Protobuf), ("json", Format::JsonGzip)] {
            let store = Loki::start_at(NOW);
            let stage = Stage::new().top("fields: { cluster: blue, zone: '1' }");
            let line = r#"{"level":"WARN","msg":"m","trace.id":"4bf9","zone":"é\"2\\"}"#;
            stage.add(&[line]);
            stage.run(&loki(&store, &format!("encoding: {encoding}, {more}"))).assert_lines(more, 1, 0, 0, 0);
            let streams: Vec<_> = by_stream(&store).into_iter().collect();
            assert_eq!(streams, [(("fake".to_owned(), labels.join(" ")), vec![line.to_owned()])], "{more}");
            store.look(|state| {
                let (.., time, entry) = state.entries().next().expect("an entry");
                // An object of JSON has no order.
                let seen: BTreeMap<_, _> =
                    entry.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                let metadata: BTreeMap<_, _> = metadata.iter().copied().collect();
                assert_eq!((time, seen), (START, metadata), "{more}");
                assert!(state.surprises.is_empty());
                assert!(state.pushes.iter().all(|push| push.format == format), "{more}");
            });
        }
    };
    let usual = [("stream", "stdout"), ("level", "warn")];
    check("", &["app=cart", "cluster=blue", "container=app", "namespace=shop", "pod=cart-0", "zone=1"], &usual);
    // A label that was typed is nearer than a field for all; one that is empty is left out.
    check(
        "labels: { app: '{app}', zone: '{fields.zone}', where: 'x-{namespace}-{stream}', none: '{fields.none}' }",
        &["app=cart", "cluster=blue", "where=x-shop-stdout", r#"zone=é"2\"#],
        &usual,
    );
    check(
        "labels: { level: '{level}' }, structured_metadata: [pod, fields.trace.id, fields.none, source]",
        &["cluster=blue", "level=warn", "zone=1"],
        &[("pod", "cart-0"), ("trace_id", "4bf9"), ("source", "pods")],
    );
    check("labels: { a: b }, structured_metadata: []", &["a=b", "cluster=blue", "zone=1"], &[]);
}

/// What the flags add stands in each sink as what the settings add.
#[test]
fn labels_of_the_command_line() {
    let (push, bulk) = (Loki::start_at(NOW), Elasticsearch::start());
    let stage = Stage::with_lines(2);
    let (to_loki, to_bulk) = (format!("loki+{}", push.url()), format!("es+{}/logs-x-default", bulk.url()));
    let pods = stage.place.pods();
    let arguments =
        ["--from", &pods, "--to", &to_loki, "--to", &to_bulk, "--to", "stdout:", "--label", "cluster=blue", "--once"];
    assert_eq!(Tailwater::with(&stage.place, arguments).run(), 0, "{}", stage.place.read("log"));
    assert!(by_stream(&push).keys().all(|(_, labels)| labels.contains("cluster=blue")));
    let documents: Vec<Value> =
        bulk.look(|state| state.documents("logs-x-default").iter().map(|document| document.json()).collect());
    assert_eq!(documents.len(), 2);
    assert!(documents.iter().all(|document| document["labels"]["cluster"] == "blue"), "{documents:?}");
    let printed = stage.place.read("stdout");
    assert_eq!(printed.matches("\"cluster\":\"blue\"").count(), 2, "{printed}");
}

#[test]
fn names_of_streams_and_indices() {
    for (name, expected) in [
        ("data_stream: logs-app-default", vec![("logs-app-default", 3)]),
        ("data_stream: 'logs-{namespace}.{container}-prod'", vec![("logs-shop.app-prod", 3)]),
        ("data_stream: 'logs-{fields.team}-prod'", vec![("logs-_a_b_team_1-prod", 1), ("logs-unknown-prod", 2)]),
        ("index: plain", vec![("plain", 3)]),
        ("index: 'app-%Y.%m.%d'", vec![("app-2026.11.23", 2), ("app-2026.11.24", 1)]),
        ("index: '{namespace}-%Y.%m.%d-%H'", vec![("shop-2026.11.23-23", 2), ("shop-2026.11.24-00", 1)]),
        ("index: '{fields.team}'", vec![("a_b_team-1", 1), ("unknown", 2)]),
        ("", vec![("logs-tailwater-default", 3)]),
    ] {
        let store = Elasticsearch::start();
        let stage = Stage::new();
        // A second before midnight, at the last nanosecond, and at midnight, in UTC.
        let midnight = 1_795_478_400 * SECOND;
        stage.add_to("shop", "cart-0", midnight - SECOND, r#"{"msg":"a","team":"_A/B Team-1"}"#);
        stage.add_to("shop", "cart-0", midnight - 1, r#"{"msg":"b","team":""}"#);
        stage.add_to("shop", "cart-0", midnight, r#"{"msg":"c"}"#);
        stage.run(&elasticsearch(&store, name)).assert_lines(name, 3, 0, 0, 0);
        let seen: BTreeMap<String, usize> = store
            .look(|state| state.indices.iter().map(|(name, index)| (name.clone(), index.documents.len())).collect());
        let expected = expected.into_iter().map(|(name, count)| (name.to_owned(), count));
        assert_eq!(seen, expected.collect(), "{name}");
        assert_eq!(store.look(|state| state.bulks.iter().map(|bulk| bulk.refused).sum::<usize>()), 0, "{name}");
    }
}

#[test]
fn forms_of_a_bulk() {
    for (more, pipeline, encoding) in [
        ("", None, Some("gzip")),
        ("compression: gzip, pipeline: geo", Some("geo"), Some("gzip")),
        ("compression: none, pipeline: 'a/b c&d'", Some("a/b c&d"), None),
    ] {
        let store = Elasticsearch::start();
        Stage::with_lines(5).run(&elasticsearch(&store, more)).assert_lines(more, 5, 0, 0, 0);
        store.look(|state| {
            assert_eq!(state.stored(), 5);
            for seen in &state.seen {
                assert_eq!(seen.request.parameter("pipeline").as_deref(), pipeline, "{more}");
                assert_eq!(seen.request.header("content-encoding"), encoding, "{more}");
                assert_eq!(seen.request.header("content-type"), Some("application/x-ndjson"));
            }
            for document in state.documents("logs-tailwater-default") {
                assert!(!document.id.starts_with("auto-"), "it has an id of ours");
            }
        });
    }
}

#[test]
fn a_path_is_a_prefix() {
    for (prefix, expected) in [("", ""), ("/insert", "/insert"), ("/a/b/", "/a/b"), ("/loki/api/v1/push", "")] {
        let store = Loki::start_at(NOW);
        let sink = format!("type: loki, url: '{}{prefix}', {}", store.url(), quick(""));
        Stage::with_lines(2).run(&sink).assert_lines(prefix, 2, 0, 0, 0);
        let path = store.look(|state| state.seen[0].request.path.clone());
        assert_eq!(path, format!("{expected}/loki/api/v1/push"));
    }
}

#[test]
fn forms_of_stdout() {
    let line = r#"{"level":"warn","msg":"disk \"nearly\" full","free":12}"#;
    for (format, expected) in [
        (
            "json",
            concat!(
                r#"{"time":"2026-11-23T08:50:48Z","level":"warn","message":"disk \"nearly\" full","stream":"stdout","#,
                r#""namespace":"shop","pod":"cart-0","container":"app","labels":{"cluster":"blue"},"#,
                r#""fields":{"level":"warn","msg":"disk \"nearly\" full","free":12}}"#
            ),
        ),
        (
            "logfmt",
            concat!(
                r#"time=2026-11-23T08:50:48Z level=warn message="disk \"nearly\" full" stream=stdout namespace=shop pod=cart-0 "#,
                r#"container=app labels.cluster=blue fields.level=warn fields.msg="disk \"nearly\" full" fields.free=12"#
            ),
        ),
        ("text", "2026-11-23 08:50:48.000 WARN  shop/cart-0/app disk \"nearly\" full"),
        ("text, color: true", "\u{1b}["),
    ] {
        let stage = Stage::new().top("fields: { cluster: blue }");
        stage.add(&[line]);
        let mut run = stage.start(&format!("type: stdout, format: {format}, batch: {{ max_age: 50ms }}"));
        run.wait_for("lines_delivered_total", "", 1);
        assert_eq!(run.process.terminate(), 0);
        let printed = stage.place.read("stdout");
        assert_eq!(printed.lines().count(), 1, "{printed}");
        assert!(printed.contains(expected), "{format}: {printed}");
        if format == "json" {
            let event: Value = serde_json::from_str(&printed).expect("JSON");
            assert_eq!(event["fields"]["free"], json!(12));
        }
    }
}
