//! Whether a loop still turns.
//!
//! **Invariant**: a loop beats at every turn, also where it waits for memory or for a store; only one that is stuck, on a
//! disk that does not answer or by a fault of its own, falls silent.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The beat of a loop that has not begun, or has ended.
const RESTING: u64 = u64::MAX;

/// When a loop last turned. Shared by the loop and whoever watches it.
#[derive(Debug)]
pub struct Beat(AtomicU64);

impl Default for Beat {
    fn default() -> Self {
        Self(AtomicU64::new(RESTING))
    }
}

impl Beat {
    /// The loop turns now.
    pub fn beat(&self) {
        self.0.store(start().elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// The loop has ended, as it should.
    pub fn rest(&self) {
        self.0.store(RESTING, Ordering::Relaxed);
    }

    /// How long it has not turned; nothing where it does not run.
    pub fn silent_for(&self) -> Duration {
        match self.0.load(Ordering::Relaxed) {
            RESTING => Duration::ZERO,
            at => start().elapsed().saturating_sub(Duration::from_millis(at)),
        }
    }
}

/// What beats are counted from.
fn start() -> &'static Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_running_loop_falls_silent() {
        let beat = Beat::default();
        assert_eq!(beat.silent_for(), Duration::ZERO);
        beat.beat();
        let before = beat.0.load(Ordering::Relaxed);
        assert!(beat.silent_for() < Duration::from_secs(60));
        assert!(before < RESTING);
        beat.rest();
        assert_eq!(beat.silent_for(), Duration::ZERO);
    }
}
