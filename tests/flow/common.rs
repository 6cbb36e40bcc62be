//! What these tests share: lines with numbers, a look at `/status`, and the account at the end.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::scenario::figures::{self, Figures};
use crate::scenario::process::Metrics;
use crate::scenario::{PATIENCE, Place, Tailwater};
use crate::support::doubles::elasticsearch::ElasticsearchStore;
use crate::support::http;

/// What the process may use beside its memory limit.
pub(crate) const BESIDE: u64 = 24 << 20;
/// The limit that most of these tests set.
pub(crate) const LIMIT: u64 = 40 << 20;

/// The beginning of a settings file: the limit, and an admin port.
pub(crate) fn head() -> String {
    format!("memory_limit: {LIMIT}B\nadmin: {{ listen: '127.0.0.1:0' }}\n")
}

/// The settings of a sink that answers, or does not, quickly.
pub(crate) fn quick() -> &'static str {
    "batch: { max_bytes: 256KiB, max_age: 50ms }, retry: { min: 10ms, max: 200ms }"
}

/// A line of a container as the runtime writes it, of 300 bytes and with its number.
pub(crate) fn cri_line(number: u64) -> String {
    let filler = "x".repeat(250 - number.to_string().len());
    let (second, nanos) = (number / 1_000_000 % 60, number % 1_000_000 * 1_000);
    format!("2026-11-23T08:50:{second:02}.{nanos:09}Z stdout F n={number} {filler}\n")
}

/// Writes `lines` lines from number `first` on.
pub(crate) fn write_lines(path: &Path, first: u64, lines: u64) {
    std::fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("a folder is made");
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).expect("a file is made"));
    (first..first + lines).for_each(|number| file.write_all(cri_line(number).as_bytes()).expect("written"));
    file.flush().expect("written");
}

/// How many lines make so many bytes.
pub(crate) fn lines_of(bytes: u64) -> u64 {
    bytes / cri_line(0).len() as u64
}

/// How often each number from 0 on was stored.
pub(crate) fn numbers(store: &ElasticsearchStore, lines: u64) -> Vec<u32> {
    let mut seen = vec![0; lines as usize];
    for document in store.indices.values().flat_map(|index| &index.documents) {
        let (_, rest) = document.source.split_once("n=").expect("a number");
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        seen[digits.parse::<usize>().expect("a number")] += 1;
    }
    seen
}

/// Every number once, and no other.
pub(crate) fn assert_each_once(store: &ElasticsearchStore, lines: u64) {
    let seen = numbers(store, lines);
    let delivered = seen.iter().filter(|count| **count > 0).count() as u64;
    let lost = lines.saturating_sub(delivered);
    let run = format!("{store:p}");
    figures::note(run, Figures { written: lines, delivered, repeated: store.repeats(), lost });
    let wrong: Vec<_> = seen.iter().enumerate().filter(|(_, count)| **count != 1).take(5).collect();
    assert!(wrong.is_empty(), "number, how often: {wrong:?}");
}

/// `/status`, read.
pub(crate) fn status(admin: &str) -> Value {
    let answer = http::request("GET", admin, "/status", &[], b"").and_then(http::Response::success);
    answer.and_then(http::Response::json).expect("/status answers")
}

/// A pipeline's part of `/status`.
pub(crate) fn pipeline(status: &Value, name: &str) -> Value {
    let pipelines = status["pipelines"].as_array().expect("pipelines");
    pipelines
        .iter()
        .find(|pipeline| pipeline["name"] == name)
        .unwrap_or_else(|| panic!("no `{name}`: {status}"))
        .clone()
}

/// A number in it.
pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("a number: {value}"))
}

/// Batches that a store which does not answer gets at most: one for each request, and two to follow.
const UNDERWAY: u64 = 4 + 2;

/// Waits until a pipeline has no room for a batch more, and nothing can change that but an answer.
pub(crate) fn wait_until_starved(process: &mut Tailwater, pipeline: &str, batches: u64) {
    let admin = process.admin();
    process.wait_until("there is no room for another batch", PATIENCE, || {
        let metrics = Metrics::of(&admin);
        let (held, size) =
            (metrics.of_pipeline("permit_held_bytes", pipeline), metrics.of_pipeline("permit_size_bytes", pipeline));
        let sent = metrics.of_pipeline("batches_total", pipeline);
        let is_full = held > 0 && sent > 0 && held + held / sent > size;
        let are_enough = sent >= UNDERWAY && metrics.of_pipeline("permit_waits_total", pipeline) > 0;
        sent >= batches && (is_full || are_enough)
    });
}

/// The end of every test: all that was read of these pipelines is accounted for, nothing is in flight; the same by
/// workload and in `/status`.
pub(crate) fn assert_balanced(process: &mut Tailwater, pipelines: &[&str], lines: u64) {
    let admin = process.admin();
    process.wait_until("nothing is in flight", PATIENCE, || {
        let metrics = Metrics::of(&admin);
        pipelines.iter().all(|name| {
            metrics.of_pipeline("lines_in_flight", name) == 0 && metrics.of_pipeline("lines_read_total", name) >= lines
        })
    });
    let (metrics, status) = (Metrics::of(&admin), status(&admin));
    for name in pipelines {
        metrics.assert_accounted(name);
        figures::note_unreachable(process.id(), metrics.of_pipeline("unreachable_bytes_total", name));
        assert_eq!(metrics.of_pipeline("lines_read_total", name), lines, "lines read by {name}");
        assert_account(&pipeline(&status, name));
    }
}

/// The account while the flow goes on: it balances at every moment, not only at the end.
pub(crate) fn assert_balanced_now(admin: &str, pipelines: &[&str]) {
    let (metrics, status) = (Metrics::of(admin), status(admin));
    for name in pipelines {
        metrics.assert_accounted(name);
        assert_account(&pipeline(&status, name));
    }
}

/// `/status` balances, in lines and bytes, as a whole and over the workloads.
fn assert_account(pipeline: &Value) {
    for what in ["lines", "bytes"] {
        let account = &pipeline[what];
        let dropped: u64 = account["dropped"].as_object().expect("reasons").values().map(number).sum();
        let sum = ["delivered", "dead_lettered", "given_back", "in_flight"]
            .map(|key| number(&account[key]))
            .iter()
            .sum::<u64>();
        let cut = account.get("cut").map_or(0, number);
        assert_eq!(number(&account["read"]), sum + dropped + cut, "{what}: {account}");
        for key in ["read", "delivered", "dead_lettered", "given_back", "in_flight"] {
            let workloads = pipeline["workloads"].as_array().expect("workloads");
            let over_all: u64 = workloads.iter().map(|workload| number(&workload[what][key])).sum();
            assert_eq!(over_all, number(&account[key]), "{what} {key} over all workloads: {pipeline}");
        }
    }
}

/// The peak is within the limit and what the process needs beside it.
pub(crate) fn assert_memory(process: &Tailwater, limit: u64) {
    let peak = process.peak_memory();
    println!("peak memory {:.1} MiB, limit {} MiB", peak as f64 / 1048576.0, limit >> 20);
    assert!(peak <= limit + BESIDE, "{peak} bytes were used, the limit is {limit} and {BESIDE} beside it");
}

/// A folder of its own, and a daemon with one `file` source of everything below `logs`.
pub(crate) fn follow(place: &Place, sinks: &str) -> Tailwater {
    follow_with(place, "", sinks)
}

/// The same with more settings at the top.
pub(crate) fn follow_with(place: &Place, top: &str, sinks: &str) -> Tailwater {
    let include = place.text("logs/**/*.log*");
    let settings = format!(
        "{}{top}shutdown_grace: 100ms\nsources: {{ logs: {{ type: file, include: '{include}' }} }}\nsinks: {{ {sinks} }}\n",
        head()
    );
    let mut process = Tailwater::daemon(place, &settings);
    process.wait_for_log("the admin port answers");
    process
}

/// Longer than usual where the sizes are.
pub(crate) fn long(bytes: u64) -> Duration {
    crate::scenario::patience(bytes)
}
