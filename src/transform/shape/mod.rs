//! Fields of an event taken away, renamed, added, found in texts, moved in and out of objects.
//!
//! ```text
//! fields ─▶ object ─▶ changes, in order ─▶ JSON: the event's fields, and its line where that was structured
//! ```
//!
//! - [`Change`], here: what is done
//! - `object`: members that are kept as they stand until they are changed
//! - [`outcome`]: the event that comes of it
//! - [`parse`]: a text that is parsed as a line would be

mod object;
pub mod outcome;
pub mod parse;

use std::borrow::Cow;

use crate::model::event::Event;
use crate::model::template::Template;
use crate::model::text::Text;
use crate::model::time::Time;

use object::{Object, Value, quoted};
use outcome::{Shaped, Stays};
use parse::Parse;

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
    /// What a text says becomes fields.
    Parse(Box<Parse>),
}

/// What becomes of `event`: `None` where nothing changes, an error where it stays though it should not. Its line `is_text`
/// where it had no fields before its first change: then it stays, beside the fields. It becomes `most` bytes at most; a time
/// without a year is the one nearest to `near`.
pub fn shaped(
    change: &mut Change,
    event: &Event<'_>,
    is_text: bool,
    near: Time,
    most: usize,
) -> Result<Option<Shaped>, Stays> {
    if let Change::Parse(parse) = change {
        return parse.shaped(event, is_text, near, most);
    }
    let mut object = Object::new(&event.fields);
    if !change.apply(&mut object, event) {
        return Ok(None);
    }
    Shaped::new(&object, event, is_text, most).map(Some)
}

impl Change {
    /// Whether anything was changed.
    fn apply<'e>(&self, object: &mut Object<'e>, event: &Event<'e>) -> bool {
        let mut is_changed = false;
        match self {
            // It writes its object by itself.
            Self::Parse(_) => {}
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
