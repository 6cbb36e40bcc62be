//! What is told to the follower while it works: who reads from now on, and what.

use std::sync::Arc;
use std::time::Duration;

use super::find::Finder;
use crate::model::feed::Signal;
use crate::sources::share::Share;

/// Takes a pipeline's signals.
pub type Inbox = Arc<dyn Fn(Signal) + Send + Sync>;

/// So many more pipelines than at the start there may be at a time.
pub const SPARE: usize = 4;

/// One change.
pub enum Change {
    /// A pipeline comes.
    Join(Join),
    /// The pipeline of this index has ended.
    Leave(usize),
    /// A pipeline wants the lines of these sources from now on.
    Wants {
        /// Its index.
        index: usize,
        /// The sources.
        sources: Vec<Arc<str>>,
    },
    /// The sources are others.
    Sources(Sources),
}

/// The sources from now on.
pub struct Sources {
    /// All of them.
    pub finders: Vec<Finder>,
    /// Those that are what they were, but for who wants them and their parser.
    pub kept: Vec<Arc<str>>,
    /// What deleted files may hold back.
    pub hold_deleted: (Duration, u64),
    /// Called when every pipeline was told which files to let go of.
    pub done: Box<dyn FnOnce() + Send>,
}

/// A pipeline that comes.
pub struct Join {
    /// Its index: a free one.
    pub index: usize,
    /// Its name.
    pub name: Arc<str>,
    /// Takes its signals.
    pub inbox: Inbox,
    /// Which origins it reads.
    pub share: Share,
    /// The sources that it wants.
    pub sources: Vec<Arc<str>>,
}
