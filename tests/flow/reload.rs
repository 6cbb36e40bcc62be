//! Settings loaded again while lines flow.

use std::fs::{self, File};
use std::io::Write as _;

use rustix::process::Signal;

use crate::common::{
    assert_balanced, assert_each_once, cri_line, head, number, numbers, pipeline, quick, status, write_lines,
};
use crate::scenario::process::Metrics;
use crate::scenario::{PATIENCE, Place, Tailwater};
use crate::support::doubles::elasticsearch::Elasticsearch;
use crate::support::doubles::{Mode, Step};

/// Reloads in the long test.
const RELOADS: u64 = 200;

/// A file source of everything below `logs`, and these sinks.
fn settings(place: &Place, top: &str, sinks: &str) -> String {
    let include = place.text("logs/**/*.log*");
    format!("{}{top}sources: {{ logs: {{ type: file, include: '{include}' }} }}\nsinks: {{ {sinks} }}\n", head())
}

fn sink(name: &str, store: &Elasticsearch, more: &str) -> String {
    format!("{name}: {{ type: elasticsearch, url: '{}', {}{more} }}", store.url(), quick())
}

fn start(place: &Place, settings: &str) -> Tailwater {
    let mut process = Tailwater::daemon(place, settings);
    process.wait_for_log("the admin port answers");
    process
}

/// Settings loaded again, and what became of that so far.
fn reloads(admin: &str) -> (u64, u64) {
    let page = crate::support::http::request("GET", admin, "/metrics", &[], b"").expect("/metrics answers");
    let page = page.text().expect("a text");
    let of = |outcome: &str| {
        let name = format!("tailwater_reloads_total{{outcome=\"{outcome}\"}} ");
        page.lines().find_map(|line| line.strip_prefix(&name)).expect("the series is there").parse().expect("a number")
    };
    (of("applied"), of("refused"))
}

/// Writes the settings anew and waits until they are in effect.
fn reload(process: &mut Tailwater, place: &Place, settings: &str) {
    let admin = process.admin();
    let (applied, refused) = reloads(&admin);
    place.settings(settings);
    process.signal(Signal::HUP);
    process.wait_until("the settings are in effect", PATIENCE, || {
        let now = reloads(&admin);
        assert_eq!(now.1, refused, "they were refused");
        now.0 > applied
    });
}

/// A file of this place, opened to be written on.
fn log(place: &Place, name: &str) -> File {
    let path = place.path(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    File::options().create(true).append(true).open(path).expect("opened")
}

/// Memory in use now, in bytes.
fn resident(process: &Tailwater) -> u64 {
    let statm = fs::read_to_string(format!("/proc/{}/statm", process.id())).expect("the process is there");
    statm.split(' ').nth(1).expect("pages").parse::<u64>().expect("a number") * 4096
}

/// Labels change again and again while lines are written: each line is there once, and memory does not grow.
#[test]
fn many_reloads_under_load_lose_and_repeat_nothing() {
    let place = Place::new();
    let store = Elasticsearch::start();
    let mut file = log(&place, "logs/a.log");
    let with = |round: u64| settings(&place, &format!("fields: {{ round: 'r{round}' }}\n"), &sink("store", &store, ""));
    let mut process = start(&place, &with(0));
    let mut lines = 0;
    let mut early = 0;
    for round in 1..=RELOADS {
        let text: String = (lines..lines + 500).map(cri_line).collect();
        lines += 500;
        file.write_all(text.as_bytes()).expect("written");
        reload(&mut process, &place, &with(round));
        if round == RELOADS / 4 {
            early = resident(&process);
        }
    }
    assert!(store.wait_until(PATIENCE, |state| state.stored() >= lines), "all lines are stored");
    let grown = resident(&process).saturating_sub(early);
    assert!(grown < 4 << 20, "{grown} bytes more after {} reloads", RELOADS - RELOADS / 4);
    assert_eq!(reloads(&process.admin()), (RELOADS, 0));
    let account = pipeline(&status(&process.admin()), "store");
    assert_eq!(number(&account["lines"]["given_back"]), 0, "the store answered all the time");
    assert_balanced(&mut process, &["store"], lines);
    store.look(|state| {
        assert_each_once(&state.store, lines);
        let rounds: std::collections::BTreeSet<_> = state
            .store
            .indices
            .values()
            .flat_map(|index| &index.documents)
            .map(|document| {
                document
                    .source
                    .split("\"round\":\"")
                    .nth(1)
                    .expect("a label")
                    .chars()
                    .take_while(|c| *c != '"')
                    .collect::<String>()
            })
            .collect();
        assert!(rounds.len() > 20, "{} of {RELOADS} labels were seen", rounds.len());
    });
    assert_eq!(process.terminate(), 0);
}

/// A store that does not answer is waited for no longer than `shutdown_grace`; what it did not answer for is read again
/// under the new settings, counted, and lost in no case.
#[test]
fn with_a_stuck_sink_nothing_is_lost_and_what_may_repeat_is_counted() {
    let place = Place::new();
    let store = Elasticsearch::start();
    store.set_mode(Mode::Always(Step::StoreThenSilence));
    write_lines(&place.path("logs/a.log"), 0, 5_000);
    let with = |round: u64| {
        settings(
            &place,
            &format!("max_line: 4KiB\nshutdown_grace: 50ms\nfields: {{ round: 'r{round}' }}\n"),
            &sink("store", &store, ", requests_in_flight: 32"),
        )
    };
    let mut process = start(&place, &with(0));
    let admin = process.admin();
    let all_are_in_flight = |process: &mut Tailwater| {
        process.wait_until("all lines are in flight", PATIENCE, || {
            Metrics::of(&admin).of_pipeline("lines_in_flight", "store") == 5_000
        });
    };
    for round in 1..=3 {
        all_are_in_flight(&mut process);
        reload(&mut process, &place, &with(round));
    }
    all_are_in_flight(&mut process);
    store.recover();
    assert!(store.wait_until(PATIENCE, |state| numbers(&state.store, 5_000).iter().all(|count| *count > 0)));
    process.wait_until("nothing is in flight", PATIENCE, || {
        Metrics::of(&admin).of_pipeline("lines_in_flight", "store") == 0
    });
    process.metrics().assert_accounted("store");
    let given_back = process.metrics().of_pipeline("lines_given_back_total", "store");
    assert_eq!(given_back, 15_000, "what was in flight was given back, each time");
    let (stored, repeats) = store.look(|state| (state.stored(), state.repeats()));
    // What was on its way when the store recovered is sent again, as it always is.
    assert!(stored == 5_000 && repeats <= given_back + 5_000, "{stored} stored, {repeats} came again");
    assert_eq!(process.terminate(), 0);
}

/// One sink changes, one goes, one comes: the one that stays never stops, and who comes gets every line that is there.
#[test]
fn sinks_come_and_go_beside_one_that_stays() {
    let place = Place::new();
    let (stays, goes, comes) = (Elasticsearch::start(), Elasticsearch::start(), Elasticsearch::start());
    write_lines(&place.path("logs/a.log.1"), 0, 1_000);
    write_lines(&place.path("logs/a.log"), 1_000, 1_000);
    let two = [sink("stays", &stays, ""), sink("goes", &goes, "")].join(", ");
    let mut process = start(&place, &settings(&place, "", &two));
    for store in [&stays, &goes] {
        assert!(store.wait_until(PATIENCE, |state| state.stored() == 2_000));
    }
    let batches = process.metrics().of_pipeline("batches_total", "stays");
    let other = [sink("stays", &stays, ""), sink("comes", &comes, "")].join(", ");
    reload(&mut process, &place, &settings(&place, "", &other));
    assert!(comes.wait_until(PATIENCE, |state| state.stored() == 2_000), "the rotated file, too");
    assert_eq!(process.metrics().of_pipeline("batches_total", "stays"), batches, "nothing happened to it");
    let mut file = log(&place, "logs/a.log");
    (2_000..2_500).for_each(|number| file.write_all(cri_line(number).as_bytes()).expect("written"));
    for store in [&stays, &comes] {
        assert!(store.wait_until(PATIENCE, |state| state.stored() == 2_500));
    }
    // And back again: it goes on where it was.
    reload(&mut process, &place, &settings(&place, "", &two));
    assert!(goes.wait_until(PATIENCE, |state| state.stored() == 2_500));
    for store in [&stays, &goes, &comes] {
        store.look(|state| assert_each_once(&state.store, state.stored()));
    }
    assert_balanced(&mut process, &["stays"], 2_500);
    assert_eq!(process.terminate(), 0);
    assert_eq!(comes.look(|state| state.repeats()) + goes.look(|state| state.repeats()), 0);
}

/// With `was` a sink goes on at its old name's cursors, whether the name changes while it runs or between two runs.
#[test]
fn a_renamed_sink_goes_on_where_it_was() {
    let place = Place::new();
    let store = Elasticsearch::start();
    write_lines(&place.path("logs/a.log"), 0, 1_000);
    let mut process = start(&place, &settings(&place, "", &sink("first", &store, "")));
    assert!(store.wait_until(PATIENCE, |state| state.stored() == 1_000));
    let other = Elasticsearch::start();
    reload(&mut process, &place, &settings(&place, "", &sink("second", &other, ", was: first")));
    let mut file = log(&place, "logs/a.log");
    (1_000..1_500).for_each(|number| file.write_all(cri_line(number).as_bytes()).expect("written"));
    assert!(other.wait_until(PATIENCE, |state| state.stored() >= 500));
    assert_balanced(&mut process, &["second"], 500);
    assert_eq!(process.terminate(), 0);
    (1_500..1_600).for_each(|number| file.write_all(cri_line(number).as_bytes()).expect("written"));
    let third = Elasticsearch::start();
    let mut process = start(&place, &settings(&place, "", &sink("third", &third, ", was: second")));
    assert!(third.wait_until(PATIENCE, |state| state.stored() >= 100));
    assert_balanced(&mut process, &["third"], 100);
    assert_eq!(process.terminate(), 0);
}

/// Settings that are wrong, or that take a restart, are refused with their reason; the old ones go on.
#[test]
fn what_is_wrong_is_refused_and_the_old_settings_stay() {
    let place = Place::new();
    let store = Elasticsearch::start();
    write_lines(&place.path("logs/a.log"), 0, 100);
    let good = settings(&place, "", &sink("store", &store, ""));
    let mut process = start(&place, &good);
    let admin = process.admin();
    assert!(store.wait_until(PATIENCE, |state| state.stored() == 100));
    let piped = good.replace("sources: {", "sources: { pipe: { type: stdin },");
    let no_port = good.replace("admin: { listen: '127.0.0.1:0' }\n", "");
    let no_token = good.replace("type: elasticsearch,", "type: elasticsearch, auth: { bearer_file: /nowhere },");
    let wrong = [
        (good.replace("type: elasticsearch", "type: elastisearch"), "did you mean `elasticsearch`?"),
        (no_port, "`admin` takes a restart"),
        (piped, "a change of source `pipe` takes a restart"),
        (no_token, "/nowhere"),
    ];
    for (count, (text, reason)) in wrong.iter().enumerate() {
        place.settings(text);
        process.signal(Signal::HUP);
        process.wait_until(&format!("refused for {reason}"), PATIENCE, || reloads(&admin).1 == count as u64 + 1);
        let refused = status(&admin)["settings"]["refused"]["message"].as_str().expect("a reason").to_owned();
        assert!(refused.contains(reason), "{refused}");
        process.wait_for_log("the settings were not changed");
    }
    let mut file = log(&place, "logs/a.log");
    (100..200).for_each(|number| file.write_all(cri_line(number).as_bytes()).expect("written"));
    assert!(store.wait_until(PATIENCE, |state| state.stored() == 200), "the old ones are in effect");
    reload(&mut process, &place, &good);
    assert!(status(&admin)["settings"]["refused"].is_null());
    assert_balanced(&mut process, &["store"], 200);
    assert_eq!(process.terminate(), 0);
}

/// How lines are parsed changes too, at the top and for one source.
#[test]
fn another_parser() {
    let place = Place::new();
    let store = Elasticsearch::start();
    let mut file = log(&place, "logs/a.log");
    let with = |parse: &str| {
        settings(&place, "", &sink("store", &store, "")).replace("type: file,", &format!("type: file, parse: {parse},"))
    };
    let mut process = start(&place, &with("plain"));
    file.write_all(b"level=error n=0 k=v\n").expect("written");
    assert!(store.wait_until(PATIENCE, |state| state.stored() == 1));
    reload(&mut process, &place, &with("logfmt"));
    file.write_all(b"level=error n=1 k=v\n").expect("written");
    assert!(store.wait_until(PATIENCE, |state| state.stored() == 2));
    let documents: Vec<_> = store.look(|state| {
        state
            .store
            .indices
            .values()
            .flat_map(|index| &index.documents)
            .map(|document| document.json().to_string())
            .collect()
    });
    assert!(!documents[0].contains("\"k\":") && documents[1].contains("\"k\":\"v\""), "{documents:?}");
    assert_eq!(process.terminate(), 0);
}

/// The secret of hashes stands in a file, as Kubernetes mounts it; a new one counts from a reload on, though the settings read the same.
#[test]
fn a_rotated_secret_of_hashes() {
    let place = Place::new();
    let store = Elasticsearch::start();
    let mut file = log(&place, "logs/a.log");
    let secret = place.path("secret");
    let top = format!("redact: {{ presets: email, hash_secret_file: {} }}\n", secret.display());
    let settings = settings(&place, &top, &sink("store", &store, ""));
    fs::write(&secret, "0123456789abcdef\n").expect("written");
    let mut process = start(&place, &settings);
    file.write_all(b"from a@b.de\n").expect("written");
    assert!(store.wait_until(PATIENCE, |state| state.stored() == 1));
    fs::write(&secret, "0123456789abcdeF\n").expect("written");
    reload(&mut process, &place, &settings);
    file.write_all(b"from a@b.de\n").expect("written");
    assert!(store.wait_until(PATIENCE, |state| state.stored() == 2));
    let messages: Vec<String> = store.look(|state| {
        let documents = state.store.indices.values().flat_map(|index| &index.documents);
        documents.map(|document| document.json()["message"].as_str().expect("a message").to_owned()).collect()
    });
    // As `printf a@b.de | openssl dgst -sha256 -hmac 0123456789abcdef` has it.
    assert_eq!(messages[0], "from [email:e277049f2d231fbe]");
    assert!(messages[1].starts_with("from [email:") && messages[1] != messages[0], "{messages:?}");
    // One that is gone is refused, and the old one stays.
    fs::remove_file(&secret).expect("removed");
    let refused = reloads(&process.admin()).1;
    process.signal(Signal::HUP);
    let admin = process.admin();
    process.wait_until("it is refused", PATIENCE, || reloads(&admin).1 == refused + 1);
    assert_eq!(process.terminate(), 0);
    let said = process.said();
    assert!(said.contains("cannot read the secret in") && !said.contains("0123456789"), "{said}");
}

/// Where it is asked for, a changed file is loaded by itself; one that is wrong is refused once, and stays so.
#[test]
fn a_changed_file_is_loaded_by_itself() {
    let place = Place::new();
    let store = Elasticsearch::start();
    let with = |round: &str| {
        settings(&place, &format!("reload_on_change: true\nfields: {{ round: {round} }}\n"), &sink("store", &store, ""))
    };
    let mut file = log(&place, "logs/a.log");
    let mut process = start(&place, &with("first"));
    let admin = process.admin();
    place.settings(&with("[wrong]"));
    process.wait_until("it is refused", PATIENCE, || reloads(&admin) == (0, 1));
    place.settings(&with("second"));
    process.wait_until("it is in effect", PATIENCE, || reloads(&admin) == (1, 1));
    file.write_all(cri_line(0).as_bytes()).expect("written");
    assert!(store.wait_until(PATIENCE, |state| state.stored() == 1));
    let document =
        store.look(|state| state.store.indices.values().next().expect("an index").documents[0].source.clone());
    assert!(document.contains("second"), "{document}");
    assert_eq!(reloads(&admin), (1, 1));
    assert_eq!(process.terminate(), 0);
}

/// Sources come, go and change: what is not wanted any more is let go of where it stands, what is wanted again goes on there.
#[test]
fn sources_come_and_go_and_change() {
    let place = Place::new();
    let store = Elasticsearch::start();
    let with = |sources: &str| {
        let text = settings(&place, "", &sink("store", &store, ""));
        let (before, rest) = text.split_once("sources: {").expect("sources");
        let (_, behind) = rest.split_once("\nsinks").expect("sinks");
        format!("{before}sources: {{ {sources} }}\nsinks{behind}")
    };
    let include = |name: &str, folder: &str| {
        format!("{name}: {{ type: file, include: '{}' }}", place.text(&format!("{folder}/*.log*")))
    };
    let mut files: Vec<File> = ["one/a.log", "two/a.log", "three/a.log"].iter().map(|name| log(&place, name)).collect();
    let mut lines = 0;
    let mut write = |file: usize| {
        (lines..lines + 100).for_each(|number| files[file].write_all(cri_line(number).as_bytes()).expect("written"));
        lines += 100;
    };
    let stored = |count: u64| store.wait_until(PATIENCE, move |state| state.stored() >= count);
    write(0);
    write(1);
    let mut process = start(&place, &with(&[include("a", "one"), include("b", "two")].join(", ")));
    assert!(stored(200));
    // One goes, one comes.
    write(2);
    reload(&mut process, &place, &with(&[include("a", "one"), include("c", "three")].join(", ")));
    assert!(stored(300));
    write(0);
    write(1);
    write(2);
    assert!(stored(500), "not those of the one that went");
    // It comes back, and goes on; another looks for more than before.
    reload(&mut process, &place, &with(&[include("b", "two"), include("c", "*")].join(", ")));
    assert!(stored(600));
    write(0);
    write(1);
    write(2);
    assert!(stored(900));
    assert_eq!(process.metrics().of_pipeline("unreachable_bytes_total", "store"), 0);
    let admin = process.admin();
    process.wait_until("nothing is in flight", PATIENCE, || {
        Metrics::of(&admin).of_pipeline("lines_in_flight", "store") == 0
    });
    process.metrics().assert_accounted("store");
    assert_eq!(process.terminate(), 0);
    store.look(|state| assert_each_once(&state.store, 900));
    assert_eq!(store.look(|state| state.repeats()), 0);
}

/// A source that comes before others moves their parsers: who reads these goes on with the right ones.
#[test]
fn a_source_that_comes_first_takes_nobody_s_parser() {
    let place = Place::new();
    let store = Elasticsearch::start();
    let source = |name: &str, parse: &str| {
        format!("{name}: {{ type: file, parse: {parse}, include: '{}' }}", place.text(&format!("{name}/*.log")))
    };
    let with = |sources: &[String], sinks: &[String]| {
        format!("{}max_line: 4KiB\nsources: {{ {} }}\nsinks: {{ {} }}\n", head(), sources.join(", "), sinks.join(", "))
    };
    let (a, b, c) = (source("a", "plain"), source("b", "logfmt"), source("c", "json"));
    let only = |name: &str, of: &str| sink(name, &store, &format!(", sources: [{of}]"));
    let mut files: Vec<File> = ["a/1.log", "b/1.log", "c/1.log"].iter().map(|name| log(&place, name)).collect();
    let mut process = start(&place, &with(&[a.clone(), b.clone()], &[only("x", "a"), only("y", "b")]));
    let mut write =
        |file: usize, number: u64| files[file].write_all(format!("n={number} k=v\n").as_bytes()).expect("written");
    write(0, 0);
    write(1, 1);
    assert!(store.wait_until(PATIENCE, |state| state.stored() == 2));
    reload(&mut process, &place, &with(&[c, a, b], &[only("x", "a"), only("y", "b"), only("z", "c")]));
    write(0, 2);
    write(1, 3);
    write(2, 4);
    assert!(store.wait_until(PATIENCE, |state| state.stored() == 5));
    store.look(|state| {
        let of = |number: u64| {
            let mut documents = state.store.indices.values().flat_map(|index| &index.documents);
            documents
                .find(|document| document.source.contains(&format!("n={number}")))
                .expect("it is stored")
                .source
                .clone()
        };
        for (number, is_parsed) in [(0, false), (1, true), (2, false), (3, true)] {
            assert_eq!(of(number).contains("\"k\":\"v\""), is_parsed, "{}", of(number));
        }
        assert!(of(4).contains("not_parsed"), "{}", of(4));
    });
    assert_eq!(process.terminate(), 0);
}
