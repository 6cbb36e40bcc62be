//! A condition's text → the library's tree.
//!
//! **Invariant**: what comes back is small enough for whoever recurses over it.

use cel::common::ast::{IdedExpr, SourceInfo};
use cel::parser::{ParseErrors, Parser};

use super::answer::Mistake;

/// Longer conditions are a mistake.
const LONGEST: usize = 4 << 10;
/// So many signs that may nest one thing in another are more than a stack should have to hold.
const MOST_SIGNS: usize = 400;

/// Reads a condition: its tree, and where each node stands in the text.
pub(super) fn read(text: &str) -> Result<(IdedExpr, SourceInfo), Mistake> {
    if text.trim().is_empty() {
        let hint = "such as `level == debug` or `fields.path == \"/health\"`".to_owned();
        return Err(Mistake { at: None, text: "there is no condition".to_owned(), hint });
    }
    if text.len() > LONGEST {
        let hint = "write several transforms, one after the other".to_owned();
        return Err(Mistake { at: None, text: format!("it is longer than {LONGEST} bytes"), hint });
    }
    if signs(text) > MOST_SIGNS {
        let hint = "write several transforms, one after the other".to_owned();
        return Err(Mistake { at: None, text: format!("it has more than {MOST_SIGNS} operators and brackets"), hint });
    }
    Parser::new().parse_with_source_info(text).map_err(|errors| syntax(text, &errors))
}

/// Signs outside of quotes that may nest.
fn signs(text: &str) -> usize {
    let (mut signs, mut quote, mut last) = (0, None, '\0');
    for c in text.chars() {
        match quote {
            Some(open) if c == open && last != '\\' => quote = None,
            Some(_) => {}
            None if matches!(c, '\'' | '"') => quote = Some(c),
            None if c != last && !c.is_alphanumeric() && !c.is_whitespace() && !matches!(c, '_' | '&' | '|' | ',') => {
                signs += 1;
            }
            // The same sign over and over nests as well, but for `==` and its like.
            None if matches!(c, '(' | '[' | '{' | '!' | '-') => signs += 1,
            None => {}
        }
        last = c;
    }
    signs
}

/// What the parser did not understand, in our words where it is a usual mistake.
fn syntax(text: &str, errors: &ParseErrors) -> Mistake {
    let Some(first) = errors.errors.first() else {
        return Mistake { at: None, text: "it cannot be read".to_owned(), hint: String::new() };
    };
    let line = usize::try_from(first.pos.0).unwrap_or(1).max(1);
    let column = usize::try_from(first.pos.1).unwrap_or(1).max(1);
    let before: usize = text.split_inclusive('\n').take(line - 1).map(|line| line.chars().count()).sum();
    let at = before + column - 1;
    let words = first.msg.lines().next().unwrap_or("").trim_start_matches("Syntax error: ").to_owned();
    let rest: String = text.chars().skip(at).collect();
    let (text, hint) = match rest.split(|c: char| c.is_whitespace()).next().unwrap_or("") {
        word if word == "=" || word.starts_with('=') && !word.starts_with("==") => {
            ("`=` compares nothing".to_owned(), "write `==`".to_owned())
        }
        "and" | "AND" => ("`and` is no operator".to_owned(), "write `&&`".to_owned()),
        "or" | "OR" => ("`or` is no operator".to_owned(), "write `||`".to_owned()),
        _ if words.starts_with("reserved identifier: namespace") => (
            "`namespace` is a reserved word of CEL".to_owned(),
            "write `kubernetes.namespace`, or `fields.namespace` for a field of the line".to_owned(),
        ),
        "" => (
            "it ends too early".to_owned(),
            "close brackets and quotes; in YAML a `#` behind a blank ends the text, unless all of it stands in quotes"
                .to_owned(),
        ),
        rest if rest.starts_with(['"', '\'']) && words.starts_with("token recognition") => {
            ("a quote is not closed".to_owned(), "end the text with the quote that it begins with".to_owned())
        }
        _ if words.contains("has() macro") => (
            "`has` asks for something inside of `fields` or `kubernetes`".to_owned(),
            "other names are always there, as `null` where a line has none: `level != null`".to_owned(),
        ),
        _ => (words, "conditions are written in CEL: `level >= warn && !(fields.path == \"/health\")`".to_owned()),
    };
    Mistake { at: Some(at), text, hint }
}
