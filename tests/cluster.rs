//! The real program before a real kubelet and containerd, which `tests/cluster/run` builds and starts: pods write, rotate,
//! restart, crash, end without a newline and are deleted while they write; every line that a file held arrives once.
//!
//! A container's file that is deleted with its pod holds what the runtime got of it, so there the lines must be a
//! beginning without a gap; of a container that ended by itself they must be all.
#![expect(clippy::disallowed_methods, reason = "a test of the whole program touches the world")]

mod scenario;
mod support;

#[path = "cluster/lines.rs"]
mod lines;
#[path = "cluster/node.rs"]
mod node;
#[path = "cluster/pods.rs"]
mod pods;
#[path = "cluster/shipped.rs"]
mod shipped;
