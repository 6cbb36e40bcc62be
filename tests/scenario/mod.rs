//! What the tests of the whole program share: the real binary in a folder of its own, and what it leaves behind.
//!
//! - `process`  a started `tailwater`: its log, its signals, its memory, its metrics
//! - `place`    the folder: pods, state, settings, output
//! - `reading`  events and entries, as sinks hold them, put into the account
//! - `writer`   a container's log under rotation
//! - `figures`  what a test came to, for the table of `docs/delivery.md`
//!
//! Invariant: nothing here waits for time; everything waits for a condition and says which one did not come.

#![allow(dead_code, unreachable_pub, reason = "every test binary takes only what it needs from here")]

pub mod figures;
pub mod place;
pub mod process;
pub mod reading;
pub mod writer;

pub use place::Place;
pub use process::Tailwater;

use std::time::{Duration, Instant};

use crate::support::generate::Options;

/// The longest that anything takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// So many bytes of logs: `TAILWATER_TEST_BYTES` (such as `200MB`), or `small` where it is not set.
pub fn bytes(small: u64) -> u64 {
    bytes_of("TAILWATER_TEST_BYTES", small)
}

/// So many bytes as a variable says (such as `200MB`), or `small` where it is not set.
pub fn bytes_of(variable: &str, small: u64) -> u64 {
    std::env::var(variable).map_or(small, |text| {
        let text = text.trim().to_ascii_uppercase();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = match unit.trim() {
            "" | "B" => 1,
            "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "KIB" => 1 << 10,
            "MIB" => 1 << 20,
            "GIB" => 1 << 30,
            other => panic!("{variable}: unknown unit `{other}`"),
        };
        number.parse::<u64>().unwrap_or_else(|_| panic!("{variable} begins with a number")) * unit
    })
}

/// 100 pods of everything that runtimes and applications do.
pub fn pods(bytes: u64) -> Options {
    Options { pods: 100, bytes, ..Options::default() }
}

/// So much longer than usual, for sizes above the small ones.
pub fn patience(bytes: u64) -> Duration {
    PATIENCE + Duration::from_secs(bytes / 500_000)
}

/// Waits until `condition` holds; panics with `what` where it does not come.
pub fn wait_until(what: &str, patience: Duration, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + patience;
    while !condition() {
        assert!(Instant::now() < end, "this did not come within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
