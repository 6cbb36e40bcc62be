//! Secrets end to end: what stores and files get, what the program says, and that nothing of it holds one.

use serde_json::{Value, json};

use crate::stage::{NOW, Stage, quick};
use crate::support::doubles::elasticsearch::Elasticsearch;
use crate::support::doubles::loki::Loki;

const CARD: &str = "4111111111111111";
const EMAIL: &str = "jane.doe@example.com";
const PASSWORD: &str = "hunter2-hunter2";

/// Secrets in JSON, as a number, behind an escape, under a name, in logfmt and in text.
fn lines() -> Vec<String> {
    vec![
        format!(r#"{{"level":"warn","msg":"for {EMAIL}","card":{CARD},"n":1}}"#),
        format!(
            r#"{{"msg":"\n4111 1111 1111 1111","to":"{}","password":{{"x":"{PASSWORD}"}}}}"#,
            EMAIL.replace('@', "\\u0040")
        ),
        format!("level=info user={EMAIL} password=\"{PASSWORD}\" n=1"),
        format!("login of {EMAIL} from 10.1.2.3 took 12 ms"),
        "nothing to hide at 2026-11-23T08:50:48.703Z".to_owned(),
    ]
}

const EXPECTED: [&str; 5] = [
    r#"{"level":"warn","msg":"for [redacted:email]","card":"[redacted:credit_card]","n":1}"#,
    r#"{"msg":"\n[redacted:credit_card]","to":"[redacted:email]","password":"[redacted:field]"}"#,
    r#"level=info user=[redacted:email] password="[redacted:field]" n=1"#,
    "login of [redacted:email] from [redacted:ipv4] took 12 ms",
    "nothing to hide at 2026-11-23T08:50:48.703Z",
];

/// A folder with these lines, whose secrets nobody may say.
fn stage(redact: &str) -> Stage {
    let mut stage = Stage::new().top(&format!("redact: {redact}"));
    for secret in [CARD, EMAIL, PASSWORD, "4111 1111", "10.1.2.3"] {
        stage.secret(secret);
    }
    stage.add(&lines());
    stage
}

fn all() -> Stage {
    stage("{ presets: all, fields: password }")
}

fn assert_hidden(what: &str, text: &str) {
    for secret in [CARD, "jane", PASSWORD, "4111 1111", "10.1.2.3"] {
        assert!(!text.contains(secret), "{what} holds `{secret}`:\n{text}");
    }
}

#[test]
fn loki_gets_redacted_lines() {
    for encoding in ["protobuf", "json"] {
        let store = Loki::start_at(NOW);
        let sink = format!(
            "type: loki, url: '{}', encoding: {encoding}, {}",
            store.url(),
            quick("structured_metadata: [level]")
        );
        all().run(&sink).assert_lines(encoding, 5, 0, 0, 0);
        store.look(|state| {
            let mut stored: Vec<_> = state.entries().map(|(.., time, entry)| (time, entry.line.clone())).collect();
            stored.sort();
            assert_eq!(stored.iter().map(|(_, line)| line.as_str()).collect::<Vec<_>>(), EXPECTED);
        });
    }
}

#[test]
fn elasticsearch_gets_redacted_documents() {
    let store = Elasticsearch::start();
    let sink = format!("type: elasticsearch, url: '{}', data_stream: logs-a-b, {}", store.url(), quick(""));
    all().run(&sink).assert_lines("documents", 5, 0, 0, 0);
    store.look(|state| {
        let documents = state.documents("logs-a-b");
        assert_eq!(documents.len(), 5);
        let mut all: Vec<Value> = documents.iter().map(|document| document.json()).collect();
        all.sort_by_key(|document| document["@timestamp"].to_string());
        assert_eq!(all[0]["message"], "for [redacted:email]");
        assert_eq!(all[0]["fields"], serde_json::from_str::<Value>(EXPECTED[0]).expect("JSON"));
        assert_eq!(all[1]["fields"]["password"], "[redacted:field]");
        assert_eq!(all[2]["fields"]["user"], "[redacted:email]");
        assert_eq!(all[2]["fields"]["password"], "[redacted:field]");
        assert_eq!(all[2]["fields"]["n"], "1");
        assert_eq!(all[3]["message"], EXPECTED[3]);
        assert_hidden("the store", &json!(all).to_string());
    });
}

/// The same lines, read again by another process that knows nothing of the first, are the same documents.
#[test]
fn a_replay_makes_the_same_documents() {
    let store = Elasticsearch::start();
    let sink = format!("type: elasticsearch, url: '{}', data_stream: logs-a-b, {}", store.url(), quick(""));
    let stage = stage("{ presets: all, fields: password, hash_secret: 0123456789abcdef }");
    let ids =
        || store.look(|state| state.documents("logs-a-b").iter().map(|document| document.json()).collect::<Vec<_>>());
    stage.run(&sink).assert_lines("at first", 5, 0, 0, 0);
    let first = ids();
    stage.place.rename("state", "forgotten");
    stage.run(&sink).assert_lines("again", 5, 0, 0, 0);
    assert_eq!(ids(), first, "nothing came twice, nothing changed");
    assert_hidden("the store", &json!(first).to_string());
    let text = json!(first).to_string();
    // Equal secrets are equal, in JSON, behind an escape, in logfmt and in text.
    let hash = text.split("[email:").nth(1).and_then(|rest| rest.split(']').next()).expect("a hash");
    assert_eq!(text.matches(hash).count(), text.matches("[email:").count());
}

#[test]
fn stdout_prints_redacted_events() {
    for (format, expected) in [("json", 4), ("logfmt", 4), ("text", 4)] {
        let stage = all();
        stage
            .run(&format!("type: stdout, format: {format}, batch: {{ max_age: 50ms }}"))
            .assert_lines(format, 5, 0, 0, 0);
        let printed = stage.place.read("stdout");
        assert_hidden(format, &printed);
        assert!(printed.matches("[redacted:email]").count() >= expected, "{printed}");
    }
}

/// What a store refuses goes into a file, and what it says of it into the log; it can quote only what it got.
#[test]
fn dead_letters_are_redacted() {
    let store = Loki::start_at(NOW);
    store.change(|store| store.limits.max_line = 60);
    let stage = all();
    let file = stage.place.text("letters.jsonl");
    let more = quick(&format!("dead_letter: {{ file: '{file}' }}"));
    let books = stage.run(&format!("type: loki, url: '{}', {more}", store.url()));
    let letters = stage.place.read("letters.jsonl");
    assert!(letters.lines().count() >= 1, "{}", books.log);
    assert!(letters.contains("[redacted:email]"), "{letters}");
    assert_hidden("the dead letters", &letters);
}

#[test]
fn a_sink_of_its_own() {
    let store = Loki::start_at(NOW);
    let stage = Stage::new().top("redact: { presets: [email] }");
    stage.add(&[format!("{EMAIL} 10.1.2.3 id=E-123456")]);
    let own = "redact: { presets: ipv4, patterns: { staff: 'E-\\d{6}' }, replace: '<gone>' }";
    stage.run(&format!("type: loki, url: '{}', {own}, {}", store.url(), quick(""))).assert_lines(own, 1, 0, 0, 0);
    store.look(|state| {
        let (.., entry) = state.entries().next().expect("an entry");
        assert_eq!(entry.line, "<gone> <gone> id=<gone>");
    });
}
