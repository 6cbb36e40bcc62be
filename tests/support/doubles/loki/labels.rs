//! A stream's labels: `{a="b", c="d"}` read as Loki reads it, and written in its one canonical form.
//!
//! `\{\s*(NAME\s*=\s*"(\\.|[^"\\])*"\s*(,\s*|(?=\})))*\}` with `NAME = [a-zA-Z_][a-zA-Z0-9_]*`

use std::collections::BTreeMap;

/// The labels of `text`, or what is wrong and at which column.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut reader = Reader { text, at: 0 };
    let mut labels = BTreeMap::new();
    reader.expect('{')?;
    while !reader.take('}') {
        let name = reader.name()?;
        reader.expect('=')?;
        let value = reader.quoted()?;
        if labels.insert(name.to_owned(), value).is_some() {
            return Err(format!("stream '{text}' has duplicate label name: '{name}'"));
        }
        if !reader.take(',') && !reader.at_char('}') {
            return Err(reader.error("unexpected character, expecting \",\" or \"}\""));
        }
    }
    if reader.at < text.len() {
        return Err(reader.error("unexpected text after \"}\""));
    }
    Ok(labels)
}

/// `{a="b", c="d"}` with the names in order and values quoted as Go quotes them.
pub(super) fn canonical(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={}", quote(value))).collect();
    format!("{{{}}}", pairs.join(", "))
}

fn quote(value: &str) -> String {
    let mut quoted = String::from("\"");
    for char in value.chars() {
        match char {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            char if char.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(char))),
            char => quoted.push(char),
        }
    }
    quoted + "\""
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn at_char(&mut self, char: char) -> bool {
        self.skip_space();
        self.rest().starts_with(char)
    }

    fn take(&mut self, char: char) -> bool {
        let there = self.at_char(char);
        self.at += if there { char.len_utf8() } else { 0 };
        there
    }

    fn expect(&mut self, char: char) -> Result<(), String> {
        if self.take(char) { Ok(()) } else { Err(self.error(&format!("unexpected character, expecting {char:?}"))) }
    }

    fn name(&mut self) -> Result<&'a str, String> {
        self.skip_space();
        let rest = self.rest();
        let length = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        if length == 0 || rest.as_bytes()[0].is_ascii_digit() {
            return Err(self.error("unexpected character, expecting IDENTIFIER"));
        }
        self.at += length;
        Ok(&rest[..length])
    }

    fn quoted(&mut self) -> Result<String, String> {
        self.expect('"')?;
        let mut value = String::new();
        let mut chars = self.rest().char_indices();
        while let Some((at, char)) = chars.next() {
            match char {
                '"' => {
                    self.at += at + 1;
                    return Ok(value);
                }
                '\n' => break,
                '\\' => match chars.next().map(|(_, escaped)| escaped) {
                    Some('n') => value.push('\n'),
                    Some('r') => value.push('\r'),
                    Some('t') => value.push('\t'),
                    Some(escaped @ ('"' | '\\')) => value.push(escaped),
                    Some(kind @ ('x' | 'u' | 'U')) => {
                        let digits = match kind {
                            'x' => 2,
                            'u' => 4,
                            _ => 8,
                        };
                        let hex: String = chars.by_ref().take(digits).map(|(_, digit)| digit).collect();
                        let char = u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32);
                        value.push(char.ok_or_else(|| self.error("invalid char escape"))?);
                    }
                    _ => return Err(self.error("invalid char escape")),
                },
                char => value.push(char),
            }
        }
        Err(self.error("literal not terminated"))
    }

    fn error(&self, what: &str) -> String {
        format!("couldn't parse labels: 1:{}: parse error: {what}", self.at + 1)
    }
}
