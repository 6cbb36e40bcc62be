//! How the lines of a source are read: by which parser, and what is done with what it finds.
//!
//! **Invariant**: what belongs to a parser by itself (the types of nginx's fields) comes first, so that what a person wrote counts.

use super::Parser;
use super::moment::Moment;
use super::types::Types;
use super::values::Type;

/// A parser and what is done with its answer. One per worker and source.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Finds level, message and fields.
    pub parser: Parser,
    /// Fields that are no texts, where there are any.
    pub types: Option<Types>,
    /// Where the event's time stands, if the settings say so.
    pub time: Option<Moment>,
}

impl Recipe {
    /// A parser, with the types that it has and `types`, which count where both give one.
    pub fn new(parser: Parser, types: Vec<(String, Type)>, time: Option<Moment>) -> Self {
        let mut all = parser.types();
        all.extend(types);
        let types = (!all.is_empty()).then(|| Types::new(all));
        Self { parser, types, time }
    }
}

impl From<Parser> for Recipe {
    fn from(parser: Parser) -> Self {
        Self::new(parser, Vec::new(), None)
    }
}
