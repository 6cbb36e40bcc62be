//! When a batch is full, and how many bytes a permit stands for.

use std::time::Duration;

use crate::model::body::Item;
use crate::model::event::Span;
use crate::model::settings::{Key, Section};
use crate::model::units;

/// How a sink's batches are cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A batch is sealed once its body has this many bytes; one line may lie over it.
    pub max_bytes: usize,
    /// A batch is sealed once its first event waited this long.
    pub max_age: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { max_bytes: 1 << 20, max_age: Duration::from_secs(1) }
    }
}

impl Settings {
    /// The keys of `batch`.
    pub const KEYS: &'static [Key] = &[
        Key {
            name: "max_bytes",
            kind: "size",
            default: "1MiB",
            help: "a batch is sent once its body, before compression, has this size",
        },
        Key {
            name: "max_age",
            kind: "duration",
            default: "1s",
            help: "a batch is sent once its first event is this old",
        },
    ];

    /// Reads the section `batch`.
    pub fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        let max_bytes = section.parsed("max_bytes", |text| match units::parse_bytes(text)? {
            size if (16 << 10..=64 << 20).contains(&size) => Ok(size as usize),
            _ => Err("choose between `16KiB` and `64MiB`; `1MiB` suits most stores".to_owned()),
        });
        Self {
            max_bytes: max_bytes.unwrap_or(default.max_bytes),
            max_age: section.duration("max_age").unwrap_or(default.max_age),
        }
    }

    /// The most items of one batch: so that the bookkeeping of very short lines stays in proportion to the body.
    pub fn max_items(&self) -> usize {
        self.max_bytes / 64
    }

    /// Bytes of a body's buffer: its largest content, one line over.
    pub fn body_capacity(&self, line_bound: usize) -> usize {
        self.max_bytes + line_bound
    }

    /// The bytes a permit stands for: the largest body with one line over, what the wire needs beside it, and the
    /// items with their spans (twice: a growing list holds its old half while it is copied).
    pub fn permit_bytes(&self, line_bound: usize, wire_bound: usize) -> usize {
        let bookkeeping = 2 * self.max_items() * (size_of::<Item>() + size_of::<Span>());
        self.body_capacity(line_bound) + wire_bound + bookkeeping
    }
}
