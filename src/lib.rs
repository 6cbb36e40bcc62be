//! Tailwater: follows container logs, turns each line into a structured event without copying it, batches, and
//! ships to Loki, Elasticsearch/OpenSearch or stdout. `ARCHITECTURE.md` is the map.
#![forbid(unsafe_code)]

pub mod admin;
pub mod app;
pub mod cli;
pub mod config;
pub mod deliver;
pub mod exit;
pub mod flow;
pub mod frame;
pub mod log;
pub mod metrics;
pub mod model;
pub mod parse;
pub mod pipeline;
pub mod sinks;
pub mod sources;
pub mod store;
pub mod transform;
