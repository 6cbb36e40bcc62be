//! What rotates files, step by step, in the order of the real ones.

use std::fs::{self, File, FileTimes};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Compressed bytes.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    out.write_all(bytes).expect("compressed");
    out.finish().expect("compressed")
}

/// A file's path with something behind it.
pub(crate) fn with(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

/// Compresses a file as `gzip` does: in place, the uncompressed one is removed last.
pub(crate) fn compress(path: &Path) {
    let bytes = fs::read(path).expect("a file to compress");
    fs::write(with(path, ".gz"), gzip(&bytes)).expect("compressed");
    fs::remove_file(path).expect("the uncompressed one goes");
}

/// Nothing is left in a file.
pub(crate) fn truncate(path: &Path) {
    File::options().write(true).open(path).and_then(|file| file.set_len(0)).expect("truncated");
}

/// What logrotate does with `copytruncate`.
pub(crate) fn copy_and_truncate(path: &Path) {
    fs::copy(path, with(path, ".1")).expect("copied");
    truncate(path);
}

/// Says that a file was last written long ago.
pub(crate) fn make_old(path: &Path) {
    let times = FileTimes::new().set_modified(SystemTime::now() - Duration::from_secs(7200));
    File::options().write(true).open(path).and_then(|file| file.set_times(times)).expect("made old");
}

/// The kubelet and a container's runtime, at one log file.
pub(crate) struct Kubelet {
    path: PathBuf,
    /// The runtime's descriptor.
    file: File,
    max_files: usize,
    rotations: u32,
}

impl Kubelet {
    /// A container begins to log.
    pub(crate) fn new(path: PathBuf, max_files: usize) -> Kubelet {
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        let file = File::create_new(&path).expect("a new file");
        Kubelet { path, file, max_files, rotations: 0 }
    }

    /// The container logs.
    pub(crate) fn write(&mut self, text: &str) {
        self.file.write_all(text.as_bytes()).expect("written");
    }

    /// The rotated files, oldest first.
    pub(crate) fn rotated(&self) -> Vec<PathBuf> {
        let folder = self.path.parent().expect("a folder");
        let prefix = format!("{}.", self.path.file_name().expect("a name").to_string_lossy());
        let mut found: Vec<PathBuf> = fs::read_dir(folder)
            .expect("the folder is there")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix)))
            .collect();
        found.sort();
        found
    }

    /// Removes what is left of earlier work and the oldest, compresses, renames. The runtime still writes to the file.
    pub(crate) fn rename(&mut self) {
        for path in self.rotated() {
            let is_left = path.extension().is_some_and(|extension| extension == "tmp") || with(&path, ".gz").exists();
            if is_left {
                fs::remove_file(path).expect("removed");
            }
        }
        let rotated = self.rotated();
        let surplus = (rotated.len() + 2).saturating_sub(self.max_files);
        rotated[..surplus].iter().for_each(|path| fs::remove_file(path).expect("the oldest is removed"));
        for path in self.rotated().iter().filter(|path| path.extension().is_none_or(|extension| extension != "gz")) {
            let tmp = with(path, ".tmp");
            fs::write(&tmp, gzip(&fs::read(path).expect("a rotated file"))).expect("compressed");
            fs::rename(tmp, with(path, ".gz")).expect("renamed");
            fs::remove_file(path).expect("the uncompressed one goes");
        }
        self.rotations += 1;
        let rotated = with(&self.path, &format!(".20261123-{:06}", self.rotations));
        fs::rename(&self.path, rotated).expect("renamed");
    }

    /// The runtime begins a new file.
    pub(crate) fn reopen(&mut self) {
        self.file = File::create_new(&self.path).expect("a new file");
    }
}

/// logrotate and docker: `.1` is the newest. Moves each file on by one; what then is `.1` does not exist.
pub(crate) fn shift(path: &Path, most: u32) {
    for number in (1..most).rev() {
        for suffix in ["", ".gz"] {
            let (from, to) = (format!(".{number}{suffix}"), format!(".{}{suffix}", number + 1));
            if with(path, &from).exists() {
                fs::rename(with(path, &from), with(path, &to)).expect("moved on");
            }
        }
    }
    for suffix in ["", ".gz"] {
        let surplus = with(path, &format!(".{most}{suffix}"));
        if surplus.exists() && most > 1 {
            fs::remove_file(surplus).expect("the oldest is removed");
        }
    }
}
