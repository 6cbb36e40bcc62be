//! Problems with the settings, written for people.
//!
//! ```text
//! error: tailwater.yaml:7:23: `max_age` cannot be `5`
//!    7 |     batch: { max_age: 5 }
//!      |                       ^
//!   hint: expected a duration such as `250ms`, `1s`, `5m` or `1h30m`
//! ```
//!
//! **Invariant**: all problems of a file come out at once, in the order of the file, and no line that is quoted shows
//! a secret.

use std::fmt::Write as _;

use super::secret::{MASK, continues, find_value, mask_urls};
use crate::model::settings::{Place, Problem, Problems};

/// Lines longer than this are quoted in part.
const WIDTH: usize = 120;

/// The report on `problems`; `file` and `text` are the settings file that places refer to, if there is one.
pub fn render(problems: &Problems, file: &str, text: &str) -> String {
    let mut sorted: Vec<&Problem> = problems.0.iter().collect();
    // Flags and variables have line 0 and come first. The sort is stable: equal places stay in the order found.
    sorted.sort_by_key(|problem| (problem.place.line, problem.place.column));
    sorted.dedup();
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::new();
    for problem in &sorted {
        one(problem, file, &lines, &mut out);
    }
    if sorted.len() > 1 {
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(out, "{} problems", sorted.len());
    }
    out
}

/// What works and should be written otherwise.
pub fn notices(notices: &[Problem]) -> String {
    let note = |notice: &Problem| format!("note: {}: {}\n  hint: {}\n", notice.place, notice.text, notice.hint);
    notices.iter().map(note).collect()
}

fn one(problem: &Problem, file: &str, lines: &[&str], out: &mut String) {
    let place = &problem.place;
    let here = place.line > 0 && *place.file == *file;
    let line = if here { lines.get(place.line as usize - 1).copied().unwrap_or("") } else { "" };
    let _ = writeln!(out, "error: {place}: {}", mask_text(&problem.text, line));
    if here {
        quote(place, lines, out);
    }
    let _ = writeln!(out, "  hint: {}", mask_text(&problem.hint, line));
}

/// The line of `place` with a caret below its column.
fn quote(place: &Place, lines: &[&str], out: &mut String) {
    let Some(index) = (place.line as usize).checked_sub(1).filter(|index| *index < lines.len()) else { return };
    let column = (place.column as usize).saturating_sub(1);
    let shown = mask_line(lines, index);
    let length = shown.chars().count();
    let from = if length > WIDTH && column > WIDTH / 2 { column - WIDTH / 2 } else { 0 };
    let window: String = shown.chars().skip(from).take(WIDTH).map(visible).collect();
    let cut = if from > 0 { "… " } else { "" };
    let more = if from + WIDTH < length { " …" } else { "" };
    let blank = " ".repeat(cut.chars().count() + column - from);
    let _ = writeln!(out, "{:>4} | {cut}{window}{more}", place.line);
    let _ = writeln!(out, "     | {blank}^");
}

/// Signs that would move the caret, as one that does not.
fn visible(c: char) -> char {
    match c {
        '\t' => '→',
        c if c.is_control() => ' ',
        c => c,
    }
}

/// The line up to its secret.
fn mask_line(lines: &[&str], index: usize) -> String {
    let line = lines.get(index).copied().unwrap_or("");
    let line = if index == 0 { line.strip_prefix('\u{feff}').unwrap_or(line) } else { line };
    let indent = line.len() - line.trim_start().len();
    let Some(secret) = find_value(line).or_else(|| continues(lines, index).then_some(indent)) else {
        return mask_urls(line).into_owned();
    };
    format!("{}{MASK}", mask_urls(&line[..secret]))
}

/// `text` without the secret that stands in `line`: a hint may say how to write the value.
fn mask_text(text: &str, line: &str) -> String {
    let text = mask_urls(text);
    let Some(value) = find_value(line).map(|at| &line[at..]) else { return text.into_owned() };
    let end = value.find([',', '}']).unwrap_or(value.len());
    let pieces = value[..end].split(|c: char| c.is_whitespace() || matches!(c, '"' | '\''));
    // A piece of one or two letters would tear up ordinary words and protect nobody.
    pieces.filter(|piece| piece.len() > 2).fold(text.into_owned(), |text, piece| text.replace(piece, MASK))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const TEXT: &str = "url: x\nauth: { password: geheim, x: 1 }\n\tä: ö\n";

    fn check(problems: &[(u32, u32, &str, &str)], expected: &str) {
        let mut found = Problems::default();
        for (line, column, text, hint) in problems {
            let file = if *line == 0 { "flag `--to`" } else { "f.yaml" };
            found.add_with_hint(&Place { file: Arc::from(file), line: *line, column: *column }, *text, *hint);
        }
        assert_eq!(render(&found, "f.yaml", TEXT), expected);
    }

    #[test]
    fn reports() {
        check(&[(0, 0, "bad", "good")], "error: flag `--to`: bad\n  hint: good\n");
        check(&[(1, 6, "bad", "good")], "error: f.yaml:1:6: bad\n   1 | url: x\n     |      ^\n  hint: good\n");
        check(
            &[(3, 5, "second", "b"), (1, 1, "first", "a"), (1, 1, "first", "a")],
            "error: f.yaml:1:1: first\n   1 | url: x\n     | ^\n  hint: a\nerror: f.yaml:3:5: second\n   3 | →ä: ö\n     |     ^\n  hint: b\n2 problems\n",
        );
        check(&[(9, 1, "behind the end", "good")], "error: f.yaml:9:1: behind the end\n  hint: good\n");
    }

    #[test]
    fn secrets_are_not_quoted() {
        check(
            &[(2, 31, "bad", "good")],
            "error: f.yaml:2:31: bad\n   2 | auth: { password: ***\n     |                               ^\n  hint: good\n",
        );
        // The second has two secrets in a line: the URL stood there whole, since the line was cut at the other.
        for line in ["u: http://a:geheim@b", "{ url: http://a:geheim@b, headers: { X-Api-Key: geheim } }"] {
            let mut problems = Problems::default();
            let place = Place { file: Arc::from("f"), line: 1, column: 1 };
            problems.add_with_hint(&place, "no `http://a:geheim@b`", "write `http://a:geheim@c`");
            let report = render(&problems, "f", line);
            assert!(!report.contains("geheim"), "{report}");
        }
    }

    #[test]
    fn long_lines_are_quoted_in_part() {
        let text = format!("a: {}X{}", "x".repeat(300), "y".repeat(300));
        let mut problems = Problems::default();
        problems.add_with_hint(&Place { file: Arc::from("f"), line: 1, column: 304 }, "bad", "good");
        let report = render(&problems, "f", &text);
        let lines: Vec<&str> = report.lines().collect();
        let caret = lines[2].chars().position(|c| c == '^').expect("a caret");
        assert_eq!(lines[1].chars().nth(caret), Some('X'), "{report}");
        assert!(lines[1].chars().count() < 140);
    }

    proptest::proptest! {
        #[test]
        fn the_caret_stays_in_its_column(text in "[a:{} é\t]{0,30}", column in 1_u32..40) {
            let mut problems = Problems::default();
            problems.add_with_hint(&Place { file: Arc::from("f"), line: 1, column }, "bad", "good");
            let report = render(&problems, "f", &text);
            if let Some(caret) = report.lines().nth(2) {
                proptest::prop_assert_eq!(caret.chars().count(), 7 + column as usize);
            }
        }
    }
}
