//! The runtime's wrapping: times, tags, pieces.
//!
//! `(\S+Z|\S+[+-]\d\d:\d\d) (stdout|stderr) (P|F) (.*)\n`

use super::random::Random;
use super::{ExpectedLine, Options, Runtime, Times};
use crate::support::time;

const SECOND: i64 = 1_000_000_000;

/// The times of one file.
pub(super) struct Clock {
    now: i64,
    runtime: Runtime,
    /// The second that was written last, and its text.
    second: i64,
    text: String,
}

impl Clock {
    pub(super) fn new(start: i64, runtime: Runtime) -> Clock {
        let second = start.div_euclid(SECOND);
        Clock { now: start, runtime, second, text: time::seconds_text(second) }
    }

    pub(super) fn now(&self) -> i64 {
        self.now
    }

    /// The next line's time; now and then a round one, whose zeros are trimmed.
    pub(super) fn next(&mut self, random: &mut Random, options: &Options) -> i64 {
        if options.times == Times::Repeating && random.one_in(16) {
            return self.now;
        }
        let after = self.now + 1 + random.below(2 * options.step.max(1) as usize) as i64;
        let unit = match random.below(512) {
            0 => SECOND,
            1..=40 => 1_000_000,
            41..=100 => 1_000,
            _ => 1,
        };
        self.now = (after + unit - 1).div_euclid(unit) * unit;
        self.now
    }

    fn write(&mut self, into: &mut Vec<u8>, nanos: i64) {
        let second = nanos.div_euclid(SECOND);
        if second != self.second {
            self.second = second;
            self.text = time::seconds_text(second);
        }
        into.extend_from_slice(self.text.as_bytes());
        let mut fraction = nanos.rem_euclid(SECOND);
        let mut digits = *b".000000000";
        for digit in digits[1..].iter_mut().rev() {
            *digit += (fraction % 10) as u8;
            fraction /= 10;
        }
        match self.runtime {
            Runtime::Conmon => {
                into.extend_from_slice(&digits);
                into.extend_from_slice(b"+00:00");
            }
            Runtime::Containerd => {
                let kept = digits.iter().rposition(|digit| (b'1'..=b'9').contains(digit)).map_or(0, |last| last + 1);
                into.extend_from_slice(&digits[..kept]);
                into.push(b'Z');
            }
        }
    }
}

/// An application line on its way into the file.
pub(super) struct OpenLine {
    bytes: Vec<u8>,
    written: usize,
    pub(super) expected: ExpectedLine,
}

impl OpenLine {
    pub(super) fn new(bytes: &[u8], expected: ExpectedLine) -> OpenLine {
        OpenLine { bytes: bytes.to_vec(), written: 0, expected }
    }

    /// The next CRI line, and whether it is the last.
    pub(super) fn next_piece(&mut self, clock: &mut Clock, runtime: Runtime, time: i64) -> (Vec<u8>, bool) {
        let rest = &self.bytes[self.written..];
        let (size, last) = match runtime {
            Runtime::Containerd if rest.len() <= 16_384 => (rest.len(), true),
            Runtime::Containerd => (16_384, false),
            Runtime::Conmon if rest.len() < 8_192 => (rest.len(), true),
            Runtime::Conmon => (8_192, false),
        };
        let mut raw = Vec::with_capacity(size + 48);
        clock.write(&mut raw, time);
        raw.push(b' ');
        raw.extend_from_slice(self.expected.stream.name().as_bytes());
        raw.extend_from_slice(if last { b" F " } else { b" P " });
        raw.extend_from_slice(&rest[..size]);
        raw.push(b'\n');
        self.written += size;
        (raw, last)
    }
}
