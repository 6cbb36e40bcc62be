//! Texts inside of events, read as lines are: a transform asks for it and a parser does it, and the two are strangers.
//!
//! ```text
//! config ── Readers ──▶ transform's settings ──▶ dyn Reader ── Found ──▶ the event's fields
//! ```
//!
//! **Invariant**: reading is total, and what is found depends on the text alone; but for a time without a year, which is the one
//! nearest to a given time.

use std::fmt;

use super::event::{Fields, Level};
use super::settings::{Key, Node, Problems, Section};
use super::time::Time;

/// What a text says.
#[derive(Clone, Copy, Debug)]
pub struct Found<'f> {
    /// How grave it is, where it says so.
    pub level: Option<Level>,
    /// Its fields; of JSON as they stand in the text, which may have breaks of lines between them.
    pub fields: Fields<'f>,
    /// Whether a value did not fit its type, and stayed as it was.
    pub misfits: bool,
}

/// Reads texts. One per worker.
pub trait Reader: fmt::Debug + Send + Sync {
    /// Gives `take` what `text` says, once; or nothing, and `false`, where it is not what is looked for.
    fn read(&mut self, text: &str, near: Time, take: &mut dyn FnMut(&Found<'_>)) -> bool;

    /// Another that reads the same.
    fn another(&self) -> Box<dyn Reader>;
}

impl Clone for Box<dyn Reader> {
    fn clone(&self) -> Self {
        self.another()
    }
}

/// How readers are typed.
#[derive(Clone, Copy, Debug)]
pub struct Readers {
    /// The keys of one that is typed as a map.
    pub keys: &'static [Key],
    /// Reads these keys of a section; `None` if they are wrong, which is noted.
    pub of_map: fn(&mut Section<'_>) -> Option<Box<dyn Reader>>,
    /// The reader of a name; `None` if it is wrong or no name, which is noted.
    pub of_name: fn(&Node, &mut Problems) -> Option<Box<dyn Reader>>,
}
