//! What lies between the program and its store: packets that get lost, connections that are reset, names that move.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::run;
use crate::scenario::{PATIENCE, Tailwater};
use crate::support::doubles::elasticsearch::{Elasticsearch, ElasticsearchStore, Mode};
use crate::world::{Steps, Store, rounds, settle};

/// A rule of the network namespace that these tests run in; it goes with the value.
struct Rule(Vec<String>);

impl Rule {
    fn new(port: u16, target: &[&str]) -> Rule {
        let port = port.to_string();
        let rule = ["INPUT", "-p", "tcp", "--dport", &port, "-j"].into_iter().chain(target.iter().copied());
        let rule = Rule(rule.map(str::to_owned).collect());
        rule.change("-A");
        rule
    }

    fn change(&self, how: &str) {
        let arguments = ["-w", how].into_iter().chain(self.0.iter().map(String::as_str));
        run("iptables", &arguments.collect::<Vec<_>>());
    }
}

impl Drop for Rule {
    fn drop(&mut self) {
        self.change("-D");
    }
}

fn port(double: &Elasticsearch) -> u16 {
    let url = double.url();
    url.rsplit_once(':').expect("a port").1.parse().expect("a number")
}

/// Lines flow, the rule comes and goes, again and again: nothing is lost, and nothing is there twice.
fn with_rule(target: &[&str], says: &str) {
    let mut steps = Steps::new(Store::elasticsearch());
    let settings = steps.settings().replace("requests_in_flight", "timeout: 300ms, requests_in_flight");
    let mut process = Tailwater::daemon(&steps.place, &settings);
    for _ in 0..rounds(2).min(20) {
        steps.write(&["a", "b", "c"], 500);
        let Store::Elasticsearch(double) = &steps.store else { unreachable!("it was made so") };
        let stored = double.look(|state| state.stored());
        // In the middle of it.
        assert!(double.wait_until(PATIENCE, |state| state.stored() > stored), "lines flow");
        let rule = Rule::new(port(double), target);
        steps.write(&["a", "b", "c"], 500);
        let failed = process.metrics().of_pipeline("retries_total", "store");
        let admin = process.admin();
        process.wait_until("requests fail", PATIENCE, || {
            let metrics = crate::scenario::process::Metrics::of(&admin);
            metrics.of_pipeline("retries_total", "store") >= failed + 8
        });
        assert!(process.said().contains(says), "{says}: {}", process.said());
        drop(rule);
        steps.wait(&mut process);
    }
    assert_eq!(process.terminate(), 0);
    steps.assert_once();
}

/// As with a link that is down: no answer, no refusal, to requests that are under way and to new connections.
#[test]
fn packets_are_dropped() {
    with_rule(&["DROP"], "within `300ms`");
}

/// As by a balancer that has forgotten its connections.
#[test]
fn connections_are_reset() {
    with_rule(&["REJECT", "--reject-with", "tcp-reset"], "they are kept and sent again");
}

/// A store under the same name and port at another address, and the names' file of this mount namespace.
fn moved(while_the_old_one_answers: bool) {
    let old = Elasticsearch::start();
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), port(&old));
    let new = Elasticsearch::start_on(address, ElasticsearchStore::default());
    let name = if while_the_old_one_answers { "answers.test" } else { "gone.test" };
    let mut steps = Steps::new(Store::Elasticsearch(old));
    let Store::Elasticsearch(old) = &steps.store else { unreachable!("it was made so") };
    let hosts = Hosts::new(name, "127.0.0.1");
    let url = format!("http://{name}:{}", port(old));
    let settings = steps.settings().replace(&old.url(), &url);
    let settings = settings.replace("requests_in_flight", "connection_max_age: 100ms, requests_in_flight");
    steps.write(&["a", "b"], 100);
    let mut process = Tailwater::daemon(&steps.place, &settings);
    steps.wait(&mut process);
    if !while_the_old_one_answers {
        let Store::Elasticsearch(old) = &steps.store else { unreachable!("it was made so") };
        old.set_mode(Mode::Refuse);
        steps.write(&["a", "b"], 100);
        process.wait_for_log(&format!("cannot connect to `{url}`"));
    }
    hosts.point("127.0.0.2");
    let Store::Elasticsearch(old) = &steps.store else { unreachable!("it was made so") };
    let before = old.look(|state| state.stored());
    let mut more = 0;
    // Where the old one answers, a connection of before may be used until it is too old.
    while new.look(|state| state.stored()) == 0 {
        steps.write(&["a", "b"], 1);
        more += 2;
        let Store::Elasticsearch(old) = &steps.store else { unreachable!("it was made so") };
        let wanted = steps.lines();
        let both = || old.look(|state| state.stored()) + new.look(|state| state.stored());
        process.wait_until("the lines are in one of them", PATIENCE, || both() >= wanted);
    }
    settle(&mut process, "store");
    assert_eq!(process.terminate(), 0);
    let Store::Elasticsearch(old) = &steps.store else { unreachable!("it was made so") };
    let (there, here) = (old.look(|state| state.stored()), new.look(|state| state.stored()));
    println!("{name}: {there} lines at the old address, {more} written after the move, {here} at the new one");
    assert_eq!(there + here, steps.lines());
    assert!(while_the_old_one_answers || there == before, "nothing goes to the old address any more");
    let new = Store::Elasticsearch(new);
    let seen = steps.store.seen(&steps.place).and(new.seen(&steps.place));
    seen.assert_all(&steps.written, true);
}

#[test]
fn a_name_moves_to_another_address() {
    moved(false);
}

/// The old address answers still, so only connections that are made anew find the new one.
#[test]
fn a_name_moves_while_the_old_address_answers() {
    moved(true);
}

/// A line of `/etc/hosts`, which is a file of this mount namespace's own.
struct Hosts(&'static str);

impl Hosts {
    fn new(name: &'static str, address: &str) -> Hosts {
        let hosts = Hosts(name);
        hosts.point(address);
        hosts
    }

    /// From now on the name leads there.
    fn point(&self, address: &str) {
        static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock();
        let path = "/etc/hosts";
        let text = fs::read_to_string(path).expect("there are names");
        let others = text.lines().filter(|line| !line.ends_with(self.0)).map(|line| format!("{line}\n"));
        let text = others.chain([format!("{address} {}\n", self.0)]).collect::<String>();
        fs::write(path, text).expect("`tests/faults/run` made it a file of our own");
    }
}
