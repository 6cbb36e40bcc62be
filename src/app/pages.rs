//! What the admin port shows: every pipeline is asked, and what it says is put on a page.
//!
//! **Invariant**: whoever asks waits no longer than [`PATIENCE`]; a pipeline that does not answer is shown as it was
//! last.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::roster::{Asked, SharedRoster};
use crate::admin::Page;
use crate::admin::status::{self, PipelineStatus, ProgramStatus, SettingsStatus};
use crate::cli;
use crate::metrics::Metrics;
use crate::metrics::look::Look;
use crate::pipeline::Inbox;

/// A pipeline answers between two turns, which take milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// The page `/metrics`.
pub fn metrics(metrics: Arc<Metrics>, roster: SharedRoster, per_workload: bool) -> Page {
    Box::new(move || {
        let (metrics, roster) = (Arc::clone(&metrics), roster.clone());
        Box::pin(async move {
            let pipelines = roster.pipelines();
            for (pipeline, look) in pipelines.iter().zip(ask(&pipelines, false).await) {
                if let Some(look) = look {
                    pipeline.metrics.publish(pipeline.worker, &look);
                }
            }
            metrics.render(per_workload)
        })
    })
}

/// The page `/status`.
pub fn status(metrics: Arc<Metrics>, roster: SharedRoster) -> Page {
    Box::new(move || {
        let (metrics, roster) = (Arc::clone(&metrics), roster.clone());
        Box::pin(async move {
            let pipelines = roster.pipelines();
            let looks = ask(&pipelines, true).await;
            let mut all: Vec<PipelineStatus> = Vec::new();
            for (pipeline, look) in pipelines.iter().zip(looks) {
                match all.last_mut().filter(|_| pipeline.worker > 0) {
                    // Where one of a sink's workers does not answer, all are shown as they were last.
                    Some(known) => known.look = known.look.take().zip(look).map(|(known, look)| known.and(look)),
                    None => all.push(PipelineStatus {
                        name: pipeline.name.to_string(),
                        kind: pipeline.kind,
                        look,
                        metrics: Arc::clone(&pipeline.metrics),
                    }),
                }
            }
            let program = {
                let roster = roster.lock();
                ProgramStatus {
                    version: cli::VERSION,
                    uptime: metrics.uptime(),
                    settings: SettingsStatus {
                        source: roster.settings.to_string(),
                        loaded: roster.loaded.elapsed(),
                        refused: roster.refused.as_ref().map(|refused| (refused.message.clone(), refused.at.elapsed())),
                    },
                    sources: roster.sources.iter().map(|(name, kind)| (name.to_string(), *kind)).collect(),
                    process: metrics.process(),
                }
            };
            status::render(&program, all)
        })
    })
}

async fn ask(pipelines: &[Asked], origins: bool) -> Vec<Option<Look>> {
    let until = Instant::now() + PATIENCE;
    let mut answers = Vec::new();
    for pipeline in pipelines {
        let (answer, answered) = oneshot::channel();
        // Nobody may be waiting any more.
        let answer = Box::new(move |look| drop(answer.send(look)));
        // One that has ended drops the question, and with it the answer.
        drop(pipeline.inbox.send(Inbox::Look { origins, answer }));
        answers.push(answered);
    }
    let mut looks = Vec::new();
    for answer in answers {
        looks.push(timeout_at(until, answer).await.ok().and_then(Result::ok));
    }
    looks
}
