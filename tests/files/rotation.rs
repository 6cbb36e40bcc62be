//! The chain of a file's rotations: one origin each, read in order, once, under whatever name and compressed or not.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;

use crate::rotators::{Kubelet, compress, copy_and_truncate, gzip, make_old, shift, with};
use crate::scenario::PATIENCE;
use crate::world::World;

const LOG: &str = "pods/shop_cart-0_u1/app/0.log";

/// The kubelet compresses all but the newest rotation and removes the oldest while nobody reads: what had been open, or
/// was compressed, is read when the sink is back.
#[test]
fn ten_rotations_by_the_kubelet_while_the_sink_refuses() {
    let mut world = World::kubernetes();
    let mut kubelet = Kubelet::new(world.place.path(LOG), 5);
    world.refuse();
    world.start();
    for _ in 0..10 {
        let text = world.cri(2000);
        kubelet.write(&text);
        world.wait_until_open(LOG);
        kubelet.rename();
        // Between the rename and the new file the runtime writes to the old one.
        let text = world.cri(3);
        kubelet.write(&text);
        kubelet.reopen();
    }
    let text = world.cri(100);
    kubelet.write(&text);
    world.store.recover();
    world.assert_all_arrived();
    assert_eq!(world.count("unreachable_bytes_total"), 0);
    world.assert_all_arrived_and_nothing_else();
}

/// With a sink that takes everything: nothing of a compressed file is read again, and its descriptors are given back.
#[test]
fn what_was_read_is_not_read_again_when_it_is_compressed() {
    let mut world = World::kubernetes();
    let mut kubelet = Kubelet::new(world.place.path(LOG), 5);
    world.start();
    for _ in 0..6 {
        let text = world.cri(50);
        kubelet.write(&text);
        world.assert_all_arrived();
        kubelet.rename();
        kubelet.reopen();
    }
    let text = world.cri(1);
    kubelet.write(&text);
    world.assert_all_arrived();
    world.wait_until_closed(&format!("{LOG}.2026"));
    world.restart();
    let text = world.cri(1);
    kubelet.write(&text);
    world.assert_all_arrived();
    world.wait_until_closed(&format!("{LOG}.2026"));
    world.assert_all_arrived_and_nothing_else();
}

#[test]
fn renamed_while_it_is_read() {
    let mut world = World::files("*.log");
    world.start();
    for rotation in 1..=5 {
        let text = world.plain(10_000);
        world.place.append("app.log", text);
        world.wait_until_open("app.log");
        world.place.rename("app.log", &format!("app.log.2026-11-{:02}", rotation + 10));
    }
    world.assert_all_arrived_and_nothing_else();
}

/// The program sees nothing of what happens meanwhile.
#[test]
fn two_rotations_between_two_looks() {
    let mut world = World::kubernetes();
    let mut kubelet = Kubelet::new(world.place.path(LOG), 5);
    let text = world.cri(10);
    kubelet.write(&text);
    world.start();
    world.assert_all_arrived();
    world.freeze();
    for _ in 0..2 {
        let text = world.cri(10);
        kubelet.write(&text);
        kubelet.rename();
        kubelet.reopen();
    }
    let text = world.cri(10);
    kubelet.write(&text);
    world.thaw();
    world.assert_all_arrived_and_nothing_else();
}

#[test]
fn a_rename_and_a_new_file_within_one_poll() {
    let mut world = World::files("app.log");
    let text = world.plain(10);
    world.place.append("app.log", text);
    world.start();
    world.assert_all_arrived();
    world.freeze();
    let text = world.plain(10);
    world.place.append("app.log", text);
    world.place.rename("app.log", "app.log.1");
    let text = world.plain(10);
    world.place.append("app.log", text);
    world.thaw();
    world.assert_all_arrived_and_nothing_else();
}

/// Rotated as often as `rotations` while the program is down, and no line is missing or comes twice.
fn restarted_after(rotations: usize, refused: bool) {
    let mut world = World::kubernetes();
    let mut kubelet = Kubelet::new(world.place.path(LOG), 10);
    let text = world.cri(300);
    kubelet.write(&text);
    world.start();
    world.assert_all_arrived();
    if refused {
        // What is read now is in nobody's hands when the program ends.
        world.refuse();
        let text = world.cri(3000);
        kubelet.write(&text);
        let admin = world.process().admin();
        world.process().wait_until("some is on its way", crate::scenario::PATIENCE, || {
            crate::scenario::process::Metrics::of(&admin).of_pipeline("lines_in_flight", "store") > 0
        });
        world.top = "shutdown_grace: 100ms\n".to_owned();
        world.stop();
        world.store.recover();
    } else {
        world.stop();
    }
    for _ in 0..rotations {
        let text = world.cri(300);
        kubelet.write(&text);
        kubelet.rename();
        kubelet.reopen();
    }
    let text = world.cri(20);
    kubelet.write(&text);
    world.start();
    world.assert_all_arrived();
    assert_eq!(world.count("unreachable_bytes_total"), 0);
    world.assert_all_arrived_and_nothing_else();
}

#[test]
fn restarted_after_one_rotation() {
    restarted_after(1, false);
}

#[test]
fn restarted_after_several_rotations() {
    restarted_after(4, false);
}

#[test]
fn restarted_after_one_rotation_with_lines_unsettled() {
    restarted_after(1, true);
}

#[test]
fn restarted_after_several_rotations_with_lines_unsettled() {
    restarted_after(4, true);
}

/// The first start on a node that ran for long: compressed rotations belong to the container's log.
#[test]
fn compressed_files_of_before_the_first_start_are_read() {
    let mut world = World::kubernetes();
    let mut kubelet = Kubelet::new(world.place.path(LOG), 5);
    for _ in 0..4 {
        let text = world.cri(200);
        kubelet.write(&text);
        kubelet.rename();
        kubelet.reopen();
    }
    let text = world.cri(5);
    kubelet.write(&text);
    kubelet.rotated().iter().for_each(|path| make_old(path));
    world.requests = 1;
    world.start();
    world.assert_all_arrived();
    assert!(world.messages().is_sorted(), "the oldest first");
    world.assert_all_arrived_and_nothing_else();
}

/// More compressed files than are inflated at one time, and each larger than a batch.
#[test]
fn many_compressed_files_and_long_ones() {
    let mut world = World::kubernetes();
    for pod in 0..12 {
        for rotation in 1..=3 {
            let text = world.cri(1000);
            let name = format!("pods/shop_cart-{pod}_u{pod}/app/0.log.20261123-00000{rotation}.gz");
            world.place.write(&name, gzip(text.as_bytes()));
        }
    }
    world.start();
    world.assert_all_arrived();
    world.wait_until_closed("pods");
    world.assert_all_arrived_and_nothing_else();
}

/// The raw file goes before the sink has read it: its compressed content is the same origin.
#[test]
fn reading_moves_from_a_deleted_file_to_the_compressed_one() {
    let mut world = World::files("app.log");
    world.top = "max_line: 4KiB\nmemory_limit: 2MiB\n".to_owned();
    let text = world.plain(30_000);
    world.place.append("app.log", text);
    world.refuse();
    world.start();
    world.wait_until_open("app.log");
    world.place.rename("app.log", "app.log.1");
    let text = world.plain(10);
    world.place.append("app.log", text);
    world.wait_until_open("app.log");
    compress(&world.place.path("app.log.1"));
    world.process().wait_for_log("reading goes on in another file");
    world.wait_until_open("app.log.1.gz");
    world.wait_until_closed("app.log.1 (deleted)");
    world.store.recover();
    world.assert_all_arrived();
    assert_eq!(world.count("unreachable_bytes_total"), 0);
    world.assert_all_arrived_and_nothing_else();
}

/// While `x.gz` is written beside `x`, or as `x.tmp`, nobody reads it.
#[test]
fn a_compressed_file_that_is_not_whole_is_not_read() {
    let mut world = World::files("app.log*");
    let text = world.plain(5000);
    let compressed = gzip(text.as_bytes());
    world.place.write("app.log.1", &text);
    world.place.write("app.log.1.gz", &compressed[..compressed.len() / 2]);
    world.place.write("app.log.2.tmp", &compressed[..compressed.len() / 2]);
    world.start();
    world.assert_all_arrived();
    world.place.write("app.log.1.gz", &compressed);
    world.place.remove("app.log.1");
    let text = world.plain(1);
    world.place.append("app.log", text);
    world.assert_all_arrived();
    world.assert_all_arrived_and_nothing_else();
}

#[test]
fn of_a_damaged_compressed_file_the_sound_part_is_read_and_the_rest_counted() {
    let mut world = World::kubernetes();
    let text = world.cri(4000);
    let compressed = gzip(text.as_bytes());
    world.place.write(&format!("{LOG}.20261123-000001.gz"), &compressed[..compressed.len() / 2]);
    let after = world.cri(10);
    world.place.write(LOG, &after);
    world.start();
    world.process().wait_for_log("a compressed file is damaged");
    world.wait_for_count("unreachable_bytes_total", 1);
    let delivered = |world: &mut World| world.count("lines_delivered_total");
    crate::scenario::wait_until("all that can be read is delivered", crate::scenario::PATIENCE, || {
        delivered(&mut world) > 10 && world.count("lines_in_flight") == 0
    });
    world.stop();
    let messages = world.messages();
    let sound = messages.iter().filter(|message| text.contains(&format!("{message}\n"))).count();
    assert!(sound > 1000, "{sound} lines of the sound part");
    let last = after.lines().last().and_then(|line| line.splitn(4, ' ').nth(3)).expect("a line");
    assert!(messages.iter().any(|message| message == last), "the next file is read");
}

/// `/var/log/pods/…/0.log` is a link into docker's folder, where `.1` and `.2.gz` lie.
#[test]
fn dockers_chain_behind_a_link() {
    let mut world = World::kubernetes();
    let json = |world: &mut World, count: usize| -> String {
        (0..count)
            .map(|_| (world.line(), world.time()))
            .map(|(line, time)| format!("{{\"log\":\"{line}\\n\",\"stream\":\"stdout\",\"time\":\"{time}\"}}\n"))
            .collect()
    };
    let target = world.place.path("docker/containers/abc/abc-json.log");
    let text = json(&mut world, 500);
    world.place.write("docker/containers/abc/abc-json.log.2.gz", gzip(text.as_bytes()));
    let text = json(&mut world, 100);
    world.place.write("docker/containers/abc/abc-json.log.1", text);
    let text = json(&mut world, 100);
    world.place.write("docker/containers/abc/abc-json.log", text);
    world.place.write("pods/shop_cart-0_u1/app/.keep", "");
    symlink(&target, world.place.path(LOG)).expect("a link");
    world.start();
    world.assert_all_arrived();
    for _ in 0..3 {
        // As docker's logger does: moved on, renamed, a new file, and `.1` is compressed when it becomes `.2`.
        shift(&target, 4);
        fs::rename(&target, with(&target, ".1")).expect("renamed");
        let text = json(&mut world, 100);
        fs::write(&target, text).expect("a new file");
        world.assert_all_arrived();
        if with(&target, ".2").exists() {
            compress(&with(&target, ".2"));
        }
    }
    world.restart();
    let text = json(&mut world, 5);
    crate::scenario::place::append(&target, text);
    world.assert_all_arrived_and_nothing_else();
}

/// One way of logrotate, five times, with and without a sink that takes what comes.
fn logrotate(rotate: impl Fn(&World, u32)) {
    let mut world = World::files("app.log");
    let text = world.plain(100);
    world.place.append("app.log", text);
    world.start();
    world.assert_all_arrived();
    for round in 1..=5 {
        let refused = round == 3;
        if refused {
            world.refuse();
        }
        let text = world.plain(100);
        world.place.append("app.log", text);
        if refused {
            let admin = world.process().admin();
            world.process().wait_until("it is read", crate::scenario::PATIENCE, || {
                crate::scenario::process::Metrics::of(&admin).of_pipeline("lines_in_flight", "store") == 100
            });
        } else {
            world.assert_all_arrived();
        }
        rotate(&world, round);
        let text = world.plain(100);
        world.place.append("app.log", text);
        world.store.recover();
        world.assert_all_arrived();
    }
    world.restart();
    let text = world.plain(5);
    world.place.append("app.log", text);
    world.assert_all_arrived();
    assert_eq!(world.count("unreachable_bytes_total"), 0);
    world.assert_all_arrived_and_nothing_else();
}

#[test]
fn logrotate_create() {
    logrotate(|world, _| {
        shift(&world.place.path("app.log"), 4);
        world.place.rename("app.log", "app.log.1");
        world.place.write("app.log", "");
    });
}

#[test]
fn logrotate_compress() {
    logrotate(|world, _| {
        shift(&world.place.path("app.log"), 4);
        world.place.rename("app.log", "app.log.1");
        world.place.write("app.log", "");
        compress(&world.place.path("app.log.1"));
    });
}

#[test]
fn logrotate_compress_and_delaycompress() {
    logrotate(|world, _| {
        let path = world.place.path("app.log");
        if with(&path, ".1").exists() {
            compress(&with(&path, ".1"));
        }
        shift(&path, 4);
        world.place.rename("app.log", "app.log.1");
        world.place.write("app.log", "");
    });
}

#[test]
fn logrotate_dateext() {
    logrotate(|world, round| {
        world.place.rename("app.log", &format!("app.log-2026112{round}"));
        world.place.write("app.log", "");
        if round > 1 {
            compress(&world.place.path(&format!("app.log-2026112{}", round - 1)));
        }
    });
}

#[test]
fn logrotate_copytruncate() {
    logrotate(|world, _| {
        let path = world.place.path("app.log");
        shift(&path, 4);
        copy_and_truncate(&path);
    });
}

#[test]
fn logrotate_copytruncate_and_compress() {
    logrotate(|world, _| {
        let path = world.place.path("app.log");
        shift(&path, 4);
        copy_and_truncate(&path);
        compress(&with(&path, ".1"));
    });
}

/// Truncated and copied with lines that nobody had read: the copy is read on.
#[test]
fn a_copy_takes_the_cursor_along() {
    let mut world = World::files("app.log");
    world.top = "max_line: 4KiB\nmemory_limit: 2MiB\n".to_owned();
    let text = world.plain(30_000);
    world.place.append("app.log", text);
    world.refuse();
    world.start();
    world.wait_until_open("app.log");
    copy_and_truncate(&world.place.path("app.log"));
    let text = world.plain(100);
    let mut file = fs::File::options().append(true).open(world.place.path("app.log")).expect("opened");
    file.write_all(text.as_bytes()).expect("written");
    // Whichever is seen first, the copy or the truncation.
    let said = ["truncated after it was copied", "reading goes on in another file"];
    let process = world.process();
    let log = process.log_path();
    process.wait_until("the copy is followed", PATIENCE, || {
        let log = fs::read_to_string(&log).unwrap_or_default();
        said.iter().any(|said| log.contains(said))
    });
    world.store.recover();
    world.assert_all_arrived();
    assert_eq!(world.count("unreachable_bytes_total"), 0);
    world.assert_all_arrived_and_nothing_else();
}
