//! The real program against real stores, which `tests/stores/run` builds and starts: what was written is read back
//! through the stores' query APIs and compared, line by line.
#![expect(clippy::disallowed_methods, reason = "a test of the whole program touches the world")]

#[path = "stores/answers.rs"]
mod answers;
#[path = "faults/chance.rs"]
mod chance;
#[path = "stores/kills.rs"]
mod kills;
#[path = "stores/readers.rs"]
mod readers;
mod scenario;
#[path = "sinks/stage.rs"]
mod stage;
mod support;
#[path = "faults/world.rs"]
mod world;

use scenario::{Place, Tailwater, bytes, patience, pods};
use support::account::Account;
use support::generate::{Options, Written};
use support::stores::{OpenSearch, VictoriaLogs};

const SEED: u64 = 11;
const SMALL: u64 = 20_000_000;
const REQUESTS: u64 = 4;

/// Generated pods in a folder, and what a daemon is told of its sink.
struct Scenario {
    place: Place,
    options: Options,
    written: Written,
    sink: String,
}

impl Scenario {
    fn new(sink: String) -> Scenario {
        let place = Place::new();
        let options = pods(bytes(SMALL));
        let written = place.generate(SEED, &options);
        Scenario { place, options, written, sink }
    }

    /// Lines stay whole under `message`, so that they can be compared byte by byte.
    fn daemon(&self, shutdown: &str) -> Tailwater {
        let settings = format!(
            "admin: {{ listen: '127.0.0.1:0' }}\nparse: plain\nshutdown: {shutdown}\nsources: {{ pods: {{ type: kubernetes, path: {} }} }}\n\
             sinks: {{ store: {{ {}, requests_in_flight: {REQUESTS} }} }}\n",
            self.place.pods(),
            self.sink
        );
        let mut process = Tailwater::daemon(&self.place, &settings);
        process.wait_for_log("the admin port answers");
        process
    }

    /// Ends the process at a third and at two thirds of what is to be stored, and lets it finish.
    fn run(&self, stored: impl Fn() -> u64, mut end: impl FnMut(&mut Tailwater)) {
        let patience = patience(self.options.bytes);
        for third in 1..3 {
            let mut process = self.daemon("stop");
            let wanted = self.written.lines * third / 3;
            process.wait_until("a part is stored", patience, || stored() >= wanted);
            end(&mut process);
        }
        // Where lines came again, so many may be there before all are: the files are read to their end in any case.
        let mut process = self.daemon("drain");
        process.wait_until("all is delivered", patience, || stored() >= self.written.lines);
        assert_eq!(process.terminate(), 0);
    }
}

fn stop(process: &mut Tailwater) {
    assert_eq!(process.terminate(), 0);
}

fn opensearch(name: &str, end: impl FnMut(&mut Tailwater)) {
    let store = OpenSearch::from_env();
    store.delete(name);
    let scenario = Scenario::new(format!("type: elasticsearch, url: '{}', data_stream: {name}", store.url()));
    // While the data stream is made, its shards refuse to be searched.
    let stored = || {
        let (refreshed, _) = store.try_ask("POST", &format!("/{name}/_refresh?ignore_unavailable=true"), None);
        let (status, answer) = store.try_ask("GET", &format!("/{name}/_count?ignore_unavailable=true"), None);
        if refreshed == 200 && status == 200 { answer["count"].as_u64().unwrap_or(0) } else { 0 }
    };
    scenario.run(stored, end);
    store.refresh(name);
    let mut account = Account::of(SEED, &scenario.options);
    store.each_document(name, |document| {
        account.see(document.source["message"].as_str().expect("a document has a message"));
    });
    account.assert_every_line_once();
    store.delete(name);
}

#[test]
fn opensearch_has_every_line_once_after_stops() {
    opensearch("logs-stopped-default", stop);
}

#[test]
fn opensearch_has_every_line_once_after_kills() {
    opensearch("logs-killed-default", Tailwater::kill);
}

/// Gives how often a line is there that was there before: this store keeps every repeat.
fn victorialogs(name: &str, encoding: &str, end: impl FnMut(&mut Tailwater)) -> u64 {
    let store = VictoriaLogs::from_env();
    let scenario = Scenario::new(format!(
        "type: loki, url: '{}', encoding: {encoding}, labels: {{ test: {name}, pod: '{{pod}}' }}, batch: {{ max_bytes: 64KiB }}",
        store.loki_url()
    ));
    let query = format!("{{test=\"{name}\"}}");
    let stored = || {
        store.force_flush();
        store.count(&query)
    };
    scenario.run(stored, end);
    store.force_flush();
    let mut account = Account::of(SEED, &scenario.options);
    store.each(&query, |entry| account.see(entry["_msg"].as_str().expect("an entry has a line")));
    account.assert_every_line()
}

#[test]
fn victorialogs_has_every_line_once_after_stops() {
    assert_eq!(victorialogs("stopped", "protobuf", stop), 0);
}

#[test]
fn victorialogs_has_every_line_once_as_json() {
    assert_eq!(victorialogs("json", "json", stop), 0);
}

#[test]
fn victorialogs_has_every_line_after_kills_and_few_twice() {
    let repeats = victorialogs("killed", "protobuf", Tailwater::kill);
    // Two kills; a request of 64 KiB holds at most so many lines of the shortest form.
    let most = 2 * 2 * REQUESTS * (64 << 10) / 64;
    assert!(repeats <= most, "{repeats} lines came again, at most {most} were on their way");
}
