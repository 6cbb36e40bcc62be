//! What is done to a line or an event on its way: pure, the same in every replay.
//!
//! - [`redact`]: secrets are replaced before anything else looks at the line

pub mod redact;
