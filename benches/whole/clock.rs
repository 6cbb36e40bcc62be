//! CPU time from the kernel's accounting: it goes on only while we run, so a busy neighbour costs us caches, not time.

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeVal;
use nix::time::{ClockId, clock_gettime};

/// What was used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    /// CPU seconds in the program itself.
    pub user: f64,
    /// CPU seconds in the kernel.
    pub system: f64,
    /// The most memory that was ever resident, in KiB.
    pub peak_kib: u64,
}

impl Used {
    pub fn cpu(self) -> f64 {
        self.user + self.system
    }

    /// By children of this process that have ended.
    pub fn by_children() -> Result<Used, String> {
        getrusage(UsageWho::RUSAGE_CHILDREN).map(Used::from).map_err(|error| format!("getrusage: {error}"))
    }
}

impl From<Usage> for Used {
    fn from(usage: Usage) -> Used {
        Used {
            user: seconds(usage.user_time()),
            system: seconds(usage.system_time()),
            peak_kib: u64::try_from(usage.max_rss()).unwrap_or(0),
        }
    }
}

fn seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}

/// CPU seconds that this thread spends in `work`, in the program and in the kernel.
pub fn cpu_of<T>(work: impl FnOnce() -> T) -> (f64, T) {
    // Not `getrusage`, whose figures for a thread that runs are as old as its last tick.
    let now = || {
        let clock = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
        clock.map_or(f64::NAN, |time| time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9)
    };
    let before = now();
    mark();
    let result = std::hint::black_box(work());
    mark();
    (now() - before, result)
}

/// Stands before and behind all work, for callgrind to find.
#[inline(never)]
fn mark() {
    std::hint::black_box(());
}
