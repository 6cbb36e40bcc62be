//! Groups lines that are one event: a stack trace, or what the settings say.
//!
//! Lines come from the joiner, whole; per stream they are held while an event is open:
//!
//! ```text
//! stderr  ValueError … ─▶ alone
//! stderr  Traceback …  ─▶ open ─ File … ─▶ open ─ KeyError ─▶ open ─ another line ─▶ grouped: one text, a span each
//! stdout  …            ─▶ alone (the open event of stderr does not concern it)
//! ```
//!
//! A line that may be of the event if a later one is (a blank one, a message's second) is held and *unsure*: when the event ends
//! without such a line it is looked at again, as if nothing had been open.
//!
//! - [`rules`]: which lines make an event, and the settings
//! - [`traces`]: what the languages' traces look like
//! - `slot`: the lines that are held of one stream
//!
//! **Invariants**
//! - What is grouped depends on the file's bytes and the lines' times alone. An event is open until a line is not of it, would
//!   exceed a bound, or is later than its last line by more than the gap, whatever that line's stream; or until the caller knows
//!   that nothing follows.
//! - Between turns a file holds no bytes here: [`Grouper::begin`] forgets what is open, and the caller reads on from its start.
//! - Where events of several streams overlap without an end, all of them are closed once `max_open` bytes of the file lie behind
//!   the point where that began: so there is always a point near by from which a replay groups alike.

pub mod rules;
mod slot;
pub mod traces;

use std::time::Duration;

use super::join::{STREAMS, State};
use crate::model::event::{Entry, Span};
use crate::model::time::Time;
use rules::Rules;
pub use slot::Grouped;
use slot::Slot;

/// Groups lines; one per worker, used for one file at a time.
#[derive(Debug)]
pub struct Grouper {
    /// The most bytes of a grouped text.
    max_line: usize,
    /// The most bytes of a file from where events began to overlap.
    max_open: u64,
    /// One per stream, as in [`State`].
    slots: [Slot; STREAMS],
    /// How many of them hold lines.
    open: usize,
    /// Where the events that are open began to overlap others: nothing before it concerns what is behind.
    run: Option<u64>,
}

impl Grouper {
    /// A grouper of texts of at most `max_line` bytes, that cuts events which overlap for more than `max_open` bytes of a file.
    pub fn new(max_line: usize, max_open: u64) -> Self {
        Self { max_line, max_open, slots: Default::default(), open: 0, run: None }
    }

    /// Begins a turn of a file whose last one ended with this [`Grouper::run`].
    pub fn begin(&mut self, run: Option<u64>) {
        self.slots.iter_mut().for_each(Slot::clear);
        self.open = 0;
        self.run = run;
    }

    /// What the file must keep until its next turn, beside the offset.
    pub fn run(&self) -> Option<u64> {
        self.run
    }

    /// Whether lines are held.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.open > 0
    }

    /// Whether lines of this stream are held.
    #[inline]
    pub fn holds(&self, stream: usize) -> bool {
        !self.slots[stream].is_empty()
    }

    /// The smallest start of what is held: where the next turn reads on, and what no watermark may pass.
    pub fn open_start(&self) -> Option<u64> {
        self.slots.iter().filter_map(Slot::start).min()
    }

    /// What was given out, where the joiner gave `joined` to this grouper.
    pub fn given(&self, joined: State) -> State {
        let mut given = joined;
        for (done, slot) in given.done_until.iter_mut().zip(&self.slots) {
            *done = slot.start().unwrap_or(*done);
        }
        given
    }

    /// Holds a line of `stream`; `time` is its own or that of its reading. [`Grouper::due`] says what it has decided.
    pub fn push(&mut self, stream: usize, entry: &Entry<'_>, lost: u64, spans: &[Span], time: Option<Time>) {
        let slot = &mut self.slots[stream];
        self.open += usize::from(slot.is_empty());
        slot.push(entry, lost, spans, time);
    }

    /// Whether lines of this stream are decided to be an event, which [`Grouper::take`] gives.
    pub fn due(&mut self, rules: &Rules, stream: usize) -> bool {
        self.slots[stream].decide(rules, self.max_line).is_some()
    }

    /// Decides that nothing follows in this stream: what is held is at least one event.
    pub fn close(&mut self, rules: &Rules, stream: usize) -> bool {
        self.slots[stream].close(rules, self.max_line).is_some()
    }

    /// The event that was decided.
    pub fn take(&mut self, stream: usize) -> Option<Grouped<'_>> {
        let slot = &mut self.slots[stream];
        let lines = slot.decided.take()?;
        slot.drop_front(lines);
        self.open -= usize::from(slot.is_empty());
        Some(slot.taken(lines))
    }

    /// A stream whose lines are not followed by an entry of `time` that ends at `end`, whatever its stream: the gap is too long,
    /// or events have overlapped for too long. Everything held of it is to be closed.
    pub fn overdue(&self, rules: &Rules, time: Option<Time>, end: u64) -> Option<usize> {
        let is_long = self.run.is_some_and(|start| end.saturating_sub(start) > self.max_open);
        let is_over = |slot: &Slot| is_long || is_later(time, slot.last_time(), rules.gap);
        self.slots.iter().position(|slot| !slot.is_empty() && is_over(slot))
    }

    /// Notes where overlapping began, after lines were taken in or given out. `joined` and `piece` are the joiner's state and open
    /// start.
    pub fn follow(&mut self, joined: State, piece: Option<u64>) {
        let Some(open) = self.open_start() else {
            self.run = None;
            return;
        };
        let open = piece.map_or(open, |piece| piece.min(open));
        let overlaps = self.given(joined).done_until.iter().any(|done| *done > open);
        if self.run.is_none() || !overlaps {
            self.run = Some(open);
        }
    }
}

fn is_later(time: Option<Time>, than: Option<Time>, gap: Duration) -> bool {
    let (Some(time), Some(than)) = (time, than) else { return false };
    time.as_nanos() - than.as_nanos() > gap.as_nanos() as i128
}

#[cfg(test)]
mod tests;
