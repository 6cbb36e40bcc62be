//! The threads that read: the files' follower, a pipe, a pipe with a spool.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

use tracing::{info, warn};

use super::machine;
use super::parts::{Event, Refused, Started, spawn};
use crate::config::settings::Settings;
use crate::exit::Exit;
use crate::flow::checkpoint::Book;
use crate::pipeline::Inbox;
use crate::sources::files::find::Finder;
use crate::sources::files::follow::{Follower, Gauges, Limits, Parts as FollowerParts};
use crate::sources::files::watch::{Waker, Watch};
use crate::sources::share::Share;
use crate::sources::stdin::{self, Pipe};
use crate::sources::{StartAt, spool};
use crate::store::{Began, Store};

/// Starts everything that reads; gives what ends and what wakes the follower.
pub(super) fn start_sources(
    settings: &Settings,
    store: &Arc<Store>,
    pipelines: &[Started],
    gauges: &Arc<Gauges>,
    events: &Sender<Event>,
    stop_spool: Option<&Arc<AtomicBool>>,
) -> Result<(Arc<AtomicBool>, Option<Waker>), Refused> {
    let host = machine::host();
    let own_uid = machine::own_pod_uid();
    let wanted_by = |source: usize| -> Vec<bool> {
        pipelines.iter().map(|pipeline| settings.sinks[pipeline.sink].sources.contains(&source)).collect()
    };
    let inbox = |pipeline: &Started| {
        let inbox = pipeline.inbox.clone();
        // A pipeline that has ended wants no more feeds.
        move |signal| drop(inbox.send(Inbox::Source(signal)))
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
    let has_files = !finders.is_empty();
    if settings.state_dir.is_some() {
        say_where_reading_begins(&finders, store.began());
    }
    finders.append(&mut spools);
    if finders.is_empty() {
        gauges.walked.store(true, Ordering::Release);
        return Ok((stop, None));
    }
    let watch = Watch::new().map_err(|error| Refused {
        message: format!("files cannot be followed: {error}; raise the limit of open files"),
        exit: Exit::Io,
    })?;
    let waker = watch.waker();
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
    Ok((stop, Some(waker)))
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
