//! The program inside the cluster's pods: numbered lines to stdout and stderr, so that whoever has them can tell what is
//! missing and what came twice. Compiled alone, without a crate, into a static binary.
//!
//! ```text
//! writer pause                                    waits for its end: the pods' sandbox
//! writer lines COUNT BYTES_PER_SECOND END         writes, then ends
//! ```
//! Of each stream the lines are numbered from 0: `POD RUN STREAM NUMBER [last ]PADDING`, RUN tells one start of the
//! container from the next, and PADDING follows from NUMBER (every 500th line is longer than a runtime writes in one
//! piece). One line in seven goes to stderr. COUNT is that of both; 0 writes until it is ended. END is `well` (0), `badly`
//! (1) or `unfinished`: the last line of each stream has no line end.

use std::io::Write;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["lines", count, rate, end] => {
            let number = |text: &str| text.parse().expect("a number");
            write(number(count), number(rate), end == "unfinished");
            std::process::exit(i32::from(end == "badly"));
        }
        _ => loop {
            std::thread::sleep(Duration::from_secs(3600));
        },
    }
}

fn write(count: u64, rate: u64, is_unfinished: bool) {
    let pod = std::env::var("POD").unwrap_or_default();
    let run = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    let (began, mut written) = (Instant::now(), 0);
    let mut numbers = [0_u64; 2];
    // How many lines each stream will have; without a count nobody knows.
    let of_err = count / 7;
    let lasts = [(count - of_err).saturating_sub(1), of_err.saturating_sub(1)];
    let mut at = 0;
    while count == 0 || at < count {
        let stream = usize::from(at % 7 == 6);
        let number = numbers[stream];
        numbers[stream] += 1;
        let is_last = count > 0 && number == lasts[stream];
        let mark = if is_last { "last " } else { "" };
        let padding = "x".repeat(padding(number));
        let end = if is_last && is_unfinished { "" } else { "\n" };
        let line = format!("{pod} {run} {} {number} {mark}{padding}{end}", ["out", "err"][stream]);
        let done = if stream == 0 { out.write_all(line.as_bytes()).and_then(|()| out.flush()) } else { err.write_all(line.as_bytes()) };
        if done.is_err() {
            return;
        }
        at += 1;
        written += line.len() as u64;
        if rate > 0 {
            let due = began + Duration::from_nanos(written * 1_000_000_000 / rate);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }
}

/// Also in `tests/cluster/lines.rs`, which checks it.
fn padding(number: u64) -> usize {
    if number % 500 == 499 { 40_000 } else { 40 + (number % 97) as usize }
}
