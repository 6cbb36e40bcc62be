//! The user's own patterns: regular expressions, all of which are looked for at once.
//!
//! **Invariant**: an [`Own`] is made of expressions that compile; the settings see to that.

use regex::{Regex, RegexSet};

use super::hit::Hit;

/// The group of an expression that is the secret, where not all of the match is.
const GROUP: &str = "secret";

/// The user's own patterns.
#[derive(Clone, Debug, Default)]
pub(super) struct Own {
    /// Whether one of them is there at all, in one pass.
    any: Option<RegexSet>,
    /// Each by itself, in the order of the settings.
    each: Vec<Regex>,
}

impl Own {
    pub(super) fn new(patterns: &[(String, Regex)]) -> Self {
        if patterns.is_empty() {
            return Self::default();
        }
        // Together they may be too large for one automaton, and then each is asked.
        let any = RegexSet::new(patterns.iter().map(|(_, regex)| regex.as_str())).ok();
        Self { any, each: patterns.iter().map(|(_, regex)| regex.clone()).collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.each.is_empty()
    }

    #[inline]
    pub(super) fn is_match(&self, text: &str) -> bool {
        match &self.any {
            Some(any) => any.is_match(text),
            None => self.each.iter().any(|regex| regex.is_match(text)),
        }
    }

    /// Appends all that is found; what they are is counted from `first` on.
    pub(super) fn all(&self, text: &str, first: usize, hits: &mut Vec<Hit>) {
        if !self.is_match(text) {
            return;
        }
        for (index, regex) in self.each.iter().enumerate() {
            let what = first + index;
            if regex.capture_names().flatten().any(|name| name == GROUP) {
                let groups = regex.captures_iter(text).filter_map(|captures| captures.name(GROUP));
                hits.extend(groups.map(|found| Hit { start: found.start(), end: found.end(), what }));
            } else {
                hits.extend(regex.find_iter(text).map(|found| Hit { start: found.start(), end: found.end(), what }));
            }
        }
        hits.retain(|hit| hit.start < hit.end);
    }
}
