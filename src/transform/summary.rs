//! A line of our own: what a transform with memory says of the lines that it has left out.
//!
//! **Invariant**: such a line settles nothing and is counted nowhere: the lines that it speaks of were counted and settled when they
//! were left out. So a sink gets it as an event whose one span is empty, at the place of the last of them.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use crate::model::event::{Event, Fields, Level, Span, Stream, TimeSource};
use crate::model::origin::Origin;
use crate::model::template::cut;
use crate::model::text::{Text, escape};
use crate::model::time::Time;

/// A line of our own mostly has fewer bytes; one that has more is not written before an event, but by itself.
pub const USUAL: usize = 4 << 10;

/// Where in the log a line stands, for one that is to stand at its place.
#[derive(Clone, Debug)]
pub struct Place {
    origin: Arc<Origin>,
    at: u64,
    time: Time,
    time_source: TimeSource,
    nudge: u32,
    stream: Option<Stream>,
}

impl Place {
    /// The event's.
    pub fn of(event: &Event<'_>) -> Self {
        Self {
            origin: Arc::clone(event.origin),
            at: event.spans.last().map_or(0, |span| span.end),
            time: event.time,
            time_source: event.time_source,
            nudge: event.nudge,
            stream: event.stream,
        }
    }

    /// The time of what stands there.
    pub fn time(&self) -> Time {
        self.time
    }
}

/// What a transform has to say.
#[derive(Clone, Debug)]
pub struct SummaryLine {
    /// Behind what it stands.
    pub place: Place,
    /// How grave that is.
    pub level: Option<Level>,
    /// For people.
    pub text: String,
    /// The same for programs: a JSON object.
    pub fields: String,
    /// Entries that it speaks of.
    pub entries: u64,
}

impl SummaryLine {
    /// Gives `push` the event; it has at most `most` bytes. `demoted` are the labels that are, as in [`Event::demoted`].
    pub fn push(&self, most: usize, demoted: u64, push: &mut dyn FnMut(&Event<'_>)) {
        let Place { origin, at, time, time_source, nudge, stream } = &self.place;
        let has_room = self.fields.len() + self.text.len() <= most;
        let body = cut(&self.text, most);
        push(&Event {
            origin,
            spans: &[Span { start: *at, end: *at }],
            time: *time,
            time_source: *time_source,
            nudge: *nudge,
            stream: *stream,
            level: self.level,
            body,
            message: Text::Plain(body),
            fields: if has_room { Fields::Json(&self.fields) } else { Fields::None },
            flaw: None,
            demoted,
        });
    }
}

/// So much later.
pub fn later(time: Time, by: Duration) -> Time {
    let secs = i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
    Time { secs: time.secs.saturating_add(secs), ..time }.plus_nanos(by.subsec_nanos())
}

/// Writes the object `{"tailwater":{…}}`: names of our own, beside which no application's stand.
#[derive(Debug)]
pub struct FieldsText(String);

impl FieldsText {
    /// `kind` is the kind of transform, `name` its own.
    pub fn new(kind: &str, name: &str) -> Self {
        Self(String::from("{\"tailwater\":{")).text(kind, name)
    }

    /// Adds a text.
    pub fn text(mut self, key: &str, value: &str) -> Self {
        let mut quoted = Vec::with_capacity(value.len() + 2);
        escape(value, &mut quoted);
        self.key(key);
        self.0.push('"');
        self.0.push_str(&String::from_utf8_lossy(&quoted));
        self.0.push('"');
        self
    }

    /// Adds a number.
    pub fn number(mut self, key: &str, value: u64) -> Self {
        self.key(key);
        // Writing to a string cannot fail.
        _ = write!(self.0, "{value}");
        self
    }

    fn key(&mut self, key: &str) {
        if !self.0.ends_with('{') {
            self.0.push(',');
        }
        // Keys are names in this program.
        _ = write!(self.0, "\"{key}\":");
    }

    /// The whole object.
    pub fn end(mut self) -> String {
        self.0.push_str("}}");
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::origin::{Format, OriginId};

    fn summary() -> SummaryLine {
        let origin = Arc::new(Origin {
            id: OriginId(1),
            source: "s".into(),
            path: std::path::Path::new("/a").into(),
            format: Format::Plain,
            workload: None,
            host: "h".into(),
        });
        let place = Place {
            origin,
            at: 40,
            time: Time { secs: 1, nanos: 2 },
            time_source: TimeSource::Runtime,
            nudge: 3,
            stream: Some(Stream::Stderr),
        };
        let fields = FieldsText::new("limit", "a").text("key", "x \"y\"\n").number("lines", 7).end();
        SummaryLine { place, level: Some(Level::Warn), text: "seven lines é".to_owned(), fields, entries: 7 }
    }

    #[test]
    fn it_settles_nothing_and_is_never_longer_than_it_may_be() {
        let expected = r#"{"tailwater":{"limit":"a","key":"x \"y\"\n","lines":7}}"#;
        for (most, body, fields) in [
            (1000, "seven lines é", Fields::Json(expected)),
            (60, "seven lines é", Fields::None),
            (13, "seven lines ", Fields::None),
            (0, "", Fields::None),
        ] {
            summary().push(most, 0, &mut |event| {
                assert_eq!((event.body, event.fields), (body, fields), "{most}");
                assert!(event.spans.len() == 1 && event.spans[0].is_empty() && event.spans[0].start == 40);
                assert_eq!(
                    (event.time, event.nudge, event.stream),
                    (Time { secs: 1, nanos: 2 }, 3, Some(Stream::Stderr))
                );
            });
        }
    }
}
