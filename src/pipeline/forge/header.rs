//! Header lines: which one speaks of the lines at hand, and under which name it is counted.
//!
//! **Invariant**: a header goes the way of its file's lines, redaction included, before its names are taken: what nobody may see in a
//! line is in no name either.

use std::sync::Arc;

use super::{Forge, Tools};
use crate::model::feed::ParserName;

/// What header lines are counted under, where transforms have their names. None of these has a space in it.
pub const HEADER: &str = "csv header";

impl Tools {
    /// The names under which lines are left out: the transforms', and that of header lines where a parser takes names from them.
    pub fn left_out_by(&self) -> impl Iterator<Item = Arc<str>> {
        let has_header = self.parsers.iter().any(|recipe| recipe.parser.wants_header());
        self.steps.names().cloned().chain(has_header.then(|| HEADER.into()))
    }
}

impl Forge {
    /// Whether a parser takes the names of its fields from the header line of each file.
    #[inline]
    pub fn wants_header(&self, parser: ParserName) -> bool {
        self.tools.parsers[parser.0].parser.wants_header()
    }

    /// Whether the values of `line` may be names, for such a parser, in a file that follows one with the header `before`.
    pub fn is_header(&mut self, parser: ParserName, line: &str, before: Option<&str>) -> bool {
        line.len() <= self.tools.max_line
            && self.tools.parsers[parser.0].parser.headed().is_some_and(|separated| separated.is_header(line, before))
    }

    /// The entries to come are of a file with this header; `None` where none is known.
    #[inline]
    pub fn take_header(&mut self, parser: ParserName, header: Option<&str>) {
        match self.wants_header(parser) {
            true => self.take_known_header(parser, header.unwrap_or_default()),
            false => self.header.clear(),
        }
    }

    fn take_known_header(&mut self, parser: ParserName, header: &str) {
        let max_line = self.tools.max_line;
        // Of a line that is cut nobody knows what it was.
        let line = if header.len() <= max_line { header } else { "" };
        let line = match &self.tools.redactor {
            None => line,
            Some(redactor) => self.redacted.line(redactor, line, false, max_line).0,
        };
        if let Some(separated) = self.tools.parsers[parser.0].parser.headed() {
            separated.take_header(line);
        }
        line.clone_into(&mut self.header);
    }
}
