//! The house's walls, held by a test: reads the paths that every file in `src/` names and fails with file and line.
//!
//! - A module imports only from its own floor's module (itself) and from lower floors.
//! - No files form a circle.
//! - Floors 0 and 1 name no part of the world: of `std` and of other crates only what is pure.
//!
//! It reads tokens, not types: `use` trees, and every path with `::`. What stands under `#[cfg(test)]` is exempt. A
//! name that a macro makes up, or that is reached through a value, is not seen; `clippy.toml` bans the calls as well.
#![expect(clippy::disallowed_methods, reason = "a test reads the source")]

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fs;
use std::path::Path;

/// Every module below the crate's root has its floor here.
const FLOORS: &[(&str, u8)] = &[
    ("model", 0),
    ("frame", 1),
    ("parse", 1),
    ("transform", 1),
    ("sinks", 1),
    ("flow", 1),
    ("metrics", 2),
    ("log", 2),
    ("exit", 2),
    ("sources", 3),
    ("pipeline", 3),
    ("deliver", 3),
    ("store", 3),
    ("admin", 3),
    ("config", 4),
    ("cli", TOP),
    ("app", TOP),
    ("main", TOP),
    ("lib", TOP),
];

/// The floor whose modules put the parts together: they may know each other.
const TOP: u8 = 5;

/// The highest floor that never touches the world.
const PURE: u8 = 1;

/// What of `std` a pure floor does not name.
const IMPURE_STD: &[&str] = &["fs", "net", "env", "thread", "process"];

/// The crates that a pure floor may name.
const PURE_CRATES: &[&str] = &[
    "bytes",
    "cel",
    "flate2",
    "globset",
    "grok",
    "jiff",
    "memchr",
    "regex",
    "ring",
    "serde_json",
    "simdutf8",
    "snap",
    "xxhash_rust",
];

#[test]
fn the_source_keeps_to_its_floors() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = BTreeMap::new();
    read_folder(&root.join("src"), "src", &mut files);
    assert!(files.len() > 10, "the source was found");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("a manifest");
    let found = problems(&files, &dependencies(&manifest));
    assert!(found.is_empty(), "{} broken:\n{}", found.len(), found.join("\n"));
}

fn read_folder(dir: &Path, name: &str, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        let file = format!("{name}/{}", path.file_name().unwrap_or_default().to_string_lossy());
        if path.is_dir() {
            read_folder(&path, &file, files);
        } else if file.ends_with(".rs") {
            files.insert(file, fs::read_to_string(&path).expect("text"));
        }
    }
}

/// The names under `[dependencies]`, as code writes them.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let lines = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| line.split_once([' ', '=', '.'])).map(|(name, _)| name.replace('-', "_")).collect()
}

/// One file that names another: where, and which.
struct Edge {
    from: String,
    line: u32,
    to: String,
}

/// Everything that is wrong with `files` (path → text), one line each.
fn problems(files: &BTreeMap<String, String>, crates: &BTreeSet<String>) -> Vec<String> {
    let sources: BTreeMap<&str, Source> =
        files.iter().map(|(file, text)| (file.as_str(), Source::read(text))).collect();
    let only_tests: BTreeSet<String> = sources
        .iter()
        .flat_map(|(file, source)| {
            source.test_modules.iter().map(|name| [module_of(file), vec![name.clone()]].concat())
        })
        .map(|module| module.join("::"))
        .collect();
    let modules: HashMap<String, &str> = files.keys().map(|file| (module_of(file).join("::"), file.as_str())).collect();
    let mut found = Vec::new();
    let mut edges: Vec<Edge> = Vec::new();
    for (file, source) in &sources {
        let module = module_of(file);
        if only_tests.contains(&module.join("::")) {
            continue;
        }
        let Some(floor) = floor_of(&module) else {
            found.push(format!(
                "{file}:1: no floor is named for this module: add it to FLOORS in tests/architecture.rs"
            ));
            continue;
        };
        for (path, line) in source.absolute_paths(&module, &modules) {
            let Some(path) = path.strip_prefix(&["crate".to_owned()][..]) else {
                if floor <= PURE && !is_pure(&path, crates) {
                    found.push(format!("{file}:{line}: floor {floor} is pure and does not name `{}`", path.join("::")));
                }
                continue;
            };
            let target = (0..=path.len()).rev().find_map(|len| modules.get(&path[..len].join("::")));
            let Some(target) = target.filter(|target| *target != file) else { continue };
            edges.push(Edge { from: (*file).to_owned(), line, to: (*target).to_owned() });
            let target_module = module_of(target);
            let Some(target_floor) = floor_of(&target_module) else { continue };
            let (own, other) = (room_of(&module), room_of(&target_module));
            if target_floor > floor {
                found.push(format!(
                    "{file}:{line}: `{own}` (floor {floor}) imports `{other}` from floor {target_floor}, upwards"
                ));
            } else if target_floor == floor && own != other && floor != TOP {
                found.push(format!(
                    "{file}:{line}: `{own}` imports `{other}`: modules of one floor ({floor}) are strangers"
                ));
            }
        }
    }
    found.extend(circles(&edges));
    found.sort();
    found.dedup();
    found
}

/// `src/a/b.rs` and `src/a/b/mod.rs` → `a::b`; the crate's root → nothing.
fn module_of(file: &str) -> Vec<String> {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    let mut parts: Vec<String> = path.split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| last == "mod") || parts == ["lib"] {
        parts.pop();
    }
    parts
}

/// The name of the module below the root that a module belongs to.
fn room_of(module: &[String]) -> &str {
    module.first().map_or("lib", String::as_str)
}

fn floor_of(module: &[String]) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == room_of(module)).map(|(_, floor)| *floor)
}

fn is_pure(path: &[String], crates: &BTreeSet<String>) -> bool {
    match path {
        [first, second, ..] if first == "std" => !IMPURE_STD.contains(&second.as_str()),
        [first, ..] if crates.contains(first) => PURE_CRATES.contains(&first.as_str()),
        _ => true,
    }
}

/// Each circle of files once, with the lines that close it.
fn circles(edges: &[Edge]) -> Vec<String> {
    let mut found = BTreeMap::new();
    for edge in edges {
        if let Some(way) = way_back(edge, edges) {
            let mut members: Vec<&str> = way.iter().map(|edge| edge.from.as_str()).collect();
            members.sort_unstable();
            let text = || way.iter().map(|edge| format!("{}:{} → {}", edge.from, edge.line, edge.to));
            found
                .entry(members.join(" "))
                .or_insert_with(|| format!("files form a circle: {}", text().collect::<Vec<_>>().join(", ")));
        }
    }
    found.into_values().collect()
}

/// The shortest way that begins with `edge` and ends where it began.
fn way_back<'e>(edge: &'e Edge, edges: &'e [Edge]) -> Option<Vec<&'e Edge>> {
    let mut reached = BTreeSet::from([edge.to.as_str()]);
    let mut ways = VecDeque::from([vec![edge]]);
    while let Some(way) = ways.pop_front() {
        let at = way.last()?.to.as_str();
        if at == edge.from {
            return Some(way);
        }
        for next in edges.iter().filter(|next| next.from == at) {
            if reached.insert(&next.to) {
                ways.push_back([way.as_slice(), &[next]].concat());
            }
        }
    }
    None
}

type PathAt = (Vec<String>, u32);

/// What one file names.
#[derive(Default)]
struct Source {
    /// The paths of its `use` trees; a glob without its `*`.
    uses: Vec<PathAt>,
    /// The names that its `use` trees bring in, and what they stand for.
    names: HashMap<String, Vec<String>>,
    /// All other paths.
    paths: Vec<PathAt>,
    /// Modules in files of their own that exist for tests only.
    test_modules: Vec<String>,
}

impl Source {
    fn read(text: &str) -> Self {
        let mut source = Self::default();
        let tokens = tokens(text);
        let mut at = 0;
        while at < tokens.len() {
            let word = tokens[at].0.as_str();
            if word == "#" && is(&tokens[at + 1..], &["[", "cfg", "(", "test", ")", "]"]) {
                at = source.skip_item(&tokens, at + 7);
            } else if word == "use" && !is(&tokens[at + 1..], &["<"]) {
                at = source.read_use(&tokens, at + 1, &[]);
            } else if is_name(word) && is(&tokens[at + 1..], &["::"]) && (at == 0 || tokens[at - 1].0 != "::") {
                let mut path = vec![word.to_owned()];
                let line = tokens[at].1;
                while is(&tokens[at + 1..], &["::"]) && tokens.get(at + 2).is_some_and(|token| is_name(&token.0)) {
                    path.push(tokens[at + 2].0.clone());
                    at += 2;
                }
                source.paths.push((path, line));
                at += 1;
            } else {
                at += 1;
            }
        }
        source
    }

    /// Passes over the item at `at`; where that is, behind it.
    fn skip_item(&mut self, tokens: &[(String, u32)], mut at: usize) -> usize {
        if let Some(module) = (0..3).map(|skip| at + skip).find(|at| is(&tokens[*at.min(&tokens.len())..], &["mod"]))
            && is(&tokens[module + 2..], &[";"])
        {
            self.test_modules.push(tokens[module + 1].0.clone());
        }
        let mut depth = 0_i32;
        while let Some((word, _)) = tokens.get(at) {
            at += 1;
            match word.as_str() {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth -= 1,
                _ => {}
            }
            if depth == 0 && matches!(word.as_str(), "}" | ";") {
                break;
            }
        }
        at
    }

    /// Reads one branch of a `use` tree whose stem is `stem`; where it ends.
    fn read_use(&mut self, tokens: &[(String, u32)], mut at: usize, stem: &[String]) -> usize {
        let mut path = stem.to_vec();
        let line = tokens.get(at).map_or(0, |token| token.1);
        loop {
            match tokens.get(at).map(|token| token.0.as_str()) {
                Some("::") => at += 1,
                Some("{") => {
                    at += 1;
                    while tokens.get(at).is_some_and(|token| token.0 != "}") {
                        at = self.read_use(tokens, at, &path);
                        at += usize::from(is(&tokens[at..], &[","]));
                    }
                    return at + 1;
                }
                Some("*") => {
                    self.uses.push((path, line));
                    return at + 1;
                }
                Some(name) if is_name(name) => {
                    if name != "self" || path.is_empty() {
                        path.push(name.to_owned());
                    }
                    at += 1;
                    if !is(&tokens[at..], &["::"]) {
                        let is_renamed = is(&tokens[at..], &["as"]);
                        let name = tokens.get(at + 1).filter(|_| is_renamed).map(|token| &token.0).or(path.last());
                        self.names.extend(name.cloned().map(|name| (name, path.clone())));
                        self.uses.push((path, line));
                        return at + if is_renamed { 2 } else { 0 };
                    }
                }
                _ => return at + 1,
            }
        }
    }

    /// All paths as seen from the crate's root (`crate::…`), or beginning with the name of another crate.
    fn absolute_paths(&self, module: &[String], modules: &HashMap<String, &str>) -> Vec<PathAt> {
        let resolve = |path: &[String], names: &HashMap<String, Vec<String>>| -> Vec<String> {
            let path = match names.get(&path[0]) {
                Some(full) => [full, &path[1..]].concat(),
                None => path.to_vec(),
            };
            let child = [module, &path[..1]].concat().join("::");
            let (base, rest) = match path[0].as_str() {
                "crate" | "tailwater" => (&[][..], &path[1..]),
                "self" => (module, &path[1..]),
                "super" => {
                    let up = path.iter().take_while(|part| *part == "super").count();
                    (&module[..module.len().saturating_sub(up)], &path[up..])
                }
                _ if modules.contains_key(&child) => (module, &path[..]),
                _ => return path,
            };
            [&["crate".to_owned()], base, rest].concat()
        };
        let none = HashMap::new();
        let uses = self.uses.iter().map(|(path, line)| (resolve(path, &none), *line));
        uses.chain(self.paths.iter().map(|(path, line)| (resolve(path, &self.names), *line))).collect()
    }
}

fn is(tokens: &[(String, u32)], words: &[&str]) -> bool {
    tokens.len() >= words.len() && tokens.iter().zip(words).all(|(token, word)| token.0 == *word)
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Names, `::` and single signs with their lines; no comments, no literals.
fn tokens(text: &str) -> Vec<(String, u32)> {
    // The longest match wins: raw strings of up to two `#`, strings, characters, lifetimes, comments, names, signs.
    let token = regex::Regex::new(
        r##"(?xs) //[^\n]* | /\*.*?\*/ | b?r"[^"]*" | b?r\#"([^"]|"[^\#])*"\# | b?"(\\.|[^"\\])*"
            | b?'(\\u\{[^}]*\}|\\x..|\\.|[^'\\])' | '\w+ | \d\w* | (?P<token> \w+ | :: | \S )"##,
    )
    .expect("a pattern");
    let mut line = 1;
    let mut from = 0;
    let mut found = Vec::new();
    for part in token.captures_iter(text) {
        if let Some(word) = part.name("token") {
            line += text[from..word.start()].matches('\n').count() as u32;
            from = word.start();
            found.push((word.as_str().to_owned(), line));
        }
    }
    found
}

mod checker {
    use super::*;

    #[track_caller]
    fn check(files: &[(&str, &str)], expected: &[&str]) {
        let files = files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect();
        let crates = BTreeSet::from(["tokio".to_owned(), "bytes".to_owned()]);
        assert_eq!(problems(&files, &crates), expected);
    }

    #[test]
    fn downwards_and_within_a_module_is_allowed() {
        check(
            &[
                ("src/model/mod.rs", "pub mod time;"),
                ("src/model/time.rs", "use std::io; use bytes::Bytes;"),
                ("src/flow/mod.rs", "mod ledger;\nuse ledger::Ledger;"),
                ("src/flow/ledger.rs", "use crate::model::time::Time;"),
                ("src/pipeline.rs", "use crate::flow; use std::fs; fn f() { tokio::spawn(flow::x) }"),
                ("src/main.rs", "use tailwater::app; fn main() { app::run() }"),
                ("src/app.rs", "use crate::{cli, pipeline::{self, turn}};"),
                ("src/cli.rs", ""),
            ],
            &[],
        );
    }

    #[test]
    fn upwards_is_found_however_it_is_written() {
        let upwards = "`model` (floor 0) imports `flow` from floor 1, upwards";
        for (text, line) in [
            ("use crate::flow::ledger::Ledger;", 1),
            ("// why\n\nuse crate::{flow};", 3),
            ("use crate::{bytes::{A, B},\n    flow::{C}};", 2),
            ("fn f() {\n crate::flow::go() }", 2),
            ("use super::flow as other;", 1),
            ("use super::super::super::flow::*;", 1),
            ("fn f(x: &'static str) -> Option<crate::flow::X> { '\"'; None }", 1),
        ] {
            let file = if text.contains("super::super") { "src/model/a/b.rs" } else { "src/model.rs" };
            check(&[("src/flow/mod.rs", ""), (file, text)], &[&format!("{file}:{line}: {upwards}")]);
        }
    }

    #[test]
    fn comments_text_and_tests_do_not_count() {
        for text in [
            "//! crate::flow::x\n/* use crate::flow; */ const A: &str = \"crate::flow::x\";",
            "const A: &str = r#\"use crate::flow::x; \"quoted\" \"#;",
            "#[cfg(test)]\nmod tests { use crate::flow; fn f() { crate::flow::x() } }",
            "#[cfg(test)]\nuse crate::flow::x;",
            "#[cfg(test)]\n#[path = \"x\"]\nfn f() { crate::flow::x() }",
        ] {
            check(&[("src/flow.rs", ""), ("src/model.rs", text)], &[]);
        }
        let files = [("src/model/mod.rs", "#[cfg(test)]\nmod tests;"), ("src/model/tests.rs", "use crate::flow::x;")];
        check(&[("src/flow.rs", ""), files[0], files[1]], &[]);
        check(
            &[("src/flow.rs", ""), ("src/model.rs", "#[cfg(test)]\nmod tests {}\nuse crate::flow;")],
            &["src/model.rs:3: `model` (floor 0) imports `flow` from floor 1, upwards"],
        );
    }

    #[test]
    fn modules_of_one_floor_are_strangers() {
        check(
            &[("src/flow.rs", ""), ("src/parse/json.rs", "\nuse crate::flow::batch;"), ("src/parse/mod.rs", "")],
            &["src/parse/json.rs:2: `parse` imports `flow`: modules of one floor (1) are strangers"],
        );
    }

    #[test]
    fn circles_are_found() {
        check(
            &[("src/flow/mod.rs", "mod a;\nuse a::A;\npub struct B;"), ("src/flow/a.rs", "use super::B;")],
            &["files form a circle: src/flow/a.rs:1 → src/flow/mod.rs, src/flow/mod.rs:2 → src/flow/a.rs"],
        );
        check(
            &[
                ("src/flow/a.rs", "use super::b::B;"),
                ("src/flow/b.rs", "use super::c;\nfn f() { c::g() }"),
                ("src/flow/c.rs", "use crate::flow::a::A;"),
            ],
            &[
                "files form a circle: src/flow/a.rs:1 → src/flow/b.rs, src/flow/b.rs:1 → src/flow/c.rs, src/flow/c.rs:1 → src/flow/a.rs",
            ],
        );
    }

    #[test]
    fn the_world_is_out_of_bounds_for_pure_floors() {
        check(
            &[("src/flow.rs", "use std::{io, fs::File};\nfn f() { std::thread::spawn(g) }\nuse tokio::sync::mpsc;")],
            &[
                "src/flow.rs:1: floor 1 is pure and does not name `std::fs::File`",
                "src/flow.rs:2: floor 1 is pure and does not name `std::thread::spawn`",
                "src/flow.rs:3: floor 1 is pure and does not name `tokio::sync::mpsc`",
            ],
        );
    }

    #[test]
    fn a_module_without_a_floor_is_said() {
        check(
            &[("src/attic.rs", "")],
            &["src/attic.rs:1: no floor is named for this module: add it to FLOORS in tests/architecture.rs"],
        );
    }
}
