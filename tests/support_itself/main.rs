//! The tests of what the tests lean on: the doubles, the generator, the account.
#![expect(clippy::disallowed_methods, reason = "doubles and tests touch the world")]
#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

#[path = "../support/mod.rs"]
mod support;

mod elasticsearch;
mod generate;
mod loki;
