//! One look at a pipeline: what it says of itself when it is asked.
//!
//! **Invariant**: a look is made at one moment on the pipeline's own thread, so its numbers belong together. It holds
//! names, offsets and counts, and never a line or a secret.

use std::sync::Arc;
use std::time::Duration;

use crate::flow::account::{Account, Flaws, Tally};
use crate::model::origin::{Origin, Workload};
use crate::transform::count::{self, Counted};

/// What a pipeline says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Look {
    /// What became of what it read.
    pub account: Account,
    /// What was wrong with the form of lines that it read, whatever became of them.
    pub flaws: Flaws,
    /// What its transforms have left out, in their order.
    pub filtered: Vec<FilteredLook>,
    /// What its transforms have made metrics of.
    pub counted: Vec<Counted>,
    /// Bytes that were gone before they could be read.
    pub unreachable: u64,
    /// What is there and not settled, over all its origins.
    pub lag: Lag,
    /// How long nothing was settled while there was something to settle; zero where there is nothing.
    pub since_progress: Duration,
    /// By workload, in the order of their names.
    pub workloads: Vec<WorkloadLook>,
    /// Its origins, where they were asked for.
    pub origins: Vec<OriginLook>,
}

impl Look {
    /// That of two workers of one pipeline.
    pub fn and(mut self, other: Self) -> Self {
        self.account.add(&other.account);
        self.flaws.add(&other.flaws);
        for more in other.filtered {
            match self.filtered.iter_mut().find(|known| known.rule == more.rule) {
                Some(known) => known.add(&more),
                None => self.filtered.push(more),
            }
        }
        count::merge(&mut self.counted, &other.counted);
        self.unreachable += other.unreachable;
        self.lag.add(other.lag);
        self.since_progress = self.since_progress.max(other.since_progress);
        for workload in other.workloads {
            match self.workloads.binary_search_by(|known| known.name.cmp(&workload.name)) {
                Ok(at) => self.workloads[at].add(workload),
                Err(at) => self.workloads.insert(at, workload),
            }
        }
        self.origins.extend(other.origins);
        self
    }
}

/// What one transform has left out.
#[derive(Clone, Debug, PartialEq)]
pub struct FilteredLook {
    /// The transform's name.
    pub rule: Arc<str>,
    /// What it left out.
    pub tally: Tally,
    /// Lines of which its condition asked a value for what it is not.
    pub wrong: u64,
}

impl FilteredLook {
    /// Of a transform that has left out nothing yet.
    pub fn new(rule: &Arc<str>) -> Self {
        Self { rule: Arc::clone(rule), tally: Tally::default(), wrong: 0 }
    }

    fn add(&mut self, other: &Self) {
        self.tally.add(other.tally);
        self.wrong += other.wrong;
    }
}

/// How far a reader is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lag {
    /// Bytes that are there and not settled, read or not.
    pub bytes: u64,
    /// The age of the oldest unsettled line.
    pub age: Duration,
}

impl Lag {
    /// That of both together.
    pub fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.age = self.age.max(other.age);
    }
}

/// Whose lines they are. Files and pipes without Kubernetes names are known by their source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkloadName {
    /// The pod's namespace; empty for other files and pipes, as are the two below.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// The source that found them.
    pub source: Arc<str>,
}

impl WorkloadName {
    /// The origin's.
    pub fn of(origin: &Origin) -> Self {
        let source = Arc::clone(&origin.source);
        let name =
            |of: fn(&Workload) -> &str| origin.workload.as_ref().map_or_else(String::new, |all| of(all).to_owned());
        let (namespace, pod, container) = (name(Workload::namespace), name(Workload::pod), name(Workload::container));
        Self { namespace, pod, container, source }
    }
}

/// One workload in a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadLook {
    /// Whose.
    pub name: WorkloadName,
    /// What became of what was read of it.
    pub account: Account,
    /// What was wrong with the form of its lines.
    pub flaws: Flaws,
    /// Over its origins.
    pub lag: Lag,
    /// Its origins that are read or not settled.
    pub origins: u64,
}

impl WorkloadLook {
    fn add(&mut self, other: Self) {
        self.account.add(&other.account);
        self.flaws.add(&other.flaws);
        self.lag.add(other.lag);
        self.origins += other.origins;
    }
}

/// One origin in a pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct OriginLook {
    /// Which.
    pub origin: Arc<Origin>,
    /// The watermark: everything before it is settled.
    pub offset: u64,
    /// Where the next turn reads on.
    pub read: u64,
    /// How many bytes are there.
    pub size: u64,
    /// Bytes between the watermark and the end, and the oldest unsettled line.
    pub lag: Lag,
    /// What it does.
    pub doing: Doing,
    /// Entries handed on and not settled.
    pub in_flight: u64,
    /// What its lines are parsed by.
    pub parser: &'static str,
    /// What was wrong with the form of its lines.
    pub flaws: Flaws,
}

/// What an origin does, or waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It is read as memory allows.
    Reading,
    /// Everything that is there was read.
    AtEnd,
    /// An older file of its chain is read first.
    Waiting,
    /// Entries of it are under retry.
    Retrying,
    /// Another origin of its stream is too far behind.
    Held,
    /// It cannot be read at the moment.
    Failing,
    /// Its bytes are gone.
    Gone,
}

impl Doing {
    /// The name in `/status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::AtEnd => "at_end",
            Self::Waiting => "waiting",
            Self::Retrying => "retrying",
            Self::Held => "held",
            Self::Failing => "failing",
            Self::Gone => "gone",
        }
    }
}
