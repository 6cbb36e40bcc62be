//! Several workers for one sink: each has its own files, and together they are one pipeline to everybody else.

use std::fs;

use crate::common::{head, numbers, quick, write_lines};
use crate::scenario::{PATIENCE, Place, Tailwater};
use crate::support::doubles::elasticsearch::Elasticsearch;

const PODS: u64 = 24;
const LINES: u64 = 2_000;

fn settings(place: &Place, store: &Elasticsearch, workers: usize) -> String {
    format!(
        "{}sources: {{ pods: {{ type: kubernetes, path: {} }} }}\nsinks: {{ store: {{ type: elasticsearch, url: '{}', workers: {workers}, {} }} }}\n",
        head(),
        place.pods(),
        store.url(),
        quick()
    )
}

/// A part of each pod's lines, as a file of its chain.
fn write(place: &Place, part: u64, name: &str) {
    for pod in 0..PODS {
        let path = place.path(&format!("pods/shop_pod-{pod}_uid-{pod}/app/{name}"));
        write_lines(&path, (part * PODS + pod) * LINES, LINES);
    }
}

/// The threads of a process that are called so.
fn threads(process: &Tailwater, name: &str) -> usize {
    let tasks = fs::read_dir(format!("/proc/{}/task", process.id())).expect("the process is there");
    // One that ends meanwhile is none of them.
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|comm| comm.trim() == name).count()
}

/// As many workers as there are CPUs for; killed while they are at it, with other numbers of them after that: each line is there
/// once, and the books of all workers are one.
#[test]
fn each_line_once_whatever_the_number_of_workers() {
    let place = Place::new();
    let store = Elasticsearch::start();
    write(&place, 0, "0.log.20261123-000001");
    write(&place, 1, "0.log");
    let mut process = Tailwater::daemon(&place, &settings(&place, &store, 2));
    process.wait_for_log("the admin port answers");
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    assert_eq!(threads(&process, "store"), cpus.min(2));
    assert!(store.wait_until(PATIENCE, |state| state.stored() > LINES * PODS / 2), "it is under way");
    process.kill();
    for (workers, part) in [(1, 2), (3, 3), (2, 4)] {
        write(&place, part, &format!("{part}.log"));
        let mut process = Tailwater::daemon(&place, &settings(&place, &store, workers));
        process.wait_for_log("the admin port answers");
        let lines = (part + 1) * PODS * LINES;
        let admin = process.admin();
        process.wait_until(&format!("all lines are stored by {workers}"), PATIENCE, || {
            store.look(|state| state.stored()) == lines
                && crate::scenario::process::Metrics::of(&admin).of_pipeline("lines_in_flight", "store") == 0
        });
        process.metrics().assert_accounted("store");
        assert_eq!(process.metrics().of_pipeline("unreachable_bytes_total", "store"), 0);
        assert_eq!(process.terminate(), 0);
        assert!(store.look(|state| numbers(&state.store, lines)).iter().all(|count| *count == 1));
    }
}
