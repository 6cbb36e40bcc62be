//! Items into one bulk request, and other forms of an item.
//!
//! **Invariant**: a folded item holds the application's fields as text, under `fields_text`, where no mapping can
//! refuse them; it is folded once.

use std::sync::Arc;

use bytes::Bytes;
use memchr::{memchr, memmem};

use crate::model::body::Body;
use crate::model::sink::{Answer, Request, Verdict, Wire};
use crate::sinks::{json, pack};

use super::encoder::BEFORE_FIELDS;
use super::settings::Settings;
use super::verdict::verdict;

/// The wire half of the sink.
pub(super) struct BulkWire {
    settings: Arc<Settings>,
}

impl BulkWire {
    pub(super) fn new(settings: Arc<Settings>) -> Self {
        Self { settings }
    }
}

impl Wire for BulkWire {
    fn request(&self, body: &Arc<Body>, items: &[u32]) -> Request {
        let mut headers = vec![("Content-Type", "application/x-ndjson".to_owned())];
        let bytes = if self.settings.gzip {
            let total = pack::runs(body, items).map(<[u8]>::len).sum();
            headers.push(("Content-Encoding", "gzip".to_owned()));
            Bytes::from(pack::gzip(pack::runs(body, items), total))
        } else {
            pack::plain(body, items)
        };
        Request { path: self.settings.path.clone(), headers, body: bytes }
    }

    fn verdict(&self, answer: &Answer<'_>, items: usize) -> Verdict {
        verdict(answer, items)
    }

    fn fold(&self, item: &[u8]) -> Option<Vec<u8>> {
        fold(item)
    }

    fn dead_letter(&self, item: &[u8], index: &str, words: &str) -> Option<Vec<u8>> {
        Some(dead_letter(item, index, words))
    }

    fn letter(&self, body: &Body, index: usize) -> Vec<u8> {
        document(body.item(index)).to_vec()
    }

    fn bound(&self, body: usize) -> usize {
        if self.settings.gzip { pack::gzip_bound(body) } else { body }
    }
}

/// An item's document, without its line break.
fn document(item: &[u8]) -> &[u8] {
    let start = memchr(b'\n', item).map_or(item.len(), |at| at + 1);
    let document = item.get(start..).unwrap_or_default();
    document.strip_suffix(b"\n").unwrap_or(document)
}

fn fold(item: &[u8]) -> Option<Vec<u8>> {
    let at = memmem::find(item, b",\"fields\":{")?;
    let fields = item.get(at + BEFORE_FIELDS.len()..)?.strip_suffix(b"}\n")?;
    // What was encoded is UTF-8.
    let fields = std::str::from_utf8(fields).ok()?;
    let mut folded = Vec::with_capacity(item.len() + item.len() / 4);
    folded.extend_from_slice(&item[..at]);
    folded.extend_from_slice(b",\"fields_text\":");
    json::string(fields, &mut folded);
    folded.extend_from_slice(b"}\n");
    Some(folded)
}

/// The item for the dead-letter index: the refused document as text under `event.original`, with the reason. It keeps
/// the refused item's id and time, so that a repeat is known there too.
fn dead_letter(item: &[u8], index: &str, words: &str) -> Vec<u8> {
    let mut out = b"{\"create\":{\"_index\":".to_vec();
    json::string(index, &mut out);
    let action = item.split(|&byte| byte == b'\n').next().unwrap_or_default();
    if let Some(id) = value_of(action, b",\"_id\":\"") {
        out.extend_from_slice(b",\"_id\":\"");
        out.extend_from_slice(id);
        out.push(b'"');
    }
    out.extend_from_slice(b"}}\n{");
    let document = document(item);
    if let Some(time) = value_of(document, b"\"@timestamp\":\"") {
        out.extend_from_slice(b"\"@timestamp\":\"");
        out.extend_from_slice(time);
        out.extend_from_slice(b"\",");
    }
    out.extend_from_slice(b"\"event\":{\"original\":");
    json::string(&String::from_utf8_lossy(document), &mut out);
    let (kind, reason) = words.split_once(": ").unwrap_or(("", words));
    out.extend_from_slice(b"},\"error\":{\"type\":");
    json::string(kind, &mut out);
    out.extend_from_slice(b",\"reason\":");
    json::string(reason, &mut out);
    out.extend_from_slice(b"}}\n");
    out
}

/// What stands between `key` and the next quote. Only for values that have no escapes: ids and times.
fn value_of<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let rest = text.get(memmem::find(text, key)? + key.len()..)?;
    rest.get(..memchr(b'"', rest)?)
}
