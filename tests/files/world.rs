//! The program, a store that refuses when told to, and the list of what must arrive.
//!
//! Invariant: at the end every line of the list arrived once, nothing else did, and nothing was sent twice.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::scenario::figures::{self, Figures};
use crate::scenario::process::Metrics;
use crate::scenario::{PATIENCE, Place, Tailwater};
use crate::support::doubles::elasticsearch::{Elasticsearch, Mode};

/// All of it.
pub(crate) struct World {
    /// Goes first: what it said lies in the place.
    process: Option<Tailwater>,
    pub(crate) place: Place,
    pub(crate) store: Elasticsearch,
    /// Settings above the sources.
    pub(crate) top: String,
    /// How many requests are on their way at one time.
    pub(crate) requests: u32,
    /// The settings of the only source.
    source: String,
    /// What must arrive.
    expected: Vec<String>,
    /// Counts the lines that were made.
    made: u64,
}

impl World {
    /// A source of pod logs below `pods`.
    pub(crate) fn kubernetes() -> World {
        let place = Place::new();
        let source = format!("type: kubernetes, path: {}", place.pods());
        World::with(place, source)
    }

    /// A source of files by a glob below the place.
    pub(crate) fn files(glob: &str) -> World {
        let place = Place::new();
        let source = format!("type: file, include: '{}'", place.text(glob));
        World::with(place, source)
    }

    fn with(place: Place, source: String) -> World {
        let store = Elasticsearch::start();
        World { place, store, top: String::new(), requests: 2, source, process: None, expected: Vec::new(), made: 0 }
    }

    /// More settings of the source.
    pub(crate) fn and(mut self, settings: &str) -> World {
        self.source = format!("{}, {settings}", self.source);
        self
    }

    /// The same with another parser.
    pub(crate) fn with_parser(mut self, parser: &str) -> World {
        let (before, _) = self.source.split_once(", parse: ").expect("a parser");
        self.source = format!("{before}, parse: {parser}");
        self
    }

    /// Starts the program and waits until it has looked for files.
    pub(crate) fn start(&mut self) {
        let process = Tailwater::daemon(&self.place, &self.settings());
        self.started(process);
    }

    /// The same as another user.
    pub(crate) fn start_as(&mut self, user: u32) {
        let file = self.place.settings(&self.settings());
        let arguments = [OsStr::new("run"), OsStr::new("--config"), file.as_os_str()];
        let process = Tailwater::with(&self.place, arguments).user(user).start();
        self.started(process);
    }

    /// The same through another program, which becomes it.
    pub(crate) fn start_through<const N: usize>(&mut self, by: [&str; N]) {
        let file = self.place.settings(&self.settings());
        let arguments = [OsStr::new("run"), OsStr::new("--config"), file.as_os_str()];
        let process = Tailwater::with(&self.place, arguments).through(by).start();
        self.started(process);
    }

    fn started(&mut self, mut process: Tailwater) {
        let admin = process.admin();
        process.wait_until("all files were looked for", PATIENCE, || {
            let answer = crate::support::http::request("GET", &admin, "/readyz", &[], b"");
            answer.and_then(crate::support::http::Response::success).is_ok()
        });
        self.process = Some(process);
    }

    fn settings(&self) -> String {
        format!(
            "{}admin: {{ listen: '127.0.0.1:0' }}\nsources: {{ s: {{ {} }} }}\nsinks: {{ store: {{ type: elasticsearch, url: '{}', \
             requests_in_flight: {}, batch: {{ max_bytes: 64KiB, max_age: 100ms }}, retry: {{ min: 10ms, max: 100ms }} }} }}\n",
            self.top,
            self.source,
            self.store.url(),
            self.requests
        )
    }

    /// Ends the program as a service manager does.
    pub(crate) fn stop(&mut self) {
        let mut process = self.process.take().expect("it was started");
        let unreachable = process.metrics().of_pipeline("unreachable_bytes_total", "store");
        figures::note_unreachable(process.id(), unreachable);
        assert_eq!(process.terminate(), 0);
        // The next one's address is the last in the log.
        fs::rename(self.place.path("log"), self.place.path("log.before")).expect("the log is put aside");
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process.take().expect("it was started").kill();
        fs::rename(self.place.path("log"), self.place.path("log.before")).expect("the log is put aside");
    }

    /// Stopped and started again.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.start();
    }

    /// The store refuses everything.
    pub(crate) fn refuse(&self) {
        self.store.set_mode(Mode::Refuse);
    }

    /// Nothing happens in the program until [`World::thaw`].
    pub(crate) fn freeze(&mut self) {
        self.process().signal(Signal::STOP);
    }

    /// It goes on.
    pub(crate) fn thaw(&mut self) {
        self.process().signal(Signal::CONT);
    }

    /// The running program.
    pub(crate) fn process(&mut self) -> &mut Tailwater {
        self.process.as_mut().expect("it was started")
    }

    /// A line that nobody else made, that must arrive.
    pub(crate) fn line(&mut self) -> String {
        self.made += 1;
        let line = format!("line {:06} of this test, and it is like no other", self.made);
        self.expected.push(line.clone());
        line
    }

    /// So many plain lines, each with its LF.
    pub(crate) fn plain(&mut self, count: usize) -> String {
        (0..count).map(|_| self.line() + "\n").collect()
    }

    /// So many lines as containerd writes them.
    pub(crate) fn cri(&mut self, count: usize) -> String {
        (0..count).map(|_| (self.time(), self.line())).map(|(time, line)| format!("{time} stdout F {line}\n")).collect()
    }

    /// A time like no other.
    pub(crate) fn time(&mut self) -> String {
        self.made += 1;
        format!("2026-11-23T08:50:48.{:09}Z", self.made)
    }

    /// This must arrive, too.
    pub(crate) fn expect(&mut self, line: &str) {
        self.expected.push(line.to_owned());
    }

    /// The messages that the store holds.
    pub(crate) fn messages(&self) -> Vec<String> {
        self.store.look(|state| {
            let documents = state.store.indices.values().flat_map(|index| &index.documents);
            documents.map(|document| document.json()["message"].as_str().expect("a message").to_owned()).collect()
        })
    }

    /// Waits until so many lines are stored as must be, and compares.
    pub(crate) fn assert_all_arrived(&mut self) {
        let wanted = self.expected.len() as u64;
        let store = &self.store;
        let process = self.process.as_mut().expect("it was started");
        process
            .wait_until(&format!("{wanted} lines stored"), PATIENCE, || store.look(|state| state.stored()) >= wanted);
        self.assert_stored();
        let admin = self.process().admin();
        self.process().wait_until("all is settled", PATIENCE, || {
            Metrics::of(&admin).of_pipeline("lines_in_flight", "store") == 0
        });
        self.process().metrics().assert_accounted("store");
    }

    /// The same at the very end: whatever else would have come is there.
    pub(crate) fn assert_all_arrived_and_nothing_else(&mut self) {
        self.assert_all_arrived();
        self.stop();
        self.assert_stored();
    }

    /// Compares what is stored with the list.
    pub(crate) fn assert_stored(&self) {
        let count = |lines: &[String]| {
            let mut counts: BTreeMap<String, i64> = BTreeMap::new();
            lines.iter().for_each(|line| *counts.entry(line.clone()).or_default() += 1);
            counts
        };
        let mut difference = count(&self.messages());
        let stored = self.store.look(|state| (state.stored(), state.repeats()));
        let written = self.expected.len() as u64;
        let lost = written.saturating_sub(stored.0);
        figures::note(self.place.text(""), Figures { written, delivered: stored.0, repeated: stored.1, lost });
        for (line, count) in count(&self.expected) {
            *difference.entry(line).or_default() -= count;
        }
        difference.retain(|_, count| *count != 0);
        let examples: Vec<_> = difference.iter().take(8).map(|(line, count)| (cut(line), count)).collect();
        assert!(
            examples.is_empty(),
            "{} lines arrived too often (+) or too seldom (-): {examples:?}",
            difference.len()
        );
        let repeats = self.store.look(|state| state.repeats());
        assert_eq!(repeats, 0, "lines were sent again, and the store knew them");
    }

    /// A number of the sink's.
    pub(crate) fn count(&mut self, name: &str) -> u64 {
        self.process().metrics().of_pipeline(name, "store")
    }

    /// Waits until a number of the sink's is `wanted`.
    pub(crate) fn wait_for_count(&mut self, name: &str, wanted: u64) {
        let admin = self.process().admin();
        self.process().wait_until(&format!("{name} is {wanted}"), PATIENCE, || {
            Metrics::of(&admin).of_pipeline(name, "store") == wanted
        });
    }

    /// Waits until the program has this file open.
    pub(crate) fn wait_until_open(&mut self, name: &str) {
        let path = self.place.path(name);
        self.wait_for_descriptor(&format!("{} is open", path.display()), true, |target| target == path);
    }

    /// Waits until the program has the very file open that has this name now.
    pub(crate) fn wait_for_known_inode(&mut self, name: &str) {
        use std::os::unix::fs::MetadataExt as _;
        let inode = fs::metadata(self.place.path(name)).expect("the file is there").ino();
        let process = self.process();
        let folder = PathBuf::from(format!("/proc/{}/fd", process.id()));
        process.wait_until(&format!("{name} is open as it is now"), PATIENCE, || {
            let links = fs::read_dir(&folder).expect("the process is there");
            // A descriptor may be closed while it is looked at.
            let mut inodes = links.filter_map(|link| fs::metadata(link.ok()?.path()).ok());
            inodes.any(|meta| meta.ino() == inode)
        });
    }

    /// Waits until the program has no descriptor of a file whose name begins so.
    pub(crate) fn wait_until_closed(&mut self, name: &str) {
        let prefix = self.place.text(name);
        self.wait_for_descriptor(&format!("{prefix}… is closed"), false, |target| {
            target.display().to_string().starts_with(&prefix)
        });
    }

    fn wait_for_descriptor(&mut self, what: &str, wanted: bool, is_it: impl Fn(&Path) -> bool) {
        let process = self.process();
        let folder = PathBuf::from(format!("/proc/{}/fd", process.id()));
        process.wait_until(what, PATIENCE, || {
            let links = fs::read_dir(&folder).expect("the process is there");
            // A descriptor may be closed while it is looked at.
            let mut targets = links.filter_map(|link| fs::read_link(link.ok()?.path()).ok());
            targets.any(|target| is_it(&target)) == wanted
        });
    }
}

fn cut(line: &str) -> String {
    line.chars().take(80).collect()
}
