//! Builds the parts, starts them, drains them.
//!
//! ```text
//! main thread     the supervisor: signals, ends, deadlines, the checkpoint's second
//! tailwater-net   one current-thread runtime: deliveries over HTTP, the admin port, signals
//! <sink>          a pipeline each          stdout   its one writer
//! files           the follower             stdin    the pipe's reader; `spool` where it is written to files first
//! ```
//!
//! **Invariant**: whatever ends first, every pipeline's thread is waited for before the process says how it ended.
//!
//! - [`running`]: the started program; [`parts`]: its threads, and what they say
//! - [`start`]: starts everything; [`workers`]: what a sink needs; [`net`]: the network's thread; [`sources`]: the threads that read
//! - [`supervise`]: what happens until the end, and what that comes to
//! - [`reload`]: other settings while it runs; [`plan`]: what they mean for what runs
//! - [`roster`]: what the admin port sees of the program; [`pages`] and [`health`]: what it says
//! - [`checkpoints`]: the command that lists cursors; [`cursors`]: those that move them
//! - [`explain`]: the commands that show what becomes of lines
//! - [`machine`]: what is asked of the machine at the start
#![expect(
    clippy::disallowed_methods,
    reason = "the process asks for the time, starts threads and owns the standard streams"
)]

pub mod checkpoints;
pub mod cursors;
pub mod explain;
pub mod health;
pub mod machine;
pub mod net;
pub mod pages;
pub mod parts;
pub mod plan;
pub mod reload;
pub mod roster;
pub mod running;
pub mod sources;
pub mod start;
pub mod supervise;
pub mod workers;

use tracing::{error, info};

use crate::config::settings::Settings;
use crate::exit::Exit;
use reload::Loader;

/// Ships until there is nothing more to ship or a signal ends it. With a `loader` SIGHUP has the settings loaded again.
pub fn run(settings: Settings, loader: Option<&Loader<'_>>) -> Exit {
    machine::raise_descriptor_limit();
    let running = match start::start(settings, loader.is_some()) {
        Ok(running) => running,
        Err(refused) => {
            error!("{}", refused.message);
            return refused.exit;
        }
    };
    let exit = supervise::supervise(running, loader);
    info!(exit = exit.code(), "ended: {}", exit.meaning());
    exit
}
