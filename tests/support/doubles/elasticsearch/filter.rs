//! `filter_path`: what is left of an answer. Paths by comma, steps by dot, `*` for any one step, `**` for any number.
//! Without it an answer comes whole; steps with a part of a name (`err*`) and exclusions (`-took`) are not spoken here.

use serde_json::{Map, Value};

pub(super) fn only(value: &Value, paths: &str) -> Value {
    let paths: Vec<Vec<&str>> = paths.split(',').map(|path| path.split('.').collect()).collect();
    let paths: Vec<&[&str]> = paths.iter().map(Vec::as_slice).collect();
    keep(value, &paths).unwrap_or_else(|| Value::Object(Map::new()))
}

fn keep(value: &Value, paths: &[&[&str]]) -> Option<Value> {
    if paths.iter().any(|path| path.is_empty() || *path == ["**"]) {
        return Some(value.clone());
    }
    match value {
        Value::Object(fields) => {
            let kept: Map<_, _> = fields
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), keep(value, &below(paths, key))?)))
                .collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        // An array is no step of its own.
        Value::Array(values) => {
            let kept: Vec<_> = values.iter().filter_map(|value| keep(value, paths)).collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        _ => None,
    }
}

fn below<'a>(paths: &[&'a [&'a str]], key: &str) -> Vec<&'a [&'a str]> {
    let mut left = Vec::new();
    for path in paths {
        match path {
            ["**", rest @ ..] => {
                left.push(*path);
                left.extend(below(&[rest], key));
            }
            [step, rest @ ..] if *step == "*" || *step == key => left.push(rest),
            _ => {}
        }
    }
    left
}
