//! What a node refuses in any document, whatever the mapping: broken JSON, a key twice in one object, and a field that
//! is at once a value and an object (`{"a":1,"a.b":2}`).

use super::ItemFailure;
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};

pub(super) fn check(source: &[u8]) -> Result<Value, ItemFailure> {
    let parsing = |reason: String| ItemFailure::new(400, "mapper_parsing_exception", &reason);
    let document: Value =
        serde_json::from_slice(source).map_err(|error| parsing(format!("failed to parse: {error}")))?;
    if !document.is_object() {
        return Err(parsing("failed to parse: not an object".to_owned()));
    }
    if let Some(key) = duplicate_key(source) {
        return Err(parsing(format!("failed to parse: Duplicate field '{key}'")));
    }
    let mut shapes = BTreeMap::new();
    if let Some(field) = conflict(&document, "", &mut shapes) {
        let reason = format!("can't merge a non object mapping [{field}] with an object mapping");
        return Err(ItemFailure::new(400, "illegal_argument_exception", &reason));
    }
    Ok(document)
}

/// The first key that stands twice in one object of `source`, which must be valid JSON.
fn duplicate_key(source: &[u8]) -> Option<String> {
    let mut objects: Vec<Option<HashSet<&[u8]>>> = Vec::new();
    let mut last_string: &[u8] = b"";
    let mut at = 0;
    while at < source.len() {
        match source[at] {
            b'{' => objects.push(Some(HashSet::new())),
            b'[' => objects.push(None),
            b'}' | b']' => {
                objects.pop();
            }
            b'"' => {
                let start = at + 1;
                at = start;
                while source[at] != b'"' {
                    at += if source[at] == b'\\' { 2 } else { 1 };
                }
                last_string = &source[start..at];
            }
            b':' => {
                if let Some(Some(keys)) = objects.last_mut() {
                    if !keys.insert(last_string) {
                        return Some(String::from_utf8_lossy(last_string).into_owned());
                    }
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// The first field that is both a value and an object; `shapes` says of each path whether it is an object.
fn conflict(value: &Value, path: &str, shapes: &mut BTreeMap<String, bool>) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Array(values) => values.iter().find_map(|value| conflict(value, path, shapes)),
        Value::Object(fields) => fields.iter().find_map(|(key, value)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            // Each dot is a step down into an object.
            let parents = path.match_indices('.').map(|(at, _)| &path[..at]);
            let clash = parents.into_iter().find(|&parent| !is(shapes, parent, true)).map(str::to_owned);
            let own = match value {
                Value::Null | Value::Array(_) => true,
                value => is(shapes, &path, value.is_object()),
            };
            clash.or_else(|| (!own).then(|| path.clone())).or_else(|| conflict(value, &path, shapes))
        }),
        _ => (!path.is_empty() && !is(shapes, path, false)).then(|| path.to_owned()),
    }
}

/// Whether `path` has this shape, which it has from now on where it was unknown.
fn is(shapes: &mut BTreeMap<String, bool>, path: &str, object: bool) -> bool {
    match shapes.get(path) {
        Some(known) => *known == object,
        None => {
            shapes.insert(path.to_owned(), object);
            true
        }
    }
}
