//! The decisions of the flow, pure: no clock, no file, no network.
//!
//! - [`batch`]: when a batch is full, how many bytes a permit stands for
//! - [`ledger`]: which spans are settled, and the watermark
//! - [`account`]: what became of what was read
//! - [`pace`]: how far ahead an origin may be read
//! - [`runs`]: lines of one time, told apart by counting
//! - [`checkpoint`]: what a checkpoint says; [`record`] and [`slot`]: its bytes
//! - [`rotation`]: what a file's name says about its rotation
//! - [`worklist`]: the state machine of one batch under delivery
//! - [`retry`]: how long to wait before the next try
//! - [`retry_gate`]: when a store that failed may be asked again

pub mod account;
pub mod batch;
pub mod checkpoint;
pub mod ledger;
pub mod pace;
pub mod record;
pub mod retry;
pub mod retry_gate;
pub mod rotation;
pub mod runs;
pub mod slot;
pub mod worklist;
