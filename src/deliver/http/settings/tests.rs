//! What is typed and what comes of it; secrets are looked for in everything that is printed.

use super::*;
use crate::model::settings::{Node, Problems, Value};

/// A tree of `key: text` and `key: { … }`, as a reader of YAML would make it.
fn map(entries: Vec<(&str, Value)>) -> Value {
    let place = Place { file: "t.yaml".into(), line: 1, column: 1 };
    let entries = entries.into_iter().map(|(key, value)| {
        let node = Node { place: place.clone(), value };
        (key.to_owned(), place.clone(), node)
    });
    Value::Map(entries.collect())
}

fn text(text: &str) -> Value {
    Value::Scalar(text.to_owned())
}

fn read(entries: Vec<(&str, Value)>) -> (Settings, Vec<String>) {
    let node = Node { place: Place { file: "t.yaml".into(), line: 1, column: 1 }, value: map(entries) };
    let mut problems = Problems::default();
    let mut section = Section::new("sink `s`", &node, &[KEYS], &mut problems);
    let settings = Settings::read(&mut section);
    section.end();
    (settings, problems.0.into_iter().map(|problem| problem.text).collect())
}

fn check(entries: Vec<(&str, Value)>, problems: &[&str]) -> Settings {
    let (settings, found) = read(entries);
    assert_eq!(found, problems);
    settings
}

#[test]
fn everything_that_can_be_said() {
    let url = |path: &str| format!("http://h{path}");
    let list = Value::List(
        ["/a", "/b"]
            .map(|path| Node { place: Place { file: "t".into(), line: 1, column: 1 }, value: text(&url(path)) })
            .into(),
    );
    let settings = check(
        vec![
            ("url", text("https://h:9200/")),
            ("urls", list),
            ("headers", map(vec![("X-Team", text("a")), ("X-Api-Key", text("hunter2"))])),
            ("auth", map(vec![("basic", map(vec![("username", text("u")), ("password_file", text("/p"))]))])),
            ("tls", map(vec![("ca_file", text("/ca")), ("cert_file", text("/c")), ("key_file", text("/k"))])),
            ("timeout", text("3s")),
            ("connect_timeout", text("1s")),
            ("connection_max_age", text("1m")),
            ("proxy", text("none")),
        ],
        &[],
    );
    assert_eq!(
        settings.urls.iter().map(|url| url.to_string()).collect::<Vec<_>>(),
        ["https://h:9200", "http://h/a", "http://h/b"]
    );
    assert_eq!(settings.auth, Some(Auth::Basic { username: "u".into(), password: Source::File("/p".into()) }));
    assert_eq!(settings.tls.identity, Some(("/c".into(), "/k".into())));
    assert_eq!((settings.timeout.as_secs(), settings.connect_timeout.as_secs()), (3, 1));
    assert_eq!((settings.connection_max_age.as_secs(), settings.proxy.clone()), (60, Proxying::Direct));
    assert_eq!(format!("{:?}", settings.headers), "[x-team: a, x-api-key: ***]");
}

#[test]
fn user_and_password_are_moved_out_of_a_url() {
    let endpoint = Endpoint::parse("http://us%40er:p%2Fw@h:3100/insert/").expect("a URL");
    assert_eq!(endpoint.basic, Some(("us@er".to_owned(), Secret::new("p/w"))));
    assert_eq!(endpoint.to_string(), "http://***@h:3100/insert");
    assert_eq!(endpoint.url.as_str(), "http://h:3100/insert/");
    assert_eq!(Settings::from_url("http://h").expect("a URL").urls[0].to_string(), "http://h");
}

#[test]
fn what_cannot_be_is_said() {
    let at = |url: &str| vec![("url", text(url))];
    check(vec![], &["sink `s` needs `url`"]);
    check(at("loki:3100"), &["wrong `url`: `loki:3100` does not begin with `http://` or `https://` and a host"]);
    check(at("http://u:p@h:port"), &["wrong `url`: `http://***@h:port` is no URL: invalid port number"]);
    check(
        at("http://u:p@h/?a=b"),
        &["wrong `url`: `http://***@h/?a=b` has a `?` or `#`, where only a host and a path can be"],
    );
    let with = |key, value| vec![("url", text("http://h")), (key, value)];
    check(with("headers", map(vec![("a b", text("c"))])), &["`a b` cannot be the name of a header"]);
    check(
        with("headers", map(vec![("a", text("c\nd"))])),
        &["the value of header `a` has bytes that no header can have"],
    );
    check(with("timeout", text("0")), &["`timeout` cannot be `0`"]);
    check(
        with("tls", map(vec![("key_file", text("/k"))])),
        &["`tls` of sink `s` has only one of `cert_file` and `key_file`"],
    );
    let both = map(vec![("bearer", text("a")), ("api_key", text("b"))]);
    check(with("auth", both), &["`auth` of sink `s` has more than one kind of authentication"]);
    let half = map(vec![("basic", map(vec![("username", text("u"))]))]);
    check(with("auth", half), &["`basic` of `auth` of sink `s` needs one of `password` and `password_file`"]);
    check(
        with("proxy", text("socks5://h")),
        &["wrong `proxy`: `socks5://h` does not begin with `http://` or `https://` and a host"],
    );
}

#[test]
fn no_secret_is_printed() {
    let settings = check(
        vec![
            ("url", text("http://user:hunter2@h")),
            ("headers", map(vec![("Authorization", text("hunter2"))])),
            ("auth", map(vec![("bearer", text("hunter2"))])),
            ("proxy", text("http://me:hunter2@proxy:3128")),
        ],
        &[],
    );
    let shown = format!("{settings:?} {settings:#?}");
    assert!(!shown.contains("hunter2"), "{shown}");
}
