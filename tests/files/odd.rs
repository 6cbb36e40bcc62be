//! Lines as nobody wants them: nothing is thrown away for being ugly.

use std::fs;

use crate::scenario::{PATIENCE, Tailwater};
use crate::world::World;

const LOG: &str = "pods/shop_cart-0_u1/app/0.log";

/// The last line has no LF: it goes out when nothing more will come.
#[test]
fn a_last_line_without_its_end_once() {
    let world = World::files("*.log");
    world.place.write("a.log", "one\ntwo");
    world.place.write("b.log", "only");
    let to = format!("es+{}/logs-odd-default", world.store.url());
    let mut process =
        Tailwater::with(&world.place, ["--from", &world.place.text("*.log"), "--to", &to, "--once"]).start();
    assert_eq!(process.wait(PATIENCE), 0);
    let mut found = world.messages();
    found.sort();
    assert_eq!(found, ["one", "only", "two"]);
}

#[test]
fn a_last_line_without_its_end_in_a_deleted_file() {
    let mut world = World::files("app.log");
    world.start();
    let text = world.plain(3);
    let line = world.line();
    world.place.append("app.log", text + &line);
    world.wait_until_open("app.log");
    world.place.remove("app.log");
    world.assert_all_arrived_and_nothing_else();
}

/// Read once and then more of the same line comes: the rest is a line, and not lost.
#[test]
fn the_rest_of_a_line_whose_beginning_was_read_once() {
    let world = World::files("a.log");
    let to = format!("es+{}/logs-odd-default", world.store.url());
    let (from, state) = (world.place.text("a.log"), world.place.state());
    for (text, expected) in [("one\nhal", 2), ("f\nthree\n", 4)] {
        world.place.append("a.log", text);
        let arguments = ["--from", &from, "--to", &to, "--once", "--state-dir", &state];
        assert_eq!(Tailwater::with(&world.place, arguments).run(), 0);
        assert_eq!(world.store.look(|state| state.stored()), expected);
    }
    let mut found = world.messages();
    found.sort();
    assert_eq!(found, ["f", "hal", "one", "three"]);
}

/// containerd tags a last line without a newline `P`, and no `F` follows: it goes out when the container has a successor,
/// and when its file is deleted.
#[test]
fn a_dangling_piece_of_a_finished_container() {
    let mut world = World::kubernetes();
    world.start();
    for restart in 0..3 {
        let text = world.cri(3);
        let piece = format!("{} stdout P {}\n", world.time(), world.line());
        let name = format!("pods/shop_cart-0_u1/app/{restart}.log");
        world.place.append(&name, text + &piece);
        world.wait_until_open(&name);
    }
    world.place.remove("pods/shop_cart-0_u1/app/2.log");
    world.assert_all_arrived_and_nothing_else();
}

#[test]
fn bytes_of_all_kinds() {
    let mut world = World::files("app.log");
    let cases: [(&[u8], &str); 7] = [
        (b"invalid \xff\xc3 utf-8 \xe2\x82", "invalid \u{fffd}\u{fffd} utf-8 \u{fffd}"),
        (b"nul \0 within", "nul \0 within"),
        (b"carriage return\r", "carriage return"),
        (b"", ""),
        (b"   spaces   ", "   spaces   "),
        (b"\x1b[31mred\x1b[0m", "\u{1b}[31mred\u{1b}[0m"),
        (b"{\"broken\": json", "{\"broken\": json"),
    ];
    let mut text = Vec::new();
    for (line, expected) in cases {
        text.extend_from_slice(line);
        text.push(b'\n');
        world.expect(expected);
    }
    world.place.append("app.log", text);
    world.start();
    world.assert_all_arrived_and_nothing_else();
}

/// As a node's crash leaves them: NULs and short lines between whole ones. What is no CRI line stands whole and is counted.
#[test]
fn lines_that_are_not_what_their_file_promises() {
    let mut world = World::kubernetes();
    let before = world.cri(2);
    world.place.append(LOG, before);
    for odd in ["\0\0\0\0\0\0", "2026-11-23T08:50:4", "no time at all", "2026-11-23T08:50:48Z stdnone F x"] {
        world.expect(odd);
        world.place.append(LOG, format!("{odd}\n"));
    }
    let after = world.cri(2);
    world.place.append(LOG, after);
    world.start();
    world.assert_all_arrived();
    assert_eq!(world.count("lines_malformed_total"), 4);
    world.assert_all_arrived_and_nothing_else();
}

/// Cut to 256 KiB with a marker, counted, never held whole; what is around them is as it was.
#[test]
fn lines_of_300_kib_and_3_mib() {
    let mut world = World::files("app.log");
    let mut text = world.plain(2);
    for length in [300 << 10, 3 << 20] {
        text += &"x".repeat(length);
        text += "\n";
        text += &world.plain(2);
    }
    world.place.append("app.log", text);
    world.start();
    let admin = world.process().admin();
    world.process().wait_until("eight lines", PATIENCE, || {
        crate::scenario::process::Metrics::of(&admin).of_pipeline("lines_delivered_total", "store") == 8
    });
    assert_eq!(world.count("lines_malformed_total"), 2);
    let messages = world.messages();
    let long: Vec<_> = messages.iter().filter(|message| message.starts_with("xxx")).cloned().collect();
    assert_eq!(long.len(), 2);
    for line in long {
        assert!(line.len() <= 256 << 10 && line.len() > 250 << 10, "{}", line.len());
        assert!(!line.trim_start_matches('x').is_empty(), "it says that it was cut");
        world.expect(&line);
    }
    world.assert_all_arrived_and_nothing_else();
}

#[test]
fn empty_lines_of_a_container() {
    let mut world = World::kubernetes();
    for _ in 0..3 {
        let line = format!("{} stdout F \n", world.time());
        world.expect("");
        world.place.append(LOG, line);
    }
    world.start();
    world.assert_all_arrived_and_nothing_else();
    assert!(fs::exists(world.place.path(LOG)).expect("asked"));
}
