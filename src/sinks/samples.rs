//! Events for the tests of all sinks.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::kind::{Given, Kind, Sink};
use crate::model::body::Body;
use crate::model::event::{Event, Fields, Flaw, Level, Span, Stream, TimeSource};
use crate::model::origin::{Format, Names, Origin, OriginId, Workload};
use crate::model::settings::{Node, Place, Problem, Problems, Section, Value};
use crate::model::text::Text;
use crate::model::time::Time;

/// A pod's container.
pub(crate) fn pod() -> Arc<Origin> {
    let path = "/var/log/pods/shop_cart-7c9d-x2x_6f1c/app/0.log";
    Arc::new(Origin {
        id: OriginId::new(path.as_bytes(), b"head\n", 0),
        source: "pods".into(),
        path: Path::new(path).into(),
        format: Format::Cri,
        workload: Some(Workload::new(
            Names { namespace: "shop", pod: "cart-7c9d-x2x", uid: "6f1c", container: "app", app: "cart" },
            0,
        )),
        host: "node-1".into(),
    })
}

/// A plain file.
pub(crate) fn file() -> Arc<Origin> {
    named_file("/var/log/nginx/access.log")
}

/// A plain file with this path.
pub(crate) fn named_file(path: &str) -> Arc<Origin> {
    Arc::new(Origin {
        id: OriginId::new(path.as_bytes(), b"GET /\n", 0),
        source: "nginx".into(),
        path: Path::new(path).into(),
        format: Format::Plain,
        workload: None,
        host: "node-1".into(),
    })
}

/// A pipe.
pub(crate) fn pipe() -> Arc<Origin> {
    Arc::new(Origin {
        id: OriginId::new(b"", b"", 7),
        source: "stdin".into(),
        path: Path::new("").into(),
        format: Format::Plain,
        workload: None,
        host: "node-1".into(),
    })
}

/// The parts of an event, owned.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) origin: Arc<Origin>,
    pub(crate) spans: Vec<Span>,
    pub(crate) time: Time,
    pub(crate) time_source: TimeSource,
    pub(crate) nudge: u32,
    pub(crate) stream: Option<Stream>,
    pub(crate) level: Option<Level>,
    pub(crate) body: String,
    /// The message; `None` is the whole body.
    pub(crate) message: Option<String>,
    /// Whether the body is a JSON object.
    pub(crate) json: bool,
    pub(crate) pairs: Vec<(String, String)>,
    pub(crate) flaw: Option<Flaw>,
    pub(crate) demoted: u64,
}

impl Sample {
    /// The line of the design's example.
    pub(crate) fn json(origin: Arc<Origin>) -> Self {
        Self {
            stream: Some(Stream::Stderr),
            level: Some(Level::Warn),
            body: r#"{"level":"WARN","msg":"disk nearly \"full\"","free":12,"nested":{"k":"v"}}"#.into(),
            message: Some(r#"disk nearly \"full\""#.into()),
            json: true,
            ..Self::plain(origin)
        }
    }

    /// A line of logfmt in which a key repeats.
    pub(crate) fn logfmt(origin: Arc<Origin>) -> Self {
        let pairs = [("level", "error"), ("msg", "no\troute"), ("tag", "a"), ("tag", "b"), ("took", "3ms")];
        Self {
            stream: Some(Stream::Stdout),
            level: Some(Level::Error),
            body: "level=error msg=\"no\troute\" tag=a tag=b took=3ms".into(),
            message: Some("no\troute".into()),
            pairs: pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            ..Self::plain(origin)
        }
    }

    /// A line without structure and without a time of its own.
    pub(crate) fn plain(origin: Arc<Origin>) -> Self {
        let time_source = if origin.format == Format::Plain { TimeSource::Reading } else { TimeSource::Runtime };
        Self {
            origin,
            spans: vec![Span { start: 81, end: 200 }],
            time: Time { secs: 1_795_423_848, nanos: 703_931_810 },
            time_source,
            nudge: 0,
            stream: None,
            level: None,
            body: "GET / \u{1b}[31m\"é\" \\ 200".into(),
            message: None,
            json: false,
            pairs: Vec::new(),
            flaw: None,
            demoted: 0,
        }
    }

    /// Calls `see` with the event.
    pub(crate) fn with<T>(&self, see: impl FnOnce(&Event<'_>) -> T) -> T {
        let pairs: Vec<_> = self.pairs.iter().map(|(key, value)| (Text::Plain(key), Text::Plain(value))).collect();
        let fields = match (self.json, pairs.is_empty()) {
            (true, _) => Fields::Json(&self.body),
            (false, true) => Fields::None,
            (false, false) => Fields::Pairs(&pairs),
        };
        see(&Event {
            origin: &self.origin,
            spans: &self.spans,
            time: self.time,
            time_source: self.time_source,
            nudge: self.nudge,
            stream: self.stream,
            level: self.level,
            body: &self.body,
            message: match &self.message {
                None => Text::Plain(&self.body),
                Some(message) if self.json => Text::Escaped(message),
                Some(message) => Text::Plain(message),
            },
            fields,
            flaw: self.flaw,
            demoted: self.demoted,
        })
    }
}

/// The golden events, with a name each.
pub(crate) fn golden() -> Vec<(&'static str, Sample)> {
    let flawed = Sample { flaw: Some(Flaw::Cut), nudge: 3, ..Sample::plain(file()) };
    let joined = Sample {
        spans: vec![Span { start: 10, end: 30 }, Span { start: 60, end: 90 }],
        stream: Some(Stream::Stdout),
        body: "first\nsecond".into(),
        ..Sample::plain(pod())
    };
    vec![
        ("pod json", Sample::json(pod())),
        ("pod logfmt", Sample::logfmt(pod())),
        ("pod joined", joined),
        ("file plain cut", flawed),
        ("file json", Sample::json(file())),
        ("pipe plain", Sample::plain(pipe())),
        ("pipe empty", Sample { body: String::new(), ..Sample::plain(pipe()) }),
    ]
}

/// A typed value.
pub(crate) fn typed(text: &str) -> Node {
    Node { place: place(), value: Value::Scalar(text.into()) }
}

/// A typed list.
pub(crate) fn typed_list(texts: &[&str]) -> Node {
    Node { place: place(), value: Value::List(texts.iter().map(|text| typed(text)).collect()) }
}

/// A typed map.
pub(crate) fn typed_map(entries: &[(&str, Node)]) -> Node {
    let entries = entries.iter().map(|(key, node)| ((*key).to_owned(), place(), node.clone())).collect();
    Node { place: place(), value: Value::Map(entries) }
}

fn place() -> Place {
    Place { file: "t.yaml".into(), line: 1, column: 1 }
}

/// Builds a sink; else all problems, each with its hint.
pub(crate) fn build(kind: &Kind, settings: &[(&str, Node)], given: &Given) -> Result<Sink, Vec<String>> {
    let node = typed_map(settings);
    let mut problems = Problems::default();
    let mut section = Section::new("sink `s`", &node, &[kind.keys], &mut problems);
    let sink = (kind.build)(&mut section, given);
    section.end();
    if problems.0.is_empty() {
        return Ok(sink);
    }
    let text = |problem: Problem| format!("{} ({})", problem.text, problem.hint);
    Err(problems.0.into_iter().map(text).collect())
}

/// The events in one body, by one encoder.
pub(crate) fn encode<'s>(sink: &Sink, samples: impl IntoIterator<Item = &'s Sample>) -> Body {
    let (mut encoder, mut body) = (sink.encoder(), Body::default());
    samples.into_iter().for_each(|sample| sample.with(|event| encoder.push(event, &mut body)));
    body
}

/// Any event: any text, with and without structure.
pub(crate) fn any_sample() -> impl Strategy<Value = Sample> {
    let text = || prop_oneof![".{0,30}", "[\\x00-\\x7f]{0,30}", "[\u{0}\"\\\\\n]{0,200}"];
    let pairs = proptest::collection::vec(("[a-c\\x01\"é.]{0,3}", text()), 0..30);
    let facts = (0..4_usize, 0..8_usize, 0..3_usize, 0..3_usize, any::<u32>(), 0..5_u64);
    (text(), pairs, 0..3_u8, facts).prop_map(|(body, pairs, form, (origin, level, stream, flaw, nudge, start))| {
        let origin = match origin {
            0 => pod(),
            1 => pipe(),
            2 => file(),
            _ => named_file(&format!("/x/{body}")),
        };
        let levels = [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error, Level::Fatal];
        let mut sample = Sample {
            level: levels.get(level).copied(),
            stream: [Stream::Stdout, Stream::Stderr].get(stream).copied(),
            flaw: [Flaw::Cut, Flaw::NotDocker].get(flaw).copied(),
            nudge: nudge % 1_000,
            spans: vec![Span { start, end: start + 100 }],
            ..Sample::plain(origin)
        };
        match form {
            0 => sample.body = body,
            1 => {
                let object: serde_json::Map<_, _> =
                    pairs.into_iter().map(|(key, value)| (key, serde_json::json!([value, {"k": 1}]))).collect();
                sample.body = serde_json::Value::Object(object).to_string();
                sample.json = true;
                // A message is taken from the line as it stands: any part of it without a quote is one.
                sample.message = Some(sample.body.chars().filter(|c| !matches!(c, '"' | '\\')).collect());
            }
            _ => {
                sample.body = pairs.iter().map(|(key, value)| format!("{key}={value} ")).collect();
                sample.message = pairs.first().map(|(_, value)| value.clone());
                sample.pairs = pairs;
            }
        }
        sample
    })
}
