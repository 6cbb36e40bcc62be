//! A label that takes a value for each line, where the settings have it demoted: streams stay few, and a process that is killed at
//! any moment sends nothing to another stream than before.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;

use crate::common::{head, pipeline, status};
use crate::scenario::process::Metrics;
use crate::scenario::{PATIENCE, Place, Tailwater};
use crate::support::doubles::loki::{Loki, Mode, Step};

const MOST: usize = 20;

fn settings(place: &Place, store: &Loki, demote: bool) -> String {
    format!(
        "{}sources: {{ pods: {{ type: kubernetes, path: {} }} }}\n\
         sinks: {{ store: {{ type: loki, url: '{}', demote: {demote}, max_label_values: {MOST}, labels: {{ pod: '{{pod}}', request: \
         '{{fields.request}}' }}, batch: {{ max_bytes: 16KiB, max_age: 20ms }}, retry: {{ min: 10ms, max: 200ms }} }} }}\n",
        head(),
        place.pods(),
        store.url(),
    )
}

/// Lines of a pod, each of a request of its own.
fn write(place: &Place, pod: &str, numbers: std::ops::Range<usize>) {
    let folder = place.path(&format!("pods/shop_{pod}_uid-{pod}/app"));
    fs::create_dir_all(&folder).expect("a folder");
    let mut file = fs::OpenOptions::new().create(true).append(true).open(folder.join("0.log")).expect("a file");
    for number in numbers {
        let (minute, nanos) = (number / 1_000, number % 1_000);
        writeln!(file, "2026-11-23T08:{minute:02}:00.{nanos:09}Z stdout F request={pod}-{number} state=ok")
            .expect("written");
    }
}

/// The values of the label `request` that are in streams' names.
fn values(store: &Loki) -> BTreeSet<String> {
    store.look(|state| state.entries().filter_map(|(_, stream, ..)| stream.labels.get("request").cloned()).collect())
}

fn finish(process: &mut Tailwater, store: &Loki, lines: usize) {
    let admin = process.admin();
    process.wait_until("all lines are stored", PATIENCE, || {
        store.look(|state| state.entries().count()) >= lines
            && Metrics::of(&admin).of_pipeline("lines_in_flight", "store") == 0
    });
    process.metrics().assert_accounted("store");
    let all: Vec<String> = store.look(|state| state.entries().map(|(.., entry)| entry.line.clone()).collect());
    assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (lines, lines), "each line once");
}

#[test]
fn killed_at_any_moment_each_line_is_in_one_stream() {
    let (place, store) = (Place::new(), Loki::start_at(1_795_424_400 * 1_000_000_000));
    let pods = ["a", "b", "c"];
    let mut written = 0;
    // What was sent is stored, and nobody says so: all of it comes again, in another order of files than before.
    store.set_mode(Mode::Always(Step::StoreThenSilence));
    for pod in pods {
        write(&place, pod, 0..400);
        written += 400;
        let before = store.look(|state| state.received());
        let mut process = Tailwater::daemon(&place, &settings(&place, &store, true));
        process.wait_until("it sends", PATIENCE, || store.look(|state| state.received()) > before + 100);
        process.kill();
    }
    store.recover();
    let (stored, repeats) = store.look(|state| (state.stored(), state.repeats()));
    let mut process = Tailwater::daemon(&place, &settings(&place, &store, true));
    finish(&mut process, &store, written);
    assert!(store.look(|state| state.repeats()) >= repeats + stored, "all of it came again, and was known");
    let streams = values(&store);
    // One value too many of one origin at least, and a batch of others that were on their way.
    assert!(streams.len() > MOST && streams.len() < 3 * (MOST + 2), "{} values in streams", streams.len());
    let admin = process.admin();
    let shown = pipeline(&status(&admin), "store");
    assert_eq!(shown["demoted_labels"], serde_json::json!(["request"]), "{shown}");
    assert_eq!(shown["crowded_labels"], serde_json::json!(["request"]));
    assert_eq!(Metrics::of(&admin).of_pipeline("demoted_labels", "store"), 1);
    assert_eq!(process.terminate(), 0);

    // It does not come back by a restart, nor for a pod that is new.
    for pod in ["a", "new"] {
        write(&place, pod, 400..430);
    }
    let mut process = Tailwater::daemon(&place, &settings(&place, &store, true));
    process.wait_for_log("a label is stored beside the line, as before the restart");
    finish(&mut process, &store, written + 60);
    assert_eq!(values(&store), streams);
    let demoted = store.look(|state| {
        let in_metadata = |metadata: &[(String, String)]| {
            metadata.iter().any(|(name, value)| name == "request" && value == "new-429")
        };
        state.entries().filter(|(.., entry)| in_metadata(&entry.metadata)).count()
    });
    assert_eq!(demoted, 1, "its value is beside the line");
    assert_eq!(process.terminate(), 0);
    let said = process.log();
    assert_eq!(said.matches("is stored as structured metadata from here on").count(), 1, "said once: {said}");
    assert!(!said.contains("a-1"), "no value is said: {said}");

    // The cursors show it.
    let listed = |arguments: &[&str]| {
        _ = fs::remove_file(place.path("stdout"));
        let state = place.state();
        let all = ["checkpoints", "--state-dir", &state].into_iter().chain(arguments.iter().copied());
        assert_eq!(Tailwater::with(&place, all).run(), 0);
        place.read("stdout")
    };
    let rows = listed(&["--json"]);
    let row = rows.lines().find(|row| row.contains("shop_new_")).expect("a row");
    let row: serde_json::Value = serde_json::from_str(row).expect("JSON");
    assert_eq!(row["demoted"], serde_json::json!({ "request": 0 }));
    assert!(listed(&[]).contains("0  label `request` is structured metadata from here on"), "{}", listed(&[]));

    // Other settings take it back.
    write(&place, "a", 430..431);
    let mut process = Tailwater::daemon(&place, &settings(&place, &store, false));
    process.wait_for_log("labels are stream labels again");
    finish(&mut process, &store, written + 61);
    assert_eq!(values(&store).len(), streams.len() + 1);
    assert_eq!(process.terminate(), 0);
    assert!(!listed(&["--json"]).contains("demoted"));
}
