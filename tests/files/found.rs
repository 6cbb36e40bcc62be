//! What is followed and from where on, and what is left out.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use crate::rotators::make_old;
use crate::world::World;

#[test]
fn new_files_and_new_pods_are_found() {
    let mut world = World::kubernetes();
    world.start();
    for pod in 0..10 {
        // The pods directory itself is not there before the first.
        let text = world.cri(3);
        world.place.append(&format!("pods/shop_cart-{pod}_u{pod}/app/0.log"), text);
        world.assert_all_arrived();
        let text = world.cri(3);
        world.place.append(&format!("pods/shop_cart-{pod}_u{pod}/app/1.log"), text);
        let text = world.cri(3);
        world.place.append(&format!("pods/shop_cart-{pod}_u{pod}/sidecar/0.log"), text);
        world.assert_all_arrived();
    }
    world.assert_all_arrived_and_nothing_else();
}

#[test]
fn namespaces_pods_and_containers_are_left_out() {
    let mut world = World::kubernetes().and("exclude_namespaces: ['kube-*'], exclude_containers: [istio-proxy]");
    for name in ["kube-system_dns-0_u0/app/0.log", "shop_cart-0_u1/istio-proxy/0.log"] {
        world.place.append(&format!("pods/{name}"), "2026-11-23T08:50:48Z stdout F left out\n");
    }
    world.start();
    for name in ["shop_cart-0_u1/app/0.log", "web_cart-0_u2/app/0.log"] {
        let text = world.cri(3);
        world.place.append(&format!("pods/{name}"), text);
    }
    world.assert_all_arrived();
    world.place.append("pods/kube-system_dns-0_u0/app/0.log", "2026-11-23T08:50:49Z stdout F left out\n");
    let text = world.cri(3);
    world.place.append("pods/shop_cart-0_u1/app/0.log", text);
    world.assert_all_arrived_and_nothing_else();
}

#[test]
fn globs_and_what_they_exclude() {
    let mut world = World::files("logs/**/*.log").and("exclude: ['*.gz', 'debug*']");
    for name in ["logs/a.log", "logs/deep/er/b.log", "logs/a.log.1"] {
        let text = world.plain(3);
        world.place.append(name, text);
    }
    for name in ["logs/a.txt", "logs/debug.log", "logs/a.log.2.gz"] {
        world.place.append(name, "left out\n");
    }
    world.start();
    world.assert_all_arrived();
    let text = world.plain(3);
    world.place.append("logs/later/and/deeper/c.log", text);
    world.assert_all_arrived_and_nothing_else();
}

/// What was there at the first start is not read; what comes is, also what came while the program was down.
#[test]
fn start_at_end() {
    let mut world = World::files("*.log*").and("start_at: end");
    world.place.append("old.log", "not wanted\nnot wanted\n");
    world.place.append("idle.log", "not wanted\n");
    world.place.write("old.log.1.gz", crate::rotators::gzip(b"not wanted at all\n"));
    world.start();
    let text = world.plain(3);
    world.place.append("old.log", text);
    let text = world.plain(3);
    world.place.append("new.log", text);
    world.assert_all_arrived();
    world.stop();
    let text = world.plain(3);
    world.place.append("old.log", text);
    let text = world.plain(3);
    world.place.append("idle.log", text);
    let text = world.plain(3);
    world.place.append("later.log", text);
    world.start();
    world.assert_all_arrived_and_nothing_else();
}

/// Old files are left out when they are first seen: not in the first walk only, and not those that were begun.
#[test]
fn ignore_older() {
    let mut world = World::files("*.log").and("ignore_older: 1h");
    world.place.append("old.log", "not wanted\n");
    make_old(&world.place.path("old.log"));
    let text = world.plain(3);
    world.place.append("new.log", text);
    world.start();
    world.assert_all_arrived();
    world.place.append("other.log", "");
    world.stop();
    let text = world.plain(3);
    world.place.append("new.log", text);
    make_old(&world.place.path("new.log"));
    world.start();
    world.assert_all_arrived_and_nothing_else();
}

#[test]
fn a_file_grows_from_empty() {
    let mut world = World::files("*.log");
    world.place.write("empty.log", "");
    world.start();
    world.place.write("later.log", "");
    for name in ["empty.log", "later.log"] {
        let text = world.plain(3);
        world.place.append(name, text);
        world.assert_all_arrived();
    }
    world.assert_all_arrived_and_nothing_else();
}

/// The first line and others come in halves: a line is a line when its LF is there.
#[test]
fn half_a_line_and_the_rest_later() {
    let mut world = World::files("app.log");
    world.start();
    let text = world.plain(20);
    for piece in text.as_bytes().chunks(37) {
        world.place.append("app.log", piece);
        world.freeze();
        world.thaw();
    }
    world.assert_all_arrived_and_nothing_else();
}

#[test]
fn names_that_are_not_utf8() {
    let mut world = World::files("logs/*");
    fs::create_dir(world.place.path("logs")).expect("a folder");
    for name in [b"caf\xe9.log".as_slice(), b"\xff\xfe", b"with \n newline.log", b"quote\".log"] {
        let text = world.plain(3);
        fs::write(world.place.path("logs").join(OsStr::from_bytes(name)), text).expect("written");
    }
    world.start();
    world.assert_all_arrived();
    world.restart();
    let text = world.plain(1);
    let path = world.place.path("logs").join(OsStr::from_bytes(b"caf\xe9.log"));
    crate::scenario::place::append(&path, text);
    world.assert_all_arrived_and_nothing_else();
}

/// They are said and left out; nothing waits for a writer of a FIFO.
#[test]
fn no_regular_files() {
    let mut world = World::files("*.log");
    let fifo = world.place.path("fifo.log");
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).expect("a FIFO");
    fs::create_dir(world.place.path("folder.log")).expect("a folder");
    std::os::unix::fs::symlink("/dev/zero", world.place.path("device.log")).expect("a link");
    std::os::unix::fs::symlink("loop.log", world.place.path("loop.log")).expect("a link");
    let text = world.plain(3);
    world.place.append("app.log", text);
    world.start();
    world.assert_all_arrived();
    world.assert_all_arrived_and_nothing_else();
    let log = world.place.read("log.before");
    for name in ["fifo.log", "folder.log", "/dev/zero", "loop.log"] {
        assert!(log.lines().any(|line| line.contains("left out") && line.contains(name)), "{name} in {log}");
    }
}

/// Taken away before the first look and given back; taken away from a file that is open.
#[test]
fn permission_taken_away_and_given_back() {
    let mut world = World::files("logs/*.log");
    let text = world.plain(3);
    world.place.append("logs/closed.log", text);
    let text = world.plain(3);
    world.place.append("logs/open.log", text);
    let set = |world: &World, name: &str, mode: u32| {
        fs::set_permissions(world.place.path(name), Permissions::from_mode(mode)).expect("permissions are set");
    };
    set(&world, "logs/closed.log", 0o000);
    set(&world, "logs", 0o755);
    // The superuser may read everything: it lets another user try.
    let nobody = rustix::process::getuid().is_root();
    if nobody {
        set(&world, "", 0o777);
        world.start_as(65534);
    } else {
        world.start();
    }
    world.process().wait_for_log("it cannot be read");
    world.wait_until_open("logs/open.log");
    set(&world, "logs/open.log", 0o000);
    set(&world, "logs/closed.log", 0o644);
    let text = world.plain(3);
    world.place.append("logs/open.log", text);
    world.assert_all_arrived_and_nothing_else();
}
