//! Series per workload: written by hand when they are asked for, so that none has to be kept for a pod that is gone.
//!
//! **Invariant**: a label's value is escaped as Prometheus reads it.

use std::fmt::Write as _;

use super::look::{Look, WorkloadLook};
use crate::flow::account::Tally;
use crate::model::batch::DropReason;

/// One family: name, kind, help, and its series of a workload (more labels, value).
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    series: fn(&WorkloadLook) -> Vec<(String, u64)>,
}

const FAMILIES: [Family; 5] = [
    Family {
        name: "tailwater_workload_lines_total",
        kind: "counter",
        help: "Lines of a workload, by what became of them.",
        series: |workload| fates(workload, |tally| tally.entries),
    },
    Family {
        name: "tailwater_workload_bytes_total",
        kind: "counter",
        help: "Bytes of a workload's lines, by what became of them.",
        series: |workload| fates(workload, |tally| tally.bytes),
    },
    Family {
        name: "tailwater_workload_lines_malformed_total",
        kind: "counter",
        help: "Lines of a workload whose form was wrong, by flaw, where there are any; they are delivered all the same.",
        series: |workload| {
            let flaws = workload.flaws.counts();
            flaws.map(|(flaw, count)| (format!(",flaw=\"{}\"", flaw.name()), count)).collect()
        },
    },
    Family {
        name: "tailwater_workload_lines_in_flight",
        kind: "gauge",
        help: "Lines of a workload, read and not yet settled.",
        series: |workload| vec![(String::new(), workload.account.in_flight.entries)],
    },
    Family {
        name: "tailwater_workload_lag_bytes",
        kind: "gauge",
        help: "Bytes of a workload that are there and not settled, read or not.",
        series: |workload| vec![(String::new(), workload.lag.bytes)],
    },
];

fn fates(workload: &WorkloadLook, of: fn(Tally) -> u64) -> Vec<(String, u64)> {
    let account = &workload.account;
    let fate = |fate: &str, tally| (format!(",fate=\"{fate}\""), of(tally));
    let mut all = vec![
        fate("read", account.read),
        fate("delivered", account.delivered),
        fate("filtered", account.filtered),
        fate("dead_lettered", account.dead_lettered),
        fate("given_back", account.given_back),
    ];
    all.extend(DropReason::ALL.map(|reason| fate(&format!("dropped_{}", reason.name()), account.dropped(reason))));
    all
}

/// Appends the series of every workload of every pipeline.
pub(super) fn render(pipelines: &[(&str, Look)], page: &mut String) {
    for family in &FAMILIES {
        // Writing to a String cannot fail.
        _ = writeln!(page, "# HELP {} {}\n# TYPE {} {}", family.name, family.help, family.name, family.kind);
        for (pipeline, look) in pipelines {
            for workload in &look.workloads {
                let name = &workload.name;
                let (namespace, pod) = (escaped(&name.namespace), escaped(&name.pod));
                let (container, source) = (escaped(&name.container), escaped(&name.source));
                for (labels, value) in (family.series)(workload) {
                    _ = writeln!(
                        page,
                        "{}{{pipeline=\"{pipeline}\",namespace=\"{namespace}\",pod=\"{pod}\",container=\"{container}\",source=\"{source}\"{labels}}} {value}",
                        family.name
                    );
                }
            }
        }
    }
}

pub(super) fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::look::{Lag, WorkloadName};
    use crate::model::batch::Fate;
    use crate::model::event::Flaw;

    #[test]
    fn a_workload_has_its_series() {
        let mut workload = WorkloadLook {
            name: WorkloadName {
                namespace: "shop".to_owned(),
                pod: "a\"b".to_owned(),
                container: "app".to_owned(),
                source: "pods".into(),
            },
            account: Default::default(),
            flaws: Default::default(),
            lag: Lag { bytes: 7, ..Lag::default() },
            origins: 1,
        };
        workload.account.hand_on(Tally { entries: 5, bytes: 50 }, 0);
        workload.account.filter(Tally { entries: 1, bytes: 7 });
        workload.flaws.note(Flaw::NotParsed);
        workload.account.settle(&Fate::Dropped(DropReason::GaveUp), Tally { entries: 2, bytes: 20 });
        let look = Look { workloads: vec![workload], ..Look::default() };
        let mut page = String::new();
        render(&[("loki", look)], &mut page);
        let labels = "pipeline=\"loki\",namespace=\"shop\",pod=\"a\\\"b\",container=\"app\",source=\"pods\"";
        for line in [
            format!("tailwater_workload_lines_total{{{labels},fate=\"read\"}} 6"),
            format!("tailwater_workload_bytes_total{{{labels},fate=\"filtered\"}} 7"),
            format!("tailwater_workload_bytes_total{{{labels},fate=\"dropped_gave_up\"}} 20"),
            format!("tailwater_workload_lines_malformed_total{{{labels},flaw=\"not_parsed\"}} 1"),
            format!("tailwater_workload_lines_in_flight{{{labels}}} 3"),
            format!("tailwater_workload_lag_bytes{{{labels}}} 7"),
        ] {
            assert!(page.lines().any(|found| found == line), "{line} in\n{page}");
        }
    }
}
