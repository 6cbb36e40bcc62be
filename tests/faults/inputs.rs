//! Times, links and numbers of files as nobody wants them, and a store that comes back to a backlog.

use std::os::unix::fs::symlink;

use crate::scenario::figures::{self, Figures};
use crate::scenario::process::Metrics;
use crate::scenario::{PATIENCE, Tailwater, bytes_of};
use crate::support::doubles::elasticsearch::{Elasticsearch, Mode, Step};
use crate::support::doubles::loki::Loki;
use crate::world::{REQUESTS, Steps, Store, rounds, settle};

/// The first lines of the Unix clock, of the far future, and of what no clock shows.
const TIMES: [&str; 6] = [
    "1970-01-01T00:00:00Z",
    "1970-01-01T00:00:00.000000001Z",
    "2262-04-11T23:47:16.854775808Z",
    "2500-12-31T23:59:59.999999999Z",
    "9999-12-31T23:59:59Z",
    "1969-12-31T23:59:59.5Z",
];

fn times() -> String {
    TIMES.iter().zip(0..).map(|(time, number)| format!("{time} stdout F <times={number}> a line\n")).collect()
}

#[test]
fn times_of_1970_and_2500_into_elasticsearch() {
    let mut steps = Steps::new(Store::elasticsearch());
    steps.place.append("logs/times.log", times());
    steps.written.insert("times".to_owned(), TIMES.len() as u64);
    steps.run();
    steps.assert_once();
    let Store::Elasticsearch(double) = &steps.store else { unreachable!("it was made so") };
    let mut found: Vec<String> = double.look(|state| {
        let documents = state.indices.values().flat_map(|index| &index.documents);
        documents.map(|document| document.json()["@timestamp"].as_str().expect("a time").to_owned()).collect()
    });
    found.sort();
    let mut expected = TIMES.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

/// Loki refuses what is too old or too new: counted, and the lines of today beside them arrive.
#[test]
fn times_of_1970_and_2500_into_loki() {
    let store = Loki::start();
    let mut steps = Steps::new(Store::Loki(store));
    steps.write(&["today"], 10);
    steps.place.append("logs/times.log", times());
    let mut process = steps.daemon();
    steps.store.wait_for(&steps.place, 10);
    settle(&mut process, "store");
    let metrics = process.metrics();
    assert_eq!(metrics.of_pipeline("lines_dropped_total", "store"), TIMES.len() as u64, "{}", process.said());
    assert_eq!(metrics.of_pipeline("lines_delivered_total", "store"), 10);
    assert_eq!(process.terminate(), 0);
    steps.assert_once();
    let lost = TIMES.len() as u64;
    figures::note(steps.place.text(""), Figures { written: 10 + lost, delivered: 10, repeated: 0, lost });
}

#[test]
fn loops_of_links() {
    let mut steps = Steps::new(Store::elasticsearch());
    steps.write(&["a"], 10);
    steps.write(&["deep/b"], 10);
    let logs = steps.place.path("logs");
    symlink(&logs, logs.join("deep/up")).expect("a link");
    symlink(logs.join("y.log"), logs.join("x.log")).expect("a link");
    symlink(logs.join("x.log"), logs.join("y.log")).expect("a link");
    symlink(logs.join("self.log"), logs.join("self.log")).expect("a link");
    let said = steps.run();
    for name in ["x.log", "y.log", "self.log"] {
        assert!(said.contains(&steps.place.text(&format!("logs/{name}"))), "{name} is left out and said: {said}");
    }
    steps.assert_once();
    assert_eq!(steps.repeats(), 0);
}

/// As many files as a full node has over its life, each with a line, and one more line each after a restart.
#[test]
fn thousands_of_files() {
    let mut steps = Steps::new(Store::elasticsearch());
    let count = if rounds(1) > 1 { 20_000 } else { 2_000 };
    let names: Vec<String> = (0..count).map(|number| format!("{}/f{number}", number / 100)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    steps.write(&names, 1);
    let mut process = steps.daemon();
    steps.wait(&mut process);
    let peak = process.peak_memory();
    println!("{count} files: peak memory {:.1} MiB", peak as f64 / 1048576.0);
    assert!(peak < (64 << 20) + count * 4096, "{peak} bytes");
    assert_eq!(process.terminate(), 0);
    steps.write(&names, 1);
    steps.run();
    steps.assert_once();
    assert_eq!(steps.repeats(), 0);
}

/// A store that comes back is asked by one request, then by two, four, and as many as are allowed.
#[test]
fn a_store_that_comes_back_is_not_hammered() {
    let mut steps = Steps::new(Store::elasticsearch());
    let Store::Elasticsearch(double) = &steps.store else { unreachable!("it was made so") };
    double.set_mode(Mode::Always(Step::status(503, "not yet")));
    steps.filler = "x".repeat(1_000);
    // The double keeps them all.
    let backlog = bytes_of("TAILWATER_TEST_BACKLOG", 8_000_000).min(400_000_000);
    steps.write(&["a", "b", "c", "d"], backlog / 4_000);
    let mut process = steps.daemon();
    let Store::Elasticsearch(double) = &steps.store else { unreachable!("it was made so") };
    assert!(double.wait_until(PATIENCE, |state| state.seen.len() > 20), "it is tried again");
    double.set_mode(Mode::Always(Step::Hold));
    let mut allowed = 1;
    for _ in 0..5 {
        process
            .wait_until(&format!("{allowed} requests wait"), PATIENCE, || double.look(|state| state.held() >= allowed));
        // No answer has left since, so no more can have been allowed.
        assert_eq!(double.look(|state| state.held()), allowed);
        (0..allowed).for_each(|_| double.release_oldest());
        allowed = (allowed * 2).min(REQUESTS as usize);
    }
    double.set_mode(Mode::Always(Step::Accept));
    double.release_all();
    steps.wait(&mut process);
    assert_eq!(process.terminate(), 0);
    steps.assert_once();
}

/// One store never answers; the other has everything, and after a `kill -9` and the first store's return both have.
#[test]
fn killed_with_one_of_two_stores_silent() {
    let (live, silent) = (Elasticsearch::start(), Elasticsearch::start());
    silent.set_mode(Mode::Always(Step::NeverAnswer));
    let mut steps = Steps::new(Store::Elasticsearch(live));
    steps.write(&["a", "b"], 3_000);
    let settings = steps.settings().replace(
        "sinks: {",
        &format!("sinks: {{ silent: {},", Store::sink(&steps.store).replace(url(&steps.store).as_str(), &silent.url())),
    );
    for _ in 0..3 {
        let mut process = Tailwater::daemon(&steps.place, &settings);
        steps.wait(&mut process);
        process.wait_until("the silent one was asked", PATIENCE, || silent.look(|state| state.connections > 0));
        let admin = process.admin();
        Metrics::of(&admin).assert_accounted("silent");
        process.kill();
        steps.write(&["a", "b"], 100);
    }
    silent.set_mode(Mode::Always(Step::Accept));
    let mut process = Tailwater::daemon(&steps.place, &settings);
    steps.wait(&mut process);
    settle(&mut process, "silent");
    assert_eq!(process.terminate(), 0);
    steps.assert_once();
    Store::Elasticsearch(silent).seen(&steps.place).assert_all(&steps.written, true);
}

fn url(store: &Store) -> String {
    let Store::Elasticsearch(double) = store else { unreachable!("it was made so") };
    double.url()
}
