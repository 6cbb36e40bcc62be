//! Who is to be asked, and what settings are in effect: what the admin port sees of the program.
//!
//! **Invariant**: it is looked at and changed as a whole, for a moment each time.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::config::settings::Settings;
use crate::metrics::PipelineMetrics;
use crate::metrics::beat::Beat;
use crate::pipeline::Inbox;

/// One worker of a pipeline that can be asked.
#[derive(Clone)]
pub struct Asked {
    /// The sink's name.
    pub name: Arc<str>,
    /// The sink's kind.
    pub kind: &'static str,
    /// Which of the sink's workers it is, from 0.
    pub worker: usize,
    /// Whether it turns.
    pub beat: Arc<Beat>,
    /// Where it is asked.
    pub inbox: Sender<Inbox>,
    /// Its series.
    pub metrics: Arc<PipelineMetrics>,
}

/// What there is.
pub struct Roster {
    /// The pipelines.
    pub pipelines: Vec<Asked>,
    /// The sources: name and kind.
    pub sources: Vec<(Arc<str>, &'static str)>,
    /// Where the settings are from: a file's name, `environment` or `flags`.
    pub settings: Arc<str>,
    /// Since when they are in effect.
    pub loaded: Instant,
    /// Those that were last loaded, where they were not taken.
    pub refused: Option<Refusal>,
}

/// Settings that were not taken.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// What is wrong with them.
    pub message: String,
    /// When they were loaded.
    pub at: Instant,
}

/// Shared with the admin port.
#[derive(Clone)]
pub struct SharedRoster(Arc<Mutex<Roster>>);

impl SharedRoster {
    /// Of what was started.
    pub fn new(settings: &Settings, pipelines: Vec<Asked>) -> Self {
        Self::of(Roster {
            pipelines,
            sources: sources(settings),
            settings: Arc::clone(&settings.tree.place.file),
            loaded: Instant::now(),
            refused: None,
        })
    }

    /// Other settings are in effect from now on.
    pub fn take(&self, settings: &Settings, pipelines: Vec<Asked>) {
        let mut roster = self.lock();
        *roster = Roster {
            pipelines,
            sources: sources(settings),
            settings: Arc::clone(&roster.settings),
            loaded: Instant::now(),
            refused: None,
        };
    }

    /// Shares `roster`.
    pub fn of(roster: Roster) -> Self {
        Self(Arc::new(Mutex::new(roster)))
    }

    /// For a look or a change; keep it short.
    pub fn lock(&self) -> MutexGuard<'_, Roster> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pipelines as they are now.
    pub fn pipelines(&self) -> Vec<Asked> {
        self.lock().pipelines.clone()
    }
}

fn sources(settings: &Settings) -> Vec<(Arc<str>, &'static str)> {
    settings.sources.iter().map(|source| (Arc::clone(&source.name), source.kind)).collect()
}
