//! The header line of a feed whose parser takes the names of its fields from one.
//!
//! ```text
//! in the checkpoint? ─no─▶ first line (of a container: of its standard output) ─is it one?─no─▶ that of the file before ─▶ none
//!        └─ yes: that one                                                     └─ yes ─┐
//!                                   written to the checkpoint before any line is read ◀┘
//! ```
//!
//! A runtime rotates its files in the midst of what a container writes: there the header of the file before goes first.
//! **Invariant**: an origin's header is fixed before the first line that it speaks of is read, and never found anew; it depends on the
//! bytes that files begin with alone.

use std::sync::Arc;

use super::Pipeline;
use super::feeds::FeedState;
use super::forge::Forge;
use crate::flow::checkpoint::{Book, Record};
use crate::frame::Framer;
use crate::frame::lines::Lines;
use crate::model::event::Stream;
use crate::model::feed::{Ready, read_full};
use crate::model::origin::{Format, OriginId};

/// A longer line is no header: a runtime splits it.
const MOST: usize = 16 << 10;
/// So much of a file is looked at for its first line.
const LOOK: usize = 64 << 10;

/// What a look for a header has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is known now what the header is, or that there is none.
    Known,
    /// Nothing that tells it is there yet: no line before this offset is one that a header speaks of.
    NotBefore(u64),
    /// The content is not ready to be read.
    Not(Ready),
    /// It cannot be read at the moment.
    Failed,
}

/// What the first bytes of a file say.
enum First {
    /// The first line that may be a header.
    Line(String),
    /// There is none, and never will be.
    None,
    /// No line before this offset.
    NotBefore(u64),
}

/// Finds the header of `state`'s origin.
pub fn find(state: &mut FeedState, forge: &mut Forge, book: Option<&dyn Book>) -> Found {
    let origin = Arc::clone(&state.feed.origin);
    let book = book.filter(|_| state.feed.replayable);
    let (mut known, mut before) = (None, None);
    if let Some(book) = book {
        book.look(&mut |all| (known, before) = (all.headers.get(&origin.id).cloned(), all.header_before(origin.id)));
    }
    let is_chosen = known.is_some();
    // A container's next file has no header of its own.
    let known = known.or_else(|| before.clone().filter(|_| origin.format != Format::Plain));
    let header = match known {
        Some(known) => known,
        None => match first(state) {
            Err(found) => return found,
            Ok(First::NotBefore(offset)) => return Found::NotBefore(offset),
            Ok(First::Line(line)) if forge.is_header(state.feed.parser, &line, before.as_deref()) => line.into(),
            Ok(First::Line(_) | First::None) => before.unwrap_or_default(),
        },
    };
    if let Some(book) = book.filter(|_| !is_chosen) {
        book.append(vec![Record::Header(origin.id, Arc::clone(&header))]);
    }
    state.header = Some(header);
    Found::Known
}

fn first(state: &mut FeedState) -> Result<First, Found> {
    // Asked before reading: if nothing more will come, what is found then is all.
    let ended = state.feed.marks.ended();
    match state.content().prepare(0) {
        Ready::Now => {}
        not => return Err(Found::Not(not)),
    }
    let mut bytes = vec![0; LOOK];
    match read_full(state.content(), 0, &mut bytes) {
        Ok(count) => bytes.truncate(count),
        // The beginning of a pipe was let go of.
        Err(_) if !state.feed.replayable => return Ok(First::None),
        Err(error) => {
            state.fails(&error);
            return Err(Found::Failed);
        }
    }
    let is_all = ended && bytes.len() < LOOK;
    if is_all && bytes.last().is_some_and(|last| *last != b'\n') {
        bytes.push(b'\n');
    }
    let mut framer = Framer::new(state.feed.origin.format);
    let mut end = 0;
    for (line, span) in Lines::new(&bytes, 0) {
        let entry = framer.entry(line);
        let is_aside = entry.stream == Some(Stream::Stderr) || entry.body.is_empty();
        if !is_aside {
            let is_whole = entry.flaw.is_none() && !entry.partial && entry.body.len() <= MOST;
            let line = || String::from_utf8_lossy(entry.body).into_owned();
            return Ok(if is_whole { First::Line(line()) } else { First::None });
        }
        end = span.end;
    }
    Ok(if is_all || bytes.len() >= LOOK { First::None } else { First::NotBefore(end) })
}

/// Whether a feed's parser needs a header that is not looked for yet.
fn lacks_header(state: &FeedState, forge: &Forge) -> bool {
    state.header.is_none() && forge.wants_header(state.feed.parser)
}

impl Pipeline {
    /// Finds the header of a feed where its parser needs it. `Known` where nothing is in the way of reading all that is there.
    pub(super) fn find_header(&mut self, id: OriginId) -> Found {
        let Some(state) = self.feeds.get(&id).filter(|state| lacks_header(state, &self.forge)) else {
            return Found::Known;
        };
        // That of the file before is known first, also where that file is looked at later.
        let path = Arc::clone(&state.feed.origin.path);
        let before: Vec<OriginId> = self.schedule.before(state.feed.chain, state.feed.order).collect();
        let is_before = |other: &FeedState| other.feed.origin.path == path && !other.is_gone();
        for other in before {
            if self.feeds.get(&other).is_some_and(|other| is_before(other))
                && self.find_own_header(other) != Found::Known
            {
                return Found::Not(Ready::Later);
            }
        }
        self.find_own_header(id)
    }

    fn find_own_header(&mut self, id: OriginId) -> Found {
        match self.feeds.get_mut(&id) {
            Some(state) if lacks_header(state, &self.forge) => {
                // Nothing came since the last look.
                if state.feed.replayable
                    && state.at_end
                    && !state.feed.marks.ended()
                    && state.content().size() == Some(state.seen)
                {
                    return Found::NotBefore(state.seen);
                }
                find(state, &mut self.forge, Some(&*self.book))
            }
            _ => Found::Known,
        }
    }
}
