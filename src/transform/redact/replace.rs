//! What stands for a secret: `[redacted:email]`, the user's own text, or `[email:1f0a…]` with a keyed hash.
//!
//! **Invariant**: what stands for a secret has no quote, backslash, control character or white space of its own, so that the
//! line around it reads as before. Equal secrets have equal hashes; without the key a hash says nothing.

use std::fmt::Write as _;

use ring::hmac;

use super::settings::{Settings, With};

/// How much of an HMAC is written: 64 bits, of which a billion secrets share none but by odds of one in forty.
const HASH_BYTES: usize = 8;

/// Writes what stands for secrets.
#[derive(Clone, Debug)]
pub(super) struct Replace {
    /// For each kind of secret the text, or what comes before the hash.
    texts: Vec<String>,
    key: Option<hmac::Key>,
}

impl Replace {
    pub(super) fn new<'n>(names: impl Iterator<Item = &'n str>, settings: &Settings) -> Self {
        let text = |name: &str| match &settings.with {
            With::Named => format!("[redacted:{name}]"),
            With::Text(text) => text.clone(),
            With::Hash(_) => format!("[{name}:"),
        };
        let key = match &settings.with {
            With::Hash(key) => Some(hmac::Key::new(hmac::HMAC_SHA256, key.bytes())),
            With::Named | With::Text(_) => None,
        };
        Self { texts: names.map(text).collect(), key }
    }

    /// The index of the last kind.
    pub(super) fn last(&self) -> usize {
        self.texts.len().saturating_sub(1)
    }

    /// Whether hashes are made with the same key, or none are in both.
    pub(super) fn has_key_of(&self, other: &Self) -> bool {
        let mark = |replace: &Self| replace.key.as_ref().map(|key| hmac::sign(key, b"").as_ref().to_vec());
        mark(self) == mark(other)
    }

    pub(super) fn put(&self, what: usize, secret: &str, out: &mut String) {
        out.push_str(self.texts.get(what).map_or("[redacted]", String::as_str));
        let Some(key) = &self.key else { return };
        let tag = hmac::sign(key, secret.as_bytes());
        for byte in tag.as_ref().iter().take(HASH_BYTES) {
            // Writing to a `String` does not fail.
            let _infallible = write!(out, "{byte:02x}");
        }
        out.push(']');
    }
}
