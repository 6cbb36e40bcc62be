//! What is wrong where the YAML parser could not go on, in the words of the one who typed it.
//!
//! The parser knows what it missed ("did not find expected key"); people want to know what to change. So this
//! looks at the text around the parser's position for the mistakes that people make. It only explains: whether a
//! text is YAML is the parser's decision, and where nothing is recognised its own words are shown.

/// A mistake and where it was made.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 0.
    pub column: usize,
    /// What is wrong; `None` where the parser's words must do.
    pub text: Option<String>,
    /// The way out.
    pub hint: String,
}

/// Explains why the parser stopped in `line` (from 1) at `column` (from 0).
pub fn explain(text: &str, line: usize, column: usize) -> Fault {
    let lines: Vec<&str> = text.lines().collect();
    let around = Around::new(&lines, line, column);
    let situations: [fn(&Around<'_>) -> Option<Fault>; 7] =
        [tab, special_start, quote, braces_in_flow, open_bracket, stray_bracket, colon];
    situations.iter().find_map(|situation| situation(&around)).or_else(|| indentation(&around)).unwrap_or_else(|| {
        Fault { line, column, text: None, hint: "put texts with special signs in quotes".to_owned() }
    })
}

/// The parser's position and the text around it.
struct Around<'a> {
    /// All lines of the text.
    lines: &'a [&'a str],
    /// The position's line, from 1.
    line: usize,
    /// The position's column, from 0.
    column: usize,
    /// The text of the line.
    text: &'a str,
    /// Its part before the position.
    before: &'a str,
    /// Its part from the position on.
    after: &'a str,
}

impl<'a> Around<'a> {
    fn new(lines: &'a [&'a str], line: usize, column: usize) -> Self {
        let text = lines.get(line.saturating_sub(1)).copied().unwrap_or("");
        let at = text.char_indices().nth(column).map_or(text.len(), |(at, _)| at);
        let (before, after) = text.split_at(at);
        Self { lines, line, column, text, before, after }
    }

    fn fault(&self, text: impl Into<String>, hint: impl Into<String>) -> Fault {
        Fault { line: self.line, column: self.column, text: Some(text.into()), hint: hint.into() }
    }

    /// The nearest line above that is neither empty nor a comment, and its number.
    fn above(&self) -> Option<(usize, &'a str)> {
        let above = self.lines.get(..self.line.saturating_sub(1))?;
        above.iter().enumerate().rev().map(|(index, text)| (index + 1, *text)).find(|(_, text)| is_content(text))
    }

    /// Whether nothing but white space and `- ` stands before the position.
    fn at_start(&self) -> bool {
        self.before.chars().all(|c| c == ' ' || c == '-')
    }
}

fn is_content(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with('#')
}

/// The word at the beginning of `text`: to white space, a comma or a closing bracket.
fn word(text: &str) -> &str {
    text.split([' ', '\t', ',', ']', '}']).next().unwrap_or(text)
}

fn tab(around: &Around<'_>) -> Option<Fault> {
    // The parser stops at the tab, or at the end of the value in the line before it.
    (around.line..=around.line + 1).find_map(|line| {
        let text = around.lines.get(line.checked_sub(1)?)?;
        let indent = &text[..text.len() - text.trim_start().len()];
        let column = indent.chars().position(|c| c == '\t')?;
        let text = Some("a tab in the indentation".to_owned());
        Some(Fault { line, column, text, hint: "indent with spaces: YAML takes no tabs there".to_owned() })
    })
}

fn special_start(around: &Around<'_>) -> Option<Fault> {
    let first = around.after.chars().next().filter(|c| matches!(c, '*' | '&' | '!' | '@' | '%' | '`' | '|' | '>'))?;
    let word = word(around.after);
    Some(around.fault(format!("a text that begins with `{first}` must stand in quotes"), format!("write `\"{word}\"`")))
}

fn quote(around: &Around<'_>) -> Option<Fault> {
    if let Some(mark @ ('"' | '\'')) = around.after.chars().next() {
        let inside = &around.after[1..];
        return Some(if !closes(inside, mark) {
            around.fault(format!("the quote `{mark}` is not closed in its line"), format!("end the text with `{mark}`"))
        } else if mark == '"' && inside.contains('\\') {
            around.fault(
                "an escape that YAML does not know",
                "in double quotes `\\` begins an escape: write `\\\\`, or use single quotes",
            )
        } else {
            return None;
        });
    }
    let value = around.before.trim_end();
    (value.ends_with(['"', '\'']) && !around.after.is_empty()).then(|| {
        around.fault(
            "something follows the closing quote",
            "put the whole value in quotes; a quote inside single quotes is doubled: `''`",
        )
    })
}

/// Whether a quoted text whose inside begins here ends in this line.
fn closes(inside: &str, mark: char) -> bool {
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        if c == '\\' && mark == '"' {
            chars.next();
        } else if c == mark {
            return true;
        }
    }
    false
}

fn braces_in_flow(around: &Around<'_>) -> Option<Fault> {
    let variable = around.after.strip_prefix('{').filter(|_| around.before.ends_with('$'));
    let braces =
        around.after.starts_with('{') && around.before.ends_with(|c: char| !matches!(c, ' ' | ',' | '[' | '{'));
    if variable.is_none() && !braces {
        return None;
    }
    let from = around.before.rfind([' ', ',', '[', '{']).map_or(0, |at| at + 1);
    let until = around.after.find([' ', ',', ']']).unwrap_or(around.after.len());
    let value = &around.text[from..around.before.len() + until];
    Some(around.fault("a text with `{` inside `{ }` or `[ ]` must stand in quotes", format!("write `\"{value}\"`")))
}

/// A bracket that was opened in this line or in one of the lines above and not closed since.
fn open_bracket(around: &Around<'_>) -> Option<Fault> {
    let mut closed = 0;
    for line in (around.line.saturating_sub(10).max(1)..=around.line).rev() {
        let text = if line == around.line { around.before } else { around.lines.get(line - 1)? };
        for (column, c) in brackets(text).into_iter().rev() {
            match c {
                ']' | '}' => closed += 1,
                _ if closed > 0 => closed -= 1,
                _ if line == around.line && column == 0 => return None,
                _ => {
                    let close = if c == '[' { ']' } else { '}' };
                    let text = Some(format!("`{c}` is not closed"));
                    return Some(Fault {
                        line,
                        column,
                        text,
                        hint: format!("end it with `{close}`, and separate with `,`"),
                    });
                }
            }
        }
    }
    None
}

/// The brackets of a line outside of quotes and comments, with their columns.
fn brackets(line: &str) -> Vec<(usize, char)> {
    let mut found = Vec::new();
    let mut quoted = None;
    let mut last = ' ';
    for (column, c) in line.chars().enumerate() {
        match (quoted, c) {
            (None, '#') if last == ' ' => break,
            (None, '"' | '\'') if matches!(last, ' ' | '[' | '{' | ',') => quoted = Some(c),
            (None, '[' | '{' | ']' | '}') => found.push((column, c)),
            (Some(mark), c) if mark == c => quoted = None,
            _ => {}
        }
        last = c;
    }
    found
}

fn stray_bracket(around: &Around<'_>) -> Option<Fault> {
    let c = around.after.chars().next().filter(|c| matches!(c, ']' | '}'))?;
    Some(around.fault(format!("`{c}` closes nothing"), "remove it, or put the text in quotes"))
}

fn colon(around: &Around<'_>) -> Option<Fault> {
    if !around.after.starts_with(':') {
        return None;
    }
    if let Some((key, value)) = around.before.split_once(": ") {
        let value = format!("{}{}", value.trim_start(), around.after.trim_end());
        let key = key.trim_start_matches([' ', '-']);
        return Some(around.fault(
            "a text with `: ` in it must stand in quotes",
            format!("write `{key}: \"{value}\"`, or put the inner key on a line of its own"),
        ));
    }
    None
}

fn indentation(around: &Around<'_>) -> Option<Fault> {
    let key = around.text.trim_start_matches([' ', '-']);
    let column = around.text.chars().count() - key.chars().count();
    let at_key = around.after.starts_with(':') && !around.before.contains(": ");
    if !around.at_start() && !at_key {
        return None;
    }
    let (line, above) = around.above()?;
    let entry = above.trim();
    if !entry.contains(": ") && !entry.ends_with(':') && !entry.starts_with("- ") && !entry.ends_with(',') {
        let column = above.chars().take_while(|c| *c == ' ').count();
        let text = Some(format!("`{entry}` is no key with a value"));
        return Some(Fault {
            line,
            column,
            text,
            hint: "write `key: value`, with a space behind the colon".to_owned(),
        });
    }
    Some(Fault {
        line: around.line,
        column,
        text: Some("the indentation does not fit the lines above".to_owned()),
        hint: format!("begin the keys of one map in one column, as in line {line} or further out"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use saphyr_parser::Parser;

    /// Where and what the first mistake of `text` is.
    fn check(text: &str, place: (usize, usize), expected: &str) {
        let mut parser = Parser::new_from_str(text);
        let error = loop {
            match parser.next_event() {
                Some(Ok(_)) => {}
                Some(Err(error)) => break error,
                None => panic!("{text:?} is YAML"),
            }
        };
        let fault = explain(text, error.marker().line(), error.marker().col());
        let said = fault.text.unwrap_or_else(|| format!("not recognised: {}", error.info()));
        assert_eq!(
            (fault.line, fault.column, said.as_str()),
            (place.0, place.1, expected),
            "{text:?}: {}",
            error.info()
        );
    }

    #[test]
    fn mistakes_that_people_make() {
        check("a:\n\tb: 1", (2, 0), "a tab in the indentation");
        check("a:\n    b: 1\n\t\tc: 2", (3, 0), "a tab in the indentation");
        check("a: { u: http://${HOST}:1 }", (1, 16), "a text with `{` inside `{ }` or `[ ]` must stand in quotes");
        check("a: [x{pod}]", (1, 5), "a text with `{` inside `{ }` or `[ ]` must stand in quotes");
        check("a: b: c", (1, 4), "a text with `: ` in it must stand in quotes");
        check("a: *.log", (1, 3), "a text that begins with `*` must stand in quotes");
        check("a: [*.gz]", (1, 4), "a text that begins with `*` must stand in quotes");
        check("a: @x", (1, 3), "a text that begins with `@` must stand in quotes");
        check("a: %x", (1, 3), "a text that begins with `%` must stand in quotes");
        check("a: `x`", (1, 3), "a text that begins with ``` must stand in quotes");
        check("a: \"x", (1, 3), "the quote `\"` is not closed in its line");
        check("a: 'x\nb: 1\n", (1, 3), "the quote `'` is not closed in its line");
        check("a: \"\\d+\"", (1, 3), "an escape that YAML does not know");
        check("a: \"x\" y", (1, 7), "something follows the closing quote");
        check("a: [x, y\nb: 1", (1, 3), "`[` is not closed");
        check("a: {x: 1\nb: 1", (1, 3), "`{` is not closed");
        check("a: { x: 1, y: [1, 2 }\nb: 1", (1, 14), "`[` is not closed");
        check("a: [x]]", (1, 6), "`]` closes nothing");
        check("a: }", (1, 3), "`}` closes nothing");
        check("a: 1\n  b: 2", (2, 2), "the indentation does not fit the lines above");
        check("a:\n  b: 1\n c: 2", (3, 1), "the indentation does not fit the lines above");
        check("a:\n  - b\n  c: 1", (3, 2), "the indentation does not fit the lines above");
        check("a\nb: 1", (1, 0), "`a` is no key with a value");
        check("a:1\n# comment\nb: 2", (1, 0), "`a:1` is no key with a value");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_explained(text in "[a:{}\\[\\]\"'\\\\ \t\n#*$é-]{0,40}", line in 0_usize..6, column in 0_usize..20) {
            explain(&text, line, column);
        }
    }
}
