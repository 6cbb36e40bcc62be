//! Other settings for a program that runs.
//!
//! ```text
//! loaded ──refused──▶ said, counted, shown; the old ones stay
//!    └──▶ clients made ──▶ changed sinks: refit   ┐
//!                          removed ones: stopped  ├─ all have ended or go on ──▶ new ones begin ──▶ in effect
//!                          untouched ones: memory ┘
//! ```
//!
//! **Invariant**: until everything that may fail has gone well, nothing that runs is touched.

use std::collections::BTreeSet;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::parts::Event;
use super::plan::{Plan, plan};
use super::roster::Refusal;
use super::running::Running;
use super::sources::{finders, inbox};
use super::start::{asked, take_over_cursors};
use super::workers;
use crate::config::parts::{Sink, Source};
use crate::config::settings::Settings;
use crate::deliver::DeadLetter;
use crate::deliver::dead_letter::DeadLetterFile;
use crate::deliver::http::Client;
use crate::pipeline::refit::Refit;
use crate::pipeline::{Inbox, Summary};
use crate::sources::files::change::{Change, Join, Sources};
use crate::sources::share::Share;

/// The follower takes changes between two walks.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often a settings file is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Where settings are loaded from again.
pub struct Loader<'l> {
    /// Loads them; what is wrong with them, for people.
    pub load: &'l dyn Fn() -> Result<Settings, String>,
    /// A hash of their file's bytes; `None` where it cannot be read.
    pub hash: &'l dyn Fn() -> Option<u64>,
    /// That hash before they were loaded at the start.
    pub first: Option<u64>,
}

/// Tells when a settings file has changed.
pub struct Look {
    /// Of the file that was last loaded.
    loaded: Option<u64>,
    /// At the last look.
    seen: Option<u64>,
    last: Instant,
}

impl Look {
    /// Of what the program started with.
    pub fn at_start(loader: &Loader<'_>) -> Self {
        Self { loaded: loader.first, seen: loader.first, last: Instant::now() }
    }

    /// Of what is about to be loaded.
    pub fn new(loader: &Loader<'_>) -> Self {
        let loaded = (loader.hash)();
        Self { loaded, seen: loaded, last: Instant::now() }
    }

    /// Whether the file is another than was loaded, and was the same at the last look: one that is being written is not
    /// loaded by half.
    pub fn has_changed(&mut self, loader: &Loader<'_>) -> bool {
        if self.last.elapsed() < LOOK {
            return false;
        }
        self.last = Instant::now();
        let now = (loader.hash)();
        let is_still = std::mem::replace(&mut self.seen, now) == now;
        is_still && now.is_some() && now != self.loaded
    }
}

/// A change of settings that is under way.
pub struct Reloading {
    /// Pipelines that have not gone on yet, or not ended.
    awaited: BTreeSet<usize>,
    /// Those of them that are to end.
    leaving: BTreeSet<usize>,
    /// Who begins then, with what carries their requests.
    join: Vec<((usize, usize), Option<Client>)>,
    /// Lines that were unanswered, and are read again.
    given_back: u64,
    /// Whether the settings are to be loaded once more.
    again: bool,
}

impl Reloading {
    /// They are to be loaded again when this is done.
    pub fn once_more(&mut self) {
        self.again = true;
    }
}

/// Loads the settings and begins to change what they change. `None` where nothing is under way after it.
pub fn begin(running: &mut Running, loader: &Loader<'_>) -> Option<Reloading> {
    let refused = |running: &Running, message: String| {
        warn!("the settings were not changed, and the old ones stay in effect: {}", message.trim_end());
        running.workers.metrics.reloads("refused").inc();
        running.roster.lock().refused = Some(Refusal { message, at: Instant::now() });
        None
    };
    let new = match (loader.load)() {
        Ok(new) => new,
        Err(message) => return refused(running, message),
    };
    let most = running.most_pipelines;
    let plan = match plan(&running.settings, &new, &running.pipelines, most) {
        Ok(plan) => plan,
        Err(message) => return refused(running, message),
    };
    let (mut refit, mut join) = (Vec::new(), Vec::new());
    for (index, at) in &plan.refit {
        match ready(&new, *at) {
            Ok(client) => refit.push((*index, *at, client)),
            Err(message) => return refused(running, message),
        }
    }
    for (at, worker) in &plan.join {
        match ready(&new, *at) {
            Ok(client) => join.push(((*at, *worker), client)),
            Err(message) => return refused(running, message),
        }
    }
    Some(commit(running, new, &plan, refit, join))
}

/// What carries a sink's requests; why it cannot work.
fn ready(settings: &Settings, at: usize) -> Result<Option<Client>, String> {
    let sink = &settings.sinks[at];
    if let Some(DeadLetter::File(path)) = sink.store.as_ref().map(|store| &store.delivery.dead_letter) {
        DeadLetterFile::new(path.clone()).map_err(|why| format!("sink `{}`: {why}", sink.name))?;
    }
    workers::client(sink).map_err(|refused| refused.message)
}

fn commit(
    running: &mut Running,
    new: Settings,
    plan: &Plan,
    refit: Vec<(usize, usize, Option<Client>)>,
    join: Vec<((usize, usize), Option<Client>)>,
) -> Reloading {
    let deadline = Instant::now() + new.shutdown_grace;
    tell_sources(running, &new, plan);
    for (index, at) in plan.stay.iter().chain(&plan.refit) {
        let sink = &new.sinks[*at];
        running.pipelines[*index].sink = *at;
        running.pipelines[*index].budget.resize(sink.share / sink.workers);
    }
    let mut awaited: BTreeSet<usize> = plan.leave.iter().copied().collect();
    for (index, at, client) in refit {
        let sink = &new.sinks[at];
        let started = &mut running.pipelines[index];
        started.end_at(deadline);
        let (ends, outlet) = running.workers.way_out(sink, &started.inbox, client);
        started.deadline = ends;
        started.transport = sink.sink.transport;
        let events = running.workers.events.clone();
        let refit = Refit {
            tools: workers::tools(&new, sink, started.budget.clone()),
            outlet,
            sources: sources_of(&new, sink).map(|source| (Arc::clone(&source.name), source.parser)).collect(),
            // The supervisor may have ended first.
            done: Box::new(move |given_back| drop(events.send(Event::Refitted { index, given_back }))),
        };
        // One that ends says so itself.
        drop(started.inbox.send(Inbox::Refit(Box::new(refit))));
        awaited.insert(index);
    }
    for index in &plan.leave {
        let started = &running.pipelines[*index];
        started.end_at(deadline);
        drop(started.inbox.send(Inbox::Stop { drain: false, await_pipe: false }));
    }
    let leaving = plan.leave.iter().copied().collect();
    running.settings = new;
    Reloading { awaited, leaving, join, given_back: 0, again: false }
}

/// Tells the follower which sources there are, and who wants them. Waited for: what is let go of is to be known before
/// the pipelines begin anew.
fn tell_sources(running: &Running, new: &Settings, plan: &Plan) {
    let goes_on = || plan.stay.iter().chain(&plan.refit);
    let wanted_by = |source: usize| -> Vec<bool> {
        let wants = |index| goes_on().any(|(known, at)| *known == index && new.sinks[*at].sources.contains(&source));
        (0..running.pipelines.len()).map(wants).collect()
    };
    if running.files.waker.is_none() {
        return;
    }
    let (done, is_done) = mpsc::channel();
    running.files.tell(Change::Sources(Sources {
        finders: finders(new, wanted_by),
        kept: plan.kept.clone(),
        hold_deleted: (new.hold_deleted, new.hold_deleted_bytes),
        // Nobody waits any more where it took too long.
        done: Box::new(move || _ = done.send(())),
    }));
    for (index, at) in goes_on() {
        let sources = sources_of(new, &new.sinks[*at]).map(|source| Arc::clone(&source.name)).collect();
        running.files.tell(Change::Wants { index: *index, sources });
    }
    if is_done.recv_timeout(PATIENCE).is_err() {
        warn!("the files' follower is busy: files of sources that were changed may be let go of late");
    }
}

fn sources_of<'s>(settings: &'s Settings, sink: &'s Sink) -> impl Iterator<Item = &'s Source> {
    sink.sources.iter().map(|source| &settings.sources[*source])
}

impl Reloading {
    /// A pipeline reads on by its new settings.
    pub fn refitted(&mut self, index: usize, given_back: u64) {
        self.awaited.remove(&index);
        self.given_back += given_back;
    }

    /// A pipeline has ended; whether it was to.
    pub fn ended(&mut self, running: &Running, index: usize, summary: Summary) -> bool {
        self.awaited.remove(&index);
        if !self.leaving.remove(&index) {
            return false;
        }
        let pipeline = &running.pipelines[index];
        running.files.tell(Change::Leave(index));
        running.workers.metrics.pipeline(&pipeline.name).retire(pipeline.worker);
        info!(
            pipeline = %pipeline.name,
            unanswered = summary.to_be_read_again,
            "ended, as its settings are gone or others; its cursors stay"
        );
        true
    }

    /// Goes on when everybody that was to change has: whoever is new begins. Whether all of it is done.
    pub fn go_on(&mut self, running: &mut Running) -> bool {
        if !self.awaited.is_empty() {
            return false;
        }
        take_over_cursors(&running.settings, &running.workers.store);
        for ((at, worker), client) in std::mem::take(&mut self.join) {
            let free = running.pipelines.iter().position(|pipeline| pipeline.thread.is_none());
            let index = free.unwrap_or(running.pipelines.len());
            let settings = &running.settings;
            let started = match running.workers.start(settings, (at, worker), index, client) {
                Ok(started) => started,
                Err(refused) => {
                    warn!("a sink does not begin: {}", refused.message);
                    continue;
                }
            };
            let sink = &settings.sinks[at];
            running.files.tell(Change::Join(Join {
                index,
                name: Arc::clone(&sink.name),
                inbox: Arc::new(inbox(&started)),
                share: Share::new(worker, sink.workers, sink.sink.encoder()),
                sources: sources_of(settings, sink).map(|source| Arc::clone(&source.name)).collect(),
            }));
            match running.pipelines.get_mut(index) {
                Some(place) => *place = started,
                None => running.pipelines.push(started),
            }
        }
        let metrics = &running.workers.metrics;
        metrics.reloads("applied").inc();
        running.roster.take(&running.settings, asked(&running.settings, &running.pipelines, metrics));
        info!(
            given_back = self.given_back,
            "the settings were loaded anew and are in effect; lines given back were unanswered, are read again, and may arrive twice"
        );
        true
    }

    /// Whether they are to be loaded once more.
    pub fn is_wanted_again(&self) -> bool {
        self.again
    }
}
