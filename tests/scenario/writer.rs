//! A container's life as the runtime and the kubelet make it: items appended as they are made, with rotation.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// One log file under rotation by rename, the oldest removed: as the kubelet does, but for the compression.
pub struct Rotated {
    path: PathBuf,
    file: File,
    written: u64,
    /// Rotated files, oldest first.
    old: VecDeque<PathBuf>,
    rotations: u32,
    /// Rotated at this size.
    size: u64,
    /// Rotated files that are kept.
    keep: usize,
}

impl Rotated {
    /// A new file.
    pub fn new(path: PathBuf, size: u64, keep: usize) -> Rotated {
        fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("a folder is made");
        let file = File::create(&path).expect("a file is made");
        Rotated { path, file, written: 0, old: VecDeque::new(), rotations: 0, size, keep }
    }

    /// Appends, and rotates where it is time.
    pub fn write(&mut self, bytes: &[u8]) {
        self.file.write_all(bytes).expect("a file is written");
        self.written += bytes.len() as u64;
        if self.written >= self.size {
            self.rotate();
        }
    }

    /// Renames the file and begins a new one; the writer goes on in the old one for a moment.
    pub fn rotate(&mut self) {
        while self.old.len() >= self.keep {
            let oldest = self.old.pop_front().expect("there is one");
            fs::remove_file(oldest).expect("the oldest is removed");
        }
        self.rotations += 1;
        let name = self.path.file_name().expect("a name").to_string_lossy().into_owned();
        // As the kubelet's times, with a number in place of the clock.
        let old = self.path.with_file_name(format!("{name}.20261123-{:06}", self.rotations));
        fs::rename(&self.path, &old).expect("the file is renamed");
        self.old.push_back(old);
        self.file = File::create(&self.path).expect("a file is made");
        self.written = 0;
    }

    /// How often it was rotated.
    pub fn rotations(&self) -> u32 {
        self.rotations
    }

    /// Where it is written.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
