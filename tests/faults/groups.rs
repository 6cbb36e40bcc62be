//! What the kernel gives out: memory, CPU time, inotify.

use std::fs;
use std::path::{Path, PathBuf};

use crate::scenario::figures::{self, Figures};
use crate::scenario::process::Metrics;
use crate::scenario::{Tailwater, bytes_of, patience};
use crate::support::doubles::loki::{Loki, Mode, Step};
use crate::world::{Steps, Store, rounds, settle};

/// A control group of memory and CPU, in either version; removed at the end.
struct Group(Vec<PathBuf>);

impl Group {
    fn new(name: &str, memory: u64, cpu_percent: Option<u64>) -> Group {
        let name = format!("tailwater-{name}-{}", std::process::id());
        let quota = cpu_percent.map(|percent| percent * 1_000);
        let set = |path: PathBuf, value: String| {
            fs::write(&path, value).unwrap_or_else(|error| panic!("{} is needed: {error}", path.display()));
        };
        let make = |folder: PathBuf| {
            fs::create_dir(&folder)
                .unwrap_or_else(|error| panic!("a control group {} is needed: {error}", folder.display()));
            folder
        };
        let root = Path::new("/sys/fs/cgroup");
        if root.join("cgroup.controllers").exists() {
            set(root.join("cgroup.subtree_control"), "+memory +cpu".to_owned());
            let folder = make(root.join(&name));
            let group = Group(vec![folder.clone()]);
            set(folder.join("memory.max"), memory.to_string());
            if let Some(quota) = quota {
                set(folder.join("cpu.max"), format!("{quota} 100000"));
            }
            return group;
        }
        let mut group = Group(vec![make(root.join("memory").join(&name))]);
        set(group.0[0].join("memory.limit_in_bytes"), memory.to_string());
        if let Some(quota) = quota {
            group.0.push(make(root.join("cpu").join(&name)));
            set(group.0[1].join("cpu.cfs_quota_us"), quota.to_string());
        }
        group
    }

    /// What starts a process in it.
    fn enter(&self) -> [String; 3] {
        let enter: Vec<String> =
            self.0.iter().map(|group| format!("echo $$ > {}/cgroup.procs", group.display())).collect();
        ["sh".to_owned(), "-c".to_owned(), format!("{} && exec \"$0\" \"$@\"", enter.join(" && "))]
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for group in &self.0 {
            // A process that just ended may still be on its way out of it.
            for _ in 0..1_000 {
                if fs::remove_dir(group).is_ok() {
                    break;
                }
                std::thread::yield_now();
            }
        }
    }
}

/// A backlog over two thousand files, in a group: everything arrives and nothing is killed.
fn backlog(name: &str, group: &Group, lines: u64) {
    let mut steps = Steps::new(Store::elasticsearch());
    steps.top = "memory_limit: 32MiB\n".to_owned();
    let names: Vec<String> = (0..2_000).map(|number| format!("{}/f{number}", number / 100)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    steps.write(&names, lines);
    let file = steps.place.settings(&steps.settings()).display().to_string();
    let mut process = Tailwater::with(&steps.place, ["run", "--config", &file]).through(group.enter()).start();
    steps.store.wait_for(&steps.place, steps.lines());
    settle(&mut process, "store");
    println!("{name}: {} lines, peak memory {:.1} MiB", steps.lines(), process.peak_memory() as f64 / 1048576.0);
    assert_eq!(process.terminate(), 0);
    steps.assert_once();
    assert_eq!(steps.repeats(), 0);
}

#[test]
fn sixty_four_mebibytes_of_memory() {
    backlog("64 MiB", &Group::new("memory", 64 << 20, None), if rounds(1) > 1 { 500 } else { 30 });
}

/// So much more than memory that all of it is read through it: `TAILWATER_TEST_BACKLOG` (such as `10GB`) over two thousand
/// files. The store takes everything and keeps nothing.
#[test]
fn sixty_four_mebibytes_of_memory_and_a_backlog() {
    let store = Loki::start();
    store.set_mode(Mode::Always(Step::status(204, "")));
    let mut steps = Steps::new(Store::Loki(store));
    let size = bytes_of("TAILWATER_TEST_BACKLOG", 100_000_000);
    steps.top = "memory_limit: 32MiB\n".to_owned();
    steps.filler = "x".repeat(980);
    let names: Vec<String> = (0..2_000).map(|number| format!("{}/f{number}", number / 100)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // Not held at once here either.
    for _ in 0..10 {
        steps.write(&names, size / 2_000 / 10 / 1_000);
    }
    let group = Group::new("backlog", 64 << 20, None);
    let file = steps.place.settings(&steps.settings()).display().to_string();
    let mut process = Tailwater::with(&steps.place, ["run", "--config", &file]).through(group.enter()).start();
    let (admin, lines) = (process.admin(), steps.lines());
    process.wait_until("all is delivered", patience(size), || {
        Metrics::of(&admin).of_pipeline("lines_delivered_total", "store") == lines
    });
    settle(&mut process, "store");
    println!("{size} bytes: {lines} lines, peak memory {:.1} MiB", process.peak_memory() as f64 / 1048576.0);
    let delivered = process.metrics().of_pipeline("lines_delivered_total", "store");
    figures::note("only", Figures { written: lines, delivered, repeated: 0, lost: 0 });
    assert_eq!(process.terminate(), 0);
}

#[test]
fn a_tenth_of_a_cpu() {
    backlog("10 % of a CPU", &Group::new("cpu", 256 << 20, Some(10)), 1);
}

/// The limits of a user namespace hold for it alone, so nobody else on the machine is disturbed.
fn without_inotify(limit: &str, said: &str) {
    let mut steps = Steps::new(Store::elasticsearch());
    steps.write(&["one/a", "two/b", "three/c"], 10);
    let file = steps.place.settings(&steps.settings()).display().to_string();
    let enter = format!("echo {limit} && exec \"$0\" \"$@\"");
    let by = ["unshare", "--user", "--map-root-user", "sh", "-c", &enter];
    let mut process = Tailwater::with(&steps.place, ["run", "--config", &file]).through(by).start();
    process.wait_for_log(said);
    steps.wait(&mut process);
    // New files in known folders and in new ones, growth, and a rotation.
    steps.write(&["one/a", "one/new", "four/d"], 10);
    steps.wait(&mut process);
    steps.place.rename("logs/one/a.log", "logs/one/a.log.1");
    steps.write(&["one/a"], 10);
    steps.wait(&mut process);
    assert_eq!(process.terminate(), 0);
    steps.assert_once();
    assert_eq!(steps.repeats(), 0);
}

#[test]
fn no_inotify_instance() {
    without_inotify("0 > /proc/sys/user/max_inotify_instances", "no inotify instance is left");
}

#[test]
fn two_inotify_watches() {
    without_inotify("2 > /proc/sys/user/max_inotify_watches", "fs.inotify.max_user_watches");
}
