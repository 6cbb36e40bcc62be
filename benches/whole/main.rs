//! What the program costs, beside what the same bytes cost a bare loop: floors, cores, the whole program and the daemon, in one
//! run and one table. `benches/run` builds what it needs and starts it.
//!
//! ```text
//! generate (or find) the input ─▶ serve: another process, counts    ┌─ floors   on a sample, this thread's CPU time
//!                                 as often as there are rounds: ────┼─ cores    on the sample, the crate's own API
//!                                                                   └─ whole    measure ─▶ tailwater ─▶ serve
//!                                                                   └─ live     logs ─▶ tailwater ─▶ serve
//! ```
//! **Invariant**: a figure and its floor come from the same run on the same input, floors and jobs taking turns, so that
//! a busy neighbour or another machine shows in both. A job whose store did not count every line once is no figure: the
//! run fails.
//!
//! Refuses to be a regression test: a clock on a shared machine cannot tell one per cent from none.
#![expect(clippy::disallowed_methods, reason = "a measurement of the whole program touches the world")]
#![expect(unreachable_pub, reason = "a program: nothing is above it, and `pub` says what a file gives to the others")]

mod child;
mod clock;
mod cores;
mod count;
mod decode;
mod floors;
mod input;
mod jobs;
mod live;
mod options;
mod parsers;
mod reference;
mod report;
mod sample;
mod server;
#[path = "../../tests/support/mod.rs"]
mod support;
mod table;
mod transforms;

use std::process::ExitCode;

use input::Input;
use options::Options;
use sample::Sample;
use server::Server;
use table::Table;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.first().map(String::as_str) {
        // This program is also its own helpers.
        Some("serve") => server::serve(),
        Some("measure") => child::measure(&arguments[1..]),
        Some("once") => count::once(),
        Some("count") => count::count(&arguments[1..]),
        _ => bench(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("whole: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: &[String]) -> Result<(), String> {
    let Some(options) = Options::parse(arguments)? else {
        print!("{}", options::HELP);
        return Ok(());
    };
    let input = Input::generate(&options)?;
    eprintln!("{}", input.describe());
    let sample = Sample::take(&input, options.sample)?;
    let server = Server::start()?;
    if options.has(table::Layer::Whole) {
        jobs::check_stdout(&input, &options)?;
    }
    let mut table = Table::default();
    for round in 1..=options.rounds {
        eprintln!("round {round} of {}", options.rounds);
        if options.has(table::Layer::Floor) {
            floors::round(&sample, &server, &mut table)?;
        }
        if options.has(table::Layer::Core) {
            cores::round(&sample, &mut table)?;
        }
        if options.has(table::Layer::Whole) {
            jobs::round(&input, &server, &options, &mut table)?;
        }
        if options.has(table::Layer::Live) {
            live::round(&server, &options, &mut table)?;
        }
    }
    let text = report::render(&options, &input, &sample, &table);
    println!("{text}");
    if let Some(file) = &options.out {
        std::fs::write(file, format!("{text}\n")).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(())
}
