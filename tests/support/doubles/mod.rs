//! Stores played in this process: they do what only the real ones do, remember everything, and fail on demand.
//!
//! - `wire`           one HTTP/1.1 request in, one answer out
//! - `server`         connections, the script of failures, waiting: what every double shares
//! - `loki`           `/loki/api/v1/push`: de-duplication, limits, partial refusals, in Loki's words
//! - `front`          TLS and proxies before a double
//! - `elasticsearch`  `/_bulk`: ids, data streams, verdicts per item, in OpenSearch's words

pub mod elasticsearch;
pub mod front;
pub mod loki;
pub mod server;
pub mod wire;

pub use elasticsearch::Elasticsearch;
pub use loki::Loki;
pub use server::{Double, Mode, Seen, State, Step};
pub use wire::{Answer, Request};
