//! Grok: expressions put together from patterns with names, such as `%{IP:client} %{NUMBER:bytes}`.
//!
//! The patterns are those of Logstash, by the crate `grok`; its engine backs out of a match that takes too many steps, and then the
//! line is one that does not match. **Invariant**: only names that are typed behind a colon become fields.

use std::sync::Arc;

use ::grok::{Grok, Pattern};

use crate::model::event::Fields;
use crate::model::text::Text;

use super::level::{self, KeyKind};
use super::pairs::Pairs;
use super::parsed::Parsed;
use super::values::{TYPES, Type};

/// Expressions in the order in which they are tried, and the types that they give.
#[derive(Clone, Debug)]
pub struct Expressions {
    list: Vec<Arc<Expression>>,
    types: Vec<(String, Type)>,
}

#[derive(Debug)]
struct Expression {
    pattern: Pattern,
    /// The names of its fields, in the order of their names.
    names: Vec<String>,
}

impl Expressions {
    /// Compiles `texts`, with `patterns` (names and definitions) beside the usual ones. The error names what is wrong with
    /// the text of that index.
    pub fn new(texts: &[String], patterns: &[(String, String)]) -> Result<Self, (usize, String)> {
        let mut grok = Grok::with_default_patterns();
        for (name, definition) in patterns {
            grok.add_pattern(name.as_str(), definition.as_str());
        }
        let compile = |(index, text): (usize, &String)| {
            // A faulty expression is drawn over several lines, of which the first says what is the matter.
            let pattern = grok.compile(text, true).map_err(|error| {
                let words = error.to_string();
                (index, format!("`{text}` is no grok expression: {}", words.lines().next().unwrap_or_default()))
            })?;
            let names: Vec<String> = pattern.capture_names().map(str::to_owned).collect();
            if names.is_empty() {
                return Err((index, format!("`{text}` names nothing, so no line would get a field")));
            }
            Ok(Arc::new(Expression { pattern, names }))
        };
        let list = texts.iter().enumerate().map(compile).collect::<Result<Vec<_>, _>>()?;
        let mut types = Vec::new();
        for (index, expression) in list.iter().enumerate() {
            for name in &expression.names {
                let Some(typed) = expression.pattern.get_extract(name) else { continue };
                let Some((_, kind)) = TYPES.iter().find(|(known, _)| *known == typed) else {
                    let known = TYPES.map(|(name, _)| format!("`{name}`")).join(", ");
                    return Err((index, format!("`%{{…:{name}:{typed}}}`: unknown type `{typed}`; known: {known}")));
                };
                types.push((name.clone(), *kind));
            }
        }
        Ok(Self { list, types })
    }

    /// The types of fields, as suffixes such as `:int` give them.
    pub fn types(&self) -> &[(String, Type)] {
        &self.types
    }

    /// What the first that matches says of `body`; `None` where none does.
    pub fn parse<'p, 't: 'p>(&'t self, body: &'t str, pairs: &'p mut Pairs<'_, 't>) -> Option<Parsed<'p>> {
        let (expression, matches) =
            self.list.iter().find_map(|expression| Some((expression, expression.pattern.match_against(body)?)))?;
        let (mut found, mut message) = (None, Text::Plain(body));
        for name in &expression.names {
            // What matched is a part of the body, which lives longer than the match.
            let Some(value) = matches.get(name).and_then(|value| part(body, value)) else { continue };
            match name.as_str() {
                "level" => found = level::of_word(KeyKind::Level, value),
                "message" => message = Text::Plain(value),
                _ => {}
            }
            pairs.push(Text::Plain(name), Text::Plain(value));
        }
        Some(Parsed { level: found, message, fields: Fields::Pairs(pairs.as_slice()), missed: false })
    }
}

/// The place of `value`, a part of `body`, in it.
fn part<'b>(body: &'b str, value: &str) -> Option<&'b str> {
    let start = value.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    body.get(start..start + value.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::pairs::Scratch;

    fn fields(texts: &[&str], patterns: &[(&str, &str)], line: &str) -> Option<String> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let patterns: Vec<_> = patterns.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let expressions = Expressions::new(&texts, &patterns).expect("expressions");
        let mut scratch = Scratch::default();
        let mut pairs = scratch.lend();
        let parsed = expressions.parse(line, &mut pairs)?;
        let Fields::Pairs(pairs) = parsed.fields else { return None };
        let pairs: Vec<_> = pairs.iter().map(|(key, value)| format!("{}={}", key.plain(), value.plain())).collect();
        Some(format!("{:?} {} | {}", parsed.level, parsed.message.plain(), pairs.join(" ")))
    }

    #[test]
    fn the_usual_names() {
        let line = "55.3.244.1 GET /index.html 15824 0.043";
        let text = "%{IP:client} %{WORD:method} %{URIPATHPARAM:request} %{NUMBER:bytes} %{NUMBER:duration}";
        let expected =
            format!("None {line} | bytes=15824 client=55.3.244.1 duration=0.043 method=GET request=/index.html");
        assert_eq!(fields(&[text], &[], line), Some(expected));
        assert_eq!(fields(&[text], &[], "something else"), None);
        let combined = r#"10.0.0.7 - - [23/Nov/2026:08:50:49 +0000] "GET /cart HTTP/1.1" 500 12 "-" "curl/8""#;
        assert!(fields(&["%{COMMONAPACHELOG}"], &[], combined).is_some_and(|fields| fields.contains("response=500")));
    }

    #[test]
    fn a_suffix_gives_a_type() {
        let new = |text: &str| Expressions::new(&[text.to_owned()], &[]);
        let typed = new("%{NUMBER:bytes:int} %{NUMBER:took:float} %{WORD:word}").expect("an expression");
        assert_eq!(typed.types(), [("bytes".to_owned(), Type::Int), ("took".to_owned(), Type::Float)]);
        assert!(new("%{NUMBER:bytes:integer}").is_err_and(|(_, words)| words.contains("unknown type `integer`")));
    }

    #[test]
    fn the_first_that_matches_and_patterns_of_ones_own() {
        let texts = ["%{LOGLEVEL:level}: %{GREEDYDATA:message}", "order %{ORDER:order}"];
        let own = [("ORDER", "[A-Z]{2}-%{INT}")];
        assert_eq!(
            fields(&texts, &own, "ERROR: no disk"),
            Some("Some(Error) no disk | level=ERROR message=no disk".to_owned())
        );
        assert_eq!(fields(&texts, &own, "order AB-12"), Some("None order AB-12 | order=AB-12".to_owned()));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let new = |text: &str| Expressions::new(&[text.to_owned()], &[]).map(drop).map_err(|(_, words)| words);
        assert!(new("%{NOBODY:x}").is_err_and(|words| words.contains("NOBODY")));
        assert!(new("(%{WORD:x}").is_err());
        assert!(new("%{WORD}").is_err_and(|words| words.contains("names nothing")));
    }

    /// One that would take for ever does not: it is a line that does not match.
    #[test]
    fn no_line_takes_for_ever() {
        let line = "a".repeat(40);
        assert_eq!(fields(&["%{NEST:x}$"], &[("NEST", "(?:(?=a)a+)+b")], &line), None);
    }
}
