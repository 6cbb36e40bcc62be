//! Containers whose lines go to one Loki stream are kept in step, since Loki refuses what is an hour behind.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::common::{assert_balanced, head};
use crate::scenario::{PATIENCE, Place, Tailwater};
use crate::support::doubles::loki::Loki;
use crate::support::time;

/// 2024-01-01T00:00:00Z in seconds: whatever the clock says, it is past.
const START: i64 = 1_704_067_200;
/// A line every so many seconds, for so long.
const EVERY: i64 = 10;
const HOURS: i64 = 3;

/// The logs of a container from `START` + `from` on.
fn write(place: &Place, pod: &str, from: i64) -> u64 {
    let path = format!("pods/shop_{pod}_11111111-1111-4111-8111-111111111111/app/0.log");
    let times = (from..from + HOURS * 3600).step_by(EVERY as usize);
    let lines: Vec<String> = times
        .map(|after| format!("{} stdout F {pod} at {after}\n", time::rfc3339((START + after) * 1_000_000_000)))
        .collect();
    place.write(&path, lines.concat());
    lines.len() as u64
}

/// Two containers of one stream, one of them two hours before the other: each alone is a backlog that Loki would take in
/// order, and one after the other it would refuse most of the second.
#[test]
fn backlogs_under_one_label_set_are_all_taken() {
    backlogs_under_one_label_set(1);
}

/// Two workers do not share a stream.
#[test]
fn backlogs_under_one_label_set_are_all_taken_by_one_of_two_workers() {
    backlogs_under_one_label_set(2);
}

fn backlogs_under_one_label_set(workers: usize) {
    let place = Place::new();
    let lines = write(&place, "late-0", 2 * 3600) + write(&place, "early-0", 0);
    let store = Loki::start_at((START + (HOURS + 3) * 3600) * 1_000_000_000);
    let settings = format!(
        "{}sources: {{ pods: {{ type: kubernetes, path: {} }} }}\nsinks: {{ store: {{ type: loki, url: '{}', workers: {workers}, labels: {{ namespace: '{{namespace}}' }}, batch: {{ max_bytes: 16KiB, max_age: 10s }}, retry: {{ min: 10ms, max: 200ms }} }} }}\n",
        head(),
        place.pods(),
        store.url()
    );
    let mut process = Tailwater::daemon(&place, &settings);
    process.wait_for_log("the admin port answers");
    assert_balanced(&mut process, &["store"], lines);
    store.look(|state| {
        let refused: usize = state.pushes.iter().map(|push| push.refused).sum();
        assert_eq!((refused, state.stored()), (0, lines), "refused, stored");
        assert_eq!(state.tenants.values().map(|streams| streams.len()).sum::<usize>(), 1, "one stream");
    });
    assert_eq!(process.metrics().of_pipeline("lines_dropped_total", "store"), 0);
    // New lines of both go on.
    let now = START + 5 * 3600;
    for pod in ["late-0", "early-0"] {
        let path = format!("pods/shop_{pod}_11111111-1111-4111-8111-111111111111/app/0.log");
        place.append(&path, format!("{} stdout F {pod} now\n", time::rfc3339(now * 1_000_000_000)));
    }
    assert!(store.wait_until(PATIENCE, |state| state.stored() == lines + 2), "new lines are stored");
    assert_balanced(&mut process, &["store"], lines + 2);
    assert_eq!(process.terminate(), 0);
}

/// Lines of another day beside new ones of their stream: the store refuses them, too far behind or too old. Asked to, the
/// sink gives them the time of reading, and they are all there, each with its own time beside it.
#[test]
fn lines_too_old_for_the_store_are_restamped() {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let now = i64::try_from(clock.as_nanos()).expect("before 2262");
    let second = 1_000_000_000;
    let ages = [0, 60, 3 * 3600, 3 * 3600, 10 * 86_400];
    let run = |settings: &str| {
        let place = Place::new();
        // All in one file, the newest first, so that its stream has one when the others come.
        let lines = ages
            .iter()
            .zip(0..)
            .map(|(age, at)| format!("{} stdout F line {at}\n", time::rfc3339(now - age * second + at)));
        place.write("pods/shop_old-0_11111111-1111-4111-8111-111111111111/app/0.log", lines.collect::<String>());
        let store = Loki::start_at(now);
        let settings = format!(
            "{}sources: {{ pods: {{ type: kubernetes, path: {} }} }}\nsinks: {{ store: {{ type: loki, url: '{}', {settings} }} }}\n",
            head(),
            place.pods(),
            store.url()
        );
        let mut process = Tailwater::daemon(&place, &settings);
        let admin = process.admin();
        process.wait_until("all lines are settled", PATIENCE, || {
            let metrics = crate::scenario::process::Metrics::of(&admin);
            let of = |name: &str| metrics.of_pipeline(name, "store");
            of("lines_delivered_total") + of("lines_dropped_total") == ages.len() as u64
        });
        let dropped = process.metrics().of_pipeline("lines_dropped_total", "store");
        process.metrics().assert_accounted("store");
        assert_eq!(process.terminate(), 0);
        let mut own = Vec::new();
        store.look(|state| {
            for (.., time, entry) in state.entries() {
                assert!(time > now - 3600 * second, "{}: {}", entry.line, time::rfc3339(time));
                own.push((
                    entry.line.clone(),
                    entry.metadata.iter().find(|(name, _)| *name == "original_time").map(|(_, time)| time.clone()),
                ));
            }
        });
        own.sort();
        (dropped, own)
    };
    let line =
        |at: i64, own: Option<i64>| (format!("line {at}"), own.map(|age| time::rfc3339(now - age * second + at)));
    assert_eq!(run("labels: { app: x }"), (3, vec![line(0, None), line(1, None)]));
    let all = vec![
        line(0, None),
        line(1, None),
        line(2, Some(3 * 3600)),
        line(3, Some(3 * 3600)),
        line(4, Some(10 * 86_400)),
    ];
    assert_eq!(run("labels: { app: x }, restamp_older_than: 30m"), (0, all));
}
