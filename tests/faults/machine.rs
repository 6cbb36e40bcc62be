//! A clock that is set, and a file system that tells nobody of changes.

use std::fs;
use std::path::{Path, PathBuf};

use crate::run;
use crate::scenario::{PATIENCE, Place, Tailwater};
use crate::support::time;
use crate::world::{Steps, Store};

/// A file that says how far the program's clock is from the machine's, beside the monotonic clock, which is not set.
struct Clock {
    file: PathBuf,
    library: String,
}

impl Clock {
    fn new(place: &Place) -> Clock {
        let folders = fs::read_dir("/usr/lib").expect("a folder").flatten().map(|entry| entry.path());
        let mut libraries = folders.map(|folder| folder.join("faketime/libfaketime.so.1"));
        let library = libraries.find(|library| library.exists()).expect("Debian's package faketime is needed");
        let clock = Clock { file: place.path("clock"), library: library.display().to_string() };
        clock.set("+0");
        clock
    }

    /// From now on: `+2h`, `-30m`, `+1d`. Renamed into place, since it is read at every look at the clock.
    fn set(&self, offset: &str) {
        let next = self.file.with_extension("next");
        fs::write(&next, offset).expect("written");
        fs::rename(next, &self.file).expect("renamed");
    }

    fn start(&self, steps: &Steps) -> Tailwater {
        let file = steps.place.settings(&steps.settings()).display().to_string();
        let run = Tailwater::with(&steps.place, ["run", "--config", &file]);
        let run = run.variable("LD_PRELOAD", &self.library).variable("FAKETIME_NO_CACHE", "1");
        let run = run.variable("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        run.variable("FAKETIME_TIMESTAMP_FILE", &self.file.display().to_string()).start()
    }
}

/// So many lines with their runtime's times, a minute apart, the last an hour before the machine's now.
fn write_with_times(steps: &mut Steps, log: &str, lines: u64) {
    let count = steps.written.entry(log.to_owned()).or_default();
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970");
    let start = i64::try_from(since.as_nanos()).expect("a clock before 2262") - 3_600_000_000_000;
    let line = |number: u64| {
        format!("{} stdout F <{log}={number}> a line\n", time::rfc3339(start + number as i64 * 1_000_000))
    };
    let text: String = (*count..*count + lines).map(line).collect();
    steps.place.append(&format!("logs/{log}.log"), text);
    *count += lines;
}

/// The clock is set while lines flow, between a kill and a start, and while logs are rotated and compressed.
fn with_clock(store: Store, offsets: &[&str], plain: &[&str]) {
    let mut steps = Steps::new(store);
    let clock = Clock::new(&steps.place);
    let mut process = clock.start(&steps);
    for (round, offset) in offsets.iter().enumerate() {
        steps.write(plain, 50);
        write_with_times(&mut steps, "timed", 50);
        clock.set(offset);
        steps.write(plain, 50);
        write_with_times(&mut steps, "timed", 50);
        steps.wait(&mut process);
        let line = process.said().lines().last().expect("it said something").to_owned();
        println!("{offset}: {}", line.split(',').next().unwrap_or_default());
        write_with_times(&mut steps, "timed", 50);
        if round % 2 == 0 {
            process.kill();
            process = clock.start(&steps);
        } else {
            let (from, to) = ("logs/timed.log".to_owned(), format!("logs/timed.log.20261123-{round:06}"));
            steps.place.rename(&from, &to);
            run("gzip", &[&steps.place.text(&to)]);
        }
    }
    steps.wait(&mut process);
    // Its clock was the one that was set.
    clock.set("+400d");
    assert_eq!(process.terminate(), 0);
    let last = process.said().lines().last().expect("it said something").to_owned();
    let last: serde_json::Value = serde_json::from_str(&last).expect("JSON");
    let said = time::parse_rfc3339(last["timestamp"].as_str().expect("a time")).expect("a time");
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970");
    assert!(said > since.as_nanos() as i64 + 399 * 86_400_000_000_000, "{last}");
    steps.assert_once();
}

#[test]
fn the_clock_is_set_back_and_forward_into_elasticsearch() {
    with_clock(Store::elasticsearch(), &["-2h", "+0", "+1d", "-1d", "+300d", "-300d"], &["a", "b"]);
}

/// Lines with a time of their own are not touched by it; those without get a time that Loki takes.
#[test]
fn the_clock_is_set_back_and_forward_into_loki() {
    with_clock(Store::loki(), &["-10m", "+5m", "-30m", "+0"], &["a", "b"]);
    with_clock(Store::loki(), &["-2h", "+0", "+1d", "-1d", "+300d", "-300d"], &[]);
}

/// The same files at another place, where changes made here are seen, and told to nobody: as on a network's.
struct Silent(PathBuf);

impl Silent {
    fn new(from: &Path, at: &Path) -> Silent {
        fs::create_dir_all(from).and_then(|()| fs::create_dir_all(at)).expect("folders");
        let never = "attr_timeout=0,entry_timeout=0,negative_timeout=0";
        run("bindfs", &["-o", never, &from.display().to_string(), &at.display().to_string()]);
        Silent(at.to_owned())
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // The mount namespace's end takes it away in any case.
        _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_file_system_that_tells_of_no_changes() {
    let mut steps = Steps::new(Store::elasticsearch());
    let (from, at) = (steps.place.path("logs"), steps.place.path("seen"));
    let _silent = Silent::new(&from, &at);
    steps.write(&["one/a", "two/b"], 10);
    let settings = steps.settings().replace("/logs/", "/seen/");
    let mut process = Tailwater::daemon(&steps.place, &settings);
    steps.wait(&mut process);
    // An idle file has a watch for its next byte, which is never told of.
    let (id, folders) = (process.id(), watches(process.id()));
    process.wait_until("both files are watched", PATIENCE, || watches(id) >= folders + 2);
    for round in 0..3 {
        // Growth, new files in known folders and in new ones, a rotation with compression, a deletion.
        steps.write(&["one/a", "two/b"], 10);
        steps.wait(&mut process);
        let new = [format!("one/new{round}"), format!("three{round}/c")];
        steps.write(&new.each_ref().map(String::as_str), 10);
        steps.wait(&mut process);
        let rotated = format!("logs/one/a.log.20261123-{round:06}");
        steps.place.rename("logs/one/a.log", &rotated);
        steps.write(&["one/a"], 10);
        run("gzip", &[&steps.place.text(&rotated)]);
        steps.place.remove(&format!("logs/one/new{round}.log"));
        steps.wait(&mut process);
    }
    assert_eq!(process.terminate(), 0);
    steps.assert_once();
    assert_eq!(steps.repeats(), 0);
}

/// How many inotify watches a process has.
fn watches(process: u32) -> usize {
    let descriptors = fs::read_dir(format!("/proc/{process}/fdinfo")).expect("the process is there").flatten();
    // One may be closed meanwhile.
    let texts = descriptors.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    texts.map(|text| text.lines().filter(|line| line.starts_with("inotify wd:")).count()).sum()
}
