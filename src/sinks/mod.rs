//! Sinks: event → item, items → request, answer → verdict. All pure; the delivery moves the bytes.
//!
//! In reading order:
//! - [`kind`]: what every kind of sink is to the program
//! - [`loki`], [`elasticsearch`], [`stdout`], [`null`]: the kinds
//! - [`target`]: what a `--to` URL says
//! - `json`: documents written
//! - `pack`, `answer`: what requests and answers of HTTP stores have in common
//!
//! **Invariant**: [`KINDS`] is the one table; help, documents, schema and errors come from it.

pub mod elasticsearch;
pub mod kind;
pub mod loki;
pub mod null;
pub mod stdout;
pub mod target;

mod answer;
mod json;
mod pack;
#[cfg(test)]
pub(crate) mod samples;

pub use self::kind::{Given, Kind, Sink, Transport};
pub use self::target::Target;

/// All kinds of sinks.
pub const KINDS: &[Kind] = target::KINDS;

/// The kind typed under `type`. The error names the known ones: ``unknown sink `lokki`; known: …``.
pub fn find(name: &str) -> Result<&'static Kind, String> {
    target::find(name)
}

#[cfg(test)]
mod tests;
