//! What a parser answers. **Invariant**: it borrows from the body (and the parser) and holds no copy of either.

use crate::model::event::{Fields, Level};
use crate::model::text::Text;

/// What a line says beside its body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parsed<'a> {
    /// How grave it is, where it says so.
    pub level: Option<Level>,
    /// Of a structured line its `message` or `msg`, else the whole body.
    pub message: Text<'a>,
    /// The application's own keys.
    pub fields: Fields<'a>,
    /// The line was not what a parser other than `auto` and `plain` was told to expect, and is taken as plain text.
    pub missed: bool,
}
