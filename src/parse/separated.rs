//! Values between separators, as CSV (RFC 4180) and TSV write them, under the names of the settings or of their file's header line.
//!
//! **Invariant**: each line stands for itself: a quoted value ends with its line at the latest. Values beyond the names are left
//! in the body alone; names without a value make no field. Which line is the header is told from outside, before any other of its
//! file is parsed ([`Separated::take_header`]).

use crate::model::event::{Fields, Stream};
use crate::model::text::Text;

use super::columns::{self, Column, Part};
use super::level;
use super::pairs::Pairs;
use super::parsed::Parsed;
use super::plain;

/// Names, what stands between values, and memory for values that are not in the line as they are meant.
#[derive(Clone, Debug)]
pub struct Separated {
    columns: Vec<Column>,
    separator: u8,
    /// Where the names are the file's own: its header line, which is empty where none is known.
    header: Option<Header>,
    /// Values with doubled quotes, without the second of each.
    unquoted: String,
    /// Of the line at hand.
    values: Vec<Value>,
}

/// The header line of the file at hand.
#[derive(Clone, Debug, Default)]
struct Header {
    line: String,
    /// Whether the line at hand is not one of those that the header speaks of.
    is_aside: bool,
}

/// Programs on Windows begin files with it.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Where a value stands.
#[derive(Clone, Copy, Debug)]
enum Value {
    /// In the line.
    Line(usize, usize),
    /// In `unquoted`.
    Own(usize, usize),
}

impl Value {
    fn of<'v>(self, line: &'v str, unquoted: &'v str) -> &'v str {
        let found = match self {
            Self::Line(start, end) => line.get(start..end),
            Self::Own(start, end) => unquoted.get(start..end),
        };
        found.unwrap_or_default()
    }
}

/// Whether a line is its file's header line, which may be nothing.
pub fn is_header(line: &str, header: &str) -> bool {
    !header.is_empty() && without_mark(line) == without_mark(header)
}

fn without_mark(line: &str) -> &str {
    line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line)
}

impl Separated {
    /// `columns` are the names in the order of the values; empty ones are passed over.
    pub fn new(columns: Vec<String>, separator: u8) -> Self {
        let columns = columns.into_iter().map(Column::typed).collect();
        Self { columns, separator, header: None, unquoted: String::new(), values: Vec::new() }
    }

    /// The names are those of each file's header line.
    pub fn with_header(separator: u8) -> Self {
        Self { header: Some(Header::default()), ..Self::new(Vec::new(), separator) }
    }

    /// Whether the names are those of a header line.
    pub fn wants_header(&self) -> bool {
        self.header.is_some()
    }

    /// Whether `line` may be a header: its values are names. Behind a file with the header `before`, one of them is there too.
    pub fn is_header(&mut self, line: &str, before: Option<&str>) -> bool {
        let Some(columns) = self.names_of(line) else { return false };
        let before = before.and_then(|before| self.names_of(before));
        before.is_none_or(|before| columns::are_akin(&columns, &before))
    }

    /// The lines to come are of a file with this header; without one where it is empty.
    pub fn take_header(&mut self, line: &str) {
        let line = without_mark(line);
        if self.header.as_ref().is_none_or(|known| known.line == line) {
            return;
        }
        self.columns = self.names_of(line).unwrap_or_default();
        self.header = Some(Header { line: line.to_owned(), ..Header::default() });
    }

    /// The line to come is of `stream`: a header speaks of what a container writes to its standard output.
    #[inline]
    pub fn look_at(&mut self, stream: Option<Stream>) {
        if let Some(header) = &mut self.header {
            header.is_aside = stream == Some(Stream::Stderr);
        }
    }

    fn names_of(&mut self, line: &str) -> Option<Vec<Column>> {
        let line = without_mark(line);
        self.split(line)?;
        let Self { values, unquoted, .. } = self;
        columns::of_header(values.iter().map(|value| value.of(line, unquoted)))
    }

    /// The name as typed in settings.
    pub fn name(&self) -> &'static str {
        if self.separator == b'\t' { "tsv" } else { "csv" }
    }

    /// What `body` says; `None` where it is a single value though more are named, or its quotes do not fit.
    pub fn parse<'p, 't: 'p>(&'t mut self, body: &'t str, pairs: &'p mut Pairs<'_, 't>) -> Option<Parsed<'p>> {
        if let Some(header) = &mut self.header {
            if header.is_aside {
                return Some(plain::parse(body));
            }
            if header.line.is_empty() || is_header(body, &header.line) {
                return None;
            }
        }
        self.split(body)?;
        if self.values.len() < self.columns.len().min(2) {
            return None;
        }
        let (mut found, mut message) = (None, Text::Plain(body));
        for (column, value) in self.columns.iter().zip(&self.values) {
            if column.name.is_empty() {
                continue;
            }
            let value = value.of(body, &self.unquoted);
            match column.part {
                Part::Field => {}
                Part::Level(kind) => found = level::of_word(kind, value),
                Part::Message => message = Text::Plain(value),
            }
            pairs.push(Text::Plain(&column.name), Text::Plain(value));
        }
        Some(Parsed { level: found, message, fields: Fields::Pairs(pairs.as_slice()), missed: false })
    }

    /// Finds the values. `None` where a quote is not closed, or something stands behind one.
    fn split(&mut self, body: &str) -> Option<()> {
        self.unquoted.clear();
        self.values.clear();
        let bytes = body.as_bytes();
        let mut at = 0;
        loop {
            // A tab-separated line has no quotes that mean anything.
            let is_quoted = self.separator != b'\t' && bytes.get(at) == Some(&b'"');
            let (value, end) = if is_quoted { self.quoted(body, at + 1)? } else { self.bare(bytes, at) };
            self.values.push(value);
            match bytes.get(end) {
                None => return Some(()),
                Some(byte) if *byte == self.separator => at = end + 1,
                Some(_) => return None,
            }
        }
    }

    fn bare(&self, bytes: &[u8], at: usize) -> (Value, usize) {
        let rest = bytes.get(at..).unwrap_or_default();
        let end = memchr::memchr(self.separator, rest).map_or(bytes.len(), |found| at + found);
        (Value::Line(at, end), end)
    }

    /// The value whose opening quote stands before `start`, and where what follows its closing one begins.
    fn quoted(&mut self, body: &str, start: usize) -> Option<(Value, usize)> {
        let bytes = body.as_bytes();
        let mut from = start;
        let own = self.unquoted.len();
        loop {
            let quote = from + memchr::memchr(b'"', bytes.get(from..)?)?;
            if bytes.get(quote + 1) != Some(&b'"') {
                let end = quote + 1;
                if self.unquoted.len() == own && from == start {
                    return Some((Value::Line(start, quote), end));
                }
                self.unquoted.push_str(body.get(from..quote)?);
                return Some((Value::Own(own, self.unquoted.len()), end));
            }
            // A doubled quote is one.
            self.unquoted.push_str(body.get(from..=quote)?);
            from = quote + 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::parse::pairs::Scratch;

    fn values(parser: &mut Separated, line: &str) -> Option<Vec<String>> {
        let mut scratch = Scratch::default();
        let mut pairs = scratch.lend();
        let parsed = parser.parse(line, &mut pairs)?;
        let Fields::Pairs(pairs) = parsed.fields else { return None };
        Some(pairs.iter().map(|(key, value)| format!("{}={}", key.plain(), value.plain())).collect())
    }

    #[test]
    fn values_as_they_are_written() {
        let mut csv = Separated::new(["a", "", "level", "message"].map(str::to_owned).to_vec(), b',');
        let mut check = |line: &str, expected: Option<&[&str]>| {
            let got = values(&mut csv, line);
            assert_eq!(
                got.as_deref().map(|got| got.iter().map(String::as_str).collect::<Vec<_>>()).as_deref(),
                expected,
                "{line}"
            );
        };
        check("1,x,warn,all is well", Some(&["a=1", "level=warn", "message=all is well"]));
        check(r#""1, or ""one""",,error,"é,""#, Some(&[r#"a=1, or "one""#, "level=error", "message=é,"]));
        check("1,2", Some(&["a=1"]));
        check("1,2,3,4,5,6", Some(&["a=1", "level=3", "message=4"]));
        check(",,,", Some(&["a=", "level=", "message="]));
        check("one value", None);
        check(r#""no end,1"#, None);
        check(r#""behind"it,1"#, None);
        check("", None);
    }

    #[test]
    fn tabs_take_quotes_as_they_are() {
        let mut tsv = Separated::new(vec!["a".to_owned(), "b".to_owned()], b'\t');
        assert_eq!(values(&mut tsv, "\"x\ty\"").expect("two"), ["a=\"x", "b=y\""]);
        assert_eq!(tsv.name(), "tsv");
    }

    #[test]
    fn level_and_message_are_the_events_own() {
        let mut csv = Separated::new(vec!["level".to_owned(), "message".to_owned()], b';');
        let mut scratch = Scratch::default();
        let mut pairs = scratch.lend();
        let parsed = csv.parse("ERROR;no", &mut pairs).expect("two values");
        assert_eq!((parsed.level, parsed.message.plain().as_ref()), (Some(crate::model::event::Level::Error), "no"));
    }

    #[test]
    fn a_header_names_the_lines_behind_it_and_is_none_of_them() {
        let mut csv = Separated::with_header(b',');
        assert_eq!(values(&mut csv, "a,b"), None, "no header is known");
        csv.take_header("\u{feff}a,\"b\"\"c\",level");
        for line in ["a,\"b\"\"c\",level", "\u{feff}a,\"b\"\"c\",level"] {
            assert_eq!(values(&mut csv, line), None, "{line}");
            assert!(is_header(line, "\u{feff}a,\"b\"\"c\",level"), "{line}");
        }
        assert_eq!(values(&mut csv, "1,2,warn").expect("three"), ["a=1", "b\"c=2", "level=warn"]);
        assert_eq!(values(&mut csv, "1"), None);
        assert!(!is_header("", "") && !is_header("a", "") && !is_header("a,b", "a"));
        // Another file's.
        csv.take_header("x,y");
        assert_eq!(values(&mut csv, "1,2,3").expect("two"), ["x=1", "y=2"]);
        csv.take_header("");
        assert_eq!(values(&mut csv, "1,2,3"), None);
    }

    #[test]
    fn what_a_container_writes_to_its_error_output_is_not_of_the_header() {
        let mut csv = Separated::with_header(b',');
        csv.take_header("a,b");
        csv.look_at(Some(Stream::Stderr));
        {
            let mut scratch = Scratch::default();
            let mut pairs = scratch.lend();
            let parsed = csv.parse("ERROR no, not this", &mut pairs).expect("a text");
            assert_eq!((parsed.fields, parsed.missed), (Fields::None, false));
            assert_eq!(parsed.level, Some(crate::model::event::Level::Error));
        }
        csv.look_at(Some(Stream::Stdout));
        assert_eq!(values(&mut csv, "1,2").expect("two"), ["a=1", "b=2"]);
    }

    #[test]
    fn a_header_behind_another_has_a_name_of_it() {
        let mut csv = Separated::with_header(b',');
        for (line, before, expected) in [
            ("a,b", None, true),
            ("a,b", Some("b,c"), true),
            ("error,no", Some("b,c"), false),
            // Nothing is no name.
            ("a,,b", Some("c,,d"), false),
            ("1,b", Some("b,c"), false),
        ] {
            assert_eq!(csv.is_header(line, before), expected, "{line} behind {before:?}");
        }
    }

    #[test]
    fn names_of_the_settings_know_no_header() {
        let mut csv = Separated::new(vec!["a".to_owned(), "b".to_owned()], b',');
        csv.take_header("x,y");
        assert!(!csv.wants_header());
        assert_eq!(values(&mut csv, "a,b").expect("two"), ["a=a", "b=b"]);
    }

    proptest! {
        /// What is written by the rules is read back.
        #[test]
        fn what_is_written_is_read(list in proptest::collection::vec("[a\",é ]{0,6}", 2..6)) {
            let line: Vec<String> = list.iter().map(|value| format!("\"{}\"", value.replace('"', "\"\""))).collect();
            let columns: Vec<String> = (0..list.len()).map(|number| format!("c{number}")).collect();
            let mut csv = Separated::new(columns, b',');
            let expected: Vec<String> = list.iter().enumerate().map(|(number, value)| format!("c{number}={value}")).collect();
            prop_assert_eq!(values(&mut csv, &line.join(",")), Some(expected));
        }

        #[test]
        fn any_line_is_handled(line in "[a\",\té]{0,40}") {
            for separator in [b',', b'\t'] {
                values(&mut Separated::new(vec!["a".to_owned(), "b".to_owned()], separator), &line);
            }
        }
    }
}
