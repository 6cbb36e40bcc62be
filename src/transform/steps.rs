//! The transforms of a sink, one after the other, on every event.
//!
//! **Invariant**: what they make of an event depends on the event and the settings alone, so a replay makes the same and leaves
//! out the same lines; but for those with memory, which also ask what came before. A step that leaves a line out says so by its
//! place: its caller counts it.

use std::sync::Arc;
use std::time::Duration;

use crate::model::event::{Event, Fields};
use crate::model::time::Time;

use super::condition::{Answer, Condition, Wants};
use super::count::{Counted, Counts, Metric};
use super::dedupe::Dedupe;
use super::limit::Limit;
use super::sample::Sample;
use super::shape::outcome::Stays;
use super::shape::{self, Change};
use super::summary::{SummaryLine, USUAL};

/// The steps of one sink. One per worker.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    steps: Vec<Step>,
    /// Whether a step changes events.
    shapes: bool,
    /// Whether a step remembers what came before.
    remembers: bool,
}

/// What the steps are told beside the event, and what they have to say.
#[derive(Debug)]
pub struct Run<'r> {
    /// The time of the event as the runtime noted it, or of its reading.
    pub moment: Time,
    /// The most bytes that an event may become.
    pub most: usize,
    /// Takes, by step, how many conditions asked a value for what it is not (these count as not held), how many events would
    /// have become longer than `most` or had another text than was to be parsed (these stay as they are), and of how many a value
    /// did not fit its type.
    pub wrong: &'r mut [u64],
    /// Takes lines that are to be sent beside the event.
    pub owed: &'r mut Vec<SummaryLine>,
    /// Takes those of them that were sent before it.
    pub told: &'r mut Vec<SummaryLine>,
    /// So many of these, of [`USUAL`] bytes, find room before the event.
    pub spare: usize,
    /// Which labels are demoted: see [`Event::demoted`].
    pub demoted: u64,
}

impl Run<'_> {
    /// Gives `push` the event, and before it what is to be told.
    #[inline]
    fn hand_on(&mut self, event: &Event<'_>, push: &mut dyn FnMut(&Event<'_>)) {
        if !self.owed.is_empty() {
            self.tell(push);
        }
        push(event);
    }

    #[cold]
    fn tell(&mut self, push: &mut dyn FnMut(&Event<'_>)) {
        let fits = |line: &&SummaryLine| line.text.len() + line.fields.len() <= USUAL;
        let count = self.owed.iter().take(self.spare).take_while(fits).count();
        self.spare -= count;
        for line in self.owed.drain(..count) {
            line.push(self.most, self.demoted, push);
            self.told.push(line);
        }
    }
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
    /// Leaves out what is too much.
    Limit(Box<Limit>),
    /// Leaves out what repeats.
    Dedupe(Box<Dedupe>),
    /// Counts, and leaves out nothing.
    Count(Counts),
}

impl Steps {
    /// In this order. Names are unique.
    pub fn new(steps: Vec<Step>) -> Self {
        let shapes = steps.iter().any(|step| matches!(step.what, What::Shape(_)));
        let remembers = steps.iter().any(|step| step.what.remembers());
        Self { steps, shapes, remembers }
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
            What::Limit(limit) if limit.wants_fields() => Wants::All,
            What::Count(counts) => counts.wants(),
            What::Dedupe(dedupe) => dedupe.wants(),
            What::Limit(limit) => limit.when().map_or(Wants::Level, Condition::wants),
        };
        self.steps.iter().map(of).max().unwrap_or_default()
    }

    /// Whether a step remembers what came before: only these have anything to say.
    pub fn remembers(&self) -> bool {
        self.remembers
    }

    /// Lines of `moment` are met: what is to be said before them goes to `owed`.
    pub fn advance(&mut self, moment: Time, owed: &mut Vec<SummaryLine>) {
        for step in &mut self.steps {
            match &mut step.what {
                What::Limit(limit) => limit.advance(moment, owed),
                What::Dedupe(dedupe) => dedupe.advance(moment, owed),
                _ => {}
            }
        }
    }

    /// The clock shows `clock`, from any beginning: what has waited for long enough goes to `owed`, or `all` there is.
    pub fn look(&mut self, clock: Duration, all: bool, owed: &mut Vec<SummaryLine>) {
        for step in &mut self.steps {
            match &mut step.what {
                What::Limit(limit) => limit.look(clock, all, owed),
                What::Dedupe(dedupe) => dedupe.look(clock, all, owed),
                _ => {}
            }
        }
    }

    /// What the steps have counted.
    pub fn counted(&self) -> Vec<Counted> {
        self.counts().flat_map(Counts::counted).collect()
    }

    /// The metrics that they count.
    pub fn metrics(&self) -> impl Iterator<Item = &Metric> {
        self.counts().flat_map(Counts::metrics)
    }

    fn counts(&self) -> impl Iterator<Item = &Counts> {
        self.steps.iter().filter_map(|step| match &step.what {
            What::Count(counts) => Some(counts),
            _ => None,
        })
    }

    /// A metric that has met more labels than it may have series; each is given once.
    pub fn overflows(&mut self) -> Option<String> {
        self.steps.iter_mut().find_map(|step| match &mut step.what {
            What::Count(counts) => counts.overflows(),
            _ => None,
        })
    }

    /// A step that had to forget what it should still remember, since it was last asked.
    pub fn forgetful(&mut self) -> Option<Arc<str>> {
        let forgets = |step: &mut Step| match &mut step.what {
            What::Limit(limit) => limit.forgets(),
            _ => false,
        };
        self.steps.iter_mut().find_map(|step| forgets(step).then(|| Arc::clone(&step.name)))
    }

    /// Gives `push` what becomes of the event, or says which step leaves it out.
    #[inline]
    pub fn run(&mut self, event: &Event<'_>, run: &mut Run<'_>, push: &mut dyn FnMut(&Event<'_>)) -> Option<usize> {
        if self.shapes {
            return self.from(0, event, event.fields == Fields::None, run, push);
        }
        let left_out = self.steps.iter_mut().enumerate().position(|(at, step)| step.leaves_out(at, event, run));
        if left_out.is_none() {
            run.hand_on(event, push);
        }
        left_out
    }

    /// The same from a step on. A changed event lives as long as what follows looks at it. A line that `is_text` stays, whatever
    /// fields the steps give it.
    fn from(
        &mut self,
        first: usize,
        event: &Event<'_>,
        is_text: bool,
        run: &mut Run<'_>,
        push: &mut dyn FnMut(&Event<'_>),
    ) -> Option<usize> {
        for (at, step) in self.steps.iter_mut().enumerate().skip(first) {
            let What::Shape(change) = &mut step.what else {
                if step.leaves_out(at, event, run) {
                    return Some(at);
                }
                continue;
            };
            match shape::shaped(change, event, is_text, run.moment, run.most) {
                Ok(None) => {}
                Ok(Some(shaped)) => {
                    if shaped.misfits {
                        note(run.wrong, at);
                    }
                    return self.from(at + 1, &shaped.event(event), is_text, run, push);
                }
                Err(Stays::TooLong | Stays::Unread) => note(run.wrong, at),
            }
        }
        run.hand_on(event, push);
        None
    }
}

impl What {
    fn remembers(&self) -> bool {
        match self {
            Self::Limit(_) | Self::Dedupe(_) => true,
            Self::Keep(_) | Self::Drop(_) | Self::Shape(_) | Self::Sample(_) | Self::Count(_) => false,
        }
    }
}

impl Step {
    #[inline]
    fn leaves_out(&mut self, at: usize, event: &Event<'_>, run: &mut Run<'_>) -> bool {
        let (condition, leaves_out) = match &mut self.what {
            What::Keep(condition) => (&*condition, false),
            What::Drop(condition) => (&*condition, true),
            What::Shape(_) => return false,
            What::Sample(sample) => return !sample.keeps(event),
            What::Count(counts) => {
                let wrong = counts.count(event);
                (0..wrong).for_each(|_| note(run.wrong, at));
                return false;
            }
            What::Dedupe(dedupe) => {
                return dedupe.when().is_none_or(|when| holds(when, at, event, run))
                    && dedupe.leaves_out(event, run.moment, run.owed);
            }
            What::Limit(limit) => {
                return limit.when().is_none_or(|when| holds(when, at, event, run))
                    && limit.leaves_out(event, run.moment, run.owed);
            }
        };
        holds(condition, at, event, run) == leaves_out
    }
}

/// Whether the condition of the step at `at` holds.
#[inline]
fn holds(condition: &Condition, at: usize, event: &Event<'_>, run: &mut Run<'_>) -> bool {
    let answer = condition.ask(event);
    if answer == Answer::Wrong {
        note(run.wrong, at);
    }
    answer == Answer::Yes
}

fn note(wrong: &mut [u64], at: usize) {
    if let Some(count) = wrong.get_mut(at) {
        *count += 1;
    }
}
