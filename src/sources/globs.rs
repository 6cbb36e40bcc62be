//! What to write instead of a glob that cannot be read.

use globset::{Error, ErrorKind};

/// What is wrong with a glob, and the way out.
pub(super) fn way_out(error: &Error) -> String {
    let instead = match error.kind() {
        ErrorKind::UnclosedClass => "end it with `]`, or write `[[]` for a `[` that is in the name",
        ErrorKind::UnclosedAlternates => "end it with `}`, or write `[{]` for a `{` that is in the name",
        ErrorKind::UnopenedAlternates => "begin it with `{`, or write `[}]` for a `}` that is in the name",
        ErrorKind::InvalidRange(..) => "write the lesser one first, such as `[a-z]`",
        ErrorKind::DanglingEscape => "write a sign behind the `\\`, or `[\\]` for one that is in the name",
        _ => "known: `*`, `?`, `[a-z]`, `{a,b}`, and `**` for any depth",
    };
    format!("{}: {instead}", error.kind())
}

#[cfg(test)]
mod tests {
    use super::*;
    use globset::Glob;

    #[test]
    fn what_is_written_instead_can_be_read() {
        let check = |wrong: &str, right: &str, matches: &str, expected: &str| {
            let error = Glob::new(wrong).expect_err("no glob");
            assert!(way_out(&error).ends_with(expected), "{wrong}: {}", way_out(&error));
            let glob = Glob::new(right).unwrap_or_else(|error| panic!("{right}: {error}"));
            assert!(glob.compile_matcher().is_match(matches), "{right}");
        };
        check("[a.log", "[[]a.log", "[a.log", "or write `[[]` for a `[` that is in the name");
        check("{a.log", "[{]a.log", "{a.log", "or write `[{]` for a `{` that is in the name");
        check("a}.log", "a[}].log", "a}.log", "or write `[}]` for a `}` that is in the name");
        check("[z-a]", "[a-z]", "k", "such as `[a-z]`");
        check("a\\", "a[\\]", "a\\", "or `[\\]` for one that is in the name");
    }
}
