//! Parsers for texts that stand inside of events: what the transform `parse` asks for.
//!
//! **Invariant**: a text is parsed as a line of a source would be that has the same under `parse`, and its fields have their types;
//! only the time is none of its business.

use crate::model::event::Fields;
use crate::model::reader::{Found, Reader, Readers};
use crate::model::time::Time;

use super::pairs::Scratch;
use super::recipe::Recipe;
use super::typed::KEYS;
use super::types::Typed;

/// How they are typed.
pub const READERS: Readers = Readers {
    keys: KEYS,
    of_map: |section| Recipe::of_section(section).map(boxed),
    of_name: |node, problems| Recipe::of_name(node, problems).map(boxed),
};

/// A parser, and memory for what it finds.
#[derive(Debug)]
struct TextReader {
    recipe: Recipe,
    pairs: Scratch,
    typed: Typed,
    typed_pairs: Scratch,
}

fn boxed(recipe: Recipe) -> Box<dyn Reader> {
    let (pairs, typed, typed_pairs) = Default::default();
    Box::new(TextReader { recipe, pairs, typed, typed_pairs })
}

impl Reader for TextReader {
    fn read(&mut self, text: &str, near: Time, take: &mut dyn FnMut(&Found<'_>)) -> bool {
        let Self { recipe, pairs, typed, typed_pairs } = self;
        let mut pairs = pairs.lend();
        let parsed = recipe.parser.parse(text, &mut pairs);
        if parsed.missed {
            return false;
        }
        match &recipe.types {
            Some(types) if parsed.fields != Fields::None => {
                types.apply(&parsed.fields, near, typed);
                let mut pairs = typed_pairs.lend();
                let fields = typed.fields(&parsed.fields, &mut pairs);
                take(&Found { level: parsed.level, fields, misfits: typed.misfits });
            }
            _ => take(&Found { level: parsed.level, fields: parsed.fields, misfits: false }),
        }
        true
    }

    fn another(&self) -> Box<dyn Reader> {
        boxed(self.recipe.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::settings::{Node, Place, Problems, Value};

    /// What the parser of this name finds in a text: level, and the fields as they are shown while testing.
    fn read(name: &str, text: &str) -> Option<String> {
        let place = Place { file: "t".into(), line: 1, column: 1 };
        let node = Node { place, value: Value::Scalar(name.to_owned()) };
        let mut reader = (READERS.of_name)(&node, &mut Problems::default()).expect("a parser");
        let mut said = None;
        let mut once = reader.another();
        let fits = once.read(text, Time::default(), &mut |found| {
            let fields = match found.fields {
                Fields::None => String::new(),
                Fields::Json(object) => object.to_owned(),
                Fields::Pairs(pairs) => {
                    let pair = |(key, value): &(_, _)| {
                        let (mut out, key): (Vec<u8>, crate::model::text::Text<'_>) = (Vec::new(), *key);
                        crate::model::text::Text::write_value(*value, &mut out);
                        format!("{}={}", key.plain(), String::from_utf8_lossy(&out))
                    };
                    pairs.iter().map(pair).collect::<Vec<_>>().join(" ")
                }
            };
            said = Some(format!("{} {fields}", found.level.map_or("-", |level| level.name())));
        });
        assert_eq!(fits, said.is_some());
        assert_eq!(reader.read(text, Time::default(), &mut |_| {}), fits, "another reads the same");
        said
    }

    #[test]
    fn texts_are_read_as_lines_are() {
        for (name, text, expected) in [
            ("json", r#" {"level":"warn","a":1} "#, Some(r#"warn {"level":"warn","a":1}"#)),
            ("json", "text", None),
            ("logfmt", "level=warn a=1", Some(r#"warn level="warn" a="1""#)),
            ("auto", "ERROR: full", Some("error ")),
            ("auto", "text", Some("- ")),
            ("plain", "a=1", Some("- ")),
            (
                "nginx",
                r#"10.0.0.1 - - [t] "GET / HTTP/1.1" 200 612"#,
                Some(
                    r#"- client="10.0.0.1" ident="-" user="-" time="t" method="GET" path="/" protocol="HTTP/1.1" status=200 bytes=612"#,
                ),
            ),
        ] {
            assert_eq!(read(name, text).as_deref(), expected, "{name}: {text}");
        }
    }
}
