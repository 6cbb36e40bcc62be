//! `metrics` of a transform: metrics by name.
//!
//! **Invariant**: a name that is taken here is one that Prometheus takes, and none of the program's own.

use std::collections::HashMap;

use super::{Counter, Counts, Kind, Metric};
use crate::model::settings::{Key, Node, Place, Problems, Section};
use crate::model::template::Template;
use crate::transform::condition::Condition;

/// The keys of a metric.
pub const KEYS: &[Key] = &[
    Key { name: "help", kind: "text", default: "its name", help: "what it says of itself" },
    Key {
        name: "value",
        kind: "text",
        default: "",
        help: "the field whose numbers are added up, such as `fields.bytes`; lines are counted if not set",
    },
    Key {
        name: "buckets",
        kind: "list of numbers",
        default: "",
        help: "makes a histogram of the values, with these upper bounds",
    },
    Key {
        name: "labels",
        kind: "map of templates",
        default: "",
        help: "labels and their values, such as `status: \"{fields.status}\"`; `pipeline` is there always",
    },
    Key {
        name: "when",
        kind: "condition",
        default: "",
        help: "only lines that this holds of are counted; all if not set",
    },
    Key { name: "max_series", kind: "number", default: "1000", help: "more sets of labels are counted in one series" },
];

/// More are a mistake: each is kept, and written at every scrape.
const MOST_SERIES: u64 = 100_000;
/// Series of one metric if nothing is typed.
const SERIES: u64 = 1000;
/// What the names of the program's own begin with.
const OWN: [&str; 2] = ["tailwater_", "process_"];

impl Counts {
    /// Reads the metrics of the transform `name`; `None` if one is wrong, which is noted.
    pub fn read(entries: &[(&str, &Place, &Node)], name: &str, problems: &mut Problems) -> Option<Self> {
        let before = problems.0.len();
        let mut read: Vec<Counter> = Vec::new();
        for (metric, place, node) in entries {
            check_name(metric, place, problems);
            let mut section = Section::new(format!("metric `{metric}`"), node, &[KEYS], problems);
            read.extend(counter(metric, name, &mut section));
            section.end();
        }
        (problems.0.len() == before && !read.is_empty()).then_some(Self(read))
    }
}

fn counter(name: &str, transform: &str, section: &mut Section<'_>) -> Option<Counter> {
    let help = section.text("help").unwrap_or_else(|| name.to_owned());
    let value = section.parsed("value", |text| match text.strip_prefix("fields.") {
        Some(field) if !field.is_empty() => Ok(field.to_owned()),
        _ => Err("expected a field, such as `fields.bytes`".to_owned()),
    });
    let node = section.node("buckets");
    let buckets = section.texts("buckets").map(|texts| bounds(&texts));
    let kind = match (buckets, node) {
        (None, _) => Kind::Counter,
        (Some(Some(bounds)), _) if section.node("value").is_some() => Kind::Histogram(bounds),
        (Some(bounds), node) => {
            let (text, hint) = match bounds {
                Some(_) => (
                    "a histogram needs `value`",
                    "write the field that it is made of, such as `value: fields.duration`",
                ),
                None => ("`buckets` must be numbers that ascend", "write such as `buckets: [0.1, 0.5, 1, 5]`"),
            };
            let text = format!("{}: {text}", section.what());
            let place = node.map_or_else(|| section.place().clone(), |node| node.place.clone());
            section.problems().add_with_hint(&place, text, hint);
            return None;
        }
    };
    let (mut labels, mut values) = (Vec::new(), Vec::new());
    for (label, text, place) in section.text_map("labels").unwrap_or_default() {
        if !is_label(&label) {
            section.problems().add_with_hint(
                &place,
                format!("`{label}` cannot be the name of a label"),
                "use letters, digits and `_`, with no digit first and not `__`; `pipeline` and `le` are taken",
            );
        }
        match Template::parse(&text) {
            Ok(template) => values.push(template),
            Err(wrong) => section.problems().add_with_hint(
                &place,
                format!("the template of `{label}` cannot be read: {wrong}"),
                "such as `\"{namespace}/{pod}\"` or `\"{fields.status}\"`",
            ),
        }
        labels.push(label);
    }
    let when = Condition::read(section, transform, "when").flatten();
    let max_series = section.parsed("max_series", |text| match text.parse() {
        Ok(number @ 1..=MOST_SERIES) => Ok(number),
        _ => Err(format!("expected a whole number from 1 to {MOST_SERIES}")),
    });
    let max_series = usize::try_from(max_series.unwrap_or(SERIES)).unwrap_or(usize::MAX);
    let metric = Metric { name: name.to_owned(), help, kind, labels };
    let (series, key) = (HashMap::new(), String::new());
    Some(Counter { metric, values, value, when, max_series, series, overflows: false, is_said: false, key })
}

fn bounds(texts: &[String]) -> Option<Vec<f64>> {
    let bounds: Option<Vec<f64>> =
        texts.iter().map(|text| text.parse().ok().filter(|bound: &f64| bound.is_finite())).collect();
    bounds.filter(|bounds| !bounds.is_empty() && bounds.windows(2).all(|pair| pair[0] < pair[1]))
}

fn check_name(name: &str, place: &Place, problems: &mut Problems) {
    let own = OWN.iter().any(|own| name.starts_with(own));
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    let starts = name.chars().next().is_some_and(|c| legal(c) && !c.is_ascii_digit());
    let (text, hint) = match () {
        () if own => {
            (format!("`{name}` is a name of the program's own series"), "begin with the name of what you count")
        }
        () if !starts || !name.chars().all(legal) => (
            format!("`{name}` cannot be the name of a metric"),
            "use letters, digits, `_` and `:`, with no digit first, such as `app_requests_total`",
        ),
        () => return,
    };
    problems.add_with_hint(place, text, hint);
}

/// The equivalent of `[a-zA-Z_][a-zA-Z0-9_]*`, without what is taken.
fn is_label(name: &str) -> bool {
    let is_taken = name.starts_with("__") || matches!(name, "pipeline" | "le");
    let starts = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    !is_taken && starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Notes metrics of one name that are not the same: `sinks` are the places of sinks, and what each counts.
pub fn check_same<'m>(sinks: impl Iterator<Item = (&'m Place, Vec<&'m Metric>)>, problems: &mut Problems) {
    let mut known: Vec<&Metric> = Vec::new();
    for (place, metrics) in sinks {
        let mut own: Vec<&str> = Vec::new();
        for metric in metrics {
            let clash =
                match known.iter().find(|known| taken(known).any(|name| taken(metric).any(|other| name == other))) {
                    _ if own.contains(&metric.name.as_str()) => Some("is there twice on this sink"),
                    Some(known) if known.name != metric.name => Some("has a name that a histogram's series have"),
                    Some(known) if known.kind != metric.kind || known.labels != metric.labels => {
                        Some("has other buckets or labels than on another sink")
                    }
                    _ => None,
                };
            if let Some(clash) = clash {
                let text = format!("metric `{}` {clash}", metric.name);
                problems.add_with_hint(place, text, "call it otherwise, or let both be the same");
            }
            own.push(&metric.name);
            known.push(metric);
        }
    }
}

/// The names that a metric's series have on the page.
fn taken(metric: &Metric) -> impl Iterator<Item = String> {
    let ends: &[&str] = if metric.kind == Kind::Counter { &[""] } else { &["", "_bucket", "_sum", "_count"] };
    ends.iter().map(|end| format!("{}{end}", metric.name))
}
