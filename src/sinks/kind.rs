//! What every kind of sink is to the program: a row with its name, its keys and its constructor.
//!
//! **Invariant**: a sink is built from its settings in one place, [`Kind::build`]; a `--to` URL is first turned into
//! the settings that say the same. It refuses to know what is common to HTTP sinks (URL, auth, batch, retry).

use std::sync::Arc;

use crate::model::settings::{Key, Section};
use crate::model::sink::{Encoder, Wire};

/// One kind of sink.
pub struct Kind {
    /// The name typed under `type`.
    pub name: &'static str,
    /// One sentence for help and documents.
    pub help: &'static str,
    /// The forms of `--to` that choose it.
    pub urls: &'static [&'static str],
    /// Its own keys, beside those common to all sinks or to all HTTP sinks.
    pub keys: &'static [Key],
    /// How its requests are moved.
    pub transport: Transport,
    /// Reads its own keys. Problems go into the section's list; then the sink that comes back is not to be used.
    pub build: fn(&mut Section<'_>, &Given) -> Sink,
}

/// How a sink's requests are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// POSTed to an HTTP store.
    Http,
    /// Written to standard output.
    Stdout,
    /// Nowhere.
    Null,
}

/// What a sink is told from outside its own settings.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Fields that are added to every event, from `fields` and `--label`; of equal names the last wins.
    pub fields: Vec<(String, String)>,
    /// Whether standard output is a terminal: then its default format is for people.
    pub terminal: bool,
    /// Whether the terminal shows colours.
    pub color: bool,
}

impl Given {
    /// The fields, each name once.
    pub fn unique_fields(&self) -> Vec<(String, String)> {
        let mut unique: Vec<(String, String)> = Vec::with_capacity(self.fields.len());
        for (name, value) in &self.fields {
            match unique.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => known.clone_from(value),
                None => unique.push((name.clone(), value.clone())),
            }
        }
        unique
    }
}

/// A sink, ready to be used.
#[derive(Clone)]
pub struct Sink {
    encoder: Arc<dyn Fn() -> Box<dyn Encoder> + Send + Sync>,
    /// Requests and verdicts.
    pub wire: Arc<dyn Wire>,
    /// How its requests are moved.
    pub transport: Transport,
}

impl Sink {
    /// Puts the halves together.
    pub fn new<E: Encoder + 'static>(
        encoder: impl Fn() -> E + Send + Sync + 'static,
        wire: impl Wire + 'static,
        transport: Transport,
    ) -> Self {
        Self { encoder: Arc::new(move || Box::new(encoder()) as Box<dyn Encoder>), wire: Arc::new(wire), transport }
    }

    /// A new encoder, one for each worker.
    pub fn encoder(&self) -> Box<dyn Encoder> {
        (self.encoder)()
    }
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink").field("transport", &self.transport).finish_non_exhaustive()
    }
}
