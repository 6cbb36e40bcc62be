//! Whether anything still gets done.
//!
//! **Invariant**: the count only grows. It is written once per report and read by whoever decides that the end of a
//! pipe has waited long enough.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How many entries were settled, and when the last of them was. Shared by all deliveries.
#[derive(Debug)]
pub struct Progress {
    start: Instant,
    settled: AtomicU64,
    /// Milliseconds from `start` to the last progress.
    last: AtomicU64,
}

impl Default for Progress {
    fn default() -> Self {
        Self { start: Instant::now(), settled: AtomicU64::new(0), last: AtomicU64::new(0) }
    }
}

impl Progress {
    /// Notes that `entries` were settled now.
    pub fn made(&self, entries: u64) {
        if entries > 0 {
            self.settled.fetch_add(entries, Ordering::Relaxed);
            self.touch();
        }
    }

    /// Notes progress of another kind, such as a batch that was handed over: the waiting begins anew.
    pub fn touch(&self) {
        let now = self.start.elapsed().as_millis() as u64;
        self.last.fetch_max(now, Ordering::Relaxed);
    }

    /// How many entries were settled.
    pub fn settled(&self) -> u64 {
        self.settled.load(Ordering::Relaxed)
    }

    /// How long nothing was settled.
    pub fn idle(&self) -> Duration {
        self.start.elapsed().saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_counted() {
        let progress = Progress::default();
        progress.made(3);
        progress.made(0);
        progress.made(4);
        assert_eq!(progress.settled(), 7);
        assert!(progress.idle() < Duration::from_secs(10));
    }
}
