//! What settings depend on outside of their file: the environment, terminals, the memory limit, what a path is.
//!
//! **Invariant**: the rest of `config` sees the world through a [`Machine`] only, so a test is a machine of its own.
#![expect(clippy::disallowed_methods, reason = "this is where `config` looks at the world")]

use std::env;
use std::fs;
use std::io::{IsTerminal as _, stderr, stdout};
use std::path::{Path, PathBuf};

use super::vars::Env;
use crate::deliver::secret::Source;

/// The world around the settings.
#[derive(Clone, Copy)]
pub struct Machine<'a> {
    /// Looks a variable of the environment up.
    pub env: Env<'a>,
    /// All variables of the environment, as names and values.
    pub variables: &'a dyn Fn() -> Vec<(String, String)>,
    /// What stands at a path.
    pub what_is: &'a dyn Fn(&Path) -> Found,
    /// What a file holds that is a secret; why it cannot be had.
    pub secret: &'a dyn Fn(&str) -> Result<String, String>,
    /// The memory limit of the cgroup, if it has one.
    pub memory: Option<u64>,
    /// The CPUs that this process may use, by its affinity and its cgroup's quota; at least one.
    pub cpus: usize,
    /// Whether stdout is a terminal.
    pub stdout_terminal: bool,
    /// Whether stderr is a terminal.
    pub stderr_terminal: bool,
}

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A directory laid out as the kubelet's pods directory.
    Pods,
    /// Another directory.
    Directory,
    /// A file, or nothing (yet).
    Other,
}

impl Machine<'static> {
    /// The machine that this process runs on.
    pub fn real() -> Self {
        Self {
            env: &|name| env::var(name).ok(), // Not UTF-8 is as good as not set: no setting could use it.
            variables: &variables,
            what_is: &what_is,
            secret: &|path| Source::File(path.into()).read().map(|secret| secret.reveal().to_owned()),
            memory: memory_limit(&|path| fs::read_to_string(path).ok()), // Not readable: not limited, as far as we know.
            cpus: std::thread::available_parallelism().map_or(1, usize::from), // Not to be told: one is there.
            stdout_terminal: stdout().is_terminal(),
            stderr_terminal: stderr().is_terminal(),
        }
    }
}

/// What is not UTF-8 is shown as such to whoever reads it: no setting could use it.
fn variables() -> Vec<(String, String)> {
    let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
    env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
}

/// Looks at a path. A directory named `pods`, or with a folder `namespace_pod_uid` in it, is a pods directory.
fn what_is(path: &Path) -> Found {
    if !path.is_dir() {
        return Found::Other;
    }
    let is_pod = |name: &str| name.split('_').count() == 3 && name.split('_').all(|part| !part.is_empty());
    let has_pods = || {
        fs::read_dir(path).is_ok_and(|entries| {
            entries.flatten().any(|entry| entry.file_name().to_str().is_some_and(is_pod) && entry.path().is_dir())
        })
    };
    if path.file_name().is_some_and(|name| name == "pods") || has_pods() { Found::Pods } else { Found::Directory }
}

/// The smallest memory limit of this process's cgroup and those above it. `read` reads a file.
///
/// cgroup v2: `0::/path` → `/sys/fs/cgroup/path/memory.max`; v1: `5:memory:/path` →
/// `/sys/fs/cgroup/memory/path/memory.limit_in_bytes`. In a container the path is often that of the host, so the
/// walk up to the root finds the container's own limit.
fn memory_limit(read: &dyn Fn(&Path) -> Option<String>) -> Option<u64> {
    let groups = read(Path::new("/proc/self/cgroup"))?;
    let limit_of = |line: &str| {
        let mut parts = line.splitn(3, ':');
        let (root, file) = match (parts.next()?, parts.next()?) {
            ("0", "") => ("/sys/fs/cgroup", "memory.max"),
            (_, controllers) if controllers.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let group: PathBuf = Path::new(parts.next()?).components().skip(1).collect();
        group.ancestors().filter_map(|group| parse_limit(&read(&Path::new(root).join(group).join(file))?)).min()
    };
    groups.lines().filter_map(limit_of).min()
}

/// `max` and the huge numbers of cgroup v1 (pages up to 2⁶³) are no limit.
fn parse_limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|limit| (1..1 << 60).contains(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)], expected: Option<u64>) {
        let read = |path: &Path| {
            files.iter().find(|(name, _)| Path::new(name) == path).map(|(_, content)| (*content).to_owned())
        };
        assert_eq!(memory_limit(&read), expected, "{files:?}");
    }

    #[test]
    fn memory_limits() {
        check(&[], None);
        check(&[("/proc/self/cgroup", "0::/\n"), ("/sys/fs/cgroup/memory.max", "134217728\n")], Some(128 << 20));
        check(&[("/proc/self/cgroup", "0::/a/b\n"), ("/sys/fs/cgroup/a/b/memory.max", "max\n")], None);
        check(
            &[
                ("/proc/self/cgroup", "0::/a/b\n"),
                ("/sys/fs/cgroup/a/b/memory.max", "300\n"),
                ("/sys/fs/cgroup/a/memory.max", "200\n"),
            ],
            Some(200),
        );
        check(
            &[
                ("/proc/self/cgroup", "5:cpu,memory:/docker/x\n1:name=systemd:/docker/x\n"),
                ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "100\n"),
            ],
            Some(100),
        );
        check(
            &[
                ("/proc/self/cgroup", "5:memory:/\n"),
                ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ],
            None,
        );
    }

    #[test]
    fn paths() {
        let dir = tempfile::tempdir().expect("a directory");
        let logs = dir.path().join("logs");
        fs::create_dir_all(logs.join("shop_cart-1_uid")).expect("a directory");
        fs::create_dir_all(dir.path().join("pods")).expect("a directory");
        assert_eq!(what_is(&logs), Found::Pods);
        assert_eq!(what_is(&dir.path().join("pods")), Found::Pods);
        assert_eq!(what_is(dir.path()), Found::Directory);
        assert_eq!(what_is(&dir.path().join("none")), Found::Other);
    }
}
