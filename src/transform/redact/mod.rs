//! Secrets in lines are replaced before anything else looks at them.
//!
//! ```text
//! pieces ─▶ joined ─▶ text ─▶ redact ─▶ parse ─▶ … all that goes out
//!                              │
//!                              ├ presets: one pass over pairs of bytes, for most lines all   (glance)
//!                              │          then a table of bytes and a closer look            (scan)
//!                              ├ own patterns: one automaton for all of them                 (own)
//!                              └ a JSON object with a hit: string by string, number by number (json)
//! ```
//!
//! In reading order:
//! - [`Redactor`], here: a line in, a line out
//! - [`settings`]: `redact:` of the settings; [`presets`]: what is known by name
//! - `glance`: whether to look at all; `scan`: where to look closer; `address`, `numbers`, `tokens`, `keys`: the closer looks; `hit`: what
//!   they find
//! - `own`: the user's own patterns; `json`: inside an object; [`pairs`]: fields by name of lines that are no JSON
//! - `replace`: what stands for a secret
//!
//! **Invariant**: what comes out depends on the line and the settings alone. A line without a hit is borrowed as it is; JSON
//! stays JSON; of a text that was cut nothing stands at the cut that may be half a secret.

mod address;
mod glance;
mod hit;
mod json;
mod keys;
mod numbers;
mod own;
pub mod pairs;
pub mod presets;
mod replace;
mod scan;
pub mod settings;
mod tokens;

use crate::model::event::Fields;
use crate::model::text::Text;

use glance::Glance;
use hit::{Hit, merged};
use own::Own;
use presets::{PRESETS, Presets};
use replace::Replace;
use scan::Scanner;
use settings::Settings;

/// How deep strings that hold JSON are gone into.
const DEPTH: u8 = 4;

/// Replaces secrets. One per worker.
#[derive(Clone, Debug)]
pub struct Redactor {
    /// `None` where no preset is on.
    scanner: Option<Scanner>,
    /// Whether the scanner needs to look; `None` where there is none.
    glance: Option<Glance>,
    own: Own,
    names: pairs::Names,
    replace: Replace,
    presets: Presets,
}

impl Redactor {
    /// As the settings say; `None` where they name nothing.
    pub fn new(settings: &Settings) -> Option<Self> {
        let presets = settings.presets;
        let nothing = presets == Presets::default() && settings.patterns.is_empty() && settings.fields.is_empty();
        let names = PRESETS.iter().map(|preset| preset.name);
        let names = names.chain(settings.patterns.iter().map(|(name, _)| name.as_str())).chain(["field"]);
        (!nothing).then(|| Self {
            scanner: (presets != Presets::default()).then(|| Scanner::new(presets)),
            glance: (presets != Presets::default()).then(|| Glance::new(presets)),
            own: Own::new(&settings.patterns),
            names: pairs::Names::new(&settings.fields),
            replace: Replace::new(names, settings),
            presets,
        })
    }

    /// With all presets and nothing else.
    pub fn all() -> Option<Self> {
        Self::new(&Settings { presets: Presets::ALL, ..Settings::default() })
    }

    /// Whether fields of lines that are no JSON objects must be looked at as well.
    pub fn wants_fields(&self) -> bool {
        !self.names.is_empty()
    }

    /// Whether it hashes with the same key as another, or both with none.
    pub fn hashes_as(&self, other: &Self) -> bool {
        self.replace.has_key_of(&other.replace)
    }

    /// `line` without its secrets; borrowed where there are none, else from `scratch`. `cut` is where the text that was
    /// read ends, for one that was cut: what follows is the marker.
    #[inline]
    pub fn line<'a>(&self, line: &'a str, cut: Option<usize>, scratch: &'a mut String) -> &'a str {
        if cut.is_none() && !self.may_have(line) {
            return line;
        }
        match self.line_slow(line, cut) {
            Some(redacted) => {
                *scratch = redacted;
                scratch
            }
            None => line,
        }
    }

    /// `body`, with the values replaced of those of its fields that are secrets by their names; `None` where none is. JSON
    /// objects have lost theirs already.
    pub fn fields(&self, body: &str, message: Text<'_>, fields: &Fields<'_>) -> Option<pairs::Changed> {
        self.names.replaced(body, message, fields, |secret| self.replaced(self.field(), secret))
    }

    /// Whether a closer look is needed: something was found, or escapes may hide something.
    #[inline]
    fn may_have(&self, line: &str) -> bool {
        self.glance.as_ref().is_some_and(|glance| glance.may_have(line.as_bytes()))
            || self.own.is_match(line)
            || begins_object(line) && (self.names.may_be_in(line) || self.may_hide(line))
    }

    /// Whether escapes of a JSON object may hide something: `\u…` anything, others the borders of own patterns.
    #[inline]
    fn may_hide(&self, object: &str) -> bool {
        let bytes = object.as_bytes();
        let mut from = 0;
        while let Some(more) = memchr::memchr(b'\\', &bytes[from..]) {
            let at = from + more;
            if !self.own.is_empty() || bytes.get(at + 1) == Some(&b'u') {
                return true;
            }
            from = (at + 2).min(bytes.len());
        }
        false
    }

    #[cold]
    fn line_slow(&self, line: &str, cut: Option<usize>) -> Option<String> {
        let Some((text, marker)) = cut.and_then(|cut| line.split_at_checked(cut)) else {
            return self.text(line, 0);
        };
        let text = without_torn_end(text);
        Some(self.text(text, 0).unwrap_or_else(|| text.to_owned()) + marker)
    }

    /// `text` without its secrets; `None` where there are none.
    fn text(&self, text: &str, depth: u8) -> Option<String> {
        let mut across = Vec::new();
        self.own.all(text, PRESETS.len(), &mut across);
        if depth < DEPTH && begins_object(text) {
            let rules = Inside { redactor: self, depth: depth + 1 };
            let replaced = json::replaced(text, &rules, &across);
            let is_hit = |scanner: &Scanner| scanner.is_match(text.as_bytes());
            let has_key = self.presets.has(Presets::KEY) && keys::may_have(text.as_bytes());
            if replaced.is_none() && across.is_empty() && !has_key && !self.scanner.as_ref().is_some_and(is_hit) {
                return None;
            }
            if serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok() {
                return replaced;
            }
        }
        if let Some(scanner) = &self.scanner {
            scanner.all(text.as_bytes(), &mut across);
        }
        // A string of JSON that is one line is anything: an id, a signature.
        if self.presets.has(Presets::KEY) && (depth == 0 || text.contains('\n')) {
            let lines = keys::lines(text.as_bytes());
            across.extend(lines.map(|(start, end)| Hit { start, end, what: Presets::KEY.index() }));
        }
        self.put(text, merged(across))
    }

    fn put(&self, text: &str, hits: Vec<Hit>) -> Option<String> {
        let (mut out, mut from) = (String::new(), 0);
        for hit in &hits {
            // Hits are on the borders of characters.
            out.push_str(text.get(from..hit.start)?);
            self.replace.put(hit.what, text.get(hit.start..hit.end)?, &mut out);
            from = hit.end;
        }
        if hits.is_empty() {
            return None;
        }
        out.push_str(text.get(from..)?);
        Some(out)
    }

    fn replaced(&self, what: usize, secret: &str) -> String {
        let mut out = String::new();
        self.replace.put(what, secret, &mut out);
        out
    }

    /// What fields by name are called in what replaces them.
    fn field(&self) -> usize {
        self.replace.last()
    }
}

/// The redactor inside a JSON object.
struct Inside<'r> {
    redactor: &'r Redactor,
    depth: u8,
}

impl json::Rules for Inside<'_> {
    fn text(&self, text: &str) -> Option<String> {
        self.redactor.text(text, self.depth)
    }

    fn is_named(&self, path: &[&str], key: &str) -> bool {
        self.redactor.names.has(path, key)
    }

    fn named(&self, secret: &str) -> String {
        self.redactor.replaced(self.redactor.field(), secret)
    }

    fn told(&self, key: &str, text: &str) -> Option<String> {
        let presets = self.redactor.presets;
        if presets.has(Presets::AWS) && tokens::is_aws_secret(text.as_bytes()) && json::tells_of_aws(key) {
            return Some(self.redactor.replaced(Presets::AWS.index(), text));
        }
        if presets.has(Presets::BEARER) && json::is_header(key) && !text.is_empty() {
            let (scheme, secret) = text.split_once(' ').unwrap_or(("", text));
            let blank = if scheme.is_empty() { "" } else { " " };
            return Some(format!("{scheme}{blank}{}", self.redactor.replaced(Presets::BEARER.index(), secret)));
        }
        None
    }

    fn across(&self, hit: Hit, secret: &str) -> String {
        self.redactor.replaced(hit.what, secret)
    }
}

fn begins_object(text: &str) -> bool {
    text.trim_ascii_start().starts_with('{')
}

/// `text` without the word, and the number with blanks in it, that it was cut in: a half of a secret is known by nothing.
fn without_torn_end(text: &str) -> &str {
    let ends =
        |c: char| c.is_ascii_whitespace() || matches!(c, '"' | '\'' | '`' | ',' | ';' | '<' | '>' | '{' | '}' | '&');
    let word = text.rfind(ends).map_or("", |at| &text[..=at]);
    word.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, ' ' | '-' | '(' | ')' | '+' | '.' | '/'))
}

#[cfg(test)]
mod tests;
