//! YAML text → the tree of typed-in settings, every key and value with its line and column.
//!
//! **Invariant**: a scalar keeps the text that was typed (`1.10` stays `1.10`, `no` stays `no`); what it means is
//! decided by whoever reads the key. Only an empty, `null` or `~` plain scalar is nothing. Variables are put in
//! here, behind the parser, so that a value can never bring structure along.
//!
//! Refused, each with a message: duplicate keys, anchors and aliases, tags, keys that are not text, a second
//! document. Settings are one map of plain values; a reader should find each where it is typed.

use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::syntax;
use crate::model::settings::{Node, Place, Problems, Value};

/// Deeper than any setting; it keeps the recursion below bounded.
const MAX_DEPTH: usize = 32;

/// A scalar with a `$`, as found in the text.
pub struct Scalar<'a> {
    /// Its text, escapes undone.
    pub text: &'a str,
    /// The piece of the file that it was typed as, quotes included.
    pub raw: &'a str,
    /// Where it begins.
    pub place: &'a Place,
}

/// Puts variables into a scalar; `None` where that failed and the problem is noted.
pub type PutIn<'a> = &'a mut dyn FnMut(Scalar<'_>, &mut Problems) -> Option<String>;

/// What a text holds.
#[derive(Debug)]
pub struct Tree {
    /// The whole.
    pub root: Node,
    /// Where values stand that could not be read and are nothing in the tree; a problem says why.
    pub spoiled: Vec<Place>,
}

/// Reads `text`, which came from `file`. `None` where the text is no YAML: what follows a syntax error cannot be
/// trusted, so nothing of it is read. An empty text is an empty map.
pub fn parse(text: &str, file: &Arc<str>, put_in: PutIn<'_>, problems: &mut Problems) -> Option<Tree> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader { parser: Parser::new_from_str(text), text, file, put_in, problems, spoiled: Vec::new() };
    let root = reader.document().ok()?;
    Some(Tree { root, spoiled: reader.spoiled })
}

/// The reading cannot go on; the problem is noted.
struct Stop;

struct Reader<'a> {
    /// Gives the events of the text, in order.
    parser: Parser<'a, StrInput<'a>>,
    /// The whole text, without a byte order mark.
    text: &'a str,
    /// Its name in places.
    file: &'a Arc<str>,
    /// Puts variables into scalars.
    put_in: PutIn<'a>,
    /// What is wrong.
    problems: &'a mut Problems,
    /// Where values stand that could not be read.
    spoiled: Vec<Place>,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Node, Stop> {
        let nothing = Node { place: self.place(Marker::new(0, 1, 0)), value: Value::Map(Vec::new()) };
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root.unwrap_or(nothing)),
                Event::DocumentStart(_) if root.is_some() => {
                    let place = self.place(span.start);
                    self.problems.add_with_hint(
                        &place,
                        "a second document begins here",
                        "put all settings into one document: remove the `---`",
                    );
                    return Err(Stop);
                }
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
                event => root = Some(self.node(event, span, None, 0)?),
            }
        }
    }

    /// Reads the node that `event` begins. `key` is the place of its key: a value that was not typed stands there.
    fn node(&mut self, event: Event<'a>, span: Span, key: Option<&Place>, depth: usize) -> Result<Node, Stop> {
        let mut place = self.place(span.start);
        if depth > MAX_DEPTH {
            let hint = "no key of the settings lies that deep: close brackets, or write keys further out";
            self.problems.add_with_hint(&place, format!("settings are nested deeper than {MAX_DEPTH} levels"), hint);
            return Err(Stop);
        }
        let value = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_extras(&place, anchor, tag.is_some());
                match (&*text, style) {
                    ("", ScalarStyle::Plain) => {
                        place = key.cloned().unwrap_or(place);
                        Value::Null
                    }
                    ("~" | "null" | "Null" | "NULL", ScalarStyle::Plain) => Value::Null,
                    (text, style) => self.scalar(text, style, span, &place),
                }
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_extras(&place, anchor, tag.is_some());
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break Value::List(items),
                        (event, span) => items.push(self.node(event, span, None, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_extras(&place, anchor, tag.is_some());
                self.map(span, &place, depth)?
            }
            Event::Alias(_) => {
                self.refuse_extras(&place, 1, false);
                self.spoil(&place)
            }
            // The parser never puts these inside a node; were it to, nothing was typed here.
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => Value::Null,
        };
        Ok(Node { place, value })
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, span: Span, place: &Place) -> Value {
        if !text.contains("${") {
            return Value::Scalar(text.to_owned());
        }
        let scalar = Scalar { text, raw: self.raw(span.start, span.end), place };
        match (self.put_in)(scalar, self.problems) {
            // `url: ${URL:-}` with nothing in it is as good as not typed; `"${URL:-}"` is a text that is empty.
            Some(text) if text.is_empty() && style == ScalarStyle::Plain => Value::Null,
            Some(text) => Value::Scalar(text),
            None => self.spoil(place),
        }
    }

    fn spoil(&mut self, place: &Place) -> Value {
        self.spoiled.push(place.clone());
        Value::Null
    }

    fn map(&mut self, start: Span, place: &Place, depth: usize) -> Result<Value, Stop> {
        let mut entries: Vec<(String, Place, Node)> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                let raw = self.raw(start.start, span.end);
                return Ok(self.braces_meant_as_text(raw, &entries, place).unwrap_or(Value::Map(entries)));
            }
            let key_place = self.place(span.start);
            let key = match event {
                Event::Scalar(text, _, anchor, tag) => {
                    self.refuse_extras(&key_place, anchor, tag.is_some());
                    Some(text.into_owned())
                }
                event => {
                    self.node(event, span, None, depth + 1)?;
                    self.problems.add_with_hint(
                        &key_place,
                        "a key must be text",
                        "put a text that begins with `{`, `[` or `*` in quotes",
                    );
                    None
                }
            };
            let (event, span) = self.next()?;
            let value = self.node(event, span, Some(&key_place), depth + 1)?;
            let Some(key) = key else { continue };
            if let Some((_, first, _)) = entries.iter().find(|(known, ..)| *known == key) {
                let hint = format!("it stands in line {} already: remove one of them", first.line);
                self.problems.add_with_hint(&key_place, format!("duplicate key `{key}`"), hint);
            } else {
                entries.push((key, key_place, value));
            }
        }
    }

    /// `namespace: {namespace}` is a map to YAML, a template to the one who typed it.
    fn braces_meant_as_text(&mut self, raw: &str, entries: &[(String, Place, Node)], place: &Place) -> Option<Value> {
        let [(name, _, Node { value: Value::Null, .. })] = entries else { return None };
        let inside = raw.strip_prefix('{')?.trim_end().strip_suffix('}')?;
        if inside.trim() != name {
            return None;
        }
        if let Some((key, value)) = name.split_once(':') {
            let hint = format!("write `{key}: {value}`");
            self.problems.add_with_hint(place, format!("`{name}` needs a space behind the colon"), hint);
            return Some(self.spoil(place));
        }
        self.problems.add_with_hint(
            place,
            format!("`{raw}` without quotes is a map, not a text"),
            format!("put it in quotes: `\"{raw}\"`"),
        );
        Some(self.spoil(place))
    }

    fn refuse_extras(&mut self, place: &Place, anchor: usize, tag: bool) {
        if anchor != 0 {
            self.problems.add_with_hint(
                place,
                "anchors (`&name`) and aliases (`*name`) are not supported",
                "write the value where it is needed, or use a variable: `${NAME}`",
            );
        }
        if tag {
            self.problems.add_with_hint(
                place,
                "tags (`!name`) are not supported",
                "put a text that begins with `!` in quotes",
            );
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Stop> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                self.note(&error);
                Err(Stop)
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn note(&mut self, error: &ScanError) {
        let mark = error.marker();
        let fault = syntax::explain(self.text, mark.line(), mark.col());
        let place = Place { file: Arc::clone(self.file), line: number(fault.line), column: number(fault.column + 1) };
        self.problems.add_with_hint(
            &place,
            fault.text.unwrap_or_else(|| format!("not YAML: {}", error.info())),
            fault.hint,
        );
    }

    fn place(&self, mark: Marker) -> Place {
        Place { file: Arc::clone(self.file), line: number(mark.line()), column: number(mark.col() + 1) }
    }

    /// The text between two marks, whose indices count characters.
    fn raw(&self, start: Marker, end: Marker) -> &'a str {
        let byte = |index| self.text.char_indices().nth(index).map_or(self.text.len(), |(at, _)| at);
        self.text.get(byte(start.index())..byte(end.index())).unwrap_or("")
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    fn read(text: &str) -> (Option<Node>, Problems) {
        let mut problems = Problems::default();
        let mut put_in = |scalar: Scalar<'_>, _: &mut Problems| Some(scalar.text.replace("${EMPTY}", ""));
        let tree = parse(text, &Arc::from("f"), &mut put_in, &mut problems);
        (tree.map(|tree| tree.root), problems)
    }

    fn draw(node: &Node, out: &mut String) {
        let Place { line, column, .. } = node.place;
        // Writing to a string cannot fail.
        match &node.value {
            Value::Null => write!(out, "null@{line}:{column}"),
            Value::Scalar(text) => write!(out, "{text:?}@{line}:{column}"),
            Value::List(items) => {
                out.push('[');
                items.iter().for_each(|item| {
                    draw(item, out);
                    out.push(' ');
                });
                write!(out, "]@{line}:{column}")
            }
            Value::Map(entries) => {
                out.push('{');
                for (key, place, value) in entries {
                    out.push_str(&format!("{key}@{}:{}=", place.line, place.column));
                    draw(value, out);
                    out.push(' ');
                }
                write!(out, "}}@{line}:{column}")
            }
        }
        .expect("a string takes all");
    }

    fn check(text: &str, expected: &str) {
        let (node, problems) = read(text);
        assert!(problems.0.is_empty(), "{text:?}: {problems:?}");
        let mut drawn = String::new();
        draw(&node.expect("a tree"), &mut drawn);
        assert_eq!(drawn, expected, "{text:?}");
    }

    fn check_wrong(text: &str, expected: &[&str]) {
        let (_, problems) = read(text);
        let said: Vec<_> = problems.0.iter().map(|p| format!("{} {}", p.place, p.text)).collect();
        assert_eq!(said, expected, "{text:?}");
    }

    #[test]
    fn trees_with_places() {
        check("", "{}@1:1");
        check("# nothing\n", "{}@1:1");
        check("a: 1", r#"{a@1:1="1"@1:4 }@1:1"#);
        check("\u{feff}a: 1\r\nb: é\r\n", r#"{a@1:1="1"@1:4 b@2:1="é"@2:4 }@1:1"#);
        check(
            "a:\nb: ~\nc: null\nd: \"\"\ne: 'null'",
            r#"{a@1:1=null@1:1 b@2:1=null@2:4 c@3:1=null@3:4 d@4:1=""@4:4 e@5:1="null"@5:4 }@1:1"#,
        );
        check(
            "a: 1.10\nb: no\nc: 0x10\nd: 1_000",
            r#"{a@1:1="1.10"@1:4 b@2:1="no"@2:4 c@3:1="0x10"@3:4 d@4:1="1_000"@4:4 }@1:1"#,
        );
        check(
            "a:\n  - é: x\n    b: [1, {c: 2}]\n",
            r#"{a@1:1=[{é@2:5="x"@2:8 b@3:5=["1"@3:9 {c@3:13="2"@3:16 }@3:12 ]@3:8 }@2:5 ]@2:3 }@1:1"#,
        );
        check("a: |\n  x\n  y\nb: >-\n  x\n  y", r#"{a@1:1="x\ny\n"@2:3 b@4:1="x y"@5:3 }@1:1"#);
        check("---\na: 1\n...\n", r#"{a@2:1="1"@2:4 }@2:1"#);
        check("a: ${EMPTY}\nb: \"${EMPTY}\"", r#"{a@1:1=null@1:4 b@2:1=""@2:4 }@1:1"#);
    }

    #[test]
    fn what_is_refused() {
        check_wrong("a: 1\nb: 2\na: 3\na: 4", &["f:3:1 duplicate key `a`", "f:4:1 duplicate key `a`"]);
        check_wrong("a: 1\n---\nb: 2", &["f:2:1 a second document begins here"]);
        check_wrong(
            "a: &x 1\nb: *x",
            &[
                "f:1:4 anchors (`&name`) and aliases (`*name`) are not supported",
                "f:2:4 anchors (`&name`) and aliases (`*name`) are not supported",
            ],
        );
        check_wrong("a: !x 1", &["f:1:4 tags (`!name`) are not supported"]);
        check_wrong("{a: 1}: 2\nb: 3\nb: 4", &["f:1:1 a key must be text", "f:3:1 duplicate key `b`"]);
        check_wrong(
            "a: {pod}\nb: { c: {x:1} }",
            &["f:1:4 `{pod}` without quotes is a map, not a text", "f:2:9 `x:1` needs a space behind the colon"],
        );
        check_wrong("a: 1\na: 2\nb: [", &["f:2:1 duplicate key `a`", "f:3:4 `[` is not closed"]);
        let deep = "[".repeat(40) + &"]".repeat(40);
        check_wrong(&deep, &["f:1:34 settings are nested deeper than 32 levels"]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "[a:{}\\[\\]\"'\\\\ \t\n#*$é-]{0,40}") {
            let (node, problems) = read(&text);
            proptest::prop_assert!(node.is_some() || !problems.0.is_empty());
        }
    }
}
