//! A text of an event that is parsed as a line would be: what it says becomes fields.
//!
//! ```text
//! {"log":"a=1 b=2","x":3}   field: log, as: logfmt              ─▶ {"log":"a=1 b=2","x":3,"a":"1","b":"2"}
//!                           field: log, as: logfmt, into: log   ─▶ {"log":{"a":"1","b":"2"},"x":3}
//! ```
//!
//! **Invariant**: an event whose text is not what is looked for stays as it is. What is found is put there by whole names: a dot in one
//! makes no object.

use std::borrow::Cow;

use crate::model::event::{Event, Fields};
use crate::model::reader::{Found, Reader};
use crate::model::settings::{Key, Section};
use crate::model::text::Text;
use crate::model::time::Time;
use crate::model::walk;

use super::object::Object;
use super::outcome::{Shaped, Stays, trace};

/// The keys of `parse` in a transform, before those of the parser.
pub const KEYS: &[Key] = &[
    Key {
        name: "field",
        kind: "text",
        default: "",
        help: "the field whose text is parsed; a name with dots is one inside of others; the event's message if not set",
    },
    Key {
        name: "into",
        kind: "text",
        default: "",
        help: "the object that what is found is put into; beside the other fields if not set",
    },
];

/// Which text, by which parser, and where what is found goes to.
#[derive(Clone, Debug)]
pub struct Parse {
    /// The message if there is none.
    field: Option<String>,
    /// Beside the other fields if there is none.
    into: Option<String>,
    reader: Box<dyn Reader>,
}

impl Parse {
    /// The message where no `field` is named; beside the other fields where it goes `into` none.
    pub fn new(field: Option<String>, into: Option<String>, reader: Box<dyn Reader>) -> Self {
        Self { field, into, reader }
    }

    /// Reads [`KEYS`]; `reader` reads the parser's.
    pub(in crate::transform) fn read(
        section: &mut Section<'_>,
        reader: impl FnOnce(&mut Section<'_>) -> Option<Box<dyn Reader>>,
    ) -> Option<Self> {
        let name = |text: &str| match text {
            "" => Err("expected the name of a field".to_owned()),
            name => Ok(name.to_owned()),
        };
        let (field, into) = (section.parsed("field", name), section.parsed("into", name));
        Some(Self::new(field, into, reader(section)?))
    }

    /// What becomes of `event`. A time without a year in it is the one nearest to `near`.
    pub(super) fn shaped(
        &mut self,
        event: &Event<'_>,
        is_text: bool,
        near: Time,
        most: usize,
    ) -> Result<Option<Shaped>, Stays> {
        let Some(text) = self.text(event)? else { return Ok(None) };
        let (into, mut made) = (self.into.as_deref(), Ok(None));
        let fits = self.reader.read(without_end(&text), near, &mut |found| {
            made = shaped(event, is_text, into, found, most);
        });
        if fits { made } else { Err(Stays::Unread) }
    }

    /// The text that is parsed; `None` where the event has none, an error where that is something else.
    fn text<'e>(&self, event: &Event<'e>) -> Result<Option<Cow<'e, str>>, Stays> {
        let Some(name) = &self.field else {
            // As of a line: what follows the first one is a trace.
            let message = event.message.plain();
            let end = message.strip_suffix(trace(event)).map(str::len);
            return Ok(Some(cut(message, end)));
        };
        let value = match &event.fields {
            Fields::None => None,
            Fields::Json(object) => walk::member(object, name).map(|value| {
                let inside = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
                inside.map_or(Text::Bare(value), Text::Escaped)
            }),
            Fields::Pairs(pairs) => pairs.iter().find(|(key, _)| key.plain() == *name).map(|(_, value)| *value),
        };
        match value {
            None | Some(Text::Bare("null")) => Ok(None),
            Some(Text::Bare(_)) => Err(Stays::Unread),
            Some(text) => Ok(Some(text.plain())),
        }
    }
}

fn shaped(
    event: &Event<'_>,
    is_text: bool,
    into: Option<&str>,
    found: &Found<'_>,
    most: usize,
) -> Result<Option<Shaped>, Stays> {
    let level = event.level.or(found.level);
    // An object stands on one line, as those of lines do: between its tokens a break is as good as a blank.
    let fields = match found.fields {
        Fields::Json(text) if memchr::memchr2(b'\n', b'\r', text.as_bytes()).is_some() => {
            Fields::Json(&text.replace(['\n', '\r'], " "))
        }
        fields => fields,
    };
    let mut object = Object::new(&event.fields);
    let is_changed = object.join(into, Object::new(&fields), fields != Fields::None);
    if !is_changed {
        return Ok((level != event.level).then(|| Shaped::of_level(level)));
    }
    let made = Shaped::new(&object, event, is_text, most)?;
    Ok(Some(made.with(level, found.misfits)))
}

/// Without the breaks of lines at its end, which programs leave in what they wrap.
fn without_end(text: &str) -> &str {
    text.trim_end_matches(['\r', '\n'])
}

fn cut<'t>(text: Cow<'t, str>, end: Option<usize>) -> Cow<'t, str> {
    match (text, end) {
        (Cow::Borrowed(text), Some(end)) => Cow::Borrowed(text.get(..end).unwrap_or(text)),
        (Cow::Owned(mut text), Some(end)) => {
            text.truncate(end);
            Cow::Owned(text)
        }
        (text, None) => text,
    }
}
