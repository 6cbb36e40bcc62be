//! What is counted, in how many series, and what is not.

use std::sync::Arc;

use super::*;
use crate::model::event::{Fields, Span, TimeSource};
use crate::model::origin::{Format, Origin, OriginId};
use crate::model::settings::{Node, Place, Problems, Value};
use crate::model::text::Text;

fn node(value: Value) -> Node {
    Node { place: Place { file: "t.yaml".into(), line: 1, column: 1 }, value }
}

fn map(entries: Vec<(&str, Node)>) -> Node {
    let place = node(Value::Null).place;
    node(Value::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), place.clone(), value)).collect()))
}

fn text(text: &str) -> Node {
    node(Value::Scalar(text.to_owned()))
}

fn list(items: &[&str]) -> Node {
    node(Value::List(items.iter().map(|item| text(item)).collect()))
}

fn counts(name: &str, metric: Vec<(&str, Node)>) -> Counts {
    let (place, node, mut problems) = (node(Value::Null).place, map(metric), Problems::default());
    let counts = Counts::read(&[(name, &place, &node)], "t", &mut problems);
    counts.unwrap_or_else(|| panic!("{problems:?}"))
}

/// Counts a JSON line; how much was wrong.
fn meets(counts: &mut Counts, line: &str) -> u64 {
    let (source, host) = ("s".into(), "h".into());
    let origin = Arc::new(Origin {
        id: OriginId(1),
        source,
        path: std::path::Path::new("/a").into(),
        format: Format::Plain,
        workload: None,
        host,
    });
    counts.count(&Event {
        origin: &origin,
        spans: &[Span { start: 0, end: 1 }],
        time: Default::default(),
        time_source: TimeSource::Reading,
        nudge: 0,
        stream: None,
        level: None,
        body: line,
        message: Text::Plain(line),
        fields: Fields::Json(line),
        flaw: None,
        demoted: 0,
    })
}

/// The only metric's series: values of labels, events, sum.
fn series(counts: &Counts) -> Vec<(String, u64, f64)> {
    let counted = counts.counted().next().expect("a metric");
    counted.series.into_iter().map(|(values, series)| (values.join(","), series.count, series.sum)).collect()
}

#[test]
fn events_are_counted_by_their_labels() {
    let labels = map(vec![("status", text("{fields.status}")), ("source", text("{source}"))]);
    let mut a = counts("a_total", vec![("labels", labels), ("when", text("has(fields.status)"))]);
    for line in [r#"{"status":200}"#, r#"{"status":"a\u0000b"}"#, r#"{"status":200}"#, r#"{"x":1}"#] {
        assert_eq!(meets(&mut a, line), 0);
    }
    assert_eq!(series(&a), [("200,s".to_owned(), 2, 2.0), ("ab,s".to_owned(), 1, 1.0)]);
}

#[test]
fn values_are_added_and_what_is_none_is_said() {
    let mut a = counts("a_total", vec![("value", text("fields.bytes"))]);
    let lines = [r#"{"bytes":1.5}"#, r#"{"bytes":"2"}"#, r#"{"x":1}"#, r#"{"bytes":-1}"#, r#"{"bytes":"many"}"#];
    assert_eq!(lines.map(|line| meets(&mut a, line)), [0, 0, 0, 1, 1]);
    assert_eq!(series(&a), [(String::new(), 2, 3.5)]);
}

#[test]
fn values_lie_in_buckets() {
    let mut a = counts("a", vec![("value", text("fields.took")), ("buckets", list(&["0.5", "1", "5"]))]);
    for took in ["0.1", "0.5", "1", "4", "7", "-1"] {
        assert_eq!(meets(&mut a, &format!("{{\"took\":{took}}}")), 0);
    }
    let counted = a.counted().next().expect("a metric");
    let (_, series) = &counted.series[0];
    assert_eq!((series.count, series.buckets.as_slice()), (6, &[3, 1, 1][..]));
}

#[test]
fn what_would_be_too_many_series_is_counted_in_one() {
    let labels = || map(vec![("id", text("{fields.id}")), ("source", text("{source}"))]);
    let mut a = counts("a_total", vec![("labels", labels()), ("max_series", text("2"))]);
    for id in [1, 2, 3, 1, 4] {
        meets(&mut a, &format!("{{\"id\":{id}}}"));
    }
    let expected = [("1,s", 2), ("2,s", 1), ("_other,_other", 2)];
    assert_eq!(series(&a), expected.map(|(labels, count)| (labels.to_owned(), count, count as f64)));
    assert_eq!((a.overflows().as_deref(), a.overflows()), (Some("a_total"), None));
}

#[test]
fn what_two_workers_have_counted_is_one() {
    let metric = || vec![("labels", map(vec![("id", text("{fields.id}"))]))];
    let (mut one, mut other) = (counts("a_total", metric()), counts("a_total", metric()));
    [1, 2].iter().for_each(|id| _ = meets(&mut one, &format!("{{\"id\":{id}}}")));
    [2, 3].iter().for_each(|id| _ = meets(&mut other, &format!("{{\"id\":{id}}}")));
    let mut sum: Vec<Counted> = one.counted().collect();
    merge(&mut sum, &other.counted().collect::<Vec<_>>());
    let counts_of: Vec<_> = sum[0].series.iter().map(|(values, series)| (values[0].as_str(), series.count)).collect();
    assert_eq!(counts_of, [("1", 1), ("2", 2), ("3", 1)]);
    // Another metric of this name begins anew.
    let before = sum.clone();
    let changed = counts("a_total", vec![("labels", map(vec![("user", text("{fields.id}"))]))]);
    merge(&mut sum, &changed.counted().collect::<Vec<_>>());
    assert_eq!(sum, before);
}
