//! What may be said about an HTTP sink's connections.
//!
//! **Invariant**: what comes out can be acted on: URLs have a scheme and a host, no user and no query; header names
//! and values are legal; there is at most one kind of authentication. Secrets show as `***`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};

use crate::deliver::secret::{Secret, Source, mask_url};
use crate::model::settings::{Key, Place, Section};
use crate::model::units;

/// The keys that every HTTP sink has.
pub const KEYS: &[Key] = &[
    Key {
        name: "url",
        kind: "URL",
        default: "",
        help: "where the store is, such as `http://loki:3100`; a path is kept as a prefix",
    },
    Key {
        name: "urls",
        kind: "list of URLs",
        default: "",
        help: "several nodes of one store: they take turns, and one that fails rests",
    },
    Key { name: "headers", kind: "map of texts", default: "", help: "headers of every request" },
    Key {
        name: "auth",
        kind: "map",
        default: "",
        help: "one of `basic`, `bearer`, `bearer_file`, `api_key`, `api_key_file`",
    },
    Key { name: "tls", kind: "map", default: "", help: "whom to trust and who we are, for `https`" },
    Key { name: "timeout", kind: "duration", default: "30s", help: "the longest time for one request and its answer" },
    Key { name: "connect_timeout", kind: "duration", default: "5s", help: "the longest time to connect" },
    Key {
        name: "connection_max_age",
        kind: "duration",
        default: "5m",
        help: "after this time connections are made anew, with names and certificates looked up again",
    },
    Key {
        name: "proxy",
        kind: "URL or `none`",
        default: "",
        help: "the proxy for every request of this sink, or `none`; otherwise `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` decide",
    },
];

/// The keys of `auth`.
pub const AUTH_KEYS: &[Key] = &[
    Key { name: "basic", kind: "map", default: "", help: "`username` and `password` or `password_file`" },
    Key { name: "bearer", kind: "text", default: "", help: "a token" },
    Key {
        name: "bearer_file",
        kind: "path",
        default: "",
        help: "a file that holds a token; read again when it is refused",
    },
    Key { name: "api_key", kind: "text", default: "", help: "an Elasticsearch API key, encoded or as `id:key`" },
    Key {
        name: "api_key_file",
        kind: "path",
        default: "",
        help: "a file that holds one; read again when it is refused",
    },
];

/// The keys of `auth.basic`.
pub const BASIC_KEYS: &[Key] = &[
    Key { name: "username", kind: "text", default: "", help: "the user" },
    Key { name: "password", kind: "text", default: "", help: "the password" },
    Key {
        name: "password_file",
        kind: "path",
        default: "",
        help: "a file that holds it; read again when it is refused",
    },
];

/// The keys of `tls`.
pub const TLS_KEYS: &[Key] = &[
    Key { name: "ca_file", kind: "path", default: "", help: "PEM certificates to trust, instead of the system's" },
    Key { name: "cert_file", kind: "path", default: "", help: "our own PEM certificate, for stores that ask for one" },
    Key { name: "key_file", kind: "path", default: "", help: "the PEM key of `cert_file`" },
    Key {
        name: "insecure_skip_verify",
        kind: "true | false",
        default: "false",
        help: "believe any certificate: the logs and the credentials can then be read by whoever is in between",
    },
];

/// All that an HTTP sink needs to reach its store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The nodes; empty only where the settings have problems.
    pub urls: Vec<Endpoint>,
    /// Headers of every request.
    pub headers: Vec<Header>,
    /// Who we are.
    pub auth: Option<Auth>,
    /// Whom to trust.
    pub tls: Tls,
    /// The longest time for one request and its answer.
    pub timeout: Duration,
    /// The longest time to connect.
    pub connect_timeout: Duration,
    /// The age at which connections are made anew.
    pub connection_max_age: Duration,
    /// Through whom.
    pub proxy: Proxying,
}

/// One node of a store.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Scheme, host, port and path prefix; no user, no query.
    pub url: Url,
    /// User and password that stood in the URL.
    pub basic: Option<(String, Secret)>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.url.as_str().trim_end_matches('/');
        match (&self.basic, shown.split_once("://")) {
            (Some(_), Some((scheme, rest))) => write!(f, "{scheme}://***@{rest}"),
            _ => f.write_str(shown),
        }
    }
}

/// One header.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: HeaderName,
    /// Its value; marked as sensitive where the name says so.
    pub value: HeaderValue,
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.value.to_str().ok().filter(|_| !self.value.is_sensitive());
        write!(f, "{}: {}", self.name, shown.unwrap_or("***"))
    }
}

/// Who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Basic …`.
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: Source,
    },
    /// `Authorization: Bearer …`.
    Bearer(Source),
    /// `Authorization: ApiKey …`, Elasticsearch's own.
    ApiKey(Source),
}

/// Whom to trust, and who we are, for `https`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Our certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Believe any certificate.
    pub insecure_skip_verify: bool,
}

/// Through whom requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proxying {
    /// As `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` say.
    Environment,
    /// Directly.
    Direct,
    /// Through this one, whatever the environment says.
    Through(Endpoint),
}

impl Settings {
    /// The settings of a sink of which only the URL is known.
    pub fn from_url(url: &str) -> Result<Self, String> {
        Ok(Self::new(vec![Endpoint::parse(url)?]))
    }

    fn new(urls: Vec<Endpoint>) -> Self {
        Self {
            urls,
            headers: Vec::new(),
            auth: None,
            tls: Tls::default(),
            timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            connection_max_age: Duration::from_secs(300),
            proxy: Proxying::Environment,
        }
    }

    /// Reads [`KEYS`].
    pub fn read(section: &mut Section<'_>) -> Self {
        let mut typed = section.placed_texts("url").unwrap_or_default();
        let several = section.placed_texts("urls").unwrap_or_default();
        if typed.is_empty() && several.is_empty() {
            let text = format!("{} needs `url`", section.what());
            section.problem(text, "url: where the store is, such as `http://localhost:3100`");
        }
        typed.extend(several);
        let mut settings =
            Self::new(typed.iter().filter_map(|(url, place)| endpoint("url", url, place, section)).collect());
        settings.headers = headers(section);
        settings.auth = section.section("auth", &[AUTH_KEYS], auth).flatten();
        settings.tls = section.section("tls", &[TLS_KEYS], tls).unwrap_or_default();
        for (key, value) in [
            ("timeout", &mut settings.timeout),
            ("connect_timeout", &mut settings.connect_timeout),
            ("connection_max_age", &mut settings.connection_max_age),
        ] {
            let typed = section.parsed(key, |text| match units::parse_duration(text)? {
                Duration::ZERO => Err("expected more than nothing, such as `30s`".to_owned()),
                duration => Ok(duration),
            });
            *value = typed.unwrap_or(*value);
        }
        for (typed, place) in section.placed_texts("proxy").unwrap_or_default() {
            settings.proxy = match typed.as_str() {
                "none" => Proxying::Direct,
                url => endpoint("proxy", url, &place, section).map_or(Proxying::Direct, Proxying::Through),
            };
        }
        settings
    }
}

impl Endpoint {
    /// Reads a URL; user and password are moved out of it. The error never shows them.
    pub fn parse(typed: &str) -> Result<Self, String> {
        let shown = mask_url(typed);
        if typed.trim().is_empty() {
            return Err("it is empty".to_owned());
        }
        let mut url = Url::parse(typed).map_err(|error| format!("`{shown}` is no URL: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(format!("`{shown}` does not begin with `http://` or `https://` and a host"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(format!("`{shown}` has a `?` or `#`, where only a host and a path can be"));
        }
        let basic = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => Some((undo_percent(user), Secret::new(undo_percent(password.unwrap_or_default())))),
        };
        // Both fail only for URLs without a host, which were refused above.
        if url.set_username("").is_err() || url.set_password(None).is_err() {
            return Err(format!("`{shown}` cannot have a user"));
        }
        Ok(Self { url, basic })
    }
}

fn endpoint(key: &str, typed: &str, place: &Place, section: &mut Section<'_>) -> Option<Endpoint> {
    match Endpoint::parse(typed) {
        Ok(endpoint) => Some(endpoint),
        Err(problem) => {
            let hint = match key {
                "proxy" => "such as `http://proxy:3128`, or `none`",
                _ => "such as `http://localhost:3100`",
            };
            section.problems().add_with_hint(place, format!("wrong `{key}`: {problem}"), hint);
            None
        }
    }
}

fn headers(section: &mut Section<'_>) -> Vec<Header> {
    let mut headers = Vec::new();
    for (name, text, place) in section.text_map("headers").unwrap_or_default() {
        match (name.parse::<HeaderName>(), text.parse::<HeaderValue>()) {
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(is_sensitive(name.as_str()));
                headers.push(Header { name, value });
            }
            (Err(_), _) => section.problems().add_with_hint(
                &place,
                format!("`{name}` cannot be the name of a header"),
                "use letters, digits and `-`, such as `X-Team`",
            ),
            (_, Err(_)) => section.problems().add_with_hint(
                &place,
                format!("the value of header `{name}` has bytes that no header can have"),
                "write it without line ends and control characters",
            ),
        }
    }
    headers
}

/// Whether a header of this (lower-case) name usually holds a secret.
fn is_sensitive(name: &str) -> bool {
    ["auth", "cookie", "key", "token", "secret", "password", "signature"].iter().any(|word| name.contains(word))
}

fn auth(section: &mut Section<'_>) -> Option<Auth> {
    let typed = |text: String| Source::Typed(Secret::new(text));
    let file = |path: String| Source::File(PathBuf::from(path));
    let found = [
        section.section("basic", &[BASIC_KEYS], basic).flatten(),
        section.text("bearer").map(typed).map(Auth::Bearer),
        section.text("bearer_file").map(file).map(Auth::Bearer),
        section.text("api_key").map(typed).map(Auth::ApiKey),
        section.text("api_key_file").map(file).map(Auth::ApiKey),
    ];
    let mut found = found.into_iter().flatten();
    let first = found.next();
    if found.next().is_some() {
        let text = format!("{} has more than one kind of authentication", section.what());
        section.problem(text, "keep one of `basic`, `bearer`, `bearer_file`, `api_key`, `api_key_file`");
    }
    first
}

fn basic(section: &mut Section<'_>) -> Option<Auth> {
    let username = section.required_text("username");
    let password = match (section.text("password"), section.text("password_file")) {
        (Some(text), None) => Source::Typed(Secret::new(text)),
        (None, Some(path)) => Source::File(PathBuf::from(path)),
        _ => {
            let text = format!("{} needs one of `password` and `password_file`", section.what());
            section.problem(text, "write one of them: `password_file` keeps the password out of the settings");
            return None;
        }
    };
    Some(Auth::Basic { username, password })
}

fn tls(section: &mut Section<'_>) -> Tls {
    let ca_file = section.text("ca_file").map(PathBuf::from);
    let identity = match (section.text("cert_file"), section.text("key_file")) {
        (Some(cert), Some(key)) => Some((PathBuf::from(cert), PathBuf::from(key))),
        (None, None) => None,
        _ => {
            let text = format!("{} has only one of `cert_file` and `key_file`", section.what());
            section.problem(text, "name both, or neither: a certificate is of no use without its key");
            None
        }
    };
    Tls { ca_file, identity, insecure_skip_verify: section.truth("insecure_skip_verify").unwrap_or_default() }
}

/// `%41` → `A`; what is no such escape stays.
fn undo_percent(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = (byte == b'%').then(|| after.get(..2)).flatten();
        let value = escaped.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        out.push(value.unwrap_or(byte));
        rest = if value.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests;
