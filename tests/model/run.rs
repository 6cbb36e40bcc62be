//! A program, run with the real binary against a double.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::Step;
use crate::scenario::figures::{self, Figures};
use crate::scenario::{Place, Tailwater, wait_until};
use crate::support::doubles::elasticsearch::{Elasticsearch, Mode as BulkMode};
use crate::support::doubles::loki::{Loki, Mode as PushMode};
use crate::world::World;

/// The kinds of stores that recognise a repeat.
pub(crate) const STORES: [Kind; 2] = [Kind::Elasticsearch, Kind::Loki];

/// A kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// By document ids.
    Elasticsearch,
    /// By equal entries.
    Loki,
}

/// What is stored within this time was not forgotten.
const PATIENCE: Duration = Duration::from_secs(120);
/// 2026-11-25T00:00:00Z in nanoseconds: after all lines' times.
const NOW: i64 = 1_795_564_800_000_000_000;

enum Store {
    Elasticsearch(Elasticsearch),
    Loki(Loki),
}

/// Runs `program`; panics where a line is missing or stored twice.
pub(crate) fn run(program: &[Step], kind: Kind) {
    let place = Place::new();
    let store = match kind {
        Kind::Elasticsearch => Store::Elasticsearch(Elasticsearch::start()),
        Kind::Loki => Store::Loki(Loki::start_at(NOW)),
    };
    let mut world = World::new(&place);
    let settings = format!(
        "sources: {{ pods: {{ type: kubernetes, path: {} }} }}\nsinks: {{ store: {} }}\n",
        place.pods(),
        store.sink()
    );
    let mut process = Some(Tailwater::daemon(&place, &settings));
    let mut accepts = true;
    for step in program {
        match *step {
            Step::Write(container, lines) => world.write(container, lines),
            Step::Half(container) => world.half(container),
            Step::Rotate(container) => world.rotate(container),
            Step::Compress(container) => world.compress(container),
            Step::Remove(container) => drop(world.remove(container)),
            Step::Truncate(container) => world.truncate(container),
            Step::Delete(container) => world.delete(container),
            Step::Restart(container) => world.restart(container),
            Step::Refuse => {
                store.refuse();
                accepts = false;
            }
            Step::Accept => {
                store.accept();
                accepts = true;
            }
            Step::Kill => {
                if let Some(mut running) = process.take() {
                    running.kill();
                    process = Some(Tailwater::daemon(&place, &settings));
                }
            }
            Step::Stop => {
                if let Some(mut running) = process.take() {
                    // A signal before the process listens ends it like a kill, which is as good here.
                    running.terminate();
                }
            }
            Step::Start => {
                process.get_or_insert_with(|| Tailwater::daemon(&place, &settings));
            }
            Step::Settle => {
                if accepts && process.is_some() {
                    world.finish();
                    store.wait_for(&world.lines());
                }
            }
        }
    }
    store.accept();
    world.finish();
    let mut process = process.unwrap_or_else(|| Tailwater::daemon(&place, &settings));
    process.wait_for_log("started");
    store.wait_for(&world.lines());
    assert_eq!(process.terminate(), 0);
    let twice: Vec<_> = store.counts().into_iter().filter(|(_, count)| *count > 1).collect();
    let lines = world.lines().len() as u64;
    let figures = Figures { written: lines, delivered: lines, repeated: store.repeats(), lost: 0 };
    figures::note(place.text(""), figures);
    assert!(twice.is_empty(), "stored more than once: {}, such as {:?}", twice.len(), twice.first());
}

impl Store {
    fn sink(&self) -> String {
        let common = "batch: { max_bytes: 16KiB, max_age: 20ms }, retry: { min: 5ms, max: 50ms }";
        match self {
            Store::Elasticsearch(double) => format!("{{ type: elasticsearch, url: '{}', {common} }}", double.url()),
            Store::Loki(double) => format!("{{ type: loki, url: '{}', {common} }}", double.url()),
        }
    }

    fn repeats(&self) -> u64 {
        match self {
            Store::Elasticsearch(double) => double.look(|state| state.repeats()),
            Store::Loki(double) => double.look(|state| state.repeats()),
        }
    }

    fn refuse(&self) {
        match self {
            Store::Elasticsearch(double) => double.set_mode(BulkMode::Refuse),
            Store::Loki(double) => double.set_mode(PushMode::Refuse),
        }
    }

    fn accept(&self) {
        match self {
            Store::Elasticsearch(double) => double.recover(),
            Store::Loki(double) => double.recover(),
        }
    }

    /// How often each line is stored.
    fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        let mut see = |line: &str| {
            let name = line.split(' ').next().unwrap_or_default().to_owned();
            *counts.entry(name).or_default() += 1;
        };
        match self {
            Store::Elasticsearch(double) => double.look(|state| {
                for document in state.indices.values().flat_map(|index| &index.documents) {
                    see(document.json()["message"].as_str().expect("a message"));
                }
            }),
            Store::Loki(double) => double.look(|state| {
                for (_, _, _, entry) in state.entries() {
                    see(&entry.line);
                }
            }),
        }
        counts
    }

    fn wait_for(&self, lines: &BTreeSet<String>) {
        let mut missing = Vec::new();
        let all_there = || {
            let counts = self.counts();
            missing = lines.iter().filter(|line| !counts.contains_key(*line)).cloned().collect();
            missing.is_empty()
        };
        let came =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| wait_until("all lines", PATIENCE, all_there)));
        assert!(came.is_ok(), "{} of {} lines are missing, such as {:?}", missing.len(), lines.len(), missing.first());
    }
}
