//! A bulk's body: action line, document, action line, document; each line ends with LF.
//!
//! Invariant: what fails the whole request on a real node fails it here, before anything is stored.

use super::ItemFailure;
use super::document;
use crate::support::doubles::wire::Request;
use flate2::read::GzDecoder;
use serde_json::Value;
use std::io::Read;

pub struct Bulk {
    pub(super) items: Vec<BulkItem>,
    /// Bytes of the body, inflated.
    pub(super) inflated: usize,
}

pub(super) struct BulkItem {
    pub(super) action: &'static str,
    pub(super) index: String,
    pub(super) id: Option<String>,
    pub(super) source: String,
    /// The document, or why a node would not take it.
    pub(super) document: Result<Value, ItemFailure>,
}

pub enum Malformed {
    /// A node closes the connection without an answer.
    BrokenGzip,
    /// 400 for the whole request.
    Whole { kind: &'static str, reason: String, inflated: usize },
}

pub(super) fn decode(request: &Request) -> Result<Bulk, Malformed> {
    if request.header("content-encoding") == Some("gzip") {
        let mut body = Vec::new();
        GzDecoder::new(request.body.as_slice()).read_to_end(&mut body).map_err(|_| Malformed::BrokenGzip)?;
        return decode_plain(request, &body);
    }
    decode_plain(request, &request.body)
}

fn decode_plain(request: &Request, body: &[u8]) -> Result<Bulk, Malformed> {
    let inflated = body.len();
    let malformed = |kind, reason: &str| Malformed::Whole { kind, reason: reason.to_owned(), inflated };
    if body.is_empty() {
        return Err(malformed("parse_exception", "request body is required"));
    }
    let Some(body) = body.strip_suffix(b"\n") else {
        return Err(malformed("illegal_argument_exception", "The bulk request must be terminated by a newline [\\n]"));
    };
    let default_index = request.path.strip_suffix("/_bulk").and_then(|path| path.strip_prefix('/'));
    let mut items = Vec::new();
    let mut lines = body.split(|&byte| byte == b'\n').enumerate();
    while let Some((number, line)) = lines.next() {
        let (action, index, id) =
            action(line, number + 1).map_err(|why| malformed("illegal_argument_exception", &why))?;
        let Some(index) = index.or_else(|| default_index.map(str::to_owned)) else {
            return Err(malformed("action_request_validation_exception", "Validation Failed: 1: index is missing;"));
        };
        if let Some(id) = id.as_ref().filter(|id| id.len() > 512) {
            let length = id.len();
            let reason = format!(
                "Validation Failed: 1: id [{id}] is too long, must be no longer than 512 bytes but was: {length};"
            );
            return Err(malformed("action_request_validation_exception", &reason));
        }
        let Some((_, source)) = lines.next() else {
            return Err(malformed("action_request_validation_exception", "Validation Failed: 1: no requests added;"));
        };
        let document = document::check(source);
        items.push(BulkItem { action, index, id, source: String::from_utf8_lossy(source).into_owned(), document });
    }
    Ok(Bulk { items, inflated })
}

type Action = (&'static str, Option<String>, Option<String>);

fn action(line: &[u8], number: usize) -> Result<Action, String> {
    let malformed = |what: &str| format!("Malformed action/metadata line [{number}], {what}");
    let line: Value = serde_json::from_slice(line).map_err(|error| malformed(&error.to_string()))?;
    let object = line.as_object().ok_or_else(|| malformed("expected START_OBJECT but found [VALUE_STRING]"))?;
    let (name, parameters) =
        object.iter().next().ok_or_else(|| malformed("expected FIELD_NAME but found [END_OBJECT]"))?;
    let action = match name.as_str() {
        "create" => "create",
        "index" => "index",
        other => {
            let what = format!("expected one of [create, delete, index, update] but found [{other}]");
            return Err(malformed(&what));
        }
    };
    let known =
        ["_index", "_id", "pipeline", "routing", "require_alias", "dynamic_templates", "list_executed_pipelines"];
    let parameters = parameters.as_object().ok_or_else(|| malformed("expected START_OBJECT"))?;
    if let Some(unknown) = parameters.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(format!("Action/metadata line [{number}] contains an unknown parameter [{unknown}]"));
    }
    let text = |key: &str| parameters.get(key).and_then(Value::as_str).map(str::to_owned);
    Ok((action, text("_index"), text("_id")))
}
