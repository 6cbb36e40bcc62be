//! Tells the program its commit and build profile, for `--version`.
//!
//! **Invariant**: a build never fails for want of git; the commit is then `unknown`. `TAILWATER_COMMIT` in the
//! environment goes first: builds from an archive or in a container set it.
#![expect(clippy::disallowed_methods, reason = "a build script looks at the world to tell the program")]

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=TAILWATER_COMMIT");
    println!("cargo:rerun-if-changed=build.rs");
    let commit = env::var("TAILWATER_COMMIT").ok().filter(|commit| !commit.is_empty()).or_else(from_git);
    println!("cargo:rustc-env=TAILWATER_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    println!("cargo:rustc-env=TAILWATER_PROFILE={}", env::var("PROFILE").as_deref().unwrap_or("unknown"));
}

fn from_git() -> Option<String> {
    // An archive unpacked inside of somebody else's repository has no commit of its own.
    let top = git(&["rev-parse", "--show-toplevel"])?;
    let here = env::var("CARGO_MANIFEST_DIR").ok()?;
    if Path::new(&top).canonicalize().ok()? != Path::new(&here).canonicalize().ok()? {
        return None;
    }
    // The log of HEAD grows with every commit, checkout and reset. Cargo builds anew each time where it is missing.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    if Path::new(&log).exists() {
        println!("cargo:rerun-if-changed={log}");
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
