//! A part of the input in memory, taken apart into lines and made ready, so that floors and cores see the bytes that the
//! program sees.
//!
//! **Invariant**: it takes the same share of every file, so the mix is that of the input; whatever is derived from it
//! (bodies, Docker lines) stands for the same lines.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use tailwater::config::flags::LogTyped;
use tailwater::config::machine::Machine;
use tailwater::config::settings::Settings;
use tailwater::frame::Framer;
use tailwater::frame::join::{Joined, Joiner, Step};
use tailwater::frame::lines::Lines;
use tailwater::frame::text;
use tailwater::model::body::Body;
use tailwater::model::event::{Entry, Event, Fields, Span, Stream, TimeSource};
use tailwater::model::origin::{Format, Names, Origin, OriginId, Workload};
use tailwater::model::time::Time;
use tailwater::parse::auto;
use tailwater::parse::pairs::{Pairs, Scratch};
use tailwater::sinks::Sink;

use crate::input::{GIB, Input};

const MAX_LINE: usize = 256 << 10;
const MAX_OPEN: u64 = 1 << 20;
const BATCH: usize = 1 << 20;

/// The beginning of one file.
pub struct Part {
    pub path: PathBuf,
    pub origin: Arc<Origin>,
    /// Whole lines.
    pub bytes: Vec<u8>,
}

/// An application line.
#[derive(Clone)]
pub struct Line {
    /// Index into the parts.
    pub part: usize,
    pub spans: Vec<Span>,
    pub time: Time,
    pub stream: Option<Stream>,
    /// As the runtime wrote it, pieces joined.
    pub raw: Vec<u8>,
    pub text: String,
    pub kind: Kind,
}

/// Who parses a line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Json,
    Pairs,
    Text,
}

/// What is measured on.
pub struct Sample {
    pub parts: Vec<Part>,
    pub bytes: usize,
    pub lines: Vec<Line>,
    pub sinks: Sinks,
    pub bodies: Bodies,
}

/// The sinks with the settings that the jobs use.
pub struct Sinks {
    pub loki: Sink,
    pub bulk: Sink,
    pub bulk_gzip: Sink,
    pub json: Sink,
    pub logfmt: Sink,
    pub text: Sink,
}

/// The sample as each sink encodes it, in batches.
pub struct Bodies {
    pub loki: Vec<Body>,
    pub bulk: Vec<Body>,
    pub json: Vec<Body>,
    /// Pushes before they are compressed.
    pub pushes: Vec<Vec<u8>>,
    /// What goes over the wire.
    pub loki_requests: Vec<Bytes>,
    pub gzip_requests: Vec<Bytes>,
}

impl Sample {
    pub fn take(input: &Input, bytes: u64) -> Result<Sample, String> {
        let share = bytes as f64 / input.counted.bytes as f64;
        let mut parts = Vec::new();
        for path in &input.files {
            let mut whole = Vec::new();
            File::open(path)
                .and_then(|mut file| file.read_to_end(&mut whole))
                .map_err(|error| format!("{}: {error}", path.display()))?;
            let wanted = (whole.len() as f64 * share) as usize;
            let end =
                memchr::memchr(b'\n', &whole[wanted.min(whole.len() - 1)..]).map_or(whole.len(), |at| wanted + at + 1);
            whole.truncate(end);
            parts.push(Part { path: path.clone(), origin: origin(path, parts.len()), bytes: whole });
        }
        let lines = lines(&parts);
        let sinks = Sinks::make()?;
        let bodies = Bodies::make(&sinks, &parts, &lines)?;
        Ok(Sample { bytes: parts.iter().map(|part| part.bytes.len()).sum(), parts, lines, sinks, bodies })
    }

    /// CPU seconds that the sample took, as of a GiB of input.
    pub fn per_gib(&self, cpu: f64) -> f64 {
        cpu * GIB / self.bytes as f64
    }

    /// `bytes` as a share of the sample.
    pub fn share(&self, bytes: usize) -> f64 {
        bytes as f64 / self.bytes as f64
    }

    /// The raw lines, pieces by themselves.
    pub fn raw_lines(&self) -> Vec<(&[u8], Span)> {
        self.parts.iter().flat_map(|part| Lines::new(&part.bytes, 0)).collect()
    }

    pub fn of_kind(&self, kind: Kind) -> Vec<&Line> {
        self.lines.iter().filter(|line| line.kind == kind).collect()
    }
}

/// The origin that the program would make.
fn origin(path: &std::path::Path, number: usize) -> Arc<Origin> {
    let names = path.components().rev().filter_map(|part| part.as_os_str().to_str()).take(3).collect::<Vec<_>>();
    let (container, pod) = (names.get(1).copied().unwrap_or(""), names.get(2).copied().unwrap_or(""));
    let mut names = pod.split('_');
    let mut next = || names.next().unwrap_or_default();
    let (namespace, pod, uid) = (next(), next(), next());
    let app = pod.split('-').next().unwrap_or_default();
    let workload = Workload::new(Names { namespace, pod, uid, container, app }, 0);
    Arc::new(Origin {
        id: OriginId(number as u128 + 1),
        path: path.into(),
        format: Format::Cri,
        workload: Some(workload),
        host: "node-1".into(),
        source: "from".into(),
    })
}

fn lines(parts: &[Part]) -> Vec<Line> {
    let mut lines = Vec::new();
    for (part, content) in parts.iter().enumerate() {
        let mut framer = Framer::new(Format::Cri);
        let mut joiner = Joiner::new(MAX_LINE, MAX_OPEN);
        for (raw, span) in Lines::new(&content.bytes, 0) {
            let entry = framer.entry(raw);
            match joiner.push(&entry, span, 0) {
                Step::Whole => lines.push(line(part, &entry, 0, &[span])),
                Step::Joined(Joined { entry, lost, spans }) => lines.push(line(part, &entry, lost, spans)),
                Step::Held | Step::Skipped => {}
            }
        }
    }
    lines
}

fn line(part: usize, entry: &Entry<'_>, lost: u64, spans: &[Span]) -> Line {
    let mut scratch = String::new();
    let text = text::text(entry.body, text::Known::default(), lost, MAX_LINE, &mut scratch).0.to_owned();
    let kind = match auto::parse(&text, &mut Scratch::default().lend()).fields {
        Fields::Json(_) => Kind::Json,
        Fields::Pairs(_) => Kind::Pairs,
        Fields::None => Kind::Text,
    };
    let (time, stream) = (entry.time.unwrap_or_default(), entry.stream);
    Line { part, spans: spans.to_vec(), time, stream, raw: entry.body.to_vec(), text, kind }
}

/// One event after the other, parsed already, as an encoder gets them.
pub fn with_events<T>(parts: &[Part], lines: &[Line], use_them: impl FnOnce(&[Event<'_>]) -> T) -> T {
    let mut scratches: Vec<Scratch> = lines.iter().map(|_| Scratch::default()).collect();
    let mut pairs: Vec<Pairs<'_, '_>> = scratches.iter_mut().map(Scratch::lend).collect();
    let events: Vec<Event<'_>> = lines
        .iter()
        .zip(&mut pairs)
        .map(|(line, pairs)| {
            let parsed = auto::parse(&line.text, pairs);
            Event {
                origin: &parts[line.part].origin,
                spans: &line.spans,
                time: line.time,
                time_source: TimeSource::Runtime,
                nudge: 0,
                stream: line.stream,
                level: parsed.level,
                body: &line.text,
                message: parsed.message,
                fields: parsed.fields,
                flaw: None,
                demoted: 0,
            }
        })
        .collect();
    use_them(&events)
}

/// Encodes events into batches as the program cuts them. The batches' memory is used again where it is given.
pub fn encode(sink: &Sink, events: &[Event<'_>], mut spare: Vec<Body>) -> Vec<Body> {
    let mut encoder = sink.encoder();
    let mut full = Vec::new();
    let mut next = || {
        let mut body = spare.pop().unwrap_or_else(|| Body::with_capacity(BATCH + (128 << 10)));
        let bytes = std::mem::take(&mut body.bytes);
        body = Body { bytes, ..Body::default() };
        body.bytes.clear();
        body
    };
    let mut body = next();
    for event in events {
        encoder.push(event, &mut body);
        if body.bytes.len() >= BATCH || body.items.len() >= BATCH / 64 {
            full.push(std::mem::replace(&mut body, next()));
        }
    }
    full.push(body);
    full
}

impl Sinks {
    fn make() -> Result<Sinks, String> {
        let text = "
state_dir: /nonexistent
sources: { pods: { type: kubernetes, path: /var/log/pods } }
sinks:
  loki: { type: loki, url: http://localhost:3100 }
  bulk: { type: elasticsearch, url: http://localhost:9200, compression: none }
  bulk_gzip: { type: elasticsearch, url: http://localhost:9200 }
";
        let stdout = |format: &str| {
            format!(
                "state_dir: /x\nsources: {{ p: {{ type: kubernetes, path: /var/log/pods }} }}\nsinks: {{ out: {{ type: stdout, format: {format} }} }}\n"
            )
        };
        let find = |settings: &Settings, name: &str| {
            let found = settings.sinks.iter().find(|sink| &*sink.name == name);
            found.map(|sink| sink.sink.clone()).ok_or_else(|| format!("no sink `{name}`"))
        };
        let stores = settings(text)?;
        Ok(Sinks {
            loki: find(&stores, "loki")?,
            bulk: find(&stores, "bulk")?,
            bulk_gzip: find(&stores, "bulk_gzip")?,
            json: find(&settings(&stdout("json"))?, "out")?,
            logfmt: find(&settings(&stdout("logfmt"))?, "out")?,
            text: find(&settings(&stdout("text"))?, "out")?,
        })
    }
}

/// What the program makes of settings.
pub fn settings(text: &str) -> Result<Settings, String> {
    let machine = Machine { memory: None, ..Machine::real() };
    let settings = Settings::from_file(text.as_bytes(), "bench", &LogTyped::default(), &machine);
    settings.map_err(|problems| format!("{problems:?}"))
}

/// The request for all items of a body.
pub fn request(sink: &Sink, body: &Arc<Body>) -> Bytes {
    let all: Vec<u32> = (0..body.items.len() as u32).collect();
    sink.wire.request(body, &all).body
}

impl Bodies {
    fn make(sinks: &Sinks, parts: &[Part], lines: &[Line]) -> Result<Bodies, String> {
        let encoded = |sink: &Sink| with_events(parts, lines, |events| encode(sink, events, Vec::new()));
        let (loki, bulk, json) = (encoded(&sinks.loki), encoded(&sinks.bulk), encoded(&sinks.json));
        let loki_requests: Vec<Bytes> = loki.iter().map(|body| request(&sinks.loki, &Arc::new(body.clone()))).collect();
        let gzip_requests = bulk.iter().map(|body| request(&sinks.bulk_gzip, &Arc::new(body.clone()))).collect();
        let plain = loki_requests.iter().map(|body| snap::raw::Decoder::new().decompress_vec(body));
        let pushes = plain.collect::<Result<Vec<_>, _>>().map_err(|error| format!("not snappy: {error}"))?;
        Ok(Bodies { loki, bulk, json, pushes, loki_requests, gzip_requests })
    }
}
