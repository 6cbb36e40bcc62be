//! What a delivery reports: into the ledgers, the books and the checkpoint.
//!
//! **Invariant**: what was settled is in the checkpoint before the pipeline's thread reads on with the memory it gave back.

use std::sync::Arc;

use super::Pipeline;
use crate::flow::account::Tally;
use crate::flow::checkpoint::Record;
use crate::model::batch::{Fate, Report, Settled};
use crate::model::event::Span;
use crate::model::origin::{Origin, OriginId};

impl Pipeline {
    /// Takes a report in.
    pub(super) fn settle(&mut self, report: Report) {
        let mut touched: Vec<OriginId> = Vec::new();
        match report {
            Report::Delivered(batch) => {
                self.release_retrying(batch.id);
                let body = &batch.body;
                let mut from = 0;
                let mut items = body.items.iter().peekable();
                while let Some(item) = items.next() {
                    // Items come in turns of one origin; its spans lie side by side.
                    if items.peek().is_some_and(|next| next.origin == item.origin) {
                        continue;
                    }
                    let to = item.spans_end as usize;
                    let spans = &body.spans[from..to];
                    from = to;
                    self.settle_spans(batch.id, &body.origins[item.origin as usize], spans, &Fate::Delivered);
                }
                touched.extend(body.origins.iter().map(|origin| origin.id));
                self.end(batch.id);
                self.forge.take_back(batch.body);
            }
            Report::Part { batch, settled, retrying } => {
                self.release_retrying(batch);
                self.settle_parts(batch, &settled, &mut touched);
                let origins: Vec<_> = retrying.iter().map(|origin| origin.id).collect();
                for id in &origins {
                    if let Some(state) = self.feeds.get_mut(id) {
                        state.retrying += 1;
                    }
                }
                self.retrying.insert(batch, origins);
            }
            Report::End { batch, settled, permit } => {
                self.release_retrying(batch);
                self.settle_parts(batch, &settled, &mut touched);
                self.end(batch);
                drop(permit);
            }
        }
        self.forge.note_retrying(self.retrying.values().filter(|origins| !origins.is_empty()).count());
        touched.sort_unstable();
        touched.dedup();
        let records = touched.iter().filter_map(|id| {
            let state = self.feeds.get_mut(id)?;
            state.feed.replayable.then(|| Record::Cursor(Arc::clone(&self.name), *id, state.cursor()))
        });
        let records: Vec<_> = records.collect();
        if !records.is_empty() {
            self.book.append(records);
        }
        for id in touched {
            self.finish_if_done(id);
        }
        // There may be memory again for the feed that was denied some.
        if let Some(since) = self.starved.take() {
            self.metrics.waited_for_permit(since.elapsed());
        }
    }

    /// All of a batch is settled.
    fn end(&mut self, batch: u64) {
        self.pace.settled(batch);
        self.told.remove(&batch);
        self.forge.ended();
        self.books.end(batch, || self.forge.open_tally());
    }

    fn settle_parts(&mut self, batch: u64, settled: &[Settled], touched: &mut Vec<OriginId>) {
        for part in settled {
            touched.push(part.origin.id);
            self.settle_spans(batch, &part.origin, &part.spans, &part.fate);
        }
    }

    fn settle_spans(&mut self, batch: u64, origin: &Arc<Origin>, spans: &[Span], fate: &Fate) {
        let tally = Tally::of(spans);
        self.books.settle(batch, fate, tally);
        if let Some(state) = self.feeds.get_mut(&origin.id) {
            state.settle(spans, tally, fate);
        }
    }

    fn release_retrying(&mut self, batch: u64) {
        for id in self.retrying.remove(&batch).unwrap_or_default() {
            if let Some(state) = self.feeds.get_mut(&id) {
                state.retrying = state.retrying.saturating_sub(1);
            }
        }
    }

    /// Ends a feed that is read and settled to its end, when nothing more will come.
    pub(super) fn finish_if_done(&mut self, id: OriginId) {
        if self.feeds.get(&id).is_some_and(|state| state.is_done()) {
            self.finish(id);
        }
    }

    /// Lets go of a feed.
    pub(super) fn finish(&mut self, id: OriginId) {
        let Some(state) = self.feeds.get_mut(&id) else { return };
        if state.feed.replayable && !state.is_abandoned {
            self.book.append(vec![Record::Cursor(Arc::clone(&self.name), id, state.cursor())]);
        }
        state.feed.content.release(self.index, u64::MAX);
        state.feed.marks.set_done(self.index);
        self.books.finish(state);
        self.schedule.leave(state.feed.chain, state.feed.order, id);
        if let Some(stream) = state.stream {
            self.pace.place(stream, id, None);
        }
        self.feeds.remove(&id);
    }
}
