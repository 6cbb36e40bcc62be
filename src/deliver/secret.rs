//! What must never be printed.
//!
//! **Invariant**: a [`Secret`] shows itself as `***`, in every format; who wants the text says so by
//! [`Secret::reveal`].

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// A text that must never be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, to be sent and nothing else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where a secret is to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// It was typed.
    Typed(Secret),
    /// It stands in a file, which may change while the program runs.
    File(PathBuf),
}

impl Source {
    /// The secret, as it is now. White space around a file's text is not part of it.
    pub fn read(&self) -> Result<Secret, String> {
        match self {
            Self::Typed(secret) => Ok(secret.clone()),
            Self::File(path) => read_file(path),
        }
    }
}

fn read_file(path: &Path) -> Result<Secret, String> {
    let shown = path.display();
    match fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => Err(format!("the secret in `{shown}` is empty")),
        Ok(text) => Ok(Secret::new(text.trim())),
        Err(error) => Err(format!("cannot read the secret in `{shown}`: {error}")),
    }
}

/// `text` with every one of `secrets` replaced by `***`.
pub fn mask<'s>(text: &str, secrets: impl Iterator<Item = &'s str>) -> String {
    // Very short ones would tear up ordinary words and protect nobody.
    secrets.filter(|secret| secret.len() > 2).fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
}

/// `url` with user and password replaced, whether it is a URL or not.
pub fn mask_url(url: &str) -> String {
    let begin = url.find("://").map_or(0, |at| at + 3);
    match secret_end(&url[begin..]) {
        Some(at) => format!("{}***{}", &url[..begin], &url[begin + at..]),
        None => url.to_owned(),
    }
}

/// Where user and password end at the beginning of `rest`, which is what follows a URL's scheme: their `@`. `None`
/// where there are none: an `@` behind a host and its port belongs to a path.
pub fn secret_end(rest: &str) -> Option<usize> {
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let is_port = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match (authority.rfind('@'), authority.rsplit_once(':')) {
        (Some(at), _) => Some(at),
        // What looks like a port and is none is the beginning of a password with a slash in it.
        (None, Some((_, port))) if !is_port(port) => rest.rfind('@'),
        (None, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?} {:?}", Source::Typed(secret.clone())), "*** *** Typed(***)");
        assert_eq!(mask("user hunter2 and x", ["hunter2", "x"].into_iter()), "user *** and x");
    }

    #[test]
    fn urls_lose_their_user() {
        for (url, masked) in [
            ("http://u:p@h:3100/a?b=c@d", "http://***@h:3100/a?b=c@d"),
            ("http://u:p@ss@h", "http://***@h"),
            ("http://h/a@b", "http://h/a@b"),
            ("http://h:80/a@b", "http://h:80/a@b"),
            ("http://u:p/q@h", "http://***@h"),
            ("http:/u:p@h", "***@h"),
            ("u:p@h", "***@h"),
            ("h:3100", "h:3100"),
        ] {
            assert_eq!(mask_url(url), masked);
        }
    }

    #[test]
    fn a_file_is_read_as_it_is_now() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let source = Source::File(file.path().to_owned());
        assert!(source.read().expect_err("empty").ends_with("is empty"));
        fs::write(file.path(), "one\n").expect("write");
        assert_eq!(source.read(), Ok(Secret::new("one")));
        fs::remove_file(file.path()).expect("remove");
        assert!(source.read().expect_err("missing").starts_with("cannot read the secret in `/"));
    }
}
