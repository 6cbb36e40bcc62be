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
//! - [`parts`]: what the started program is made of
//! - [`start`]: starts everything; [`net`]: the network's thread; [`sources`]: the threads that read
//! - [`supervise`]: what happens until the end, and what that comes to
//! - [`roster`]: what the admin port sees of the program; [`pages`] and [`health`]: what it says
//! - [`checkpoints`]: the command that lists cursors; [`cursors`]: those that move them
//! - [`machine`]: what is asked of the machine at the start
#![expect(
    clippy::disallowed_methods,
    reason = "the process asks for the time, starts threads and owns the standard streams"
)]

pub mod checkpoints;
pub mod cursors;
pub mod health;
pub mod machine;
pub mod net;
pub mod pages;
pub mod parts;
pub mod roster;
pub mod sources;
pub mod start;
pub mod supervise;

use tracing::{error, info};

use crate::config::settings::Settings;
use crate::exit::Exit;

/// Ships until there is nothing more to ship or a signal ends it.
pub fn run(settings: Settings) -> Exit {
    machine::raise_descriptor_limit();
    let grace = settings.shutdown_grace;
    let drain = settings.shutdown == crate::config::settings::Shutdown::Drain;
    let once = settings.once;
    let running = match start::start(settings) {
        Ok(running) => running,
        Err(refused) => {
            error!("{}", refused.message);
            return refused.exit;
        }
    };
    let exit = supervise::supervise(running, &supervise::Manners { grace, drain, once });
    info!(exit = exit.code(), "ended: {}", exit.meaning());
    exit
}
