//! What must not be shown: passwords, keys and tokens, wherever settings are printed.
//!
//! **Invariant**: when in doubt it is masked. A shown secret ends up in a log store; a masked value costs a look into
//! the file.

use std::borrow::Cow;

use crate::deliver::secret::secret_end;
use crate::model::settings::nearest;

/// What stands for a secret.
pub const MASK: &str = "***";

/// Parts of a key's name that make its value a secret.
const WORDS: [&str; 9] =
    ["password", "passwd", "secret", "token", "bearer", "api_key", "apikey", "authorization", "credential"];

/// Whether the value under `key` is a secret by its name. A `…_file` only names where the secret is.
pub fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    !key.ends_with("_file") && WORDS.iter().any(|word| key.contains(word))
}

/// Whether `key` could be a secret's name typed wrong, as `passwort`. Too much is hidden rather than too little.
fn is_nearly_secret(key: &str) -> bool {
    is_secret(key) || !key.ends_with("_file") && (key.contains("pass") || nearest(key, WORDS.into_iter()).is_some())
}

/// The value of the first secret in a line of a settings file: where it begins.
pub fn find_value(line: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = line[from..].find(':') {
        let colon = from + at;
        let key = line[..colon].trim_end().rsplit([' ', ',', '{', '[', '\t']).next().unwrap_or("");
        let value = line[colon + 1..].trim_start();
        if is_nearly_secret(key.trim_matches(['"', '\''])) && !value.is_empty() && !value.starts_with(['{', '[', '#']) {
            return Some(line.len() - value.len());
        }
        from = colon + 1;
    }
    None
}

/// Whether line `index` goes on with a secret that begins further up: its key stands alone, or before `|` or `>`.
pub fn continues(lines: &[&str], index: usize) -> bool {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let Some(line) = lines.get(index) else { return false };
    let above = lines[..index].iter().rev().filter(|line| !line.trim().is_empty());
    let Some(owner) = above.into_iter().find(|above| indent(above) < indent(line)) else { return false };
    let owner = owner.trim().trim_end_matches(['|', '>', '-', '+', ' ']);
    owner.strip_suffix(':').is_some_and(|key| is_nearly_secret(key.rsplit([' ', '{', ',']).next().unwrap_or(key)))
}

/// `text` with the password of every URL in it masked: `http://user:***@host`; also where it is a URL typed wrong.
pub fn mask_urls(text: &str) -> Cow<'_, str> {
    if !text.contains('@') {
        return Cow::Borrowed(text);
    }
    let ends_word = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`');
    Cow::Owned(text.split_inclusive(ends_word).map(mask_word).collect())
}

/// One word, which may be a URL: `scheme://user:password@host/path`, or less of it.
fn mask_word(word: &str) -> Cow<'_, str> {
    let begin = word.find("://").map_or(0, |at| at + 3);
    let Some(at) = secret_end(&word[begin..]).map(|at| begin + at) else { return Cow::Borrowed(word) };
    match word[begin..at].split_once(':') {
        Some((user, _)) => Cow::Owned([&word[..begin], user, ":", MASK, &word[at..]].concat()),
        // A lone name may be a token; without a scheme it is somebody's address.
        None if begin > 0 => Cow::Owned([&word[..begin], MASK, &word[at..]].concat()),
        None => Cow::Borrowed(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_by_name() {
        for key in ["password", "bearer", "api_key", "X-Api-Key", "Authorization", "client_secret", "passwords"] {
            assert!(is_secret(key), "{key}");
        }
        for key in ["username", "password_file", "api_key_file", "url", "tenant"] {
            assert!(!is_secret(key), "{key}");
        }
    }

    #[test]
    fn secrets_in_lines() {
        let check = |line: &str, expected: Option<&str>| assert_eq!(find_value(line).map(|at| &line[at..]), expected);
        check("password: a", Some("a"));
        check("  auth: { basic: { username: u, 'passwort': a b } }", Some("a b } }"));
        check("auth: { bearr: a }", Some("a }"));
        check("auth: { basic: {", None);
        check("password_file: /a", None);
        check("password:", None);
        check("url: http://a", None);
    }

    #[test]
    fn secrets_over_several_lines() {
        let lines = ["auth:", "  password: |", "    a", "", "    b", "  bearer:", "    c", "url: x"];
        let found: Vec<_> = (0..9).filter(|index| continues(&lines, *index)).collect();
        assert_eq!(found, [2, 4, 6]);
    }

    #[test]
    fn urls() {
        let check = |text: &str, expected: &str| assert_eq!(mask_urls(text), expected);
        check("http://loki:3100/a@b", "http://loki:3100/a@b");
        check("http://me:geheim@loki:3100/x", "http://me:***@loki:3100/x");
        check("http://me:p@ss@loki", "http://me:***@loki");
        check("https://token@host", "https://***@host");
        check("- `es+http://a:b@c` and http://d:e@f.", "- `es+http://a:***@c` and http://d:***@f.");
        check("me@there://x", "me@there://x");
        check("write to me@there", "write to me@there");
        // Typed wrong, and a password all the same.
        check("`loki+http:me:geheim@h`", "`loki+http:***@h`");
        check("url: http:/me:geheim@h", "url: http:***@h");
        check("me:geheim@h:3100", "me:***@h:3100");
        check("http://me:ge/heim@h", "http://me:***@h");
        check("http://me:geheim@loki:3100/a@b", "http://me:***@loki:3100/a@b");
    }
}
