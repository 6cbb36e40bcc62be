//! Elasticsearch's and OpenSearch's own settings.
//!
//! **Invariant**: either a data stream or an index, never both.

use std::borrow::Cow;

use crate::model::settings::{Key, Section};
use crate::sinks::kind::Given;

use super::names::NameTemplate;

/// The keys of a `type: elasticsearch` sink, beside those of all HTTP sinks.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "data_stream",
        kind: "template",
        default: DEFAULT_DATA_STREAM,
        help: "the data stream, such as `logs-{namespace}-default`",
    },
    Key {
        name: "index",
        kind: "template",
        default: "",
        help: "a plain or dated index in place of a data stream, such as `app-%Y.%m.%d`",
    },
    Key {
        name: "ids",
        kind: "true | false",
        default: "true",
        help: "whether documents get ids that a repeat is known by; some managed stores take none",
    },
    Key { name: "pipeline", kind: "text", default: "", help: "the ingest pipeline that documents go through" },
    Key { name: "compression", kind: "gzip | none", default: "gzip", help: "how requests are compressed" },
];

/// Where documents go when nothing is said.
pub(crate) const DEFAULT_DATA_STREAM: &str = "logs-tailwater-default";

/// What the encoder and the wire need to know.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// The name of the index or the data stream.
    pub(super) name: NameTemplate,
    /// Whether documents get ids.
    pub(super) ids: bool,
    /// Path and query of the requests.
    pub(super) path: Cow<'static, str>,
    /// Whether requests are gzipped.
    pub(super) gzip: bool,
    /// The fields that are added to every event.
    pub(super) fields: Vec<(String, String)>,
}

impl Settings {
    /// Reads them; problems go into the section's list. `None` where there is no legal name.
    pub(super) fn read(section: &mut Section<'_>, given: &Given) -> Option<Self> {
        let has_stream = section.node("data_stream").is_some();
        let index = section.parsed("index", NameTemplate::index);
        if has_stream && section.node("index").is_some() {
            section.problem("a sink has a `data_stream` or an `index`, not both", "leave one of them out");
        }
        let name = match (section.parsed("data_stream", NameTemplate::data_stream), index) {
            (Some(name), _) | (None, Some(name)) => Some(name),
            (None, None) => NameTemplate::data_stream(DEFAULT_DATA_STREAM).ok(),
        };
        let mut path = String::from("/_bulk?filter_path=errors,items.*.error,items.*.status");
        if let Some(pipeline) = section.text("pipeline").filter(|pipeline| !pipeline.is_empty()) {
            path.push_str("&pipeline=");
            percent_encode(&pipeline, &mut path);
        }
        Some(Self {
            name: name?,
            ids: section.truth("ids").unwrap_or(true),
            path: Cow::Owned(path),
            gzip: section.choice("compression", &[("gzip", true), ("none", false)]).unwrap_or(true),
            fields: given.unique_fields(),
        })
    }
}

/// RFC 3986, section 2.3: all but unreserved characters as `%XX`.
fn percent_encode(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_is_encoded() {
        let mut out = String::new();
        percent_encode("a-b_c.d~/é&x", &mut out);
        assert_eq!(out, "a-b_c.d~%2F%C3%A9%26x");
    }
}
