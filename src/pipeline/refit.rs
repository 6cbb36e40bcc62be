//! What a pipeline that is at work goes on with: other settings.

use std::sync::Arc;

use super::forge::Tools;
use crate::model::batch::Batch;
use crate::model::feed::ParserName;

/// What a pipeline goes on with.
pub struct Refit {
    /// What makes items of entries.
    pub tools: Tools,
    /// Takes sealed batches.
    pub outlet: Box<dyn Fn(Batch) + Send>,
    /// The sources that it reads, and which parser each asks for; the files of others are let go of.
    pub sources: Vec<(Arc<str>, ParserName)>,
    /// Called when it goes on, with how many lines were given back.
    pub done: Box<dyn FnOnce(u64) + Send>,
}
