//! The double against what a real OpenSearch 2.19 node answered to the same bodies.

use super::*;
use crate::support::http;

fn bulk_at(double: &Elasticsearch, path: &str, body: &str) -> (u16, Value) {
    let headers = [("Content-Type", "application/x-ndjson")];
    let answer = http::request("POST", &double.url(), path, &headers, body.as_bytes()).unwrap();
    let status = answer.status;
    let text = answer.text().unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

fn bulk(double: &Elasticsearch, body: &str) -> (u16, Value) {
    bulk_at(double, "/_bulk", body)
}

fn create(index: &str, id: &str, document: &str) -> String {
    format!("{{\"create\":{{\"_index\":\"{index}\",\"_id\":\"{id}\"}}}}\n{document}\n")
}

fn statuses(answer: &Value) -> Vec<u64> {
    let items = answer["items"].as_array().unwrap();
    items.iter().map(|item| item.as_object().unwrap().values().next().unwrap()["status"].as_u64().unwrap()).collect()
}

#[test]
fn an_id_is_created_once_in_a_backing_index() {
    let double = Elasticsearch::start();
    let body = create("logs-a-b", "1", r#"{"@timestamp":"2026-01-01T00:00:00Z","n":1}"#);
    let (status, answer) = bulk(&double, &body);
    assert_eq!((status, &answer["errors"], statuses(&answer)), (200, &json!(false), vec![201]));
    assert_eq!(answer["items"][0]["create"]["_index"], ".ds-logs-a-b-000001");
    let (_, answer) = bulk(&double, &body);
    assert_eq!((&answer["errors"], statuses(&answer)), (&json!(true), vec![409]));
    assert_eq!(
        answer["items"][0]["create"]["error"]["reason"],
        "[1]: version conflict, document already exists (current version [1])"
    );
    double.roll_over("logs-a-b");
    assert_eq!(statuses(&bulk(&double, &body).1), [201]);
    double.look(|state| {
        assert_eq!((state.stored(), state.repeats()), (2, 1));
        assert_eq!(state.documents("logs-a-b")[0].repeats, 1);
        assert_eq!(state.documents("logs-a-b")[0].json()["n"], 1);
    });
}

#[test]
fn items_are_judged_one_by_one() {
    let double = Elasticsearch::start();
    double.set_rule(|item| item.document["n"].is_string().then(|| ItemFailure::mapping_conflict("n")));
    let time = r#""@timestamp":"2026-01-01T00:00:00Z""#;
    let body = [
        create("logs-a-b", "1", &format!("{{{time},\"n\":1}}")),
        create("logs-a-b", "2", &format!("{{{time},\"n\":\"x\"}}")),
        create("logs-a-b", "3", "{\"n\":1}"),
        create("logs-a-b", "4", &format!("{{{time},\"n\":1,\"n\":2}}")),
        create("logs-a-b", "5", &format!("{{{time},\"a\":\"x\",\"a.b\":2}}")),
        create("logs-a-b", "6", &format!("{{{time},\"z.b\":2,\"z\":{{\"c\":2}}}}")),
        create("logs-a-b", "7", "{\"@timestamp\":"),
        create("Foo", "8", "{}"),
        "{\"index\":{\"_index\":\"logs-a-b\"}}\n{}\n".to_owned(),
        "{\"index\":{\"_index\":\"plain\",\"_id\":\"a\"}}\n{}\n".repeat(2),
    ];
    let (status, answer) = bulk(&double, &body.concat());
    assert_eq!(status, 200);
    assert_eq!(statuses(&answer), [201, 400, 400, 400, 400, 201, 400, 400, 400, 201, 200]);
    assert_eq!(answer["items"][1]["create"]["error"]["type"], "mapper_parsing_exception");
    assert_eq!(answer["items"][7]["create"]["error"]["type"], "invalid_index_name_exception");
    assert_eq!(double.look(|state| state.bulks[0].refused), 7);
}

#[test]
fn some_faults_fail_the_whole_request() {
    let double = Elasticsearch::start();
    for (body, kind, reason) in [
        ("", "parse_exception", "request body is required"),
        ("{\"create\":{\"_index\":\"a\"}}\n{}", "illegal_argument_exception", "must be terminated by a newline"),
        ("\"x\"\n{}\n", "illegal_argument_exception", "Malformed action/metadata line [1], expected START_OBJECT"),
        ("{\"foo\":{}}\n{}\n", "illegal_argument_exception", "but found [foo]"),
        ("{\"create\":{}}\n{}\n", "action_request_validation_exception", "index is missing"),
        (&create("a", &"y".repeat(513), "{}"), "action_request_validation_exception", "but was: 513;"),
    ] {
        let (status, answer) = bulk(&double, body);
        assert_eq!((status, answer["error"]["type"].as_str()), (400, Some(kind)), "{body}");
        assert!(answer["error"]["reason"].as_str().unwrap().contains(reason), "{answer}");
    }
    assert_eq!(double.look(|state| state.stored()), 0);
    let (status, answer) = bulk(&double, &create("a", "1", "{}"));
    assert_eq!((status, statuses(&answer)), (200, vec![201]));
}

#[test]
fn too_large_counts_inflated_and_broken_gzip_gets_no_answer() {
    let double = Elasticsearch::start();
    double.change(|store| store.max_body = 1000);
    let body = create("a", "1", &format!("{{\"x\":\"{}\"}}", "y".repeat(2000)));
    assert_eq!(bulk(&double, &body), (413, json!("")));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, body.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let headers = [("Content-Type", "application/x-ndjson"), ("Content-Encoding", "gzip")];
    let send = |body: &[u8]| http::request("POST", &double.url(), "/_bulk", &headers, body);
    assert_eq!(send(&gzip).unwrap().status, 413);
    assert!(send(&gzip[..20]).is_err());
    double.change(|store| store.max_body = 10_000);
    assert_eq!(send(&gzip).unwrap().status, 200);
    assert_eq!(double.look(|state| state.stored()), 1);
}

#[test]
fn answers_are_filtered_and_scripted() {
    let double = Elasticsearch::start();
    let body: String = (0..4).map(|n| create("a", &n.to_string(), "{\"b\":1}")).collect();
    double.script(vec![
        Step::Special(Special::IndexingPressure),
        Step::Special(Special::FailEvery(2, ItemFailure::queue_full())),
        Step::Special(Special::FewerItems(3)),
    ]);
    let path = "/_bulk?filter_path=errors,items.*.error,items.*.status";
    assert_eq!(bulk_at(&double, path, &body).0, 429);
    let (_, answer) = bulk_at(&double, path, &body);
    assert_eq!(statuses(&answer), [429, 201, 429, 201]);
    assert_eq!(answer["items"][1], json!({ "create": { "status": 201 } }));
    assert_eq!(answer.as_object().unwrap().len(), 2);
    assert_eq!(statuses(&bulk(&double, &body).1), [201, 409, 201]);
    let (_, answer) = bulk_at(&double, "/_bulk?filter_path=took%2Citems.**.type", &body);
    assert_eq!(answer["took"], 1);
    assert_eq!(answer["items"][3]["create"]["error"], json!({ "type": "version_conflict_engine_exception" }));
}

#[test]
fn credentials_are_asked_for() {
    let double = Elasticsearch::start();
    double.change(|store| store.authorization = Some("Basic dTpw".to_owned()));
    assert_eq!(bulk(&double, &create("a", "1", "{}")).0, 401);
    let headers = [("Content-Type", "application/json"), ("Authorization", "Basic dTpw")];
    let answer = http::request("POST", &double.url(), "/a/_bulk", &headers, b"{\"create\":{}}\n{}\n").unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(double.look(|state| state.documents("a").len()), 1);
}
