//! The transforms that settings name, on events as an encoder would get them.
//!
//! **Invariant**: they are made as the program makes them, from settings; what is measured is the transform and whatever it
//! makes of the event, not what comes behind it.

use std::hint::black_box;

use tailwater::transform::steps::{Run, Steps};

use crate::clock::cpu_of;
use crate::cores::Add;
use crate::sample::{self, Kind, Sample, with_events};

const MAX_LINE: usize = 256 << 10;
/// Name of the row, what is typed under `transforms`, and the kind of lines that have such fields; all lines where it is none.
const TRANSFORMS: [(&str, &str, Option<Kind>); 12] = [
    ("transform: keep by level", "{ keep: 'level >= warn' }", None),
    ("transform: drop by a field", "{ drop: \"fields.path == '/health'\" }", None),
    ("transform: sample", "{ sample: { rate: 0.1 } }", None),
    ("transform: limit, none left out", "{ limit: { lines_per_second: 1000000 } }", None),
    ("transform: dedupe", "{ dedupe: { within: 1m } }", None),
    (
        "transform: metrics",
        "{ metrics: { seen_total: { labels: { level: '{level}' } }, took: { value: fields.latency, buckets: [0.1, 1] } } }",
        None,
    ),
    ("transform: rename", "{ rename: { level: severity } }", Some(Kind::Json)),
    ("transform: remove", "{ remove: [level, thread_name] }", Some(Kind::Json)),
    ("transform: keep_only", "{ keep_only: [message, msg, level, time, ts] }", Some(Kind::Json)),
    ("transform: set", "{ set: { where: '{namespace}/{pod}' } }", Some(Kind::Json)),
    (
        "transform: parse a field",
        "{ parse: { field: message, regex: '^(?<first>[^ ]+) (?<second>[^ ]+)', into: words } }",
        Some(Kind::Json),
    ),
    ("transform: nest", "{ nest: { app: [level, thread_name, logger_name] } }", Some(Kind::Json)),
];

/// Measures each once.
pub fn round(sample: &Sample, add: &mut Add<'_>) -> Result<(), String> {
    for (name, typed, kind) in TRANSFORMS {
        let mut steps = made(typed)?;
        let lines: Vec<_> =
            sample.lines.iter().filter(|line| kind.is_none_or(|kind| line.kind == kind)).cloned().collect();
        let mut wrong = vec![0; steps.names().count()];
        let (mut owed, mut told) = (Vec::new(), Vec::new());
        let (cpu, _) = with_events(&sample.parts, &lines, |events| {
            cpu_of(|| {
                let mut went_on = 0;
                for event in events {
                    let (wrong, owed, told) = (&mut wrong, &mut owed, &mut told);
                    let mut run = Run { moment: event.time, most: MAX_LINE, wrong, owed, told, spare: 0, demoted: 0 };
                    steps.run(event, &mut run, &mut |event| went_on += black_box(event).body.len());
                    owed.clear();
                }
                went_on
            })
        });
        add(name, &[], lines.iter().map(|line| line.text.len()).sum(), cpu);
    }
    Ok(())
}

fn made(typed: &str) -> Result<Steps, String> {
    let settings = sample::settings(&format!(
        "state_dir: /nonexistent\nsources: {{ pods: {{ type: kubernetes, path: /var/log/pods }} }}\n\
         sinks: {{ out: {{ type: 'null', transforms: {{ it: {typed} }} }} }}\n"
    ))?;
    settings.sinks.into_iter().next().map(|sink| sink.steps).ok_or_else(|| format!("no sink for `{typed}`"))
}
