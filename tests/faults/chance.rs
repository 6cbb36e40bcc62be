//! Chance that can be had again: how often what is random is played, and with which numbers.

#![allow(dead_code, reason = "every test binary takes only what it needs from here")]

/// How often what is random is played: `TAILWATER_TEST_ROUNDS`, or `few`.
pub(crate) fn rounds(few: u64) -> u64 {
    number("TAILWATER_TEST_ROUNDS").map_or(few, |rounds| rounds.max(1))
}

/// Numbers that are equal for an equal `TAILWATER_TEST_SEED`.
pub(crate) struct Chance(u64);

impl Chance {
    /// `of` tells one test's numbers from another's.
    pub(crate) fn new(of: u64) -> Chance {
        Chance(number("TAILWATER_TEST_SEED").unwrap_or(0x7461_696c) ^ of.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// One below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

pub(crate) fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not `{text}`")))
}
