//! How many batches are on their way at once.

use super::*;

/// Batches that have left and are not answered for.
fn underway(world: &mut World) -> usize {
    world.pass();
    world.pipeline.seal();
    world.pass();
    let sent = world.sent.lock().expect("not poisoned");
    sent.len()
}

#[test]
fn those_under_retry_keep_no_others_back() {
    let line = format!("2026-11-23T08:50:48Z stdout F {}\n", "x".repeat(100));
    let mut world = World::new(line.repeat(400).as_bytes(), Format::Cri);
    world.take(&Move::Grow(usize::MAX >> 1));
    assert_eq!(underway(&mut world), 2, "of the four that there is memory for");
    world.answer(0, false);
    assert_eq!(underway(&mut world), 2, "one more for the one that was answered");
    world.retry_all_for_another();
    assert_eq!(underway(&mut world), 4, "those under retry hold memory and nothing else");
    world.run_to_its_end();
    assert_eq!(world.pipeline.books.account().in_flight.entries, 0);
    assert_eq!(world.pipeline.books.account().delivered.entries, 400);
}
