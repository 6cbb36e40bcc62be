//! Elasticsearch and OpenSearch, through the bulk API.
//!
//! In reading order:
//! - [`settings`]: its keys, what they mean
//! - [`names`]: names of indices and data streams, made legal
//! - [`id`]: document ids that a replay makes again
//! - [`encoder`]: events into bulk actions
//! - [`wire`]: items into one request; folded items and dead letters
//! - [`verdict`]: what answers mean
//!
//! **Invariant**: documents are only created, never overwritten, so a repeat of an id is known for what it is. Names
//! are those of the Elastic Common Schema; the application's own keys stand under `fields`, as they are.

mod encoder;
mod id;
mod names;
mod settings;
mod verdict;
mod wire;

use std::sync::Arc;

use self::encoder::BulkEncoder;
use self::settings::Settings;
use self::wire::BulkWire;
use super::kind::{Given, Kind, Sink, Transport};
use super::null;
use crate::model::settings::Section;

pub(crate) use self::settings::DEFAULT_DATA_STREAM;

/// The row in the table of sinks.
pub const KIND: Kind = Kind {
    name: "elasticsearch",
    help: "creates documents in Elasticsearch or OpenSearch, in a data stream or in dated indices",
    urls: &["es+http://HOST:9200/DATA-STREAM", "es+https://HOST/DATA-STREAM"],
    keys: settings::KEYS,
    transport: Transport::Http,
    build,
};

fn build(section: &mut Section<'_>, given: &Given) -> Sink {
    let Some(settings) = Settings::read(section, given) else {
        // A problem was noted, so this sink is never used.
        return (null::KIND.build)(section, given);
    };
    let settings = Arc::new(settings);
    let wire = BulkWire::new(Arc::clone(&settings));
    Sink::new(move || BulkEncoder::new(Arc::clone(&settings)), wire, Transport::Http)
}

#[cfg(test)]
mod tests;
