//! What the process's exit code says. The numbers are those of `sysexits.h`, and part of the public interface.

use std::process::ExitCode;

/// How the process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is delivered.
    Done,
    /// Flags, variables or settings are wrong.
    Usage,
    /// A case in the settings failed.
    TestsFailed,
    /// The admin port cannot be listened on.
    Unavailable,
    /// A fault of Tailwater's own.
    Internal,
    /// A dead-letter file cannot be created.
    CannotCreate,
    /// Reading or writing failed.
    Io,
    /// The time ran out with lines undelivered.
    Undelivered,
    /// Another process holds the state directory.
    Locked,
}

impl Exit {
    /// All of them, by number.
    pub const ALL: [Self; 9] = [
        Self::Done,
        Self::Usage,
        Self::TestsFailed,
        Self::Unavailable,
        Self::Internal,
        Self::CannotCreate,
        Self::Io,
        Self::Undelivered,
        Self::Locked,
    ];

    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Usage => 64,
            Self::TestsFailed => 65,
            Self::Unavailable => 69,
            Self::Internal => 70,
            Self::CannotCreate => 73,
            Self::Io => 74,
            Self::Undelivered => 75,
            Self::Locked => 76,
        }
    }

    /// What it means, for the help.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => {
                "all is delivered, or is read again at the next start (or the reader of the output went away)"
            }
            Self::Usage => "flags, variables or settings are wrong",
            Self::TestsFailed => "a case of `tests` in the settings failed",
            Self::Unavailable => "the admin port cannot be listened on",
            Self::Internal => "a fault of tailwater's own",
            Self::CannotCreate => "a dead-letter file cannot be created",
            Self::Io => "reading or writing failed",
            Self::Undelivered => "not everything could be delivered",
            Self::Locked => "another process holds the state directory",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_codes_are_listed_in_order() {
        let codes = Exit::ALL.map(Exit::code);
        assert_eq!(codes, [0, 64, 65, 69, 70, 73, 74, 75, 76]);
    }
}
