//! Lines of one time, told apart by counting.
//!
//! A store such as Loki keeps one of two lines that are equal in stream, nanosecond and text. So every line whose
//! time is not after the one given to the line before it (of the same origin and stream) gets the next nanosecond.
//! **Invariant**: what a line is given depends on the lines before it in its file alone, so a replay that starts
//! with the same [`Run`] gives the same.

use crate::model::event::Stream;
use crate::model::feed::Run;
use crate::model::time::Time;

/// Where a stream's run stands in `feed::Runs`.
pub fn index(stream: Option<Stream>) -> usize {
    match stream {
        Some(Stream::Stdout) => 0,
        Some(Stream::Stderr) => 1,
        None => 2,
    }
}

/// Takes the next line of the run's stream; gives the nanoseconds to add to its time.
pub fn nudge(run: &mut Run, time: Time) -> u32 {
    // No line before: a line from 1970 begins its run like any other.
    if time > run.last() || time < run.first() || *run == Run::default() {
        *run = Run::of(time);
        return 0;
    }
    run.extend();
    u32::try_from(run.last().as_nanos() - time.as_nanos()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(times: &[i128], given: &[i128]) {
        let mut run = Run::default();
        let got: Vec<i128> = times
            .iter()
            .map(|&nanos| {
                let time = Time::from_nanos(nanos);
                time.plus_nanos(nudge(&mut run, time)).as_nanos()
            })
            .collect();
        assert_eq!(got, given);
    }

    #[test]
    fn equal_times_are_counted_up() {
        check(&[5, 6, 7], &[5, 6, 7]);
        check(&[5, 5, 5], &[5, 6, 7]);
        check(&[5, 5, 6, 9], &[5, 6, 7, 9]);
        check(&[999_999_999, 999_999_999], &[999_999_999, 1_000_000_000]);
        check(&[5, 3, 3], &[5, 3, 4]);
        check(&[1], &[1]);
    }

    proptest! {
        #[test]
        fn lines_whose_times_do_not_fall_are_all_kept_apart(steps in proptest::collection::vec(0_i128..3, 1..200)) {
            let mut run = Run::default();
            let mut now = 1_000_i128;
            let mut before = i128::MIN;
            for step in steps {
                now += step;
                let time = Time::from_nanos(now);
                let given = time.plus_nanos(nudge(&mut run, time)).as_nanos();
                prop_assert!(given > before && given >= now);
                before = given;
            }
        }
    }
}
