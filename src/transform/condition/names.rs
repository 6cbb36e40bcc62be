//! What a condition can ask an event for.
//!
//! **Invariant**: [`NAMES`] and [`KUBERNETES`] are the one list of names; messages, documents and the compiler use it.

use std::borrow::Cow;

use memchr::memchr;
use memchr::memmem::Finder;

use crate::model::event::{Event, Fields, Level};
use crate::model::origin::Workload;
use crate::model::text::Text;
use crate::model::walk;

use super::answer::Wants;
use super::value::Value;

/// The names of an event's own properties, and what they are. [`Value::Null`] where an event has none.
pub(super) const NAMES: [(&str, Name); 8] = [
    ("level", Name::Level),
    ("message", Name::Message),
    ("line", Name::Line),
    ("stream", Name::Stream),
    ("flaw", Name::Flaw),
    ("source", Name::Source),
    ("path", Name::Path),
    ("host", Name::Host),
];

/// The names under `kubernetes`; missing where an origin is no container of a pod.
pub(super) const KUBERNETES: [(&str, Kubernetes); 6] = [
    ("namespace", Workload::namespace),
    ("pod", Workload::pod),
    ("container", Workload::container),
    ("app", Workload::app),
    ("uid", Workload::uid),
    ("node", |_| ""),
];

/// How one of a workload's names is got at; the node's is the host's.
type Kubernetes = fn(&Workload) -> &str;

/// The levels, which can be written as they are: `level >= warn`.
pub(super) const LEVELS: [Level; 6] =
    [Level::Trace, Level::Debug, Level::Info, Level::Warn, Level::Error, Level::Fatal];

/// One thing that can be asked for.
#[derive(Clone, Debug)]
pub(super) enum Name {
    /// How grave the event is.
    Level,
    /// The message of a structured line, else the line.
    Message,
    /// The whole line.
    Line,
    /// `stdout` or `stderr`.
    Stream,
    /// What was wrong with the line's form.
    Flaw,
    /// The source that found the file.
    Source,
    /// The file's path without a rotation's suffix.
    Path,
    /// The machine.
    Host,
    /// A Kubernetes name, by its place in [`KUBERNETES`].
    Kubernetes(usize),
    /// A field of the line's own.
    Field(Box<Field>),
}

/// A field that is asked for.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// Its name, with dots for those inside of others.
    name: String,
    /// Finds the last part of it.
    last: Finder<'static>,
}

impl Field {
    pub(super) fn new(name: String) -> Self {
        let last = name.rsplit('.').next().unwrap_or(&name);
        Self { last: Finder::new(last).into_owned(), name }
    }

    /// Its value as the line says it: JSON has types, pairs have those of the settings.
    fn value<'e>(&self, fields: Fields<'e>) -> Option<Value<'e>> {
        match fields {
            Fields::None => None,
            Fields::Json(object) => {
                // Most lines do not have it: that is known sooner than by a walk, where no escape may hide its name.
                let bytes = object.as_bytes();
                if self.last.find(bytes).is_none() && memchr(b'\\', bytes).is_none() {
                    return None;
                }
                walk::member(object, &self.name).map(Value::of_json)
            }
            Fields::Pairs(pairs) => {
                let found = pairs.iter().find(|(key, _)| key.plain() == self.name);
                found.map(|(_, value)| match value {
                    Text::Bare(json) => Value::of_json(json),
                    text => Value::Untyped(text.plain()),
                })
            }
        }
    }
}

impl Name {
    /// Whether it is a text wherever it is there at all.
    pub(super) fn is_text(&self) -> bool {
        !matches!(self, Self::Level | Self::Field(_))
    }

    /// How much a parser must find out to know it.
    pub(super) fn wants(&self) -> Wants {
        match self {
            Self::Message => Wants::All,
            Self::Field(_) => Wants::Names,
            _ => Wants::Level,
        }
    }

    /// Its value; `None` where it is missing.
    #[inline]
    pub(super) fn value<'e>(&self, event: &Event<'e>) -> Option<Value<'e>> {
        let text = |text: &'e str| Value::Text(Cow::Borrowed(text));
        Some(match self {
            Self::Level => event.level.map_or(Value::Null, Value::Level),
            Self::Message => Value::Text(event.message.plain()),
            Self::Line => text(event.body),
            Self::Stream => event.stream.map_or(Value::Null, |stream| text(stream.name())),
            Self::Flaw => event.flaw.map_or(Value::Null, |flaw| text(flaw.name())),
            Self::Source => text(&event.origin.source),
            Self::Path if event.origin.path.as_os_str().is_empty() => Value::Null,
            Self::Path => Value::Text(event.origin.path.to_string_lossy()),
            Self::Host => text(&event.origin.host),
            Self::Kubernetes(at) => {
                let workload = event.origin.workload.as_ref()?;
                let (name, get) = KUBERNETES.get(*at)?;
                text(if *name == "node" { &event.origin.host } else { get(workload) })
            }
            Self::Field(field) => field.value(event.fields)?,
        })
    }
}
