//! The bulk endpoint of Elasticsearch and OpenSearch: ids, data streams, a verdict per item, in OpenSearch 2.19's words
//! as a real node said them.
//!
//! ```text
//! body ─▶ 413? ─▶ action lines ─▶ each item: name ─▶ document ─▶ the test's rule ─▶ id there? ─▶ stored
//!                    │ 400 whole            │ 400       │ 400        │ any             │ 409
//! ```
//! Invariant: a document is kept by (name as addressed, backing index, `_id`); how often it came again is counted.
//!
//! Absent: mappings between documents (a rule plays their conflicts), searching, deletes and updates.

mod bulk;
mod document;
mod filter;

use super::server::{self, Double, Observer, Store};
use super::wire::{Answer, Request};
use bulk::{Bulk, Malformed};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};

/// A running Elasticsearch double.
pub type Elasticsearch = Double<ElasticsearchStore>;
/// How it treats one bulk.
pub type Step = server::Step<Special>;
/// How it treats all bulks.
pub type Mode = server::Mode<Special>;

/// What only a bulk endpoint does.
#[derive(Clone, Debug)]
pub enum Special {
    /// 429 for the whole request, as indexing pressure gives it; nothing is stored.
    IndexingPressure,
    /// 400 for the whole request where any of its documents has this text, as for a bad action line; nothing is stored.
    Poisoned(String),
    /// Everything is stored, and only the first so many items are answered.
    FewerItems(usize),
    /// Every item whose number (from 0) this divides is refused; the others are stored.
    FailEvery(usize, ItemFailure),
}

/// Why one item is refused.
#[derive(Clone, Debug)]
pub struct ItemFailure {
    pub status: u16,
    pub kind: String,
    pub reason: String,
}

/// One item of a bulk, as a rule sees it.
pub struct Item<'a> {
    /// `create` or `index`.
    pub action: &'a str,
    pub index: &'a str,
    pub id: Option<&'a str>,
    pub document: &'a Value,
}

/// Decides about one item before it is stored; `None` lets it pass.
pub type Rule = Box<dyn FnMut(&Item<'_>) -> Option<ItemFailure> + Send>;

/// What the double keeps.
pub struct ElasticsearchStore {
    /// By name as addressed: an index or a data stream.
    pub indices: BTreeMap<String, Index>,
    /// Every bulk that could be decoded, in order.
    pub bulks: Vec<TakenBulk>,
    /// How a data stream's name begins.
    pub data_streams: Vec<String>,
    /// Bytes of a request's body, inflated.
    pub max_body: usize,
    /// Who must come: the `Authorization` header, else 401.
    pub authorization: Option<String>,
    /// Told of every document that is new, in the order in which they come.
    pub observer: Option<Observer>,
    rule: Option<Rule>,
    next_id: u64,
}

/// One index, or a data stream with all its backing indices.
#[derive(Default)]
pub struct Index {
    /// In the order in which they were stored.
    pub documents: Vec<Document>,
    /// How often it was rolled over.
    pub generation: u32,
    /// The newest backing index's ids, as places in `documents`.
    ids: HashMap<String, usize>,
}

/// One stored document.
pub struct Document {
    pub id: String,
    /// The bytes as they came.
    pub source: String,
    pub generation: u32,
    /// Above one it was written over by `index`.
    pub version: u32,
    /// How often a `create` with its id came again and was answered with 409.
    pub repeats: u32,
}

impl Document {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.source).expect("only documents that are JSON are stored")
    }
}

/// What became of one bulk.
#[derive(Clone, Debug)]
pub struct TakenBulk {
    pub items: usize,
    pub stored: usize,
    /// 409s.
    pub repeats: usize,
    pub refused: usize,
    pub status: u16,
}

impl ItemFailure {
    pub fn new(status: u16, kind: &str, reason: &str) -> ItemFailure {
        ItemFailure { status, kind: kind.to_owned(), reason: reason.to_owned() }
    }

    /// 400: `field` is mapped to another type.
    pub fn mapping_conflict(field: &str) -> ItemFailure {
        ItemFailure::new(400, "mapper_parsing_exception", &format!("failed to parse field [{field}] of type [long]"))
    }

    /// 400 in the words of Elasticsearch 8.
    pub fn document_parsing(field: &str) -> ItemFailure {
        ItemFailure::new(
            400,
            "document_parsing_exception",
            &format!("[1:2] failed to parse field [{field}] of type [long]"),
        )
    }

    /// 429: the write queue is full.
    pub fn queue_full() -> ItemFailure {
        let reason = "rejected execution of primary operation: queue capacity = 1";
        ItemFailure::new(429, "rejected_execution_exception", reason)
    }

    /// 429: the disk is nearly full.
    pub fn read_only() -> ItemFailure {
        let reason = "index blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has \
                      read-only-allow-delete block];";
        ItemFailure::new(429, "cluster_block_exception", reason)
    }

    /// 403: somebody blocked writing.
    pub fn write_blocked() -> ItemFailure {
        ItemFailure::new(403, "cluster_block_exception", "index blocked by: [FORBIDDEN/8/index write (api)];")
    }

    /// 404: no such index, and none may be made.
    pub fn not_found() -> ItemFailure {
        ItemFailure::new(404, "index_not_found_exception", "no such index")
    }

    /// 503: a shard is not there.
    pub fn unavailable() -> ItemFailure {
        ItemFailure::new(503, "unavailable_shards_exception", "primary shard is not active")
    }
}

impl Default for ElasticsearchStore {
    fn default() -> ElasticsearchStore {
        ElasticsearchStore {
            indices: BTreeMap::new(),
            bulks: Vec::new(),
            data_streams: vec!["logs-".to_owned()],
            max_body: 100 * 1024 * 1024,
            authorization: None,
            observer: None,
            rule: None,
            next_id: 0,
        }
    }
}

impl Elasticsearch {
    /// On a free port of 127.0.0.1; names that begin with `logs-` are data streams.
    pub fn start() -> Elasticsearch {
        Elasticsearch::start_with(ElasticsearchStore::default())
    }

    /// Asks `rule` about every item from now on.
    pub fn set_rule(&self, rule: impl FnMut(&Item<'_>) -> Option<ItemFailure> + Send + 'static) {
        self.change(|store| store.rule = Some(Box::new(rule)));
    }

    pub fn clear_rule(&self) {
        self.change(|store| store.rule = None);
    }

    /// The next backing index begins, and knows no id.
    pub fn roll_over(&self, name: &str) {
        self.change(|store| {
            if let Some(index) = store.indices.get_mut(name) {
                index.generation += 1;
                index.ids.clear();
            }
        });
    }
}

impl ElasticsearchStore {
    /// The documents of one index or data stream.
    pub fn documents(&self, name: &str) -> &[Document] {
        self.indices.get(name).map_or(&[], |index| &index.documents)
    }

    /// How many documents are stored.
    pub fn stored(&self) -> u64 {
        self.indices.values().map(|index| index.documents.len() as u64).sum()
    }

    /// How many creates came whose id was there already.
    pub fn repeats(&self) -> u64 {
        self.bulks.iter().map(|bulk| bulk.repeats as u64).sum()
    }

    fn is_data_stream(&self, name: &str) -> bool {
        self.data_streams.iter().any(|prefix| name.starts_with(prefix))
    }

    fn backing_index(&self, name: &str) -> String {
        let generation = self.indices.get(name).map_or(0, |index| index.generation);
        if self.is_data_stream(name) { format!(".ds-{name}-{:06}", generation + 1) } else { name.to_owned() }
    }

    fn take(&mut self, bulk: Bulk, filter: Option<&str>, special: Option<&Special>) -> Answer {
        let mut taken = TakenBulk { items: bulk.items.len(), stored: 0, repeats: 0, refused: 0, status: 200 };
        if let Some(Special::IndexingPressure) = special {
            taken.refused = taken.items;
            taken.status = 429;
            self.bulks.push(taken);
            let reason = "rejected execution of coordinating operation [coordinating_and_primary_bytes=0, \
                          replica_bytes=0, all_bytes=0, coordinating_operation_bytes=10241, \
                          max_coordinating_and_primary_bytes=10240]";
            return whole(429, "rejected_execution_exception", reason);
        }
        if let Some(Special::Poisoned(text)) = special
            && bulk.items.iter().any(|item| item.source.contains(text.as_str()))
        {
            taken.refused = taken.items;
            taken.status = 400;
            self.bulks.push(taken);
            let reason = "Malformed action/metadata line [1], expected START_OBJECT but found [VALUE_STRING]";
            return whole(400, "illegal_argument_exception", reason);
        }
        let mut answers = Vec::with_capacity(bulk.items.len());
        for (number, item) in bulk.items.into_iter().enumerate() {
            let scripted = match special {
                Some(Special::FailEvery(every, failure)) if number % every == 0 => Some(failure.clone()),
                _ => None,
            };
            let action = item.action;
            let (status, answer) = self.take_item(item, scripted);
            match status {
                200 | 201 => taken.stored += 1,
                409 => taken.repeats += 1,
                _ => taken.refused += 1,
            }
            answers.push(json!({ action: answer }));
        }
        if let Some(Special::FewerItems(count)) = special {
            answers.truncate(*count);
        }
        let errors = taken.repeats + taken.refused > 0;
        self.bulks.push(taken);
        let answer = json!({ "took": 1, "errors": errors, "items": answers });
        Answer::json(200, &filter.map_or_else(|| answer.clone(), |paths| filter::only(&answer, paths)))
    }

    /// The item's status and its answer.
    fn take_item(&mut self, item: bulk::BulkItem, scripted: Option<ItemFailure>) -> (u16, Value) {
        let backing = self.backing_index(&item.index);
        let failure = scripted.or_else(|| self.refuse(&item));
        let id = item.id.unwrap_or_else(|| {
            self.next_id += 1;
            format!("auto-{:015}", self.next_id)
        });
        let mut answer = Map::new();
        answer.insert("_index".to_owned(), json!(backing));
        answer.insert("_id".to_owned(), json!(id));
        let index = self.indices.entry(item.index);
        let failure = failure.or_else(|| {
            let index = index.or_default();
            let place = index.ids.get(&id).copied();
            let known = place.map(|place| &mut index.documents[place]);
            let (version, status) = match known {
                Some(known) if item.action == "create" => {
                    known.repeats += 1;
                    let reason = format!(
                        "[{id}]: version conflict, document already exists (current version [{}])",
                        known.version
                    );
                    return Some(ItemFailure::new(409, "version_conflict_engine_exception", &reason));
                }
                Some(known) => {
                    known.version += 1;
                    known.source = item.source;
                    (known.version, 200)
                }
                None => {
                    index.ids.insert(id.clone(), index.documents.len());
                    let generation = index.generation;
                    if let Some(observer) = &mut self.observer {
                        observer(&item.source);
                    }
                    index.documents.push(Document { id, source: item.source, generation, version: 1, repeats: 0 });
                    (1, 201)
                }
            };
            answer.insert("_version".to_owned(), json!(version));
            answer.insert("result".to_owned(), json!(if status == 201 { "created" } else { "updated" }));
            answer.insert("_shards".to_owned(), json!({ "total": 1, "successful": 1, "failed": 0 }));
            answer.insert("status".to_owned(), json!(status));
            None
        });
        if let Some(failure) = failure {
            answer.insert("status".to_owned(), json!(failure.status));
            answer.insert("error".to_owned(), json!({ "type": failure.kind, "reason": failure.reason }));
            return (failure.status, Value::Object(answer));
        }
        let status = if answer["_version"] == json!(1) { 201 } else { 200 };
        (status, Value::Object(answer))
    }

    fn refuse(&mut self, item: &bulk::BulkItem) -> Option<ItemFailure> {
        let name = &item.index;
        if name.chars().any(char::is_uppercase) {
            let reason = format!("Invalid index name [{name}], must be lowercase");
            return Some(ItemFailure::new(400, "invalid_index_name_exception", &reason));
        }
        if let Some(bad) = name.chars().find(|char| " \"*\\<|,>/?#".contains(*char)) {
            let reason = format!("Invalid index name [{name}], must not contain the character '{bad}'");
            return Some(ItemFailure::new(400, "invalid_index_name_exception", &reason));
        }
        if self.is_data_stream(name) && item.action != "create" {
            let reason = "only write ops with an op_type of create are allowed in data streams";
            return Some(ItemFailure::new(400, "illegal_argument_exception", reason));
        }
        let document = match &item.document {
            Ok(document) => document,
            Err(problem) => return Some(problem.clone()),
        };
        if self.is_data_stream(name) && !document["@timestamp"].is_string() && !document["@timestamp"].is_number() {
            let reason =
                "failed to parse: documents must contain a single-valued timestamp field '@timestamp' of date type";
            return Some(ItemFailure::new(400, "mapper_parsing_exception", reason));
        }
        let seen = Item { action: item.action, index: name, id: item.id.as_deref(), document };
        self.rule.as_mut().and_then(|rule| rule(&seen))
    }
}

impl Store for ElasticsearchStore {
    type Special = Special;
    type Decoded = Result<Bulk, Malformed>;

    fn is_push(head: &Request) -> bool {
        matches!(head.method.as_str(), "POST" | "PUT") && (head.path == "/_bulk" || head.path.ends_with("/_bulk"))
    }

    fn decode(request: &Request) -> Self::Decoded {
        bulk::decode(request)
    }

    fn answer(&mut self, request: &Request, decoded: Self::Decoded, special: Option<&Special>) -> Option<Answer> {
        if self.authorization.is_some() && self.authorization.as_deref() != request.header("authorization") {
            let answer = whole(401, "security_exception", "missing authentication credentials for REST request");
            return Some(answer.header("WWW-Authenticate", "Basic realm=\"security\" charset=\"UTF-8\""));
        }
        if !Self::is_push(request) {
            return Some(elsewhere(request));
        }
        let content_type = request.header("content-type").unwrap_or_default();
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        if !matches!(kind, "application/x-ndjson" | "application/json") {
            let error = format!("Content-Type header [{content_type}] is not supported");
            return Some(Answer::json(406, &json!({ "error": error, "status": 406 })));
        }
        match decoded {
            Err(Malformed::BrokenGzip) => None,
            Err(Malformed::Whole { inflated, .. }) | Ok(Bulk { inflated, .. }) if inflated > self.max_body => {
                Some(Answer { close: true, ..Answer::new(413, "") })
            }
            Err(Malformed::Whole { kind, reason, .. }) => Some(whole(400, kind, &reason)),
            Ok(bulk) => Some(self.take(bulk, request.parameter("filter_path").as_deref(), special)),
        }
    }
}

/// A refusal of the whole request.
fn whole(status: u16, kind: &str, reason: &str) -> Answer {
    let cause = json!({ "type": kind, "reason": reason });
    let error = json!({ "root_cause": [cause], "type": kind, "reason": reason });
    Answer::json(status, &json!({ "error": error, "status": status }))
}

fn elsewhere(request: &Request) -> Answer {
    let Request { method, path, .. } = request;
    if path == "/" {
        let version = json!({ "distribution": "opensearch", "number": "2.19.5" });
        return Answer::json(200, &json!({ "name": "double", "cluster_name": "double", "version": version }));
    }
    if path.ends_with("/_bulk") {
        let error = format!("Incorrect HTTP method for uri [{path}] and method [{method}], allowed: [PUT, POST]");
        return Answer::json(405, &json!({ "error": error, "status": 405 }));
    }
    let error = format!("no handler found for uri [{path}] and method [{method}]");
    Answer::json(400, &json!({ "error": error }))
}
