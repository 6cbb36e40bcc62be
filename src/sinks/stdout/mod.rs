//! Standard output: one line for each event, as JSON, logfmt or text for people.
//!
//! In reading order:
//! - this file: settings, the JSON line, the wire
//! - [`logfmt`]: `time=… level=warn message="…" fields.free=12`
//! - [`human`]: time, level, who, message, fields
//!
//! **Invariant**: an item is one line and its line break, whatever the event's text.

mod human;
mod logfmt;

use std::borrow::Cow;
use std::sync::Arc;

use super::json::{self, Clock, ESCAPED, TIME_MAX};
use super::kind::{Given, Kind, Sink, Transport};
use super::pack;
use crate::model::body::{Body, Group};
use crate::model::event::Event;
use crate::model::origin::Origin;
use crate::model::settings::{Key, Section};
use crate::model::sink::{Answer, Encoder, Request, Verdict, Wire};
use crate::model::template::{NAME_MAX, PATH_MAX, cut, path};

/// The row in the table of sinks.
pub const KIND: Kind = Kind {
    name: "stdout",
    help: "writes one line for each event to standard output",
    urls: &["stdout:"],
    keys: KEYS,
    transport: Transport::Stdout,
    build,
};

const KEYS: &[Key] = &[
    Key {
        name: "format",
        kind: "json | logfmt | text",
        default: "json; text on a terminal",
        help: "how events are written; text is for people",
    },
    Key {
        name: "color",
        kind: "true | false",
        default: "true on a terminal, unless NO_COLOR is set",
        help: "whether text has colours",
    },
];

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// One JSON object.
    Json,
    /// `key=value` pairs.
    Logfmt,
    /// For people.
    Text,
}

fn build(section: &mut Section<'_>, given: &Given) -> Sink {
    let formats = [("json", Format::Json), ("logfmt", Format::Logfmt), ("text", Format::Text)];
    let default = if given.terminal { Format::Text } else { Format::Json };
    let format = section.choice("format", &formats).unwrap_or(default);
    let color = section.truth("color").unwrap_or(given.color);
    let fields = given.unique_fields();
    Sink::new(move || LineEncoder::new(format, color, &fields), LineWire { format }, Transport::Stdout)
}

/// The encoder of one worker.
struct LineEncoder {
    format: Format,
    color: bool,
    /// Whose renderings are held.
    last: Option<Arc<Origin>>,
    /// The origin's part of the line, in the format's own form.
    origin_part: Vec<u8>,
    /// The fields that all events get, in the format's own form.
    labels: Vec<u8>,
    clock: Clock,
    /// The one head of all groups.
    head: Arc<str>,
}

impl LineEncoder {
    fn new(format: Format, color: bool, fields: &[(String, String)]) -> Self {
        let labels = match format {
            Format::Json => json::labels(fields),
            Format::Logfmt => logfmt::labels(fields),
            Format::Text => human::labels(fields, color),
        };
        Self { format, color, last: None, origin_part: Vec::new(), labels, clock: Clock::new(), head: Arc::from("") }
    }

    fn turn_to(&mut self, origin: &Arc<Origin>) {
        if self.last.as_ref().is_some_and(|last| Arc::ptr_eq(last, origin)) {
            return;
        }
        self.last = Some(Arc::clone(origin));
        self.origin_part.clear();
        let out = &mut self.origin_part;
        match self.format {
            Format::Json => each_name(origin, |name, value| json::member(name, value, out)),
            Format::Logfmt => each_name(origin, |name, value| logfmt::member(name, value, out)),
            Format::Text => human::put_origin(origin, self.color, out),
        }
        if self.format != Format::Text {
            // For people the labels come last.
            self.origin_part.extend_from_slice(&self.labels);
        }
    }
}

/// Who a line is from, by the names it has in every format.
fn each_name(origin: &Origin, mut put: impl FnMut(&str, &str)) {
    match &origin.workload {
        Some(workload) => {
            put("namespace", cut(workload.namespace(), NAME_MAX));
            put("pod", cut(workload.pod(), NAME_MAX));
            put("container", cut(workload.container(), NAME_MAX));
        }
        None => put("path", &path(origin)),
    }
}

impl Encoder for LineEncoder {
    fn push(&mut self, event: &Event<'_>, body: &mut Body) {
        self.turn_to(event.origin);
        if body.groups.is_empty() {
            body.groups.push(Group { route: None, head: Arc::clone(&self.head) });
        }
        let out = &mut body.bytes;
        match self.format {
            Format::Json => put_json(event, &mut self.clock, &self.origin_part, out),
            Format::Logfmt => logfmt::put(event, &mut self.clock, &self.origin_part, out),
            Format::Text => human::put(event, &mut self.clock, self.color, &self.origin_part, &self.labels, out),
        }
        out.push(b'\n');
        body.close_item(event.origin, event.spans, 0);
    }

    fn bound(&self, line: usize) -> usize {
        let origin = ESCAPED * (PATH_MAX.max(3 * NAME_MAX));
        // Keys, punctuation, colours, time, level, stream, flaw.
        let rest = TIME_MAX + 512;
        let text = match self.format {
            Format::Json => json::text_bound(line),
            Format::Logfmt => logfmt::text_bound(line),
            Format::Text => human::text_bound(line),
        };
        origin + self.labels.len() + rest + text
    }
}

fn put_json(event: &Event<'_>, clock: &mut Clock, origin_part: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"time\":\"");
    clock.write(event.time, out);
    if let Some(level) = event.level {
        out.extend_from_slice(b"\",\"level\":\"");
        out.extend_from_slice(level.name().as_bytes());
    }
    out.extend_from_slice(b"\",\"message\":\"");
    event.message.write_json(out);
    if let Some(stream) = event.stream {
        out.extend_from_slice(b"\",\"stream\":\"");
        out.extend_from_slice(stream.name().as_bytes());
    }
    out.push(b'"');
    out.extend_from_slice(origin_part);
    if let Some(flaw) = event.flaw {
        out.extend_from_slice(b",\"flaw\":\"");
        out.extend_from_slice(flaw.name().as_bytes());
        out.push(b'"');
    }
    json::object(&event.fields, event.body.len(), b",\"fields\":", out);
    out.push(b'}');
}

/// The wire half: lines behind one another.
struct LineWire {
    format: Format,
}

impl Wire for LineWire {
    fn request(&self, body: &Arc<Body>, items: &[u32]) -> Request {
        Request { path: Cow::Borrowed(""), headers: Vec::new(), body: pack::plain(body, items) }
    }

    fn verdict(&self, answer: &Answer<'_>, _items: usize) -> Verdict {
        match answer.status {
            200..=299 => Verdict::Delivered,
            status => Verdict::Retry(format!("status {status}")),
        }
    }

    fn letter(&self, body: &Body, index: usize) -> Vec<u8> {
        let item = body.item(index);
        let line = item.strip_suffix(b"\n").unwrap_or(item);
        if self.format == Format::Json {
            return line.to_vec();
        }
        let mut out = b"{\"line\":".to_vec();
        json::string(&String::from_utf8_lossy(line), &mut out);
        out.push(b'}');
        out
    }

    fn bound(&self, body: usize) -> usize {
        body
    }
}

#[cfg(test)]
mod tests;
