//! Counters and histograms made of events.
//!
//! - [`Counts`], here: what one transform counts; [`Counted`]: what it has come to
//! - [`settings`]: how it is typed, and which names are legal
//!
//! **Invariant**: an event is counted once by each metric whose condition holds, and goes on unchanged. A metric has at most so many series
//! as it was given; what would make one more is counted in one series, all of whose labels are [`OTHER`], so sums stay right.

pub mod settings;

use std::collections::HashMap;

use super::condition::{Answer, Condition, Wants};
use crate::model::event::Event;
use crate::model::template::{Template, cut};
use crate::model::walk;

/// The value of all labels of the series that takes what would make too many.
pub const OTHER: &str = "_other";
/// The most bytes of a label's value.
const VALUE_MAX: usize = 256;
/// Between the values of a series' key; no value has it.
const BETWEEN: char = '\0';

/// What is made of a number of events.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Their number, or the sum of a field's values.
    Counter,
    /// How a field's values are spread: upper bounds of buckets, ascending.
    Histogram(Vec<f64>),
}

/// What a metric is called and made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its whole name.
    pub name: String,
    /// One sentence.
    pub help: String,
    /// What it is.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: Vec<String>,
}

/// What has come to one set of labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Events.
    pub count: u64,
    /// The sum of their values; of a counter of events, their number.
    pub sum: f64,
    /// Of a histogram: how many values lie in each bucket and in none below it.
    pub buckets: Vec<u64>,
}

/// A metric and its series, by the values of its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted {
    /// What it is.
    pub metric: Metric,
    /// The values of labels, in their order, and what has come to them.
    pub series: Vec<(Vec<String>, Series)>,
}

/// The metrics of one transform, and what they have come to.
#[derive(Clone, Debug)]
pub struct Counts(Vec<Counter>);

#[derive(Clone, Debug)]
struct Counter {
    metric: Metric,
    values: Vec<Template>,
    /// The field whose value counts.
    value: Option<String>,
    when: Option<Condition>,
    max_series: usize,
    series: HashMap<String, Series>,
    /// Whether there would have been more.
    overflows: bool,
    is_said: bool,
    /// For rendering.
    key: String,
}

impl Counts {
    /// Counts the event. How many conditions or values were not what they should be.
    pub fn count(&mut self, event: &Event<'_>) -> u64 {
        self.0.iter_mut().map(|counter| u64::from(counter.count(event) == Err(Wrong))).sum()
    }

    /// How much a parser must find out.
    pub fn wants(&self) -> Wants {
        let of = |counter: &Counter| {
            let looks = counter.value.is_some() || counter.values.iter().any(|value| value.depends().content);
            if looks { Wants::All } else { counter.when.as_ref().map_or(Wants::Level, Condition::wants) }
        };
        self.0.iter().map(of).max().unwrap_or_default()
    }

    /// What it has come to.
    pub fn counted(&self) -> impl Iterator<Item = Counted> {
        self.0.iter().map(|counter| {
            let parts = |key: &str| -> Vec<String> {
                if counter.metric.labels.is_empty() { Vec::new() } else { key.split(BETWEEN).map(Into::into).collect() }
            };
            let mut series: Vec<_> = counter.series.iter().map(|(key, series)| (parts(key), series.clone())).collect();
            series.sort_by(|(one, _), (other, _)| one.cmp(other));
            Counted { metric: counter.metric.clone(), series }
        })
    }

    /// The metrics.
    pub fn metrics(&self) -> impl Iterator<Item = &Metric> {
        self.0.iter().map(|counter| &counter.metric)
    }

    /// A metric that has met more labels than it may have series; each is given once.
    pub fn overflows(&mut self) -> Option<String> {
        let counter = self.0.iter_mut().find(|counter| counter.overflows && !counter.is_said)?;
        counter.is_said = true;
        Some(counter.metric.name.clone())
    }
}

/// What was asked of an event is not what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wrong;

impl Counter {
    fn count(&mut self, event: &Event<'_>) -> Result<(), Wrong> {
        match self.when.as_ref().map(|when| when.ask(event)) {
            None | Some(Answer::Yes) => {}
            Some(Answer::Wrong) => return Err(Wrong),
            Some(_) => return Ok(()),
        }
        let value = match &self.value {
            None => 1.0,
            Some(field) => match walk::field(&event.fields, field) {
                None => return Ok(()),
                Some(text) => self.number(&text)?,
            },
        };
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        for (at, template) in self.values.iter().enumerate() {
            if at > 0 {
                key.push(BETWEEN);
            }
            let start = key.len();
            template.render_with(event, &mut key, |value, key| key.extend(value.chars().filter(|c| *c != BETWEEN)));
            let end = start + cut(&key[start..], VALUE_MAX).len();
            key.truncate(end);
        }
        if let Some(series) = self.series.get_mut(&key) {
            series.add(value, &self.metric.kind);
        } else {
            self.overflows |= self.series.len() >= self.max_series;
            // The one that takes the rest comes beside so many.
            let new = if self.series.len() >= self.max_series { self.other() } else { key.clone() };
            self.series.entry(new).or_default().add(value, &self.metric.kind);
        }
        self.key = key;
        Ok(())
    }

    /// A counter only grows.
    fn number(&self, text: &str) -> Result<f64, Wrong> {
        let number: f64 = text.parse().map_err(|_| Wrong)?;
        let is_legal = number.is_finite() && (number >= 0.0 || self.metric.kind != Kind::Counter);
        if is_legal { Ok(number) } else { Err(Wrong) }
    }

    fn other(&self) -> String {
        let others = vec![OTHER; self.values.len()];
        others.join(&BETWEEN.to_string())
    }
}

impl Series {
    fn add(&mut self, value: f64, kind: &Kind) {
        self.count += 1;
        self.sum += value;
        if let Kind::Histogram(bounds) = kind {
            self.buckets.resize(bounds.len(), 0);
            if let Some(bucket) =
                bounds.iter().position(|bound| value <= *bound).and_then(|at| self.buckets.get_mut(at))
            {
                *bucket += 1;
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.buckets.resize(self.buckets.len().max(other.buckets.len()), 0);
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(sum, more)| *sum += more);
    }
}

impl Counted {
    /// Adds what another has counted of the same metric; nothing where it is another one of the same name.
    pub fn merge(&mut self, other: &Self) {
        if self.metric.kind != other.metric.kind || self.metric.labels != other.metric.labels {
            return;
        }
        for (values, more) in &other.series {
            match self.series.binary_search_by(|(known, _)| known.cmp(values)) {
                Ok(at) => self.series[at].1.merge(more),
                Err(at) => self.series.insert(at, (values.clone(), more.clone())),
            }
        }
    }
}

/// Adds `more` to what is known.
pub fn merge(known: &mut Vec<Counted>, more: &[Counted]) {
    for counted in more {
        match known.iter_mut().find(|known| known.metric.name == counted.metric.name) {
            Some(known) => known.merge(counted),
            None => known.push(counted.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
