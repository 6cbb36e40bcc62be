//! How a store is reached: credentials, headers, TLS, proxies, several nodes, and connections that get old.

use crate::scenario::Place;
use crate::scenario::figures::{self, Figures};
use crate::stage::{Stage, quick};
use crate::support::doubles::elasticsearch::Elasticsearch;
use crate::support::doubles::front::{Authority, Front};
use crate::support::doubles::loki::{Loki, LokiStore};
use crate::support::doubles::server::{Mode, Step};

/// `printf 'me:open sesame' | base64`
const BASIC: &str = "bWU6b3BlbiBzZXNhbWU=";

fn elasticsearch(url: &str, more: &str) -> String {
    format!("type: elasticsearch, url: '{url}', {}", quick(more))
}

fn loki(url: &str, more: &str) -> String {
    format!("type: loki, url: '{url}', {}", quick(more))
}

fn assert_stored(what: &str, store: &Elasticsearch, count: u64) {
    assert_eq!(store.look(|state| (state.stored(), state.repeats())), (count, 0), "{what}");
    figures::note(store.url(), Figures { written: count, delivered: count, repeated: 0, lost: 0 });
}

/// Says who we are in every way there is; the store refuses anybody else.
#[test]
fn credentials() {
    let check = |expected: &str, secrets: &[&str], sink: &dyn Fn(&mut Stage, &str) -> String| {
        let store = Elasticsearch::start();
        store.change(|store| store.authorization = Some(expected.to_owned()));
        let mut stage = Stage::with_lines(3);
        for secret in secrets {
            stage.secret(secret);
        }
        let sink = sink(&mut stage, &store.url());
        let books = stage.run(&sink);
        books.assert_lines(expected, 3, 0, 0, 0);
        assert_eq!(books.requests("held"), 0, "{expected}");
        assert_stored(expected, &store, 3);
    };
    let basic = format!("Basic {BASIC}");
    let password = ["open sesame", BASIC];
    check(&basic, &password, &|_, url| elasticsearch(url, "auth: { basic: { username: me, password: open sesame } }"));
    check(&basic, &password, &|stage, url| {
        let file = stage.secret_file("password", "open sesame");
        elasticsearch(url, &format!("auth: {{ basic: {{ username: me, password_file: {file} }} }}"))
    });
    check(&basic, &password, &|stage, url| {
        stage.variable("PASSWORD", "open sesame");
        elasticsearch(url, "auth: { basic: { username: me, password: '${PASSWORD}' } }")
    });
    check(&basic, &["open%20sesame", "open sesame", BASIC], &|_, url| {
        elasticsearch(&url.replace("http://", "http://me:open%20sesame@"), "")
    });
    check("Bearer tokentoken", &["tokentoken"], &|_, url| elasticsearch(url, "auth: { bearer: tokentoken }"));
    check("Bearer tokentoken", &["tokentoken"], &|stage, url| {
        let file = stage.secret_file("token", "tokentoken");
        elasticsearch(url, &format!("auth: {{ bearer_file: {file} }}"))
    });
    check("ApiKey aWQ6a2V5", &["aWQ6a2V5"], &|_, url| elasticsearch(url, "auth: { api_key: aWQ6a2V5 }"));
    check("ApiKey bWU6b3BlbiBzZXNhbWU=", &password, &|stage, url| {
        let file = stage.secret_file("key", "me:open sesame");
        elasticsearch(url, &format!("auth: {{ api_key_file: {file} }}"))
    });
    check("Custom words", &["Custom words"], &|_, url| {
        elasticsearch(url, "headers: { Authorization: Custom words, X-Team: a }")
    });
}

/// A secret that was changed is found where it lies, without a restart.
#[test]
fn a_refused_secret_is_read_again() {
    let store = Elasticsearch::start();
    store.change(|store| store.authorization = Some("Bearer the-new-one".to_owned()));
    let mut stage = Stage::with_lines(3);
    let file = stage.secret_file("token", "the-old-one");
    stage.secret("the-new-one");
    let sink = elasticsearch(&store.url(), &format!("auth: {{ bearer_file: {file} }}"));
    let mut run = stage.start(&sink);
    run.wait_for("requests_total", "outcome=\"held\"", 2);
    stage.place.write("token", "the-new-one\n");
    let books = run.end();
    books.assert_lines("a new token", 3, 0, 0, 0);
    books.assert_says("a new token", &["until something is changed", "missing authentication credentials"]);
    assert_stored("a new token", &store, 3);
}

/// A server that repeats what it was told does not get it into the log.
#[test]
fn secrets_in_answers_are_masked() {
    let store = Elasticsearch::start();
    let words = format!("who is me:open sesame? Basic {BASIC}; or Bearer tokentoken");
    store.script(vec![Step::status(403, &words), Step::status(503, &words), Step::status(400, &words)]);
    let mut stage = Stage::with_lines(1);
    for secret in ["open sesame", BASIC] {
        stage.secret(secret);
    }
    let file = stage.place.text("dead.json");
    let sink =
        "auth: { basic: { username: me, password: open sesame } }, dead_letter: { file: FILE }".replace("FILE", &file);
    let books = stage.run(&elasticsearch(&store.url(), &sink));
    books.assert_lines("echoed", 0, 1, 0, 0);
    books.assert_says("echoed", &["status 403: who is me:***? Basic ***; or Bearer tokentoken"]);
    let letters = stage.place.read("dead.json");
    assert!(letters.contains("who is me:***?") && !letters.contains(BASIC), "{letters}");
}

#[test]
fn headers() {
    let store = Loki::start_at(crate::stage::NOW);
    let mut stage = Stage::with_lines(3);
    let key = stage.secret("a-secret-key");
    let sink = loki(
        &store.url(),
        &format!("headers: {{ X-Team: a b, X-Api-Key: {key}, VL-Loki-Disable-Message-Parsing: '1' }}"),
    );
    let books = stage.run(&sink);
    books.assert_lines("headers", 3, 0, 0, 0);
    store.look(|state| {
        for seen in &state.seen {
            let of = |name| seen.request.header(name);
            assert_eq!(of("x-team"), Some("a b"));
            assert_eq!(of("x-api-key"), Some("a-secret-key"));
            assert_eq!(of("vl-loki-disable-message-parsing"), Some("1"));
            assert_eq!(of("x-scope-orgid"), None);
            assert!(of("user-agent").is_some_and(|agent| agent.starts_with("tailwater/")));
        }
    });
}

/// A folder with an authority's certificate, and a front with one of its server certificates.
fn tls(store: &str, place: &Place, clients: Option<&Authority>) -> (Authority, Front) {
    let authority = Authority::new("tailwater test");
    let front = Front::tls(store, &authority.issue(&["127.0.0.1", "localhost"]), clients);
    place.write("ca.pem", authority.pem());
    (authority, front)
}

#[test]
fn tls_with_an_authority_of_ones_own() {
    for (host, more) in [
        ("127.0.0.1", "tls: { ca_file: CA }"),
        ("localhost", "tls: { ca_file: CA }"),
        ("127.0.0.1", "tls: { insecure_skip_verify: true }"),
    ] {
        let store = Elasticsearch::start();
        let stage = Stage::with_lines(3);
        let (_, front) = tls(&store.url(), &stage.place, None);
        let url = format!("https://{}", front.address().replace("127.0.0.1", host));
        let books = stage.run(&elasticsearch(&url, &more.replace("CA", &stage.place.text("ca.pem"))));
        books.assert_lines(more, 3, 0, 0, 0);
        assert_stored(more, &store, 3);
    }
}

/// Nobody but a person can mend a certificate, so nothing is given up for one; the right one is found when connections
/// are made anew.
#[test]
fn a_certificate_that_is_not_trusted_is_held_and_said() {
    let store = Elasticsearch::start();
    let stage = Stage::with_lines(3);
    let (authority, front) = tls(&store.url(), &stage.place, None);
    let ca = stage.place.write("ca.pem", Authority::new("somebody else").pem());
    let more = format!(
        "tls: {{ ca_file: {} }}, connection_max_age: 10ms, retry: {{ min: 1ms, max: 20ms, give_up_after: 1ms }}",
        ca.display()
    );
    let mut run = stage.start(&elasticsearch(&format!("https://{}", front.address()), &more));
    run.wait_for("requests_total", "outcome=\"held\"", 3);
    assert_stored("wrong authority", &store, 0);
    stage.place.write("ca.pem", authority.pem());
    let books = run.end();
    books.assert_lines("wrong authority", 3, 0, 0, 0);
    books.assert_says("wrong authority", &["until something is changed", "invalid peer certificate: UnknownIssuer"]);
    assert_stored("wrong authority", &store, 3);
}

/// Expired while lines are delivered, and renewed days later: nothing is given up, and nobody has to restart anything.
#[test]
fn a_certificate_that_expires_and_is_renewed() {
    let store = Elasticsearch::start();
    let stage = Stage::with_lines(3);
    let (authority, front) = tls(&store.url(), &stage.place, None);
    let names = ["127.0.0.1", "localhost"];
    let more = format!(
        "tls: {{ ca_file: {} }}, connection_max_age: 10ms, retry: {{ min: 1ms, max: 20ms, give_up_after: 1ms }}",
        stage.place.text("ca.pem")
    );
    let mut run = stage.start(&elasticsearch(&format!("https://{}", front.address()), &more));
    run.wait_for("lines_delivered_total", "", 3);
    front.renew(&authority.issue_until(&names, 2020));
    // On a connection of before they may still arrive.
    let mut lines = 3;
    let is_held = |run: &mut crate::stage::Run<'_>| run.count("requests_total", "outcome=\"held\"") > 0;
    while !is_held(&mut run) {
        run.add(&["one more"], &mut lines);
        while run.count("lines_delivered_total", "") < lines && !is_held(&mut run) {}
    }
    run.wait_for("requests_total", "outcome=\"held\"", 3);
    front.renew(&authority.issue(&names));
    let books = run.end();
    books.assert_lines("expired", lines as usize, 0, 0, 0);
    books.assert_says("expired", &["until something is changed", "invalid peer certificate: certificate expired"]);
    books.assert_says("renewed", &["the store takes events again"]);
    assert_stored("expired", &store, lines);
}

#[test]
fn a_store_that_asks_for_certificates() {
    let store = Elasticsearch::start();
    let stage = Stage::with_lines(3).top("shutdown_grace: 100ms");
    let clients = Authority::new("clients");
    let (_, front) = tls(&store.url(), &stage.place, Some(&clients));
    let (url, ca) = (format!("https://{}", front.address()), stage.place.text("ca.pem"));
    // Without one it is told so, and nothing is lost: the next start finds all lines where they were.
    let mut run = stage.start(&elasticsearch(&url, &format!("tls: {{ ca_file: {ca} }}")));
    run.wait_for("requests_total", "outcome=\"held\"", 1);
    assert_eq!(run.process.terminate(), 0);
    let log = run.process.said();
    assert!(
        log.contains("until something is changed") && log.contains("received fatal alert: CertificateRequired"),
        "{log}"
    );
    assert_stored("no certificate", &store, 0);
    drop(run);

    let identity = clients.issue(&["tailwater"]);
    let certificate = stage.place.write("cert.pem", &identity.certificate).display().to_string();
    let key = stage.place.write("key.pem", &identity.key).display().to_string();
    let more = format!("tls: {{ ca_file: {ca}, cert_file: {certificate}, key_file: {key} }}");
    let books = stage.run(&elasticsearch(&url, &more));
    books.assert_lines("a certificate", 3, 0, 0, 0);
    assert_stored("a certificate", &store, 3);
}

#[test]
fn proxies() {
    struct Row {
        variables: &'static [(&'static str, &'static str)],
        sink: &'static str,
        https: bool,
        /// How the first request to the proxy begins; `None` where it hears nothing.
        through: Option<&'static str>,
    }
    let (connect, post) = (Some("CONNECT 127.0.0.1:"), Some("POST http://127.0.0.1:"));
    let rows = [
        Row { variables: &[("HTTPS_PROXY", "http://PROXY")], sink: "", https: true, through: connect },
        Row { variables: &[("https_proxy", "http://me:open%20sesame@PROXY")], sink: "", https: true, through: connect },
        Row {
            variables: &[("HTTPS_PROXY", "http://PROXY"), ("NO_PROXY", "127.0.0.1")],
            sink: "",
            https: true,
            through: None,
        },
        Row { variables: &[("HTTP_PROXY", "http://PROXY")], sink: "", https: false, through: post },
        Row { variables: &[("HTTPS_PROXY", "http://PROXY")], sink: "", https: false, through: None },
        Row { variables: &[("HTTPS_PROXY", "http://PROXY")], sink: "proxy: none", https: true, through: None },
        Row { variables: &[], sink: "proxy: 'http://me:open%20sesame@PROXY'", https: true, through: connect },
        Row { variables: &[("NO_PROXY", "*")], sink: "proxy: 'http://PROXY'", https: false, through: post },
    ];
    for Row { variables, sink, https, through } in rows {
        let what = format!("{variables:?} {sink} {https}");
        let (store, proxy) = (Elasticsearch::start(), Front::proxy());
        let mut stage = Stage::with_lines(3);
        let (_, front) = tls(&store.url(), &stage.place, None);
        for (name, value) in variables {
            stage.variable(name, &value.replace("PROXY", &proxy.address()));
        }
        for secret in ["open sesame", "open%20sesame", BASIC] {
            stage.secret(secret);
        }
        let url = if https { format!("https://{}", front.address()) } else { store.url() };
        let sink =
            format!("tls: {{ ca_file: {} }}, {}", stage.place.text("ca.pem"), sink.replace("PROXY", &proxy.address()));
        let books = stage.run(&elasticsearch(&url, &sink));
        books.assert_lines(&what, 3, 0, 0, 0);
        assert_stored(&what, &store, 3);
        let seen = proxy.seen();
        assert_eq!(seen.is_empty(), through.is_none(), "{what}: {seen:?}");
        if let Some(begin) = through {
            assert!(seen[0].starts_with(begin), "{what}: {seen:?}");
            let credentials = seen[0].to_ascii_lowercase().contains("proxy-authorization: basic");
            assert_eq!(credentials, what.contains("me:open"), "{what}: {seen:?}");
            assert!(!what.contains("me:open") || seen[0].contains(BASIC), "{what}: {seen:?}");
        }
    }
}

/// A proxy that is not there keeps lines, and its password to itself.
#[test]
fn a_dead_proxy_is_waited_for() {
    let store = Elasticsearch::start();
    store.set_mode(Mode::Refuse);
    let mut stage = Stage::with_lines(3).top("shutdown_grace: 100ms");
    stage.secret("open sesame");
    stage.secret("open%20sesame");
    let proxy = store.url().replace("http://", "http://me:open%20sesame@");
    let mut run = stage.start(&elasticsearch("http://store.invalid:9200", &format!("proxy: '{proxy}'")));
    run.wait_for("requests_total", "outcome=\"failed\"", 2);
    assert!(run.process.said().contains("cannot connect to `http://store.invalid:9200`"), "{}", run.process.said());
    assert_eq!(run.process.terminate(), 0);
}

#[test]
fn several_nodes_take_turns_and_the_dead_ones_rest() {
    let start = || Loki::start_with(LokiStore { now: Some(crate::stage::NOW), ..LokiStore::default() });
    let (dead, first, second) = (start(), start(), start());
    dead.set_mode(Mode::Refuse);
    let sink = format!(
        "type: loki, urls: ['{}', '{}', '{}'], requests_in_flight: 1, {}",
        dead.url(),
        first.url(),
        second.url(),
        quick("")
    );
    let stage = Stage::with_lines(10);
    // One batch after the other, until both have some; then one of them dies.
    let mut run = stage.start(&sink);
    let both = |first: &Loki, second: &Loki| [first, second].map(|node| node.look(|state| state.stored()));
    let mut settled = 10;
    while both(&first, &second).contains(&0) {
        run.wait_for("lines_delivered_total", "", settled);
        run.add(&["more"], &mut settled);
    }
    second.set_mode(Mode::Refuse);
    run.wait_for("lines_delivered_total", "", settled);
    let kept = both(&first, &second)[1];
    for _ in 0..3 {
        run.add(&["more"], &mut settled);
        run.wait_for("lines_delivered_total", "", settled);
    }
    let total = settled as usize;
    let books = run.end();
    books.assert_lines("nodes", total, 0, 0, 0);
    assert_eq!(books.of("lines_dropped_total", ""), 0);
    let [on_first, on_second] = both(&first, &second);
    assert_eq!((on_first + on_second, on_second), (settled, kept), "each line is on one node");
    assert_eq!(first.look(|state| state.repeats()) + second.look(|state| state.repeats()), 0);
}

#[test]
fn connections_are_kept_and_made_anew_when_they_are_old() {
    // (the key, whether there are several connections for requests one after the other)
    for (more, several) in [("", false), ("connection_max_age: 1ms", true)] {
        let store = Elasticsearch::start();
        let stage = Stage::with_lines(1);
        let mut run = stage.start(&elasticsearch(&store.url(), &format!("requests_in_flight: 1, {more}")));
        let mut settled = 1;
        for _ in 0..5 {
            run.wait_for("lines_delivered_total", "", settled);
            run.add(&["more"], &mut settled);
        }
        run.end().assert_lines(more, 6, 0, 0, 0);
        let (requests, connections) = store.look(|state| (state.seen.len(), state.connections));
        assert!(requests >= 2, "{requests} requests");
        assert_eq!(connections > 1, several, "{more}: {connections} connections for {requests} requests");
        assert_stored(more, &store, 6);
    }
}
