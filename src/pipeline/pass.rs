//! A pass: every feed that is due has its turn.
//!
//! **Invariant**: between a turn and the next what was settled meanwhile is in the checkpoint; a feed that was denied room
//! is the first of the next pass. It refuses to decide when a batch leaves, but for a full one.

use std::time::{Instant, SystemTime};

use tracing::debug;

use super::Pipeline;
use super::feeds::FeedState;
use super::header::Found;
use super::turn::End;
use crate::flow::pace::Window;
use crate::model::feed::Ready;
use crate::model::origin::OriginId;
use crate::model::time::Time;

impl Pipeline {
    /// Gives every feed that is due its turn. Whether some have more to read at once.
    pub(super) fn pass(&mut self) -> bool {
        if self.outlet.is_none() {
            return false;
        }
        let now = Instant::now();
        let due = self.due(now);
        let mut has_more = false;
        for (at, &id) in due.iter().enumerate() {
            // A pass over many files may take long, and turns all the while.
            self.beat.beat();
            let end = self.turns(id, now);
            self.put_back(id);
            match end {
                End::AtEnd | End::Ahead | End::Overtaken => {}
                End::Share => has_more = true,
                End::NoRoom => {
                    // A report will bring memory; then this feed is the first.
                    self.next_turn = Some(id);
                    if self.starved.is_none() {
                        self.starved = Some(Instant::now());
                        self.metrics.waits_for_permit();
                    }
                    due[at..].iter().for_each(|id| self.put_back(*id));
                    return false;
                }
            }
        }
        self.next_turn = None;
        has_more
    }

    /// One feed's share, over as many batches as it fills.
    fn turns(&mut self, id: OriginId, now: Instant) -> End {
        loop {
            if self.forge.is_full() {
                self.seal();
            }
            // What was settled meanwhile is in the checkpoint before more is read: a crash repeats no more than what
            // is on its way.
            while let Ok(message) = self.inbox.try_recv() {
                self.take(message);
            }
            let is_readable = |state: &FeedState| state.retrying == 0 && !state.is_gone() && self.may_read(state);
            if self.is_over || self.outlet.is_none() || !self.feeds.get(&id).is_some_and(|state| is_readable(state)) {
                return End::AtEnd;
            }
            let found = self.find_header(id);
            let Some(state) = self.feeds.get_mut(&id) else { return End::AtEnd };
            let ready = match found {
                Found::Known | Found::NotBefore(_) => state.content().prepare(state.pos),
                Found::Not(ready) => ready,
                Found::Failed => Ready::Later,
            };
            match ready {
                Ready::Now => {}
                Ready::Soon => return End::Share,
                Ready::Later => {
                    // It has more, so those behind it in its chain wait too.
                    state.due = now + self.poll_interval;
                    return End::AtEnd;
                }
            }
            self.reader.until = if let Found::NotBefore(offset) = found { offset } else { u64::MAX };
            let (window, place) = match state.stream {
                Some(stream) => (self.pace.window(stream, Time::of_system(SystemTime::now())), state.place()),
                None => (Window::OPEN, None),
            };
            let end = self.reader.turn(state, &mut self.forge, window);
            self.books.hand_on(state, self.reader.count.handed_on, self.reader.cut);
            let flaws = std::mem::take(&mut self.forge.flaws);
            if !flaws.is_empty() {
                flaws.counts().for_each(|(flaw, count)| self.metrics.malformed(flaw).inc_by(count));
                self.books.note_flaws(state, &flaws);
            }
            if !self.reader.count.filtered.is_empty() {
                self.books.filter(state, &self.reader.count.filtered);
                state.is_unwritten = true;
                self.has_unwritten = true;
            }
            match end {
                End::AtEnd => state.rest(self.poll_interval, now),
                End::Share | End::NoRoom | End::Ahead => state.at_end = false,
                End::Overtaken => {
                    state.feed.marks.set_read(self.index, state.pos);
                    state.feed.marks.set_overtaken();
                }
            }
            if let Some(stream) = state.stream {
                if let Some(first) = place.or(state.place()).filter(|_| self.reader.count.handed_on.entries > 0) {
                    self.pace.handed_on(stream, first);
                }
                let has_more = matches!(end, End::Share | End::NoRoom | End::Ahead);
                self.pace.place(stream, id, state.place().filter(|_| has_more));
            }
            if end == End::Overtaken {
                debug!(path = %state.feed.origin.path.display(), "the content is not what it was");
                return end;
            }
            self.after_turn(id);
            // Of a demoted label the rest of the turn knows.
            if end != End::NoRoom || !(self.take_crowded() || self.forge.is_full()) {
                return end;
            }
        }
    }

    fn after_turn(&mut self, id: OriginId) {
        let Some(state) = self.feeds.get(&id) else { return };
        state.feed.marks.set_read(self.index, state.pos);
        state.feed.content.release(self.index, state.pos);
        self.finish_if_done(id);
    }

    /// The feeds whose turn it is, beginning with the one that was denied room last.
    fn due(&mut self, now: Instant) -> Vec<OriginId> {
        let mut due = Vec::new();
        for id in self.schedule.take_due(now) {
            let Some(state) = self.feeds.get(&id).filter(|state| !state.is_gone()) else { continue };
            if state.due > now {
                // It was looked at, or woken, since: it stands in the queue with its new time.
                continue;
            }
            if self.is_readable(state) {
                due.push(id);
            } else {
                self.schedule.wait(id);
            }
        }
        if let Some(first) = self.next_turn {
            let at = due.partition_point(|id| *id < first);
            due.rotate_left(at);
        }
        due
    }

    /// Whether a feed may be read now: not one that waits for an answer, for an older file of its chain, or for others of
    /// its stream.
    pub(super) fn is_readable(&self, state: &FeedState) -> bool {
        state.retrying == 0
            && !state.is_gone()
            && self.may_read(state)
            && !self.has_older(state)
            && !self.is_ahead(state)
    }

    /// Whether an older file of its chain is to be read first.
    pub(super) fn has_older(&self, state: &FeedState) -> bool {
        let older = self.schedule.before(state.feed.chain, state.feed.order);
        older.filter_map(|id| self.feeds.get(&id)).any(|state| !state.at_end && !state.is_gone())
    }

    /// Puts a feed back into the queue.
    pub(super) fn put_back(&mut self, id: OriginId) {
        if let Some(state) = self.feeds.get(&id) {
            self.schedule.put(state.due, id);
        }
    }

    /// Has every feed looked at at once.
    pub(super) fn wake_all(&mut self) {
        for (id, state) in &mut self.feeds {
            state.wake();
            self.schedule.put(state.due, *id);
        }
    }

    /// Whether what a feed reads next is too far ahead of others of its stream; also while others may still be found.
    pub(super) fn is_ahead(&self, state: &FeedState) -> bool {
        let Some(stream) = state.stream else { return false };
        let now = || Time::of_system(SystemTime::now());
        !self.is_walked || state.next.is_some_and(|next| self.pace.window(stream, now()).holds(next))
    }

    /// Whether a feed is still to be read, as far as stopping and descriptors go.
    pub(super) fn may_read(&self, state: &FeedState) -> bool {
        if state.feed.marks.parked() {
            return false;
        }
        match self.stop {
            None => true,
            // What is open at a file's end is drained, too: soon it is known that nothing follows.
            Some(stop) => !state.feed.replayable || (stop.drain && (!state.at_end || state.open_for.is_some())),
        }
    }
}
