//! The network's thread: deliveries over HTTP, the admin port, signals.

use std::sync::Arc;
use std::sync::mpsc::{self, Sender};

use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tracing::{info, warn};

use super::parts::{Event, Refused, spawn};
use super::roster::SharedRoster;
use super::{health, pages};
use crate::admin::{self, Admin, Answers};
use crate::deliver::http::Client;
use crate::deliver::run::Delivery;
use crate::exit::Exit;
use crate::metrics::Metrics;
use crate::model::batch::Batch;
use crate::pipeline::Inbox;
use crate::sources::files::follow::Gauges;

/// The signal by which daemons are told to load their settings again.
const HANGUP: i32 = 1;

/// What the network's thread needs.
pub(super) struct Net {
    pub(super) metrics: Arc<Metrics>,
    pub(super) roster: SharedRoster,
    pub(super) gauges: Arc<Gauges>,
    pub(super) has_files: bool,
    pub(super) admin: Option<admin::Settings>,
    /// Whether SIGHUP has the settings loaded again; else it ends the process, as it does to most programs.
    pub(super) reloads: bool,
    pub(super) deliveries: UnboundedReceiver<Prepared>,
    pub(super) events: Sender<Event>,
}

/// One worker's delivery over HTTP, ready to begin.
pub(super) struct Prepared {
    pub(super) delivery: Delivery<Client>,
    /// The worker's inbox.
    pub(super) inbox: Sender<Inbox>,
    pub(super) batches: UnboundedReceiver<Batch>,
    /// When it is to end, once it is.
    pub(super) deadline: watch::Receiver<Option<tokio::time::Instant>>,
}

/// Starts the runtime's thread; waits until the admin port is bound and signals are heard.
pub(super) fn start_net(net: Net) -> Result<(), Refused> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| Refused {
        message: format!("the network runtime cannot be started: {error}"),
        exit: Exit::Internal,
    })?;
    let (started, has_started) = mpsc::channel();
    spawn("tailwater-net", move || {
        runtime.block_on(async move {
            match bind(net.admin).await {
                Ok(port) => {
                    let signals = listen_to_signals(net.reloads);
                    // The starter waits for this.
                    drop(started.send(Ok(())));
                    serve(port, signals, net).await;
                }
                Err(refused) => drop(started.send(Err(refused))),
            }
        });
    })?;
    has_started.recv().unwrap_or_else(|_| {
        Err(Refused { message: "the network thread ended before it began".to_owned(), exit: Exit::Internal })
    })
}

/// The admin port, open, and its settings.
type Port = (Admin, admin::Settings);

async fn bind(settings: Option<admin::Settings>) -> Result<Option<Port>, Refused> {
    let Some(settings) = settings else { return Ok(None) };
    let bound = Admin::bind(&settings).await;
    Ok(Some((bound.map_err(|message| Refused { message, exit: Exit::Unavailable })?, settings)))
}

async fn serve(admin: Option<Port>, listened: Vec<(Event, Signals)>, mut net: Net) {
    let local = tokio::task::LocalSet::new();
    if let Some((admin, admin_settings)) = admin {
        let (gauges, walked, has_files) = (Arc::clone(&net.gauges), Arc::clone(&net.gauges), net.has_files);
        let (roster, refusing) = (net.roster.clone(), net.roster.clone());
        let answers = Answers {
            metrics: pages::metrics(Arc::clone(&net.metrics), net.roster.clone(), admin_settings.series_per_workload),
            status: pages::status(Arc::clone(&net.metrics), net.roster.clone()),
            live: Box::new(move || health::live(&roster, &gauges, admin_settings.stuck_after)),
            ready: Box::new(move || health::ready(&walked, has_files)),
            sinks: Box::new(move || health::sinks(&refusing)),
        };
        if let Ok(address) = admin.address() {
            info!(%address, "the admin port answers");
        }
        local.spawn_local(admin.serve(answers));
    }
    for (event, mut signals) in listened {
        let events = net.events.clone();
        local.spawn_local(async move {
            while signals.recv().await.is_some() {
                // The supervisor may have ended first.
                drop(events.send(event.clone()));
            }
        });
    }
    let accept = async {
        while let Some(prepared) = net.deliveries.recv().await {
            tokio::task::spawn_local(deliver(prepared, net.events.clone()));
        }
        // Until the process ends: the admin port answers to the last.
        std::future::pending::<()>().await;
    };
    local.run_until(accept).await;
}

async fn deliver(prepared: Prepared, events: Sender<Event>) {
    let Prepared { delivery, inbox, batches, deadline } = prepared;
    let reports = inbox.clone();
    // A pipeline that has ended does not want its reports any more.
    let report = move |report| drop(reports.send(Inbox::Report(report)));
    if let Err(message) = delivery.run(batches, deadline, report).await {
        drop(events.send(Event::DeliveryFailed(message)));
    }
    drop(inbox.send(Inbox::DeliveryEnded));
}

/// From here on a signal to end is heard, and no longer the process's end.
fn listen_to_signals(reloads: bool) -> Vec<(Event, Signals)> {
    let mut kinds = vec![(15, SignalKind::terminate()), (2, SignalKind::interrupt())];
    if reloads {
        kinds.push((HANGUP, SignalKind::hangup()));
    }
    let listen = kinds.into_iter().map(|(number, kind)| match signal(kind) {
        Ok(signals) if number == HANGUP => Some((Event::Reload, signals)),
        Ok(signals) => Some((Event::Signal(number), signals)),
        Err(error) => {
            warn!(%error, "signal {number} cannot be waited for; it ends the process at once");
            None
        }
    });
    listen.flatten().collect()
}
