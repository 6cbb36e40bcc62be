//! The event that comes of a change, or why it stays as it is.
//!
//! **Invariant**: an event never becomes longer than the memory for it: one that would goes as it was, and that is said. A line that is
//! only text stays beside the fields that it is given.

use std::borrow::Cow;

use crate::model::event::{Event, Fields, Flaw, Level};
use crate::model::text::Text;
use crate::model::walk;

use super::object::Object;

/// The line and the fields of an event that was changed.
#[derive(Debug)]
pub struct Shaped {
    /// The object, and the lines of a trace behind it.
    line: String,
    /// How much of that is the object; `None` where the fields are what they were.
    object: Option<usize>,
    /// Whether the event's own line is only text, and stays.
    is_beside: bool,
    /// The message of an event of several lines, where its first one says one.
    message: Option<String>,
    /// How grave it is, where it did not say so before.
    level: Option<Level>,
    /// Whether a value did not fit its type.
    pub misfits: bool,
}

/// Why an event stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stays {
    /// It would be longer than there is memory for.
    TooLong,
    /// What is to be parsed is no text, or another one than is looked for.
    Unread,
}

impl Shaped {
    /// `event` with `object` for its fields; an error where it would be longer than `most` bytes.
    pub(super) fn new(object: &Object<'_>, event: &Event<'_>, is_text: bool, most: usize) -> Result<Self, Stays> {
        let mut line = String::new();
        object.write(&mut line);
        let object = line.len();
        let trace = trace(event);
        let message = said(&line).filter(|_| !trace.is_empty()).map(|said| Text::Escaped(said).plain() + trace);
        let message = message.map(Cow::into_owned);
        let stays = if is_text { event.body.len() } else { trace.len() };
        if object + stays > most {
            return Err(Stays::TooLong);
        }
        if !is_text {
            line.push_str(trace);
        }
        Ok(Self { line, object: Some(object), is_beside: is_text, message, level: event.level, misfits: false })
    }

    /// With a level, and nothing else.
    pub(super) fn of_level(level: Option<Level>) -> Self {
        Self { line: String::new(), object: None, is_beside: true, message: None, level, misfits: false }
    }

    /// With a level too, and with values that did not fit their types, if there are.
    pub(super) fn with(self, level: Option<Level>, misfits: bool) -> Self {
        Self { level, misfits, ..self }
    }

    /// The event as it is now.
    pub fn event<'e>(&'e self, before: &Event<'e>) -> Event<'e> {
        let Some(object) = self.object else { return Event { level: self.level, ..before.clone() } };
        let object = self.line.get(..object).unwrap_or_default();
        let fields = Fields::Json(object);
        let body = if self.is_beside { before.body } else { &self.line };
        let message = match (&self.message, said(object)) {
            (Some(message), _) => Text::Plain(message),
            (None, Some(inside)) => Text::Escaped(inside),
            // A line that was its own message still is.
            (None, None) if before.message == Text::Plain(before.body) => Text::Plain(body),
            (None, None) => before.message,
        };
        let flaw = before.flaw.or(self.misfits.then_some(Flaw::NotTyped));
        Event { body, message, fields, flaw, level: self.level, ..before.clone() }
    }
}

/// What stands behind the first line of an event of several: it has no fields.
pub(super) fn trace<'e>(event: &Event<'e>) -> &'e str {
    let end = if event.spans.len() > 1 { memchr::memchr(b'\n', event.body.as_bytes()) } else { None };
    end.and_then(|end| event.body.get(end..)).unwrap_or("")
}

/// The message that an object says, as it stands.
fn said(object: &str) -> Option<&str> {
    let said = |name| walk::member(object, name)?.strip_prefix('"')?.strip_suffix('"');
    said("message").or_else(|| said("msg"))
}
