//! Grafana Loki, and what speaks its push protocol (VictoriaLogs).
//!
//! In reading order:
//! - [`settings`]: its keys, what they mean
//! - [`labels`]: label sets, their text and back
//! - [`entry`]: one entry as it goes on the wire, and back
//! - [`encoder`]: events into entries, each in the group of its stream
//! - `guard`: counts the values of labels
//! - [`wire`]: items into one push request
//! - [`verdict`]: what answers mean
//!
//! **Invariant**: the line that is stored is what the application wrote; only one beyond the store's limit is cut, and
//! then it says so. The same event always makes the same entry, which is how the store knows a repeat.

mod encoder;
mod entry;
mod guard;
mod labels;
mod settings;
mod verdict;
mod wire;

use std::sync::Arc;

use self::encoder::LokiEncoder;
use self::guard::Shared;
use self::settings::Settings;
use self::wire::LokiWire;
use super::kind::{Given, Kind, Sink, Transport};
use crate::model::settings::Section;

/// The row in the table of sinks.
pub const KIND: Kind = Kind {
    name: "loki",
    help: "pushes to Grafana Loki, or to VictoriaLogs under /insert",
    urls: &["loki+http://HOST:3100", "loki+https://HOST"],
    keys: settings::KEYS,
    transport: Transport::Http,
    build,
};

fn build(section: &mut Section<'_>, given: &Given) -> Sink {
    let settings = Arc::new(Settings::read(section, given));
    let wire = LokiWire::new(Arc::clone(&settings));
    let guard = Shared::new(settings.labels.names.len(), settings.max_label_values);
    Sink::new(move || LokiEncoder::new(Arc::clone(&settings), &guard), wire, Transport::Http)
}

#[cfg(test)]
mod tests;
