//! Which node gets the next request.
//!
//! **Invariant**: there is always one to ask: where all rest, the one whose rest ends first.

use std::time::Duration;

use tokio::time::Instant;

/// How long a node that failed is left alone while others work.
const REST: Duration = Duration::from_secs(15);

/// The nodes of one store, taking turns.
pub(super) struct Endpoints {
    /// Until when each of them rests.
    resting: Vec<Option<Instant>>,
    /// The one whose turn it is.
    next: usize,
}

impl Endpoints {
    pub(super) fn new(count: usize) -> Self {
        Self { resting: vec![None; count], next: 0 }
    }

    /// The node for the next request.
    pub(super) fn turn(&mut self, now: Instant) -> usize {
        let count = self.resting.len().max(1);
        let order = (0..count).map(|step| (self.next + step) % count);
        // The first that is awake, else the one that wakes first.
        let chosen = order.min_by_key(|&index| self.resting.get(index).copied().flatten().filter(|until| *until > now));
        let chosen = chosen.unwrap_or_default();
        self.next = (chosen + 1) % count;
        chosen
    }

    /// Node `index` failed.
    pub(super) fn rest(&mut self, index: usize, now: Instant) {
        if let Some(until) = self.resting.get_mut(index) {
            *until = Some(now + REST);
        }
    }

    /// Node `index` works.
    pub(super) fn wake(&mut self, index: usize) {
        if let Some(until) = self.resting.get_mut(index) {
            *until = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_take_turns_and_rest() {
        let now = Instant::now();
        let mut nodes = Endpoints::new(3);
        let turns = |nodes: &mut Endpoints, at| [nodes.turn(at), nodes.turn(at), nodes.turn(at)];
        assert_eq!(turns(&mut nodes, now), [0, 1, 2]);
        nodes.rest(1, now);
        assert_eq!(turns(&mut nodes, now), [0, 2, 0]);
        nodes.rest(2, now + Duration::from_secs(1));
        nodes.rest(0, now + Duration::from_secs(2));
        assert_eq!(turns(&mut nodes, now + Duration::from_secs(3)), [1, 1, 1], "the first to wake");
        nodes.wake(2);
        assert_eq!(nodes.turn(now + Duration::from_secs(3)), 2);
        let later = now + Duration::from_secs(60);
        let mut all = turns(&mut nodes, later);
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2]);
    }
}
