//! The real binary, started.
//!
//! Invariant: it does not outlive the test, and a test that fails shows what it said.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{PATIENCE, Place, wait_until};
use crate::support::http;

/// A started process.
pub struct Tailwater {
    child: Child,
    /// Where its stderr goes.
    log: PathBuf,
    /// Where its own words begin there: behind those of earlier processes of the place.
    began: usize,
    status: Option<ExitStatus>,
}

/// How a process is started.
pub struct Start {
    command: Command,
    stdin: Stdio,
    log: PathBuf,
}

impl Tailwater {
    /// The binary with these arguments, in `place`: stdout goes to `stdout` there, stderr to `log`; both are appended
    /// to.
    pub fn with<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(place: &Place, arguments: I) -> Start {
        let mut command = Command::new(binary());
        // Whatever proxy or settings are around, these tests are not about them.
        command.args(arguments).env_clear().current_dir(place.path(""));
        if place.has_traces() {
            // The account of generated logs is line by line, that of their stack traces too. All others run by the defaults.
            command.env("TAILWATER__MULTILINE", "none");
        }
        command.stdout(appended(&place.path("stdout")));
        Start { command, stdin: Stdio::null(), log: place.path("log") }
    }

    /// The daemon with `settings`, beside `state_dir`.
    pub fn daemon(place: &Place, settings: &str) -> Tailwater {
        let file = place.settings(settings);
        Tailwater::with(place, [OsStr::new("run"), OsStr::new("--config"), file.as_os_str()]).start()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its stdin, once.
    pub fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("stdin was asked for and is still there")
    }

    /// Its stdout, once, where a pipe was asked for.
    pub fn stdout(&mut self) -> std::process::ChildStdout {
        self.child.stdout.take().expect("a pipe was asked for and is still there")
    }

    /// Where its log lies.
    pub fn log_path(&self) -> PathBuf {
        self.log.clone()
    }

    /// What all processes of this place said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What this process said so far.
    pub fn said(&self) -> String {
        said(&self.log, self.began)
    }

    /// Sends SIGTERM, and waits for the end: its exit code.
    pub fn terminate(&mut self) -> i32 {
        self.signal(Signal::TERM);
        self.wait(PATIENCE)
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait_status(PATIENCE);
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let id = Pid::from_child(&self.child);
        kill_process(id, signal).expect("the process is there");
    }

    /// Waits for the end: its exit code, -1 where a signal ended it.
    pub fn wait(&mut self, patience: Duration) -> i32 {
        self.wait_status(patience).code().unwrap_or(-1)
    }

    fn wait_status(&mut self, patience: Duration) -> ExitStatus {
        let child = &mut self.child;
        let status = &mut self.status;
        wait_until("the process ends", patience, || {
            *status = child.try_wait().expect("a child can be waited for");
            status.is_some()
        });
        self.status.expect("it has ended")
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.status = self.child.try_wait().expect("a child can be waited for");
        self.status.is_none()
    }

    /// Waits until `condition` holds; an end of the process before that is a failure.
    pub fn wait_until(&mut self, what: &str, patience: Duration, mut condition: impl FnMut() -> bool) {
        let child = &mut self.child;
        wait_until(what, patience, || {
            if condition() {
                return true;
            }
            let ended = child.try_wait().expect("a child can be waited for");
            assert!(ended.is_none(), "ended ({ended:?}) before this came: {what}");
            false
        });
    }

    /// Waits until it has said `text`; what an earlier process of the place said does not count.
    pub fn wait_for_log(&mut self, text: &str) {
        let (log, began) = (self.log.clone(), self.began);
        self.wait_until(&format!("`{text}` in the log"), PATIENCE, || said(&log, began).contains(text));
    }

    /// The most memory it ever used, in bytes, as the kernel counts it (VmHWM).
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("the process is there");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line VmHWM");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of KiB") << 10
    }

    /// Where the admin port answers: `http://…`.
    pub fn admin(&mut self) -> String {
        self.wait_for_log("the admin port answers");
        let log = self.said();
        let line = log.lines().rfind(|line| line.contains("the admin port answers")).expect("it said so");
        let said: serde_json::Value = serde_json::from_str(line).expect("the log is JSON");
        format!("http://{}", said["address"].as_str().expect("an address"))
    }

    /// What `/metrics` says now.
    pub fn metrics(&mut self) -> Metrics {
        Metrics::of(&self.admin())
    }
}

impl Start {
    /// Stdin is a pipe, to be written to by `Tailwater::stdin`.
    pub fn piped(mut self) -> Start {
        self.stdin = Stdio::piped();
        self
    }

    /// Stdin is this file.
    pub fn stdin(mut self, path: &Path) -> Start {
        self.stdin = Stdio::from(File::open(path).expect("the input is there"));
        self
    }

    /// Stdout is a pipe, to be read from `Tailwater::stdout`.
    pub fn read_stdout(mut self) -> Start {
        self.command.stdout(Stdio::piped());
        self
    }

    /// An environment variable.
    pub fn variable(mut self, name: &str, value: &str) -> Start {
        self.command.env(name, value);
        self
    }

    /// Through another program, which takes the binary and its arguments as its last ones and becomes it.
    pub fn through<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, by: I) -> Start {
        let mut by = by.into_iter();
        let mut command = Command::new(by.next().expect("a program").as_ref());
        command.args(by).arg(self.command.get_program()).args(self.command.get_args());
        let folder = self.command.get_current_dir().expect("it was set");
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir(folder);
        command.stdout(appended(&folder.join("stdout")));
        self.command = command;
        self
    }

    /// Another user's process, where this one's user may do that.
    pub fn user(mut self, user: u32) -> Start {
        use std::os::unix::process::CommandExt as _;
        self.command.uid(user).gid(user);
        self
    }

    /// Starts it.
    pub fn start(mut self) -> Tailwater {
        let began = fs::read(&self.log).map_or(0, |log| log.len());
        let child = self.command.stdin(self.stdin).stderr(appended(&self.log)).spawn().expect("the binary starts");
        Tailwater { child, log: self.log, began, status: None }
    }

    /// Starts it and waits for its end.
    pub fn run(self) -> i32 {
        self.start().wait(PATIENCE)
    }
}

/// Waits until it is ready: every file that is there was looked at once.
pub fn wait_until_ready(process: &mut Tailwater) -> bool {
    let admin = process.admin();
    process.wait_until("it is ready", PATIENCE, || {
        http::request("GET", &admin, "/readyz", &[], b"").and_then(http::Response::success).is_ok()
    });
    true
}

/// The binary that these tests are of: cargo's, or another that `TAILWATER_TEST_BINARY` names, such as a release.
fn binary() -> OsString {
    std::env::var_os("TAILWATER_TEST_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_tailwater").into())
}

/// What stands in a log behind `began`, up to its last whole line.
fn said(log: &Path, began: usize) -> String {
    let log = fs::read(log).unwrap_or_default();
    let own = log.get(began..).unwrap_or_default();
    let whole = own.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    String::from_utf8_lossy(&own[..whole]).into_owned()
}

fn appended(path: &Path) -> Stdio {
    Stdio::from(File::options().append(true).create(true).open(path).expect("an output file"))
}

impl Drop for Tailwater {
    fn drop(&mut self) {
        if self.status.is_none() {
            // It may have ended already.
            _ = self.child.kill();
            _ = self.child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- the last it said:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}

/// One look at `/metrics`.
pub struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// Reads it.
    pub fn of(admin: &str) -> Metrics {
        let answer = http::request("GET", admin, "/metrics", &[], b"").and_then(http::Response::success);
        let text = answer.and_then(http::Response::text).expect("/metrics answers");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let parsed = lines
            .filter_map(|line| line.rsplit_once(' '))
            .map(|(name, value)| (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("`{name}` is `{value}`"))));
        Metrics(parsed.collect())
    }

    /// The sum of a pipeline's series of this name.
    pub fn of_pipeline(&self, name: &str, pipeline: &str) -> u64 {
        let prefix = format!("tailwater_{name}{{");
        let label = format!("pipeline=\"{pipeline}\"");
        let mut found = self.0.iter().filter(|(series, _)| series.starts_with(&prefix) && series.contains(&label));
        let first = found.next().unwrap_or_else(|| panic!("no series tailwater_{name} of {pipeline}")).1;
        (first + found.map(|(_, value)| value).sum::<f64>()) as u64
    }

    /// The same where there are none as long as there is nothing to count.
    fn any_of_pipeline(&self, name: &str, pipeline: &str) -> u64 {
        let prefix = format!("tailwater_{name}{{");
        if self.0.keys().any(|series| series.starts_with(&prefix)) { self.of_pipeline(name, pipeline) } else { 0 }
    }

    /// Panics unless every line that was read, and every byte of it, is delivered, filtered, dropped, dead-lettered, given back or in flight.
    pub fn assert_accounted(&self, pipeline: &str) {
        let of = |name: &str| self.of_pipeline(name, pipeline);
        for what in ["lines", "bytes"] {
            let left = of(&format!("{what}_delivered_total"))
                + self.any_of_pipeline(&format!("{what}_filtered_total"), pipeline)
                + of(&format!("{what}_dropped_total"))
                + of(&format!("{what}_dead_lettered_total"))
                + of(&format!("{what}_given_back_total"))
                + of(&format!("{what}_in_flight"))
                + if what == "bytes" { of("bytes_cut_total") } else { 0 };
            assert_eq!(
                of(&format!("{what}_read_total")),
                left,
                "{what} read = delivered + filtered + dropped + dead-lettered + given back + in flight, of {pipeline}"
            );
        }
    }
}
