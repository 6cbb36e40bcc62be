//! The state directory on a disk of its own, which is full, read-only, failing or cut off from power.

use std::fs;
use std::path::{Path, PathBuf};

use crate::chance::Chance;
use crate::run;
use crate::scenario::process::Metrics;
use crate::scenario::{PATIENCE, Place, Tailwater, wait_until};
use crate::support::doubles::elasticsearch::{Mode, Step};
use crate::world::{Steps, Store, World, rounds, settle};

const LOGS: [&str; 3] = ["a", "b", "c"];

/// A mounted file system; unmounted at the end.
struct Mount(PathBuf);

impl Mount {
    fn tmpfs(at: &Path, options: &str) -> Mount {
        fs::create_dir_all(at).expect("a folder");
        run("mount", &["-t", "tmpfs", "-o", options, "none", &at.display().to_string()]);
        Mount(at.to_owned())
    }

    fn image(image: &Path, at: &Path) -> Mount {
        fs::create_dir_all(at).expect("a folder");
        run("mount", &["-o", "loop", &image.display().to_string(), &at.display().to_string()]);
        Mount(at.to_owned())
    }

    fn remount(&self, options: &str) {
        run("mount", &["-o", &format!("remount,{options}"), &self.0.display().to_string()]);
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // The mount namespace's end takes it away in any case.
        _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Takes every byte or inode that is left.
fn fill(folder: &Path, with_files: bool) {
    if with_files {
        for number in 0.. {
            if fs::write(folder.join(format!("filler{number}")), "").is_err() {
                return;
            }
        }
    }
    let mut filler = fs::File::create(folder.join("filler")).expect("a file");
    while std::io::Write::write_all(&mut filler, &[7; 512]).is_ok() {}
}

fn make_room(folder: &Path) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        if entry.file_name().to_string_lossy().starts_with("filler") {
            fs::remove_file(entry.path()).expect("removed");
        }
    }
}

/// The disk becomes unusable while the program runs: lines go on, it is said, and once it is mended everything is
/// written; before that a `kill -9` repeats what was delivered since, and nothing else.
fn while_it_runs(options: &str, spoil: impl Fn(&Mount), mend: impl Fn(&Mount)) {
    let mut steps = Steps::new(Store::elasticsearch());
    let disk = Mount::tmpfs(&steps.place.path("state"), options);
    steps.write(&LOGS, 100);
    let mut process = steps.daemon();
    steps.wait(&mut process);
    spoil(&disk);
    // Enough moves that no room left in a page can take them.
    for _ in 0..60 {
        steps.write(&LOGS, 1);
        steps.wait(&mut process);
    }
    process.wait_for_log("checkpoint could not be written");
    process.kill();
    let mut process = steps.daemon();
    steps.wait(&mut process);
    let said = process.said();
    assert!(!said.contains("no checkpoint"), "the old one is used: {said}");
    let repeats = steps.repeats();
    assert!(repeats <= 180, "no more than what was delivered since is repeated: {repeats}");
    println!("{repeats} of 180 lines were sent again");
    process.wait_for_log("checkpoint could not be written");
    steps.write(&LOGS, 1);
    steps.wait(&mut process);
    mend(&disk);
    process.wait_for_log("checkpoints are written again");
    process.kill();
    let before = steps.repeats();
    steps.write(&LOGS, 1);
    steps.run();
    assert_eq!(steps.repeats(), before, "after it was mended nothing is sent again");
    steps.assert_once();
}

#[test]
fn a_disk_without_room() {
    while_it_runs("size=64k,mode=755", |disk| fill(&disk.0, false), |disk| make_room(&disk.0));
}

#[test]
fn a_disk_that_becomes_read_only() {
    // What is open for writing keeps a file system from that, and so does what was removed while it was open: a disk
    // that fails is not asked. A second mount over the first, read-only, is what a path then leads to.
    let mut steps = Steps::new(Store::elasticsearch());
    let state = steps.place.path("state");
    steps.write(&LOGS, 100);
    steps.run();
    let copy = steps.place.path("copy");
    run("cp", &["-a", &state.display().to_string(), &copy.display().to_string()]);
    let mut process = steps.daemon();
    steps.wait(&mut process);
    run("mount", &["--bind", &copy.display().to_string(), &state.display().to_string()]);
    let disk = Mount(state);
    disk.remount("bind,ro");
    process.wait_for_log("checkpoint could not be found where it was written");
    steps.write(&LOGS, 10);
    steps.wait(&mut process);
    process.kill();
    // The start is not refused, and goes on from what can be read.
    let mut process = steps.daemon();
    let admin = process.admin();
    // What came since the disk failed is stored already, and comes once more.
    process.wait_until("what could not be written down is sent again", PATIENCE, || {
        Metrics::of(&admin).of_pipeline("lines_delivered_total", "store") == 30
    });
    let said = process.said();
    assert!(said.contains("checkpoint could not be written") && !said.contains("no checkpoint"), "{said}");
    let before = steps.repeats();
    assert_eq!(before, 30);
    disk.remount("bind,rw");
    process.wait_for_log("checkpoints are written again");
    process.kill();
    steps.write(&LOGS, 1);
    steps.run();
    assert_eq!(steps.repeats(), before, "after it was mended nothing is sent again");
    steps.assert_once();
}

/// Full from the first start on: not even the lock can be made.
fn from_the_start(options: &str, with_files: bool) {
    let mut steps = Steps::new(Store::elasticsearch());
    let disk = Mount::tmpfs(&steps.place.path("state"), options);
    fill(&disk.0, with_files);
    steps.write(&LOGS, 100);
    let mut process = steps.daemon();
    steps.wait(&mut process);
    let said = process.said();
    assert!(said.contains("checkpoint could not be written") && said.contains("from their beginning"), "{said}");
    make_room(&disk.0);
    process.wait_for_log("checkpoints are written again");
    process.kill();
    steps.write(&LOGS, 1);
    steps.run();
    steps.assert_once();
    assert_eq!(steps.repeats(), 0, "once there was room, everything was written");
}

#[test]
fn a_disk_without_room_from_the_start() {
    from_the_start("size=16k,mode=755", false);
}

#[test]
fn a_disk_without_inodes_from_the_start() {
    from_the_start("size=1m,nr_inodes=20,mode=755", true);
}

/// With the inodes gone while it runs, the slot that is written anew takes the place of the one removed for it.
#[test]
fn a_disk_without_inodes() {
    let mut steps = Steps::new(Store::elasticsearch());
    let disk = Mount::tmpfs(&steps.place.path("state"), "size=1m,nr_inodes=20,mode=755");
    for round in 0..4 {
        steps.write(&LOGS, 100);
        let mut process = steps.daemon();
        steps.wait(&mut process);
        if round == 1 {
            fill(&disk.0, true);
        }
        process.kill();
    }
    steps.run();
    steps.assert_once();
    assert_eq!(steps.repeats(), 0);
}

#[test]
fn an_fsync_that_fails() {
    let mut steps = Steps::new(Store::elasticsearch());
    steps.write(&LOGS, 100);
    steps.run();
    let file = steps.place.settings(&steps.settings()).display().to_string();
    let failing = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e"];
    let failing = failing.into_iter().chain(["inject=fsync,fdatasync:error=EIO"]);
    let mut process = Tailwater::with(&steps.place, ["run", "--config", &file]).through(failing).start();
    process.wait_for_log("checkpoint could not be written");
    for _ in 0..10 {
        steps.write(&LOGS, 1);
        steps.wait(&mut process);
    }
    process.kill();
    let said = steps.run();
    assert!(!said.contains("no checkpoint"), "{said}");
    println!("{} of 30 lines were sent again", steps.repeats());
    assert!(steps.repeats() <= 30, "{}", steps.repeats());
    let before = steps.repeats();
    steps.write(&LOGS, 1);
    steps.run();
    assert_eq!(steps.repeats(), before);
    steps.assert_once();
}

/// The disk's image is copied while the program runs, as a power cut would leave it: what was synced is there, of what
/// was not some is. A start on the copy finds a checkpoint, and no cursor is ahead of what the store had by then.
#[test]
fn a_power_cut() {
    // A cursor is held against the file of its path.
    let mut world = World::rotated_at(u64::MAX, Store::elasticsearch(), 7);
    let (image, copy) = (world.place.path("disk.img"), world.place.path("copy.img"));
    fs::File::create(&image).and_then(|file| file.set_len(16 << 20)).expect("an image");
    run("mkfs.ext4", &["-q", "-F", &image.display().to_string()]);
    let disk = Mount::image(&image, &world.place.path("state"));
    let mut chance = Chance::new(7);
    let mut process = world.daemon();
    world.wait_for_more(1);
    process.wait_for_log("started");
    wait_until("a synced checkpoint", PATIENCE, || !slots_are_missing(&world.place));
    let mut copies = 0;
    for _ in 0..rounds(5) {
        world.wait_for_more(1 + chance.below(4_000));
        run("cp", &["--sparse=always", &image.display().to_string(), &copy.display().to_string()]);
        // What is stored after the copy was made holds all that was settled before it.
        let had = world.store.seen(&world.place);
        let at = world.place.path("cut");
        let cut = Mount::image(&copy, &at);
        let output = Place::new();
        let state = at.display().to_string();
        assert_eq!(Tailwater::with(&output, ["checkpoints", "--json", "--state-dir", &state]).run(), 0);
        let said = output.read("log");
        assert!(!said.contains("no checkpoint"), "{said}");
        for row in output.read("stdout").lines() {
            let row: serde_json::Value = serde_json::from_str(row).expect("JSON");
            let (path, offset) = (row["file"].as_str().expect("a file"), row["offset"].as_u64().expect("an offset"));
            had.assert_has_before(path, offset);
        }
        drop(cut);
        copies += 1;
    }
    // And the last cut is gone on from, for good.
    run("cp", &["--sparse=always", &image.display().to_string(), &copy.display().to_string()]);
    process.kill();
    drop(disk);
    let _cut = Mount::image(&copy, &world.place.path("state"));
    let process = world.daemon();
    let written = world.finish(process);
    world.store.seen(&world.place).assert_all(&written, true);
    println!(
        "{copies} copies looked at; {} of {} lines were sent again",
        world.store.repeats().0,
        written.values().sum::<u64>()
    );
}

fn slots_are_missing(place: &Place) -> bool {
    (0..2).all(|slot| fs::metadata(place.path(&format!("state/checkpoint.{slot}"))).is_err())
}

/// A silent store, a full disk and a kill at once.
#[test]
fn everything_at_once() {
    let mut steps = Steps::new(Store::elasticsearch());
    let disk = Mount::tmpfs(&steps.place.path("state"), "size=64k,mode=755");
    for _ in 0..3 {
        steps.write(&LOGS, 200);
        let mut process = steps.daemon();
        steps.store.wait_for(&steps.place, steps.lines() - 100);
        let Store::Elasticsearch(double) = &steps.store else { unreachable!("it was made so") };
        double.set_mode(Mode::Always(Step::StoreThenSilence));
        fill(&disk.0, false);
        steps.write(&LOGS, 50);
        steps.store.wait_for(&steps.place, steps.lines());
        process.kill();
        let Store::Elasticsearch(double) = &steps.store else { unreachable!("it was made so") };
        double.set_mode(Mode::Always(Step::Accept));
        make_room(&disk.0);
    }
    let mut process = steps.daemon();
    steps.store.wait_for(&steps.place, steps.lines());
    settle(&mut process, "store");
    assert_eq!(process.terminate(), 0);
    steps.assert_once();
}
