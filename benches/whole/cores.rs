//! The cores: each of the crate's own parts by itself, through its public API, on the bytes of the sample.

use std::hint::black_box;
use std::sync::Arc;

use tailwater::frame::Framer;
use tailwater::frame::group::rules::Rules;
use tailwater::frame::join::{Joiner, Step};
use tailwater::frame::lines::Lines;
use tailwater::frame::text;
use tailwater::model::body::Body;
use tailwater::model::event::{Entry, Span, Stream};
use tailwater::model::origin::Format;
use tailwater::parse::pairs::Scratch;
use tailwater::parse::regex::Expression;
use tailwater::parse::{Parser, json, logfmt, plain};
use tailwater::sinks::Sink;
use tailwater::transform::condition::{Answer, Condition};
use tailwater::transform::redact::Redactor;

use crate::clock::cpu_of;
use crate::floors;
use crate::parsers;
use crate::sample::{Kind, Line, Sample, encode, request, with_events};
use crate::table::{Layer, Table};
use crate::transforms;

const MAX_LINE: usize = 256 << 10;
const COMBINED: &str = r#"^(?<client>\S+) \S+ (?<user>\S+) \[(?<time>[^\]]+)\] "(?<method>[A-Z]+) (?<url>\S+) [^"]*" (?<status>\d{3}) (?<size>\d+|-)"#;

/// Measures every core once.
pub fn round(sample: &Sample, table: &mut Table) -> Result<(), String> {
    let mut add = |name: &'static str, floor: &'static [&'static str], handled: usize, cpu: f64| {
        let row = table.row(Layer::Core, name, floor);
        row.cpu.push(sample.per_gib(cpu));
        row.handled = sample.share(handled);
    };
    framing(sample, &mut add);
    redacting(sample, &mut add);
    filtering(sample, &mut add);
    parsing(sample, &mut add);
    parsers::round(sample, &mut add)?;
    transforms::round(sample, &mut add)?;
    sinks(sample, &mut add);
    Ok(())
}

/// Takes a row: its name, its floors, the bytes it handled, and its CPU seconds.
pub type Add<'a> = dyn FnMut(&'static str, &'static [&'static str], usize, f64) + 'a;

fn framing(sample: &Sample, add: &mut Add<'_>) {
    let cut = || sample.parts.iter().map(|part| Lines::new(&part.bytes, 0).map(black_box).count()).sum::<usize>();
    add("lines", &[floors::CUT], sample.bytes, cpu_of(cut).0);
    let raw = sample.raw_lines();
    add("CRI", &[floors::TIME], sample.bytes, cpu_of(|| frame(Format::Cri, &raw)).0);
    let docker: Vec<Vec<u8>> = raw.iter().map(|(line, _)| docker(line)).collect();
    let wrapped: Vec<(&[u8], Span)> = docker.iter().zip(&raw).map(|(line, (_, span))| (&line[..], *span)).collect();
    let bytes = docker.iter().map(Vec::len).sum();
    add("docker", &[floors::TIME], bytes, cpu_of(|| frame(Format::Docker, &wrapped)).0);
    drop(wrapped);
    let mut framer = Framer::new(Format::Cri);
    let facts = |entry: Entry<'_>| (entry.time, entry.stream, entry.partial, entry.body.len());
    let mut facts: Vec<_> = raw.iter().map(|(line, span)| (facts(framer.entry(line)), *line, *span)).collect();
    // Only where a line really was split is there something to join.
    let bytes = facts.iter().filter(|((_, _, partial, _), ..)| *partial).map(|((.., len), ..)| len).sum();
    add("partial join", &[], bytes, cpu_of(|| join(&mut facts)).0);
    let rules = Rules::default();
    let begin = || sample.lines.iter().filter(|line| black_box(rules.may_begin(&line.raw))).count();
    add("traces: may begin", &[], sample.lines.iter().map(|line| line.raw.len()).sum(), cpu_of(begin).0);
    let mut scratch = String::new();
    let mut texts = || {
        let text = |line: &Line, scratch: &mut String| {
            text::text(&line.raw, text::Known::default(), 0, MAX_LINE, scratch).0.len()
        };
        sample.lines.iter().map(|line| text(line, &mut scratch)).sum::<usize>()
    };
    add("text (UTF-8)", &[], sample.lines.iter().map(|line| line.raw.len()).sum(), cpu_of(&mut texts).0);
}

fn frame(format: Format, lines: &[(&[u8], Span)]) -> usize {
    let mut framer = Framer::new(format);
    lines.iter().map(|(line, _)| black_box(framer.entry(line)).body.len()).sum()
}

type Facts = (Option<tailwater::model::time::Time>, Option<Stream>, bool, usize);

fn join(entries: &mut [(Facts, &[u8], Span)]) -> usize {
    let mut joiner = Joiner::new(MAX_LINE, 1 << 20);
    let mut joined = 0;
    let mut last = u64::MAX;
    for ((time, stream, partial, len), line, span) in entries {
        if span.start < last {
            // Another file.
            joiner.begin(Default::default());
        }
        last = span.start;
        let body = &line[line.len().saturating_sub(*len)..];
        let entry = Entry { time: *time, stream: *stream, partial: *partial, body, flaw: None };
        joined += usize::from(matches!(black_box(joiner.push(&entry, *span, 0)), Step::Joined(_)));
    }
    joined
}

/// The same line as Docker's json-file driver writes it.
fn docker(line: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(line);
    let mut words = text.splitn(4, ' ');
    let mut next = || words.next().unwrap_or_default();
    let (time, stream, tag, body) = (next(), next(), next(), next());
    let end = if tag == "F" { "\n" } else { "" };
    let log = serde_json::Value::from(format!("{body}{end}"));
    format!("{{\"log\":{log},\"stream\":\"{stream}\",\"time\":\"{time}\"}}").into_bytes()
}

fn parsing(sample: &Sample, add: &mut Add<'_>) {
    let bytes = |lines: &[&Line]| lines.iter().map(|line| line.text.len()).sum();
    let (objects, pairs, texts) = (sample.of_kind(Kind::Json), sample.of_kind(Kind::Pairs), sample.of_kind(Kind::Text));
    let look = || objects.iter().filter(|line| black_box(json::parse(&line.text)).is_some()).count();
    add("JSON look-up", &[floors::WALK], bytes(&objects), cpu_of(look).0);
    let mut scratch = Scratch::default();
    let read = |line: &&&Line| black_box(logfmt::parse_whole(&line.text, &mut scratch.lend())).is_some();
    add("logfmt", &[], bytes(&pairs), cpu_of(|| pairs.iter().filter(read).count()).0);
    let level = || texts.iter().filter(|line| black_box(plain::parse(&line.text)).level.is_some()).count();
    add("level of text", &[], bytes(&texts), cpu_of(level).0);
    let all: Vec<&Line> = sample.lines.iter().collect();
    add("parse: auto", &[floors::WALK], bytes(&all), cpu_of(|| parse(&mut Parser::Auto, &all)).0);
    if let Ok(expression) = Expression::new(COMBINED) {
        let mut parser = Parser::Regex(Box::new(expression));
        let access: Vec<&Line> = texts.iter().copied().filter(|line| line.text.starts_with("10.")).collect();
        add("parse: regex", &[], bytes(&access), cpu_of(|| parse(&mut parser, &access)).0);
    }
}

/// All presets, on the lines that they leave as they are.
fn redacting(sample: &Sample, add: &mut Add<'_>) {
    let Some(redactor) = Redactor::all() else { return };
    let mut scratch = String::new();
    let mut is_clean =
        |line: &&Line| std::ptr::eq(redactor.line(&line.text, None, &mut scratch).as_ptr(), line.text.as_ptr());
    let clean: Vec<&Line> = sample.lines.iter().filter(|line| is_clean(line)).collect();
    let bytes = clean.iter().map(|line| line.text.len()).sum();
    let mut scratch = String::new();
    let mut look =
        || clean.iter().map(|line| black_box(redactor.line(&line.text, None, &mut scratch)).len()).sum::<usize>();
    add("redact: all presets, no hit", &[floors::CUT], bytes, cpu_of(&mut look).0);
}

/// What is found out of lines for a sink that wants the level alone, and for a condition on a field; and conditions on what is
/// known.
fn filtering(sample: &Sample, add: &mut Add<'_>) {
    let bytes = sample.lines.iter().map(|line| line.text.len()).sum();
    let mut scratch = Scratch::default();
    let mut parser = Parser::Auto;
    let mut level = |line: &Line| black_box(parser.level(&line.text, &mut scratch.lend())).0.is_some();
    add("parse: level", &[], bytes, cpu_of(|| sample.lines.iter().filter(|line| level(line)).count()).0);
    let mut parser = Parser::Auto;
    let mut outline = |line: &Line| black_box(parser.outline(&line.text, &mut scratch.lend())).level.is_some();
    add("parse: outline", &[], bytes, cpu_of(|| sample.lines.iter().filter(|line| outline(line)).count()).0);
    for (name, condition) in [
        ("condition: level", "level >= warn"),
        ("condition: field", "fields.path == '/health'"),
        ("condition: text", "line.contains('health')"),
    ] {
        let Ok(condition) = Condition::new(condition) else { continue };
        let (cpu, _) = with_events(&sample.parts, &sample.lines, |events| {
            cpu_of(|| events.iter().filter(|event| black_box(condition.ask(event)) == Answer::Yes).count())
        });
        add(name, &[], bytes, cpu);
    }
}

fn parse(parser: &mut Parser, lines: &[&Line]) -> usize {
    let mut scratch = Scratch::default();
    let mut one = |line: &Line| usize::from(black_box(parser.parse(&line.text, &mut scratch.lend())).level.is_some());
    lines.iter().map(|line| one(line)).sum()
}

fn sinks(sample: &Sample, add: &mut Add<'_>) {
    let sinks = &sample.sinks;
    let rows: [(&'static str, &Sink, &'static [&'static str]); 5] = [
        ("encode: loki", &sinks.loki, &[floors::COPY_LOKI]),
        ("encode: elasticsearch", &sinks.bulk, &[floors::COPY_BULK]),
        ("encode: stdout json", &sinks.json, &[floors::COPY_JSON]),
        ("encode: stdout logfmt", &sinks.logfmt, &[]),
        ("encode: stdout text", &sinks.text, &[]),
    ];
    for (name, sink, floor) in rows {
        let (cpu, bodies) = with_events(&sample.parts, &sample.lines, |events| {
            // Once without the clock: memory that is touched for the first time is not the encoder's.
            let spare = encode(sink, events, Vec::new());
            cpu_of(|| encode(sink, events, spare))
        });
        add(name, floor, bodies.iter().map(|body| body.bytes.len()).sum(), cpu);
    }
    let bodies = &sample.bodies;
    let rows: [(&'static str, &Sink, &[Body], &'static [&'static str]); 3] = [
        ("request: loki", &sinks.loki, &bodies.loki, &[floors::SNAPPY]),
        ("request: elasticsearch", &sinks.bulk, &bodies.bulk, &[floors::COPY_BULK]),
        ("request: elasticsearch gzip", &sinks.bulk_gzip, &bodies.bulk, &[floors::GZIP]),
    ];
    for (name, sink, bodies, floor) in rows {
        // As sealed batches have them.
        let shared: Vec<Arc<Body>> = bodies.iter().cloned().map(Arc::new).collect();
        let cpu = cpu_of(|| shared.iter().map(|body| black_box(request(sink, body)).len()).sum::<usize>()).0;
        add(name, floor, bodies.iter().map(|body| body.bytes.len()).sum(), cpu);
    }
}
