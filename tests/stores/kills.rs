//! `kill -9` in a loop, while logs are written and rotated, into the real stores.

use crate::chance::{Chance, rounds};
use crate::support::stores::{OpenSearch, VictoriaLogs};
use crate::world::{REQUESTS, Store, World};

/// Kills in a loop: how many, and how many lines a store has more than once.
fn killed_into(store: Store, seed: u64, once: bool) -> (u64, u64) {
    let mut world = World::new(store, seed);
    let mut chance = Chance::new(seed);
    let kills = rounds(12);
    for _ in 0..kills {
        let mut process = world.daemon();
        match chance.below(4) {
            0 => process.wait_for_log("started"),
            _ => world.wait_for_more(1 + chance.below(1_500)),
        }
        process.kill();
    }
    let process = world.daemon();
    let written = world.finish(process);
    let repeats = world.store.seen(&world.place).assert_all(&written, once);
    println!("{kills} kills: {repeats} repeats of {} lines", written.values().sum::<u64>());
    (kills, repeats)
}

#[test]
fn into_opensearch_every_line_is_there_once() {
    let (store, name) = (OpenSearch::from_env(), "logs-stores.kills-default");
    store.delete(name);
    killed_into(Store::OpenSearch(store, name.to_owned()), 31, true);
    OpenSearch::from_env().delete(name);
}

/// It keeps every repeat, so all of them can be seen: no more than what was on its way at each kill.
#[test]
fn into_victorialogs_every_line_is_there_and_few_came_again() {
    let (kills, repeats) = killed_into(Store::VictoriaLogs(VictoriaLogs::from_env(), "kills".to_owned()), 32, false);
    // A request is of 16 KiB at most; an entry takes more than 40 bytes of it: a time, a line, what is known of it.
    let most = kills * REQUESTS * (16 << 10) / 40;
    assert!(repeats <= most, "{repeats} lines came again, at most {most} were on their way");
}
