//! The admin port of the real program.

use std::collections::BTreeMap;

use crate::common::{assert_balanced, follow, head, pipeline, quick, status};
use crate::scenario::process::Metrics;
use crate::scenario::{PATIENCE, Place, Tailwater};
use crate::support::doubles::elasticsearch::{Elasticsearch, ItemFailure, Mode, Special, Step};
use crate::support::http;

fn get(admin: &str, method: &str, path: &str) -> (u16, String, String) {
    let answer = http::request(method, admin, path, &[], b"").expect("an answer");
    let status = answer.status;
    let kind = answer.header("content-type").unwrap_or_default().to_owned();
    // An answer to HEAD has a length and no body.
    let text = if method == "HEAD" { String::new() } else { answer.text().expect("text") };
    (status, kind, text)
}

/// Pods of two containers, and their file.
const FILES: [&str; 2] = [
    "shop_cart-0_11111111-1111-4111-8111-111111111111/app/0.log",
    "shop_cart-0_11111111-1111-4111-8111-111111111111/proxy/0.log",
];

fn start(place: &Place, store: &Elasticsearch, admin: &str) -> Tailwater {
    let settings = format!(
        "{}sources: {{ pods: {{ type: kubernetes, path: {} }} }}\nsinks: {{ store: {{ type: elasticsearch, url: '{}', auth: {{ bearer: 's3cr3t-token' }}, {} }} }}\n",
        head().replace("}\n", &format!("{admin} }}\n")),
        place.pods(),
        store.url(),
        quick()
    );
    let mut process = Tailwater::daemon(place, &settings);
    process.wait_for_log("the admin port answers");
    process
}

fn write(place: &Place, lines: u64) {
    for (index, file) in FILES.iter().enumerate() {
        for number in 0..lines {
            let line = format!(
                "2026-11-23T08:50:48.{number:09}Z stdout F {{\"msg\":\"hunter2 {index}-{number}\",\"free\":\"lots\"}}\n"
            );
            place.append(&format!("pods/{file}"), line);
        }
    }
}

#[test]
fn the_pages_answer_and_nothing_else_does() {
    let (place, store) = (Place::new(), Elasticsearch::start());
    write(&place, 10);
    let mut process = start(&place, &store, "");
    let admin = process.admin();
    process.wait_until("it is ready", PATIENCE, || get(&admin, "GET", "/readyz").0 == 200);
    assert_balanced(&mut process, &["store"], 20);
    for (method, path, status, text) in [
        ("GET", "/livez", 200, "ok\n"),
        ("GET", "/readyz", 200, "ok\n"),
        ("HEAD", "/livez", 200, ""),
        ("HEAD", "/metrics", 200, ""),
        ("HEAD", "/status", 200, ""),
        ("GET", "/readyz?sinks=1", 200, "ok\n"),
        ("GET", "/", 404, "not found; known: /metrics, /status, /livez, /readyz\n"),
        ("GET", "/metrics/x", 404, "not found; known: /metrics, /status, /livez, /readyz\n"),
        ("GET", "/debug/pprof", 404, "not found; known: /metrics, /status, /livez, /readyz\n"),
        ("POST", "/metrics", 405, "only GET and HEAD\n"),
        ("DELETE", "/status", 405, "only GET and HEAD\n"),
        ("PUT", "/livez", 405, "only GET and HEAD\n"),
    ] {
        let (found, _, body) = get(&admin, method, path);
        assert_eq!((found, body.as_str()), (status, text), "{method} {path}");
    }
    assert_eq!(get(&admin, "GET", "/status").1, "application/json");
    let (_, kind, page) = get(&admin, "GET", "/metrics");
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    assert_is_prometheus(&page);
    assert!(!page.contains("tailwater_workload_"), "series per workload are asked for");
    assert_eq!(process.terminate(), 0);
}

/// Every line of the page is help, a type or a series of the family that was announced last.
fn assert_is_prometheus(page: &str) {
    let mut kinds: BTreeMap<&str, &str> = BTreeMap::new();
    let mut last = "";
    let mut series = std::collections::BTreeSet::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            last = rest.split(' ').next().expect("a name");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a kind");
            assert_eq!(name, last, "{line}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(kinds.insert(name, kind).is_none(), "a family stands once: {line}");
        } else {
            let (name, value) = line.rsplit_once(' ').expect("a value");
            value.parse::<f64>().unwrap_or_else(|_| panic!("not a number: {line}"));
            let family = name.split('{').next().expect("a name");
            let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| family.strip_suffix(end));
            let known =
                kinds.contains_key(family) || of_histogram.is_some_and(|name| kinds.get(name) == Some(&"histogram"));
            assert!(known, "no type: {line}");
            assert!(series.insert(name), "a series stands once: {line}");
        }
    }
    assert!(kinds.len() > 30, "{kinds:?}");
}

#[test]
fn workloads_are_counted_and_have_series_where_asked_for() {
    let (place, store) = (Place::new(), Elasticsearch::start());
    write(&place, 10);
    let mut process = start(&place, &store, ", series_per_workload: true");
    assert_balanced(&mut process, &["store"], 20);
    let admin = process.admin();
    let (_, _, page) = get(&admin, "GET", "/metrics");
    assert_is_prometheus(&page);
    for container in ["app", "proxy"] {
        let labels =
            format!("pipeline=\"store\",namespace=\"shop\",pod=\"cart-0\",container=\"{container}\",source=\"pods\"");
        for line in [
            format!("tailwater_workload_lines_total{{{labels},fate=\"delivered\"}} 10"),
            format!("tailwater_workload_lag_bytes{{{labels}}} 0"),
        ] {
            assert!(page.lines().any(|found| found == line), "{line} in {page}");
        }
    }
    let status = status(&admin);
    let store_status = pipeline(&status, "store");
    let workloads = store_status["workloads"].as_array().expect("workloads");
    let names: Vec<_> = workloads.iter().map(|workload| workload["container"].as_str().unwrap_or_default()).collect();
    assert_eq!(names, ["app", "proxy"]);
    assert_eq!(process.terminate(), 0);
}

/// Lines that are not what their parser looks for are delivered, and counted where they are: by file and by workload.
#[test]
fn lines_of_a_wrong_form_are_counted_where_they_are() {
    let (place, store) = (Place::new(), Elasticsearch::start());
    write(&place, 10);
    for line in ["2026-11-23T08:50:49Z stdout F no hunter2", "2026-11-23T08:50:49Z stdout F {\"half\":", "no CRI"] {
        place.append(&format!("pods/{}", FILES[1]), format!("{line}\n"));
    }
    let settings = format!(
        "{}sources: {{ pods: {{ type: kubernetes, path: {}, parse: json }} }}\nsinks: {{ store: {{ type: elasticsearch, url: '{}', {} }} }}\n",
        head().replace("}\n", ", series_per_workload: true }\n"),
        place.pods(),
        store.url(),
        quick()
    );
    let mut process = Tailwater::daemon(&place, &settings);
    assert_balanced(&mut process, &["store"], 23);
    let admin = process.admin();
    let found = pipeline(&status(&admin), "store");
    let wrong = serde_json::json!({ "not_cri": 1, "not_parsed": 2 });
    assert_eq!(found["malformed"], wrong);
    for list in ["workloads", "origins"] {
        let all = found[list].as_array().expect("a list");
        assert_eq!(all.len(), 2, "{found}");
        for one in all {
            let is_wrong = one["container"] == "proxy";
            assert_eq!(one["malformed"], if is_wrong { wrong.clone() } else { serde_json::json!({}) }, "{list}: {one}");
        }
    }
    assert!(found["origins"].as_array().is_some_and(|all| all.iter().all(|one| one["parser"] == "json")), "{found}");
    assert!(!found.to_string().contains("hunter2") && !found.to_string().contains("half"), "{found}");
    let (_, _, page) = get(&admin, "GET", "/metrics");
    assert_is_prometheus(&page);
    let series: Vec<_> =
        page.lines().filter(|line| line.starts_with("tailwater_workload_lines_malformed_total")).collect();
    let labels = "pipeline=\"store\",namespace=\"shop\",pod=\"cart-0\",container=\"proxy\",source=\"pods\"";
    let expected = [("not_cri", 1), ("not_parsed", 2)]
        .map(|(flaw, count)| format!("tailwater_workload_lines_malformed_total{{{labels},flaw=\"{flaw}\"}} {count}"));
    assert_eq!(series, expected);
    assert_eq!(process.terminate(), 0);
}

/// Whoever reaches the port may read it, so neither lines nor secrets stand there; also not in a store's words, which
/// like to quote what they refuse.
#[test]
fn the_status_shows_no_line_and_no_secret() {
    let (place, store) = (Place::new(), Elasticsearch::start());
    let failure = ItemFailure {
        status: 400,
        kind: "document_parsing_exception".to_owned(),
        reason: "[1:79] failed to parse field [fields.free] of type [long] in document with id 'x'. Preview of field's value: 'hunter2'".to_owned(),
    };
    store.set_mode(Mode::Always(Step::Special(Special::FailEvery(2, failure))));
    write(&place, 10);
    let mut process = start(&place, &store, ", series_per_workload: true");
    assert_balanced(&mut process, &["store"], 20);
    let admin = process.admin();
    let found = pipeline(&status(&admin), "store");
    let words = found["last_error"]["words"].as_str().expect("words");
    assert!(words.contains("failed to parse field [fields.free]"), "{words}");
    assert!(found["lines"]["dropped"]["refused"].as_u64().is_some_and(|refused| refused > 0), "{found}");
    for path in ["/status", "/metrics"] {
        let (_, _, page) = get(&admin, "GET", path);
        for secret in ["hunter2", "s3cr3t-token", "lots"] {
            assert!(!page.contains(secret), "{secret} in {path}: {page}");
        }
    }
    assert_eq!(process.terminate(), 0);
}

/// A store that takes nothing shows where it is asked for, and takes neither the program nor its neighbour out of service.
#[test]
fn a_refusing_store_is_told_and_no_reason_to_restart() {
    let (place, store) = (Place::new(), Elasticsearch::start());
    store.set_mode(Mode::Refuse);
    write(&place, 10);
    let mut process = start(&place, &store, "");
    let admin = process.admin();
    // Before files were looked for it is not ready for that reason.
    process.wait_until("it is told", PATIENCE, || {
        let (code, _, text) = get(&admin, "GET", "/readyz?sinks=1");
        code == 503 && text == "refusing: store\n"
    });
    assert_eq!((get(&admin, "GET", "/readyz").0, get(&admin, "GET", "/livez").0), (200, 200));
    let found = pipeline(&status(&admin), "store");
    assert_eq!(found["is_refusing"], true, "{found}");
    assert!(found["last_error"]["words"].as_str().is_some_and(|words| !words.is_empty()), "{found}");
    assert_eq!(process.metrics().of_pipeline("sink_refusing", "store"), 1);
    store.set_mode(Mode::Always(Step::Accept));
    process.wait_until("it takes lines again", PATIENCE, || get(&admin, "GET", "/readyz?sinks=1").0 == 200);
    assert_balanced(&mut process, &["store"], 20);
    assert_eq!(process.metrics().of_pipeline("sink_refusing", "store"), 0);
    assert_eq!(process.terminate(), 0);
}

/// A label that takes a value for each line is told of once, by its name and not its values; the others are not.
#[test]
fn a_label_with_too_many_values_is_told_once() {
    let place = Place::new();
    let store = crate::support::doubles::Loki::start();
    let text: String = (0..150).map(|number| format!("request=secret-{number} state=s{}\n", number % 3)).collect();
    std::fs::create_dir_all(place.path("logs")).expect("a folder");
    std::fs::write(place.path("logs/a.log"), text).expect("written");
    let labels = "labels: { request: '{fields.request}', state: '{fields.state}', app: x }";
    let sinks = format!("loki: {{ type: loki, url: '{}', {labels}, {} }}", store.url(), quick());
    let mut process = follow(&place, &sinks);
    let admin = process.admin();
    process.wait_until("all lines are stored", PATIENCE, || {
        Metrics::of(&admin).of_pipeline("lines_delivered_total", "loki") == 150
    });
    assert_eq!(pipeline(&status(&admin), "loki")["crowded_labels"], serde_json::json!(["request"]));
    assert_eq!(Metrics::of(&admin).of_pipeline("crowded_labels", "loki"), 1);
    assert_eq!(process.terminate(), 0);
    let said = process.said();
    assert_eq!(said.matches("a label takes more values").count(), 1, "{said}");
    assert!(said.contains("\"label\":\"request\"") && !said.contains("secret-"), "{said}");
}
