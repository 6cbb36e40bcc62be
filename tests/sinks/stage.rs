//! One run of the real binary against a double: a folder with pods, the daemon, and its books at the end.
//!
//! Invariant: a run ends when every line is settled, with exit code 0, and nothing that it printed or served holds a
//! secret.

#![allow(dead_code, reason = "every test binary takes only what it needs from here")]

use std::cell::{Cell, RefCell};
use std::ffi::OsStr;
use std::path::PathBuf;

use serde_json::Value;

use crate::scenario::{PATIENCE, Place, Tailwater};
use crate::support::{http, time};

/// When the first line was written, in nanoseconds.
pub(crate) const START: i64 = 1_795_423_848_000_000_000;
/// One second.
pub(crate) const SECOND: i64 = 1_000_000_000;
/// An hour later, which is now for the doubles.
pub(crate) const NOW: i64 = START + 3600 * SECOND;

/// A sink's other settings, with pauses that do not make a test long where they say nothing of pauses.
pub(crate) fn quick(more: &str) -> String {
    let retry = if more.contains("retry:") { "" } else { "retry: { min: 1ms, max: 20ms }, " };
    let batch = if more.contains("batch:") { "" } else { "batch: { max_age: 50ms }, " };
    format!("{batch}{retry}{more}")
}

/// A text that no compressor makes shorter than three quarters.
pub(crate) fn incompressible(length: usize) -> String {
    let mut state: u64 = 1;
    let letters = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'0' + (state >> 59) as u8 + 32 * (state >> 40 & 1) as u8)
    });
    letters.filter(char::is_ascii_alphanumeric).take(length).collect()
}

/// A folder with pods, and what must not be said.
pub(crate) struct Stage {
    pub(crate) place: Place,
    lines: Cell<u64>,
    secrets: Vec<String>,
    top: String,
    variables: Vec<(String, String)>,
    checked: RefCell<Vec<PathBuf>>,
}

impl Stage {
    pub(crate) fn new() -> Stage {
        let (secrets, variables) = (Vec::new(), Vec::new());
        Stage {
            place: Place::new(),
            lines: Cell::new(0),
            secrets,
            top: String::new(),
            variables,
            checked: Vec::new().into(),
        }
    }

    /// With so many lines of one container: `line 0`, `line 1`, ….
    pub(crate) fn with_lines(count: usize) -> Stage {
        let stage = Stage::new();
        stage.add(&(0..count).map(|at| format!("line {at}")).collect::<Vec<_>>());
        stage
    }

    /// Adds lines to the usual container, a second apart.
    pub(crate) fn add<S: AsRef<str>>(&self, lines: &[S]) {
        let from = START + i64::try_from(self.lines.get()).expect("few") * SECOND;
        let lines: Vec<_> = (from..).step_by(1_000_000_000).zip(lines).collect();
        for (time, line) in lines {
            self.add_to("shop", "cart-0", time, line.as_ref());
        }
    }

    /// Adds a line of a container.
    pub(crate) fn add_to(&self, namespace: &str, pod: &str, time: i64, line: &str) {
        let path = format!("pods/{namespace}_{pod}_uid-{pod}/app/0.log");
        self.place.append(&path, format!("{} stdout F {line}\n", time::rfc3339(time)));
        self.lines.set(self.lines.get() + 1);
    }

    /// Notes a text that must not be printed or served, nor its usual encodings.
    pub(crate) fn secret(&mut self, text: &str) -> String {
        self.secrets.push(text.to_owned());
        text.to_owned()
    }

    /// A file that holds a secret.
    pub(crate) fn secret_file(&mut self, name: &str, text: &str) -> String {
        self.secret(text);
        self.place.write(name, format!("{text}\n")).display().to_string()
    }

    /// More settings at the top.
    pub(crate) fn top(mut self, settings: &str) -> Stage {
        self.top.push_str(settings);
        self.top.push('\n');
        self
    }

    /// A variable of the environment.
    pub(crate) fn variable(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Writes the settings with this sink, as the inside of a map.
    pub(crate) fn settings(&self, sink: &str) -> PathBuf {
        self.place.settings(&format!(
            "admin: {{ listen: '127.0.0.1:0' }}\n{}sources: {{ pods: {{ type: kubernetes, path: {} }} }}\nsinks: {{ store: {{ {sink} }} }}\n",
            self.top,
            self.place.pods(),
        ))
    }

    /// Starts the daemon with this sink, as the inside of a map.
    pub(crate) fn start(&self, sink: &str) -> Run<'_> {
        let file = self.settings(sink);
        self.checked.borrow_mut().push(file.clone());
        let arguments = [OsStr::new("run"), OsStr::new("--config"), file.as_os_str()];
        let start = Tailwater::with(&self.place, arguments);
        let start = self.variables.iter().fold(start, |start, (name, value)| start.variable(name, value));
        Run { stage: self, process: start.start() }
    }

    /// Runs until every line is settled.
    pub(crate) fn run(&self, sink: &str) -> Books {
        self.start(sink).end()
    }

    /// Runs `check` on the settings of the last run: what it says.
    pub(crate) fn check(&self) -> String {
        let file = self.checked.borrow().last().cloned().expect("there was a run");
        let arguments = [OsStr::new("check"), OsStr::new("--config"), file.as_os_str()];
        let start = Tailwater::with(&self.place, arguments);
        let start = self.variables.iter().fold(start, |start, (name, value)| start.variable(name, value));
        assert_eq!(start.run(), 0, "{}", self.place.read("log"));
        // A daemon writes nothing there.
        self.place.read("stdout")
    }

    fn assert_no_secret(&self, what: &str, text: &str) {
        for secret in &self.secrets {
            assert!(!text.contains(secret.as_str()), "a secret stands in {what}:\n{text}");
        }
    }
}

/// A running daemon.
pub(crate) struct Run<'s> {
    stage: &'s Stage,
    pub(crate) process: Tailwater,
}

impl Run<'_> {
    /// What `/metrics` serves now.
    pub(crate) fn page(&mut self) -> String {
        let admin = self.process.admin();
        let answer = http::request("GET", &admin, "/metrics", &[], b"").and_then(http::Response::success);
        answer.and_then(http::Response::text).expect("/metrics answers")
    }

    /// The sum of the series of this name that have this label, now.
    pub(crate) fn count(&mut self, series: &str, label: &str) -> u64 {
        sum(&self.page(), series, label)
    }

    /// Waits until a series has at least this value.
    pub(crate) fn wait_for(&mut self, series: &str, label: &str, at_least: u64) {
        let mut page = self.page();
        let admin = self.process.admin();
        self.process.wait_until(&format!("{series}{{{label}}} >= {at_least}"), PATIENCE, || {
            let answer = http::request("GET", &admin, "/metrics", &[], b"");
            page = answer.and_then(http::Response::text).unwrap_or_default();
            sum(&page, series, label) >= at_least
        });
    }

    /// Adds lines while it runs, and to their count.
    pub(crate) fn add(&self, lines: &[&str], count: &mut u64) {
        self.stage.add(lines);
        *count += lines.len() as u64;
    }

    /// Waits until every line is settled, ends the daemon, and closes the books.
    pub(crate) fn end(mut self) -> Books {
        let (lines, admin) = (self.stage.lines.get(), self.process.admin());
        let mut page = String::new();
        let settled = |page: &str| {
            let ends =
                ["lines_delivered_total", "lines_dropped_total", "lines_dead_lettered_total", "lines_filtered_total"];
            ends.iter().map(|name| sum(page, name, "")).sum::<u64>()
        };
        self.process.wait_until(&format!("{lines} lines settled"), PATIENCE, || {
            let answer = http::request("GET", &admin, "/metrics", &[], b"");
            page = answer.and_then(http::Response::text).unwrap_or_default();
            let read = sum(&page, "lines_read_total", "");
            read >= lines && settled(&page) >= lines && sum(&page, "lines_in_flight", "") == 0
        });
        assert_eq!(self.process.terminate(), 0);
        let books = Books { page, log: self.process.said() };
        assert_eq!((settled(&books.page), books.of("lines_in_flight", "")), (lines, 0), "{}", books.page);
        self.stage.assert_no_secret("/metrics", &books.page);
        let check = self.stage.check();
        self.stage.assert_no_secret("what `check` shows", &check);
        // After `check`, which appends to it.
        self.stage.assert_no_secret("the log", &self.process.log());
        books
    }
}

/// What a run came to.
pub(crate) struct Books {
    pub(crate) page: String,
    pub(crate) log: String,
}

impl Books {
    /// The sum of the series of this name that have this label.
    pub(crate) fn of(&self, series: &str, label: &str) -> u64 {
        sum(&self.page, series, label)
    }

    /// How many requests had this outcome.
    pub(crate) fn requests(&self, outcome: &str) -> u64 {
        self.of("requests_total", &format!("outcome=\"{outcome}\""))
    }

    /// Panics unless so many lines were delivered, dead-lettered, and dropped as `refused` and as `gave_up`.
    pub(crate) fn assert_lines(
        &self,
        what: &str,
        delivered: usize,
        dead_lettered: usize,
        refused: usize,
        gave_up: usize,
    ) {
        let ends = [
            self.of("lines_delivered_total", ""),
            self.of("lines_dead_lettered_total", ""),
            self.of("lines_dropped_total", "reason=\"refused\""),
            self.of("lines_dropped_total", "reason=\"gave_up\""),
        ];
        let expected = [delivered, dead_lettered, refused, gave_up].map(|count| count as u64);
        assert_eq!(ends, expected, "{what}: delivered, dead-lettered, refused, gave up\n{}", self.log);
    }

    /// Panics unless one line of the log says all of this.
    pub(crate) fn assert_says(&self, what: &str, texts: &[&str]) {
        let said = self.log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let said: Vec<String> = said.map(|line| line.to_string().replace("\\\"", "\"")).collect();
        let found = said.iter().any(|line| texts.iter().all(|text| line.contains(text)));
        assert!(found, "{what}: no line of the log says {texts:?}:\n{}", self.log);
    }
}

fn sum(page: &str, series: &str, label: &str) -> u64 {
    let prefix = format!("tailwater_{series}{{");
    let lines = page.lines().filter(|line| line.starts_with(&prefix) && line.contains(label));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum::<f64>() as u64
}
