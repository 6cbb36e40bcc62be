//! Text, flags and environment → what was typed → what the program needs; problems with file, line and column.
//!
//! In reading order:
//! - [`yaml`]: text → the tree of typed-in settings
//! - [`syntax`]: what is wrong where text is no YAML
//! - [`vars`]: variables in values
//! - [`secret`]: what must not be shown
//! - [`flags`], [`target`]: flags and their variables → the same tree
//! - [`machine`]: what settings depend on outside of their file
//! - [`report`]: problems, written for people

pub mod flags;
pub mod machine;
pub mod report;
pub mod secret;
pub mod syntax;
pub mod target;
pub mod vars;
pub mod yaml;
