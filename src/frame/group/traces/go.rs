//! Go.
//!
//! ```text
//! panic: words [recovered]
//!         panic: words
//! [signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x47]
//!
//! goroutine 1 [running]:
//! main.f(0x1, ...)
//!         /app/main.go:3 +0x1d
//! created by main.main in goroutine 1
//!         /app/main.go:9 +0x2b
//! exit status 2
//! ```

use super::line::Step::{self, Ends, Goes, May, Message};
use super::line::{Line, behind_digits};

/// Behind the words, where they may go on.
const HEAD: u8 = 1;
/// Behind a goroutine's first line.
const FRAMES: u8 = 2;
/// In a data race.
const RACE: u8 = 3;
/// Behind the last line there can be.
const END: u8 = 4;

pub(super) fn first(line: &Line<'_>) -> u8 {
    let heads = [
        "panic: ",
        "fatal error: ",
        "SIGQUIT: ",
        "SIGABRT: ",
        "SIGSEGV: ",
        "unexpected fault address ",
        "runtime: goroutine stack ",
    ];
    match () {
        () if heads.iter().any(|head| line.starts(head)) => HEAD,
        () if line.whole.get(20..).is_some_and(|rest| rest.starts_with(b"http: panic serving ")) => HEAD,
        () if is_goroutine(line) || is_place(line) => FRAMES,
        () if line.starts("WARNING: DATA RACE") => RACE,
        () => 0,
    }
}

pub(super) fn next(state: u8, line: &Line<'_>) -> Step {
    match state {
        HEAD | FRAMES if is_goroutine(line) => Goes(FRAMES),
        HEAD if line.is_blank() => May(HEAD),
        HEAD if line.is_indented() => Goes(HEAD),
        HEAD if line.begins_any(&[
            "[signal ",
            "fatal error: ",
            "panic: ",
            "runtime: ",
            "PC=",
            "[recovered]",
            "stack: frame=",
        ]) =>
        {
            Goes(HEAD)
        }
        HEAD if line.starts("runtime stack:") => Goes(FRAMES),
        HEAD if line.starts("exit status ") => Goes(END),
        HEAD => Message(HEAD),
        FRAMES if line.is_blank() => May(FRAMES),
        FRAMES if line.is_indented() || is_call(line) || is_register(line) => Goes(FRAMES),
        FRAMES if line.begins_any(&["created by ", "...", "[originating from ", "-----"]) => Goes(FRAMES),
        FRAMES if line.starts("runtime stack:") => Goes(FRAMES),
        FRAMES if line.starts("exit status ") => Goes(END),
        RACE if line.is_blank() => May(RACE),
        RACE if line.is_indented() => Goes(RACE),
        RACE if line.ends(":")
            && line.begins_any(&["Read at ", "Write at ", "Previous ", "Goroutine ", "Mutex ", "Atomic "]) =>
        {
            Goes(RACE)
        }
        RACE if line.starts("==================") => Goes(END),
        _ => Ends,
    }
}

/// `goroutine 18 gp=0xc000106000 m=nil [chan receive, 3 minutes]:`
fn is_goroutine(line: &Line<'_>) -> bool {
    let rest = line.whole.strip_prefix(b"goroutine ").and_then(behind_digits);
    rest.is_some_and(|rest| rest.starts_with(b" ") && rest.contains(&b'[') && rest.ends_with(b"]:"))
}

/// A tab, a path, and a line's number: `/app/main.go:3 +0x1d`.
fn is_place(line: &Line<'_>) -> bool {
    line.starts("\t") && (line.contains(".go:") || line.contains(".s:"))
}

/// `net/http.(*conn).serve(0xc0000b2000, {0x1, 0x2})`: no blank before the parenthesis.
fn is_call(line: &Line<'_>) -> bool {
    let open = line.whole.iter().position(|&byte| byte == b'(');
    let name = open.map_or(&[][..], |open| &line.whole[..open]);
    line.whole.ends_with(b")")
        && !name.is_empty()
        && !name.contains(&b' ')
        && (name.contains(&b'.') || name == b"panic")
}

/// `rax    0x0`
fn is_register(line: &Line<'_>) -> bool {
    let name = line.whole.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    (2..=6).contains(&name)
        && line.whole[name..].starts_with(b" ")
        && line.whole[name..].trim_ascii().starts_with(b"0x")
}
