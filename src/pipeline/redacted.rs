//! Secrets out of a line, within the bounds that its memory was reserved for.
//!
//! **Invariant**: a redacted text is no longer than `max_line`: what stands for secrets may be longer than they were, and
//! then the line is cut as any other that is too long.

use crate::frame::{cut, text};
use crate::model::event::{Event, Fields, Flaw};
use crate::model::text::Text;
use crate::transform::redact::Redactor;

/// Memory for a line that changes.
#[derive(Debug, Default)]
pub(super) struct Redacted {
    line: String,
    short: String,
}

impl Redacted {
    /// `body` without its secrets, and whether it was cut, now or before.
    #[inline]
    pub(super) fn line<'a>(
        &'a mut self,
        redactor: &Redactor,
        body: &'a str,
        was_cut: bool,
        max_line: usize,
    ) -> (&'a str, bool) {
        let line = redactor.line(body, was_cut.then(|| cut::marker(body)), &mut self.line);
        if line.len() <= max_line {
            return (line, was_cut);
        }
        (text::text(line.as_bytes(), text::Known::default(), 0, max_line, &mut self.short).0, true)
    }
}

/// Gives `push` the event without the values of fields that are secrets by name, and back what it says.
pub(super) fn push<T>(
    redactor: &Redactor,
    max_line: usize,
    event: &Event<'_>,
    push: &mut dyn FnMut(&Event<'_>) -> T,
) -> T {
    let Some(changed) = redactor.fields(event.body, event.message, &event.fields) else { return push(event) };
    if changed.body.len() > max_line {
        let mut short = String::new();
        let body = text::text(changed.body.as_bytes(), text::Known::default(), 0, max_line, &mut short).0;
        let message = Text::Plain(body);
        return push(&Event { body, message, fields: Fields::None, flaw: Some(Flaw::Cut), ..event.clone() });
    }
    let pairs = match event.fields {
        Fields::Pairs(pairs) => changed.pairs(pairs),
        Fields::None | Fields::Json(_) => Vec::new(),
    };
    let message = changed.message(event.message);
    push(&Event { body: &changed.body, message, fields: Fields::Pairs(&pairs), ..event.clone() })
}
