//! Files: which there are, who they are, when they are at an end.
//!
//! - [`find`]: a source; [`walk`]: where it looks for files; [`found`]: what it finds
//! - [`slot`]: one file that is followed, and when it is at its end
//! - [`watch`]: tells of folders in which something changed
//! - [`identify`]: whose content a file holds
//! - [`end`]: where reading begins that wants only what comes
//! - [`gzip`]: a compressed file's content
//! - [`follow`]: the thread that keeps all of it and hands feeds to the pipelines
//! - `look`: its part that walks, everything or single folders
//! - `states`: what it knows of files that are not followed
//! - `waiting`: its part that waits for first lines
//! - `idle`: its part that has idle files watched
//! - [`claim`]: its part that finds out whose content a new file is
//! - [`leave`]: its part that lets go of files
//! - [`change`]: who reads from now on, and what; `rearrange`: its part that takes that in
//! - `descriptors`: its part that has files take turns where too few may be open

pub mod change;
pub mod claim;
mod descriptors;
pub mod end;
pub mod find;
pub mod follow;
pub mod found;
pub mod gzip;
pub mod identify;
mod idle;
pub mod leave;
mod look;
mod rearrange;
pub mod slot;
mod states;
mod waiting;
pub mod walk;
pub mod watch;
