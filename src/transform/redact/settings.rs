//! `redact:` of the settings, at the top and on a sink.
//!
//! **Invariant**: what is in [`Settings`] can be used as it is: patterns compile, texts break no line. A sink's own add to
//! those at the top and never take from them.

use std::fmt;

use regex::Regex;

use crate::model::settings::{Key, Place, Section};

use super::presets::{PRESETS, Presets};

/// The keys of `redact`.
pub const KEYS: &[Key] = &[
    Key {
        name: "presets",
        kind: "list of presets",
        default: "",
        help: "what is known by name; `all` stands for all of them",
    },
    Key {
        name: "patterns",
        kind: "map of regular expressions",
        default: "",
        help: "patterns of your own by name; a group `(?<secret>…)` says which part is the secret",
    },
    Key {
        name: "fields",
        kind: "list of names",
        default: "",
        help: "fields whose values are replaced as a whole; a name with dots means one inside of others",
    },
    Key {
        name: "replace",
        kind: "text",
        default: "",
        help: "what stands for a secret; `[redacted:NAME]` with the preset's or pattern's name if not set",
    },
    Key {
        name: "hash_secret",
        kind: "text",
        default: "",
        help: "instead: a keyed hash with this secret, so that equal values can be told without being seen; 16 bytes or more",
    },
    Key {
        name: "hash_secret_file",
        kind: "path",
        default: "",
        help: "a file that holds this secret; read at the start and when the settings are loaded anew",
    },
];

/// The shortest secret that is worth the name.
const SHORTEST_KEY: usize = 16;
/// The longest text in place of a secret.
const LONGEST_TEXT: usize = 64;

/// What is replaced, and by what.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub(super) presets: Presets,
    pub(super) patterns: Vec<(String, Regex)>,
    pub(super) fields: Vec<String>,
    pub(super) with: With,
}

/// What stands for a secret.
#[derive(Clone, Debug, Default)]
pub(super) enum With {
    /// `[redacted:NAME]`.
    #[default]
    Named,
    /// This text.
    Text(String),
    /// A hash with this key.
    Hash(HashKey),
}

/// The key of a hash. Never shown.
#[derive(Clone)]
pub(super) struct HashKey(String);

impl HashKey {
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Settings {
    /// Reads a map with [`KEYS`]. `secret` gives what the file at a path holds, or says why it cannot.
    pub fn read(section: &mut Section<'_>, secret: &dyn Fn(&str) -> Result<String, String>) -> Self {
        let mut settings = Self { presets: presets(section), ..Self::default() };
        for (name, text, place) in section.text_map("patterns").unwrap_or_default() {
            match Regex::new(&text) {
                Ok(regex) if regex.is_match("") => section.problems().add_with_hint(
                    &place,
                    format!("pattern `{name}` matches a text without a character, so it would be found everywhere"),
                    "say what must be there: `+` instead of `*`",
                ),
                Ok(regex) => settings.patterns.push((name, regex)),
                Err(error) => {
                    let words = error.to_string();
                    let last = words.lines().last().unwrap_or("").trim_start_matches("error: ").to_owned();
                    section.problems().add_with_hint(
                        &place,
                        format!("pattern `{name}` is no regular expression: {last}"),
                        "write `\\` before a sign that stands for itself; the syntax is that of Rust's `regex` crate, \
                         without look-around and back-references",
                    );
                }
            }
            let last = settings.patterns.last().map(|(name, _)| name.as_str());
            if last.is_some_and(|name| !is_quiet(name)) {
                section.problems().add_with_hint(
                    &place,
                    "a pattern's name stands in place of what it finds, in quotes too",
                    "use letters, digits, `_` and `-`",
                );
            }
        }
        settings.fields = section.texts("fields").unwrap_or_default();
        settings.fields.retain(|name| !name.is_empty());
        let text = section.parsed("replace", |text| {
            let breaks = |c: char| c.is_control() || matches!(c, '"' | '\\');
            match text {
                text if text.len() > LONGEST_TEXT => Err(format!("expected at most {LONGEST_TEXT} bytes")),
                text if text.contains(breaks) => {
                    Err("expected a text without quotes, backslashes and control characters".to_owned())
                }
                text => Ok(text.to_owned()),
            }
        });
        settings.with = match (text, key(section, secret)) {
            (Some(_), Some((name, place, _))) => {
                let both = format!("`redact` has both `replace` and `{name}`");
                section.problems().add_with_hint(&place, both, "leave one of them out");
                With::Named
            }
            (None, Some((.., key))) => With::Hash(key),
            (Some(text), None) => With::Text(text),
            (None, None) => With::Named,
        };
        settings
    }

    /// These, and what a sink adds to them. What a sink says of how to replace goes before.
    pub fn with(&self, sink: Option<&Self>) -> Self {
        let mut both = self.clone();
        let Some(sink) = sink else { return both };
        both.presets = both.presets.and(sink.presets);
        // A pattern of the same name goes beside the other, so that nothing is taken away.
        both.patterns = self.patterns.iter().chain(&sink.patterns).cloned().collect();
        both.fields.extend(sink.fields.iter().cloned());
        if !matches!(sink.with, With::Named) {
            both.with = sink.with.clone();
        }
        both
    }
}

/// The key of hashes, where one is asked for: under which name, where, and what it is.
fn key(
    section: &mut Section<'_>,
    secret: &dyn Fn(&str) -> Result<String, String>,
) -> Option<(&'static str, Place, HashKey)> {
    let mut found = None;
    for name in ["hash_secret", "hash_secret_file"] {
        let Some(place) = section.node(name).map(|node| node.place.clone()) else { continue };
        let Some(text) = section.text(name) else { continue };
        let text = if name == "hash_secret" { Ok(text) } else { secret(&text) };
        let problem = match text {
            Err(why) => Some((why, "it has to be there at the start: mount it where this process may read it")),
            Ok(_) if found.is_some() => {
                Some(("`redact` has both `hash_secret` and `hash_secret_file`".to_owned(), "leave one of them out"))
            }
            Ok(key) if key.len() < SHORTEST_KEY => Some((
                format!("`{name}` has fewer than {SHORTEST_KEY} bytes, so its hashes could be guessed"),
                "make one with `openssl rand -base64 32` and hand it in by a variable, `${REDACT_SECRET}`, or by a file",
            )),
            Ok(key) => {
                found = Some((name, place.clone(), HashKey(key)));
                None
            }
        };
        if let Some((text, hint)) = problem {
            section.problems().add_with_hint(&place, text, hint);
        }
    }
    found
}

fn is_quiet(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= LONGEST_TEXT
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

fn presets(section: &mut Section<'_>) -> Presets {
    let mut found = Presets::default();
    for (name, place) in section.placed_texts("presets").unwrap_or_default() {
        match Presets::named(&name) {
            _ if name == "all" => found = Presets::ALL,
            Some(preset) => found = found.and(preset),
            None => {
                let known: Vec<_> = PRESETS.iter().map(|preset| preset.name).collect();
                let list = format!("known: all, {}", known.join(", "));
                let near = crate::model::settings::nearest(&name, known.iter().copied());
                let hint = near.map_or(list.clone(), |near| format!("did you mean `{near}`? {list}"));
                section.problems().add_with_hint(&place, format!("unknown preset `{name}`"), hint);
            }
        }
    }
    found
}
