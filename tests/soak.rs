//! Everything at once, for as long as one likes, with an account that balances to the line.
//!
//! A hundred and some logs are written, rotated, compressed, copied, truncated and deleted, and a pipe is written beside
//! them; the program follows with few descriptors into three sinks, two of which refuse, reset, answer late, never or in
//! part; it is killed and stopped at random moments and started again. What is lossy by nature (a truncation, the end of
//! a process that holds lines of a pipe) is counted, and what was counted is what is missing.
//!
//! - `logs`   the writers, and how each kind of log is rotated
//! - `sinks`  the stores' doubles, how they misbehave, and which line is where
//! - `run`    the whole course, and the account
//!
//! `TAILWATER_TEST_SOAK` says for how many seconds (20), `TAILWATER_TEST_SEED` with which numbers. `tests/chaos.sh` runs
//! it for half an hour.
#![expect(clippy::disallowed_methods, reason = "a test of the whole program touches the world")]

mod scenario;
mod support;

#[path = "faults/chance.rs"]
mod chance;
#[path = "soak/logs.rs"]
mod logs;
#[path = "soak/run.rs"]
mod run;
#[path = "soak/sinks.rs"]
mod sinks;
