//! What goes on, what is left out, and what is said of it.

use super::*;
use crate::model::event::{Fields, TimeSource};
use crate::model::origin::{Format, Origin, OriginId};
use crate::model::text::Text;
use proptest::prelude::*;

fn limit(bytes: bool, rate: u64, burst: u64) -> Limit {
    Limit::new("a".into(), (bytes, rate, burst), By::Workload, None, Duration::from_secs(10))
}

fn origin(path: &str) -> Arc<Origin> {
    let (source, host) = ("s".into(), "h".into());
    Arc::new(Origin {
        id: OriginId(1),
        source,
        path: std::path::Path::new(path).into(),
        format: Format::Plain,
        workload: None,
        host,
    })
}

fn at(seconds: f64) -> Time {
    Time::from_nanos((seconds * 1e9) as i128 + 1_795_423_848_000_000_000)
}

/// Whether a line of `bytes` bytes, at `seconds`, is left out.
fn meets(limit: &mut Limit, path: &str, seconds: f64, bytes: u64, owed: &mut Vec<SummaryLine>) -> bool {
    let (origin, moment) = (origin(path), at(seconds));
    limit.advance(moment, owed);
    let event = Event {
        origin: &origin,
        spans: &[Span { start: 0, end: bytes }],
        time: moment,
        time_source: TimeSource::Runtime,
        nudge: 0,
        stream: None,
        level: None,
        body: "",
        message: Text::Plain(""),
        fields: Fields::None,
        flaw: None,
        demoted: 0,
    };
    limit.leaves_out(&event, moment, owed)
}

/// How many of the lines at `seconds` go on.
fn goes_on(limit: &mut Limit, seconds: impl Iterator<Item = f64>, bytes: u64) -> usize {
    let mut owed = Vec::new();
    seconds.filter(|seconds| !meets(limit, "/a", *seconds, bytes, &mut owed)).count()
}

#[test]
fn a_burst_goes_on_and_then_the_rate() {
    let mut a = limit(false, 10, 50);
    assert_eq!(goes_on(&mut a, (0..1000).map(|_| 0.0), 100), 50);
    // A thousand lines in ten seconds.
    assert_eq!(goes_on(&mut a, (1..=1000).map(|at| f64::from(at) / 100.0), 100), 100);
    // After a rest the whole burst, and no more.
    assert_eq!(goes_on(&mut a, (0..1000).map(|_| 1000.0), 100), 50);
}

#[test]
fn bytes_are_those_of_lines_and_a_long_line_is_neither_stuck_nor_free() {
    let mut a = limit(true, 1000, 1000);
    assert_eq!(goes_on(&mut a, (0..100).map(|_| 0.0), 100), 10);
    assert_eq!(goes_on(&mut a, [10.0].into_iter(), 21_000), 1, "longer than the burst");
    assert_eq!(goes_on(&mut a, [29.0].into_iter(), 1), 0, "it is paid for");
    assert_eq!(goes_on(&mut a, [30.5].into_iter(), 1), 1);
}

#[test]
fn times_that_jump_shut_nobody_out() {
    let mut a = limit(false, 10, 10);
    assert_eq!(goes_on(&mut a, [0.0, 1e9].into_iter(), 1), 2, "a wrong clock");
    let live = (0..1000).map(|at| f64::from(at) / 100.0);
    assert!((100..=120).contains(&goes_on(&mut a, live, 1)));
    // Out of order by a little is one log.
    let mut a = limit(false, 10, 10);
    assert_eq!(goes_on(&mut a, (0..1000).map(|at| f64::from(at % 2)), 1), 11);
}

#[test]
fn what_was_left_out_is_said_once_in_a_while_for_each_key() {
    let (mut a, mut owed) = (limit(false, 1, 1), Vec::new());
    for second in 0..=25 {
        for path in ["/b", "/a"] {
            for _ in 0..3 {
                meets(&mut a, path, f64::from(second), 100, &mut owed);
            }
        }
    }
    let texts: Vec<_> = owed.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "20 lines (2000 bytes) of `/a` were left out within 9.0s: more than 1 line a second, the limit `a`",
            "20 lines (2000 bytes) of `/b` were left out within 9.0s: more than 1 line a second, the limit `a`",
            "20 lines (2000 bytes) of `/a` were left out within 9.0s: more than 1 line a second, the limit `a`",
            "20 lines (2000 bytes) of `/b` were left out within 9.0s: more than 1 line a second, the limit `a`",
        ]
    );
    assert_eq!(
        owed[0].fields,
        r#"{"tailwater":{"limit":"a","key":"/a","lines":20,"bytes":2000,"from":"2026-11-23T08:50:48Z","to":"2026-11-23T08:50:57Z"}}"#
    );
    owed.clear();
    // The rest by the clock.
    a.look(Duration::from_secs(100), false, &mut owed);
    a.look(Duration::from_secs(109), false, &mut owed);
    assert_eq!(owed.len(), 0);
    a.look(Duration::from_secs(110), false, &mut owed);
    assert_eq!(owed.iter().map(|line| line.entries).collect::<Vec<_>>(), [12, 12]);
    a.look(Duration::from_secs(110), true, &mut owed);
    assert_eq!(owed.len(), 2);
}

#[test]
fn a_key_that_is_forgotten_is_said_before() {
    let (mut a, mut owed) = (limit(false, 1, 1), Vec::new());
    meets(&mut a, "/first", 0.0, 1, &mut owed);
    assert!(meets(&mut a, "/first", 0.0, 1, &mut owed));
    for path in 0..2 * MOST_KEYS {
        meets(&mut a, &format!("/{path}"), 0.0, 1, &mut owed);
    }
    assert_eq!(owed.iter().map(|line| line.entries).collect::<Vec<_>>(), [1]);
    assert!(a.forgets() && !a.forgets());
    // Those that are back at their burst are no loss.
    for path in 0..MOST_KEYS {
        meets(&mut a, &format!("/later/{path}"), 100.0, 1, &mut owed);
    }
    assert!(!a.forgets());
}

/// What docs/limiting.md says it takes: 2 MiB at most, however many keys there are and however long.
#[test]
fn what_is_remembered_is_bounded() {
    let (mut a, mut owed) = (limit(false, 1, 1), Vec::new());
    for path in 0..3 * MOST_KEYS {
        let path = format!("/{path}/{}", "x".repeat(1000));
        (0..2).for_each(|_| _ = meets(&mut a, &path, 0.0, 1, &mut owed));
        owed.clear();
    }
    let keys: usize = a.keys.iter_mut().map(|(key, _)| key.len()).sum();
    // A map of a thousand has room for two thousand.
    let held = keys + 2 * 2048 * (size_of::<(Box<str>, Bucket)>() + 1);
    assert!((1 << 19..2 << 20).contains(&held), "{held} bytes");
    assert!(include_str!("../../../docs/limiting.md").contains("A `limit` takes up to 2 MiB"));
}

proptest! {
    /// Whatever comes when: no more goes on than the burst and the rate allow, and all that does not is said.
    #[test]
    fn no_more_goes_on_and_all_else_is_said(
        rate in 1_u64..20,
        burst in 1_u64..50,
        gaps in proptest::collection::vec((0_u64..400, 0_u8..3), 1..300),
    ) {
        let (mut a, mut owed) = (limit(false, rate, burst), Vec::new());
        let (mut millis, mut on, mut out) = (0, [0_u64; 3], 0);
        for (gap, path) in gaps {
            millis += gap;
            if meets(&mut a, &path.to_string(), millis as f64 / 1e3, 10, &mut owed) { out += 1 } else { on[usize::from(path)] += 1 }
            let allowed = burst + 1 + rate * millis / 1000;
            prop_assert!(on.iter().all(|on| *on <= allowed), "{:?} of {}", on, allowed);
        }
        a.look(Duration::ZERO, true, &mut owed);
        prop_assert_eq!(owed.iter().map(|line| line.entries).sum::<u64>(), out);
        prop_assert_eq!((a.unsaid, a.due), (0, None));
    }
}
