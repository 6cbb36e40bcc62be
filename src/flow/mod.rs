//! flow.

pub mod retry;
pub mod retry_gate;
pub mod worklist;
