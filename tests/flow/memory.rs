//! The memory limit holds, whatever the backlog, the number of files, the sink and the line.

use std::fs::File;
use std::io::{BufWriter, Write as _};

use crate::common::{
    BESIDE, LIMIT, assert_balanced, assert_balanced_now, assert_each_once, assert_memory, follow, lines_of, long,
    quick, status, wait_until_starved, write_lines,
};
use crate::scenario::figures::{self, Figures};
use crate::scenario::{PATIENCE, Place, Tailwater, bytes};
use crate::support::doubles::elasticsearch::{Elasticsearch, Mode as BulkMode, Step as BulkStep};
use crate::support::doubles::loki::{Loki, Mode, Step};

/// A Loki that counts only.
fn counting() -> Loki {
    let store = Loki::start();
    store.set_mode(Mode::Always(Step::status(204, "")));
    store
}

fn loki(store: &Loki) -> String {
    format!("store: {{ type: loki, url: '{}', {} }}", store.url(), quick())
}

#[test]
fn with_a_large_backlog_in_one_file() {
    let (place, store) = (Place::new(), counting());
    let size = bytes(64 << 20);
    let lines = lines_of(size);
    write_lines(&place.path("logs/a.log"), 0, lines);
    let mut process = follow(&place, &loki(&store));
    let admin = process.admin();
    process.wait_until("all is delivered", long(size), || {
        let metrics = crate::scenario::process::Metrics::of(&admin);
        metrics.assert_accounted("store");
        metrics.of_pipeline("lines_delivered_total", "store") == lines
    });
    assert_memory(&process, LIMIT);
    assert_balanced(&mut process, &["store"], lines);
    assert_eq!(process.terminate(), 0);
}

#[test]
fn with_five_thousand_files() {
    let (place, store) = (Place::new(), counting());
    let (files, each) = (5_000, 20);
    for file in 0..files {
        write_lines(&place.path(&format!("logs/{}/{file}.log", file % 50)), file * each, each);
    }
    let mut process = follow(&place, &loki(&store));
    assert_balanced(&mut process, &["store"], files * each);
    assert_memory(&process, LIMIT);
    assert_eq!(process.metrics().of_pipeline("lines_delivered_total", "store"), files * each);
    assert_eq!(process.terminate(), 0);
}

#[test]
fn with_a_sink_that_never_answers() {
    let (place, store) = (Place::new(), Loki::start());
    store.set_mode(Mode::Always(Step::NeverAnswer));
    let lines = lines_of(bytes(64 << 20));
    write_lines(&place.path("logs/a.log"), 0, lines);
    let mut process = follow(&place, &loki(&store));
    wait_until_starved(&mut process, "store", 2);
    assert_memory(&process, LIMIT);
    let admin = process.admin();
    assert_balanced_now(&admin, &["store"]);
    let metrics = process.metrics();
    assert_eq!(metrics.of_pipeline("lines_delivered_total", "store"), 0);
    let read = metrics.of_pipeline("lines_read_total", "store");
    assert!(read > 0 && read < lines, "{read} of {lines} lines are read");
    assert_eq!(metrics.of_pipeline("lines_in_flight", "store"), read);
    // What is not read lags as well as what is.
    let whole = place.path("logs/a.log").metadata().expect("the file").len();
    assert_eq!(metrics.of_pipeline("lag_bytes", "store"), whole);
    assert_eq!(process.terminate(), 0, "the files are read again at the next start");
}

/// One line that is longer than memory, and the next.
#[test]
fn with_one_endless_line() {
    let place = Place::new();
    let size = bytes(256 << 20).min(2 << 30);
    std::fs::create_dir_all(place.path("logs")).expect("a folder is made");
    let mut file = BufWriter::new(File::create(place.path("logs/a.log")).expect("a file is made"));
    let chunk = vec![b'x'; 1 << 20];
    (0..size >> 20).for_each(|_| file.write_all(&chunk).expect("written"));
    file.write_all(b"\nthe next line\n").expect("written");
    drop(file);
    let mut process = follow(&place, "out: { type: stdout, format: json }");
    process.wait_until("two events", long(size), || place.read("stdout").lines().count() == 2);
    assert_memory(&process, LIMIT);
    assert_balanced(&mut process, &["out"], 2);
    let metrics = process.metrics();
    let whole = place.path("logs/a.log").metadata().expect("the file").len();
    assert_eq!(metrics.of_pipeline("bytes_read_total", "out"), whole);
    assert_eq!(metrics.of_pipeline("lines_malformed_total", "out"), 1);
    assert!(metrics.of_pipeline("bytes_cut_total", "out") > whole - (1 << 20));
    let stdout = place.read("stdout");
    let events: Vec<serde_json::Value> =
        stdout.lines().map(|line| serde_json::from_str(line).expect("an event")).collect();
    let first = events[0]["message"].as_str().expect("a message");
    assert!(first.starts_with("xxx") && first.len() <= 256 << 10 && first.ends_with("[cut by tailwater]"));
    assert_eq!(events[1]["message"], "the next line");
    figures::note("only", Figures { written: 2, delivered: 2, repeated: 0, lost: 0 });
    assert_eq!(process.terminate(), 0);
}

/// A hundred megabytes and no newline yet: the line is cut, the rest of it is passed over as it comes, and what follows
/// its end is a line again.
#[test]
fn with_a_line_that_does_not_end_yet() {
    let (place, store) = (Place::new(), Elasticsearch::start());
    let size = bytes(100_000_000).max(100_000_000);
    let path = place.path("logs/b.log");
    write_lines(&path, 0, 3);
    let chunk = vec![b'x'; 1 << 20];
    let mut file = BufWriter::new(File::options().append(true).open(&path).expect("it is there"));
    file.write_all(b"n=3 ").expect("written");
    (0..size >> 20).for_each(|_| file.write_all(&chunk).expect("written"));
    file.flush().expect("written");
    let sink = format!("store: {{ type: elasticsearch, url: '{}', {} }}", store.url(), quick());
    let mut process = follow(&place, &sink);
    let admin = process.admin();
    process.wait_until("all that is there is read", long(size), || {
        let bytes = &status(&admin)["pipelines"][0]["bytes"]["read"];
        bytes.as_u64().is_some_and(|bytes| bytes > size / (1 << 20) * (1 << 20))
    });
    assert!(store.wait_until(PATIENCE, |state| state.stored() == 4), "the lines before it, and its beginning");
    assert_memory(&process, LIMIT);
    file.write_all(b"\nn=4 the next line\n").and_then(|()| file.flush()).expect("written");
    assert!(store.wait_until(long(size), |state| state.stored() == 5), "its end has come");
    assert_balanced(&mut process, &["store"], 5);
    assert_memory(&process, LIMIT);
    assert_eq!(process.metrics().of_pipeline("lag_bytes", "store"), 0);
    store.look(|state| assert_each_once(state, 5));
    assert_eq!(process.terminate(), 0);
}

/// A dead sink beside a live one: it costs its own share and nothing else.
#[test]
fn with_one_of_two_sinks_dead() {
    let (place, live, dead) = (Place::new(), Elasticsearch::start(), Elasticsearch::start());
    dead.set_mode(BulkMode::Always(BulkStep::NeverAnswer));
    let lines = lines_of(bytes(16 << 20));
    write_lines(&place.path("logs/a.log"), 0, lines);
    let sink = |store: &Elasticsearch| format!("{{ type: elasticsearch, url: '{}', {} }}", store.url(), quick());
    let mut process = follow(&place, &format!("live: {}, dead: {}", sink(&live), sink(&dead)));
    assert!(live.wait_until(PATIENCE * 2, |state| state.stored() == lines), "the live sink has everything");
    wait_until_starved(&mut process, "dead", 2);
    let metrics = process.metrics();
    let (held, size) =
        (metrics.of_pipeline("permit_held_bytes", "dead"), metrics.of_pipeline("permit_size_bytes", "dead"));
    assert!(held <= size && size < LIMIT, "{held} of {size}");
    assert_memory(&process, LIMIT);
    let admin = process.admin();
    assert_balanced_now(&admin, &["live", "dead"]);
    let more = lines_of(1 << 20);
    write_lines(&place.path("logs/b.log"), lines, more);
    assert!(live.wait_until(PATIENCE, |state| state.stored() == lines + more), "new lines go on to the live sink");
    dead.close_connections();
    dead.recover();
    assert!(dead.wait_until(long(lines * 300), |state| state.stored() == lines + more), "the dead sink catches up");
    assert_balanced(&mut process, &["live", "dead"], lines + more);
    live.look(|state| assert_each_once(state, lines + more));
    dead.look(|state| assert_each_once(state, lines + more));
    assert_memory(&process, LIMIT);
    assert_eq!(process.terminate(), 0);
}

#[test]
fn a_limit_that_cannot_hold_two_batches_is_refused_at_the_start() {
    let place = Place::new();
    for (limit, sinks) in [
        ("8MiB", "out: { type: stdout }"),
        (
            "24MiB",
            "a: { type: loki, url: 'http://127.0.0.1:1' }, b: { type: elasticsearch, url: 'http://127.0.0.1:1' }",
        ),
        ("64MiB", "a: { type: loki, url: 'http://127.0.0.1:1', batch: { max_bytes: 32MiB } }"),
    ] {
        let settings = place.settings(&format!(
            "memory_limit: {limit}\nsources: {{ f: {{ type: file, include: /tmp/x }} }}\nsinks: {{ {sinks} }}\n"
        ));
        let settings = settings.display().to_string();
        let mut process = Tailwater::with(&place, ["run", "--config", &settings]).start();
        assert_eq!(process.wait(PATIENCE), 64, "{limit}");
        let log = process.log();
        for part in ["for two batches each", "`memory_limit` is", "hint: set `memory_limit: "] {
            assert!(log.contains(part), "{part} in {log}");
        }
        place.remove("log");
    }
    assert!(!place.path("state").exists(), "nothing is opened");
    assert_eq!(BESIDE, 24 << 20);
}

/// With nothing to do the process uses next to nothing of its limit.
#[test]
fn an_idle_process_holds_no_batch() {
    let (place, store) = (Place::new(), Elasticsearch::start());
    write_lines(&place.path("logs/a.log"), 0, 100);
    let sink = format!("store: {{ type: elasticsearch, url: '{}', {} }}", store.url(), quick());
    let mut process = follow(&place, &sink);
    assert!(store.wait_until(PATIENCE, |state| state.stored() == 100), "all is stored");
    assert_balanced(&mut process, &["store"], 100);
    let admin = process.admin();
    process.wait_until("no permit is held", PATIENCE, || {
        status(&admin)["pipelines"][0]["memory"]["held_bytes"].as_u64() == Some(0)
    });
    assert_eq!(process.terminate(), 0);
}
