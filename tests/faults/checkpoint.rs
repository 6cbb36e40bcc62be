//! Checkpoints that are damaged, and state directories that go away: the program starts, says where reading goes on,
//! and a store that knows repeats has every line once.

use std::fs;
use std::path::PathBuf;

use xxhash_rust::xxh3::xxh3_64;

use crate::scenario::figures::{self, Figures};
use crate::scenario::{PATIENCE, Tailwater};
use crate::world::{Steps, Store};

const LOGS: [&str; 3] = ["a", "b", "c"];

/// Bytes of a slot before its records: magic, version, generation, check.
const HEADER: usize = 22;

fn slot(steps: &Steps, number: usize) -> PathBuf {
    steps.place.path(&format!("state/checkpoint.{number}"))
}

/// The slot with the higher generation, and the other where there is one.
fn active(steps: &Steps) -> (usize, Vec<u8>) {
    let slots = [0, 1].map(|number| fs::read(slot(steps, number)).unwrap_or_default());
    let generation = |bytes: &[u8]| bytes.get(10..18).map(|bytes| u64::from_le_bytes(bytes.try_into().expect("eight")));
    let active = usize::from(generation(&slots[1]) > generation(&slots[0]));
    (active, slots[active].clone())
}

/// Two rounds of lines delivered, so that both slots are there; then `damage`, more lines, and a start that must say
/// `words` and deliver everything. Gives how many lines were sent again.
fn check(name: &str, damage: impl Fn(&Steps), words: &str) -> u64 {
    let mut steps = Steps::new(Store::elasticsearch());
    steps.write(&LOGS, 50);
    steps.run();
    steps.write(&LOGS, 50);
    steps.run();
    damage(&steps);
    steps.write(&LOGS, 10);
    let said = steps.run();
    assert!(said.contains(words), "{name}: `{words}` is not in\n{said}");
    steps.assert_once();
    println!("{name}: {} of 300 lines were sent again", steps.repeats());
    // The next start knows everything again.
    let before = steps.repeats();
    steps.write(&LOGS, 1);
    let said = steps.run();
    assert!(!said.contains("checkpoint"), "{name}: {said}");
    assert_eq!(steps.repeats(), before, "{name}");
    before
}

const OTHER: &str = "reading goes on from the other";
const BEGINNING: &str = "files are read from their beginning, so lines that were delivered are sent again";

#[test]
fn truncated() {
    for (length, words) in [(0, OTHER), (1, OTHER), (HEADER, OTHER), (HEADER + 100, OTHER)] {
        let repeats = check(
            &format!("cut to {length} bytes"),
            |steps| {
                let (number, bytes) = active(steps);
                fs::write(slot(steps, number), &bytes[..length]).expect("cut");
            },
            words,
        );
        assert_eq!(repeats, 150, "the other slot knows the first half");
    }
    let repeats = check(
        "without its last byte",
        |steps| {
            let (number, bytes) = active(steps);
            fs::write(slot(steps, number), &bytes[..bytes.len() - 1]).expect("cut");
        },
        "the end of the checkpoint is damaged",
    );
    assert!(repeats <= 150, "{repeats}");
}

#[test]
fn filled_with_zeros() {
    let repeats = check(
        "the newer one zeros",
        |steps| {
            let (number, bytes) = active(steps);
            fs::write(slot(steps, number), vec![0; bytes.len()]).expect("written");
        },
        OTHER,
    );
    assert_eq!(repeats, 150);
    let both = |steps: &Steps| (0..2).for_each(|number| fs::write(slot(steps, number), [0; 4096]).expect("written"));
    assert_eq!(check("both zeros", both, BEGINNING), 300);
}

#[test]
fn a_bit_flipped() {
    for at in [0, 9, 12, 20, HEADER + 3, HEADER + 20, HEADER + 60] {
        let flip = |steps: &Steps| {
            let (number, mut bytes) = active(steps);
            bytes[at] ^= 0x10;
            fs::write(slot(steps, number), bytes).expect("written");
        };
        assert_eq!(check(&format!("a bit of byte {at}"), flip, OTHER), 150);
    }
    let last = |steps: &Steps| {
        let (number, mut bytes) = active(steps);
        let at = bytes.len() - 5;
        bytes[at] ^= 1;
        fs::write(slot(steps, number), bytes).expect("written");
    };
    assert!(check("a bit of the last move", last, "the end of the checkpoint is damaged") <= 150);
}

/// A slot as a later version of the program would begin it.
fn of_version(version: u16, generation: u64) -> Vec<u8> {
    let mut bytes = b"TAILWTR\n".to_vec();
    bytes.extend(version.to_le_bytes());
    bytes.extend(generation.to_le_bytes());
    bytes.extend((xxh3_64(&bytes) as u32).to_le_bytes());
    bytes.extend([7; 300]);
    bytes
}

#[test]
fn from_a_future_version() {
    let one = |steps: &Steps| fs::write(slot(steps, active(steps).0), of_version(9, 99)).expect("written");
    assert_eq!(check("the newer one", one, "has version 9, this program reads versions up to 3; reading goes on"), 150);
    let both = |steps: &Steps| {
        (0..2).for_each(|number| fs::write(slot(steps, number), of_version(9, 99)).expect("written"));
    };
    assert_eq!(check("both", both, BEGINNING), 300);
}

#[test]
fn no_file_but_a_folder() {
    let folder = |steps: &Steps| {
        let (number, _) = active(steps);
        fs::remove_file(slot(steps, number)).expect("gone");
        fs::create_dir(slot(steps, number)).expect("a folder");
    };
    let mut steps = Steps::new(Store::elasticsearch());
    steps.write(&LOGS, 50);
    steps.run();
    steps.write(&LOGS, 50);
    steps.run();
    folder(&steps);
    let number = usize::from(slot(&steps, 1).is_dir());
    steps.write(&LOGS, 10);
    let mut process = steps.daemon();
    steps.wait(&mut process);
    let said = process.said();
    assert!(said.contains(OTHER) && said.contains("checkpoint could not be written"), "{said}");
    fs::remove_dir(slot(&steps, number)).expect("out of the way");
    process.wait_for_log("checkpoints are written again");
    process.kill();
    let before = steps.repeats();
    steps.write(&LOGS, 10);
    steps.run();
    steps.assert_once();
    assert_eq!(steps.repeats(), before, "after it was mended nothing is sent again");
}

/// `start_at: end` decides for files of which nothing is known; after a lost checkpoint that passes lines over, and it
/// is said.
#[test]
fn lost_where_files_are_to_be_read_from_their_end() {
    let mut steps = Steps::new(Store::elasticsearch());
    steps.source = "start_at: end".to_owned();
    steps.write(&LOGS, 5);
    let mut process = steps.daemon();
    process.wait_for_log("there is no checkpoint yet, so files are read from their end, as `start_at` says");
    let Store::Elasticsearch(double) = &steps.store else { unreachable!("it was made so") };
    // Whatever the first look came before, is passed over; what comes after it is not.
    let ready = crate::scenario::process::wait_until_ready(&mut process);
    assert!(ready);
    steps.place.append("logs/a.log", "<new=0> a line\n");
    assert!(double.wait_until(PATIENCE, |state| state.stored() == 1));
    assert_eq!(process.terminate(), 0);
    (0..2).for_each(|number| fs::write(slot(&steps, number), [0; 64]).expect("written"));
    steps.place.append("logs/a.log", "<passed-over=0> a line\n");
    let mut process = steps.daemon();
    process.wait_for_log(
        "files are read from their end, as `start_at` says, so lines that were not delivered before are passed over",
    );
    assert!(crate::scenario::process::wait_until_ready(&mut process));
    steps.place.append("logs/a.log", "<new=1> a line\n");
    assert!(double.wait_until(PATIENCE, |state| state.stored() == 2));
    assert_eq!(process.terminate(), 0);
    steps.store.seen(&steps.place).assert_all(&[("new".to_owned(), 2)].into(), true);
    // The logs' first lines, and the one that was written while nobody looked.
    let lost = steps.lines() + 1;
    figures::note(steps.place.text(""), Figures { written: lost + 2, delivered: 2, repeated: 0, lost });
}

#[test]
fn the_first_start_says_that_it_is_one() {
    let mut steps = Steps::new(Store::elasticsearch());
    steps.write(&LOGS, 5);
    assert!(steps.run().contains("there is no checkpoint yet, so files are read from their beginning"));
    assert!(!steps.run().contains("checkpoint"), "the second knows where to go on");
    steps.assert_once();
    assert_eq!(steps.repeats(), 0);
}

/// A file without its name takes every write: the program went on without a word, and the next start knew nothing.
fn gone_while_running(name: &str, away: impl Fn(&Steps)) {
    let mut steps = Steps::new(Store::elasticsearch());
    steps.write(&LOGS, 50);
    let mut process = steps.daemon();
    steps.wait(&mut process);
    away(&steps);
    process.wait_for_log("checkpoint could not be found where it was written");
    process.wait_for_log("checkpoints are written again");
    steps.write(&LOGS, 50);
    steps.wait(&mut process);
    process.kill();
    let mut second = steps.daemon();
    steps.wait(&mut second);
    let third = steps.daemon().wait(PATIENCE * 2);
    assert_eq!(third, 76, "{name}: the directory is locked again");
    assert_eq!(second.terminate(), 0);
    steps.assert_once();
    assert_eq!(steps.repeats(), 0, "{name}: the state was written again");
}

#[test]
fn the_directory_is_removed_while_it_runs() {
    gone_while_running("removed", |steps| fs::remove_dir_all(steps.place.path("state")).expect("gone"));
}

#[test]
fn the_directory_is_renamed_while_it_runs() {
    gone_while_running("renamed", |steps| steps.place.rename("state", "away"));
}

#[test]
fn the_files_are_removed_while_it_runs() {
    gone_while_running("files removed", |steps| {
        for entry in fs::read_dir(steps.place.path("state")).expect("there") {
            fs::remove_file(entry.expect("an entry").path()).expect("gone");
        }
    });
}

#[test]
fn a_directory_that_cannot_be_made_does_not_stop_the_start() {
    let mut steps = Steps::new(Store::elasticsearch());
    steps.write(&LOGS, 50);
    steps.place.write("state", "a file is in the way");
    let mut process = steps.daemon();
    steps.wait(&mut process);
    let said = process.said();
    assert!(said.contains("checkpoint could not be written") && said.contains("from their beginning"), "{said}");
    steps.place.remove("state");
    process.wait_for_log("checkpoints are written again");
    process.kill();
    steps.write(&LOGS, 50);
    steps.run();
    steps.assert_once();
    assert_eq!(steps.repeats(), 0, "once it could be made, everything was in it");
    assert_eq!(Tailwater::with(&steps.place, ["checkpoints", "--state-dir", &steps.place.state()]).run(), 0);
}
