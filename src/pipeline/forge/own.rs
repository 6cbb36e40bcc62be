//! Lines of our own: what transforms with memory have to say, into the open batch.
//!
//! **Invariant**: such a line takes no room that an event was promised: it is written where one more finds room behind it, or waits
//! for the next batch. It is kept until its batch is answered for: what is unanswered when other settings come is owed again, and when the
//! process ends it is said how much that was.

use std::time::Instant;

use tracing::warn;

use super::Forge;
use crate::pipeline::Pipeline;
use crate::transform::count::Counted;
use crate::transform::summary::SummaryLine;

impl Forge {
    /// So many lines of our own find room before the event at hand.
    pub(super) fn spare(&self) -> usize {
        let Some(open) = &self.open else { return 0 };
        let bytes = self.tools.batch.max_bytes.saturating_sub(open.body.bytes.len() + 1) / self.own_bound.max(1);
        let items = self.tools.batch.max_items().saturating_sub(open.body.items.len() + 2);
        bytes.min(items)
    }

    /// Whether all that is owed is in the open batch now.
    #[cold]
    fn write_owed(&mut self) -> bool {
        let mut owed = std::mem::take(&mut self.owed).into_iter();
        let max_line = self.tools.max_line;
        let demoted = self.labels.all();
        while let (Some(line), Some(open)) = (owed.as_slice().first(), &mut self.open) {
            let body = &mut open.body;
            let batch = &self.tools.batch;
            if body.bytes.len() >= batch.max_bytes || body.items.len() + 1 >= batch.max_items() {
                break;
            }
            if body.is_empty() {
                open.since = Instant::now();
            }
            let encoder = &mut self.tools.encoder;
            line.push(max_line, demoted, &mut |event| encoder.push(event, body));
            self.told.extend(owed.next());
        }
        self.owed = owed.collect();
        self.owed.is_empty()
    }
}

impl Pipeline {
    /// Sends what transforms have waited with for long enough, or `all` that they have to say. False where there is no room for it
    /// now.
    pub(in crate::pipeline) fn say(&mut self, all: bool) -> bool {
        let Forge { tools, owed, .. } = &mut self.forge;
        let has_nothing = !tools.steps.remembers() && owed.is_empty();
        if has_nothing || self.outlet.is_none() {
            return true;
        }
        tools.steps.look(self.started.elapsed(), all, owed);
        while !self.forge.owed.is_empty() {
            if self.forge.is_ready() && self.forge.write_owed() {
                break;
            }
            if self.forge.waiting_since().is_none() {
                return false;
            }
            self.seal();
        }
        true
    }

    /// What was in batches that nobody will answer for is owed again.
    pub(in crate::pipeline) fn take_back_told(&mut self) -> Vec<SummaryLine> {
        let mut told: Vec<_> = self.told.drain().collect();
        told.sort_by_key(|(batch, _)| *batch);
        told.into_iter().flat_map(|(_, told)| told).chain(std::mem::take(&mut self.forge.owed)).collect()
    }

    /// Says what was not said to the store, when the pipeline ends.
    pub(in crate::pipeline) fn say_unsaid(&mut self) {
        let Forge { tools, owed, .. } = &mut self.forge;
        tools.steps.look(self.started.elapsed(), true, owed);
        let unanswered = self.told.drain().flat_map(|(_, told)| told);
        let lines: u64 = owed.drain(..).chain(unanswered).map(|line| line.entries).sum();
        if lines > 0 {
            warn!(
                sink = %self.name,
                lines,
                "lines were left out by transforms with memory, and the end came before the store could be told how many; they \
                 are counted as filtered. That is normal where a store does not answer when the program is to end"
            );
        }
    }

    /// What transforms have counted, under earlier settings too.
    pub(in crate::pipeline) fn counted(&self) -> Vec<Counted> {
        let mut counted = self.forge.tools.steps.counted();
        for now in &mut counted {
            if let Some(before) = self.counted.iter().find(|before| before.metric.name == now.metric.name) {
                now.merge(before);
            }
        }
        counted
    }

    /// Says, once for each, which metrics have more labels than series, and which transforms meet more keys than they can remember.
    pub(in crate::pipeline) fn say_forgetful(&mut self) {
        while let Some(metric) = self.forge.tools.steps.overflows() {
            if self.metrics.forgets(&metric) {
                warn!(
                    sink = %self.name,
                    metric,
                    "a metric of the settings meets more labels than `max_series`; the rest is counted in one series, whose labels are \
                     `_other`. No count is lost. Take out the label with many values, or raise the limit"
                );
            }
        }
        while let Some(name) = self.forge.tools.steps.forgetful() {
            if self.metrics.forgets(&name) {
                warn!(
                    sink = %self.name,
                    transform = %name,
                    "a transform meets more keys than it remembers, so keys that were forgotten begin anew and more goes on than \
                     the settings allow. Nothing is lost. Choose a `by` with fewer values"
                );
            }
        }
    }
}
