//! Labels that take too many values, where the sink stores these beside the line from then on.
//!
//! ```text
//! an event with one value too many ─▶ the turn ends ─▶ written, said ─▶ every origin: from behind what was sent on
//! ```
//!
//! **Invariant**: that a label is demoted is in the checkpoint before an event knows it, and how much of an origin was sent under
//! which labels is in it before the batch leaves. It refuses to take a label back: only other settings do.

use std::sync::Arc;

use tracing::{info, warn};

use super::Pipeline;
use crate::flow::checkpoint::Record;

impl Pipeline {
    /// Labels that were demoted before the start stay so; where the settings say no more that labels are, none is.
    pub(super) fn take_labels_up(&mut self) {
        if !self.forge.demotes() {
            self.metrics.promotes();
        }
        let mut demoted = Vec::new();
        self.book.look(&mut |state| demoted.extend(state.demoted.get(&self.name).into_iter().flatten().cloned()));
        if demoted.is_empty() {
            return;
        }
        if !self.forge.demotes() {
            self.book.append(vec![Record::Promoted(Arc::clone(&self.name))]);
            info!(sink = %self.name, labels = ?demoted, "labels are stream labels again, since `demote` is off");
            return;
        }
        for label in demoted {
            if self.forge.demote(&label) && self.metrics.demotes(&label) {
                info!(
                    sink = %self.name,
                    label = %label,
                    "a label is stored beside the line, as before the restart; `demote: false` ends that"
                );
            }
        }
    }

    /// Takes up what the encoder says of crowded labels. Whether it said something, which may have ended a turn.
    pub(super) fn take_crowded(&mut self) -> bool {
        let mut any = false;
        while let Some(label) = self.forge.crowded() {
            any = true;
            let is_new = self.metrics.crowds(&label);
            if self.forge.demotes() {
                self.demote(label);
            } else if is_new {
                warn!(
                    sink = %self.name,
                    label,
                    "a label takes more values than `max_label_values` allows; each makes a stream of its own, which costs the \
                     store memory and makes queries slow. Nothing is lost. Put it into `structured_metadata`, or raise the limit"
                );
            }
        }
        any
    }

    /// Has a label stored beside the lines from here on.
    fn demote(&mut self, label: String) {
        let name: Arc<str> = label.as_str().into();
        if !self.forge.demote(&name) {
            // It has been for long, and is met in lines that were sent under it.
            return;
        }
        self.book.append(vec![Record::Demoted(Arc::clone(&self.name), name)]);
        if self.metrics.demotes(&label) {
            warn!(
                sink = %self.name,
                label,
                "a label takes more values than `max_label_values` allows, and is stored as structured metadata from here on, as \
                 `demote` asks for. Nothing is lost; queries by it go on behind a `|`. It stays so, also after a restart"
            );
        }
        for (id, state) in &mut self.feeds {
            self.forge.fit(&mut state.demotions);
            // Streams that were told apart by the label are one now, and their lines are to keep in step.
            let Some(before) = state.stream else { continue };
            let after = self.forge.stream(&state.feed.origin);
            if after != Some(before) {
                self.pace.place(before, *id, None);
                state.stream = after;
                if let Some(after) = after.filter(|_| !state.at_end && !state.is_gone()) {
                    state.next = state.time_at(state.pos);
                    self.pace.place(after, *id, state.place());
                }
            }
        }
    }
}
