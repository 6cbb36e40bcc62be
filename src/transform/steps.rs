//! The transforms of a sink, one after the other, on every event.
//!
//! **Invariant**: what they make of an event depends on the event and the settings alone, so a replay makes the same and leaves
//! out the same lines. A step that leaves a line out says so by its place: its caller counts it.

use std::sync::Arc;

use crate::model::event::Event;

use super::condition::{Answer, Condition, Wants};
use super::sample::Sample;
use super::shape::{self, Change};

/// The steps of one sink. One per worker.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    steps: Vec<Step>,
    /// Whether a step changes events.
    shapes: bool,
}

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
    /// Changes the fields.
    Shape(Change),
    /// Leaves out all but some.
    Sample(Sample),
}

impl Steps {
    /// In this order. Names are unique.
    pub fn new(steps: Vec<Step>) -> Self {
        let shapes = steps.iter().any(|step| matches!(step.what, What::Shape(_)));
        Self { steps, shapes }
    }

    /// Whether nothing is done.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.steps.iter().map(|step| &step.name)
    }

    /// How much a parser must find out before the steps are asked.
    pub fn wants(&self) -> Wants {
        let of = |step: &Step| match &step.what {
            What::Keep(condition) | What::Drop(condition) => condition.wants(),
            What::Shape(_) => Wants::All,
            What::Sample(sample) if sample.wants_fields() => Wants::All,
            What::Sample(_) => Wants::Level,
        };
        self.steps.iter().map(of).max().unwrap_or_default()
    }

    /// Gives `push` what becomes of the event, or says which step leaves it out. `wrong` counts, by step, the conditions that
    /// asked a value for what it is not (these count as not held), and the events that would have become longer than `most` bytes
    /// (these stay as they are).
    #[inline]
    pub fn run(
        &self,
        event: &Event<'_>,
        most: usize,
        wrong: &mut [u64],
        push: &mut dyn FnMut(&Event<'_>),
    ) -> Option<usize> {
        if self.shapes {
            return self.from(0, event, most, wrong, push);
        }
        let left_out = self.steps.iter().enumerate().position(|(at, step)| step.leaves_out(at, event, wrong));
        if left_out.is_none() {
            push(event);
        }
        left_out
    }

    /// The same from a step on. A changed event lives as long as what follows looks at it.
    fn from(
        &self,
        first: usize,
        event: &Event<'_>,
        most: usize,
        wrong: &mut [u64],
        push: &mut dyn FnMut(&Event<'_>),
    ) -> Option<usize> {
        for (at, step) in self.steps.iter().enumerate().skip(first) {
            let What::Shape(change) = &step.what else {
                if step.leaves_out(at, event, wrong) {
                    return Some(at);
                }
                continue;
            };
            match shape::shaped(change, event, most) {
                Ok(None) => {}
                Ok(Some(shaped)) => return self.from(at + 1, &shaped.event(event), most, wrong, push),
                Err(shape::TooLong) => note(wrong, at),
            }
        }
        push(event);
        None
    }
}

impl Step {
    #[inline]
    fn leaves_out(&self, at: usize, event: &Event<'_>, wrong: &mut [u64]) -> bool {
        let (condition, leaves_out) = match &self.what {
            What::Keep(condition) => (condition, false),
            What::Drop(condition) => (condition, true),
            What::Shape(_) => return false,
            What::Sample(sample) => return !sample.keeps(event),
        };
        let answer = condition.ask(event);
        if answer == Answer::Wrong {
            note(wrong, at);
        }
        (answer == Answer::Yes) == leaves_out
    }
}

fn note(wrong: &mut [u64], at: usize) {
    if let Some(count) = wrong.get_mut(at) {
        *count += 1;
    }
}
