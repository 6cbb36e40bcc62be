//! The network's thread: deliveries over HTTP, the admin port, signals.

use std::sync::Arc;
use std::sync::mpsc::{self, Sender};

use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::sync::{mpsc as tokio_mpsc, watch};
use tracing::{info, warn};

use super::parts::{Event, Refused, spawn};
use super::roster::SharedRoster;
use super::{health, pages};
use crate::admin::{Admin, Answers};
use crate::config::parts::Sink;
use crate::config::settings::Settings;
use crate::deliver::http::Client;
use crate::deliver::progress::Progress;
use crate::deliver::run::Delivery;
use crate::exit::Exit;
use crate::metrics::Metrics;
use crate::model::batch::Batch;
use crate::pipeline::Inbox;
use crate::sources::files::follow::Gauges;

/// What the network's thread needs.
pub(super) struct Net {
    pub(super) metrics: Arc<Metrics>,
    pub(super) roster: SharedRoster,
    pub(super) progress: Arc<Progress>,
    pub(super) gauges: Arc<Gauges>,
    pub(super) has_files: bool,
    pub(super) deadline: watch::Receiver<Option<tokio::time::Instant>>,
    pub(super) events: Sender<Event>,
}

/// Of each worker of a sink behind HTTP: the sink's place, the worker's inbox, its batches.
pub(super) type OverHttp = Vec<(usize, Sender<Inbox>, tokio_mpsc::UnboundedReceiver<Batch>)>;

/// Starts the runtime's thread; waits until every client is made and the admin port is bound.
pub(super) fn start_net(settings: &Settings, over_http: OverHttp, net: Net) -> Result<(), Refused> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| Refused {
        message: format!("the network runtime cannot be started: {error}"),
        exit: Exit::Internal,
    })?;
    let admin_settings = settings.admin;
    let sinks: Vec<Sink> = over_http.iter().map(|(index, ..)| settings.sinks[*index].clone()).collect();
    let (started, has_started) = mpsc::channel();
    spawn("tailwater-net", move || {
        runtime.block_on(async move {
            match prepare(sinks, over_http, &net, admin_settings).await {
                Ok((deliveries, admin)) => {
                    let signals = listen_to_signals();
                    // The starter waits for this.
                    drop(started.send(Ok(())));
                    serve(deliveries, admin, signals, net).await;
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
type Port = (Admin, crate::admin::Settings);

type Prepared = (Delivery<Client>, Sender<Inbox>, tokio_mpsc::UnboundedReceiver<Batch>);

async fn prepare(
    sinks: Vec<Sink>,
    over_http: OverHttp,
    net: &Net,
    admin: Option<crate::admin::Settings>,
) -> Result<(Vec<Prepared>, Option<Port>), Refused> {
    let mut prepared = Vec::new();
    for (sink, (_, inbox, batches)) in sinks.into_iter().zip(over_http) {
        let Some(store) = sink.store else { continue };
        let transport = Client::new(store.http).map_err(|message| Refused {
            message: format!("sink `{}` cannot be started: {message}", sink.name),
            exit: Exit::Usage,
        })?;
        let mut settings = store.delivery;
        // The workers of a sink share its requests.
        settings.requests_in_flight = settings.requests_in_flight.div_ceil(sink.workers);
        let delivery = Delivery {
            sink: Arc::clone(&sink.name),
            wire: Arc::clone(&sink.sink.wire),
            transport,
            settings,
            metrics: net.metrics.pipeline(&sink.name),
            progress: Arc::clone(&net.progress),
        };
        prepared.push((delivery, inbox, batches));
    }
    let admin = match admin {
        Some(settings) => {
            let bound = Admin::bind(&settings).await;
            Some((bound.map_err(|message| Refused { message, exit: Exit::Unavailable })?, settings))
        }
        None => None,
    };
    Ok((prepared, admin))
}

async fn serve(deliveries: Vec<Prepared>, admin: Option<Port>, listened: Vec<(i32, Signals)>, net: Net) {
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
