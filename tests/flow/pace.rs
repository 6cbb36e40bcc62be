//! Containers whose lines go to one Loki stream are kept in step, since Loki refuses what is an hour behind.

use crate::common::{assert_balanced, head};
use crate::scenario::{PATIENCE, Place, Tailwater};
use crate::support::doubles::loki::Loki;
use crate::support::time;

/// 2026-11-23T08:00:00Z in seconds.
const START: i64 = 1_795_420_800;
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
    let place = Place::new();
    let lines = write(&place, "late-0", 2 * 3600) + write(&place, "early-0", 0);
    let store = Loki::start_at((START + (HOURS + 3) * 3600) * 1_000_000_000);
    let settings = format!(
        "{}sources: {{ pods: {{ type: kubernetes, path: {} }} }}\nsinks: {{ store: {{ type: loki, url: '{}', labels: {{ namespace: '{{namespace}}' }}, batch: {{ max_bytes: 16KiB, max_age: 10s }}, retry: {{ min: 10ms, max: 200ms }} }} }}\n",
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
