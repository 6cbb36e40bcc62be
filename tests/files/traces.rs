//! Stack traces are one event, whatever happens while one is open: nothing cuts it, nothing loses it.
//!
//! Where a test wants one to be open, the gap is so long that only what follows can close it, and a line of the other stream says
//! when the program has come so far.

use crate::rotators::Kubelet;
use crate::scenario::PATIENCE;
use crate::world::World;

const LOG: &str = "pods/shop_cart-0_u1/app/0.log";
const OPEN: &str = "multiline: { gap: 60s }";
const TRACE: &str = "java.lang.IllegalStateException: no stock\n\tat shop.Stock.take(Stock.java:31)\n\tat shop.Cart.add(Cart.java:7)\nCaused by: java.io.IOException: disk\n\t... 2 more";

/// The lines of a text as containerd writes them.
fn wrapped(world: &mut World, stream: &str, text: &str) -> Vec<String> {
    text.split('\n').map(|line| format!("{} {stream} F {line}\n", world.time())).collect()
}

/// A trace that must arrive, whole; its lines.
fn trace(world: &mut World, of: &str) -> Vec<String> {
    let text = TRACE.replace("no stock", of);
    world.expect(&text);
    wrapped(world, "stderr", &text)
}

/// A line of stderr that begins nothing, and must arrive.
fn after(world: &mut World) -> String {
    let line = world.line();
    wrapped(world, "stderr", &line).concat()
}

/// Waits until a line of stdout that is written now was stored and settled.
fn wait_until_read(world: &mut World, write: impl FnOnce(&str)) {
    let line = world.line();
    let text = wrapped(world, "stdout", &line).concat();
    write(&text);
    let store = &world.store;
    let is_stored = || {
        store.look(|state| {
            let mut documents = state.store.indices.values().flat_map(|index| &index.documents);
            documents.any(|document| document.source.contains(&line))
        })
    };
    crate::scenario::wait_until("a line of the other stream is stored", PATIENCE, is_stored);
    // And the answer was heard: what is in flight when a process is killed is sent again.
    world.wait_for_count("lines_in_flight", 0);
}

#[test]
fn open_when_the_file_is_rotated() {
    let mut world = World::kubernetes().and(OPEN);
    let mut kubelet = Kubelet::new(world.place.path(LOG), 5);
    world.start();
    // Its last line is the file's.
    let whole = trace(&mut world, "whole").concat();
    kubelet.write(&whole);
    wait_until_read(&mut world, |text| kubelet.write(text));
    kubelet.rename();
    kubelet.reopen();
    // Its last lines come when the file has its new name.
    let lines = trace(&mut world, "renamed");
    kubelet.write(&lines[..2].concat());
    wait_until_read(&mut world, |text| kubelet.write(text));
    kubelet.rename();
    kubelet.write(&lines[2..].concat());
    kubelet.reopen();
    let text = after(&mut world);
    kubelet.write(&text);
    world.assert_all_arrived_and_nothing_else();
}

/// Two files are two origins: what is left in the second is one event and not one for each line.
#[test]
fn torn_by_a_rotation() {
    let mut world = World::kubernetes().and(OPEN);
    let mut kubelet = Kubelet::new(world.place.path(LOG), 5);
    world.start();
    let (first, second) = TRACE.split_once("\n\tat shop.Cart").expect("two parts");
    let second = format!("\tat shop.Cart{second}");
    world.expect(first);
    world.expect(&second);
    let lines = wrapped(&mut world, "stderr", first).concat();
    kubelet.write(&lines);
    wait_until_read(&mut world, |text| kubelet.write(text));
    kubelet.rename();
    kubelet.reopen();
    let lines = wrapped(&mut world, "stderr", &second).concat();
    kubelet.write(&lines);
    let text = after(&mut world);
    kubelet.write(&text);
    world.assert_all_arrived_and_nothing_else();
}

/// By SIGTERM, or by `kill -9`: the next process reads it from its first line.
fn open_when_the_program_ends(end: impl Fn(&mut World)) {
    let mut world = World::kubernetes().and(OPEN);
    world.start();
    for of in ["first", "second"] {
        let lines = trace(&mut world, of);
        world.place.append(LOG, lines[..2].concat());
        let place = crate::scenario::Place::beside(&world.place);
        wait_until_read(&mut world, |text| place.append(LOG, text));
        end(&mut world);
        world.place.append(LOG, lines[2..].concat());
        world.start();
    }
    let text = after(&mut world);
    world.place.append(LOG, text);
    world.assert_all_arrived_and_nothing_else();
}

#[test]
fn open_when_the_program_is_stopped() {
    open_when_the_program_ends(World::stop);
}

#[test]
fn open_when_the_program_is_killed() {
    open_when_the_program_ends(World::kill);
}

/// A file that is not written to any more has no line that ends it; `drain` waits for that.
#[test]
fn the_last_of_its_file() {
    let mut world = World::kubernetes().and("multiline: { gap: 100ms }");
    world.top = "shutdown: drain\n".to_owned();
    world.start();
    let lines = trace(&mut world, "idle").concat();
    world.place.append(LOG, lines);
    world.assert_all_arrived();
    let lines = trace(&mut world, "drained").concat();
    world.place.append(LOG, lines);
    let place = crate::scenario::Place::beside(&world.place);
    wait_until_read(&mut world, |text| place.append(LOG, text));
    world.stop();
    world.assert_stored();
}

/// Pods that write at once, each on both streams, a line at a time.
#[test]
fn interleaved() {
    let mut world = World::kubernetes().and("multiline: auto");
    world.start();
    let logs: Vec<String> = (0..4).map(|pod| format!("pods/shop_cart-{pod}_u{pod}/app/0.log")).collect();
    for round in 0..20 {
        let errors: Vec<_> = logs.iter().map(|log| trace(&mut world, &format!("{round} of {log}"))).collect();
        for number in 0..errors[0].len() {
            for (log, lines) in logs.iter().zip(&errors) {
                let text = format!("listening {number} {round} {log}");
                world.expect(&text);
                let other = wrapped(&mut world, "stdout", &text).concat();
                world.place.append(log, format!("{}{other}", lines[number]));
            }
        }
        for log in &logs {
            let text = after(&mut world);
            world.place.append(log, text);
        }
    }
    world.assert_all_arrived_and_nothing_else();
}
