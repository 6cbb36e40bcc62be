//! How long to pause between attempts, and for how long to go on.
//!
//! **Invariant**: the budget of a retry is time, never a count of attempts; chance comes in as a number, so equal
//! numbers make equal pauses.

use std::time::Duration;

use crate::model::settings::{Key, Section};
use crate::model::units;

/// The keys of a sink's `retry`.
pub const KEYS: &[Key] = &[
    Key { name: "min", kind: "duration", default: "250ms", help: "the longest pause before the second attempt" },
    Key { name: "max", kind: "duration", default: "30s", help: "the longest pause of all; pauses double up to it" },
    Key {
        name: "give_up_after",
        kind: "duration or `never`",
        default: "never",
        help: "how long an entry may go on failing before it is dropped and counted as `gave_up`; refusals that a \
               person can mend (credentials, certificates, a wrong URL) never run out",
    },
];

/// When to try again and when to give up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The longest first pause; above zero.
    pub min: Duration,
    /// The longest pause of all; not below `min`.
    pub max: Duration,
    /// How long an entry may go on failing; `None` for ever.
    pub give_up_after: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { min: Duration::from_millis(250), max: Duration::from_secs(30), give_up_after: None }
    }
}

impl Settings {
    /// Reads the map under `retry`.
    pub fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        let min = section.parsed("min", pause).unwrap_or(default.min);
        let typed_max = section.parsed("max", pause);
        let max = typed_max.unwrap_or(default.max.max(min));
        if max < min {
            section.problem(
                format!(
                    "`max` (`{}`) is below `min` (`{}`) in {}",
                    units::format_duration(max),
                    units::format_duration(min),
                    section.what()
                ),
                "the pauses grow from `min` to `max`",
            );
        }
        let give_up_after = section.parsed("give_up_after", |text| match text {
            "never" => Ok(None),
            _ => units::parse_duration(text).map(Some).map_err(|expected| format!("{expected}, or `never`")),
        });
        Self { min, max: max.max(min), give_up_after: give_up_after.flatten() }
    }

    /// The pause after `failures` failures in a row (at least one): evenly spread between nothing and a ceiling that
    /// doubles from `min` to `max` (full jitter, so that many collectors do not come back together).
    pub fn pause(&self, failures: u32, random: u64) -> Duration {
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        spread(self.min.saturating_mul(doubled).min(self.max), random)
    }

    /// The pause while a person has to change something: between half of `max` and `max`.
    pub fn hold(&self, random: u64) -> Duration {
        let half = self.max / 2;
        half + spread(self.max - half, random)
    }
}

fn pause(text: &str) -> Result<Duration, String> {
    match units::parse_duration(text)? {
        Duration::ZERO => Err("expected more than nothing, such as `250ms`".to_owned()),
        duration => Ok(duration),
    }
}

/// `random` / 2⁶⁴ of `ceiling`.
fn spread(ceiling: Duration, random: u64) -> Duration {
    let nanos = ceiling.as_nanos().min(u128::from(u64::MAX));
    Duration::from_nanos(((nanos * u128::from(random)) >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::settings::{Node, Place, Problems, Value};

    fn read(typed: &[(&str, &str)]) -> (Settings, Vec<String>) {
        let place = Place { file: "t.yaml".into(), line: 1, column: 1 };
        let node = |value| Node { place: place.clone(), value };
        let entries = typed
            .iter()
            .map(|(key, text)| ((*key).to_owned(), place.clone(), node(Value::Scalar((*text).to_owned()))))
            .collect();
        let map = node(Value::Map(entries));
        let mut problems = Problems::default();
        let mut section = Section::new("`retry`", &map, &[KEYS], &mut problems);
        let settings = Settings::read(&mut section);
        section.end();
        (settings, problems.0.into_iter().map(|problem| problem.text).collect())
    }

    #[test]
    fn the_settings_are_read() {
        assert_eq!(read(&[]), (Settings::default(), vec![]));
        let (settings, problems) = read(&[("min", "1s"), ("max", "2s"), ("give_up_after", "1h")]);
        assert!(problems.is_empty());
        assert_eq!((settings.min.as_secs(), settings.max.as_secs()), (1, 2));
        assert_eq!(settings.give_up_after, Some(Duration::from_secs(3600)));
        assert_eq!(read(&[("give_up_after", "never")]), (Settings::default(), vec![]));
        assert_eq!(read(&[("min", "1m")]).0.max, Duration::from_secs(60), "an untyped `max` follows a large `min`");
    }

    #[test]
    fn what_cannot_be_is_said() {
        assert_eq!(read(&[("min", "5s"), ("max", "1s")]).1, ["`max` (`1s`) is below `min` (`5s`) in `retry`"]);
        assert_eq!(read(&[("min", "0")]).1, ["`min` cannot be `0`"]);
        assert_eq!(read(&[("give_up_after", "soon")]).1, ["`give_up_after` cannot be `soon`"]);
        assert_eq!(read(&[("attempts", "3")]).1, ["unknown key `attempts` in `retry`"]);
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let settings = Settings::default();
        let longest = |failures| settings.pause(failures, u64::MAX).as_millis();
        assert_eq!([1, 2, 3, 7, 8, 40, u32::MAX].map(longest), [249, 499, 999, 15_999, 29_999, 29_999, 29_999]);
        assert_eq!(settings.pause(9, 0), Duration::ZERO);
        assert_eq!(settings.pause(3, 1 << 63), Duration::from_millis(500));
        assert_eq!(settings.hold(0), Duration::from_secs(15));
        assert_eq!(settings.hold(1 << 63), Duration::from_millis(22_500));
    }
}
