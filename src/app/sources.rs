//! The threads that read: the files' follower, a pipe, a pipe with a spool.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};

use tracing::{info, warn};

use super::machine;
use super::parts::{Event, Refused, Started, spawn};
use super::running::Files;
use crate::config::parts::Source;
use crate::config::settings::Settings;
use crate::exit::Exit;
use crate::flow::checkpoint::Book;
use crate::model::feed::Signal;
use crate::pipeline::Inbox;
use crate::sources::files::find::Finder;
use crate::sources::files::follow::{Follower, Gauges, Limits, Parts as FollowerParts};
use crate::sources::files::watch::Watch;
use crate::sources::share::Share;
use crate::sources::stdin::{self, Pipe};
use crate::sources::{StartAt, spool};
use crate::store::{Began, Store};

/// Starts everything that reads; gives how the follower is spoken to.
pub(super) fn start_sources(
    settings: &Settings,
    store: &Arc<Store>,
    pipelines: &[Started],
    gauges: &Arc<Gauges>,
    events: &Sender<Event>,
    stop_spool: Option<&Arc<AtomicBool>>,
) -> Result<Files, Refused> {
    let host = machine::host();
    let own_uid = machine::own_pod_uid();
    let wanted_by = |source: usize| -> Vec<bool> {
        pipelines.iter().map(|pipeline| settings.sinks[pipeline.sink].sources.contains(&source)).collect()
    };
    let mut finders = Vec::new();
    let mut spools = Vec::new();
    for (index, source) in settings.sources.iter().enumerate() {
        let name = Arc::clone(&source.name);
        if let (Some(spool), Some(dir), Some(stop)) = (source.spool(), &settings.state_dir, stop_spool) {
            let wanted_by = wanted_by(index);
            let names = pipelines.iter().zip(&wanted_by).filter(|(_, wanted)| **wanted);
            let parts = spool::Parts {
                source: Arc::clone(&name),
                folder: spool::folder(dir, &name),
                settings: spool,
                pipelines: names.map(|(pipeline, _)| Arc::clone(&pipeline.name)).collect(),
                book: Arc::clone(store) as Arc<dyn Book>,
                stop: Arc::clone(stop),
            };
            spools.push(Finder::of_spool(name, parts.folder.clone(), source.parser, wanted_by));
            start_spool(parts, events.clone())?;
            continue;
        }
        match Finder::new(name, &source.settings, source.parser, wanted_by(index), own_uid.as_deref()) {
            Some(finder) => finders.push(finder),
            None => {
                let pipe = Pipe::new(settings.pipe_bytes, pipelines.len());
                // A pipe is one origin, which is the first worker's.
                let wanted_by = wanted_by(index).into_iter().zip(pipelines);
                let wanted_by = wanted_by.map(|(wanted, pipeline)| wanted && pipeline.worker == 0).collect();
                let parts = stdin::Parts {
                    source: Arc::clone(&source.name),
                    parser: source.parser,
                    host: Arc::clone(&host),
                    pipelines: pipelines.iter().map(|pipeline| Box::new(inbox(pipeline)) as _).collect(),
                    wanted_by,
                };
                let events = events.clone();
                spawn("stdin", move || {
                    if let Err(error) = stdin::follow(&pipe, io::stdin().lock(), &parts) {
                        warn!(%error, "stdin cannot be read any further; what was read of it is delivered");
                    }
                    // The supervisor may have ended first.
                    drop(events.send(Event::SourceEnded { pipe: true }));
                })?;
            }
        }
    }
    let stop = Arc::new(AtomicBool::new(false));
    let (changes, received) = mpsc::channel();
    let has_files = !finders.is_empty();
    if settings.state_dir.is_some() {
        say_where_reading_begins(&finders, store.began());
    }
    finders.append(&mut spools);
    if finders.is_empty() {
        gauges.walked.store(true, Ordering::Release);
        return Ok(Files { stop, waker: None, changes });
    }
    let watch = Watch::new().map_err(|error| Refused {
        message: format!("files cannot be followed: {error}; raise the limit of open files"),
        exit: Exit::Io,
    })?;
    let waker = Some(watch.waker());
    let follower = Follower::new(FollowerParts {
        finders,
        book: Arc::clone(store) as Arc<dyn Book>,
        pipelines: pipelines
            .iter()
            .map(|pipeline| (Arc::clone(&pipeline.name), Arc::new(inbox(pipeline)) as _))
            .collect(),
        shares: pipelines
            .iter()
            .map(|pipeline| {
                let sink = &settings.sinks[pipeline.sink];
                Share::new(pipeline.worker, sink.workers, sink.sink.encoder())
            })
            .collect(),
        limits: Limits {
            hold_deleted: settings.hold_deleted,
            hold_deleted_bytes: settings.hold_deleted_bytes,
            descriptors: machine::descriptors_for_files(),
        },
        host,
        once: settings.once,
        gauges: Arc::clone(gauges),
        changes: received,
        stop: Arc::clone(&stop),
    });
    let events = events.clone();
    spawn("files", move || {
        follower.run(watch);
        if has_files {
            // The supervisor may have ended first.
            drop(events.send(Event::SourceEnded { pipe: false }));
        }
    })?;
    Ok(Files { stop, waker, changes })
}

/// The finders of settings that are loaded anew: of files, and of the segments of a pipe.
pub(super) fn finders(settings: &Settings, wanted_by: impl Fn(usize) -> Vec<bool>) -> Vec<Finder> {
    let own_uid = machine::own_pod_uid();
    let of = |(index, source): (usize, &Source)| {
        let (name, wanted_by) = (Arc::clone(&source.name), wanted_by(index));
        match (source.spool(), &settings.state_dir) {
            (Some(_), Some(dir)) => {
                Some(Finder::of_spool(Arc::clone(&name), spool::folder(dir, &name), source.parser, wanted_by))
            }
            _ => Finder::new(name, &source.settings, source.parser, wanted_by, own_uid.as_deref()),
        }
    };
    settings.sources.iter().enumerate().filter_map(of).collect()
}

/// Where a pipeline takes what sources tell it.
pub(super) fn inbox(pipeline: &Started) -> impl Fn(Signal) + Send + Sync + 'static {
    let inbox = pipeline.inbox.clone();
    // A pipeline that has ended wants no more feeds.
    move |signal| drop(inbox.send(Inbox::Source(signal)))
}

/// A start without cursors is never silent: it says for every source where its files are read from.
fn say_where_reading_begins(finders: &[Finder], began: &Began) {
    for finder in finders {
        let source = &*finder.source;
        match (began, finder.common.start_at) {
            (Began::GoesOn, _) => {}
            (Began::Anew, StartAt::Beginning) => {
                info!(source, "there is no checkpoint yet, so files are read from their beginning");
            }
            (Began::Anew, StartAt::End) => {
                info!(source, "there is no checkpoint yet, so files are read from their end, as `start_at` says");
            }
            (Began::Lost(why), StartAt::Beginning) => warn!(
                source,
                "no checkpoint can be used: {why}; files are read from their beginning, so lines that were delivered are sent again"
            ),
            (Began::Lost(why), StartAt::End) => warn!(
                source,
                "no checkpoint can be used: {why}; files are read from their end, as `start_at` says, so lines that were not \
                 delivered before are passed over"
            ),
        }
    }
}

fn start_spool(parts: spool::Parts, events: Sender<Event>) -> Result<(), Refused> {
    spawn("spool", move || {
        let ended = || drop(events.send(Event::Spooled)); // The supervisor may have ended first, here and below.
        if let Err(error) = spool::follow(io::stdin().lock(), &parts, ended) {
            warn!(%error, "stdin cannot be read any further; what was read of it is delivered");
        }
        drop(events.send(Event::SourceEnded { pipe: true }));
    })
    .map(drop)
}
