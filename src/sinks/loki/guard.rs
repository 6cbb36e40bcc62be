//! Counts the values that labels take: each makes streams of its own, which the store keeps in memory.
//!
//! **Invariant**: no value is kept, only its hash, and no more of them than are allowed. All workers of a sink count together; a
//! worker asks the others only of values that it meets for the first time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use xxhash_rust::xxh3::xxh3_64;

/// The values of one label so far, by their hashes, ascending; none any more once there were too many.
type Values = Option<Vec<u64>>;

/// What the workers of a sink have in common.
pub(super) struct Shared {
    /// No label is to have more; 0 is no limit.
    most: usize,
    /// By the label's place.
    labels: Vec<Mutex<Values>>,
    /// The labels that have more; bits by their places. Those behind the last bit are not counted.
    crowded: AtomicU64,
}

/// One worker's counting.
pub(super) struct Guard {
    shared: Arc<Shared>,
    /// The values that it has met itself.
    met: Vec<Values>,
    /// The labels that it was told of.
    told: u64,
}

impl Shared {
    /// For `labels` labels of at most `most` values each; 0 is no limit.
    pub(super) fn new(labels: usize, most: usize) -> Arc<Self> {
        let labels = std::iter::repeat_with(|| Mutex::new(Some(Vec::new()))).take(labels.min(64)).collect();
        Arc::new(Self { most, labels, crowded: AtomicU64::new(0) })
    }

    fn meet(&self, place: usize, hash: u64) {
        let Some(label) = self.labels.get(place) else { return };
        let mut values = label.lock().unwrap_or_else(PoisonError::into_inner);
        insert(&mut values, hash);
        if values.as_ref().is_some_and(|values| values.len() > self.most) {
            *values = None;
            self.crowded.fetch_or(1 << place, Ordering::Relaxed);
        }
    }
}

impl Guard {
    /// One more worker.
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), met: vec![Some(Vec::new()); shared.labels.len()], told: 0 }
    }

    /// The label at `place` has this value.
    pub(super) fn see(&mut self, place: usize, value: &str) {
        let Some(met) = self.met.get_mut(place).filter(|_| self.shared.most > 0) else { return };
        let hash = xxh3_64(value.as_bytes());
        if insert(met, hash) {
            self.shared.meet(place, hash);
        }
        if met.as_ref().is_some_and(|met| met.len() > self.shared.most) {
            *met = None;
        }
    }

    /// The place of a label that has taken too many values; each is given once.
    #[inline]
    pub(super) fn take(&mut self) -> Option<usize> {
        let news = self.shared.crowded.load(Ordering::Relaxed) & !self.told;
        if news == 0 {
            return None;
        }
        let place = news.trailing_zeros();
        self.told |= 1 << place;
        Some(place as usize)
    }
}

/// Whether a value is new.
fn insert(values: &mut Values, hash: u64) -> bool {
    let Some(values) = values else { return false };
    let Err(at) = values.binary_search(&hash) else { return false };
    values.insert(at, hash);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEW: usize = 0;
    const MANY: usize = 1;

    #[test]
    fn each_offender_is_told_once() {
        let mut guard = Guard::new(&Shared::new(2, 3));
        for number in 0..10 {
            guard.see(FEW, &(number % 3).to_string());
            guard.see(MANY, &number.to_string());
        }
        assert_eq!((guard.take(), guard.take()), (Some(MANY), None));
        guard.see(MANY, "another");
        guard.see(FEW, "another");
        assert_eq!((guard.take(), guard.take()), (Some(FEW), None));
    }

    /// What counts is how many streams the sink makes, not how many of them a worker does.
    #[test]
    fn workers_count_together_and_each_is_told() {
        let shared = Shared::new(2, 3);
        let mut workers = [Guard::new(&shared), Guard::new(&shared)];
        for number in 0..4 {
            assert_eq!(workers.each_mut().map(Guard::take), [None; 2]);
            workers[number % 2].see(MANY, &number.to_string());
            workers.iter_mut().for_each(|worker| worker.see(FEW, "the same"));
        }
        assert_eq!(workers.each_mut().map(Guard::take), [Some(MANY); 2]);
        assert_eq!(workers.each_mut().map(Guard::take), [None; 2]);
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let shared = Shared::new(1, 0);
        let mut guard = Guard::new(&shared);
        (0..1000).for_each(|number| guard.see(FEW, &number.to_string()));
        assert_eq!((guard.take(), guard.met[FEW].as_ref().map(Vec::len)), (None, Some(0)));
    }

    /// More labels than bits: the last ones are not counted, and nothing breaks.
    #[test]
    fn a_label_beyond_the_last_bit_is_not_counted() {
        let mut guard = Guard::new(&Shared::new(100, 1));
        (0..10).for_each(|number| guard.see(70, &number.to_string()));
        assert_eq!(guard.take(), None);
        (0..10).for_each(|number| guard.see(63, &number.to_string()));
        assert_eq!(guard.take(), Some(63));
    }
}
