//! The transforms of a sink, one after the other, on every event.
//!
//! **Invariant**: what they make of an event depends on the event and the settings alone, so a replay leaves out the same
//! lines. A step that leaves a line out says so by its place: its caller counts it.

use std::sync::Arc;

use crate::model::event::Event;

use super::condition::{Answer, Condition};

/// The steps of one sink. One per worker.
#[derive(Clone, Debug, Default)]
pub struct Steps(Vec<Step>);

/// One transform.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its name in the settings: what its counts are called.
    pub name: Arc<str>,
    /// What it does.
    pub what: What,
}

/// What a transform does.
#[derive(Clone, Debug)]
pub enum What {
    /// Leaves out what the condition does not hold of.
    Keep(Condition),
    /// Leaves out what it holds of.
    Drop(Condition),
}

impl Steps {
    /// In this order. Names are unique.
    pub fn new(steps: Vec<Step>) -> Self {
        Self(steps)
    }

    /// Whether nothing is done.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter().map(|step| &step.name)
    }

    /// Whether a step looks at messages or fields.
    pub fn wants_fields(&self) -> bool {
        self.0.iter().any(|step| match &step.what {
            What::Keep(condition) | What::Drop(condition) => condition.wants_fields(),
        })
    }

    /// Which step leaves the event out, if one does. `wrong` counts, by step, the conditions that asked a value for what it
    /// is not; these count as not held.
    #[inline]
    pub fn left_out_by(&self, event: &Event<'_>, wrong: &mut [u64]) -> Option<usize> {
        self.0.iter().enumerate().position(|(at, step)| {
            let (condition, leaves_out) = match &step.what {
                What::Keep(condition) => (condition, false),
                What::Drop(condition) => (condition, true),
            };
            let answer = condition.ask(event);
            if answer == Answer::Wrong
                && let Some(count) = wrong.get_mut(at)
            {
                *count += 1;
            }
            (answer == Answer::Yes) == leaves_out
        })
    }
}
