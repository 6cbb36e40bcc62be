//! Ended at any moment: by `kill -9` while logs are written and rotated, while a checkpoint's slot is written, and by
//! SIGTERM under full load.

use std::fs;
use std::io::Read as _;
use std::time::Instant;

use crate::chance::Chance;
use crate::scenario::{PATIENCE, Tailwater};
use crate::world::{Steps, Store, World, rounds};

/// Kills in a loop. One kill in four comes as soon as the process is there, the others when the store has taken some
/// more lines: in the moment in which it has them, so often before the answer is there.
fn kill_in_a_loop(world: &mut World, seed: u64, mut after: impl FnMut(&World)) -> u64 {
    let mut chance = Chance::new(seed);
    let rounds = rounds(15);
    for _ in 0..rounds {
        let mut process = world.daemon();
        match chance.below(4) {
            0 if chance.below(2) == 0 => {}
            0 => process.wait_for_log("started"),
            _ => world.wait_for_more(1 + chance.below(1_500)),
        }
        process.kill();
        after(world);
    }
    rounds
}

fn killed_into(store: Store, seed: u64) {
    let mut world = World::new(store, seed);
    let kills = kill_in_a_loop(&mut world, seed, |_| {});
    let process = world.daemon();
    let written = world.finish(process);
    world.store.seen(&world.place).assert_all(&written, true);
    world.assert_few_repeats(kills);
}

#[test]
fn into_elasticsearch_every_line_is_there_once() {
    killed_into(Store::elasticsearch(), 1);
}

#[test]
fn into_loki_every_line_is_there_once() {
    killed_into(Store::loki(), 2);
}

#[test]
fn into_stdout_every_line_is_there_and_few_came_again() {
    let mut world = World::new(Store::Stdout, 3);
    let kills = kill_in_a_loop(&mut world, 3, |world| {
        // What was cut off in the middle of a line is not a line; it comes again whole.
        let path = world.place.path("stdout");
        let output = fs::read(&path).expect("the output is there");
        let whole = memchr::memrchr(b'\n', &output).map_or(0, |at| at + 1);
        fs::File::options().write(true).open(&path).and_then(|file| file.set_len(whole as u64)).expect("it is cut");
    });
    let process = world.daemon();
    let written = world.stop_writing();
    let mut process = process;
    crate::world::settle(&mut process, "store");
    assert_eq!(process.terminate(), 0);
    let repeats = world.store.seen(&world.place).assert_all(&written, false);
    println!("{kills} kills: {repeats} repeats of {} lines on stdout", written.values().sum::<u64>());
    // A batch is at most 16 KiB of events of more than 60 bytes; so many are never on their way.
    assert!(repeats <= kills * 16 * (16 << 10) / 60, "{repeats} repeats after {kills} kills");
}

/// The generations of a state directory's slots; none of a slot that is not there or just begun.
fn slots(steps: &Steps) -> [Option<u64>; 2] {
    [0, 1].map(|slot| {
        let mut header = [0; 18];
        let mut file = fs::File::open(steps.place.path(&format!("state/checkpoint.{slot}"))).ok()?;
        file.read_exact(&mut header).ok()?;
        Some(u64::from_le_bytes(header[10..].try_into().expect("eight bytes")))
    })
}

/// Comes back as soon as a slot is begun anew: its snapshot is written and synced meanwhile.
fn wait_for_a_slot(steps: &Steps, before: [Option<u64>; 2]) {
    let end = Instant::now() + PATIENCE;
    while slots(steps) == before {
        assert!(Instant::now() < end, "no slot was written");
        std::hint::spin_loop();
    }
}

/// The cursors as `tailwater checkpoints` lists them: the sum of all offsets.
fn cursors(steps: &Steps) -> u64 {
    _ = fs::remove_file(steps.place.path("stdout"));
    let state = steps.place.state();
    let code = Tailwater::with(&steps.place, ["checkpoints", "--json", "--state-dir", &state]).run();
    assert_eq!(code, 0, "the checkpoint can be read");
    let rows = steps.place.read("stdout");
    let rows = rows.lines().map(|row| serde_json::from_str::<serde_json::Value>(row).expect("JSON"));
    rows.map(|row| row["offset"].as_u64().expect("an offset")).sum()
}

fn bytes(steps: &Steps) -> u64 {
    let logs = fs::read_dir(steps.place.path("logs")).expect("logs");
    logs.map(|log| log.expect("a log").metadata().expect("it is there").len()).sum()
}

#[test]
fn while_the_first_snapshot_is_written() {
    let mut steps = Steps::new(Store::elasticsearch());
    steps.write(&["a", "b", "c"], 100);
    steps.run();
    for _ in 0..rounds(15) {
        let before = slots(&steps);
        let mut process = steps.daemon();
        wait_for_a_slot(&steps, before);
        process.kill();
        assert_eq!(cursors(&steps), bytes(&steps), "what was known is known");
        steps.write(&["a", "c"], 1);
        let said = steps.run();
        assert!(!said.contains("no checkpoint"), "{said}");
    }
    steps.assert_once();
    assert_eq!(steps.repeats(), 0, "nothing was on its way");
}

/// With some hundred files the moves soon fill a slot, and it is written anew under load.
#[test]
fn while_the_checkpoint_is_written_anew() {
    let mut steps = Steps::new(Store::elasticsearch());
    let names: Vec<String> = (0..400).map(|number| format!("f{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    steps.write(&names, 1);
    steps.run();
    let rounds = rounds(2);
    for _ in 0..rounds {
        let mut process = steps.daemon();
        process.wait_for_log("the admin port answers");
        let begun = slots(&steps);
        let end = Instant::now() + PATIENCE;
        while slots(&steps) == begun {
            assert!(Instant::now() < end, "the checkpoint was not written anew");
            steps.write(&names, 1);
            let wanted = steps.lines();
            let Store::Elasticsearch(double) = &steps.store else { unreachable!("it was made so") };
            while slots(&steps) == begun && double.look(|state| state.stored()) < wanted {
                assert!(Instant::now() < end, "the lines did not come");
                std::hint::spin_loop();
            }
        }
        process.kill();
        assert!(cursors(&steps) <= bytes(&steps), "no cursor is ahead");
    }
    let said = steps.run();
    assert!(!said.contains("no checkpoint"), "{said}");
    steps.assert_once();
    println!("{rounds} kills: {} repeats of {} lines", steps.repeats(), steps.lines());
    assert!(steps.repeats() <= rounds * 2 * names.len() as u64, "{} repeats", steps.repeats());
}

fn stopped_under_load(store: Store, seed: u64) {
    let mut world = World::new(store, seed);
    let mut chance = Chance::new(seed);
    for _ in 0..rounds(20) {
        let mut process = world.daemon();
        if chance.below(4) == 0 {
            process.wait_for_log("started");
        } else {
            world.wait_for_more(1 + chance.below(1_000));
        }
        assert_eq!(process.terminate(), 0);
        let said = process.said();
        assert!(!said.contains("\"level\":\"WARN\"") && !said.contains("\"level\":\"ERROR\""), "{said}");
    }
    let process = world.daemon();
    let written = world.finish(process);
    world.store.seen(&world.place).assert_all(&written, true);
    assert_eq!(world.store.repeats().0, 0, "after a stop nothing is sent again");
}

#[test]
fn stopped_under_load_into_elasticsearch() {
    stopped_under_load(Store::elasticsearch(), 4);
}

#[test]
fn stopped_under_load_into_loki() {
    stopped_under_load(Store::loki(), 5);
}

#[test]
fn stopped_under_load_into_stdout() {
    stopped_under_load(Store::Stdout, 6);
}
