//! The settings that all sources of files share.

use std::time::Duration;

use crate::model::origin::Format;
use crate::model::settings::{Key, Section};

/// Where reading starts in a file that was there before the first start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartAt {
    /// At its first byte.
    #[default]
    Beginning,
    /// At its end: only what comes is read.
    End,
}

/// What sources of files have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Common {
    /// How lines are wrapped; `None`: found out per file.
    pub format: Option<Format>,
    /// Where reading starts in files that were there before the first start.
    pub start_at: StartAt,
    /// Files that were last written before this long are left out when they are first seen.
    pub ignore_older: Option<Duration>,
}

impl Common {
    /// The keys that all sources of files share.
    pub const KEYS: &'static [Key] = &[
        Key {
            name: "format",
            kind: "auto | cri | docker | plain",
            default: "auto",
            help: "how lines are wrapped; `auto` finds out per file",
        },
        Key {
            name: "start_at",
            kind: "beginning | end",
            default: "beginning",
            help: "where reading starts in files that are there at the first start; later ones are read from their beginning",
        },
        Key {
            name: "ignore_older",
            kind: "duration",
            default: "",
            help: "leave out files that were last written longer ago",
        },
    ];

    /// Reads the settings.
    pub fn read(section: &mut Section<'_>) -> Self {
        let format = section.choice(
            "format",
            &[
                ("auto", None),
                ("cri", Some(Format::Cri)),
                ("docker", Some(Format::Docker)),
                ("plain", Some(Format::Plain)),
            ],
        );
        Self {
            format: format.flatten(),
            start_at: section
                .choice("start_at", &[("beginning", StartAt::Beginning), ("end", StartAt::End)])
                .unwrap_or_default(),
            ignore_older: section.duration("ignore_older"),
        }
    }
}
