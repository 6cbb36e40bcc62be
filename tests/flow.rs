//! The flow of the real program: backpressure, the memory limit, catching up, and the account that balances at the end of
//! every test.
//!
//! Sizes are small by default; `TAILWATER_TEST_BYTES` (such as `1GiB`) makes them as large as in production.
#![expect(clippy::disallowed_methods, reason = "a test of the whole program touches the world")]

#[path = "flow/admin.rs"]
mod admin;
#[path = "flow/common.rs"]
mod common;
#[path = "flow/labels.rs"]
mod labels;
#[path = "flow/memory.rs"]
mod memory;
#[path = "flow/outage.rs"]
mod outage;
#[path = "flow/pace.rs"]
mod pace;
#[path = "flow/pipe.rs"]
mod pipe;
#[path = "flow/reload.rs"]
mod reload;
mod scenario;
#[path = "flow/spool.rs"]
mod spool;
mod support;
#[path = "flow/workers.rs"]
mod workers;
