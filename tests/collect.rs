//! Every line once: the real program over generated pods, into each of the sinks; also when it is stopped, killed and
//! started again, with a dead sink beside a live one, and at the end of a pipe. And what the command line promises.
#![expect(clippy::disallowed_methods, reason = "a test of the whole program touches the world")]

mod scenario;
mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};

use rustix::process::Signal;
use scenario::{PATIENCE, Place, Tailwater, bytes, patience, pods, reading, wait_until};
use support::account::Account;
use support::doubles::elasticsearch::{Elasticsearch, ItemFailure, Mode as BulkMode};
use support::doubles::loki::{Loki, Mode as PushMode};
use support::generate::{Options, Written};

const SMALL: u64 = 3_000_000;
const SEED: u64 = 0x7461_696c;
const REQUESTS: u64 = 4;

/// A sink and its store's double, which knows what arrived.
enum Store {
    Elasticsearch(Elasticsearch),
    Loki(Loki),
    Stdout,
}

/// Generated pods, a store, and the account of both.
struct Scenario {
    place: Place,
    options: Options,
    written: Written,
    store: Store,
    /// How often the process was killed.
    kills: u64,
}

impl Store {
    fn elasticsearch() -> Store {
        Store::Elasticsearch(Elasticsearch::start())
    }

    fn loki(options: &Options) -> Store {
        Store::Loki(Loki::start_at(options.start + 3_600_000_000_000))
    }

    /// How many different lines it holds.
    fn stored(&self, place: &Place) -> u64 {
        match self {
            Store::Elasticsearch(double) => double.look(|state| state.stored()),
            Store::Loki(double) => double.look(|state| state.stored()),
            Store::Stdout => lines_of(&place.path("stdout")),
        }
    }

    fn see(&self, place: &Place, account: &mut Account) {
        match self {
            Store::Elasticsearch(double) => double.look(|state| reading::see_documents(account, &state.store)),
            Store::Loki(double) => double.look(|state| reading::see_entries(account, &state.store)),
            Store::Stdout => reading::see_file(account, &place.path("stdout")),
        }
    }

    fn sink(&self) -> String {
        let common = format!(
            "requests_in_flight: {REQUESTS}, batch: {{ max_bytes: 64KiB, max_age: 100ms }}, retry: {{ min: 10ms, max: 200ms }}"
        );
        match self {
            Store::Elasticsearch(double) => format!("{{ type: elasticsearch, url: '{}', {common} }}", double.url()),
            Store::Loki(double) => format!("{{ type: loki, url: '{}', {common} }}", double.url()),
            Store::Stdout => "{ type: stdout, format: json, batch: { max_bytes: 64KiB } }".to_owned(),
        }
    }

    /// How often something came that was there, and the most lines of one request.
    fn repeats(&self) -> (u64, u64) {
        match self {
            Store::Elasticsearch(double) => double
                .look(|state| (state.repeats(), state.bulks.iter().map(|bulk| bulk.items as u64).max().unwrap_or(0))),
            Store::Loki(double) => double.look(|state| {
                (state.repeats(), state.pushes.iter().map(|push| push.entries as u64).max().unwrap_or(0))
            }),
            Store::Stdout => (0, 0),
        }
    }

    fn flag(&self) -> String {
        match self {
            Store::Elasticsearch(double) => format!("es+{}/logs-e2e-default", double.url()),
            Store::Loki(double) => format!("loki+{}", double.url()),
            Store::Stdout => "stdout:".to_owned(),
        }
    }
}

impl Scenario {
    fn new(store: impl FnOnce(&Options) -> Store) -> Scenario {
        let place = Place::new();
        let options = pods(bytes(SMALL));
        let written = place.generate(SEED, &options);
        let store = store(&options);
        Scenario { place, options, written, store, kills: 0 }
    }

    fn daemon(&self) -> Tailwater {
        let settings = format!(
            "admin: {{ listen: '127.0.0.1:0' }}\nsources: {{ pods: {{ type: kubernetes, path: {} }} }}\nsinks: {{ store: {} }}\n",
            self.place.pods(),
            self.store.sink()
        );
        Tailwater::daemon(&self.place, &settings)
    }

    fn wait_for_share(&self, process: &mut Tailwater, share: f64) {
        let wanted = (self.written.lines as f64 * share) as u64;
        process.wait_until(&format!("{wanted} lines stored"), patience(self.options.bytes), || {
            self.store.stored(&self.place) >= wanted
        });
    }

    fn account(&self) -> Account {
        let mut account = Account::of(SEED, &self.options);
        self.store.see(&self.place, &mut account);
        account
    }

    /// Runs until all is stored, killed as often as there are shares, each time when so much is stored; and then ends
    /// as a service manager ends it.
    fn run_with(&mut self, mut end: impl FnMut(&mut Tailwater), shares: &[f64]) {
        for share in shares {
            let mut process = self.daemon();
            process.wait_for_log("the admin port answers");
            self.wait_for_share(&mut process, *share);
            end(&mut process);
            self.kills += 1;
        }
        let mut process = self.daemon();
        process.wait_for_log("the admin port answers");
        self.wait_for_share(&mut process, 1.0);
        assert_eq!(process.terminate(), 0);
    }

    /// What came again after `kill -9` is no more than what was on its way.
    fn assert_few_repeats(&self) {
        let (repeats, largest) = self.store.repeats();
        let most = self.kills * 2 * REQUESTS * largest;
        assert!(repeats <= most, "{repeats} repeats, with {} kills and requests of up to {largest} lines", self.kills);
        println!("{} kills: {repeats} repeats, requests of up to {largest} lines", self.kills);
    }
}

fn lines_of(path: &std::path::Path) -> u64 {
    let Ok(file) = fs::File::open(path) else { return 0 };
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut count = 0;
    loop {
        let chunk = reader.fill_buf().expect("the output can be read");
        if chunk.is_empty() {
            return count;
        }
        count += memchr::memchr_iter(b'\n', chunk).count() as u64;
        let length = chunk.len();
        reader.consume(length);
    }
}

fn once(store: impl FnOnce(&Options) -> Store) {
    let scenario = Scenario::new(store);
    let from = scenario.place.pods();
    let to = scenario.store.flag();
    let mut flags = vec!["--from", &from, "--to", &to, "--once"];
    if matches!(scenario.store, Store::Stdout) {
        flags.extend(["--format", "json"]);
    }
    let mut process = Tailwater::with(&scenario.place, flags).start();
    assert_eq!(process.wait(patience(scenario.options.bytes)), 0);
    scenario.account().assert_every_line_once();
    assert_eq!(scenario.store.repeats().0, 0);
}

#[test]
fn once_to_elasticsearch() {
    once(|_| Store::elasticsearch());
}

#[test]
fn once_to_loki() {
    once(Store::loki);
}

#[test]
fn once_to_stdout() {
    once(|_| Store::Stdout);
}

fn stopped_and_started(store: impl FnOnce(&Options) -> Store) {
    let mut scenario = Scenario::new(store);
    scenario.run_with(|process| assert_eq!(process.terminate(), 0), &[0.15, 0.5]);
    scenario.account().assert_every_line_once();
    assert_eq!(scenario.store.repeats().0, 0, "after a stop nothing is sent again");
}

#[test]
fn stopped_and_started_to_elasticsearch() {
    stopped_and_started(|_| Store::elasticsearch());
}

#[test]
fn stopped_and_started_to_loki() {
    stopped_and_started(Store::loki);
}

#[test]
fn stopped_and_started_to_stdout() {
    stopped_and_started(|_| Store::Stdout);
}

const KILLS: [f64; 5] = [0.0001, 0.1, 0.3, 0.6, 0.85];

#[test]
fn killed_and_started_to_elasticsearch() {
    let mut scenario = Scenario::new(|_| Store::elasticsearch());
    scenario.run_with(Tailwater::kill, &KILLS);
    scenario.account().assert_every_line_once();
    scenario.assert_few_repeats();
}

#[test]
fn killed_and_started_to_loki() {
    let mut scenario = Scenario::new(Store::loki);
    scenario.run_with(Tailwater::kill, &KILLS);
    scenario.account().assert_every_line_once();
    scenario.assert_few_repeats();
}

#[test]
fn killed_and_started_to_stdout_at_least_once() {
    let mut scenario = Scenario::new(|_| Store::Stdout);
    for share in KILLS {
        let mut process = scenario.daemon();
        scenario.wait_for_share(&mut process, share);
        process.kill();
        scenario.kills += 1;
        // What was cut off in the middle of a line is not a line; it comes again whole.
        let path = scenario.place.path("stdout");
        let mut output = fs::read(&path).expect("the output is there");
        let whole = memchr::memrchr(b'\n', &output).map_or(0, |at| at + 1);
        output.truncate(whole);
        fs::write(&path, output).expect("the output is cut");
    }
    let mut process = scenario.daemon();
    let mut settled = None;
    process.wait_until("all is read", patience(scenario.options.bytes), || {
        let missing = scenario.account().report().missing;
        settled = Some(missing);
        missing == 0
    });
    assert_eq!(process.terminate(), 0);
    let repeats = scenario.account().assert_every_line();
    println!("{} kills: {repeats} repeats on stdout", scenario.kills);
    assert!(repeats < scenario.written.lines / 2, "{repeats} repeats");
}

#[test]
fn a_dead_sink_hurts_itself_alone_and_catches_up() {
    let place = Place::new();
    let options = pods(bytes(SMALL));
    let written = place.generate(SEED, &options);
    let (live, dead) = (Store::elasticsearch(), Store::loki(&options));
    let Store::Loki(loki) = &dead else { unreachable!("it was made as Loki") };
    loki.set_mode(PushMode::Refuse);
    let settings = format!(
        "admin: {{ listen: '127.0.0.1:0' }}\nsources: {{ pods: {{ type: kubernetes, path: {} }} }}\nsinks: {{ live: {}, dead: {} }}\n",
        place.pods(),
        live.sink(),
        dead.sink()
    );
    let mut process = Tailwater::daemon(&place, &settings);
    process
        .wait_until("the live sink has everything", patience(options.bytes), || live.stored(&place) == written.lines);
    assert_eq!(dead.stored(&place), 0);
    let metrics = process.metrics();
    metrics.assert_accounted("dead");
    assert!(metrics.of_pipeline("lines_in_flight", "dead") > 0);
    loki.recover();
    process.wait_until("the dead sink has caught up", patience(options.bytes), || dead.stored(&place) == written.lines);
    let admin = process.admin();
    process.wait_until("all is settled", PATIENCE, || {
        let metrics = scenario::process::Metrics::of(&admin);
        ["live", "dead"].iter().all(|sink| metrics.of_pipeline("lines_in_flight", sink) == 0)
    });
    let metrics = process.metrics();
    for (sink, store) in [("live", &live), ("dead", &dead)] {
        metrics.assert_accounted(sink);
        assert_eq!(metrics.of_pipeline("bytes_read_total", sink), written.bytes);
        let mut account = Account::of(SEED, &options);
        store.see(&place, &mut account);
        account.assert_every_line_once();
    }
    assert_eq!(process.terminate(), 0);
}

#[test]
fn a_pipe_becomes_events_and_its_end_ends_it() {
    let input = "{\"level\":\"WARN\",\"msg\":\"disk nearly full\",\"free\":12}\nlevel=info msg=\"two words\" n=1\n\nplain, without end";
    for (format, expected) in [
        (
            "json",
            [
                "\"message\":\"disk nearly full\"",
                "\"fields\":{\"level\":\"info\"",
                "\"message\":\"\"",
                "plain, without end",
            ],
        ),
        ("logfmt", ["message=\"disk nearly full\"", "message=\"two words\"", "message=", "\"plain, without end\""]),
        ("text", ["WARN  disk nearly full", "two words", "", "plain, without end"]),
    ] {
        let place = Place::new();
        let mut process = Tailwater::with(&place, ["--format", format]).piped().start();
        process.stdin().write_all(input.as_bytes()).expect("it reads its stdin");
        assert_eq!(process.wait(PATIENCE), 0);
        let output = place.read("stdout");
        let lines: Vec<&str> = output.lines().collect();
        assert_eq!(lines.len(), 4, "{format}: {output}");
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.contains(expected), "{format}: `{expected}` in `{line}`");
        }
    }
}

#[test]
fn the_time_in_a_line_is_its_events() {
    let place = Place::new();
    let mut process = Tailwater::with(&place, ["--format", "json"]).piped().start();
    let input = "2026-11-23 08:50:48,703 [main] WARN x\n{\"ts\":1795423848.5,\"level\":\"info\",\"msg\":\"m\"}\n";
    process.stdin().write_all(input.as_bytes()).expect("it reads its stdin");
    assert_eq!(process.wait(PATIENCE), 0);
    let output = place.read("stdout");
    let times: Vec<&str> = output.lines().filter_map(|line| line.split('"').nth(3)).collect();
    assert_eq!(times, ["2026-11-23T08:50:48.703Z", "2026-11-23T08:50:48.5Z"], "{output}");
}

#[test]
fn a_pipe_drains_into_a_store_that_was_down_for_a_moment() {
    let place = Place::new();
    let store = Elasticsearch::start();
    store.set_mode(BulkMode::Refuse);
    let to = format!("es+{}/logs-pipe-default", store.url());
    let mut process = Tailwater::with(&place, ["--to", &to]).piped().start();
    let lines: Vec<String> = (0..5_000).map(|number| format!("line number {number} of the pipe")).collect();
    process.stdin().write_all((lines.join("\n") + "\n").as_bytes()).expect("it reads its stdin");
    process.wait_for_log("store");
    store.recover();
    assert_eq!(process.wait(PATIENCE), 0);
    let mut found = store.look(|state| {
        let documents = state.documents("logs-pipe-default").iter();
        documents.map(|document| document.json()["message"].as_str().expect("a message").to_owned()).collect::<Vec<_>>()
    });
    let mut lines = lines;
    found.sort();
    lines.sort();
    assert_eq!(found, lines);
}

#[test]
fn a_closed_output_pipe_is_a_success() {
    let place = Place::new();
    let input: String = (0..200_000).map(|number| format!("line {number}\n")).collect();
    let input = place.write("input", input);
    let mut process = Tailwater::with(&place, ["--format", "json"]).stdin(&input).read_stdout().start();
    let mut stdout = process.stdout();
    let mut first = [0; 64];
    stdout.read_exact(&mut first).expect("the first bytes come");
    drop(stdout);
    assert_eq!(process.wait(PATIENCE), 0);
}

#[test]
fn sigterm_reads_a_pipe_to_its_end() {
    let place = Place::new();
    let mut process = Tailwater::with(&place, ["--format", "json", "--log-level", "info"]).piped().start();
    let mut stdin = process.stdin();
    stdin.write_all(b"before\n").expect("it reads its stdin");
    process.wait_until("the first line", PATIENCE, || place.read("stdout").contains("before"));
    process.signal(Signal::TERM);
    process.wait_for_log("stdin is read to its end");
    stdin.write_all(b"the application's last words\n").expect("it still reads its stdin");
    drop(stdin);
    assert_eq!(process.wait(PATIENCE), 0);
    assert!(place.read("stdout").contains("the application's last words"));
}

#[test]
fn a_second_signal_ends_at_once() {
    let place = Place::new();
    let mut process = Tailwater::with(&place, ["--format", "json", "--log-level", "info"]).piped().start();
    let _stdin = process.stdin();
    process.wait_for_log("started");
    process.signal(Signal::TERM);
    process.wait_for_log("stdin is read to its end");
    process.signal(Signal::INT);
    assert_eq!(process.wait(PATIENCE), 75);
}

#[test]
fn stopping_with_a_dead_sink_keeps_to_the_grace_and_loses_nothing() {
    let place = Place::new();
    let options = pods(200_000);
    let written = place.generate(SEED, &options);
    let store = Store::elasticsearch();
    let Store::Elasticsearch(double) = &store else { unreachable!("it was made so") };
    double.set_mode(BulkMode::Refuse);
    let settings = |grace: &str| {
        format!(
            "shutdown_grace: {grace}\nsources: {{ pods: {{ type: kubernetes, path: {} }} }}\nsinks: {{ store: {} }}\n",
            place.pods(),
            store.sink()
        )
    };
    let mut process = Tailwater::daemon(&place, &settings("300ms"));
    process.wait_for_log("did not take");
    assert_eq!(process.terminate(), 0, "files are read again at the next start");
    double.recover();
    let mut process = Tailwater::daemon(&place, &settings("10s"));
    process.wait_until("all is stored", PATIENCE, || store.stored(&place) == written.lines);
    assert_eq!(process.terminate(), 0);
    let mut account = Account::of(SEED, &options);
    store.see(&place, &mut account);
    account.assert_every_line_once();
}

#[test]
fn once_with_a_sink_that_refuses_gives_up_after_a_minute() {
    let place = Place::new();
    place.write("a.log", "one\ntwo\nthree\n");
    let store = Elasticsearch::start();
    store.set_mode(BulkMode::Refuse);
    let to = format!("es+{}/logs-never-default", store.url());
    let mut process = Tailwater::with(&place, ["--from", &place.text("a.log"), "--to", &to, "--once"]).start();
    assert_eq!(process.wait(PATIENCE * 2), 75);
    let log = process.log();
    assert!(log.contains("giving up") && log.contains("\"lines\":3"), "{log}");
}

#[test]
fn once_tells_by_its_exit_code_that_a_line_was_refused() {
    let place = Place::new();
    place.write("a.log", "one\ntwo\nthree\n");
    let store = Elasticsearch::start();
    store.set_rule(|item| (item.document["message"] == "two").then(ItemFailure::not_found));
    let to = format!("es+{}/logs-some-default", store.url());
    let mut process = Tailwater::with(&place, ["--from", &place.text("a.log"), "--to", &to, "--once"]).start();
    assert_eq!(process.wait(PATIENCE), 75);
    assert_eq!(store.look(|state| state.stored()), 2);
    let log = process.log();
    assert!(log.contains("dropped") && log.contains("\"lines\":1"), "{log}");
}

#[test]
fn once_tells_by_its_exit_code_that_a_file_could_not_be_read() {
    let place = Place::new();
    place.write("a.log", "one\n");
    let from = [place.text("a.log"), place.text("none.log")];
    let mut process = Tailwater::with(&place, ["--from", &from[0], "--from", &from[1], "--once"]).start();
    assert_eq!(process.wait(PATIENCE), 74);
    assert!(process.log().contains("nothing is there") && process.log().contains("none.log"), "{}", process.log());
    assert!(place.read("stdout").contains("one"), "what is there is delivered all the same");
}

#[test]
fn a_second_process_is_told_who_holds_the_state_directory() {
    let place = Place::new();
    let settings = format!(
        "shutdown_grace: 100ms\nsources: {{ f: {{ type: file, include: '{}' }} }}\nsinks: {{ out: {{ type: stdout }} }}\n",
        place.text("*.txt")
    );
    let mut first = Tailwater::daemon(&place, &settings);
    first.wait_for_log("started");
    let mut second = Tailwater::daemon(&place, &settings);
    assert_eq!(second.wait(PATIENCE), 76);
    assert!(second.log().contains(&format!("held by process {}", first.id())), "{}", second.log());
    assert_eq!(first.terminate(), 0);
}

#[test]
fn run_needs_a_state_directory_for_files() {
    let place = Place::new();
    let settings =
        place.write("s.yaml", "sources: { f: { type: file, include: /tmp/x } }\nsinks: { out: { type: stdout } }\n");
    let settings = settings.display().to_string();
    let mut process = Tailwater::with(&place, ["run", "--config", &settings]).start();
    assert_eq!(process.wait(PATIENCE), 64);
    assert!(process.log().contains("state_dir"), "{}", process.log());
}

#[test]
fn check_opens_nothing_and_masks_secrets() {
    let place = Place::new();
    let settings = place.settings(
        "sources: { pods: { type: kubernetes } }\nsinks: { search: { type: elasticsearch, url: 'http://user:hunter2@127.0.0.1:1', auth: { bearer: '${TOKEN}' } } }\n",
    );
    let settings = settings.display().to_string();
    let start = Tailwater::with(&place, ["check", "--config", &settings]).variable("TOKEN", "s3cr3t-token");
    let code = start.run();
    let said = place.read("stdout") + &place.read("log");
    assert!(!said.contains("s3cr3t-token") && !said.contains("hunter2"), "{said}");
    assert!(!place.path("state").exists(), "nothing is opened");
    if code == 64 {
        // A user in the url and `auth` may well be refused together; then each alone must do.
        assert!(said.contains("auth"), "{said}");
    }
    let place = Place::new();
    let settings = place.settings(
        "sources: { pods: { type: kubernetes } }\nsinks: { search: { type: elasticsearch, url: 'http://127.0.0.1:1', auth: { bearer: '${TOKEN}' } } }\n",
    );
    let settings = settings.display().to_string();
    assert_eq!(Tailwater::with(&place, ["check", "--config", &settings]).variable("TOKEN", "s3cr3t-token").run(), 0);
    let said = place.read("stdout") + &place.read("log");
    assert!(said.contains("bearer") && !said.contains("s3cr3t-token"), "{said}");
    assert_eq!(Tailwater::with(&place, ["check", "--config", &settings]).run(), 64, "TOKEN is missing");
}

#[test]
fn checkpoints_are_listed() {
    let place = Place::new();
    place.write("logs/a.log", "one\ntwo\n");
    place.write("logs/b.log", "three\n");
    let from = place.text("logs/*.log");
    let state = place.state();
    let mut process = Tailwater::with(&place, ["--from", &from, "--state-dir", &state]).start();
    process.wait_until("three lines", PATIENCE, || place.read("stdout").lines().count() == 3);
    assert_eq!(process.terminate(), 0);
    fs::remove_file(place.path("stdout")).expect("the output goes");
    assert_eq!(Tailwater::with(&place, ["checkpoints", "--state-dir", &state]).run(), 0);
    let table = place.read("stdout");
    assert!(table.contains("PIPELINE") && table.contains(&place.text("logs/a.log")), "{table}");
    fs::remove_file(place.path("stdout")).expect("the output goes");
    assert_eq!(Tailwater::with(&place, ["checkpoints", "--json", "--state-dir", &state]).run(), 0);
    let output = place.read("stdout");
    let rows: Vec<serde_json::Value> = output.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let cursor = |row: &serde_json::Value| {
        (row["file"].as_str().map(str::to_owned), row["offset"].as_u64(), row["lag"].as_u64())
    };
    let expected =
        [("logs/a.log", 8), ("logs/b.log", 6)].map(|(file, offset)| (Some(place.text(file)), Some(offset), Some(0)));
    assert_eq!(rows.iter().map(cursor).collect::<Vec<_>>(), expected, "{output}");
    assert_eq!(Tailwater::with(&place, ["checkpoints", "--state-dir", &place.text("nowhere")]).run(), 74);
}

#[test]
fn cursors_are_moved_while_nothing_runs() {
    let place = Place::new();
    place.write("logs/a.log", "one\ntwo\n");
    place.write("logs/b.log", "three\n");
    let (from, state) = (place.text("logs/*.log"), place.state());
    let (a, b) = (place.text("logs/a.log"), place.text("logs/b.log"));
    let follow = || Tailwater::with(&place, ["--from", &from, "--state-dir", &state, "--format", "text"]);
    let lines = || place.read("stdout").lines().count();
    let mut process = follow().start();
    process.wait_until("three lines", PATIENCE, || lines() == 3);
    // While it runs, nothing is moved, and it is said who runs.
    let skip =
        |file: &str| Tailwater::with(&place, ["checkpoints", "skip", "--state-dir", &state, "--file", file]).run();
    assert_eq!(skip(&a), 76);
    assert!(place.read("log").contains(&format!("is held by process {}", process.id())), "{}", place.read("log"));
    assert_eq!(process.terminate(), 0);
    place.append("logs/a.log", "not wanted\nnor this, and it has no en");
    place.append("logs/b.log", "wanted\n");
    fs::remove_file(place.path("stdout")).expect("the output goes");
    assert_eq!(skip(&a), 0);
    assert_eq!(place.read("stdout"), format!("stdout  8 -> 19  {a}\n"));
    assert_eq!(skip(&place.text("logs/c.log")), 64);
    assert_eq!(
        Tailwater::with(&place, ["checkpoints", "reset", "--state-dir", &state, "--pipeline", "stdot"]).run(),
        64
    );
    assert!(place.read("log").contains("did you mean `stdout`?"), "{}", place.read("log"));
    fs::remove_file(place.path("stdout")).expect("the output goes");
    place.append("logs/a.log", "d\n");
    let mut process = follow().start();
    process.wait_until("two lines", PATIENCE, || lines() == 2);
    assert_eq!(process.terminate(), 0);
    let output = place.read("stdout");
    assert!(output.contains("nor this, and it has no end") && output.contains("wanted"), "{output}");
    // And from the beginning again, one file.
    let reset = ["checkpoints", "reset", "--json", "--state-dir", &state, "--pipeline", "stdout", "--file", &b];
    fs::remove_file(place.path("stdout")).expect("the output goes");
    assert_eq!(Tailwater::with(&place, reset).run(), 0);
    let said: serde_json::Value = serde_json::from_str(&place.read("stdout")).expect("JSON");
    assert_eq!((&said["from"], &said["to"]), (&serde_json::json!(13), &serde_json::json!(0)));
    fs::remove_file(place.path("stdout")).expect("the output goes");
    let mut process = follow().start();
    process.wait_until("both lines of it", PATIENCE, || lines() == 2);
    assert_eq!(process.terminate(), 0);
    assert!(place.read("stdout").contains("three"), "{}", place.read("stdout"));
}

#[test]
fn version_and_help() {
    let place = Place::new();
    assert_eq!(Tailwater::with(&place, ["--version"]).run(), 0);
    assert!(place.read("stdout").starts_with(concat!("tailwater ", env!("CARGO_PKG_VERSION"), " (commit ")));
    assert_eq!(Tailwater::with(&place, ["--help"]).run(), 0);
    let help = place.read("stdout");
    for word in ["--from", "--to", "--once", "TAILWATER_STATE_DIR", "checkpoints", "Exit codes"] {
        assert!(help.contains(word), "{word} in {help}");
    }
    assert_eq!(Tailwater::with(&place, ["--no-such-flag"]).run(), 64);
    wait_until("the log is written", PATIENCE, || place.read("log").contains("--no-such-flag"));
}
