//! Sinks: event → item, items → request, answer → verdict. All pure; the delivery moves the bytes.
//!
//! In reading order:
//! - [`kind`]: what every kind of sink is to the program
//! - [`loki`], [`elasticsearch`], [`stdout`], [`null`]: the kinds
//! - [`template`]: names with placeholders
//! - `json`, `walk`: documents written, the application's JSON walked over
//! - `pack`, `answer`: what requests and answers of HTTP stores have in common
//!
//! **Invariant**: [`KINDS`] is the one table; help, documents, schema and errors come from it.

pub mod elasticsearch;
pub mod kind;
pub mod loki;
pub mod null;
pub mod stdout;
pub mod template;

mod answer;
mod json;
mod pack;
#[cfg(test)]
mod samples;
mod walk;

use self::kind::Kind;

/// All kinds of sinks.
pub const KINDS: &[Kind] = &[loki::KIND, elasticsearch::KIND, stdout::KIND, null::KIND];

#[cfg(test)]
mod tests;
