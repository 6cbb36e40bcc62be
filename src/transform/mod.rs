//! What is done to a line or an event on its way: pure, the same in every replay.
//!
//! - [`redact`]: secrets are replaced before anything else looks at the line
//! - [`steps`]: what the settings call transforms, one after the other, and [`settings`]: how they are typed
//! - [`condition`]: what a step may ask an event for; [`shape`]: what it may change; [`sample`]: one of so many
//! - [`count`]: metrics made of events
//! - [`limit`]: so many a second, and [`dedupe`]: equal lines are one; they remember ([`key`], [`recent`]) and say in a [`summary`] line
//!   what they left out

pub mod condition;
pub mod count;
pub mod dedupe;
pub mod key;
pub mod limit;
pub mod recent;
pub mod redact;
pub mod sample;
pub mod settings;
pub mod shape;
pub mod steps;
pub mod summary;
