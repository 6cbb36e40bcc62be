//! Few descriptors: what is open is a budget, files take turns, and every line arrives.

use crate::scenario::{PATIENCE, Tailwater};
use crate::support::doubles::elasticsearch::{Mode, Step};
use crate::world::{Steps, Store, settle};

/// So many files held so many descriptors, and the others were never read; nor was there one for the store.
fn with_few_descriptors(limit: &str, files: u64) {
    let mut steps = Steps::new(Store::elasticsearch());
    let names: Vec<String> = (0..files).map(|number| format!("f{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    steps.write(&names, 10);
    let file = steps.place.settings(&steps.settings()).display().to_string();
    let run = Tailwater::with(&steps.place, ["run", "--config", &file]);
    let limit = format!("--nofile={limit}");
    let mut process = run.through(["prlimit", &limit, "--"]).start();
    steps.store.wait_for(&steps.place, steps.lines());
    for _ in 0..2 {
        // Idle ones that grow, and half a line that waits for its end.
        steps.write(&names, 10);
        steps.place.append("logs/f0.log", format!("<f0={}> half", steps.written["f0"]));
        steps.store.wait_for(&steps.place, steps.lines());
        steps.place.append("logs/f0.log", " a line\n");
        *steps.written.get_mut("f0").expect("it is there") += 1;
        steps.store.wait_for(&steps.place, steps.lines());
    }
    settle(&mut process, "store");
    let said = process.said();
    assert!(!said.contains("Too many open files"), "{said}");
    assert_eq!(said.contains("so they take turns"), files > 100, "{said}");
    assert_eq!(process.terminate(), 0);
    steps.assert_once();
    assert_eq!(steps.repeats(), 0);
}

#[test]
fn a_soft_limit_of_64_descriptors_is_raised() {
    with_few_descriptors("64:4096", 100);
}

#[test]
fn a_hundred_and_twenty_files_with_64_descriptors() {
    with_few_descriptors("64:64", 120);
}

/// Descriptors went to those that a walk came upon first, so the last ones waited for as long as the others were written to.
#[test]
fn whoever_waits_longest_is_next() {
    let mut steps = Steps::new(Store::elasticsearch());
    let names: Vec<String> = (0..200).map(|number| format!("f{number:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    steps.write(&names, 1);
    let file = steps.place.settings(&steps.settings()).display().to_string();
    let run = Tailwater::with(&steps.place, ["run", "--config", &file]);
    let mut process = run.through(["prlimit", "--nofile=64:64", "--"]).start();
    steps.wait(&mut process);
    // All of them grow, all the time, until each was read once more.
    let Store::Elasticsearch(double) = &steps.store else { unreachable!("it was made so") };
    let store = std::sync::Arc::new(std::sync::Mutex::new(std::collections::BTreeSet::new()));
    let seen = std::sync::Arc::clone(&store);
    let observer = move |text: &str| {
        let name = text.split_once('<').and_then(|(_, rest)| rest.split_once('=')).map(|(name, _)| name.to_owned());
        seen.lock().expect("nobody panics with it").extend(name);
    };
    double.change(|state| state.observer = Some(Box::new(observer)));
    process.wait_until("every log was read again", PATIENCE, || {
        let Store::Elasticsearch(double) = &steps.store else { unreachable!("it was made so") };
        if steps.lines() < double.look(|state| state.stored()) + 2_000 {
            steps.write(&names, 1);
        }
        store.lock().expect("nobody panics with it").len() == names.len()
    });
    steps.wait(&mut process);
    assert_eq!(process.terminate(), 0);
    steps.assert_once();
    assert_eq!(steps.repeats(), 0);
}

/// After a kill with lines on their way, files that still waited for a descriptor were taken for gone, and their lines
/// were counted as unreachable though they were read and delivered.
#[test]
fn what_waits_for_a_descriptor_is_not_gone() {
    let mut steps = Steps::new(Store::elasticsearch());
    let names: Vec<String> = (0..120).map(|number| format!("f{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    steps.write(&names, 10);
    steps.run();
    let Store::Elasticsearch(double) = &steps.store else { unreachable!("it was made so") };
    double.set_mode(Mode::Always(Step::StoreThenSilence));
    steps.write(&names, 10);
    let mut process = steps.daemon();
    let Store::Elasticsearch(double) = &steps.store else { unreachable!("it was made so") };
    assert!(double.wait_until(PATIENCE, |state| state.stored() > 1_200), "some lines are on their way");
    process.kill();
    double.recover();
    let file = steps.place.settings(&steps.settings()).display().to_string();
    let run = Tailwater::with(&steps.place, ["run", "--config", &file]);
    let mut process = run.through(["prlimit", "--nofile=64:64", "--"]).start();
    steps.store.wait_for(&steps.place, steps.lines());
    settle(&mut process, "store");
    assert!(process.said().contains("so they take turns"), "{}", process.said());
    assert_eq!(process.terminate(), 0);
    steps.assert_once();
}

#[test]
fn once_with_64_descriptors() {
    let mut steps = Steps::new(Store::Stdout);
    let names: Vec<String> = (0..200).map(|number| format!("f{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    steps.write(&names, 10);
    let from = steps.place.text("logs/*.log");
    let run = Tailwater::with(&steps.place, ["--from", &from, "--once", "--format", "json"]);
    let mut process = run.through(["prlimit", "--nofile=64:64", "--"]).start();
    assert_eq!(process.wait(PATIENCE), 0);
    steps.assert_once();
}
