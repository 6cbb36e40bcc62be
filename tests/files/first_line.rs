//! Files that go before their first line has its end. Nobody knows yet whose content they hold, and what they hold arrives, or
//! is counted.

use crate::rotators::{compress, copy_and_truncate, truncate};
use crate::scenario::PATIENCE;
use crate::scenario::process::Metrics;
use crate::world::World;

/// A followed file that holds half a line, and that the program has open.
fn with_half_a_line() -> World {
    let mut world = World::files("app.log");
    world.start();
    half_a_line(&mut world);
    world.wait_until_open("app.log");
    world
}

fn half_a_line(world: &mut World) {
    let line = world.line();
    world.place.append("app.log", line);
}

/// So many whole lines, in the file or in a new one of its name.
fn lines(world: &mut World, count: usize) {
    let text = world.plain(count);
    world.place.append("app.log", text);
}

#[test]
fn deleted() {
    let mut world = with_half_a_line();
    world.place.remove("app.log");
    world.assert_all_arrived();
    world.wait_until_closed("app.log");
    assert_eq!(world.count("unreachable_bytes_total"), 0);
    world.assert_all_arrived_and_nothing_else();
}

#[test]
fn deleted_and_written_anew() {
    let mut world = with_half_a_line();
    world.place.remove("app.log");
    lines(&mut world, 3);
    world.assert_all_arrived();
    assert_eq!(world.count("unreachable_bytes_total"), 0);
    world.assert_all_arrived_and_nothing_else();
}

#[test]
fn replaced_by_rename() {
    let mut world = with_half_a_line();
    let text = world.plain(3);
    world.place.write("app.log.new", text);
    world.place.rename("app.log.new", "app.log");
    world.assert_all_arrived_and_nothing_else();
}

#[test]
fn rotated() {
    let mut world = with_half_a_line();
    world.place.rename("app.log", "app.log.1");
    lines(&mut world, 3);
    world.assert_all_arrived_and_nothing_else();
}

/// It is not at its end: the writer has it open still, and goes on in it.
#[test]
fn rotated_and_ended_after_that() {
    let mut world = World::files("app.log");
    world.start();
    world.place.append("app.log", "the first half, ");
    world.wait_until_open("app.log");
    world.place.rename("app.log", "app.log.1");
    world.wait_until_open("app.log.1");
    world.place.append("app.log.1", "the second half\n");
    world.expect("the first half, the second half");
    world.assert_all_arrived();
    lines(&mut world, 1);
    world.assert_all_arrived_and_nothing_else();
}

#[test]
fn rotated_and_deleted_at_once() {
    let mut world = with_half_a_line();
    world.freeze();
    world.place.rename("app.log", "app.log.1");
    lines(&mut world, 1);
    world.place.remove("app.log.1");
    world.thaw();
    world.assert_all_arrived_and_nothing_else();
}

/// Twice, each time with half a line.
#[test]
fn rotated_twice_between_two_looks() {
    let mut world = with_half_a_line();
    world.freeze();
    world.place.rename("app.log", "app.log.1");
    half_a_line(&mut world);
    world.place.rename("app.log.1", "app.log.2");
    world.place.rename("app.log", "app.log.1");
    lines(&mut world, 1);
    world.thaw();
    world.assert_all_arrived_and_nothing_else();
}

#[test]
fn rotated_and_compressed() {
    let mut world = with_half_a_line();
    world.place.rename("app.log", "app.log.1");
    lines(&mut world, 1);
    compress(&world.place.path("app.log.1"));
    world.assert_all_arrived();
    // The compressed file is known as the same, also to the next process.
    world.restart();
    lines(&mut world, 1);
    world.assert_all_arrived_and_nothing_else();
}

#[test]
fn rotated_while_nobody_looked() {
    let mut world = with_half_a_line();
    world.process().kill();
    world.place.rename("app.log", "app.log.1");
    lines(&mut world, 1);
    world.start();
    world.assert_all_arrived();
    world.restart();
    world.assert_all_arrived_and_nothing_else();
}

/// An end that comes after the line was taken as it stood makes no other file of it.
#[test]
fn ended_after_it_was_taken_as_it_stood() {
    let mut world = with_half_a_line();
    world.place.rename("app.log", "app.log.1");
    lines(&mut world, 1);
    world.assert_all_arrived();
    world.place.append("app.log.1", " and so on\n");
    world.restart();
    world.expect(" and so on");
    lines(&mut world, 1);
    world.assert_all_arrived_and_nothing_else();
}

#[test]
fn truncated_it_is_counted() {
    let mut world = World::files("app.log");
    world.start();
    world.place.append("app.log", "half a line");
    world.wait_until_open("app.log");
    truncate(&world.place.path("app.log"));
    lines(&mut world, 1);
    world.wait_for_count("unreachable_bytes_total", "half a line".len() as u64);
    world.assert_all_arrived_and_nothing_else();
}

#[test]
fn copied_and_truncated_it_arrives_from_the_copy() {
    let mut world = with_half_a_line();
    world.freeze();
    copy_and_truncate(&world.place.path("app.log"));
    lines(&mut world, 1);
    world.thaw();
    world.assert_all_arrived();
    world.wait_until_closed("app.log.1");
    assert_eq!(world.count("unreachable_bytes_total"), 0);
    world.assert_all_arrived_and_nothing_else();
}

/// More of them than may be open: which are, is nobody's to tell, and what is not delivered is counted.
#[test]
fn more_of_them_than_descriptors() {
    let mut world = World::files("*.log");
    let mut written = 0;
    for number in 0..120 {
        let line = format!("half of line {number}");
        world.place.append(&format!("{number}.log"), &line);
        written += line.len() as u64;
    }
    world.start_through(["prlimit", "--nofile=64:64", "--"]);
    world.process().wait_for_log("so they take turns");
    (0..120).for_each(|number| world.place.remove(&format!("{number}.log")));
    let admin = world.process().admin();
    world.process().wait_until("delivered and unreachable are all that was written", PATIENCE, || {
        let metrics = Metrics::of(&admin);
        let of = |name: &str| metrics.of_pipeline(name, "store");
        of("bytes_delivered_total") + of("unreachable_bytes_total") == written
    });
    world.stop();
}
