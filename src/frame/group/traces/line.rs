//! One line as the tables of traces look at it, what it may be to one, and the shapes that several languages share.

/// What a line is to an open trace of one language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Not of it.
    Ends,
    /// Of it; its state now.
    Goes(u8),
    /// Of it if a later line is; its state now.
    May(u8),
    /// As `May`, for a message of several lines: not where the line looks like one that begins something else.
    Message(u8),
}

/// A line without its end.
#[derive(Clone, Copy)]
pub(super) struct Line<'l> {
    /// The whole line.
    pub(super) whole: &'l [u8],
    /// Without blanks before and behind.
    pub(super) text: &'l [u8],
}

impl<'l> Line<'l> {
    pub(super) fn new(whole: &'l [u8]) -> Self {
        Self { whole, text: whole.trim_ascii() }
    }

    pub(super) fn is_blank(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether it begins with blanks and has something behind them.
    pub(super) fn is_indented(&self) -> bool {
        !self.text.is_empty() && matches!(self.whole[0], b' ' | b'\t')
    }

    /// Whether the text begins so.
    pub(super) fn begins(&self, with: &str) -> bool {
        self.text.starts_with(with.as_bytes())
    }

    /// Whether the text begins with one of these.
    pub(super) fn begins_any(&self, with: &[&str]) -> bool {
        with.iter().any(|with| self.begins(with))
    }

    /// Whether the text ends so.
    pub(super) fn ends(&self, with: &str) -> bool {
        self.text.ends_with(with.as_bytes())
    }

    /// Whether the line itself, blanks counted, begins so.
    pub(super) fn starts(&self, with: &str) -> bool {
        self.whole.starts_with(with.as_bytes())
    }

    pub(super) fn contains(&self, what: &str) -> bool {
        memchr::memmem::find(self.text, what.as_bytes()).is_some()
    }

    /// `at ` and a name behind blanks: a frame of Java, .NET and JavaScript.
    pub(super) fn is_at(&self) -> bool {
        self.is_indented() && self.begins("at ")
    }

    /// An error's name, and then a colon or nothing: `a.b.SomeException: words`, `TypeError`, `Error [ERR_X]: words`.
    /// The name's length where the line begins with one.
    pub(super) fn error_name(&self) -> Option<usize> {
        let length = name_length(self.whole);
        is_error(&self.whole[..length], &self.whole[length..]).then_some(length)
    }

    /// The same somewhere in the line, behind a blank or a bracket. Where it begins and ends.
    pub(super) fn error_within(&self) -> Option<(usize, usize)> {
        errors(self.whole).find_map(|at| {
            let start = self.whole[..at].iter().rposition(|&byte| !is_of_name(byte)).map_or(0, |before| before + 1);
            let end = at + name_length(&self.whole[at..]);
            let is_apart = start == 0 || matches!(self.whole[start - 1], b' ' | b'\t' | b'(' | b'[' | b'|');
            (is_apart && is_error(&self.whole[start..end], &self.whole[end..])).then_some((start, end))
        })
    }
}

/// Behind so many bytes nobody looks for an error's name: more than any head of a line and a message of some length.
const SEARCHED: usize = 1024;

/// Where `Exception` or `Error` stands in a line's beginning, also as a part of a word.
pub(super) fn errors(line: &[u8]) -> impl Iterator<Item = usize> {
    let line = &line[..line.len().min(SEARCHED)];
    let is_one = |at: &usize| {
        let rest = &line[at + 1..];
        rest.starts_with(b"xception") || rest.starts_with(b"rror")
    };
    memchr::memchr_iter(b'E', line).filter(is_one)
}

/// Bytes of names with their packages: `a.b.C$D`, `A::B`, .NET's nested `A+B` and generic `A`1`.
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$' | b'+' | b'`')
}

fn name_length(text: &[u8]) -> usize {
    text.iter().position(|&byte| !is_of_name(byte)).unwrap_or(text.len())
}

fn is_error(name: &[u8], behind: &[u8]) -> bool {
    let is_named = [&b"Exception"[..], b"Error", b"Throwable"].iter().any(|end| name.ends_with(end));
    // A code such as Node's stands behind the name.
    is_named && (matches!(behind.trim_ascii_start(), [] | [b':', ..]) || behind.starts_with(b" ["))
}

/// Whether a name has a package or namespace before it.
pub(super) fn is_qualified(name: &[u8]) -> bool {
    name.first().is_some_and(u8::is_ascii_alphabetic) && name.contains(&b'.')
}

/// Digits at the beginning, and what follows them.
pub(super) fn behind_digits(text: &[u8]) -> Option<&[u8]> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (digits > 0).then(|| &text[digits..])
}
