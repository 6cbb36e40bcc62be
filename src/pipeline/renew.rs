//! New settings for a pipeline that is at work.
//!
//! ```text
//! reading ──refit──▶ sealed, nothing is read ──all answered, or the delivery gave up──▶ cursors ──▶ reading by the new
//! ```
//!
//! **Invariant**: of what was handed on under the old settings nothing is reported any more when reading goes on: what is
//! unanswered then is read again from the cursors, as after a restart, and counted as given back.

use std::sync::Arc;

use super::forge::Forge;
use super::refit::Refit;
use super::turn::Reader;
use super::{MAX_OPEN, Pipeline, poll_interval};
use crate::flow::checkpoint::Record;
use crate::flow::pace::Pace;

impl Pipeline {
    /// Reads no more, and waits for the answers to what was read.
    pub(super) fn refit(&mut self, refit: Box<Refit>) {
        if self.outlet.is_none() {
            // It is about to end.
            return;
        }
        // What finds no room is said under the new settings.
        self.say(true);
        self.seal();
        self.refit = Some(refit);
        self.outlet = None;
    }

    /// No more answers will come.
    pub(super) fn delivery_ended(&mut self) {
        match self.refit.take() {
            Some(refit) if self.stop.is_none() && !self.no_more_feeds => self.begin_anew(*refit),
            _ => self.is_over = true,
        }
    }

    fn begin_anew(&mut self, refit: Refit) {
        let Refit { tools, outlet, sources, done } = refit;
        self.retrying.clear();
        self.next_turn = None;
        if let Some(since) = self.starved.take() {
            self.metrics.waited_for_permit(since.elapsed());
        }
        self.count();
        self.max_age = tools.batch.max_age;
        self.poll_interval = poll_interval(self.longest_poll, self.max_age);
        self.reader = Reader::new(tools.max_line, MAX_OPEN, tools.multiline.clone());
        self.books.take_steps(tools.left_out_by());
        let owed = self.take_back_told();
        self.counted = self.counted();
        self.forge = Forge::new(tools);
        self.take_labels_up();
        self.forge.owed = owed;
        self.pace = Pace::default();
        self.outlet = Some(outlet);
        self.books.give_back();
        let mut lines = 0;
        let mut records = Vec::new();
        let mut left = Vec::new();
        for (id, state) in std::mem::take(&mut self.feeds) {
            let source = sources.iter().find(|(source, _)| *source == state.feed.origin.source);
            let is_replayable = state.feed.replayable && !state.is_abandoned;
            let parser = source.map_or(state.feed.parser, |(_, parser)| *parser);
            let (mut state, given_back) = state.begin_again(parser);
            lines += given_back.entries;
            if is_replayable {
                records.push(Record::Cursor(Arc::clone(&self.name), id, state.cursor()));
            } else {
                // Nobody can read that again.
                self.books.unreachable += given_back.bytes;
            }
            state.feed.marks.set_read(self.index, state.pos);
            if source.is_none() || state.is_done() {
                left.push(id);
            }
            self.begin(Box::new(state));
        }
        self.book.append(records);
        left.into_iter().for_each(|id| self.finish(id));
        done(lines);
    }
}
