//! Numbered lines in several logs, the store that they go to, and who has arrived.
//!
//! Invariant: a line is known by its log and its number, and is written once; nothing here waits for time.

#![allow(dead_code, reason = "every test binary takes only what it needs from here")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::chance::Chance;
pub(crate) use crate::chance::rounds;
use crate::scenario::figures::{self, Figures};
use crate::scenario::process::{Metrics, wait_until_ready};
use crate::scenario::writer::Rotated;
use crate::scenario::{PATIENCE, Place, Tailwater, wait_until};
use crate::support::doubles::elasticsearch::Elasticsearch;
use crate::support::doubles::loki::Loki;
use crate::support::stores::{OpenSearch, VictoriaLogs};
use crate::support::time;

/// How many requests are under way at a time.
pub(crate) const REQUESTS: u64 = 4;
/// The writer waits where it is so many lines ahead of the store.
const LEAD: u64 = 6_000;

/// A sink and what is behind it: a double, a real store with the name that our lines have there, or a file.
pub(crate) enum Store {
    Elasticsearch(Elasticsearch),
    Loki(Loki),
    OpenSearch(OpenSearch, String),
    VictoriaLogs(VictoriaLogs, String),
    Stdout,
}

impl Store {
    pub(crate) fn elasticsearch() -> Store {
        Store::Elasticsearch(Elasticsearch::start())
    }

    pub(crate) fn loki() -> Store {
        Store::Loki(Loki::start())
    }

    /// The sink's settings: many small batches.
    pub(crate) fn sink(&self) -> String {
        let common = format!(
            "requests_in_flight: {REQUESTS}, batch: {{ max_bytes: 16KiB, max_age: 20ms }}, retry: {{ min: 10ms, max: 100ms }}"
        );
        match self {
            Store::Elasticsearch(double) => format!("{{ type: elasticsearch, url: '{}', {common} }}", double.url()),
            Store::Loki(double) => format!("{{ type: loki, url: '{}', {common} }}", double.url()),
            Store::OpenSearch(store, name) => {
                format!("{{ type: elasticsearch, url: '{}', data_stream: {name}, {common} }}", store.url())
            }
            Store::VictoriaLogs(store, name) => format!(
                "{{ type: loki, url: '{}', labels: {{ test: {name}, pod: '{{pod}}' }}, {common} }}",
                store.loki_url()
            ),
            Store::Stdout => "{ type: stdout, format: json, batch: { max_bytes: 16KiB, max_age: 20ms } }".to_owned(),
        }
    }

    /// How many different lines it holds; of VictoriaLogs and stdout, how many at all.
    pub(crate) fn stored(&self, place: &Place) -> u64 {
        match self {
            Store::Elasticsearch(double) => double.look(|state| state.stored()),
            Store::Loki(double) => double.look(|state| state.stored()),
            Store::OpenSearch(store, name) => {
                // While the data stream is made, its shards refuse to be searched.
                let (refreshed, _) = store.try_ask("POST", &format!("/{name}/_refresh?ignore_unavailable=true"), None);
                let (status, answer) = store.try_ask("GET", &format!("/{name}/_count?ignore_unavailable=true"), None);
                if refreshed == 200 && status == 200 { answer["count"].as_u64().unwrap_or(0) } else { 0 }
            }
            Store::VictoriaLogs(store, name) => {
                store.force_flush();
                store.count(&format!("{{test=\"{name}\"}}"))
            }
            Store::Stdout => {
                memchr::memchr_iter(b'\n', &fs::read(place.path("stdout")).unwrap_or_default()).count() as u64
            }
        }
    }

    /// Waits until it holds so many, and comes back in the moment in which it does: before the answer leaves.
    pub(crate) fn wait_for(&self, place: &Place, lines: u64) {
        let patience = if rounds(1) > 1 { PATIENCE * 5 } else { PATIENCE };
        let came = match self {
            Store::Elasticsearch(double) => double.wait_until(patience, |state| state.stored() >= lines),
            Store::Loki(double) => double.wait_until(patience, |state| state.stored() >= lines),
            Store::Stdout | Store::OpenSearch(..) | Store::VictoriaLogs(..) => {
                wait_until("lines in the store", patience, || self.stored(place) >= lines);
                true
            }
        };
        assert!(came, "{lines} lines did not come, {} did:\n{}", self.stored(place), last_words(place));
    }

    /// How often something came that was there, and the most lines of one request.
    pub(crate) fn repeats(&self) -> (u64, u64) {
        match self {
            Store::Elasticsearch(double) => double
                .look(|state| (state.repeats(), state.bulks.iter().map(|bulk| bulk.items as u64).max().unwrap_or(0))),
            Store::Loki(double) => double.look(|state| {
                (state.repeats(), state.pushes.iter().map(|push| push.entries as u64).max().unwrap_or(0))
            }),
            // Not to be seen, or there with the others.
            Store::Stdout | Store::OpenSearch(..) | Store::VictoriaLogs(..) => (0, 0),
        }
    }

    /// How often each number of each log is there.
    pub(crate) fn seen(&self, place: &Place) -> Seen {
        let mut seen = Seen { run: place.text(""), repeats: self.repeats().0, ..Seen::default() };
        match self {
            Store::Elasticsearch(double) => double.look(|state| {
                let documents = state.indices.values().flat_map(|index| &index.documents);
                documents.for_each(|document| seen.see(&document.source));
            }),
            Store::Loki(double) => double.look(|state| {
                state.entries().for_each(|(.., entry)| seen.see(&entry.line));
                assert!(state.surprises.is_empty(), "{:?}", state.surprises);
            }),
            Store::OpenSearch(store, name) => {
                store.refresh(name);
                store.each_document(name, |document| seen.see(document.source["message"].as_str().expect("a message")));
            }
            Store::VictoriaLogs(store, name) => {
                store.force_flush();
                let query = format!("{{test=\"{name}\"}}");
                store.each(&query, |entry| seen.see(entry["_msg"].as_str().expect("a line")));
            }
            Store::Stdout => place.read("stdout").lines().for_each(|line| seen.see(line)),
        }
        seen
    }
}

fn last_words(place: &Place) -> String {
    let log = place.read("log");
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// Lines by log and number, and how often each came.
#[derive(Default)]
pub(crate) struct Seen {
    /// By log and number.
    lines: BTreeMap<(String, u64), u64>,
    /// What tells this run from others: its folder.
    run: String,
    /// How often the store recognised a repeat.
    repeats: u64,
}

impl Seen {
    /// Finds `<log=NUMBER>` in a text.
    fn see(&mut self, text: &str) {
        let tag = text.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(tag, _)| tag);
        let (log, number) =
            tag.and_then(|tag| tag.split_once('=')).unwrap_or_else(|| panic!("no line of ours: {text}"));
        *self.lines.entry((log.to_owned(), number.parse().expect("a number"))).or_default() += 1;
    }

    /// The lines of two stores.
    pub(crate) fn and(mut self, other: Seen) -> Seen {
        other.lines.into_iter().for_each(|(line, count)| *self.lines.entry(line).or_default() += count);
        self.repeats += other.repeats;
        self
    }

    /// Panics unless every line that lies before `offset` of this file is there.
    pub(crate) fn assert_has_before(&self, file: &str, offset: u64) {
        let bytes = fs::read(file).expect("the file is there");
        let before = String::from_utf8_lossy(&bytes[..usize::try_from(offset).expect("it fits")]);
        for line in before.lines() {
            let mut one = Seen::default();
            one.see(line);
            let missing = one.lines.keys().find(|line| !self.lines.contains_key(line));
            assert!(missing.is_none(), "the cursor {offset} of {file} is ahead of {missing:?}");
        }
    }

    /// Panics unless every number below `written` of every log is there, once if `once`. Gives the repeats.
    pub(crate) fn assert_all(&self, written: &BTreeMap<String, u64>, once: bool) -> u64 {
        let expected = written.iter().flat_map(|(log, count)| (0..*count).map(move |number| (log.clone(), number)));
        let missing: Vec<_> = expected.filter(|line| !self.lines.contains_key(line)).take(5).collect();
        let (written_lines, delivered) = (written.values().sum::<u64>(), self.lines.len() as u64);
        let kept = self.lines.values().map(|count| count - 1).sum();
        let (repeated, lost) = (self.repeats + kept, written_lines.saturating_sub(delivered));
        figures::note(&self.run, Figures { written: written_lines, delivered, repeated, lost });
        assert!(missing.is_empty(), "missing: {missing:?}; of {written:?} {delivered} are there");
        assert_eq!(delivered, written_lines, "lines that nobody wrote");
        let repeated: Vec<_> = self.lines.iter().filter(|(_, count)| **count > 1).take(5).collect();
        assert!(!once || repeated.is_empty(), "more than once: {repeated:?}");
        kept
    }
}

/// Three containers and a plain file without times, written to and rotated.
struct Logs {
    logs: Vec<(String, Rotated, bool)>,
    written: BTreeMap<String, u64>,
    /// The time of the first line, in nanoseconds.
    start: i64,
}

impl Logs {
    fn new(root: PathBuf, rotate_at: u64) -> Logs {
        let pods = ["a", "b", "c"].map(|name| {
            let path = root.join(format!("pods/shop_{name}-0_uid-{name}/app/0.log"));
            (name.to_owned(), Rotated::new(path, rotate_at, usize::MAX), true)
        });
        let plain = ("plain".to_owned(), Rotated::new(root.join("plain/app.log"), rotate_at, usize::MAX), false);
        let logs: Vec<_> = pods.into_iter().chain([plain]).collect();
        let written = logs.iter().map(|(name, ..)| (name.clone(), 0)).collect();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
        let start = i64::try_from(since.as_nanos()).expect("a clock before 2262") - 1_800_000_000_000;
        Logs { logs, written, start }
    }

    /// One line of the next log.
    fn write(&mut self, chance: &mut Chance) {
        let at = chance.below(self.logs.len() as u64) as usize;
        let (name, log, cri) = &mut self.logs[at];
        let count = self.written.get_mut(name).expect("every log is counted");
        let filler = "x".repeat(chance.below(160) as usize);
        // Every third line has the time of the one before.
        let time = self.start + (*count - *count % 3) as i64 * 10_000;
        let line = format!("<{name}={count}> {filler}\n");
        let line = if *cri { format!("{} stdout F {line}", time::rfc3339(time)) } else { line };
        log.write(line.as_bytes());
        *count += 1;
    }
}

/// A writer on a thread of its own, a store, and a folder.
pub(crate) struct World {
    pub(crate) place: Place,
    pub(crate) store: Arc<Store>,
    pub(crate) written: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    writer: Option<JoinHandle<BTreeMap<String, u64>>>,
}

impl World {
    /// Begins to write, never further than a few thousand lines ahead of the store.
    pub(crate) fn new(store: Store, seed: u64) -> World {
        World::rotated_at(60_000, store, seed)
    }

    /// The same with another size that logs are rotated at.
    pub(crate) fn rotated_at(size: u64, store: Store, seed: u64) -> World {
        let (place, store) = (Place::new(), Arc::new(store));
        let written = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let mut logs = Logs::new(place.path(""), size);
        let writer = {
            let (written, stop, lines) = (Arc::clone(&written), Arc::clone(&stop), Arc::clone(&store));
            let output = Place::beside(&place);
            let mut chance = Chance::new(seed);
            thread::spawn(move || {
                while !stop.load(Ordering::Acquire) {
                    wait_until("the store follows the writer", PATIENCE * 10, || {
                        let ahead = written.load(Ordering::Acquire).saturating_sub(lines.stored(&output));
                        ahead < LEAD || stop.load(Ordering::Acquire)
                    });
                    for _ in 0..200 {
                        logs.write(&mut chance);
                        written.fetch_add(1, Ordering::AcqRel);
                    }
                }
                logs.written
            })
        };
        World { place, store, written, stop, writer: Some(writer) }
    }

    /// Starts the program.
    pub(crate) fn daemon(&self) -> Tailwater {
        Tailwater::daemon(&self.place, &self.settings())
    }

    pub(crate) fn settings(&self) -> String {
        format!(
            "admin: {{ listen: '127.0.0.1:0' }}\nsources:\n  pods: {{ type: kubernetes, path: {} }}\n  plain: {{ type: file, include: '{}' }}\nsinks: {{ store: {} }}\n",
            self.place.pods(),
            self.place.text("plain/*.log"),
            self.store.sink()
        )
    }

    /// Waits until the store holds `more` lines than now, to the moment.
    pub(crate) fn wait_for_more(&self, more: u64) {
        self.store.wait_for(&self.place, self.store.stored(&self.place) + more);
    }

    /// Ends the writer: how many lines of which log it wrote.
    pub(crate) fn stop_writing(&mut self) -> BTreeMap<String, u64> {
        self.stop.store(true, Ordering::Release);
        self.writer.take().expect("it writes").join().expect("the writer did not fail")
    }

    /// Ends the writer, has all delivered, ends the program: what was written. The account balances.
    pub(crate) fn finish(&mut self, mut process: Tailwater) -> BTreeMap<String, u64> {
        let written = self.stop_writing();
        let lines = written.values().sum();
        self.store.wait_for(&self.place, lines);
        settle(&mut process, "store");
        assert_eq!(process.terminate(), 0);
        written
    }

    /// What came again after so many kills is no more than what was on its way.
    pub(crate) fn assert_few_repeats(&self, kills: u64) {
        let (repeats, largest) = self.store.repeats();
        let most = kills * 2 * REQUESTS * largest;
        println!("{kills} kills: {repeats} repeats, requests of up to {largest} lines");
        assert!(repeats <= most, "{repeats} repeats, with {kills} kills and requests of up to {largest} lines");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(writer) = self.writer.take() {
            // It can only have failed, which the test has said.
            _ = writer.join();
        }
    }
}

/// Waits until nothing is in flight; then the account balances.
pub(crate) fn settle(process: &mut Tailwater, pipeline: &str) {
    // Before it has looked for files there is nothing unread either.
    assert!(wait_until_ready(process));
    let admin = process.admin();
    process.wait_until("nothing is in flight and nothing unread", PATIENCE, || {
        let metrics = Metrics::of(&admin);
        metrics.of_pipeline("lines_in_flight", pipeline) == 0 && metrics.of_pipeline("lag_bytes", pipeline) == 0
    });
    let metrics = Metrics::of(&admin);
    metrics.assert_accounted(pipeline);
    let unreachable = metrics.of_pipeline("unreachable_bytes_total", pipeline);
    figures::note_unreachable(process.id(), unreachable);
    assert_eq!(unreachable, 0, "no file was gone");
}

/// A log of plain lines that a test writes step by step.
pub(crate) struct Steps {
    pub(crate) place: Place,
    pub(crate) store: Store,
    pub(crate) written: BTreeMap<String, u64>,
    /// More settings at the top.
    pub(crate) top: String,
    /// More keys of the source.
    pub(crate) source: String,
    /// What every line ends with.
    pub(crate) filler: String,
}

impl Steps {
    pub(crate) fn new(store: Store) -> Steps {
        let (top, source, filler) = (String::new(), String::new(), "a line".to_owned());
        Steps { place: Place::new(), store, written: BTreeMap::new(), top, source, filler }
    }

    /// So many more lines in each of these logs.
    pub(crate) fn write(&mut self, logs: &[&str], lines: u64) {
        for log in logs {
            let count = self.written.entry((*log).to_owned()).or_default();
            let line = |number: u64| format!("<{log}={number}> {}\n", self.filler);
            let text: String = (*count..*count + lines).map(line).collect();
            self.place.append(&format!("logs/{log}.log"), text);
            *count += lines;
        }
    }

    pub(crate) fn lines(&self) -> u64 {
        self.written.values().sum()
    }

    pub(crate) fn settings(&self) -> String {
        format!(
            "admin: {{ listen: '127.0.0.1:0' }}\nshutdown_grace: 5s\n{}sources: {{ logs: {{ type: file, include: '{}', {} }} }}\nsinks: {{ store: {} }}\n",
            self.top,
            self.place.text("logs/**/*.log"),
            self.source,
            self.store.sink()
        )
    }

    pub(crate) fn daemon(&self) -> Tailwater {
        Tailwater::daemon(&self.place, &self.settings())
    }

    /// Waits until everything written so far is stored and settled.
    pub(crate) fn wait(&self, process: &mut Tailwater) {
        self.store.wait_for(&self.place, self.lines());
        settle(process, "store");
    }

    /// Starts, waits for everything, stops.
    pub(crate) fn run(&self) -> String {
        let mut process = self.daemon();
        self.wait(&mut process);
        assert_eq!(process.terminate(), 0);
        process.said()
    }

    /// Every line once.
    pub(crate) fn assert_once(&self) {
        self.store.seen(&self.place).assert_all(&self.written, true);
    }

    /// How often something came that was there.
    pub(crate) fn repeats(&self) -> u64 {
        self.store.repeats().0
    }
}
