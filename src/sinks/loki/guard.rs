//! Counts the values that labels take: each makes streams of its own, which the store keeps in memory.
//!
//! **Invariant**: no value is kept, only its hash, and no more of them than are allowed.

use xxhash_rust::xxh3::xxh3_64;

/// The values of each label so far.
pub(super) struct Guard {
    /// No label is to have more; 0 is no limit.
    most: usize,
    labels: Vec<Label>,
    /// Labels that have more and were not told of.
    told: Vec<String>,
}

struct Label {
    name: String,
    /// Hashes, ascending; none any more once there were too many.
    values: Option<Vec<u64>>,
}

impl Guard {
    /// For labels of at most `most` values each; 0 is no limit.
    pub(super) fn new(most: usize) -> Self {
        Self { most, labels: Vec::new(), told: Vec::new() }
    }

    /// A label has this value.
    pub(super) fn see(&mut self, name: &str, value: &str) {
        if self.most == 0 {
            return;
        }
        let known = self.labels.iter_mut().find(|label| label.name == name);
        let Some(label) = known else {
            self.labels.push(Label { name: name.to_owned(), values: Some(vec![xxh3_64(value.as_bytes())]) });
            return;
        };
        let Some(values) = &mut label.values else { return };
        let hash = xxh3_64(value.as_bytes());
        let Err(at) = values.binary_search(&hash) else { return };
        values.insert(at, hash);
        if values.len() > self.most {
            label.values = None;
            self.told.push(label.name.clone());
        }
    }

    /// A label that has taken too many values; each is given once.
    pub(super) fn take(&mut self) -> Option<String> {
        self.told.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_offender_is_told_once() {
        let mut guard = Guard::new(3);
        for number in 0..10 {
            guard.see("few", &(number % 3).to_string());
            guard.see("many", &number.to_string());
        }
        assert_eq!((guard.take().as_deref(), guard.take()), (Some("many"), None));
        guard.see("many", "another");
        guard.see("few", "another");
        assert_eq!((guard.take().as_deref(), guard.take()), (Some("few"), None));
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let mut guard = Guard::new(0);
        (0..1000).for_each(|number| guard.see("many", &number.to_string()));
        assert!(guard.take().is_none() && guard.labels.is_empty());
    }
}
