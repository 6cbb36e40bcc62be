//! The parts and their threads.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::sync::{mpsc as tokio_mpsc, watch};
use tracing::{error, info, warn};

use super::machine;
use super::pages::{self, Asked};
use crate::admin::{Admin, Answers};
use crate::cli;
use crate::config::parts::Sink;
use crate::config::settings::Settings;
use crate::deliver::http::Client;
use crate::deliver::null;
use crate::deliver::progress::Progress;
use crate::deliver::run::Delivery;
use crate::deliver::stdout::{self, Ended, Job};
use crate::exit::Exit;
use crate::flow::checkpoint::Book;
use crate::metrics::Metrics;
use crate::model::batch::{Batch, Report};
use crate::model::budget::Budget;
use crate::model::units::format_bytes;
use crate::pipeline::forge::Tools;
use crate::pipeline::{Inbox, Parts, Pipeline, Summary};
use crate::sinks::kind::Transport;
use crate::sources::files::find::Finder;
use crate::sources::files::follow::{Follower, Gauges, Limits, Parts as FollowerParts};
use crate::sources::files::watch::{Waker, Watch};
use crate::sources::stdin::{self, Pipe};
use crate::sources::{StartAt, spool};
use crate::store::{Began, OpenError, Store};

/// How often active files are read.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// What the supervisor hears.
pub enum Event {
    /// A signal to end; its number.
    Signal(i32),
    /// A pipe was read to its end, and all of it is in its spool.
    Spooled,
    /// A source has given all its feeds; a pipe with a spool: and all of them are settled.
    SourceEnded {
        /// Whether it was the pipe.
        pipe: bool,
    },
    /// A pipeline's thread has ended.
    PipelineEnded(usize),
    /// The reader of stdout went away.
    StdoutClosed,
    /// A delivery cannot work at all, and why.
    DeliveryFailed(String),
}

/// Why the program does not start.
pub struct Refused {
    /// The fact and the way out.
    pub message: String,
    /// The exit code.
    pub exit: Exit,
}

/// The started program.
pub struct Running {
    /// What happens.
    pub events: Receiver<Event>,
    /// The pipelines, by index.
    pub pipelines: Vec<Started>,
    /// Checkpoints.
    pub store: Arc<Store>,
    /// Whether anything gets done.
    pub progress: Arc<Progress>,
    /// Sources that have not ended; files end only when read once.
    pub sources: usize,
    /// Whether there is a pipe that has not ended.
    pub has_pipe: bool,
    /// Ends the deliveries.
    pub deadline: watch::Sender<Option<tokio::time::Instant>>,
    /// Ends stdout's writer.
    pub stop_stdout: Arc<AtomicBool>,
    /// Ends the waiting for what is in a spool; `None` where there is none.
    pub stop_spool: Option<Arc<AtomicBool>>,
    /// Ends the follower.
    pub stop_files: Arc<AtomicBool>,
    /// Wakes the follower to see that.
    pub waker: Option<Waker>,
    /// The series.
    pub metrics: Arc<Metrics>,
    /// Numbers of the follower.
    pub gauges: Arc<Gauges>,
}

/// One started pipeline.
pub struct Started {
    /// The sink's name.
    pub name: Arc<str>,
    /// How it is delivered.
    pub transport: Transport,
    /// Its inbox.
    pub inbox: Sender<Inbox>,
    /// Its thread, until it is joined.
    pub thread: Option<JoinHandle<Summary>>,
}

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
    for (index, sink) in settings.sinks.iter().enumerate() {
        let (inbox_sender, inbox) = mpsc::channel();
        let pipeline_metrics = metrics.pipeline(&sink.name);
        let budget = Budget::new(sink.share);
        pipeline_metrics.show_budget(&budget);
        let outlet: Box<dyn Fn(Batch) + Send> = match sink.sink.transport {
            Transport::Http => {
                let (batches, received) = tokio_mpsc::unbounded_channel();
                over_http.push((index, inbox_sender.clone(), received));
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
        let parts = Parts {
            name: Arc::clone(&sink.name),
            index,
            tools: Tools {
                encoder: sink.sink.encoder(),
                parsers: settings.parsers.clone(),
                batch: sink.batch.clone(),
                budget,
                permit_bytes: sink.permit_bytes(settings.max_line),
                max_line: settings.max_line,
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
            asked: asked(&pipelines, &metrics),
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

fn asked(pipelines: &[Started], metrics: &Metrics) -> Arc<[Asked]> {
    let asked = pipelines.iter().map(|pipeline| Asked {
        name: Arc::clone(&pipeline.name),
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

fn open_dir(dir: &Path, wait: Duration) -> Result<Store, Refused> {
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

fn spawn<T: Send + 'static>(name: &str, run: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>, Refused> {
    // The kernel shows fifteen bytes of a thread's name; NUL would be refused.
    let name = name.replace('\0', "");
    thread::Builder::new().name(name).spawn(run).map_err(|error| Refused {
        message: format!("a thread cannot be started: {error}; raise the limit of processes or threads"),
        exit: Exit::Internal,
    })
}

struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(then) = self.0.take() {
            then();
        }
    }
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

struct Net {
    metrics: Arc<Metrics>,
    asked: Arc<[Asked]>,
    progress: Arc<Progress>,
    gauges: Arc<Gauges>,
    has_files: bool,
    deadline: watch::Receiver<Option<tokio::time::Instant>>,
    events: Sender<Event>,
}

type OverHttp = Vec<(usize, Sender<Inbox>, tokio_mpsc::UnboundedReceiver<Batch>)>;

/// Starts the runtime's thread; waits until every client is made and the admin port is bound.
fn start_net(settings: &Settings, over_http: OverHttp, net: Net) -> Result<(), Refused> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| Refused {
        message: format!("the network runtime cannot be started: {error}"),
        exit: Exit::Internal,
    })?;
    let admin_settings = settings.admin;
    let per_workload = admin_settings.is_some_and(|admin| admin.series_per_workload);
    let sinks: Vec<Sink> = over_http.iter().map(|(index, ..)| settings.sinks[*index].clone()).collect();
    let (started, has_started) = mpsc::channel();
    spawn("tailwater-net", move || {
        runtime.block_on(async move {
            match prepare(sinks, over_http, &net, admin_settings).await {
                Ok((deliveries, admin)) => {
                    let signals = listen_to_signals();
                    // The starter waits for this.
                    drop(started.send(Ok(())));
                    serve(deliveries, admin, per_workload, signals, net).await;
                }
                Err(refused) => drop(started.send(Err(refused))),
            }
        });
    })?;
    has_started.recv().unwrap_or_else(|_| {
        Err(Refused { message: "the network thread ended before it began".to_owned(), exit: Exit::Internal })
    })
}

type Prepared = (Delivery<Client>, Sender<Inbox>, tokio_mpsc::UnboundedReceiver<Batch>);

async fn prepare(
    sinks: Vec<Sink>,
    over_http: OverHttp,
    net: &Net,
    admin: Option<crate::admin::Settings>,
) -> Result<(Vec<Prepared>, Option<Admin>), Refused> {
    let mut prepared = Vec::new();
    for (sink, (_, inbox, batches)) in sinks.into_iter().zip(over_http) {
        let Some(store) = sink.store else { continue };
        let transport = Client::new(store.http).map_err(|message| Refused {
            message: format!("sink `{}` cannot be started: {message}", sink.name),
            exit: Exit::Usage,
        })?;
        let delivery = Delivery {
            sink: Arc::clone(&sink.name),
            wire: Arc::clone(&sink.sink.wire),
            transport,
            settings: store.delivery,
            metrics: net.metrics.pipeline(&sink.name),
            progress: Arc::clone(&net.progress),
        };
        prepared.push((delivery, inbox, batches));
    }
    let admin = match admin {
        Some(settings) => {
            Some(Admin::bind(&settings).await.map_err(|message| Refused { message, exit: Exit::Unavailable })?)
        }
        None => None,
    };
    Ok((prepared, admin))
}

async fn serve(
    deliveries: Vec<Prepared>,
    admin: Option<Admin>,
    per_workload: bool,
    listened: Vec<(i32, Signals)>,
    net: Net,
) {
    let local = tokio::task::LocalSet::new();
    for (delivery, inbox, batches) in deliveries {
        let (deadline, events) = (net.deadline.clone(), net.events.clone());
        local.spawn_local(async move {
            let reports = inbox.clone();
            // A pipeline that has ended does not want its reports any more.
            let report = move |report| drop(reports.send(Inbox::Report(report)));
            if let Err(message) = delivery.run(batches, deadline, report).await {
                drop(events.send(Event::DeliveryFailed(message)));
            }
            drop(inbox.send(Inbox::DeliveryEnded));
        });
    }
    if let Some(admin) = admin {
        let (gauges, has_files) = (Arc::clone(&net.gauges), net.has_files);
        let answers = Answers {
            metrics: pages::metrics(Arc::clone(&net.metrics), Arc::clone(&net.asked), per_workload),
            status: pages::status(Arc::clone(&net.asked)),
            live: Box::new(|| Ok(())),
            ready: Box::new(move || {
                if has_files && !gauges.walked.load(Ordering::Acquire) {
                    return Err("files were not looked for yet".to_owned());
                }
                Ok(())
            }),
        };
        if let Ok(address) = admin.address() {
            info!(%address, "the admin port answers");
        }
        local.spawn_local(admin.serve(answers));
    }
    for (number, mut signals) in listened {
        let events = net.events.clone();
        local.spawn_local(async move {
            while signals.recv().await.is_some() {
                // The supervisor may have ended first.
                drop(events.send(Event::Signal(number)));
            }
        });
    }
    // Until the process ends: the admin port answers to the last.
    local.run_until(std::future::pending::<()>()).await;
}

/// From here on a signal to end is heard, and no longer the process's end.
fn listen_to_signals() -> Vec<(i32, Signals)> {
    let kinds = [(15, SignalKind::terminate()), (2, SignalKind::interrupt())];
    let listen = kinds.map(|(number, kind)| match signal(kind) {
        Ok(signals) => Some((number, signals)),
        Err(error) => {
            warn!(%error, "signal {number} cannot be waited for; it ends the process at once");
            None
        }
    });
    listen.into_iter().flatten().collect()
}

fn start_sources(
    settings: &Settings,
    store: &Arc<Store>,
    pipelines: &[Started],
    gauges: &Arc<Gauges>,
    events: &Sender<Event>,
    stop_spool: Option<&Arc<AtomicBool>>,
) -> Result<(Arc<AtomicBool>, Option<Waker>), Refused> {
    let host = machine::host();
    let own_uid = machine::own_pod_uid();
    let wanted_by =
        |source: usize| -> Vec<bool> { settings.sinks.iter().map(|sink| sink.sources.contains(&source)).collect() };
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
                let pipe = Pipe::new(settings.pipe_bytes, settings.sinks.len());
                let parts = stdin::Parts {
                    source: Arc::clone(&source.name),
                    parser: source.parser,
                    host: Arc::clone(&host),
                    pipelines: pipelines.iter().map(|pipeline| Box::new(inbox(pipeline)) as _).collect(),
                    wanted_by: wanted_by(index),
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
