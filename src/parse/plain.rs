//! A line that is only text: the message is the body, and a level is looked for at the line's beginning.

use crate::model::event::Fields;
use crate::model::text::Text;

use super::head;
use super::parsed::Parsed;

/// The whole body as the message.
#[inline]
pub fn parse(body: &str) -> Parsed<'_> {
    Parsed { level: head::level(body), message: Text::Plain(body), fields: Fields::None, missed: false }
}
