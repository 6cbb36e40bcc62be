//! The settings as a JSON Schema, for editors to complete and check from: `tailwater schema`.
//!
//! **Invariant**: it is made of the same tables that the settings are read by, so it knows the keys that the program knows.
//! What the kind of a value means is decided here, by its words in [`Key::kind`]; a test holds that all are known.
//! A value may hold a variable (`${NAME}`) wherever the program puts one in.

use serde_json::{Map, Value, json};

use super::keys::keys_below;
use super::parts::{SINK_KEYS, SOURCE_KEYS, sink_tables, source_tables};
use super::settings::KEYS;
use super::show::is_value;
use crate::frame::group::traces::LANGUAGES;
use crate::model::settings::Key;
use crate::model::units::{DURATION_UNITS, SIZE_UNITS};
use crate::parse::typed;
use crate::parse::values::TYPES;
use crate::transform::count::settings as count;
use crate::transform::redact::presets::PRESETS;
use crate::transform::settings as transforms;
use crate::transform::shape::parse as text_parser;
use crate::{parse, sinks, sources};

/// The schema (draft 7, which editors know best) as indented JSON with a final LF.
pub fn render() -> String {
    let mut schema = object(&[KEYS]);
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("Settings of Tailwater");
    schema["description"] = json!("The file that `tailwater run --config FILE` reads.");
    format!("{schema:#}\n")
}

/// A map with the keys of `tables` and no others.
fn object(tables: &[&'static [Key]]) -> Value {
    let mut properties = Map::new();
    for key in tables.iter().flat_map(|table| table.iter()) {
        let mut property = shape(key);
        property["description"] = json!(key.help);
        if is_value(key.default) {
            property["default"] = typed(key.default);
        }
        properties.insert(key.name.to_owned(), property);
    }
    json!({ "type": ["object", "null"], "additionalProperties": false, "properties": properties })
}

/// A default as YAML would read it.
fn typed(default: &str) -> Value {
    let is_list = default.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match is_list {
        Some(items) => items.split(", ").map(|item| json!(item)).collect(),
        // Numbers and truth values read as they are written in JSON, the rest is text.
        None => serde_json::from_str(default).unwrap_or_else(|_| json!(default)),
    }
}

/// The form of a key's value.
fn shape(key: &Key) -> Value {
    match (keys_below(key.name), key.kind) {
        (Some(known), "map") => object(&[known]),
        (Some(known), "preset, a list of them or a map") => either([multiline(["none"]), object(&[known])]),
        (Some(known), kind) => either([choices(kind), object(&[known])]),
        (None, "map of sources") => {
            parts(SOURCE_KEYS, sources::KINDS.iter().map(|kind| (kind.name, kind.help, source_tables(kind))))
        }
        (None, "map of sinks") => {
            parts(SINK_KEYS, sinks::KINDS.iter().map(|kind| (kind.name, kind.help, sink_tables(kind))))
        }
        (None, "map of transforms") => json!({
            "type": ["object", "null"],
            "propertyNames": { "pattern": "^[A-Za-z0-9_.-]+$" },
            "additionalProperties": object(&[transforms::KEYS]),
        }),
        (None, "map of metrics") => json!({
            "type": "object",
            "propertyNames": { "pattern": "^[A-Za-z_:][A-Za-z0-9_:]*$" },
            "additionalProperties": object(&[count::KEYS]),
        }),
        (None, "parser") => {
            let names: Vec<_> = parse::KINDS.iter().map(|kind| kind.name).collect();
            either([json!({ "enum": names }), json!({ "type": "object" })])
        }
        (None, "parser of a text") => {
            let names: Vec<_> = parse::KINDS.iter().map(|kind| kind.name).collect();
            either([json!({ "enum": names }), object(&[text_parser::KEYS, typed::KEYS])])
        }
        (None, kind) => value(kind).unwrap_or_else(|| json!({})),
    }
}

/// A map of parts by name, each of one of the kinds.
fn parts(common: &[Key], kinds: impl Iterator<Item = (&'static str, &'static str, Vec<&'static [Key]>)>) -> Value {
    let kinds: Vec<_> = kinds
        .map(|(name, help, tables)| {
            let mut kind = object(&tables);
            kind["type"] = json!("object");
            kind["title"] = json!(name);
            kind["description"] = json!(help);
            let of = common.iter().find(|key| key.name == "type").map_or("", |key| key.help);
            kind["properties"]["type"] = json!({ "const": name, "description": of });
            kind["required"] = json!(["type"]);
            kind
        })
        .collect();
    json!({
        "type": "object",
        "propertyNames": { "pattern": "^[A-Za-z0-9_.-]+$" },
        "additionalProperties": { "oneOf": kinds },
    })
}

/// The form that the words of a kind stand for; `None` where they are not known.
fn value(kind: &str) -> Option<Value> {
    if kind == "list of presets" {
        let names = ["all"].into_iter().chain(PRESETS.iter().map(|preset| preset.name)).collect::<Vec<_>>();
        let item = json!({ "enum": names });
        return Some(either([item.clone(), json!({ "type": "array", "items": item })]));
    }
    if kind == "list of numbers" {
        return Some(either([json!({ "type": "number" }), json!({ "type": "array", "items": text() })]));
    }
    if kind == "preset, or a list of them" {
        return Some(multiline([]));
    }
    if let Some(items) = kind.strip_prefix("list of ") {
        let item = match items {
            "globs" | "URLs" | "sources" | "names" | "names, or `header`" | "formats" => text(),
            _ => return None,
        };
        return Some(either([item.clone(), json!({ "type": "array", "items": item })]));
    }
    let units = |units: &[(&str, u64)]| units.iter().map(|(unit, _)| *unit).collect::<Vec<_>>().join("|");
    Some(match kind {
        "regular expression, or a list of them"
        | "grok expression, or a list of them"
        | "template, or a list of names" => either([text(), json!({ "type": "array", "items": text() })]),
        "text" | "template" | "regular expression" | "condition" | "path" | "URL" | "URL or `none`"
        | "address and port" => text(),
        "size" => pattern(&format!("^[0-9]+ ?({})$", units(SIZE_UNITS)), "64MiB"),
        "duration" => pattern(&duration(), "1s"),
        "duration or `never`" => either([pattern(&duration(), "1s"), json!({ "const": "never" })]),
        "number or size" => either([json!({ "type": "integer", "minimum": 1 }), text()]),
        "number" => either([json!({ "type": "integer", "minimum": 0 }), variable()]),
        "number up to 1" => {
            either([json!({ "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1 }), variable()])
        }
        "true | false" | "true or false" => either([json!({ "type": "boolean" }), variable()]),
        "map of texts" | "map of names" | "map of templates" | "map of regular expressions" => {
            json!({ "type": ["object", "null"], "additionalProperties": text() })
        }
        "map of types" => {
            let names = TYPES.map(|(name, _)| name);
            let named = either([json!({ "enum": names }), variable()]);
            json!({ "type": ["object", "null"], "additionalProperties": named })
        }
        "map of lists of names" => {
            let names = either([text(), json!({ "type": "array", "items": text() })]);
            json!({ "type": ["object", "null"], "additionalProperties": names })
        }
        "kind of source" | "kind of sink" => text(),
        kind if kind.contains(" | ") => choices(kind),
        _ => return None,
    })
}

/// `a | b`, or the words in backticks of a longer kind.
fn choices(kind: &str) -> Value {
    let names: Vec<&str> = if kind.contains(" | ") {
        kind.split(" | ").collect()
    } else {
        kind.split('`').skip(1).step_by(2).filter(|name| !name.contains('{')).collect()
    };
    either([json!({ "enum": names }), variable()])
}

/// The name of a preset of `multiline`, or a list of them; the names in `alone` stand in no list.
fn multiline<const N: usize>(alone: [&str; N]) -> Value {
    let names = ["auto"].into_iter().chain(LANGUAGES.iter().map(|language| language.name)).collect::<Vec<_>>();
    let all = alone.into_iter().chain(names.iter().copied()).collect::<Vec<_>>();
    either([json!({ "enum": all }), json!({ "type": "array", "items": { "enum": names }, "minItems": 1 })])
}

/// Any single value: the program takes it as it was typed.
fn text() -> Value {
    json!({ "type": ["string", "number", "boolean", "null"] })
}

fn duration() -> String {
    let units = DURATION_UNITS.iter().map(|(unit, _)| *unit).collect::<Vec<_>>().join("|");
    format!("^([0-9]+ ?({units}))+$")
}

fn pattern(pattern: &str, example: &str) -> Value {
    let typed = json!({ "type": "string", "pattern": pattern, "examples": [example] });
    json!({ "anyOf": [typed, { "enum": [0, "0"] }, variable()] })
}

/// A value with a variable in it, which only the program can put in.
fn variable() -> Value {
    json!({ "type": "string", "pattern": "\\$\\{" })
}

fn either(forms: [Value; 2]) -> Value {
    json!({ "anyOf": forms })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::MAPS;

    #[test]
    fn every_kind_of_value_is_known() {
        let parts = sinks::KINDS.iter().flat_map(sink_tables).chain(sources::KINDS.iter().flat_map(source_tables));
        let maps = MAPS.iter().map(|(_, known)| *known);
        for key in [KEYS, transforms::KEYS, count::KEYS, text_parser::KEYS, typed::KEYS]
            .into_iter()
            .chain(parts)
            .chain(maps)
            .flatten()
        {
            assert_ne!(shape(key), json!({}), "`{}` is a {}, which the schema does not know", key.name, key.kind);
        }
    }

    #[test]
    fn defaults_are_typed() {
        assert_eq!(typed("true"), json!(true));
        assert_eq!(typed("15"), json!(15));
        assert_eq!(typed("64MiB"), json!("64MiB"));
        assert_eq!(typed("[stream, level]"), json!(["stream", "level"]));
    }

    #[test]
    fn words_are_choices() {
        let names = |kind| choices(kind)["anyOf"][0]["enum"].clone();
        assert_eq!(names("json | text"), json!(["json", "text"]));
        assert_eq!(names("`drop`, `{ file: PATH }` or `{ index: NAME }`"), json!(["drop"]));
    }
}
