//! Where lines come from. Floor 3: touches the file system, the clock and threads.
//!
//! - [`kubernetes`]: pod logs under a path, with the names from the path
//! - [`mod@file`]: files by globs
//! - [`common`]: the settings that both share
//! - [`globs`]: what to write instead of one that cannot be read
//! - [`files`]: what both share: discovery, identity, rotation
//! - [`share`]: which worker of a sink reads an origin
//! - [`stdin`]: a pipe, held in a bounded buffer
//! - [`spool`]: a pipe, written to files first
#![expect(clippy::disallowed_methods, reason = "a source touches files, pipes, the clock and threads")]

pub mod common;
pub mod file;
pub mod files;
mod globs;
pub mod kubernetes;
pub mod share;
pub mod spool;
pub mod stdin;

use crate::model::settings::{Key, Section};
pub use common::{Common, StartAt};

/// One kind of source, as the settings know it.
pub struct Kind {
    /// The name behind `type:`.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Its keys.
    pub keys: &'static [&'static [Key]],
    /// Reads its settings.
    pub read: fn(&mut Section<'_>) -> Settings,
}

/// Every kind of source there is.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "kubernetes",
        help: "follows the pod logs of a node",
        keys: &[kubernetes::Settings::KEYS, Common::KEYS],
        read: |section| Settings::Kubernetes(kubernetes::Settings::read(section)),
    },
    Kind {
        name: "file",
        help: "follows files by globs",
        keys: &[file::Settings::KEYS, Common::KEYS],
        read: |section| Settings::File(file::Settings::read(section)),
    },
    Kind {
        name: "stdin",
        help: "reads a pipe",
        keys: &[stdin::KEYS],
        read: |section| Settings::Stdin(stdin::Settings::read(section)),
    },
];

/// The settings of one source.
#[derive(Clone, Debug)]
pub enum Settings {
    /// Pod logs.
    Kubernetes(kubernetes::Settings),
    /// Files by globs.
    File(file::Settings),
    /// A pipe.
    Stdin(stdin::Settings),
}
