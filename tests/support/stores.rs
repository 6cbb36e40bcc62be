//! Readers of what real stores hold, through the stores' own query interfaces.
//!
//! `tests/stores/run` builds and starts the stores and says where they are in the environment; a test that wants a
//! store with settings of its own starts one from the same build, and it ends with its guard. A reader panics when a
//! store does not answer as documented: there is nothing a test could do about it.

mod opensearch;
mod victorialogs;

pub use opensearch::{Document, OpenSearch};
pub use victorialogs::VictoriaLogs;

use std::collections::HashMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// The value that `tests/stores/run` exports.
fn required(variable: &str) -> String {
    env::var(variable).unwrap_or_else(|_| panic!("`{variable}` is not set\nhint: run tests/stores/run"))
}

/// One store process of a test's own; stopped on Drop.
pub struct Node {
    /// `http://127.0.0.1:PORT`
    url: String,
    /// Its data, log and process id. Under the run's folder, so that `run` ends it should this process die.
    dir: PathBuf,
    /// The build, which has `start` and `stop`.
    home: PathBuf,
    keep_data: bool,
}

impl Node {
    /// Starts a node over a fresh folder from the build named by `home_variable` and returns when it answers.
    fn start(home_variable: &str, arguments: &[String]) -> Node {
        static NODES: AtomicU32 = AtomicU32::new(0);
        let parent = env::var_os("TAILWATER_TEST_STORES_DIR").map_or_else(env::temp_dir, PathBuf::from);
        let number = NODES.fetch_add(1, Ordering::Relaxed);
        let dir = parent.join(format!("node-{}-{number}", std::process::id()));
        Node::start_over(PathBuf::from(required(home_variable)), dir, arguments)
    }

    fn start_over(home: PathBuf, dir: PathBuf, arguments: &[String]) -> Node {
        let output = Command::new(home.join("start"))
            .arg(&dir)
            .args(arguments)
            .output()
            .unwrap_or_else(|error| panic!("`{}`: {error}", home.join("start").display()));
        assert!(
            output.status.success(),
            "{} {arguments:?} failed: {}",
            home.join("start").display(),
            String::from_utf8_lossy(&output.stderr)
        );
        let said = String::from_utf8_lossy(&output.stdout);
        let said: HashMap<&str, &str> = said.lines().filter_map(|line| line.split_once('=')).collect();
        Node { url: said["url"].to_owned(), dir, home, keep_data: false }
    }

    /// Ends it with `signal` (`TERM`, `KILL`) and starts it again over the same data, on another port.
    fn restart(mut self, signal: &str, arguments: &[String]) -> Node {
        self.stop(signal);
        self.keep_data = true;
        Node::start_over(self.home.clone(), self.dir.clone(), arguments)
    }

    fn stop(&self, signal: &str) {
        // Nobody to tell: at worst `run` ends the node, for it looks through the same folder.
        _ = Command::new(self.home.join("stop")).arg(&self.dir).arg(signal).status();
    }

    fn log(&self) -> PathBuf {
        self.dir.join("log")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if !self.keep_data {
            self.stop("TERM");
            remove(&self.dir);
        }
    }
}

fn remove(dir: &Path) {
    // A leftover goes with the run's folder.
    _ = std::fs::remove_dir_all(dir);
}
