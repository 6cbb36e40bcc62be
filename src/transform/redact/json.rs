//! A JSON object with its secrets replaced.
//!
//! Patterns are laid on what the strings say, not on how they are written: escapes are undone first, so that neither a
//! letter of `\n` counts as part of a word nor `\u0040` hides an address; what is replaced is escaped again. Strings that
//! hold JSON themselves are gone into.
//!
//! **Invariant**: what comes out is valid JSON where what went in was. A string stays a string; a number (or, under a
//! name of the settings, any value but `null`) that is replaced becomes one.

use crate::model::text::{Text, escape};

use super::hit::Hit;
use super::tokens;

/// What is to be done with the parts of an object.
pub(super) trait Rules {
    /// A string's or number's text with its secrets replaced; `None` where there are none.
    fn text(&self, text: &str) -> Option<String>;
    /// Whether what stands under this key is a secret as a whole, whatever it is. `path` are the keys around it.
    fn is_named(&self, path: &[&str], key: &str) -> bool;
    /// What replaces `secret`, which stands under a key of the settings.
    fn named(&self, secret: &str) -> String;
    /// The text under a key that tells of a secret (`secretAccessKey`, `authorization`) with that replaced.
    fn told(&self, key: &str, text: &str) -> Option<String>;
    /// What replaces `secret`, which was found across several parts of the line.
    fn across(&self, hit: Hit, secret: &str) -> String;
}

/// The object with its secrets replaced; `None` where there are none. `across` are places of the line in which every value
/// is one.
pub(super) fn replaced(object: &str, rules: &impl Rules, across: &[Hit]) -> Option<String> {
    let mut walk = Walk { text: object, rules, across, out: String::new(), copied: 0, frames: Vec::new(), key: None };
    walk.all();
    if walk.copied == 0 {
        return None;
    }
    walk.out.push_str(object.get(walk.copied..)?);
    Some(walk.out)
}

/// An object or array that is open.
struct Frame<'a> {
    is_object: bool,
    /// The key whose value is open; empty in arrays.
    key: &'a str,
}

struct Walk<'a, R> {
    text: &'a str,
    rules: &'a R,
    across: &'a [Hit],
    out: String,
    /// Up to where the text was copied to `out`; zero where nothing was replaced.
    copied: usize,
    frames: Vec<Frame<'a>>,
    /// Whether a key is expected: `Some` of nothing; then the key whose value comes.
    key: Option<&'a str>,
}

impl<'a, R: Rules> Walk<'a, R> {
    fn all(&mut self) {
        let bytes = self.text.as_bytes();
        let (mut at, mut wants_key) = (0, false);
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'{' | b'[' => {
                    if self.is_named() {
                        at = self.whole(at);
                        continue;
                    }
                    wants_key = *byte == b'{';
                    self.frames.push(Frame { is_object: wants_key, key: self.key.take().unwrap_or_default() });
                }
                b'}' | b']' => {
                    self.frames.pop();
                    self.key = None;
                }
                b',' => {
                    wants_key = self.frames.last().is_some_and(|frame| frame.is_object);
                    self.key = None;
                }
                b':' | b' ' | b'\t' | b'\r' | b'\n' => {}
                b'"' if wants_key => {
                    let end = string_end(bytes, at);
                    self.string(at, end, true);
                    self.key = self.text.get(at + 1..end - 1);
                    wants_key = false;
                    at = end;
                    continue;
                }
                _ if self.is_named() => {
                    at = self.whole(at);
                    continue;
                }
                b'"' => {
                    let end = string_end(bytes, at);
                    self.string(at, end, false);
                    at = end;
                    continue;
                }
                b'-' | b'0'..=b'9' => {
                    let end = scalar_end(bytes, at);
                    self.number(at, end);
                    at = end;
                    continue;
                }
                _ => {
                    let end = scalar_end(bytes, at);
                    self.word(at, end);
                    at = end;
                    continue;
                }
            }
            at += 1;
        }
    }

    fn is_named(&self) -> bool {
        let Some(key) = self.key else { return false };
        let key = Text::Escaped(key).plain();
        let path: Vec<&str> = self.frames.iter().map(|frame| frame.key).filter(|key| !key.is_empty()).collect();
        self.rules.is_named(&path, &key)
    }

    /// Replaces the value that begins at `at` as a whole; behind it.
    fn whole(&mut self, at: usize) -> usize {
        let bytes = self.text.as_bytes();
        let end = match bytes[at] {
            b'"' => string_end(bytes, at),
            b'{' | b'[' => nested_end(bytes, at),
            _ => scalar_end(bytes, at),
        };
        let Some(value) = self.text.get(at..end) else { return bytes.len() };
        match value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) {
            Some("") => {}
            Some(inside) => self.put(at, end, &self.rules.named(&Text::Escaped(inside).plain())),
            // What is not there is no secret.
            None if value == "null" => {}
            None => self.put(at, end, &self.rules.named(value)),
        }
        end
    }

    fn string(&mut self, at: usize, end: usize, is_key: bool) {
        let Some(inside) = self.text.get(at + 1..end.saturating_sub(1)) else { return };
        let plain = Text::Escaped(inside).plain();
        let told = || self.rules.told(&Text::Escaped(self.key.filter(|_| !is_key)?).plain(), &plain);
        let found = told().or_else(|| self.rules.text(&plain));
        if let Some(replaced) = found.or_else(|| self.crossed(at, end, is_key, &plain)) {
            self.put(at, end, &replaced);
        }
    }

    fn number(&mut self, at: usize, end: usize) {
        let Some(number) = self.text.get(at..end) else { return };
        if let Some(replaced) = self.rules.text(number).or_else(|| self.crossed(at, end, false, number)) {
            self.put(at, end, &replaced);
        }
    }

    /// `true`, `false`, `null`.
    fn word(&mut self, at: usize, end: usize) {
        let word = self.text.get(at..end).filter(|word| *word != "null");
        if let Some(replaced) = word.and_then(|word| self.crossed(at, end, false, word)) {
            self.put(at, end, &replaced);
        }
    }

    fn crossed(&self, at: usize, end: usize, is_key: bool, plain: &str) -> Option<String> {
        let hit = self.across.iter().find(|hit| hit.start < end && at < hit.end)?;
        // A key tells what the secret is, and is none itself.
        (!is_key && !plain.is_empty()).then(|| self.rules.across(*hit, plain))
    }

    fn put(&mut self, at: usize, end: usize, text: &str) {
        self.out.push_str(self.text.get(self.copied..at).unwrap_or_default());
        let mut escaped = Vec::with_capacity(text.len() + 2);
        escaped.push(b'"');
        escape(text, &mut escaped);
        escaped.push(b'"');
        // What `escape` writes of a text is text.
        self.out.push_str(&String::from_utf8_lossy(&escaped));
        self.copied = end;
    }
}

/// Behind the closing quote of the string at `at`.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(more) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += more;
        if bytes[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    bytes.len()
}

fn scalar_end(bytes: &[u8], at: usize) -> usize {
    let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b'"' | b'{' | b'[' | b':') || byte.is_ascii_whitespace();
    bytes[at..].iter().position(ends).map_or(bytes.len(), |len| at + len.max(1))
}

fn nested_end(bytes: &[u8], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = string_end(bytes, at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// Whether a key tells of a secret of AWS.
pub(super) fn tells_of_aws(key: &str) -> bool {
    let key = key.as_bytes();
    key.iter().enumerate().any(|(at, byte)| matches!(byte, b'k' | b'K') && tokens::aws_name(key, at).is_some())
}

/// Whether a key is that of a header with credentials.
pub(super) fn is_header(key: &str) -> bool {
    key.len() <= 32 && tokens::names_header(key.as_bytes())
}
