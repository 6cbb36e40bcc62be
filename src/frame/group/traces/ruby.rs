//! Ruby.
//!
//! ```text
//! app.rb:3:in 'Integer#/': divided by 0 (ZeroDivisionError)
//!         from app.rb:3:in 'Object#f'
//!         from app.rb:7:in '<main>'
//! ```
//! Loggers write the places at the line's beginning; Rails begins with `RuntimeError (words):` and a blank line.

use super::line::Step::{self, Ends, Goes, May};
use super::line::{Line, behind_digits, is_qualified};

/// Behind the first line.
const HEAD: u8 = 1;
const FRAMES: u8 = 2;

pub(super) fn first(line: &Line<'_>) -> u8 {
    match () {
        () if line.is_indented() => {
            if line.begins("from ") && has_place(line) {
                FRAMES
            } else {
                0
            }
        }
        () if is_place(line.whole) => FRAMES,
        () if line.ends("Error)") || line.ends("Exception)") => HEAD,
        () if is_rails(line) => HEAD,
        // `RuntimeError: words` of a job runner.
        () if line.error_name().is_some_and(|length| !is_qualified(&line.whole[..length])) => HEAD,
        () => 0,
    }
}

pub(super) fn next(state: u8, line: &Line<'_>) -> Step {
    match () {
        () if line.is_blank() => May(state),
        () if is_place(line.text) => Goes(FRAMES),
        () if line.is_indented() && (line.begins("from ") || line.begins("... ")) => Goes(FRAMES),
        () if line.is_indented() => Goes(state),
        () if line.begins_any(&["Did you mean?", "Causes:", "Caused by: "]) => Goes(state),
        () => Ends,
    }
}

/// `ActionView::Template::Error (undefined method 'x' for nil):`
fn is_rails(line: &Line<'_>) -> bool {
    let is_of_name = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_');
    let name = line.whole.iter().take_while(is_of_name).count();
    let is_named = line.whole[..name].ends_with(b"Error") || line.whole[..name].ends_with(b"Exception");
    is_named && line.whole[name..].starts_with(b" (") && line.ends("):")
}

fn has_place(line: &Line<'_>) -> bool {
    is_place(&line.text[5..])
}

/// `app/models/cart.rb:12:in 'Cart#add'`, `app/views/carts/show.html.erb:3`
fn is_place(text: &[u8]) -> bool {
    let word = &text[..memchr::memchr(b' ', text).unwrap_or(text.len())];
    let numbered = match word.strip_suffix(b":in") {
        Some(place) if text.get(word.len() + 1).is_some_and(|byte| matches!(byte, b'`' | b'\'')) => place,
        Some(_) => return false,
        None => word,
    };
    let Some(colon) = numbered.iter().rposition(|&byte| byte == b':') else { return false };
    let (file, number) = (&numbered[..colon], &numbered[colon + 1..]);
    let is_numbered = behind_digits(number) == Some(b"");
    let is_ruby = [&b".rb"[..], b".erb", b".haml", b".slim", b".ru", b".rake", b".jbuilder"]
        .iter()
        .any(|end| file.ends_with(end));
    // A script has any name; `:in` tells it.
    is_numbered && !file.is_empty() && (is_ruby || word.ends_with(b":in"))
}
