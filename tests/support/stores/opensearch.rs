//! One real OpenSearch node: data streams, ids, conflicts, and refusals of every kind.
//!
//! One node serves all tests: keep them apart by the names of their indices and data streams.

use super::{Node, required};
use crate::support::http;
use serde_json::{Value, json};
use std::path::PathBuf;

/// A running OpenSearch node.
pub struct OpenSearch {
    url: String,
    /// Ours to end, where we started it.
    node: Option<Node>,
}

/// One stored document.
pub struct Document {
    /// The backing index, for a data stream.
    pub index: String,
    pub id: String,
    pub source: Value,
}

/// How many documents one page of a scroll holds.
const PAGE: usize = 5_000;

impl OpenSearch {
    /// The one that `tests/stores/run` started.
    pub fn from_env() -> OpenSearch {
        OpenSearch { url: required("TAILWATER_TEST_OPENSEARCH"), node: None }
    }

    /// One of the test's own, with settings such as `http.max_content_length=1mb`,
    /// `indexing_pressure.memory.limit=10kb`, or `thread_pool.write.size=1` and `thread_pool.write.queue_size=1`.
    /// It ends with the value.
    pub fn start_with(settings: &[&str]) -> OpenSearch {
        let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        let node = Node::start("TAILWATER_TEST_OPENSEARCH_HOME", &settings);
        OpenSearch { url: node.url.clone(), node: Some(node) }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where its log lies, for one of the test's own.
    pub fn log(&self) -> Option<PathBuf> {
        self.node.as_ref().map(Node::log)
    }

    /// Makes everything that was stored visible to searches.
    pub fn refresh(&self, index: &str) {
        self.ask("POST", &format!("/{index}/_refresh?ignore_unavailable=true"), None);
    }

    /// How many documents an index, a data stream or a pattern holds; 0 where there is none.
    pub fn count(&self, index: &str) -> u64 {
        let answer = self.ask("GET", &format!("/{index}/_count?ignore_unavailable=true"), None);
        answer["count"].as_u64().unwrap_or_else(|| panic!("no count in {answer}"))
    }

    /// All documents of an index, a data stream or a pattern, in no order.
    pub fn all_documents(&self, index: &str) -> Vec<Document> {
        let mut all = Vec::new();
        self.each_document(index, |document| all.push(document));
        all
    }

    /// As `all_documents`, a page at a time, for what is better not held at once.
    pub fn each_document(&self, index: &str, mut take: impl FnMut(Document)) {
        let search = json!({ "size": PAGE, "sort": ["_doc"], "query": { "match_all": {} } });
        let mut page = self.ask("POST", &format!("/{index}/_search?scroll=5m&ignore_unavailable=true"), Some(&search));
        loop {
            let Value::Array(hits) = page["hits"]["hits"].take() else { panic!("no hits in {page}") };
            if hits.is_empty() {
                break;
            }
            for mut hit in hits {
                take(Document {
                    index: hit["_index"].as_str().unwrap_or_default().to_owned(),
                    id: hit["_id"].as_str().unwrap_or_default().to_owned(),
                    source: hit["_source"].take(),
                });
            }
            let next = json!({ "scroll": "5m", "scroll_id": page["_scroll_id"] });
            page = self.ask("POST", "/_search/scroll", Some(&next));
        }
        if page["_scroll_id"].is_string() {
            self.ask("DELETE", "/_search/scroll", Some(&json!({ "scroll_id": page["_scroll_id"] })));
        }
    }

    /// Changes an index's or a data stream's settings; `null` takes one back.
    pub fn put_settings(&self, index: &str, settings: &Value) {
        self.ask("PUT", &format!("/{index}/_settings"), Some(settings));
    }

    /// Puts an index template: `{"index_patterns":[…],"data_stream":{},"template":{"mappings":{…}}}`.
    pub fn put_template(&self, name: &str, template: &Value) {
        self.ask("PUT", &format!("/_index_template/{name}"), Some(template));
    }

    /// Starts the next backing index of a data stream; ids are known only within one.
    pub fn roll_over(&self, data_stream: &str) {
        self.ask("POST", &format!("/{data_stream}/_rollover"), None);
    }

    /// Deletes a data stream or an index with all it holds; it need not exist.
    pub fn delete(&self, name: &str) {
        // Deleting a data stream that is none succeeds too, and an index's name may be either.
        self.try_ask("DELETE", &format!("/_data_stream/{name}"), None);
        self.try_ask("DELETE", &format!("/{name}?ignore_unavailable=true"), None);
        assert_eq!(self.count(name), 0, "`{name}` was deleted");
    }

    /// Any other request, which must succeed.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.try_ask(method, path, body);
        assert!((200..300).contains(&status), "OpenSearch at {}: {method} {path}: {status} {answer}", self.url);
        answer
    }

    /// Any other request: the status and the body (`null` where it is empty).
    pub fn try_ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let body = body.map_or_else(Vec::new, |value| value.to_string().into_bytes());
        self.try_send(method, path, "application/json", &body)
    }

    /// A bulk body as a sink would send it: the status and the answer.
    pub fn bulk(&self, body: &str) -> (u16, Value) {
        self.try_send("POST", "/_bulk", "application/x-ndjson", body.as_bytes())
    }

    fn try_send(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> (u16, Value) {
        let answer = http::request(method, &self.url, path, &[("Content-Type", content_type)], body);
        let read = answer.and_then(|answer| Ok((answer.status, answer.text()?)));
        let (status, text) =
            read.unwrap_or_else(|error| panic!("OpenSearch at {}: {method} {path}: {error}", self.url));
        (status, serde_json::from_str(&text).unwrap_or(if text.is_empty() { Value::Null } else { Value::String(text) }))
    }

    /// Ends one of the test's own (`TERM`, `KILL`) and starts it again over the same data; its url changes.
    pub fn restart(self, signal: &str, settings: &[&str]) -> OpenSearch {
        let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        let node = self.node.expect("only a node of the test's own is restarted").restart(signal, &settings);
        OpenSearch { url: node.url.clone(), node: Some(node) }
    }
}
