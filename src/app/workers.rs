//! Makes a sink's workers: a pipeline's thread each, and the way that its batches go.
//!
//! **Invariant**: whatever may fail about a sink is tried in [`client`], before anything that runs is touched.

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tracing::error;

use super::net::Prepared;
use super::parts::{Deadline, Event, OnDrop, Refused, Started, spawn};
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
use crate::metrics::beat::Beat;
use crate::model::batch::{Batch, Report};
use crate::model::budget::Budget;
use crate::pipeline::forge::Tools;
use crate::pipeline::{Inbox, Parts, Pipeline, Summary};
use crate::sinks::kind::Transport;
use crate::store::Store;

/// How often active files are read.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// So many batches are ready when a request ends: more would wait in memory instead of in their files.
const TO_FOLLOW: usize = 2;

/// Takes a pipeline's sealed batches.
pub type Outlet = Box<dyn Fn(Batch) + Send>;

/// What all workers are made with.
pub struct Workers {
    /// The series.
    pub metrics: Arc<Metrics>,
    /// Whether anything gets done.
    pub progress: Arc<Progress>,
    /// Checkpoints.
    pub store: Arc<Store>,
    /// What the supervisor hears.
    pub events: Sender<Event>,
    /// Takes deliveries over HTTP.
    pub(super) deliveries: UnboundedSender<Prepared>,
    /// Ends stdout's writer.
    pub stop_stdout: Arc<AtomicBool>,
    /// Stdout's one writer, once there is one.
    pub(super) stdout: Option<Sender<Job>>,
}

/// What carries a worker's requests; `None` where it sends none.
pub fn client(sink: &Sink) -> Result<Option<Client>, Refused> {
    let Some(store) = &sink.store else { return Ok(None) };
    let client = Client::new(store.http.clone()).map_err(|message| Refused {
        message: format!("sink `{}` cannot be started: {message}", sink.name),
        exit: Exit::Usage,
    })?;
    Ok(Some(client))
}

/// The workers of a sink share its requests.
fn requests_of_each(sink: &Sink, requests: usize) -> usize {
    requests.div_ceil(sink.workers)
}

/// Batches of a worker that are of use at once: one for each request, or for the one who writes, and some to follow.
fn most_underway(sink: &Sink) -> usize {
    let requests = sink.store.as_ref().map_or(1, |store| requests_of_each(sink, store.delivery.requests_in_flight));
    requests + TO_FOLLOW
}

/// What makes items of lines for a sink.
pub fn tools(settings: &Settings, sink: &Sink, budget: Budget) -> Tools {
    Tools {
        encoder: sink.sink.encoder(),
        parsers: settings.parsers.clone(),
        multiline: settings.multiline.clone(),
        batch: sink.batch.clone(),
        budget,
        permit_bytes: sink.permit_bytes(settings.max_line),
        most_underway: most_underway(sink),
        max_line: settings.max_line,
        redactor: sink.redactor.clone(),
        steps: sink.steps.clone(),
    }
}

impl Workers {
    /// Starts worker `worker` of the sink at `at`, as the pipeline `index`.
    pub fn start(
        &mut self,
        settings: &Settings,
        (at, worker): (usize, usize),
        index: usize,
        client: Option<Client>,
    ) -> Result<Started, Refused> {
        let sink = &settings.sinks[at];
        let (inbox_sender, inbox) = mpsc::channel();
        let metrics = self.metrics.pipeline(&sink.name);
        // Each has memory of its own: where one waits for it, its own reports bring it back.
        let budget = Budget::new(sink.share / sink.workers);
        metrics.show_budget(worker, &budget);
        let (deadline, outlet) = self.way_out(sink, &inbox_sender, client);
        let beat = Arc::new(Beat::default());
        let parts = Parts {
            name: Arc::clone(&sink.name),
            index,
            worker,
            beat: Arc::clone(&beat),
            tools: tools(settings, sink, budget.clone()),
            poll_interval: POLL_INTERVAL,
            book: Arc::clone(&self.store) as Arc<dyn Book>,
            inbox,
            outlet,
            metrics,
        };
        let events = self.events.clone();
        let thread = spawn(&sink.name, move || -> Summary {
            // Dropped also where the thread panics, so the supervisor always hears of the end.
            let _ended = OnDrop(Some(move || drop(events.send(Event::PipelineEnded(index)))));
            Pipeline::new(parts).run()
        })?;
        Ok(Started {
            name: Arc::clone(&sink.name),
            sink: at,
            worker,
            beat,
            transport: sink.sink.transport,
            inbox: inbox_sender,
            budget,
            deadline,
            thread: Some(thread),
        })
    }

    /// Where a worker's batches go, and what ends that.
    pub fn way_out(&mut self, sink: &Sink, inbox: &Sender<Inbox>, client: Option<Client>) -> (Deadline, Outlet) {
        let (deadline, seen) = watch::channel(None);
        let outlet: Outlet = match (sink.sink.transport, client, &sink.store) {
            (Transport::Http, Some(transport), Some(store)) => {
                let (batches, received) = unbounded_channel();
                let mut settings = store.delivery.clone();
                settings.requests_in_flight = requests_of_each(sink, settings.requests_in_flight);
                let delivery = Delivery {
                    sink: Arc::clone(&sink.name),
                    wire: Arc::clone(&sink.sink.wire),
                    transport,
                    settings,
                    metrics: self.metrics.pipeline(&sink.name),
                    progress: Arc::clone(&self.progress),
                };
                let prepared = Prepared { delivery, inbox: inbox.clone(), batches: received, deadline: seen };
                // The network's thread lives as long as the process.
                drop(self.deliveries.send(prepared));
                // The delivery can only be gone when the process ends, and then nobody reads the file's rest.
                Box::new(move |batch| drop(batches.send(batch)))
            }
            (Transport::Stdout, ..) => stdout_outlet(self.stdout(), inbox.clone()),
            (Transport::Null | Transport::Http, ..) => null_outlet(Arc::clone(&self.progress), inbox.clone()),
        };
        (deadline, outlet)
    }

    fn stdout(&mut self) -> Sender<Job> {
        let (progress, stop, events) = (&self.progress, &self.stop_stdout, &self.events);
        let start = || start_stdout(Arc::clone(progress), Arc::clone(stop), events.clone());
        self.stdout.get_or_insert_with(start).clone()
    }
}

/// Tells a pipeline that no more reports will come, when the last holder of its outlet is gone.
fn at_the_end(inbox: Sender<Inbox>) -> OnDrop<impl FnOnce()> {
    // A pipeline that has ended already needs to hear nothing.
    OnDrop(Some(move || drop(inbox.send(Inbox::DeliveryEnded))))
}

fn null_outlet(progress: Arc<Progress>, inbox: Sender<Inbox>) -> Outlet {
    let end = at_the_end(inbox.clone());
    Box::new(move |batch| {
        let _kept_until_dropped = &end;
        null::deliver(batch, &progress, |report| drop(inbox.send(Inbox::Report(report))));
    })
}

fn stdout_outlet(jobs: Sender<Job>, inbox: Sender<Inbox>) -> Outlet {
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
