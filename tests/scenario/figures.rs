//! What a test came to, in lines: the figures that `tests/chaos.sh` fills into the table of `docs/delivery.md`.
//!
//! Each look appends a row to the file that `TAILWATER_TEST_FIGURES` names; where it is not set nothing is written. A test
//! is known by its thread's name, as the test harness gives it, and by its binary. Of several looks at one run the last
//! one counts; the runs of one test are summed up.

use std::fmt::Display;
use std::fs::File;
use std::io::Write as _;

/// The account of one run, in lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Written by the test, for a store to have.
    pub written: u64,
    /// Different lines that the store has.
    pub delivered: u64,
    /// How often a line came that was there.
    pub repeated: u64,
    /// Refused, given up, passed over, or gone with a process: written and not delivered.
    pub lost: u64,
}

/// Notes what a run came to; `run` tells it from the other runs of the test.
pub fn note(run: impl Display, figures: Figures) {
    let Figures { written, delivered, repeated, lost } = figures;
    append(&format!("lines\t{run}\t{written}\t{delivered}\t{repeated}\t{lost}"));
}

/// Notes how many bytes a process counted as unreachable.
pub fn note_unreachable(process: u32, bytes: u64) {
    append(&format!("unreachable\t{process}\t{bytes}"));
}

fn append(row: &str) {
    let Some(path) = std::env::var_os("TAILWATER_TEST_FIGURES") else { return };
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("unknown");
    let file = File::options().append(true).create(true).open(path);
    // One write, so that rows of tests beside each other stay whole.
    let row = format!("{} {test}\t{row}\n", env!("CARGO_CRATE_NAME"));
    file.and_then(|mut file| file.write_all(row.as_bytes())).expect("the figures are written");
}
