//! What lines are told apart by: `by` of transforms with memory.
//!
//! **Invariant**: a key has at most [`KEY_MAX`] bytes; longer ones end with a hash, so that they stay different.

use std::fmt::Write as _;

use xxhash_rust::xxh3::xxh3_64;

use crate::model::event::Event;
use crate::model::settings::{Section, Value};
use crate::model::template::{Template, cut, path};

/// The most bytes of a key.
pub const KEY_MAX: usize = 256;

/// What lines are told apart by.
#[derive(Clone, Debug)]
pub enum By {
    /// Whose they are: the container, or the file.
    Workload,
    /// What this makes of them.
    Template(Template),
}

impl By {
    /// Reads `by` of `section`: a template, or a list of names; the workload where it was not typed. `None` if it is wrong, which is noted.
    pub fn read(section: &mut Section<'_>) -> Option<Self> {
        let Some(node) = section.node("by") else { return Some(Self::Workload) };
        let name = |name: &str| if name.contains('{') { name.to_owned() } else { format!("{{{name}}}") };
        let text = match &node.value {
            Value::List(_) => {
                let names = section.texts("by")?;
                names.iter().map(|text| name(text)).collect::<Vec<_>>().join(", ")
            }
            _ => name(&section.text("by")?),
        };
        match Template::parse(&text) {
            Ok(template) => Some(Self::Template(template)),
            Err(wrong) => {
                let what = format!("`by` of {} cannot be read: {wrong}", section.what());
                section.problems().add_with_hint(
                    &node.place,
                    what,
                    "write names, such as `[namespace, fields.user]`, or a template, such as `\"{namespace}/{app}\"`",
                );
                None
            }
        }
    }

    /// Whether it looks at fields.
    pub fn wants_fields(&self) -> bool {
        matches!(self, Self::Template(template) if template.depends().content)
    }

    /// Writes the event's key over `out`.
    pub fn render(&self, event: &Event<'_>, out: &mut String) {
        out.clear();
        match (self, &event.origin.workload) {
            (Self::Template(template), _) => template.render(event, out),
            (Self::Workload, Some(workload)) => {
                out.push_str(workload.namespace());
                out.push('/');
                out.push_str(workload.pod());
                out.push('/');
                out.push_str(workload.container());
            }
            (Self::Workload, None) if event.origin.path.as_os_str().is_empty() => out.push_str(&event.origin.source),
            (Self::Workload, None) => out.push_str(&path(event.origin)),
        }
        if out.len() > KEY_MAX {
            let hash = xxh3_64(out.as_bytes());
            out.truncate(cut(out, KEY_MAX - "…".len() - 16).len());
            // Writing to a string cannot fail.
            _ = write!(out, "…{hash:016x}");
        }
    }
}
