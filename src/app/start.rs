//! Starts everything.

use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc as tokio_mpsc, watch};
use tracing::{error, info, warn};

use super::net::{Net, start_net};
use super::parts::{Event, OnDrop, Refused, Running, Started, spawn};
use super::roster::{Asked, SharedRoster};
use super::sources::start_sources;
use crate::cli;
use crate::config::settings::Settings;
use crate::deliver::null;
use crate::deliver::progress::Progress;
use crate::deliver::stdout::{self, Ended, Job};
use crate::exit::Exit;
use crate::flow::checkpoint::Book;
use crate::metrics::Metrics;
use crate::metrics::beat::Beat;
use crate::model::batch::{Batch, Report};
use crate::model::budget::Budget;
use crate::model::units::format_bytes;
use crate::pipeline::forge::Tools;
use crate::pipeline::{Inbox, Parts, Pipeline, Summary};
use crate::sinks::kind::Transport;
use crate::sources::files::follow::Gauges;
use crate::store::{OpenError, Store};

/// How often active files are read.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Starts everything.
pub fn start(settings: Settings) -> Result<Running, Refused> {
    let store = Arc::new(open_store(&settings)?);
    let metrics = Arc::new(Metrics::new());
    metrics.set_build(env!("CARGO_PKG_VERSION"), env!("TAILWATER_COMMIT"), env!("TAILWATER_PROFILE"));
    let progress = Arc::new(Progress::default());
    let gauges = Arc::new(Gauges::default());
    let (event_sender, events) = mpsc::channel();
    let (deadline, deadline_seen) = watch::channel(None);
    let stop_stdout = Arc::new(AtomicBool::new(false));
    let has_pipe = settings.sources.iter().any(|source| !source.has_files());
    let has_files = settings.sources.iter().any(crate::config::parts::Source::has_files);
    let has_spool = settings.sources.iter().any(|source| source.spool().is_some());
    let mut pipelines = Vec::new();
    let mut over_http = Vec::new();
    let mut stdout_jobs = None;
    let workers =
        settings.sinks.iter().enumerate().flat_map(|(at, sink)| (0..sink.workers).map(move |of| (at, sink, of)));
    for (index, (at, sink, worker)) in workers.enumerate() {
        let (inbox_sender, inbox) = mpsc::channel();
        let pipeline_metrics = metrics.pipeline(&sink.name);
        // Each has memory of its own: where one waits for it, its own reports bring it back.
        let budget = Budget::new(sink.share / sink.workers);
        pipeline_metrics.show_budget(&budget);
        let outlet: Box<dyn Fn(Batch) + Send> = match sink.sink.transport {
            Transport::Http => {
                let (batches, received) = tokio_mpsc::unbounded_channel();
                over_http.push((at, inbox_sender.clone(), received));
                // The delivery can only be gone when the process ends, and then nobody reads the file's rest.
                Box::new(move |batch| drop(batches.send(batch)))
            }
            Transport::Stdout => {
                let jobs = stdout_jobs.get_or_insert_with(|| {
                    start_stdout(Arc::clone(&progress), Arc::clone(&stop_stdout), event_sender.clone())
                });
                stdout_outlet(jobs.clone(), inbox_sender.clone())
            }
            Transport::Null => null_outlet(Arc::clone(&progress), inbox_sender.clone()),
        };
        let beat = Arc::new(Beat::default());
        let parts = Parts {
            name: Arc::clone(&sink.name),
            index,
            worker,
            beat: Arc::clone(&beat),
            tools: Tools {
                encoder: sink.sink.encoder(),
                parsers: settings.parsers.clone(),
                batch: sink.batch.clone(),
                budget,
                permit_bytes: sink.permit_bytes(settings.max_line),
                max_line: settings.max_line,
                redactor: sink.redactor.clone(),
            },
            poll_interval: POLL_INTERVAL,
            book: Arc::clone(&store) as Arc<dyn Book>,
            inbox,
            outlet,
            metrics: pipeline_metrics,
        };
        let thread = spawn_pipeline(parts, event_sender.clone())?;
        pipelines.push(Started {
            name: Arc::clone(&sink.name),
            sink: at,
            worker,
            beat,
            transport: sink.sink.transport,
            inbox: inbox_sender,
            thread: Some(thread),
        });
    }
    drop(stdout_jobs);
    start_net(
        &settings,
        over_http,
        Net {
            metrics: Arc::clone(&metrics),
            roster: SharedRoster::new(&settings, asked(&settings, &pipelines, &metrics)),
            progress: Arc::clone(&progress),
            gauges: Arc::clone(&gauges),
            has_files: has_files || has_spool,
            deadline: deadline_seen,
            events: event_sender.clone(),
        },
    )?;
    // Said when signals are heard: who waits for it may end the process by one.
    announce(&settings);
    let stop_spool = has_spool.then(Arc::default);
    let (stop_files, waker) =
        start_sources(&settings, &store, &pipelines, &gauges, &event_sender, stop_spool.as_ref())?;
    let sources = usize::from(has_files) + usize::from(has_pipe);
    Ok(Running {
        events,
        pipelines,
        store,
        progress,
        sources,
        has_pipe,
        deadline,
        stop_stdout,
        stop_spool,
        stop_files,
        waker,
        metrics,
        gauges,
    })
}

fn asked(settings: &Settings, pipelines: &[Started], metrics: &Metrics) -> Vec<Asked> {
    let asked = pipelines.iter().map(|pipeline| Asked {
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
        if settings.sources.iter().any(crate::config::parts::Source::has_files) && !settings.once {
            warn!(
                "no cursors are kept: after a restart files are read from their beginning. Give --state-dir to go on where it ended"
            );
        }
        return Ok(Store::in_memory());
    };
    open_dir(dir, settings.shutdown_grace)
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

fn spawn_pipeline(parts: Parts, events: Sender<Event>) -> Result<JoinHandle<Summary>, Refused> {
    let (name, index) = (Arc::clone(&parts.name), parts.index);
    spawn(&name, move || {
        // Dropped also where the thread panics, so the supervisor always hears of the end.
        let _ended = OnDrop(Some(move || drop(events.send(Event::PipelineEnded(index)))));
        Pipeline::new(parts).run()
    })
}

/// Tells a pipeline that no more reports will come, when the last holder of its outlet is gone.
fn at_the_end(inbox: Sender<Inbox>) -> OnDrop<impl FnOnce()> {
    // A pipeline that has ended already needs to hear nothing.
    OnDrop(Some(move || drop(inbox.send(Inbox::DeliveryEnded))))
}

fn null_outlet(progress: Arc<Progress>, inbox: Sender<Inbox>) -> Box<dyn Fn(Batch) + Send> {
    let end = at_the_end(inbox.clone());
    Box::new(move |batch| {
        let _kept_until_dropped = &end;
        null::deliver(batch, &progress, |report| drop(inbox.send(Inbox::Report(report))));
    })
}

fn stdout_outlet(jobs: Sender<Job>, inbox: Sender<Inbox>) -> Box<dyn Fn(Batch) + Send> {
    let end = Mutex::new(Some(at_the_end(inbox.clone())));
    let report: Arc<dyn Fn(Report) + Send + Sync> = {
        let end = Arc::new(end);
        // The pipeline's end is told by whoever lets go of the last report: the writer, once all is written.
        Arc::new(move |report| {
            let _kept_until_dropped = &end;
            drop(inbox.send(Inbox::Report(report)));
        })
    };
    // A writer that has ended takes no more; the supervisor has heard of it.
    Box::new(move |batch| drop(jobs.send(Job { batch, report: Arc::clone(&report) })))
}

fn start_stdout(progress: Arc<Progress>, stop: Arc<AtomicBool>, events: Sender<Event>) -> Sender<Job> {
    let (jobs, received) = mpsc::channel();
    let run = move || match stdout::run(io::stdout(), &received, &progress, &stop) {
        Ended::Finished | Ended::Stopped(_) => {}
        // The supervisor may have ended first.
        Ended::Closed => drop(events.send(Event::StdoutClosed)),
    };
    if let Err(refused) = spawn("stdout", run) {
        error!("{}", refused.message);
    }
    jobs
}
