//! The containers' files, as their runtimes and the kubelet treat them, and which lines they hold.
//!
//! Invariant: a line stands in one file only, and the world knows in which, under whatever name.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::CONTAINERS;
use crate::scenario::Place;

/// All containers.
pub(crate) struct World {
    containers: Vec<Container>,
    /// Counts lines and rotations over all containers, so that names and times only grow.
    clock: u64,
}

/// One container.
struct Container {
    folder: PathBuf,
    /// Copied and truncated, in place of renamed.
    copies: bool,
    restart: u32,
    /// The lines of the file that is written.
    live: Vec<String>,
    /// Rotated files, oldest first, and their lines.
    old: Vec<(PathBuf, Vec<String>)>,
    /// Files of earlier lives, which stay.
    past: Vec<String>,
    /// The other half of a line that is begun.
    half: Option<String>,
}

impl World {
    /// Nothing is written yet.
    pub(crate) fn new(place: &Place) -> World {
        let container = |number: usize| Container {
            folder: place.path(&format!("pods/shop_pod-{number}_uid-{number}/app")),
            copies: number == CONTAINERS - 1,
            restart: 0,
            live: Vec::new(),
            old: Vec::new(),
            past: Vec::new(),
            half: None,
        };
        World { containers: (0..CONTAINERS).map(container).collect(), clock: 0 }
    }

    /// The lines that stand in some file.
    pub(crate) fn lines(&self) -> BTreeSet<String> {
        let of = |container: &Container| {
            let old = container.old.iter().flat_map(|(_, lines)| lines.clone());
            container.live.iter().cloned().chain(old).chain(container.past.clone()).collect::<Vec<_>>()
        };
        self.containers.iter().flat_map(of).collect()
    }

    /// A container writes whole lines.
    pub(crate) fn write(&mut self, number: usize, lines: u16) {
        let mut text = self.containers[number].half.take().unwrap_or_default();
        for _ in 0..lines {
            let (name, line) = self.line(number);
            text.push_str(&line);
            self.containers[number].live.push(name);
        }
        self.containers[number].append(&text);
    }

    /// A container writes half a line.
    pub(crate) fn half(&mut self, number: usize) {
        if self.containers[number].half.is_some() {
            return;
        }
        let (name, line) = self.line(number);
        let (first, second) = line.split_at(line.len() / 2);
        let container = &mut self.containers[number];
        container.append(first);
        container.half = Some(second.to_owned());
        container.live.push(name);
    }

    /// Ends lines that are begun.
    pub(crate) fn finish(&mut self) {
        for container in &mut self.containers {
            if let Some(half) = container.half.take() {
                container.append(&half);
            }
        }
    }

    fn line(&mut self, number: usize) -> (String, String) {
        self.clock += 1;
        let (seconds, millis) = (self.clock / 1000, self.clock % 1000);
        let name = format!("c{number}-{}", self.clock);
        let padding = "x".repeat(self.clock as usize % 97);
        let time =
            format!("2026-11-24T{:02}:{:02}:{:02}.{millis:03}Z", seconds / 3600, seconds / 60 % 60, seconds % 60);
        let line = format!("{time} stdout F {name} {padding}\n");
        (name, line)
    }

    /// A log is rotated; a file that does not exist or holds nothing is not.
    pub(crate) fn rotate(&mut self, number: usize) {
        self.clock += 1;
        let clock = self.clock;
        let container = &mut self.containers[number];
        // A runtime ends its line before it opens a new file.
        if let Some(half) = container.half.take() {
            container.append(&half);
        }
        if container.live.is_empty() {
            return;
        }
        let lines = std::mem::take(&mut container.live);
        let live = container.path();
        if container.copies {
            for (path, _) in &mut container.old {
                let renamed = next_count(path);
                fs::rename(&*path, &renamed).expect("a rotation is renamed");
                *path = renamed;
            }
            let copy = PathBuf::from(format!("{}.1", live.display()));
            fs::copy(&live, &copy).expect("the log is copied");
            File::options().write(true).open(&live).and_then(|file| file.set_len(0)).expect("the log is truncated");
            container.old.push((copy, lines));
        } else {
            let renamed = PathBuf::from(format!("{}.20261124-{clock:06}", live.display()));
            fs::rename(&live, &renamed).expect("the log is renamed");
            container.old.push((renamed, lines));
        }
    }

    /// Raw rotations are compressed as the kubelet does it: beside, renamed, the raw one removed.
    pub(crate) fn compress(&mut self, number: usize) {
        for (path, _) in &mut self.containers[number].old {
            if path.extension().is_some_and(|extension| extension == "gz") {
                continue;
            }
            let temporary = PathBuf::from(format!("{}.tmp", path.display()));
            let compressed = PathBuf::from(format!("{}.gz", path.display()));
            let mut out = GzEncoder::new(File::create(&temporary).expect("a file is made"), Compression::fast());
            out.write_all(&fs::read(&*path).expect("a rotation is read")).expect("it is compressed");
            out.finish().expect("it is compressed");
            fs::rename(&temporary, &compressed).expect("it gets its name");
            fs::remove_file(&*path).expect("the raw one is removed");
            *path = compressed;
        }
    }

    /// The oldest rotation is removed; its lines.
    pub(crate) fn remove(&mut self, number: usize) -> Vec<String> {
        let container = &mut self.containers[number];
        if container.old.is_empty() {
            return Vec::new();
        }
        let (path, lines) = container.old.remove(0);
        fs::remove_file(path).expect("a rotation is removed");
        lines
    }

    /// A log is truncated in place: its lines, a begun one too, stand nowhere any more.
    pub(crate) fn truncate(&mut self, number: usize) {
        let container = &mut self.containers[number];
        (container.half, container.live) = (None, Vec::new());
        // A log that was not begun is not there.
        if container.path().exists() {
            File::options()
                .write(true)
                .open(container.path())
                .and_then(|file| file.set_len(0))
                .expect("it is truncated");
        }
    }

    /// A log is removed while it is written.
    pub(crate) fn delete(&mut self, number: usize) {
        let container = &mut self.containers[number];
        (container.half, container.live) = (None, Vec::new());
        if container.path().exists() {
            fs::remove_file(container.path()).expect("it is removed");
        }
    }

    /// A container is started again.
    pub(crate) fn restart(&mut self, number: usize) {
        let container = &mut self.containers[number];
        if let Some(half) = container.half.take() {
            container.append(&half);
        }
        let old = std::mem::take(&mut container.old).into_iter().flat_map(|(_, lines)| lines);
        container.past.extend(old);
        container.past.append(&mut container.live);
        container.restart += 1;
    }
}

impl Container {
    fn path(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.restart))
    }

    fn append(&self, text: &str) {
        crate::scenario::place::append(&self.path(), text);
    }
}

/// `0.log.1` → `0.log.2`, `0.log.1.gz` → `0.log.2.gz`.
fn next_count(path: &std::path::Path) -> PathBuf {
    let text = path.display().to_string();
    let (text, gz) = text.strip_suffix(".gz").map_or((text.as_str(), ""), |text| (text, ".gz"));
    let (base, count) = text.rsplit_once('.').expect("a count");
    PathBuf::from(format!("{base}.{}{gz}", count.parse::<u32>().expect("a count") + 1))
}
