//! What a condition says of an event, and what is wrong with a text that is none.

/// What a condition says of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It holds.
    Yes,
    /// It does not.
    No,
    /// The event lacks a field that the answer depends on.
    Missing,
    /// A value is of a kind that cannot be asked for this.
    Wrong,
}

/// How much of a line must be known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wants {
    /// No more than its level.
    #[default]
    Level,
    /// Some of its fields, by name: who looks them up minds no other part of the line.
    Names,
    /// Its message, or all of its fields.
    All,
}

impl Answer {
    /// Yes or no.
    pub(super) fn of(is_true: bool) -> Self {
        if is_true { Self::Yes } else { Self::No }
    }

    /// The opposite; what is not known stays so.
    pub(super) fn opposite(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            unknown => unknown,
        }
    }
}

/// What is wrong with a condition's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The offset in characters where it is, as far as that is known.
    pub at: Option<usize>,
    /// What: lower case, no full stop, values in backticks.
    pub text: String,
    /// The way out.
    pub hint: String,
}
