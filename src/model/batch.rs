//! What crosses from a pipeline's thread to its delivery and back.
//!
//! ```text
//! worker ── Batch (body, permit) ──▶ delivery ── requests ──▶ store
//!   ▲                                   │
//!   └────────── Report (fates) ◀────────┘
//! ```
//!
//! **Invariant**: every item of a batch is settled by exactly one report; the report that settles the last one
//! carries the permit, so its bytes are free only when the ledger has seen all of it.

use std::sync::Arc;

use super::body::Body;
use super::budget::Permit;
use super::event::Span;
use super::origin::Origin;

/// A sealed body on its way to the store.
#[derive(Debug)]
pub struct Batch {
    /// Counts the pipeline's batches from 1.
    pub id: u64,
    /// The items and the spans they settle. Shared with the requests that carry all of it as it is.
    pub body: Arc<Body>,
    /// The right to the memory that the body, its requests and its items use.
    pub permit: Permit,
}

/// How an entry leaves the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The store has it.
    Delivered,
    /// The store refused it; it is in the dead-letter file or index.
    DeadLettered,
    /// Gone, for a named and counted reason.
    Dropped(DropReason),
}

/// Why an entry was dropped. The names are part of the public interface (metrics).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DropReason {
    /// The store refused it for good and no dead letter is set.
    Refused,
    /// `retry.give_up_after` ran out.
    GaveUp,
    /// It breaks a limit that the store is known to have, and was not sent.
    OverLimit,
}

impl DropReason {
    /// All reasons, in the order of the metrics.
    pub const ALL: [Self; 3] = [Self::Refused, Self::GaveUp, Self::OverLimit];

    /// The name used in metrics and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::GaveUp => "gave_up",
            Self::OverLimit => "over_limit",
        }
    }
}

/// Some entries of one origin that share a fate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Whose they are.
    pub origin: Arc<Origin>,
    /// Their spans, one per entry, ascending.
    pub spans: Vec<Span>,
    /// What became of them.
    pub fate: Fate,
}

/// What a delivery tells its pipeline's worker.
#[derive(Debug)]
pub enum Report {
    /// The whole batch is stored.
    Delivered(Batch),
    /// Part of it is settled, or the first attempt failed: the rest goes on under retry.
    Part {
        /// Which batch.
        batch: u64,
        /// What was settled now. May be empty.
        settled: Vec<Settled>,
        /// The origins that still have entries of this batch under retry: they are not read further.
        retrying: Vec<Arc<Origin>>,
    },
    /// The rest of it is settled.
    End {
        /// Which batch.
        batch: u64,
        /// What was settled now.
        settled: Vec<Settled>,
        /// The batch's memory, free as soon as this is dropped.
        permit: Permit,
    },
}
