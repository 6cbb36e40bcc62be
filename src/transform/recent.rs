//! What is remembered of keys, of so many at most.
//!
//! ```text
//! used ─▶ hot ──full──▶ cold ──full again──▶ forgotten        a key that is used again is hot again
//! ```
//!
//! **Invariant**: of the last `most` keys that were used none is forgotten; never more than twice as many are held.

use std::collections::HashMap;

/// Values by key; those that were not used for long are forgotten.
#[derive(Clone, Debug)]
pub struct Recent<V> {
    hot: HashMap<Box<str>, V>,
    cold: HashMap<Box<str>, V>,
    most: usize,
}

impl<V> Recent<V> {
    /// Remembers at least the last `most` keys.
    pub fn new(most: usize) -> Self {
        Self { hot: HashMap::new(), cold: HashMap::new(), most }
    }

    /// The key's value, made by `make` where there is none; what must be forgotten for it goes to `forget`. `None` never comes.
    pub fn get(&mut self, key: &str, make: impl FnOnce() -> V, forget: &mut dyn FnMut(&str, V)) -> Option<&mut V> {
        if !self.hot.contains_key(key) {
            let (key, value) = self.cold.remove_entry(key).unwrap_or_else(|| (key.into(), make()));
            if self.hot.len() >= self.most {
                let old = std::mem::replace(&mut self.cold, std::mem::take(&mut self.hot));
                old.into_iter().for_each(|(key, value)| forget(&key, value));
            }
            self.hot.insert(key, value);
        }
        self.hot.get_mut(key)
    }

    /// All that are held.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut V)> {
        self.hot.iter_mut().chain(&mut self.cold).map(|(key, value)| (&**key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_last_ones_are_known_and_no_more_than_twice_as_many(keys in proptest::collection::vec(0_u8..12, 1..80)) {
            let mut recent = Recent::new(4);
            let mut forgotten = 0;
            let mut made = 0;
            for (at, key) in keys.iter().enumerate() {
                let mut is_new = false;
                let make = || { is_new = true; at };
                recent.get(&key.to_string(), make, &mut |_, _| forgotten += 1);
                made += usize::from(is_new);
                let mut used: Vec<u8> = Vec::new();
                for before in keys[..at].iter().rev() {
                    if !used.contains(before) && used.len() < 4 {
                        used.push(*before);
                    }
                }
                prop_assert!(!(is_new && used.contains(key)), "{key} was one of the last four");
                prop_assert!(recent.iter_mut().count() <= 8);
            }
            prop_assert_eq!(made, forgotten + recent.iter_mut().count());
        }
    }
}
