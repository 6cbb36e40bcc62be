//! Files: which there are, who they are, when they are at an end.
//!
//! - [`find`]: walks folders and says which files a source wants
//! - [`slot`]: one file that is followed, and when it is at its end
//! - [`watch`]: tells of folders in which something changed
//! - [`identify`]: whose content a file holds
//! - [`follow`]: the thread that keeps all of it and hands feeds to the pipelines

pub mod find;
pub mod follow;
pub mod identify;
pub mod slot;
pub mod watch;
