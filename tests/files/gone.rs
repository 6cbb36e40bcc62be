//! Files that are truncated, deleted, replaced, and come again.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::rotators::truncate;
use crate::scenario::PATIENCE;
use crate::world::World;

/// More than what may be in flight is written, so that some is not read when it goes.
fn with_much_unread() -> (World, u64) {
    let mut world = World::files("app.log");
    world.top = "max_line: 4KiB\nmemory_limit: 2MiB\nhold_deleted_bytes: 1MiB\n".to_owned();
    let text = world.plain(50_000);
    world.place.append("app.log", &text);
    world.refuse();
    world.start();
    let admin = world.process().admin();
    world.process().wait_until("no more can be read", PATIENCE, || {
        let metrics = crate::scenario::process::Metrics::of(&admin);
        metrics.of_pipeline("lines_in_flight", "store") > 100
    });
    (world, text.len() as u64)
}

/// What was read arrives, the rest is counted, to the byte.
fn assert_counted(world: &mut World, written: u64) {
    world.store.recover();
    let admin = world.process().admin();
    world.process().wait_until("delivered and unreachable are all that was written", PATIENCE, || {
        let metrics = crate::scenario::process::Metrics::of(&admin);
        let of = |name: &str| metrics.of_pipeline(name, "store");
        of("bytes_delivered_total") + of("unreachable_bytes_total") == written
    });
    assert!(world.count("unreachable_bytes_total") > 0);
    assert_eq!(world.store.look(|state| state.repeats()), 0);
    assert_eq!(world.messages().len() as u64, world.count("lines_delivered_total"));
    world.stop();
}

#[test]
fn truncated_without_a_copy_what_was_not_read_is_counted() {
    let (mut world, written) = with_much_unread();
    truncate(&world.place.path("app.log"));
    let after = "something new\n";
    world.place.append("app.log", after);
    assert_counted(&mut world, written + after.len() as u64);
    assert!(world.messages().contains(&"something new".to_owned()));
}

/// What was read of a file that is gone, and not settled, cannot be read again: killed then, the next process counts it. Its
/// record was forgotten with the file, and the lines with it.
#[test]
fn killed_with_lines_in_flight_of_a_file_that_is_gone_they_are_counted() {
    let (mut world, written) = with_much_unread();
    world.place.remove("app.log");
    world.process().wait_for_log("let go of before every sink had read it");
    world.wait_until_closed("app.log");
    let admin = world.process().admin();
    let of = |name: &str| crate::scenario::process::Metrics::of(&admin).of_pipeline(name, "store");
    let mut unreachable = 0;
    world.process().wait_until("what was not read is counted", PATIENCE, || {
        unreachable = of("unreachable_bytes_total");
        unreachable + of("bytes_in_flight") == written
    });
    world.process().kill();
    world.store.recover();
    world.start();
    world.wait_for_count("unreachable_bytes_total", written - unreachable);
    world.stop();
}

#[test]
fn a_deleted_file_that_holds_too_much_is_let_go_of_and_counted() {
    let (mut world, written) = with_much_unread();
    world.place.remove("app.log");
    world.process().wait_for_log("let go of before every sink had read it");
    world.wait_until_closed("app.log");
    assert_counted(&mut world, written);
}

#[test]
fn a_deleted_file_is_not_held_for_longer_than_told() {
    let mut world = World::files("app.log");
    world.top = "max_line: 4KiB\nmemory_limit: 2MiB\nhold_deleted: 1s\n".to_owned();
    let text = world.plain(50_000);
    world.place.append("app.log", &text);
    world.refuse();
    world.start();
    world.wait_until_open("app.log");
    world.place.remove("app.log");
    world.process().wait_for_log("since it was held for hold_deleted");
    world.wait_until_closed("app.log");
    assert_counted(&mut world, text.len() as u64);
}

#[test]
fn deleted_while_open() {
    let mut world = World::files("*.log");
    world.refuse();
    world.start();
    for number in 0..3 {
        let name = format!("{number}.log");
        let text = world.plain(2000);
        world.place.append(&name, text);
        world.wait_until_open(&name);
        world.place.remove(&name);
    }
    world.store.recover();
    world.assert_all_arrived();
    assert_eq!(world.count("unreachable_bytes_total"), 0);
    (0..3).for_each(|number| world.wait_until_closed(&format!("{number}.log")));
    world.assert_all_arrived_and_nothing_else();
}

#[test]
fn replaced_by_rename() {
    let mut world = World::files("app.log");
    let text = world.plain(1000);
    world.place.append("app.log", text);
    world.refuse();
    world.start();
    world.wait_until_open("app.log");
    for _ in 0..3 {
        let text = world.plain(1000);
        world.place.write("app.log.new", text);
        world.freeze();
        let before = fs::metadata(world.place.path("app.log")).expect("there").ino();
        world.place.rename("app.log.new", "app.log");
        assert_ne!(fs::metadata(world.place.path("app.log")).expect("there").ino(), before);
        world.thaw();
        world.wait_until_open("app.log");
        world.wait_for_known_inode("app.log");
    }
    world.store.recover();
    world.assert_all_arrived_and_nothing_else();
}

/// As editors save: the same content and more in a new inode. It is the same origin.
#[test]
fn replaced_by_a_copy_of_itself() {
    let mut world = World::files("app.log");
    let text = world.plain(100);
    world.place.append("app.log", &text);
    world.start();
    world.assert_all_arrived();
    let more = world.plain(10);
    world.place.write("new", text + &more);
    world.place.rename("new", "app.log");
    world.assert_all_arrived();
    world.restart();
    let more = world.plain(10);
    world.place.append("app.log", more);
    world.assert_all_arrived_and_nothing_else();
}

/// The file system gives a removed file's inode to the next: it is nobody's identity.
#[test]
fn an_inode_that_is_used_again() {
    let mut world = World::files("*.log");
    world.start();
    for number in 0..6 {
        // All of one size and one name: only the content tells them apart.
        let text = world.plain(5);
        world.place.write("app.log", text);
        world.assert_all_arrived();
        world.place.remove("app.log");
        if number % 2 == 0 {
            world.wait_until_closed("app.log");
        }
    }
    world.assert_all_arrived_and_nothing_else();
}

/// A program that begins its log anew with the same banner, without times. Had the second file the first one's identity,
/// the store would take its lines for repeats: that is how they were lost.
#[test]
fn the_same_banner_in_a_file_that_was_deleted_and_came_again() {
    let mut world = World::files("app.log");
    world.start();
    for _ in 0..4 {
        for _ in 0..3 {
            world.expect("starting");
        }
        world.place.write("app.log", "starting\nstarting\nstarting\n");
        world.assert_all_arrived();
        world.place.remove("app.log");
        world.wait_until_closed("app.log");
    }
    world.restart();
    world.expect("starting");
    world.place.write("app.log", "starting\n");
    world.assert_all_arrived_and_nothing_else();
}

#[test]
fn the_same_banner_in_a_file_that_was_truncated() {
    let mut world = World::files("app.log");
    world.start();
    for round in 0..4 {
        let text = format!("starting\n{}", world.plain(10 - round));
        world.expect("starting");
        world.place.write("app.log", text);
        world.assert_all_arrived();
    }
    world.restart();
    world.expect("starting");
    world.place.write("app.log", "starting\n");
    world.assert_all_arrived_and_nothing_else();
}

#[test]
fn the_same_banner_in_every_rotation() {
    let mut world = World::files("app.log");
    world.start();
    for round in 0..4 {
        if round > 0 {
            crate::rotators::shift(&world.place.path("app.log"), 9);
            world.place.rename("app.log", "app.log.1");
        }
        let text = format!("starting\n{}", world.plain(10));
        world.expect("starting");
        world.place.append("app.log", text);
        world.assert_all_arrived();
    }
    world.restart();
    let text = world.plain(3);
    world.place.append("app.log", text);
    world.assert_all_arrived_and_nothing_else();
}

#[test]
fn replaced_by_a_folder_and_back() {
    let mut world = World::files("app.log");
    let text = world.plain(10);
    world.place.append("app.log", text);
    world.start();
    world.assert_all_arrived();
    world.place.remove("app.log");
    fs::create_dir(world.place.path("app.log")).expect("a folder");
    world.process().wait_for_log("not a regular file");
    fs::remove_dir(world.place.path("app.log")).expect("the folder goes");
    let text = world.plain(10);
    world.place.append("app.log", text);
    world.assert_all_arrived_and_nothing_else();
}

/// Read through, and then gone: the program forgets it, so that the checkpoint does not grow with every pod.
#[test]
fn files_that_are_gone_are_forgotten() {
    let mut world = World::kubernetes();
    for pod in 0..20 {
        let text = world.cri(3);
        world.place.append(&format!("pods/shop_cart-{pod}_u{pod}/app/0.log"), text);
    }
    world.start();
    world.assert_all_arrived();
    fs::remove_dir_all(world.place.path("pods")).expect("the pods go");
    fs::create_dir(world.place.path("pods")).expect("the folder is back");
    let state = world.place.state();
    let place = &world.place;
    let count = || {
        // stdout is appended to.
        place.write("stdout", "");
        assert_eq!(crate::scenario::Tailwater::with(place, ["checkpoints", "--json", "--state-dir", &state]).run(), 0);
        place.read("stdout").lines().count()
    };
    crate::scenario::wait_until("all are forgotten", PATIENCE, || count() == 0);
    world.assert_all_arrived_and_nothing_else();
}
