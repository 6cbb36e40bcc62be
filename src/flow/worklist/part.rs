//! One request's worth of a batch, and how sets of items are divided.
//!
//! **Invariant**: a part's items ascend, are at least one, and are of one route.

use std::sync::Arc;
use std::time::Duration;

use crate::flow::retry;
use crate::model::batch::{DropReason, Fate};

/// In which form a part's items are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// As they stand in the body.
    Plain,
    /// As [`crate::model::sink::Wire::fold`] gives them.
    Folded,
    /// As dead letters.
    Letter,
}

/// Some items that share their way: one request.
#[derive(Debug)]
pub struct Part {
    /// Names the part within its batch.
    pub id: u32,
    /// Indices into the body.
    pub items: Vec<u32>,
    /// The form to send.
    pub form: Form,
    /// Of letters: the server's words for each item. Else empty.
    pub words: Vec<Arc<str>>,
    /// Failures in a row; above zero exactly while the part is under retry.
    pub(super) failures: u32,
    /// When the first of them was. `None` while a person has to act: that time is not counted.
    pub(super) failing_since: Option<Duration>,
    /// Not to be sent before.
    pub(super) ready_at: Duration,
    /// It waits because nothing of its request was taken.
    pub(super) whole: bool,
    /// Its request is under way.
    pub(super) under_way: bool,
}

impl Part {
    /// A part that is ready at once.
    pub(super) fn new(items: Vec<u32>, form: Form, words: Vec<Arc<str>>) -> Self {
        debug_assert!(!items.is_empty() && items.is_sorted(), "one item or more, ascending");
        debug_assert_eq!(words.len(), if form == Form::Letter { items.len() } else { 0 }, "words for each letter");
        Self {
            id: 0,
            items,
            form,
            words,
            failures: 0,
            failing_since: None,
            ready_at: Duration::ZERO,
            whole: false,
            under_way: false,
        }
    }

    /// How often it failed in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// A part of this one that holds only `items`, some of its own, with the failures it had.
    pub(super) fn only(&self, items: Vec<u32>) -> Self {
        let words = self.items.iter().zip(&self.words);
        let words = words.filter(|(item, _)| items.binary_search(item).is_ok()).map(|(_, words)| Arc::clone(words));
        let words = words.collect();
        Self { failures: self.failures, failing_since: self.failing_since, ..Self::new(items, self.form, words) }
    }

    /// Its halves, ready at once: the server answers, so nothing is failing.
    pub(super) fn halves(&self) -> [Self; 2] {
        let (first, second) = self.items.split_at(self.items.len() / 2);
        [first, second].map(|items| Self { failures: 0, failing_since: None, ..self.only(items.to_vec()) })
    }

    /// When its time is up; the end of time while nothing is counted.
    pub(super) fn gives_up_at(&self, retry: &retry::Settings) -> Duration {
        match (self.failing_since, retry.give_up_after) {
            (Some(since), Some(budget)) => since.saturating_add(budget),
            _ => Duration::MAX,
        }
    }

    /// The fate of its items where its time is up. A letter was refused before it could not be written.
    pub(super) fn given_up(&self) -> Fate {
        Fate::Dropped(if self.form == Form::Letter { DropReason::Refused } else { DropReason::GaveUp })
    }
}

/// Divides `items` into sets with equal keys, each set in the order of the first of its items.
pub(super) fn split_by<K: PartialEq>(items: impl Iterator<Item = u32>, key: impl Fn(u32) -> K) -> Vec<Vec<u32>> {
    let mut sets: Vec<(K, Vec<u32>)> = Vec::new();
    for item in items {
        let key = key(item);
        // Neighbours mostly share their key, so the newest set is asked first.
        match sets.iter_mut().rev().find(|(known, _)| *known == key) {
            Some((_, set)) => set.push(item),
            None => sets.push((key, vec![item])),
        }
    }
    sets.into_iter().map(|(_, set)| set).collect()
}
