//! Starts everything.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::mpsc::unbounded_channel;
use tracing::{info, warn};

use super::net::{Net, start_net};
use super::parts::{Refused, Started};
use super::roster::{Asked, SharedRoster};
use super::running::Running;
use super::sources::start_sources;
use super::workers::{self, Workers};
use crate::cli;
use crate::config::parts::Source;
use crate::config::settings::Settings;
use crate::deliver::progress::Progress;
use crate::exit::Exit;
use crate::metrics::Metrics;
use crate::model::units::format_bytes;
use crate::sources::files::change::SPARE;
use crate::sources::files::follow::Gauges;
use crate::store::{OpenError, Store};

/// Starts everything. `reloads`: whether the settings can be loaded again.
pub fn start(settings: Settings, reloads: bool) -> Result<Running, Refused> {
    let store = Arc::new(open_store(&settings)?);
    take_over_cursors(&settings, &store);
    let metrics = Arc::new(Metrics::new());
    metrics.set_build(env!("CARGO_PKG_VERSION"), env!("TAILWATER_COMMIT"), env!("TAILWATER_PROFILE"));
    let gauges = Arc::new(Gauges::default());
    let (event_sender, events) = mpsc::channel();
    let has_pipe = settings.sources.iter().any(|source| !source.has_files());
    let has_files = settings.sources.iter().any(Source::has_files);
    let has_spool = settings.sources.iter().any(|source| source.spool().is_some());
    let (deliveries, received) = unbounded_channel();
    let mut workers = Workers {
        metrics: Arc::clone(&metrics),
        progress: Arc::new(Progress::default()),
        store: Arc::clone(&store),
        events: event_sender.clone(),
        deliveries,
        stop_stdout: Arc::new(AtomicBool::new(false)),
        stdout: None,
    };
    let mut pipelines = Vec::new();
    let all = settings.sinks.iter().enumerate().flat_map(|(at, sink)| (0..sink.workers).map(move |of| (at, of)));
    for (index, (at, worker)) in all.enumerate() {
        let client = workers::client(&settings.sinks[at])?;
        pipelines.push(workers.start(&settings, (at, worker), index, client)?);
    }
    let roster = SharedRoster::new(&settings, asked(&settings, &pipelines, &metrics));
    start_net(Net {
        metrics: Arc::clone(&metrics),
        roster: roster.clone(),
        gauges: Arc::clone(&gauges),
        has_files: has_files || has_spool,
        admin: settings.admin,
        reloads,
        deliveries: received,
        events: event_sender.clone(),
    })?;
    // Said when signals are heard: who waits for it may end the process by one.
    announce(&settings);
    let stop_spool = has_spool.then(Arc::default);
    let files = start_sources(&settings, &store, &pipelines, &gauges, &event_sender, stop_spool.as_ref())?;
    let sources = usize::from(has_files) + usize::from(has_pipe);
    let most_pipelines = pipelines.len() + SPARE;
    Ok(Running {
        events,
        pipelines,
        most_pipelines,
        workers,
        sources,
        has_pipe,
        stop_spool,
        files,
        gauges,
        roster,
        settings,
    })
}

/// Who can be asked how things stand.
pub(super) fn asked(settings: &Settings, pipelines: &[Started], metrics: &Metrics) -> Vec<Asked> {
    let running = pipelines.iter().filter(|pipeline| pipeline.thread.is_some());
    let asked = running.map(|pipeline| Asked {
        name: Arc::clone(&pipeline.name),
        worker: pipeline.worker,
        kind: settings.sinks[pipeline.sink].kind,
        beat: Arc::clone(&pipeline.beat),
        inbox: pipeline.inbox.clone(),
        metrics: metrics.pipeline(&pipeline.name),
    });
    asked.collect()
}

fn announce(settings: &Settings) {
    let sinks: Vec<&str> = settings.sinks.iter().map(|sink| &*sink.name).collect();
    let sources: Vec<&str> = settings.sources.iter().map(|source| &*source.name).collect();
    info!(
        version = cli::VERSION,
        sources = sources.join(","),
        sinks = sinks.join(","),
        memory = format_bytes(settings.memory_limit),
        "started"
    );
    for notice in &settings.notices {
        warn!("{}: {}", notice.place, notice.text);
    }
    if settings.sinks.len() > 1 && settings.sources.iter().any(|source| !source.has_files() && source.spool().is_none())
    {
        warn!(
            "stdin is read at the pace of the slowest sink, since a pipe cannot be read twice; a sink that is down stops \
             the writer of the pipe. With `spool: {{}}` on the source it does not"
        );
    }
}

fn open_store(settings: &Settings) -> Result<Store, Refused> {
    let Some(dir) = &settings.state_dir else {
        if settings.sources.iter().any(Source::has_files) && !settings.once {
            warn!(
                "no cursors are kept: after a restart files are read from their beginning. Give --state-dir to go on where it ended"
            );
        }
        return Ok(Store::in_memory());
    };
    open_dir(dir, settings.shutdown_grace)
}

/// Gives the cursors of sinks that were called otherwise to those that they are now.
pub(super) fn take_over_cursors(settings: &Settings, store: &Store) {
    for sink in &settings.sinks {
        let Some(was) = &sink.was else { continue };
        let count_of =
            |name: &str| store.with_state(|state| state.cursors.keys().filter(|(_, of)| **of == *name).count());
        let cursors = count_of(was);
        if cursors == 0 || count_of(&sink.name) > 0 {
            continue;
        }
        let renamed = store.edit(|state| {
            let cursors = std::mem::take(&mut state.cursors).into_iter();
            let name = |of: Arc<str>| if of == *was { Arc::clone(&sink.name) } else { of };
            state.cursors = cursors.map(|((id, of), cursor)| ((id, name(of)), cursor)).collect();
            let demoted = std::mem::take(&mut state.demoted).into_iter();
            state.demoted = demoted.map(|(of, labels)| (name(of), labels)).collect();
        });
        match renamed {
            Ok(()) => info!(sink = %sink.name, was = %was, cursors, "goes on at the cursors of its old name"),
            Err(error) => warn!(
                sink = %sink.name, was = %was, %error,
                "the cursors of its old name cannot be taken over for good: now or after a restart it may begin anew"
            ),
        }
    }
}

/// Opens a state directory; refused where another process holds it.
pub(super) fn open_dir(dir: &Path, wait: Duration) -> Result<Store, Refused> {
    Store::open(dir, wait).map_err(|OpenError::Locked(holder)| {
        let holder = holder.map_or_else(|| "another process".to_owned(), |id| format!("process {id}"));
        Refused {
            message: format!(
                "state directory `{}` is held by {holder}; two would send everything twice. End it, or give this one a \
                 directory of its own",
                dir.display()
            ),
            exit: Exit::Locked,
        }
    })
}
