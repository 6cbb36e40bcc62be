//! Events as the sinks hold them, put into the account: an independent reading of what the encoders wrote.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::support::account::Account;
use crate::support::doubles::elasticsearch::ElasticsearchStore;
use crate::support::doubles::loki::LokiStore;

/// An event's keys, their values as they were written.
pub type Raw<'a> = BTreeMap<String, &'a RawValue>;

/// Sees one event as stdout and Elasticsearch have them: a line of JSON stands, byte by byte, under `fields`; one of
/// logfmt is put together from its fields; all others are the message.
pub fn see_event(account: &mut Account, event: &str) {
    let raw = raw(event);
    let text = |key: &str| raw.get(key).map(|value| unquote(value.get()));
    let message = text("message").unwrap_or_else(|| panic!("an event without a message: {event}"));
    let fields = match (raw.get("fields"), text("fields_text")) {
        (Some(fields), _) => fields.get().to_owned(),
        (None, Some(folded)) => folded,
        (None, None) => return account.see(&message),
    };
    let value: Value = serde_json::from_str(&fields).unwrap_or_else(|error| panic!("{error}: {event}"));
    match logfmt(&value) {
        Some(line) => account.see(&line),
        None => account.see(&fields),
    }
}

/// Sees everything that an Elasticsearch double stored.
pub fn see_documents(account: &mut Account, store: &ElasticsearchStore) {
    let documents = store.indices.values().flat_map(|index| &index.documents);
    documents.for_each(|document| see_event(account, &document.source));
}

/// Sees everything that a Loki double stored.
pub fn see_entries(account: &mut Account, store: &LokiStore) {
    store.entries().for_each(|(_, _, _, entry)| account.see(&entry.line));
    assert!(store.surprises.is_empty(), "{:?}", store.surprises);
}

/// Sees every line of a file of events. A last line that was cut off by `kill -9` is passed over.
pub fn see_file(account: &mut Account, path: &Path) {
    let mut lines = BufReader::with_capacity(1 << 20, File::open(path).expect("the output is there"));
    let mut line = String::new();
    while lines.read_line(&mut line).expect("the output is UTF-8") > 0 {
        if let Some(whole) = line.strip_suffix('\n') {
            see_event(account, whole);
        }
        line.clear();
    }
}

/// The keys of an object, and what stands there.
pub fn raw(event: &str) -> Raw<'_> {
    serde_json::from_str(event).unwrap_or_else(|error| panic!("not an event, {error}: {event}"))
}

/// The text of a JSON string.
pub fn unquote(raw: &str) -> String {
    serde_json::from_str(raw).unwrap_or_else(|error| panic!("not a text, {error}: {raw}"))
}

/// The generator's logfmt line with these fields; `None` where they are of another kind of line.
fn logfmt(fields: &Value) -> Option<String> {
    let text = |key: &str| fields[key].as_str();
    Some(format!(
        "level={} caller={} component={} msg=\"{}\" duration={} trace={} path=\"{}\" err=\"{}\" bytes={} cached={} \
         agent=\"{}\"",
        text("level")?,
        text("caller")?,
        text("component")?,
        text("msg")?,
        text("duration")?,
        text("trace")?,
        text("path")?,
        text("err")?,
        text("bytes")?,
        text("cached")?,
        text("agent")?
    ))
}
