//! A folder of a test's own: removed at the end.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use crate::support::generate::{self, Options};

/// The folder.
pub struct Place {
    /// Removed at the end; `None` where another owns it.
    dir: Option<TempDir>,
    root: PathBuf,
    /// Whether logs with stack traces were generated here.
    has_traces: AtomicBool,
}

impl Place {
    /// A new folder.
    pub fn new() -> Place {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let root = dir.path().canonicalize().expect("the folder has a path");
        Place { dir: Some(dir), root, has_traces: AtomicBool::new(false) }
    }

    /// The same folder once more, for a thread that only looks.
    pub fn beside(other: &Place) -> Place {
        Place { dir: None, root: other.root.clone(), has_traces: AtomicBool::new(other.has_traces()) }
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The same, as text for settings.
    pub fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// The state directory.
    pub fn state(&self) -> String {
        self.text("state")
    }

    /// The pods directory.
    pub fn pods(&self) -> String {
        self.text("pods")
    }

    /// Whether logs with stack traces were generated here: their account is line by line, so each line of these is to be an event.
    pub fn has_traces(&self) -> bool {
        self.has_traces.load(Ordering::Relaxed)
    }

    /// Writes generated logs below the pods directory.
    pub fn generate(&self, seed: u64, options: &Options) -> generate::Written {
        self.has_traces.store(true, Ordering::Relaxed);
        generate::write_tree(&self.path("pods"), seed, options).expect("the logs are written")
    }

    /// Writes a whole file.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        make_folder(&path);
        fs::write(&path, content).expect("a file is written");
        path
    }

    /// Appends to a file, which it makes where there is none.
    pub fn append(&self, name: &str, content: impl AsRef<[u8]>) {
        append(&self.path(name), content);
    }

    /// A file's text; nothing where it does not exist.
    pub fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.path(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Renames a file.
    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).expect("a file is renamed");
    }

    /// Removes a file.
    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).expect("a file is removed");
    }

    /// The settings file: `state_dir`, and what is given.
    pub fn settings(&self, rest: &str) -> PathBuf {
        self.write("tailwater.yaml", format!("state_dir: {}\n{rest}", self.state()))
    }
}

/// Appends to a file, which it makes where there is none.
pub fn append(path: &Path, content: impl AsRef<[u8]>) {
    make_folder(path);
    let mut file = OpenOptions::new().append(true).create(true).open(path).expect("a file is opened");
    file.write_all(content.as_ref()).expect("a file is written");
}

fn make_folder(path: &Path) {
    fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("a folder is made");
}
