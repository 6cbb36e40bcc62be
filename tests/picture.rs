//! The picture in `README.md` is of a real terminal session: commands run on a pseudo-terminal, and what it got is drawn
//! as SVG, with its colours. `docs/picture` draws it anew.
//!
//! The test draws it again and compares the rows, in whatever order the program reads the files.
#![expect(clippy::disallowed_methods, reason = "a test runs the program and reads a picture")]

use std::env;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::pty::{Winsize, openpty};

/// Characters in a row; a longer line goes on in the next, as on a terminal.
const COLUMNS: usize = 128;
/// A character's width and a row's height, in pixels of the picture.
const CELL: (f32, usize) = (7.8, 17);
/// What stands around the rows.
const MARGIN: usize = 14;

/// A picture's command: where it runs, below the repository, and what is typed.
const SESSION: &[(&str, &str)] = &[
    ("config/samples", "tailwater --from pods --once"),
    ("tests/golden/config", "tailwater check --config wrong-choice.yaml"),
];

#[test]
fn the_picture_shows_what_the_program_prints() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let rows: Vec<String> = SESSION
        .iter()
        .flat_map(|(folder, command)| {
            let typed = format!("\x1b[32m$\x1b[0m \x1b[1m{command}\x1b[0m\n");
            let printed = on_a_terminal(command, &root.join(folder));
            drawn_rows(&(typed + &printed))
        })
        .collect();
    assert!(rows.len() > 20, "{} rows", rows.len());
    let drawn = svg(&rows);
    let path = root.join("docs/terminal.svg");
    if env::var_os("TAILWATER_BLESS").is_some() {
        fs::write(&path, &drawn).expect("written");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(sorted(&kept), sorted(&drawn), "docs/terminal.svg shows something else; `docs/picture` draws it anew");
}

/// What a terminal gets of a command.
fn on_a_terminal(command: &str, folder: &Path) -> String {
    let size = Winsize { ws_row: 50, ws_col: 128, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = openpty(&size, None).expect("a terminal");
    let program = Path::new(env!("CARGO_BIN_EXE_tailwater")).parent().expect("a folder");
    let path = format!("{}:{}", program.display(), env::var("PATH").unwrap_or_default());
    let end = || Stdio::from(terminal.slave.try_clone().expect("the terminal's end"));
    let mut child = Command::new("sh")
        .args(["-c", command])
        .current_dir(folder)
        .env("PATH", path)
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .stdout(end())
        .stderr(end())
        .spawn()
        .expect("a shell");
    // The last end of the terminal is the child's, so that its end is seen.
    drop(terminal.slave);
    let mut printed = Vec::new();
    let mut reader = File::from(terminal.master);
    let mut some = [0; 4096];
    // When nobody holds the other end any more, Linux says so by an error.
    while let Ok(n @ 1..) = reader.read(&mut some) {
        printed.extend_from_slice(&some[..n]);
    }
    child.wait().expect("its end");
    String::from_utf8(printed).expect("text").replace('\r', "")
}

/// The rows of a text with colours, each as the inside of a `<text>`.
fn drawn_rows(text: &str) -> Vec<String> {
    let mut rows = Vec::new();
    let (mut class, mut row, mut run, mut column) = (String::new(), String::new(), String::new(), 0);
    let flush = |row: &mut String, run: &mut String, class: &str| {
        if !run.is_empty() && class.is_empty() {
            row.push_str(run);
        } else if !run.is_empty() {
            *row += &format!("<tspan class=\"{class}\">{run}</tspan>");
        }
        run.clear();
    };
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c == '\x1b' {
            let code: String = rest.by_ref().skip(1).take_while(|c| *c != 'm').collect();
            flush(&mut row, &mut run, &class);
            let classes: Vec<String> = code.split(';').filter(|one| *one != "0").map(|one| format!("c{one}")).collect();
            class = classes.join(" ");
            continue;
        }
        if c == '\n' || column == COLUMNS {
            flush(&mut row, &mut run, &class);
            rows.push(std::mem::take(&mut row));
            column = 0;
        }
        match c {
            '\n' => continue,
            // A tab that the program wrote is as wide as a terminal makes it.
            '\t' => {
                let width = 8 - column % 8;
                run.push_str(&"\u{a0}".repeat(width));
                column += width - 1;
            }
            ' ' => run.push('\u{a0}'),
            '<' => run.push_str("&lt;"),
            '>' => run.push_str("&gt;"),
            '&' => run.push_str("&amp;"),
            c => run.push(c),
        }
        column += 1;
    }
    flush(&mut row, &mut run, &class);
    if !row.is_empty() {
        rows.push(row);
    }
    rows
}

fn svg(rows: &[String]) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a picture is a few hundred pixels wide")]
    let width = (COLUMNS as f32 * CELL.0) as usize + 2 * MARGIN;
    let height = rows.len() * CELL.1 + 2 * MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
         <style>text{{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#d6dbe1}}\
         .c1{{font-weight:bold}}.c2{{fill:#8b949e}}.c31{{fill:#ff7b72}}.c32{{fill:#56d364}}.c33{{fill:#e3b341}}.c34{{fill:#79c0ff}}\
         .c35{{fill:#d2a8ff}}.c36{{fill:#76e3ea}}</style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#0d1117\"/>\n"
    );
    for (number, row) in rows.iter().enumerate() {
        out += &format!("<text x=\"{MARGIN}\" y=\"{}\">{row}</text>\n", MARGIN + (number + 1) * CELL.1 - 4);
    }
    out + "</svg>\n"
}

/// A picture's rows without their places, sorted.
fn sorted(svg: &str) -> Vec<&str> {
    let mut rows: Vec<&str> = svg
        .lines()
        .map(|line| line.split_once("\">").filter(|_| line.starts_with("<text ")).map_or(line, |(_, row)| row))
        .collect();
    rows.sort_unstable();
    rows
}

#[test]
fn rows_are_drawn_as_a_terminal_shows_them() {
    let check = |text: &str, expected: &[&str]| assert_eq!(drawn_rows(text), expected, "{text:?}");
    check("a\nb", &["a", "b"]);
    check("\x1b[31ma<\x1b[0mb\n", &["<tspan class=\"c31\">a&lt;</tspan>b"]);
    check("\x1b[1;31mx\x1b[0m\n\ny\n", &["<tspan class=\"c1 c31\">x</tspan>", "", "y"]);
    check(&"x".repeat(COLUMNS + 1), &["x".repeat(COLUMNS).as_str(), "x"]);
    check("a\tb", &["a\u{a0}\u{a0}\u{a0}\u{a0}\u{a0}\u{a0}\u{a0}b"]);
    check(" \tb", &["\u{a0}\u{a0}\u{a0}\u{a0}\u{a0}\u{a0}\u{a0}\u{a0}b"]);
}
