//! Faults that only root can make: full and read-only disks, failing fsyncs, power cuts, control groups, exhausted
//! inotify, lost packets, names that move. `tests/faults/run` starts it, in mount and network namespaces of its own; it
//! needs mount, mkfs.ext4, strace, unshare, iptables,
//! bindfs, faketime and the control groups of memory and CPU, and fails where one of
//! them is missing.
#![expect(clippy::disallowed_methods, reason = "a test of the whole program touches the world")]

mod scenario;
mod support;

#[path = "faults/chance.rs"]
mod chance;
#[path = "faults/disk.rs"]
mod disk;
#[path = "faults/groups.rs"]
mod groups;
#[path = "faults/machine.rs"]
mod machine;
#[path = "faults/network.rs"]
mod network;
#[path = "faults/world.rs"]
mod world;

use std::process::Command;

/// Runs a command to its end; a failure names what is needed.
fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("`{program}` is needed and cannot be started: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`{program} {}` is needed and failed: {said}", arguments.join(" "));
}
