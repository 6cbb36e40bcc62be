//! Conditions on events, in CEL, the language that Kubernetes' own policies are written in.
//!
//! ```text
//! text ─▶ library's parser ─▶ tree ─▶ compile ─▶ Test ── on each event ─▶ yes, no, missing, wrong
//!                                        └─▶ Rest: what is more than comparisons, left to the library
//! ```
//!
//! In reading order:
//! - [`Condition`], here; `answer`: what it says of an event, or what is wrong with it
//! - `syntax`: its text → a tree; `compile`: the tree → what is run on each line, with names, functions and kinds checked;
//!   `library`: what that leaves to the library
//! - `names`: what a condition can ask for, and `value`: what it gets, and how that compares
//! - `read`: one that is typed in settings
//! - `test`: running it; `rest`: the part that the library runs
//!
//! **Invariant**: what comes out depends on the event and the text alone. A condition that compiled cannot fail: what cannot
//! be said of an event is [`Answer::Missing`] or [`Answer::Wrong`].

mod answer;
mod compile;
mod library;
mod names;
mod read;
mod rest;
mod syntax;
mod test;
mod value;

use crate::model::event::Event;

pub use answer::{Answer, Mistake, Wants};
use test::Test;

/// A condition, ready to be run. One per worker.
#[derive(Clone, Debug)]
pub struct Condition {
    test: Test,
    wants: Wants,
}

impl Condition {
    /// Compiles a condition.
    pub fn new(text: &str) -> Result<Self, Mistake> {
        let (test, wants) = compile::compile(text)?;
        Ok(Self { test, wants })
    }

    /// How much a parser must find out before it is asked.
    pub fn wants(&self) -> Wants {
        self.wants
    }

    /// What it says of `event`.
    #[inline]
    pub fn ask(&self, event: &Event<'_>) -> Answer {
        self.test.ask(event)
    }
}

#[cfg(test)]
mod tests;
