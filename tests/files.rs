//! Files as rotators, runtimes and people treat them, before the real program: every line that a file held when Tailwater
//! had its chance arrives once, and what could not be read is counted. What arrived is read from a double's documents.
//!
//! - `world`     the program, a store that refuses when told to, and the list of what must arrive
//! - `rotators`  what the kubelet, logrotate and docker do, in their order
//! - `rotation`  the chain of a file's rotations, compressed ones too
//! - `gone`      truncated, deleted, replaced, come again
//! - `first_line` gone before the first line has its end
//! - `found`     what is followed, and what is left out
//! - `traces`    stack traces that are open when something happens
//! - `headers`   names of fields from the first line of each file
//! - `odd`       lines and files as nobody wants them
#![expect(clippy::disallowed_methods, reason = "a test of the whole program touches the world")]

mod scenario;
mod support;

#[path = "files/first_line.rs"]
mod first_line;
#[path = "files/found.rs"]
mod found;
#[path = "files/gone.rs"]
mod gone;
#[path = "files/headers.rs"]
mod headers;
#[path = "files/odd.rs"]
mod odd;
#[path = "files/rotation.rs"]
mod rotation;
#[path = "files/rotators.rs"]
mod rotators;
#[path = "files/traces.rs"]
mod traces;
#[path = "files/world.rs"]
mod world;
