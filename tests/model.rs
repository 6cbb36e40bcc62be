//! Random programs of what happens to log files and to the process, against a model of what must arrive.
//!
//! A program writes, also in part, rotates, compresses, copies and truncates, truncates, deletes and creates again, restarts
//! containers, refuses, stops, kills and starts, with nothing between the steps but what the machine happens to do. In the
//! end every line must be stored once, but for those whose file was removed or truncated before they were: these at most
//! once.
//!
//! `TAILWATER_TEST_PROGRAMS` and `TAILWATER_TEST_SEED` try more and others. What fails is made smaller and printed as a
//! program, to be added to `REGRESSIONS` with the story of its bug.
#![expect(clippy::disallowed_methods, reason = "a test of the whole program touches the world")]

#[path = "model/run.rs"]
mod run;
mod scenario;
mod support;
#[path = "model/world.rs"]
mod world;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

/// The containers of a program.
const CONTAINERS: usize = 3;

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A container writes so many lines.
    Write(usize, u16),
    /// A container writes half a line; its next write begins with the other half.
    Half(usize),
    /// Its log is rotated, as its runtime does it: renamed, or copied and truncated.
    Rotate(usize),
    /// Its raw rotations are compressed.
    Compress(usize),
    /// Its oldest rotation is removed.
    Remove(usize),
    /// Its log is truncated, and nobody has made a copy.
    Truncate(usize),
    /// Its log is removed while it is written, and made anew by the next write.
    Delete(usize),
    /// It ends and is started again, with a new file.
    Restart(usize),
    /// The store refuses connections.
    Refuse,
    /// The store takes what comes.
    Accept,
    /// `kill -9`, and a start.
    Kill,
    /// The process ends by SIGTERM and stays down.
    Stop,
    /// The process is started, where it is down.
    Start,
    /// Waits until all that can be stored is.
    Settle,
}

use Step::{
    Accept, Compress, Delete, Half, Kill, Refuse, Remove, Restart, Rotate, Settle, Start, Stop, Truncate, Write,
};

/// Programs that failed once, with the story of their bugs.
const REGRESSIONS: &[&[Step]] = &[
    // A look at the commonest life of a node, so that this list is never empty.
    &[Write(0, 50), Rotate(0), Write(0, 50), Compress(0), Kill, Rotate(0), Write(0, 9), Stop, Rotate(0), Write(0, 1)],
];

#[test]
fn programs_that_failed_once() {
    for program in REGRESSIONS {
        for store in run::STORES {
            run::run(program, store);
        }
    }
}

#[test]
fn random_programs() {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
    };
    let config = Config {
        cases: number("TAILWATER_TEST_PROGRAMS", 12) as u32,
        max_shrink_iters: 64,
        failure_persistence: None,
        ..Config::default()
    };
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number("TAILWATER_TEST_SEED", 1).to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let outcome = runner.run(&(vec(step(), 1..40), 0..run::STORES.len()), |(program, store)| {
        let ran = std::panic::catch_unwind(|| run::run(&program, run::STORES[store]));
        ran.map_err(|_| TestCaseError::fail("see above"))
    });
    if let Err(TestError::Fail(_, (program, store))) = outcome {
        panic!("{:?} fails with {program:?}", run::STORES[store]);
    }
    outcome.expect("programs are made and run");
}

fn step() -> impl Strategy<Value = Step> {
    let container = 0..CONTAINERS;
    prop_oneof![
        6 => (container.clone(), 1_u16..300).prop_map(|(container, lines)| Write(container, lines)),
        1 => container.clone().prop_map(Half),
        4 => container.clone().prop_map(Rotate),
        2 => container.clone().prop_map(Compress),
        1 => container.clone().prop_map(Remove),
        1 => container.clone().prop_map(Truncate),
        1 => container.clone().prop_map(Delete),
        1 => container.prop_map(Restart),
        1 => Just(Refuse),
        2 => Just(Accept),
        2 => Just(Kill),
        1 => Just(Stop),
        2 => Just(Start),
        1 => Just(Settle),
    ]
}
