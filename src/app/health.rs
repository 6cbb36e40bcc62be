//! What `/livez` and `/readyz` say.
//!
//! **Invariant**: `/livez` fails only where a new start would help: a loop that does not turn. A store that is down, a limit
//! that is reached and a file that cannot be read are no reason to take the program, or the application beside it, away.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::roster::SharedRoster;
use crate::admin::Health;
use crate::sources::files::follow::Gauges;

/// Whether every loop turns.
pub fn live(roster: &SharedRoster, gauges: &Gauges, stuck_after: Duration) -> Health {
    let mut stuck: Vec<String> = roster
        .pipelines()
        .iter()
        .map(|pipeline| (format!("pipeline `{}`", pipeline.name), pipeline.beat.silent_for()))
        .chain([("the files' follower".to_owned(), gauges.beat.silent_for())])
        .filter(|(_, silent)| *silent >= stuck_after)
        .map(|(name, silent)| format!("{name} has not turned for {} s", silent.as_secs()))
        .collect();
    if stuck.is_empty() {
        return Ok(());
    }
    stuck.sort_unstable();
    Err(stuck.join("; "))
}

/// Whether the settings are loaded and files were looked for once, and no more.
pub fn ready(gauges: &Gauges, has_files: bool) -> Health {
    if has_files && !gauges.walked.load(Ordering::Acquire) {
        return Err("files were not looked for yet".to_owned());
    }
    Ok(())
}

/// Whether every store takes something.
pub fn sinks(roster: &SharedRoster) -> Health {
    let pipelines = roster.pipelines();
    let refusing = pipelines.iter().filter(|pipeline| pipeline.metrics.refusing.get() != 0);
    // A sink's workers have one series.
    let names: Vec<&str> = refusing.filter(|pipeline| pipeline.worker == 0).map(|pipeline| &*pipeline.name).collect();
    if names.is_empty() { Ok(()) } else { Err(format!("refusing: {}", names.join(", "))) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc;

    use super::*;
    use crate::app::roster::{Asked, Roster};
    use crate::metrics::Metrics;

    #[test]
    fn only_what_a_new_start_would_mend_is_not_live() {
        let (metrics, gauges) = (Metrics::new(), Gauges::default());
        let asked = |name: &str| Asked {
            name: name.into(),
            kind: "loki",
            worker: 0,
            beat: Arc::default(),
            inbox: mpsc::channel().0,
            metrics: metrics.pipeline(name),
        };
        let (a, b) = (asked("a"), asked("b"));
        let beat = Arc::clone(&a.beat);
        let roster = SharedRoster::of(Roster {
            pipelines: vec![a, b],
            sources: Vec::new(),
            settings: Arc::from("t.yaml"),
            loaded: std::time::Instant::now(),
            refused: None,
        });
        assert_eq!(live(&roster, &gauges, Duration::ZERO).map_err(|why| why.matches("turned").count()), Err(3));
        let long = Duration::from_secs(60);
        assert_eq!(live(&roster, &gauges, long), Ok(()), "what has not begun is not stuck");
        beat.beat();
        gauges.beat.beat();
        assert_eq!(live(&roster, &gauges, long), Ok(()));
        // A sink that refuses is none of its business.
        metrics.pipeline("b").refusing.set(1);
        assert_eq!(live(&roster, &gauges, long), Ok(()));
        assert_eq!(sinks(&roster), Err("refusing: b".to_owned()));
        assert!(ready(&gauges, true).is_err());
        assert_eq!(ready(&gauges, false), Ok(()));
        gauges.walked.store(true, Ordering::Release);
        assert_eq!(ready(&gauges, true), Ok(()));
    }
}
