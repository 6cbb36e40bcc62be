//! What a `--to` URL says: the settings of a sink that nobody had to write.
//!
//! ```text
//! loki+http://host:3100[/prefix]        loki, url: http://host:3100[/prefix]
//! es+http://host:9200[/prefix]/STREAM   elasticsearch, url: http://host:9200[/prefix], data_stream: STREAM
//! es+http://host:9200                   … data_stream: logs-tailwater-default
//! stdout:  null:
//! ```
//!
//! **Invariant**: a target is built as the same settings typed into a file would be; there is no second way.

use crate::model::settings::{Node, Place, Value};

use super::elasticsearch::DEFAULT_DATA_STREAM;
use super::kind::Kind;
use super::{elasticsearch, loki, null, stdout};

/// All kinds of sinks.
pub(super) const KINDS: &[Kind] = &[loki::KIND, elasticsearch::KIND, stdout::KIND, null::KIND];

/// The kind typed under `type`.
pub(super) fn find(name: &str) -> Result<&'static Kind, String> {
    KINDS.iter().find(|kind| kind.name == name).ok_or_else(|| {
        let known: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
        format!("unknown sink `{name}`; known: {}", known.join(", "))
    })
}

/// What a URL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The kind's name.
    pub kind: &'static str,
    /// Keys and values, as they would be typed.
    pub settings: Vec<(&'static str, String)>,
}

impl Target {
    /// Reads a URL. The error is a whole message, the hint behind `; `.
    pub fn parse(to: &str) -> Result<Self, String> {
        let expected = || {
            let urls: Vec<_> = KINDS.iter().flat_map(|kind| kind.urls).map(|url| format!("`{url}`")).collect();
            format!("cannot send to `{to}`; expected {}", urls.join(", "))
        };
        let (scheme, rest) = to.split_once(':').ok_or_else(expected)?;
        match scheme {
            "stdout" | "null" if rest.is_empty() => Ok(Self {
                kind: if scheme == "null" { null::KIND.name } else { stdout::KIND.name },
                settings: Vec::new(),
            }),
            "loki+http" | "loki+https" | "es+http" | "es+https" => {
                let (kind, scheme) = scheme.split_once('+').ok_or_else(expected)?;
                let rest = rest.strip_prefix("//").ok_or_else(expected)?;
                let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                if host.is_empty() || rest.contains(['?', '#']) {
                    return Err(expected());
                }
                let path = path.trim_end_matches('/');
                if kind == "loki" {
                    return Ok(Self {
                        kind: loki::KIND.name,
                        settings: vec![("url", format!("{scheme}://{host}{path}"))],
                    });
                }
                let (prefix, stream) = path.rsplit_once('/').unwrap_or(("", ""));
                let stream = if stream.is_empty() { DEFAULT_DATA_STREAM } else { stream };
                let url = format!("{scheme}://{host}{prefix}");
                let settings = vec![("url", url), ("data_stream", stream.to_owned())];
                Ok(Self { kind: elasticsearch::KIND.name, settings })
            }
            _ => Err(expected()),
        }
    }

    /// The settings as the section of a sink, `type` included.
    pub fn node(&self, place: &Place) -> Node {
        let entry = |key: &str, value: &str| {
            let node = Node { place: place.clone(), value: Value::Scalar(value.to_owned()) };
            (key.to_owned(), place.clone(), node)
        };
        let mut entries = vec![entry("type", self.kind)];
        entries.extend(self.settings.iter().map(|(key, value)| entry(key, value)));
        Node { place: place.clone(), value: Value::Map(entries) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(to: &str, kind: &str, settings: &[(&'static str, &str)]) {
        let target = Target::parse(to).expect(to);
        assert_eq!(target.kind, kind);
        let seen: Vec<_> = target.settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
        assert_eq!(seen, settings, "{to}");
    }

    #[test]
    fn what_urls_say() {
        check("loki+http://localhost:3100", "loki", &[("url", "http://localhost:3100")]);
        check("loki+http://localhost:3100/", "loki", &[("url", "http://localhost:3100")]);
        check("loki+https://u:p@h/insert", "loki", &[("url", "https://u:p@h/insert")]);
        let es = |url, stream| [("url", url), ("data_stream", stream)];
        check("es+http://h:9200/logs-nginx-default", "elasticsearch", &es("http://h:9200", "logs-nginx-default"));
        check("es+https://h/a/b/logs-x-y/", "elasticsearch", &es("https://h/a/b", "logs-x-y"));
        check("es+http://h:9200", "elasticsearch", &es("http://h:9200", "logs-tailwater-default"));
        check("es+http://[::1]:9200/", "elasticsearch", &es("http://[::1]:9200", "logs-tailwater-default"));
        check("stdout:", "stdout", &[]);
        check("null:", "null", &[]);
    }

    #[test]
    fn what_is_no_target() {
        for to in [
            "",
            "stdout",
            "stdout:x",
            "http://h",
            "loki://h",
            "loki+http:h",
            "es+http://",
            "loki+http://h?x=1",
            "kafka:",
        ] {
            let error = Target::parse(to).expect_err(to);
            assert!(error.starts_with(&format!("cannot send to `{to}`; expected `loki+http://HOST:3100`")), "{error}");
        }
    }

    #[test]
    fn an_unknown_kind_hears_the_known_ones() {
        assert_eq!(find("lokki").err(), Some("unknown sink `lokki`; known: loki, elasticsearch, stdout, null".into()));
        assert!(KINDS.iter().all(|kind| find(kind.name).is_ok_and(|found| found.name == kind.name)));
    }
}
