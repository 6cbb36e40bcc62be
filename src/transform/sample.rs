//! One of so many lines goes on.
//!
//! **Invariant**: which ones is told by a hash of the line's identity, or of a key that it has, and by nothing else: a line that is
//! read again meets the same fate. Errors always go on.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::model::event::{Event, Level};
use crate::model::settings::{Key, Section};
use crate::model::template::Template;

/// The keys of `sample`.
pub const KEYS: &[Key] = &[
    Key {
        name: "rate",
        kind: "number up to 1",
        default: "",
        help: "the share of lines that goes on: `0.1` is one of ten",
    },
    Key {
        name: "by",
        kind: "template",
        default: "",
        help: "lines for which this is the same share their fate, such as `\"{fields.trace_id}\"`; each has its own if not set",
    },
];

/// Which lines go on.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Hashes up to this one go on.
    most: u64,
    /// Told apart from other transforms by its name, so that two of them do not take the same lines.
    seed: u64,
    by: Option<Template>,
}

impl Sample {
    /// Reads a map with [`KEYS`], for the transform `name`; `None` if it is wrong, which is noted.
    pub fn read(section: &mut Section<'_>, name: &str) -> Option<Self> {
        if section.node("rate").is_none() {
            section.problem(format!("{} needs `rate`", section.what()), "such as `rate: 0.1` for one line of ten");
        }
        let rate = section.parsed("rate", |text| match text.parse::<f64>() {
            Ok(rate) if rate > 0.0 && rate < 1.0 => Ok(rate),
            _ => Err("choose between 0 and 1, such as `0.1` for one line of ten".to_owned()),
        });
        let has_key = section.node("by").is_some();
        let by = section.parsed("by", Template::parse);
        if has_key && by.is_none() {
            return None;
        }
        let most = (rate? * u64::MAX as f64) as u64;
        Some(Self { most, seed: xxh3_64_with_seed(name.as_bytes(), 0), by })
    }

    /// Whether it looks at fields.
    pub fn wants_fields(&self) -> bool {
        self.by.as_ref().is_some_and(|by| by.depends().content)
    }

    /// Whether the event goes on.
    pub fn keeps(&self, event: &Event<'_>) -> bool {
        if event.level >= Some(Level::Error) {
            return true;
        }
        let hash = match &self.by {
            None => {
                let start = event.spans.first().map_or(0, |span| span.start);
                let mut identity = [0; 24];
                identity[..16].copy_from_slice(&event.origin.id.0.to_le_bytes());
                identity[16..].copy_from_slice(&start.to_le_bytes());
                xxh3_64_with_seed(&identity, self.seed)
            }
            Some(by) => {
                let mut key = String::new();
                by.render(event, &mut key);
                xxh3_64_with_seed(key.as_bytes(), self.seed)
            }
        };
        hash <= self.most
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use std::path::Path;

    use super::*;
    use crate::model::event::{Fields, Span, TimeSource};
    use crate::model::origin::{Format, Origin, OriginId};
    use crate::model::text::Text;

    fn sample(rate: f64, name: &str, by: Option<&str>) -> Sample {
        let by = by.map(|by| Template::parse(by).expect("a template"));
        Sample { most: (rate * u64::MAX as f64) as u64, seed: xxh3_64_with_seed(name.as_bytes(), 0), by }
    }

    /// Of ten thousand lines of a file, whose field `id` repeats every hundred, those that go on.
    fn kept(sample: &Sample, origin: u128, level: Option<Level>) -> Vec<u64> {
        let origin = Arc::new(Origin {
            id: OriginId(origin),
            source: "s".into(),
            path: Path::new("/a").into(),
            format: Format::Plain,
            workload: None,
            host: "h".into(),
        });
        let is_kept = |at: &u64| {
            let id = (at % 100).to_string();
            let pairs = [(Text::Plain("id"), Text::Plain(&id))];
            sample.keeps(&Event {
                origin: &origin,
                spans: &[Span { start: *at * 40, end: *at * 40 + 40 }],
                time: Default::default(),
                time_source: TimeSource::Reading,
                nudge: 0,
                stream: None,
                level,
                body: "",
                message: Text::Plain(""),
                fields: Fields::Pairs(&pairs),
                flaw: None,
                demoted: 0,
            })
        };
        (0..10_000).filter(is_kept).collect()
    }

    #[test]
    fn a_share_of_the_lines_goes_on_the_same_each_time() {
        let tenth = sample(0.1, "a", None);
        let first = kept(&tenth, 1, None);
        assert!((850..1150).contains(&first.len()), "{} of 10000", first.len());
        assert_eq!(kept(&tenth, 1, Some(Level::Warn)), first);
        assert_ne!(kept(&tenth, 2, None), first, "each file has its own");
        let second: Vec<_> = kept(&sample(0.1, "b", None), 1, None);
        let both = first.iter().filter(|at| second.contains(at)).count();
        assert!((50..200).contains(&both), "two samples are independent: {both}");
    }

    #[test]
    fn lines_of_one_key_share_their_fate() {
        let by = sample(0.3, "a", Some("{fields.id}"));
        let kept_here = kept(&by, 1, None);
        let ids = kept_here.iter().map(|at| at % 100).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(kept_here.len(), ids.len() * 100);
        assert!((15..45).contains(&ids.len()), "{} of 100", ids.len());
        assert_eq!(kept(&by, 2, None), kept_here, "in every file");
    }

    #[test]
    fn errors_always_go_on() {
        for level in [Level::Error, Level::Fatal] {
            assert_eq!(kept(&sample(0.001, "a", None), 1, Some(level)).len(), 10_000);
        }
    }
}
