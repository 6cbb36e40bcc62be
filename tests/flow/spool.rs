//! A pipe with a spool: a sink that is down stops nobody, a restart goes on from the segments, and the disk has a bound.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::ChildStdin;

use crate::common::{assert_each_once, cri_line, head, quick};
use crate::scenario::figures::{self, Figures};
use crate::scenario::{PATIENCE, Place, Tailwater};
use crate::support::doubles::elasticsearch::{Elasticsearch, Mode, Step};

/// More than memory and the pipe hold together.
const LINES: u64 = 50_000;

fn start(place: &Place, spool: &str, sinks: &[(&str, &Elasticsearch)], more: &str) -> Tailwater {
    let sinks: Vec<String> = sinks
        .iter()
        .map(|(name, store)| format!("{name}: {{ type: elasticsearch, url: '{}', {} }}", store.url(), quick()))
        .collect();
    let settings = place.settings(&format!(
        "{}{more}sources: {{ pipe: {{ type: stdin, spool: {spool} }} }}\nsinks: {{ {} }}\n",
        head(),
        sinks.join(", ")
    ));
    let settings = settings.display().to_string();
    let mut process = Tailwater::with(place, ["run", "--config", &settings]).piped().start();
    process.wait_for_log("the admin port answers");
    process
}

fn write(stdin: &mut ChildStdin, lines: std::ops::Range<u64>) {
    for number in lines {
        stdin.write_all(cri_line(number).as_bytes()).expect("it is read");
    }
}

/// The permissions of the segments.
fn modes(place: &Place) -> BTreeSet<u32> {
    let segments = fs::read_dir(place.path("state/spool/pipe")).into_iter().flatten().flatten();
    segments.filter_map(|segment| segment.metadata().ok()).map(|meta| meta.permissions().mode() & 0o777).collect()
}

/// Bytes on disk.
fn spooled(place: &Place) -> u64 {
    let segments = fs::read_dir(place.path("state/spool/pipe")).into_iter().flatten().flatten();
    segments.filter_map(|segment| segment.metadata().ok()).map(|meta| meta.len()).sum()
}

/// The bytes of so many lines; the segments' own first lines come on top.
fn bytes(lines: u64) -> u64 {
    (0..lines).map(|number| cri_line(number).len() as u64).sum()
}

#[test]
fn a_dead_sink_stops_neither_the_writer_nor_another_sink() {
    let (place, live, dead) = (Place::new(), Elasticsearch::start(), Elasticsearch::start());
    dead.set_mode(Mode::Refuse);
    let mut process = start(&place, "{}", &[("live", &live), ("dead", &dead)], "");
    let mut stdin = process.stdin();
    // All of it is taken, though nothing reads it on the dead one's behalf.
    write(&mut stdin, 0..LINES);
    process.wait_until("the live sink has all", PATIENCE, || live.look(|state| state.stored()) == LINES);
    assert_eq!(dead.look(|state| state.stored()), 0);
    assert!(spooled(&place) >= bytes(LINES), "what one sink has not got is kept");
    dead.recover();
    drop(stdin);
    assert_eq!(process.wait(PATIENCE), 0);
    for store in [live, dead] {
        store.look(|state| assert_each_once(state, LINES));
    }
    assert_eq!(spooled(&place), 0, "settled segments are removed");
    assert!(!process.said().contains("stdin is read at the pace of the slowest sink"));
}

#[test]
fn a_restart_goes_on_from_the_segments() {
    let (place, store) = (Place::new(), Elasticsearch::start());
    let parts = [0..LINES / 3, LINES / 3..2 * LINES / 3, 2 * LINES / 3..LINES];
    for (at, part) in parts.into_iter().enumerate() {
        // Down while the first are written, so that most of what comes is in segments only.
        if at == 0 {
            store.set_mode(Mode::Refuse);
        } else {
            store.recover();
        }
        let mut process = start(&place, "{ max_bytes: 1GiB }", &[("store", &store)], "");
        let mut stdin = process.stdin();
        let before = spooled(&place);
        let (stored, end) = (store.look(|state| state.stored()), part.end);
        write(&mut stdin, part.clone());
        if at == 2 {
            drop(stdin);
            assert_eq!(process.wait(PATIENCE), 0);
            break;
        }
        let wanted = bytes(part.end) - bytes(part.start);
        process.wait_until("all that was written is in segments, or stored", PATIENCE, || {
            spooled(&place) >= before + wanted || store.look(|state| state.stored()) == end
        });
        process.wait_until("some are stored", PATIENCE, || at == 0 || store.look(|state| state.stored()) > stored);
        process.kill();
    }
    store.look(|state| assert_each_once(state, LINES));
    assert_eq!(spooled(&place), 0);
}

#[test]
fn a_full_spool_pushes_back_on_the_writer_and_loses_nothing() {
    let (place, store) = (Place::new(), Elasticsearch::start());
    store.set_mode(Mode::Always(Step::NeverAnswer));
    let mut process = start(&place, "{ max_bytes: 2MiB }", &[("store", &store)], "");
    let mut stdin = process.stdin();
    let writer = std::thread::spawn(move || write(&mut stdin, 0..LINES));
    process.wait_for_log("the spool is full");
    let most = 2 << 20;
    assert!(spooled(&place) <= most && !writer.is_finished(), "{} bytes", spooled(&place));
    store.close_connections();
    store.recover();
    process.wait_until("the writer is done", PATIENCE, || {
        assert!(spooled(&place) <= most, "{} bytes", spooled(&place));
        writer.is_finished()
    });
    writer.join().expect("all was taken");
    assert_eq!(process.wait(PATIENCE), 0);
    store.look(|state| assert_each_once(state, LINES));
    assert_eq!(spooled(&place), 0);
}

/// The same line again and again: segments of the same lines are not taken for one another, whatever their inodes are.
#[test]
fn equal_lines_are_all_delivered() {
    let (place, store) = (Place::new(), Elasticsearch::start());
    let mut process = start(&place, "{ max_bytes: 1MiB }", &[("store", &store)], "");
    let mut stdin = process.stdin();
    let lines = 200_000;
    for _ in 0..lines / 100 {
        stdin.write_all("nothing new\n".repeat(100).as_bytes()).expect("it is read");
    }
    // And a last line without an end.
    stdin.write_all(b"the end").expect("it is read");
    drop(stdin);
    assert_eq!(process.wait(PATIENCE), 0);
    store.look(|state| {
        let messages = state.indices.values().flat_map(|index| &index.documents).map(|document| document.json());
        let (mut same, mut last) = (0, 0);
        for document in messages {
            match document["message"].as_str() {
                Some("nothing new") => same += 1,
                Some("the end") => last += 1,
                other => panic!("nobody wrote {other:?}"),
            }
            assert!(document.get("log").is_none_or(|log| log.get("file").is_none()), "a pipe has no path: {document}");
        }
        assert_eq!((same, last), (lines, 1));
        figures::note(
            "only",
            Figures { written: lines + 1, delivered: same + last, repeated: state.repeats(), lost: 0 },
        );
    });
}

/// A pipe that ends while its sink is down: the lines stay, and the next start delivers them.
#[test]
fn a_stop_with_a_dead_sink_keeps_the_lines() {
    let (place, store) = (Place::new(), Elasticsearch::start());
    store.set_mode(Mode::Refuse);
    let mut process = start(&place, "{}", &[("store", &store)], "shutdown_grace: 100ms\n");
    let mut stdin = process.stdin();
    write(&mut stdin, 0..1_000);
    process.wait_until("all is in segments", PATIENCE, || spooled(&place) >= bytes(1_000));
    assert_eq!(process.terminate(), 0);
    assert_eq!(modes(&place), BTreeSet::from([0o600]), "lines of the pipe are nobody else's to read");
    drop(stdin);
    store.recover();
    let mut process = start(&place, "{}", &[("store", &store)], "");
    drop(process.stdin());
    assert_eq!(process.wait(PATIENCE), 0);
    store.look(|state| assert_each_once(state, 1_000));
}
