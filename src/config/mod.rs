//! Text, flags and environment → what was typed → what the program needs; problems with file, line and column.
//!
//! In reading order:
//! - [`yaml`]: text → the tree of typed-in settings
//! - [`syntax`]: what is wrong where text is no YAML
//! - [`vars`]: variables in values
//! - [`secret`]: what must not be shown
//! - [`flags`]: flags and their variables → the same tree
//! - [`keys`]: which keys stand below which
//! - [`environment`]: variables that stand for keys of the file
//! - [`renamed`]: keys that were called otherwise
//! - [`machine`]: what settings depend on outside of their file
//! - [`settings`], [`parts`]: what the program needs; `names`: who is meant by a name; `share`: what each sink may use
//! - [`cases`]: lines, and what is to become of them
//! - [`show`]: the settings in effect, as YAML
//! - [`schema`]: the settings as a JSON Schema
//! - [`report`]: problems, written for people

pub mod cases;
pub mod environment;
pub mod flags;
pub mod keys;
pub mod machine;
mod names;
pub mod parts;
pub mod renamed;
pub mod report;
pub mod schema;
pub mod secret;
pub mod settings;
mod share;
pub mod show;
pub mod syntax;
pub mod vars;
pub mod yaml;
