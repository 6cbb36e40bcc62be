//! Series that the settings make of events: written by hand, since their names are the user's.
//!
//! **Invariant**: each name has one `HELP` and one `TYPE`, of the first pipeline that has it; names that clash were refused at the start.

use std::fmt::Write as _;

use super::workloads::escaped;
use crate::transform::count::{Counted, Kind, Metric, Series};

/// Appends what the pipelines have counted, by their names.
pub fn render(pipelines: &[(&str, Vec<Counted>)], page: &mut String) {
    let all = || pipelines.iter().flat_map(|(name, counted)| counted.iter().map(move |counted| (*name, counted)));
    let mut names: Vec<&Metric> = Vec::new();
    for (_, counted) in all() {
        if !names.iter().any(|known| known.name == counted.metric.name) {
            names.push(&counted.metric);
        }
    }
    names.sort_by(|one, other| one.name.cmp(&other.name));
    for metric in names {
        let kind = if metric.kind == Kind::Counter { "counter" } else { "histogram" };
        let help = metric.help.replace('\\', "\\\\").replace('\n', "\\n");
        // Writing to a String cannot fail, here and below.
        _ = writeln!(page, "# HELP {} {help}\n# TYPE {} {kind}", metric.name, metric.name);
        for (pipeline, counted) in all().filter(|(_, counted)| counted.metric.name == metric.name) {
            // While settings change, two workers may have two of one name.
            if counted.metric.kind != metric.kind {
                continue;
            }
            for (values, series) in &counted.series {
                let mut labels = format!("pipeline=\"{}\"", escaped(pipeline));
                for (label, value) in counted.metric.labels.iter().zip(values) {
                    _ = write!(labels, ",{label}=\"{}\"", escaped(value));
                }
                one(&counted.metric, &labels, series, page);
            }
        }
    }
}

fn one(metric: &Metric, labels: &str, series: &Series, page: &mut String) {
    let name = &metric.name;
    let Kind::Histogram(bounds) = &metric.kind else {
        _ = writeln!(page, "{name}{{{labels}}} {}", series.sum);
        return;
    };
    let mut below = 0;
    for (bound, count) in bounds.iter().zip(&series.buckets) {
        below += count;
        _ = writeln!(page, "{name}_bucket{{{labels},le=\"{bound}\"}} {below}");
    }
    _ = writeln!(page, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", series.count);
    _ = writeln!(page, "{name}_sum{{{labels}}} {}\n{name}_count{{{labels}}} {}", series.sum, series.count);
}
