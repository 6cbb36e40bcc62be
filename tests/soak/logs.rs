//! The logs: numbered lines, and every way in which a log's file is changed under its reader.
//!
//! Invariant: a line's number is written once. A file is removed only when every sink has its lines, or when its removal
//! is what is played.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::scenario::Place;
use crate::support::time;

/// Bytes of a plain line, so that unreachable bytes are so many lines.
pub(crate) const LINE: u64 = 80;
/// The kubelet's rotation begins at this size.
const ROTATE_AT: u64 = 40_000;
/// Rotated files that stay.
const KEEP: usize = 4;

/// A log that is written.
pub(crate) struct Log {
    /// It stands in every line, with the line's number.
    pub(crate) name: String,
    /// How many lines were written.
    pub(crate) count: u64,
    path: PathBuf,
    /// As a container runtime writes it.
    cri: bool,
    file: File,
    /// Bytes of the file that is written.
    written: u64,
    /// Rotated files, oldest first, and the number behind their last line.
    old: VecDeque<(PathBuf, u64)>,
    rotations: u32,
}

impl Log {
    /// A container's log.
    pub(crate) fn container(place: &Place, name: &str) -> Log {
        Log::new(name, place.path(&format!("pods/shop_{name}-0_uid-{name}/app/0.log")), true)
    }

    /// A log of plain lines without times.
    pub(crate) fn plain(place: &Place, name: &str) -> Log {
        Log::new(name, place.path(&format!("plain/{name}.log")), false)
    }

    fn new(name: &str, path: PathBuf, cri: bool) -> Log {
        fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("a folder is made");
        let file = made(&path);
        Log { name: name.to_owned(), count: 0, path, cri, file, written: 0, old: VecDeque::new(), rotations: 0 }
    }

    /// One more line.
    pub(crate) fn write(&mut self) {
        let line = if self.cri {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
            let now = i64::try_from(since.as_nanos()).expect("a clock before 2262");
            let filler = "x".repeat((self.count * 37 % 150) as usize);
            format!("{} stdout F <{}={}> {filler}\n", time::rfc3339(now), self.name, self.count)
        } else {
            plain(&self.name, self.count)
        };
        self.file.write_all(line.as_bytes()).expect("a line is written");
        self.written += line.len() as u64;
        self.count += 1;
    }

    /// As the kubelet does it, where it is time: the oldest rotation goes, raw ones are compressed, the file is renamed.
    /// `has` says below which number every sink has all lines.
    pub(crate) fn rotate_if_due(&mut self, has: impl Fn() -> u64) {
        if self.written < ROTATE_AT {
            return;
        }
        if self.old.len() >= KEEP && has() >= self.old[0].1 {
            let (path, _) = self.old.pop_front().expect("there is one");
            fs::remove_file(path).expect("the oldest is removed");
        }
        for (path, _) in &mut self.old {
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
        self.rotations += 1;
        // As the kubelet's times, with a number in place of the clock.
        let old = PathBuf::from(format!("{}.20261123-{:06}", self.path.display(), self.rotations));
        fs::rename(&self.path, &old).expect("the file is renamed");
        self.old.push_back((old, self.count));
        self.begin();
    }

    /// As logrotate's `copytruncate` does it: earlier copies move on, the file is copied and truncated.
    pub(crate) fn copy_and_truncate(&mut self, has: impl Fn() -> u64) {
        if self.old.len() >= KEEP {
            if has() < self.old[0].1 {
                return;
            }
            let (path, _) = self.old.pop_front().expect("there is one");
            fs::remove_file(path).expect("the oldest is removed");
        }
        let copies = self.old.len();
        for (place, (path, _)) in self.old.iter_mut().enumerate() {
            let moved = PathBuf::from(format!("{}.{}", self.path.display(), copies - place + 1));
            fs::rename(&*path, &moved).expect("a copy moves on");
            *path = moved;
        }
        let copy = PathBuf::from(format!("{}.1", self.path.display()));
        fs::copy(&self.path, &copy).expect("the file is copied");
        self.old.push_back((copy, self.count));
        self.truncate();
    }

    /// Truncated, and nobody has made a copy.
    pub(crate) fn truncate(&mut self) {
        self.file.set_len(0).expect("the file is truncated");
        self.written = 0;
    }

    /// Removed, and begun anew.
    pub(crate) fn remove(&mut self) {
        fs::remove_file(&self.path).expect("the file is removed");
        self.begin();
    }

    fn begin(&mut self) {
        self.file = made(&self.path);
        self.written = 0;
    }
}

/// A plain line of [`LINE`] bytes.
pub(crate) fn plain(name: &str, number: u64) -> String {
    let tag = format!("<{name}={number}> ");
    format!("{tag}{}\n", "x".repeat(LINE as usize - tag.len() - 1))
}

fn made(path: &PathBuf) -> File {
    File::options().append(true).create(true).open(path).expect("a file is made")
}
