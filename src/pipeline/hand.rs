//! Lines → events: pieces joined, lines grouped, and what is whole handed on to the forge.
//!
//! ```text
//! entry ─▶ joiner ─ whole ─┬─ may begin nothing ──────────────▶ forge
//!            (pieces)      └─▶ grouper ─ decided or closed ──▶ forge
//!                               (lines)
//! ```
//!
//! **Invariant**: where there is no room for an event, it stays in the grouper or was never taken from the line: the turn ends, and
//! the next one reads it again.

use super::feeds::FeedState;
use super::forge::{Context, Forge};
use crate::flow::account::Tally;
use crate::flow::runs;
use crate::frame::group::Grouper;
use crate::frame::group::rules::Rules;
use crate::frame::join::{Joiner, Step};
use crate::frame::text::Known;
use crate::model::event::{Entry, Span};

/// What became of a turn's entries.
#[derive(Debug, Default)]
pub struct Count {
    /// In the open batch.
    pub handed_on: Tally,
    /// Left out, by step; as long as the last step that left out any.
    pub filtered: Vec<Tally>,
}

impl Count {
    pub(super) fn clear(&mut self) {
        self.handed_on = Tally::default();
        self.filtered.clear();
    }

    #[cold]
    fn filter(&mut self, step: usize, tally: Tally) {
        if self.filtered.len() <= step {
            self.filtered.resize(step + 1, Tally::default());
        }
        self.filtered[step].add(tally);
    }
}

/// What a line goes through.
pub(super) struct Hand<'t> {
    pub(super) joiner: &'t mut Joiner,
    pub(super) grouper: &'t mut Grouper,
    pub(super) rules: &'t Rules,
    pub(super) state: &'t mut FeedState,
    pub(super) forge: &'t mut Forge,
    pub(super) count: &'t mut Count,
    /// What is known of the bytes that lines are cut from.
    pub(super) known: Known<'t>,
}

/// So many bytes lie between the points that are noted within a turn.
const POINTS_APART: u64 = 64 << 10;

impl Hand<'_> {
    /// Takes the file's next entry; false where there was no room for what it makes.
    #[inline]
    pub(super) fn entry(&mut self, entry: &Entry<'_>, span: Span, lost: u64) -> bool {
        if !self.close_overdue(Some(entry), span) {
            return false;
        }
        let stream = runs::index(entry.stream);
        match self.joiner.push(entry, span, lost) {
            Step::Whole => {
                if !self.grouper.holds(stream) && !self.rules.may_begin(entry.body) {
                    push(self.state, self.forge, self.count, entry, self.known, lost, &[span]);
                    return true;
                }
                hold(self.grouper, self.state, stream, entry, lost, &[span]);
            }
            Step::Joined(joined) => {
                if !self.grouper.holds(stream) && !self.rules.joins() {
                    push(
                        self.state,
                        self.forge,
                        self.count,
                        &joined.entry,
                        Known::default(),
                        joined.lost,
                        joined.spans,
                    );
                    return true;
                }
                hold(self.grouper, self.state, stream, &joined.entry, joined.lost, joined.spans);
            }
            Step::Held | Step::Skipped => return true,
        }
        self.give(stream)
    }

    /// Closes what must not stay open when the file is read to the end of `span`, of which `entry` comes next where it is known.
    /// False where there was no room for it, or is none for what follows.
    #[inline]
    pub(super) fn close_overdue(&mut self, entry: Option<&Entry<'_>>, span: Span) -> bool {
        (!self.grouper.is_open() || self.close_groups(entry, span)) && self.close_pieces(span.end)
    }

    fn close_pieces(&mut self, end: u64) -> bool {
        loop {
            if !self.forge.is_ready() {
                return false;
            }
            let Some(joined) = self.joiner.overdue(end) else { return true };
            let stream = runs::index(joined.entry.stream);
            hold(self.grouper, self.state, stream, &joined.entry, joined.lost, joined.spans);
            if !self.give(stream) {
                return false;
            }
        }
    }

    fn close_groups(&mut self, entry: Option<&Entry<'_>>, span: Span) -> bool {
        let time = entry.and_then(|entry| entry.time.or_else(|| self.state.reading_at(span.start)));
        while let Some(stream) = self.grouper.overdue(self.rules, time, span.end) {
            if !self.close_group(stream) {
                return false;
            }
        }
        self.note_point(span.start);
        true
    }

    /// Gives out all that is held of a stream.
    fn close_group(&mut self, stream: usize) -> bool {
        while self.grouper.close(self.rules, stream) {
            if !self.take(stream) {
                return false;
            }
        }
        true
    }

    /// Gives out what is decided of a stream that took a line in.
    fn give(&mut self, stream: usize) -> bool {
        self.grouper.follow(self.joiner.state(), self.joiner.open_start());
        while self.grouper.due(self.rules, stream) {
            if !self.take(stream) {
                return false;
            }
        }
        true
    }

    fn take(&mut self, stream: usize) -> bool {
        if !self.forge.is_ready() {
            return false;
        }
        if let Some(grouped) = self.grouper.take(stream) {
            push(self.state, self.forge, self.count, &grouped.entry, Known::default(), grouped.lost, grouped.spans);
        }
        self.grouper.follow(self.joiner.state(), self.joiner.open_start());
        true
    }

    /// Gives out everything that is held; `pieces` too. False where there was no room.
    pub(super) fn flush(&mut self, pieces: bool) -> bool {
        while pieces && self.joiner.open_start().is_some() {
            if !self.forge.is_ready() {
                return false;
            }
            let Some(joined) = self.joiner.flush() else { break };
            let stream = runs::index(joined.entry.stream);
            hold(self.grouper, self.state, stream, &joined.entry, joined.lost, joined.spans);
            if !self.give(stream) {
                return false;
            }
        }
        (0..self.state.runs.len()).all(|stream| self.close_group(stream))
    }

    /// Where the next turn reads on: what is open starts there.
    pub(super) fn open_start(&self) -> Option<u64> {
        self.joiner.open_start().into_iter().chain(self.grouper.open_start()).min()
    }

    /// Notes that nothing is open, or was given out, behind `at`: where events begin at every line, the ends of turns are not enough.
    fn note_point(&mut self, at: u64) {
        let point = self.open_start().unwrap_or(at);
        let given = self.grouper.given(self.joiner.state());
        let is_far = point >= self.state.ledger.last_point() + POINTS_APART;
        if is_far && given.done_until.iter().all(|done| *done <= point) {
            self.state.ledger.note_point(point, self.state.runs);
        }
    }
}

fn hold(grouper: &mut Grouper, state: &FeedState, stream: usize, entry: &Entry<'_>, lost: u64, spans: &[Span]) {
    let start = spans.first().map_or(0, |span| span.start);
    let time = entry.time.or_else(|| state.reading_at(start));
    grouper.push(stream, entry, lost, spans, time);
}

#[inline]
fn push(
    state: &mut FeedState,
    forge: &mut Forge,
    count: &mut Count,
    entry: &Entry<'_>,
    known: Known<'_>,
    lost: u64,
    spans: &[Span],
) {
    let start = spans.first().map_or(0, |span| span.start);
    let is_settled = start < state.known_until && state.ledger.is_settled_at(start);
    let needs_reading = entry.time.is_none() || forge.restamps();
    let reading = if needs_reading { state.ledger.reading_at(start) } else { None };
    let context = Context {
        origin: &state.feed.origin,
        parser: state.feed.parser,
        runs: &mut state.runs,
        reading,
        is_settled,
        demotions: state.demotions.as_deref_mut(),
        known,
    };
    match forge.push(context, entry, lost, spans) {
        // No delivery will answer for it, so it is settled here.
        Some(step) => {
            count.filter(step, Tally::of(spans));
            state.ledger.leave_out(spans);
        }
        // An event is settled whole: of one that was left out a checkpoint may know the beginning alone.
        None if is_settled => state.ledger.leave_out(spans),
        None => count.handed_on.add(Tally::of(spans)),
    }
}
