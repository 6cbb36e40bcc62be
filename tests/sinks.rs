//! The sinks end to end: the real binary against the doubles, through every row of both verdict tables and through every
//! key that says how a store is reached.
//!
//! - `stage`          one run: lines in, a store's double, what became of the lines, and that no secret was said
//! - `rows`           a row of a verdict table: answers, and what comes of 8 lines
//! - `loki`           what Loki's answers do to lines
//! - `elasticsearch`  what bulk answers do to documents
//! - `shapes`         what requests look like: tenants, labels, names, forms
//! - `connections`    credentials, TLS, proxies, several nodes
//! - `redact`         secrets: nothing that goes out or is said holds one
//! - `transforms`     what is left out, under which name, and what a restart makes of it
//! - `limiting`       transforms that remember: what stores get, what is counted, what is said before the end
//! - `whole`          the example of all keys, run as it is
//!
//! Each run ends with its books: every line delivered once, or gone for a named reason that `/metrics` counts.
#![expect(clippy::disallowed_methods, reason = "a test of the whole program touches the world")]

mod scenario;
mod support;

#[path = "sinks/connections.rs"]
mod connections;
#[path = "sinks/elasticsearch.rs"]
mod elasticsearch;
#[path = "sinks/limiting.rs"]
mod limiting;
#[path = "sinks/loki.rs"]
mod loki;
#[path = "sinks/redact.rs"]
mod redact;
#[path = "sinks/rows.rs"]
mod rows;
#[path = "sinks/shapes.rs"]
mod shapes;
#[path = "sinks/stage.rs"]
mod stage;
#[path = "sinks/transforms.rs"]
mod transforms;
#[path = "sinks/whole.rs"]
mod whole;
