//! The three sinks' ends: which line is where, and how the stores misbehave.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::chance::Chance;
use crate::scenario::{PATIENCE, Place, wait_until};
use crate::support::doubles::elasticsearch::{Elasticsearch, Special as BulkSpecial};
use crate::support::doubles::loki::{Loki, Special as PushSpecial};
use crate::support::doubles::server::{Double, Mode, Step, Store};

/// The sinks, by the names that they have in the settings. The first two know a repeat.
pub(crate) const NAMES: [&str; 3] = ["search", "loki", "out"];

/// Which numbers of which log a sink has.
#[derive(Default)]
pub(crate) struct Tally {
    logs: BTreeMap<String, Numbers>,
}

#[derive(Default)]
struct Numbers {
    /// How often each number is there.
    counts: Vec<u32>,
    /// Every number below is there.
    whole: u64,
    /// How many numbers are there.
    distinct: u64,
}

impl Tally {
    fn see(&mut self, text: &str) {
        let tag = text.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(tag, _)| tag);
        let (log, number) =
            tag.and_then(|tag| tag.split_once('=')).unwrap_or_else(|| panic!("no line of ours: {text}"));
        let number = number.parse::<usize>().expect("a number");
        let numbers = self.logs.entry(log.to_owned()).or_default();
        if numbers.counts.len() <= number {
            numbers.counts.resize(number + 1, 0);
        }
        numbers.distinct += u64::from(numbers.counts[number] == 0);
        numbers.counts[number] += 1;
        while numbers.counts.get(numbers.whole as usize).is_some_and(|count| *count > 0) {
            numbers.whole += 1;
        }
    }

    /// How many lines of a log are there.
    pub(crate) fn distinct(&self, log: &str) -> u64 {
        self.logs.get(log).map_or(0, |numbers| numbers.distinct)
    }

    /// Whether a line of a log is there.
    pub(crate) fn has(&self, log: &str, number: u64) -> bool {
        self.logs.get(log).and_then(|numbers| numbers.counts.get(number as usize)).is_some_and(|count| *count > 0)
    }

    /// Below which number all lines of a log are there.
    pub(crate) fn whole(&self, log: &str) -> u64 {
        self.logs.get(log).map_or(0, |numbers| numbers.whole)
    }

    /// How many lines are there more than once, and how often in all.
    pub(crate) fn again(&self) -> (u64, u64) {
        let counts = self.logs.values().flat_map(|numbers| &numbers.counts).filter(|count| **count > 1);
        counts.fold((0, 0), |(lines, times), count| (lines + 1, times + u64::from(*count) - 1))
    }
}

/// The stores, stdout's file, and what each has.
pub(crate) struct Sinks {
    pub(crate) search: Elasticsearch,
    pub(crate) loki: Loki,
    stdout: PathBuf,
    /// How much of stdout's file was read.
    offset: Mutex<u64>,
    tallies: [Arc<Mutex<Tally>>; 3],
    /// Whether a store fails at the moment.
    pub(crate) failing: AtomicBool,
}

impl Sinks {
    pub(crate) fn new(place: &Place) -> Sinks {
        let (search, loki) = (Elasticsearch::start(), Loki::start());
        let tallies: [Arc<Mutex<Tally>>; 3] = Default::default();
        let observer = |of: usize| {
            let tally = Arc::clone(&tallies[of]);
            Box::new(move |text: &str| locked(&tally).see(text))
        };
        search.change(|store| store.observer = Some(observer(0)));
        loki.change(|store| store.observer = Some(observer(1)));
        place.append("stdout", "");
        Sinks {
            search,
            loki,
            stdout: place.path("stdout"),
            offset: Mutex::new(0),
            tallies,
            failing: AtomicBool::new(false),
        }
    }

    /// As the inside of the settings' `sinks`.
    pub(crate) fn settings(&self) -> String {
        let common = "requests_in_flight: 4, timeout: 1s, batch: { max_bytes: 16KiB, max_age: 50ms }, retry: { min: 10ms, max: 200ms }";
        format!(
            "search: {{ type: elasticsearch, url: '{}', {common} }}, loki: {{ type: loki, url: '{}', {common} }}, \
             out: {{ type: stdout, format: json, batch: {{ max_bytes: 16KiB, max_age: 50ms }} }}",
            self.search.url(),
            self.loki.url()
        )
    }

    /// What a sink has by now.
    pub(crate) fn tally(&self, sink: usize) -> MutexGuard<'_, Tally> {
        if sink == 2 {
            self.read_stdout();
        }
        locked(&self.tallies[sink])
    }

    /// Below which number every sink has all lines of a log.
    pub(crate) fn has(&self, log: &str) -> u64 {
        (0..NAMES.len()).map(|sink| self.tally(sink).whole(log)).min().unwrap_or(0)
    }

    fn read_stdout(&self) {
        let mut offset = locked(&self.offset);
        let mut file = File::open(&self.stdout).expect("stdout's file is there");
        let mut text = Vec::new();
        file.seek(SeekFrom::Start(*offset)).and_then(|_| file.read_to_end(&mut text)).expect("stdout's file is read");
        let whole = memchr::memrchr(b'\n', &text).map_or(0, |at| at + 1);
        let mut tally = locked(&self.tallies[2]);
        String::from_utf8_lossy(&text[..whole]).lines().for_each(|line| tally.see(line));
        *offset += whole as u64;
    }

    /// What a killed process wrote of a line is no line.
    pub(crate) fn cut_stdout(&self) {
        self.read_stdout();
        let file = File::options().write(true).open(&self.stdout).expect("stdout's file is there");
        file.set_len(*locked(&self.offset)).expect("it is cut");
    }

    /// How often a line came that a sink had.
    pub(crate) fn repeats(&self, sink: usize) -> u64 {
        match sink {
            0 => self.search.look(|state| state.repeats()),
            1 => self.loki.look(|state| state.repeats()),
            _ => self.tally(2).again().1,
        }
    }

    /// Has one store or the other fail in one way or another, for a while, until `stop`.
    pub(crate) fn misbehave(&self, chance: &mut Chance, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            pause(stop, 200 + chance.below(3_000));
            let (way, long) = (chance.below(11), 100 + chance.below(6_000));
            self.failing.store(true, Ordering::Release);
            match chance.below(3) {
                0 => for_a_while(&self.search, mode(way, BulkSpecial::IndexingPressure), stop, long),
                1 => for_a_while(&self.loki, mode(way, PushSpecial::IngestionRate), stop, long),
                _ => {
                    self.search.set_mode(mode(way, BulkSpecial::IndexingPressure));
                    for_a_while(&self.loki, mode(way, PushSpecial::IngestionRate), stop, long);
                    self.search.recover();
                }
            }
            self.failing.store(false, Ordering::Release);
        }
    }
}

fn for_a_while<T: Store>(store: &Double<T>, mode: Mode<T::Special>, stop: &AtomicBool, millis: u64) {
    store.set_mode(mode);
    pause(stop, millis);
    store.recover();
    // What is never answered would be waited for until its time-out.
    store.close_connections();
}

/// The ways in which a store fails for a while.
fn mode<S>(way: u64, special: S) -> Mode<S> {
    Mode::Always(match way {
        0 => return Mode::Refuse,
        1 => Step::Reset,
        2 => Step::NeverAnswer,
        3 => Step::StoreThenSilence,
        4 => Step::StoreThenClose,
        5 => Step::Truncate,
        6 => Step::Garbage,
        7 => Step::Slow(Duration::from_millis(300)),
        8 => Step::status(503, "not now"),
        9 => Step::status(401, "who are you"),
        _ => Step::Special(special),
    })
}

/// Nothing is decided by how long it is: it is the pace of what happens.
pub(crate) fn pause(stop: &AtomicBool, millis: u64) {
    let end = Instant::now() + Duration::from_millis(millis);
    wait_until("the time goes by", PATIENCE, || stop.load(Ordering::Acquire) || Instant::now() >= end);
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A test that failed while it looked has said so.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
