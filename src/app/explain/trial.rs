//! Lines on trial: through a sink's own way from bytes to items, up to where they would be sent.
//!
//! **Invariant**: the way is the pipeline's own (reader, forge, encoder); what is noted is seen on it, never worked out beside
//! it. Nothing is opened, sent or remembered: transforms with memory begin with none.
#![expect(clippy::disallowed_methods, reason = "the time of reading is now")]

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::app::workers;
use crate::config::parts::Sink;
use crate::config::settings::Settings;
use crate::flow::pace::Window;
use crate::model::body::Body;
use crate::model::budget::Budget;
use crate::model::event::{Event, Fields, Flaw, Level, Span, Stream, TimeSource};
use crate::model::feed::{Content, Feed, Marks, ParserName};
use crate::model::origin::Origin;
use crate::model::sink::Encoder;
use crate::model::text::Text;
use crate::model::time::Time;
use crate::pipeline::MAX_OPEN;
use crate::pipeline::feeds::FeedState;
use crate::pipeline::forge::Forge;
use crate::pipeline::header;
use crate::pipeline::turn::{End, Reader};
use crate::transform::condition::Wants;
use crate::transform::count::Counted;
use crate::transform::redact::Redactor;
use crate::transform::steps::{Run, Steps};
use crate::transform::summary::SummaryLine;

/// An event as a sink's encoder is given it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The ranges of the input that it was made of.
    pub spans: Vec<Span>,
    /// Its time.
    pub time: Time,
    /// Where that came from.
    pub time_source: TimeSource,
    /// The container's output.
    pub stream: Option<Stream>,
    /// How grave it is.
    pub level: Option<Level>,
    /// The whole text.
    pub body: String,
    /// The message.
    pub message: String,
    /// The fields, in the order of the line: of JSON as they stand there.
    pub fields: Vec<Shown>,
    /// What was wrong with its form.
    pub flaw: Option<Flaw>,
    /// The transform that leaves it out, if one does.
    pub left_out_by: Option<Arc<str>>,
    /// The transforms that could not do to it what they are for, in order.
    pub errors: Vec<Arc<str>>,
    /// What the sink would send for it, as one JSON object; `None` where that is nothing.
    pub sent: Option<String>,
}

/// A field of an event.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its name.
    pub key: String,
    /// Its value, a text without quotes.
    pub value: String,
    /// Whether the value is a text, and no number, truth value, object or list.
    pub is_text: bool,
}

/// What a sink makes of lines.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    /// Its events, in order.
    pub seen: Vec<Seen>,
    /// What its transforms would count.
    pub counted: Vec<Counted>,
    /// What its transforms with memory would say of them, in lines of their own.
    pub said: Vec<String>,
    /// Header lines, which name the fields of the others.
    pub headers: Vec<Span>,
}

/// What the encoder's place is shared with.
#[derive(Default)]
struct Shared {
    seen: Vec<Seen>,
    steps: Steps,
    owed: Vec<SummaryLine>,
}

/// What `sink` makes of `bytes`, the whole content of `origin`.
pub fn run(settings: &Settings, sink: &Sink, origin: &Arc<Origin>, parser: ParserName, bytes: &Arc<[u8]>) -> Trial {
    let mut tools = workers::tools(settings, sink, Budget::new(2 * sink.permit_bytes(settings.max_line)));
    // Nobody answers for its batches.
    tools.most_underway = usize::MAX;
    let shared: Arc<Mutex<Shared>> = Arc::default();
    let names_fields =
        tools.redactor.as_ref().is_some_and(Redactor::wants_fields) || tools.steps.wants() > Wants::Level;
    let sees_fields = tools.encoder.wants_fields() || names_fields;
    // Asked by the witness, where the forge would ask them: so it sees what they leave out.
    locked(&shared).steps = std::mem::take(&mut tools.steps);
    let (inner, most) = (tools.encoder, tools.max_line);
    let now = Time::of_system(SystemTime::now());
    tools.encoder = Box::new(Witness { inner, most, sees_fields, now, shared: Arc::clone(&shared) });
    let mut forge = Forge::new(tools);
    let mut reader = Reader::new(settings.max_line, MAX_OPEN, settings.multiline.clone());
    let marks = Arc::new(Marks::new(1));
    marks.set_ended();
    let feed = Feed {
        origin: Arc::clone(origin),
        content: Arc::new(Bytes(Arc::clone(bytes))),
        marks,
        head: None,
        replayable: true,
        chain: 0,
        order: 0,
        parser,
    };
    let mut state = FeedState::new(feed, None);
    forge.headers = Some(Vec::new());
    if forge.wants_header(parser) {
        // All of it is there.
        let _known = header::find(&mut state, &mut forge, None);
    }
    let mut all = Vec::new();
    loop {
        let end = reader.turn(&mut state, &mut forge, Window::OPEN);
        let batch = forge.seal();
        let mut seen = std::mem::take(&mut locked(&shared).seen);
        let is_stuck = batch.is_none() && seen.is_empty() && end != End::Share;
        if let Some(batch) = batch {
            let sent = seen.iter_mut().filter(|seen| seen.left_out_by.is_none());
            for (index, seen) in sent.enumerate().take(batch.body.items.len()) {
                let letter = sink.sink.wire.letter(&batch.body, index);
                seen.sent = Some(String::from_utf8_lossy(&letter).into_owned());
            }
        }
        all.append(&mut seen);
        if state.is_final || is_stuck {
            break;
        }
    }
    let Shared { steps, owed, .. } = &mut *locked(&shared);
    steps.look(Duration::ZERO, true, owed);
    let counted = steps.counted();
    let headers = forge.headers.take().unwrap_or_default();
    Trial { counted, seen: all, said: owed.drain(..).map(|line| line.text).collect(), headers }
}

fn locked(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes that are all there.
struct Bytes(Arc<[u8]>);

impl Content for Bytes {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> std::io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..)).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

impl Seen {
    fn of(event: &Event<'_>, left_out_by: Option<Arc<str>>) -> Self {
        Self {
            spans: event.spans.to_vec(),
            time: event.time,
            time_source: event.time_source,
            stream: event.stream,
            level: event.level,
            body: event.body.to_owned(),
            message: event.message.plain().into_owned(),
            fields: fields(&event.fields),
            flaw: event.flaw,
            left_out_by,
            errors: Vec::new(),
            sent: None,
        }
    }
}

/// A sink's encoder with a note of what it is given.
struct Witness {
    inner: Box<dyn Encoder>,
    /// The most bytes that transforms may make an event.
    most: usize,
    /// Whether the inner one is given messages and fields.
    sees_fields: bool,
    /// When the lines are read.
    now: Time,
    shared: Arc<Mutex<Shared>>,
}

impl Encoder for Witness {
    fn push(&mut self, event: &Event<'_>, body: &mut Body) {
        let Self { inner, most, sees_fields, now, shared } = self;
        let Shared { seen, steps, owed } = &mut *locked(shared);
        let mut wrong = vec![0; steps.names().count()];
        let moment = match event.time_source {
            TimeSource::Runtime | TimeSource::Field => event.time,
            TimeSource::Restamped { own } => own,
            TimeSource::Line | TimeSource::Reading => *now,
        };
        let left_out = steps.run(
            event,
            &mut Run { moment, most: *most, wrong: &mut wrong, owed, told: &mut Vec::new(), spare: 0, demoted: 0 },
            &mut |event| {
                seen.push(Seen::of(event, None));
                if *sees_fields {
                    inner.push(event, body);
                } else {
                    let bare = Event { message: Text::Plain(event.body), fields: Fields::None, ..event.clone() };
                    inner.push(&bare, body);
                }
            },
        );
        if let Some(at) = left_out {
            seen.push(Seen::of(event, steps.names().nth(at).cloned()));
        }
        if let Some(seen) = seen.last_mut() {
            let failed = steps.names().zip(&wrong).filter(|(_, count)| **count > 0);
            seen.errors = failed.map(|(name, _)| Arc::clone(name)).collect();
        }
    }

    fn wants_fields(&self) -> bool {
        true
    }

    fn stream(&mut self, origin: &Arc<Origin>, demoted: u64) -> Option<u64> {
        self.inner.stream(origin, demoted)
    }

    fn restamps_after(&self) -> Option<std::time::Duration> {
        self.inner.restamps_after()
    }

    fn trusts_line_times(&self) -> Option<(std::time::Duration, std::time::Duration)> {
        self.inner.trusts_line_times()
    }

    fn bound(&self, line: usize) -> usize {
        self.inner.bound(line)
    }
}

fn fields(fields: &Fields<'_>) -> Vec<Shown> {
    match fields {
        Fields::None => Vec::new(),
        Fields::Pairs(pairs) => {
            let shown = |(key, value): &(Text<'_>, Text<'_>)| Shown {
                key: key.plain().into_owned(),
                value: value.plain().into_owned(),
                is_text: !matches!(value, Text::Bare(_)),
            };
            pairs.iter().map(shown).collect()
        }
        Fields::Json(text) => {
            let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).unwrap_or_default();
            let shown = |(key, value): (String, serde_json::Value)| match value {
                serde_json::Value::String(text) => Shown { key, value: text, is_text: true },
                other => Shown { key, value: other.to_string(), is_text: false },
            };
            object.into_iter().map(shown).collect()
        }
    }
}
