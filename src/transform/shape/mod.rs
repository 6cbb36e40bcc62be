//! Fields of an event taken away, renamed, added, moved in and out of objects.
//!
//! ```text
//! fields ─▶ object ─▶ changes, in order ─▶ JSON: the event's fields, and its line where that was structured
//! ```
//!
//! - [`Change`], here: what is done; [`shaped`]: the event that comes of it
//! - `object`: members that are kept as they stand until they are changed
//!
//! **Invariant**: an event never becomes longer than the memory for it: one that would goes as it was, and that is said.

mod object;

use std::borrow::Cow;

use crate::model::event::{Event, Fields};
use crate::model::template::Template;
use crate::model::text::Text;
use crate::model::walk;

use object::{Object, Value, quoted};

/// One thing that is done to the fields of an event. Names have dots for members of objects.
#[derive(Clone, Debug)]
pub enum Change {
    /// These get other names: old and new.
    Rename(Vec<(String, String)>),
    /// These go.
    Remove(Vec<String>),
    /// All others go.
    KeepOnly(Vec<String>),
    /// These get these values, as texts.
    Set(Vec<(String, Template)>),
    /// The members of these objects take the object's place.
    Lift(Vec<String>),
    /// Fields go into an object: its name, and theirs.
    Nest(Vec<(String, Vec<String>)>),
}

/// The line and the fields of an event that was changed.
#[derive(Debug)]
pub struct Shaped {
    /// The object, and the lines of a trace behind it.
    line: String,
    /// How much of that is the object.
    object: usize,
    /// Whether the event's own line is only text, and stays.
    is_beside: bool,
    /// The message of an event of several lines, where its first one says one.
    message: Option<String>,
}

/// What becomes of `event`: `None` where nothing changes, an error where it would be longer than `most` bytes. Its line `is_text`
/// where it had no fields before its first change: then it stays, beside the fields.
pub fn shaped(change: &Change, event: &Event<'_>, is_text: bool, most: usize) -> Result<Option<Shaped>, TooLong> {
    let mut object = Object::new(&event.fields);
    if !change.apply(&mut object, event) {
        return Ok(None);
    }
    let mut line = String::new();
    object.write(&mut line);
    let object = line.len();
    let trace = trace(event);
    let message = said(&line).filter(|_| !trace.is_empty()).map(|said| Text::Escaped(said).plain() + trace);
    let message = message.map(Cow::into_owned);
    let stays = if is_text { event.body.len() } else { trace.len() };
    if object + stays > most {
        return Err(TooLong);
    }
    if !is_text {
        line.push_str(trace);
    }
    Ok(Some(Shaped { line, object, is_beside: is_text, message }))
}

/// What stands behind the first line of an event of several: it has no fields.
fn trace<'e>(event: &Event<'e>) -> &'e str {
    let end = if event.spans.len() > 1 { memchr::memchr(b'\n', event.body.as_bytes()) } else { None };
    end.and_then(|end| event.body.get(end..)).unwrap_or("")
}

/// The message that an object says, as it stands.
fn said(object: &str) -> Option<&str> {
    let said = |name| walk::member(object, name)?.strip_prefix('"')?.strip_suffix('"');
    said("message").or_else(|| said("msg"))
}

/// An event would be longer than there is memory for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl Shaped {
    /// The event as it is now.
    pub fn event<'e>(&'e self, before: &Event<'e>) -> Event<'e> {
        let object = self.line.get(..self.object).unwrap_or_default();
        let fields = Fields::Json(object);
        let body = if self.is_beside { before.body } else { &self.line };
        let message = match (&self.message, said(object)) {
            (Some(message), _) => Text::Plain(message),
            (None, Some(inside)) => Text::Escaped(inside),
            // A line that was its own message still is.
            (None, None) if before.message == Text::Plain(before.body) => Text::Plain(body),
            (None, None) => before.message,
        };
        Event { body, message, fields, ..before.clone() }
    }
}

impl Change {
    /// Whether anything was changed.
    fn apply<'e>(&self, object: &mut Object<'e>, event: &Event<'e>) -> bool {
        let mut is_changed = false;
        match self {
            Self::Rename(names) => {
                for (old, new) in names {
                    if let Some((_, value)) = object.take(old) {
                        object.put(new, value);
                        is_changed = true;
                    }
                }
            }
            Self::Remove(names) => names.iter().for_each(|name| is_changed |= object.take(name).is_some()),
            Self::KeepOnly(names) => {
                if object.is_empty() {
                    return false;
                }
                let mut kept = Object::default();
                for name in names {
                    if let Some((_, value)) = object.take(name) {
                        kept.put(name, value);
                    }
                }
                *object = kept;
                is_changed = true;
            }
            Self::Set(values) => {
                for (name, template) in values {
                    let mut text = String::new();
                    // Rendered of the event as it was before this change.
                    template.render(event, &mut text);
                    object.put(name, Value::Json(Cow::Owned(quoted(Text::Plain(&text)))));
                    is_changed = true;
                }
            }
            Self::Lift(names) => names.iter().for_each(|name| is_changed |= object.lift(name)),
            Self::Nest(groups) => {
                for (name, fields) in groups {
                    for field in fields {
                        if let Some((_, value)) = object.take(field) {
                            object.put(&format!("{name}.{field}"), value);
                            is_changed = true;
                        }
                    }
                }
            }
        }
        is_changed
    }
}

#[cfg(test)]
mod tests;
