//! A store that is down while a container writes and its log is rotated: nothing is lost, memory stays within the limit,
//! and the catching up can be seen.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::common::{
    LIMIT, assert_balanced, assert_balanced_now, assert_each_once, assert_memory, cri_line, follow, follow_with,
    lines_of, long, number, numbers, pipeline, quick, status,
};
use crate::scenario::figures::{self, Figures};
use crate::scenario::process::Metrics;
use crate::scenario::writer::Rotated;
use crate::scenario::{PATIENCE, Place, Tailwater, bytes, bytes_of, wait_until};
use crate::support::doubles::elasticsearch::{Elasticsearch, Mode};

/// The kubelet's own numbers.
const FILES: usize = 5;
const FULL_FILE: u64 = 10 << 20;
const FULL_RATE: u64 = 5_000_000;
/// From this size on it goes at full scale and at a container's pace.
const FULL: u64 = 100_000_000;

/// A writer that never rotates a file away that was not opened: what had no chance to be seen is another test's.
struct Container {
    log: Rotated,
    written: u64,
    began: Instant,
    paced: bool,
}

impl Container {
    fn write(&mut self, lines: u64, process: &mut Tailwater) {
        for _ in 0..lines {
            let rotations = self.log.rotations();
            self.log.write(cri_line(self.written).as_bytes());
            self.written += 1;
            if self.log.rotations() > rotations {
                // The file is empty at first and known by its first line.
                self.log.write(cri_line(self.written).as_bytes());
                self.written += 1;
                let (id, path) = (process.id(), self.log.path().to_owned());
                process.wait_until("the new file is open", PATIENCE, || has_open(id, &path));
            }
            if self.paced && self.written.is_multiple_of(1_000) {
                let due = Duration::from_secs_f64(self.written as f64 * cri_line(0).len() as f64 / FULL_RATE as f64);
                // Not what decides: a container's pace.
                wait_until("the time for the next line", PATIENCE, || self.began.elapsed() >= due);
            }
        }
    }
}

/// Whether the process holds a descriptor of this very file.
fn has_open(id: u32, path: &Path) -> bool {
    let inode = |path: &Path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).ok(); // Closed meanwhile.
    let wanted = inode(path);
    let descriptors = fs::read_dir(format!("/proc/{id}/fd")).expect("the process is there");
    descriptors.flatten().any(|entry| inode(&entry.path()) == wanted)
}

#[test]
fn a_store_that_is_down_while_logs_are_rotated() {
    let (place, store) = (Place::new(), Elasticsearch::start());
    store.set_mode(Mode::Refuse);
    let size = bytes(6 << 20);
    let file = if size >= FULL { FULL_FILE } else { size / 12 };
    let mut process = follow(
        &place,
        &format!("store: {{ type: elasticsearch, url: '{}', retry: {{ min: 10ms, max: 200ms }} }}", store.url()),
    );
    let admin = process.admin();
    let mut container = Container {
        log: Rotated::new(place.path("logs/shop/0.log"), file, FILES - 1),
        written: 0,
        began: Instant::now(),
        paced: size >= FULL,
    };
    container.write(lines_of(size), &mut process);
    assert!(container.log.rotations() as usize > FILES, "files were deleted that the store had not got");
    let down = container.began.elapsed();
    assert_memory(&process, LIMIT);
    assert_balanced_now(&admin, &["store"]);
    let before = Metrics::of(&admin);
    assert_eq!(before.of_pipeline("lines_delivered_total", "store"), 0);
    let whole = before.of_pipeline("lag_bytes", "store");
    assert_eq!(whole, container.written * cri_line(0).len() as u64, "the lag is all that was written, rotated or not");
    assert!(before.of_pipeline("requests_total", "store") > 0);
    let words = pipeline(&status(&admin), "store")["last_error"]["words"].as_str().map(str::to_owned);
    assert!(words.is_some_and(|words| !words.is_empty()), "why is said");

    // The store is back, and the container goes on.
    let began = Instant::now();
    store.recover();
    container.write(lines_of(size) / 10, &mut process);
    let lines = container.written;
    let mut lags = vec![whole];
    process.wait_until("all is stored", long(size), || {
        lags.push(Metrics::of(&admin).of_pipeline("lag_bytes", "store"));
        store.look(|state| state.stored()) == lines
    });
    let took = began.elapsed();
    assert!(lags.iter().any(|lag| *lag > 0 && *lag < whole), "the catching up can be seen: {lags:?}");
    assert_balanced(&mut process, &["store"], lines);
    let after = Metrics::of(&admin);
    assert_eq!(after.of_pipeline("lag_bytes", "store"), 0);
    assert_eq!(after.of_pipeline("unreachable_bytes_total", "store"), 0);
    store.look(|state| {
        assert_each_once(state, lines);
        assert_eq!(state.repeats(), 0);
    });
    assert_memory(&process, LIMIT);
    println!(
        "{} MB in {} files, {:.1} s down, caught up in {:.1} s",
        whole / 1_000_000,
        container.log.rotations() + 1,
        down.as_secs_f64(),
        took.as_secs_f64()
    );
    assert_eq!(process.terminate(), 0);
}

/// Down for longer than deleted files are held: what was let go of is counted, byte for byte, and everything else arrives.
/// `TAILWATER_TEST_OUTAGE` (such as `9GB`, which is half an hour at a container's pace) makes it as long as one likes.
#[test]
fn a_store_that_is_down_for_longer_than_files_are_held() {
    let (place, store) = (Place::new(), Elasticsearch::start());
    store.set_mode(Mode::Refuse);
    let size = bytes_of("TAILWATER_TEST_OUTAGE", 6 << 20);
    let file = if size >= FULL { FULL_FILE } else { size / 24 };
    let held = if size >= FULL { 1 << 30 } else { file * 8 };
    let sink = format!("store: {{ type: elasticsearch, url: '{}', retry: {{ min: 10ms, max: 200ms }} }}", store.url());
    let mut process = follow_with(&place, &format!("hold_deleted_bytes: {held}B\n"), &sink);
    let admin = process.admin();
    let mut container = Container {
        log: Rotated::new(place.path("logs/shop/0.log"), file, FILES - 1),
        written: 0,
        began: Instant::now(),
        paced: size >= FULL,
    };
    container.write(lines_of(size), &mut process);
    assert_memory(&process, LIMIT);
    store.recover();
    container.write(lines_of(size) / 10, &mut process);
    let written = container.written * cri_line(0).len() as u64;
    let unreachable = || Metrics::of(&admin).of_pipeline("unreachable_bytes_total", "store");
    process.wait_until("all is stored or counted", long(size), || {
        store.look(|state| state.stored()) * cri_line(0).len() as u64 + unreachable() == written
    });
    assert!(size >= FULL || unreachable() > 0, "files were let go of");
    let lines = store.look(|state| state.stored());
    assert_balanced(&mut process, &["store"], lines);
    let seen = store.look(|state| numbers(state, container.written));
    assert!(seen.iter().all(|count| *count <= 1), "no line is there twice");
    assert_eq!(Metrics::of(&admin).of_pipeline("lag_bytes", "store"), 0);
    let repeated = store.look(|state| state.repeats());
    figures::note(&admin, Figures { written: container.written, delivered: lines, repeated, lost: 0 });
    figures::note_unreachable(process.id(), unreachable());
    println!(
        "{written} bytes in {} files = {} delivered + {} unreachable",
        container.log.rotations() + 1,
        written - unreachable(),
        unreachable()
    );
    assert_eq!(process.terminate(), 0);
}

/// Lag has an age: the oldest line that is not settled, by its own time; and progress is told apart from idleness.
#[test]
fn lag_and_progress_tell_a_stuck_store_from_an_idle_one() {
    let (place, store) = (Place::new(), Elasticsearch::start());
    let sink = format!("store: {{ type: elasticsearch, url: '{}', {} }}", store.url(), quick());
    let mut process = follow(&place, &sink);
    let admin = process.admin();
    place.append("logs/a.log", cri_line(0));
    assert!(store.wait_until(PATIENCE, |state| state.stored() == 1), "it is stored");
    assert_balanced(&mut process, &["store"], 1);
    let idle = pipeline(&status(&admin), "store");
    assert_eq!((number(&idle["lag"]["bytes"]), idle["lag"]["seconds"].as_f64()), (0, Some(0.0)), "{idle}");
    assert_eq!(idle["seconds_since_progress"].as_f64(), Some(0.0), "{idle}");
    store.set_mode(Mode::Refuse);
    let old = "2020-01-01T00:00:00Z stdout F n=1 an old line\n";
    place.append("logs/a.log", old);
    process.wait_until("it is seen that nothing moves", PATIENCE, || {
        let stuck = pipeline(&status(&admin), "store");
        stuck["seconds_since_progress"].as_f64().is_some_and(|seconds| seconds > 0.2)
            && stuck["lag"]["seconds"].as_f64().is_some_and(|seconds| seconds > 365.0 * 86_400.0)
            && number(&stuck["lag"]["bytes"]) == old.len() as u64
    });
    let origins = pipeline(&status(&admin), "store")["origins"].clone();
    assert_eq!(origins[0]["path"], place.text("logs/a.log"), "{origins}");
    assert_eq!(number(&origins[0]["offset"]), cri_line(0).len() as u64, "{origins}");
    store.recover();
    assert_balanced(&mut process, &["store"], 2);
    assert_eq!(process.terminate(), 0);
}
