//! What the tests share, and the product does not know: nothing in this folder uses a line of the product's code, so
//! what is read back and compared is an independent second opinion.
//!
//! - `generate`  realistic container logs by seed, and the lines a collector must deliver from them
//! - `account`   who has been seen, how often and unchanged
//! - `doubles`   a Loki and an Elasticsearch in this process, which do what only those do, and fail on demand
//! - `http`      a blocking client for loopback
//! - `time`      nanoseconds as people write them
//! - `stores`    readers of real VictoriaLogs and OpenSearch, started by `tests/stores/run`

#![allow(dead_code, unreachable_pub, reason = "every test binary takes only what it needs from here")]

pub mod account;
pub mod doubles;
pub mod generate;
pub mod http;
pub mod stores;
pub mod time;
