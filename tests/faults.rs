//! Faults before the real program: what kills it, what damages its checkpoints, what stores, inputs and limits do to it.
//! Every line is accounted for at the end of every test.
//!
//! - `world`       writers of numbered lines, stores that know what came, and the account of both
//! - `kill`        `kill -9` at any moment, and SIGTERM under load
//! - `checkpoint`  checkpoints that are damaged, and directories that go away
//! - `inputs`      times, links and files as nobody wants them; stores that come back
//! - `limits`      few descriptors, no inotify
//!
//! `TAILWATER_TEST_ROUNDS` sets how often what is random is played, `TAILWATER_TEST_SEED` with which numbers. What needs
//! mounts, control groups or strace stands in `faults_root.rs`; `tests/faults/run` starts it. `tests/chaos.sh` runs all
//! of it for as long as one likes.
#![expect(clippy::disallowed_methods, reason = "a test of the whole program touches the world")]

mod scenario;
mod support;

#[path = "faults/chance.rs"]
mod chance;
#[path = "faults/checkpoint.rs"]
mod checkpoint;
#[path = "faults/inputs.rs"]
mod inputs;
#[path = "faults/kill.rs"]
mod kill;
#[path = "faults/limits.rs"]
mod limits;
#[path = "faults/world.rs"]
mod world;
