//! The time under a field that the settings name: it is the event's, before the runtime's and before what is found by itself.
//!
//! **Invariant**: which time it is depends on the line, the settings, and a time that every replay knows (the runtime's own, else the
//! recorded one of reading). A line whose field says no time to go by keeps the time that it would have without the settings.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::model::event::Fields;
use crate::model::settings::{Key, Node, Problems, Section, Value};
use crate::model::time::Time;
use crate::model::walk;

use super::formats::{self, Format};

/// The keys of `time`.
pub const KEYS: &[Key] = &[
    Key { name: "field", kind: "text", default: "", help: "the field; a name with dots is one inside of others" },
    Key {
        name: "format",
        kind: "list of texts",
        default: "auto",
        help: "`auto`, `rfc3339`, `rfc2822`, `epoch_s`, `epoch_ms`, `epoch_us`, `epoch_ns` or strptime's such as `%d/%b/%Y:%H:%M:%S %z`; of several the first that fits",
    },
    Key {
        name: "zone",
        kind: "text",
        default: "UTC",
        help: "of times that say none, but for `auto`: `UTC`, `+02:00`, `Europe/Berlin`",
    },
    Key { name: "absent", kind: "keep | mark", default: "keep", help: "lines without the field" },
    Key { name: "unreadable", kind: "keep | mark", default: "mark", help: "lines whose field fits no format" },
    Key {
        name: "absurd",
        kind: "keep | mark | take",
        default: "mark",
        help: "lines whose time is before `not_before`, or more than `max_ahead` later than that of the runtime or of reading",
    },
    Key { name: "not_before", kind: "text", default: "2000-01-01", help: "the first day that is not absurd" },
    Key { name: "max_ahead", kind: "duration", default: "1d", help: "how much later is not absurd" },
];

/// What is done with a line whose field says no time to go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    /// It keeps the time that it would have.
    Keep,
    /// The same, and it is said.
    Mark,
    /// The time is taken all the same.
    Take,
}

const KEEP_OR_MARK: [(&str, Policy); 2] = [("keep", Policy::Keep), ("mark", Policy::Mark)];
const ANY: [(&str, Policy); 3] = [("keep", Policy::Keep), ("mark", Policy::Mark), ("take", Policy::Take)];

/// Where the time stands, and what counts as one.
#[derive(Clone, Debug)]
pub struct Moment {
    field: String,
    /// Tried in this order.
    formats: Vec<Format>,
    zone: TimeZone,
    absent: Policy,
    unreadable: Policy,
    absurd: Policy,
    /// Times before it are absurd.
    first: Time,
    /// Seconds: times so much later than the runtime's or that of reading are absurd.
    ahead: i64,
}

/// What a line says under the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Its time.
    At(Time),
    /// Nothing to go by.
    Nothing,
    /// Nothing to go by, which is a flaw.
    Flawed,
}

impl Moment {
    /// What `fields` say; `near` is the runtime's time, else that of reading, where one is known.
    pub fn read(&self, fields: &Fields<'_>, near: Option<Time>) -> Said {
        let text = walk::field(fields, &self.field).filter(|text| !matches!(text.trim_ascii(), "" | "-"));
        let Some(text) = text else { return said(self.absent, None) };
        let beside = near.unwrap_or_default();
        let Some(time) = self.formats.iter().find_map(|format| format.read(&text, beside, &self.zone)) else {
            return said(self.unreadable, None);
        };
        let is_ahead = near.is_some_and(|near| time.secs.saturating_sub(near.secs) > self.ahead);
        if time < self.first || is_ahead { said(self.absurd, Some(time)) } else { Said::At(time) }
    }

    /// Reads what stands under `time`: a field's name, or a map with [`KEYS`]. `None` if it is wrong, which is noted.
    pub fn from_settings(node: &Node, problems: &mut Problems) -> Option<Self> {
        let before = problems.0.len();
        let read = match &node.value {
            Value::Scalar(field) => Self::of(field.clone()),
            _ => {
                let mut section = Section::new("`time`", node, &[KEYS], problems);
                let read = Self::read_section(&mut section);
                section.end();
                read
            }
        };
        if read.field.is_empty() && problems.0.len() == before {
            problems.add_with_hint(
                &node.place,
                "`time` needs `field`",
                "write `time: ts`, or `time: { field: ts, format: epoch_ms }`",
            );
        }
        (problems.0.len() == before).then_some(read)
    }

    fn of(field: String) -> Self {
        Self {
            field,
            formats: vec![Format::Auto],
            zone: TimeZone::UTC,
            absent: Policy::Keep,
            unreadable: Policy::Mark,
            absurd: Policy::Mark,
            first: Time { secs: 946_684_800, nanos: 0 },
            ahead: 86_400,
        }
    }

    fn read_section(section: &mut Section<'_>) -> Self {
        let mut read = Self::of(section.text("field").unwrap_or_default());
        let mut formats = Vec::new();
        for (text, place) in section.placed_texts("format").unwrap_or_default() {
            match Format::parse(&text) {
                Ok(format) => formats.push(format),
                Err(wrong) => section.problems().add_with_hint(
                    &place,
                    wrong,
                    "the directives are those of strptime, as in `%Y-%m-%d %H:%M:%S%.f %z`",
                ),
            }
        }
        if !formats.is_empty() {
            read.formats = formats;
        }
        read.zone = section.parsed("zone", formats::zone).unwrap_or(read.zone);
        read.absent = section.choice("absent", &KEEP_OR_MARK).unwrap_or(read.absent);
        read.unreadable = section.choice("unreadable", &KEEP_OR_MARK).unwrap_or(read.unreadable);
        read.absurd = section.choice("absurd", &ANY).unwrap_or(read.absurd);
        let day = |text: &str| {
            let text = format!("{text}T00:00:00Z");
            Time::parse_rfc3339(text.as_bytes()).ok_or_else(|| "expected a day, such as `2000-01-01`".to_owned())
        };
        read.first = section.parsed("not_before", day).unwrap_or(read.first);
        let secs = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        read.ahead = section.duration("max_ahead").map_or(read.ahead, secs);
        read
    }
}

fn said(policy: Policy, time: Option<Time>) -> Said {
    match (policy, time) {
        (Policy::Take, Some(time)) => Said::At(time),
        (Policy::Mark, _) => Said::Flawed,
        (Policy::Keep | Policy::Take, _) => Said::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::settings::Place;
    use crate::model::text::Text;

    fn node(value: Value) -> Node {
        Node { place: Place { file: "t.yaml".into(), line: 3, column: 5 }, value }
    }

    fn map(entries: &[(&str, &str)]) -> Node {
        let entry = |(key, text): &(&str, &str)| {
            ((*key).to_owned(), node(Value::Null).place, node(Value::Scalar((*text).to_owned())))
        };
        node(Value::Map(entries.iter().map(entry).collect()))
    }

    fn moment(entries: &[(&str, &str)]) -> Moment {
        let mut problems = Problems::default();
        let read = Moment::from_settings(&map(entries), &mut problems);
        read.unwrap_or_else(|| panic!("{problems:?}"))
    }

    const NEAR: Time = Time { secs: 1_795_423_848, nanos: 0 };

    fn check(entries: &[(&str, &str)], value: Option<&str>, expected: Said) {
        let pairs: Vec<_> = value.into_iter().map(|value| (Text::Plain("ts"), Text::Plain(value))).collect();
        assert_eq!(moment(entries).read(&Fields::Pairs(&pairs), Some(NEAR)), expected, "{entries:?} {value:?}");
    }

    #[test]
    fn policies() {
        let at = |secs| Said::At(Time { secs, nanos: 0 });
        let field = ("field", "ts");
        check(&[field], Some("1795423800"), at(1_795_423_800));
        check(&[field], None, Said::Nothing);
        check(&[field, ("absent", "mark")], None, Said::Flawed);
        check(&[field, ("absent", "mark")], Some("-"), Said::Flawed);
        check(&[field], Some("soon"), Said::Flawed);
        check(&[field, ("unreadable", "keep")], Some("soon"), Said::Nothing);
        // A day ahead is the most, and 2000 the first year.
        check(&[field], Some("1795510248"), at(1_795_510_248));
        check(&[field], Some("1795510249"), Said::Flawed);
        check(&[field, ("max_ahead", "1h")], Some("1795510248"), Said::Flawed);
        check(&[field, ("absurd", "take")], Some("1795510249"), at(1_795_510_249));
        check(&[field, ("absurd", "keep")], Some("1795510249"), Said::Nothing);
        check(&[field, ("format", "epoch_s")], Some("0"), Said::Flawed);
        check(&[field, ("format", "epoch_s"), ("not_before", "1970-01-01")], Some("0"), at(0));
    }

    #[test]
    fn fields_of_json_and_several_formats() {
        let mut read = moment(&[("field", "at.ms"), ("format", "epoch_ms")]);
        let fields = Fields::Json(r#"{"at":{"ms":1795423848703}}"#);
        assert_eq!(read.read(&fields, Some(NEAR)), Said::At(NEAR.plus_nanos(703_000_000)));
        read.formats.insert(0, Format::Rfc3339);
        assert_eq!(read.read(&fields, None), Said::At(NEAR.plus_nanos(703_000_000)));
        let fields = Fields::Json(r#"{"at":{"ms":"2026-11-23T08:50:48Z"}}"#);
        assert_eq!(read.read(&fields, None), Said::At(NEAR));
        assert_eq!(read.read(&Fields::None, None), Said::Nothing);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (entries, expected) in [
            (&[("format", "rfc3339")][..], "`time` needs `field`"),
            (&[("field", "a"), ("format", "rfc")], "unknown format `rfc`"),
            (&[("field", "a"), ("zone", "Nowhere")], "`zone` cannot be `Nowhere`"),
            (&[("field", "a"), ("absent", "take")], "absent"),
            (&[("field", "a"), ("not_before", "soon")], "not_before"),
            (&[("field", "a"), ("fromat", "rfc3339")], "fromat"),
        ] {
            let mut problems = Problems::default();
            assert!(Moment::from_settings(&map(entries), &mut problems).is_none(), "{entries:?}");
            assert!(problems.0.len() == 1 && problems.0[0].text.contains(expected), "{entries:?}: {problems:?}");
        }
    }
}
