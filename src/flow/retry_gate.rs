//! The gate before one sink: how many requests may be under way now.
//!
//! ```text
//!            failure                       pause is over
//!   Open ───────────────▶ Closed (pause) ────────────────▶ Probing: one request
//!    ▲                        ▲                               │         │
//!    │ 1, 2, 4, … requests    └───────────── failure ─────────┘         │
//!    └───────────────────────────────────── success ────────────────────┘
//! ```
//!
//! **Invariant**: while a sink fails, at most one new request is under way, and after each failure none before the
//! pause is over: so many batches do not hammer a dead store, and its recovery is no stampede. Requests that were
//! begun before the gate closed tell nothing new when they end: they neither lengthen the pause nor end it.

use std::time::Duration;

/// The gate of one sink. Times are counted from any fixed start.
#[derive(Debug)]
pub struct Gate {
    /// The most requests ever under way at once; at least one.
    limit: usize,
    /// The most requests of this epoch under way at once; between one and `limit`.
    allowed: usize,
    /// No request begins before this time.
    closed_until: Duration,
    /// Failures in a row; zero while the sink is well.
    failures: u32,
    /// When the first of them was.
    failing_since: Duration,
    /// Counts the closings.
    epoch: u64,
    /// Requests of this epoch under way.
    current: usize,
    /// All requests under way.
    total: usize,
}

/// The right to one request under way; given back by [`Gate::end`].
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Pass {
    /// The epoch the request was begun in.
    epoch: u64,
}

/// What a request's end says about the sink as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It answers and takes what it is given.
    Well,
    /// It answers, but put some of the request off.
    Strained,
    /// It took nothing: no answer, or not now.
    Failed,
    /// It takes nothing until a person changes something.
    Held,
}

/// The sink works again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// How many failures there were in a row.
    pub failures: u32,
    /// How long it had been failing.
    pub after: Duration,
}

impl Gate {
    /// An open gate for at most `limit` requests at a time (at least one).
    pub fn new(limit: usize) -> Self {
        let limit = limit.max(1);
        Self {
            limit,
            allowed: limit,
            closed_until: Duration::ZERO,
            failures: 0,
            failing_since: Duration::ZERO,
            epoch: 0,
            current: 0,
            total: 0,
        }
    }

    /// Whether a request may begin now.
    pub fn is_open(&self, now: Duration) -> bool {
        now >= self.closed_until && self.current < self.allowed && self.total < self.limit
    }

    /// Notes that a request begins, which [`Gate::is_open`] allowed.
    pub fn begin(&mut self) -> Pass {
        debug_assert!(self.current < self.allowed && self.total < self.limit, "the gate was asked");
        self.current += 1;
        self.total += 1;
        Pass { epoch: self.epoch }
    }

    /// When a request may begin at the earliest, as far as the pause goes.
    pub fn opens_at(&self) -> Duration {
        self.closed_until
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// How many requests are under way.
    pub fn under_way(&self) -> usize {
        self.total
    }

    /// Notes the end of a request. `pause` gives the pause after so many failures in a row.
    pub fn end(
        &mut self,
        pass: Pass,
        health: Health,
        now: Duration,
        pause: impl FnOnce(u32) -> Duration,
    ) -> Option<Recovery> {
        self.total = self.total.saturating_sub(1);
        if pass.epoch != self.epoch {
            return None;
        }
        self.current = self.current.saturating_sub(1);
        match health {
            Health::Well => {
                self.allowed = (self.allowed * 2).min(self.limit);
                self.recovered(now)
            }
            Health::Strained => {
                self.allowed = (self.allowed / 2).max(1);
                self.recovered(now)
            }
            Health::Failed | Health::Held => {
                if self.failures == 0 {
                    self.failing_since = now;
                }
                self.failures = self.failures.saturating_add(1);
                self.allowed = 1;
                self.closed_until = now + pause(self.failures);
                self.epoch += 1;
                self.current = 0;
                None
            }
        }
    }

    /// Ends the pause: there is little time left.
    pub fn hurry(&mut self, now: Duration) {
        self.closed_until = self.closed_until.min(now);
        self.failures = self.failures.min(1);
    }

    fn recovered(&mut self, now: Duration) -> Option<Recovery> {
        let failures = std::mem::take(&mut self.failures);
        (failures > 0).then(|| Recovery { failures, after: now.saturating_sub(self.failing_since) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    /// Begins as many requests as the gate lets through.
    fn fill(gate: &mut Gate, now: Duration) -> Vec<Pass> {
        std::iter::from_fn(|| gate.is_open(now).then(|| gate.begin())).collect()
    }

    fn end(gate: &mut Gate, pass: Option<Pass>, health: Health, now: Duration) -> Option<Recovery> {
        gate.end(pass.expect("a request was under way"), health, now, |failures| s(u64::from(failures) * 10))
    }

    #[test]
    fn one_request_probes_and_success_ramps_up() {
        let mut gate = Gate::new(8);
        let mut first = fill(&mut gate, s(0));
        assert_eq!(first.len(), 8);
        assert_eq!(end(&mut gate, first.pop(), Health::Failed, s(1)), None);
        assert_eq!(gate.opens_at(), s(11));
        assert!(fill(&mut gate, s(10)).is_empty());
        let mut probe = fill(&mut gate, s(11));
        assert_eq!(probe.len(), 1, "one probe, though seven old requests still hang");
        assert_eq!(end(&mut gate, probe.pop(), Health::Failed, s(12)), None);
        assert_eq!(gate.opens_at(), s(32), "the second failure in a row pauses longer");
        let mut probe = fill(&mut gate, s(32));
        let recovery = end(&mut gate, probe.pop(), Health::Well, s(33));
        assert_eq!(recovery, Some(Recovery { failures: 2, after: s(32) }));
        assert_eq!(fill(&mut gate, s(33)).len(), 1, "the old ones count toward the limit of 8");
        for pass in first {
            assert_eq!(end(&mut gate, Some(pass), Health::Well, s(33)), None);
        }
        let mut more = fill(&mut gate, s(33));
        assert_eq!(more.len(), 1, "two are allowed, one is under way");
        assert_eq!(end(&mut gate, more.pop(), Health::Well, s(34)), None);
        assert_eq!(fill(&mut gate, s(34)).len(), 3, "four are allowed");
    }

    #[test]
    fn requests_of_before_the_closing_tell_nothing_new() {
        let mut gate = Gate::new(4);
        let mut passes = fill(&mut gate, s(0));
        assert_eq!(end(&mut gate, passes.pop(), Health::Failed, s(1)), None);
        assert_eq!(end(&mut gate, passes.pop(), Health::Failed, s(2)), None);
        assert_eq!(end(&mut gate, passes.pop(), Health::Well, s(3)), None);
        assert_eq!((gate.failures(), gate.opens_at(), gate.under_way()), (1, s(11), 1));
    }

    #[test]
    fn strain_halves_what_is_allowed() {
        let mut gate = Gate::new(4);
        let mut passes = fill(&mut gate, s(0));
        while let Some(pass) = passes.pop() {
            assert_eq!(end(&mut gate, Some(pass), Health::Strained, s(1)), None);
        }
        assert_eq!(fill(&mut gate, s(1)).len(), 1);
    }

    #[test]
    fn hurrying_ends_the_pause() {
        let mut gate = Gate::new(4);
        let pass = Some(gate.begin());
        assert_eq!(end(&mut gate, pass, Health::Held, s(1)), None);
        gate.hurry(s(2));
        assert_eq!(fill(&mut gate, s(2)).len(), 1, "still one at a time");
    }
}
