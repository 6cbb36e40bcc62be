//! The words everything else is written in. Floor 0: pure values, no input or output, no clock.
//!
//! In reading order:
//! - [`time`]: a point in time, its parsing and its text
//! - [`origin`]: who a line comes from
//! - [`event`]: spans, entries and events: what a line becomes
//! - [`feed`]: what a source hands to a pipeline, and where to go on in it
//! - [`labels`]: which labels of a store's streams stand beside the line, and from where on
//! - [`text`]: text that may still wear its JSON escapes
//! - [`template`]: names with placeholders
//! - `walk`: the application's JSON walked over, without building values
//! - [`reader`]: texts inside of events, read as lines are
//! - [`body`]: the encoded items of one batch and the spans they settle
//! - [`batch`]: what crosses from a pipeline's thread to its delivery and back
//! - [`budget`]: bytes of memory and the right to use some of them
//! - [`sink`]: the two pure halves of a sink, and what an answer means
//! - [`settings`]: the tree of typed-in settings, and reading it without stopping at the first problem
//! - [`nearest`]: names typed wrong
//! - [`units`]: sizes and durations as people write them

pub mod batch;
pub mod body;
pub mod budget;
pub mod event;
pub mod feed;
pub mod labels;
pub mod nearest;
pub mod origin;
pub mod reader;
pub mod settings;
pub mod sink;
pub mod template;
pub mod text;
pub mod time;
pub mod units;
pub(crate) mod walk;
