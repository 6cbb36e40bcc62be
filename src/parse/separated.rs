//! Values between separators, as CSV (RFC 4180) and TSV write them, under the names of the settings.
//!
//! **Invariant**: each line stands for itself: a quoted value ends with its line at the latest. Values beyond the names are left
//! in the body alone; names without a value make no field.

use crate::model::event::Fields;
use crate::model::text::Text;

use super::level::{self, KeyKind};
use super::pairs::Pairs;
use super::parsed::Parsed;

/// Names, what stands between values, and memory for values that are not in the line as they are meant.
#[derive(Clone, Debug)]
pub struct Separated {
    columns: Vec<String>,
    separator: u8,
    /// Values with doubled quotes, without the second of each.
    unquoted: String,
    /// Of the line at hand.
    values: Vec<Value>,
}

/// Where a value stands.
#[derive(Clone, Copy, Debug)]
enum Value {
    /// In the line.
    Line(usize, usize),
    /// In `unquoted`.
    Own(usize, usize),
}

impl Separated {
    /// `columns` are the names in the order of the values; empty ones are passed over.
    pub fn new(columns: Vec<String>, separator: u8) -> Self {
        Self { columns, separator, unquoted: String::new(), values: Vec::new() }
    }

    /// The name as typed in settings.
    pub fn name(&self) -> &'static str {
        if self.separator == b'\t' { "tsv" } else { "csv" }
    }

    /// What `body` says; `None` where it is a single value though more are named, or its quotes do not fit.
    pub fn parse<'p, 't: 'p>(&'t mut self, body: &'t str, pairs: &'p mut Pairs<'_, 't>) -> Option<Parsed<'p>> {
        self.split(body)?;
        if self.values.len() < self.columns.len().min(2) {
            return None;
        }
        let (mut found, mut message) = (None, Text::Plain(body));
        for (name, value) in self.columns.iter().zip(&self.values) {
            let value = match *value {
                Value::Line(start, end) => body.get(start..end)?,
                Value::Own(start, end) => self.unquoted.get(start..end)?,
            };
            match name.as_str() {
                "" => continue,
                "level" => found = level::of_word(KeyKind::Level, value),
                "message" => message = Text::Plain(value),
                _ => {}
            }
            pairs.push(Text::Plain(name), Text::Plain(value));
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
