//! The tables in `docs/` are made of the program's own, so they cannot fall behind it.
//!
//! A table stands between `<!-- begin NAME -->` and `<!-- end -->`. Where one differs the test fails; with
//! `TAILWATER_BLESS=1` in the environment it writes what is right.
#![expect(clippy::disallowed_methods, reason = "a test reads and writes documents")]

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Arg, CommandFactory as _};
use tailwater::admin::status;
use tailwater::cli::Cli;
use tailwater::config::{keys as known_keys, parts, schema, settings, show};
use tailwater::deliver::{self, http};
use tailwater::exit::Exit;
use tailwater::flow::account::{Account, Flaws};
use tailwater::frame::group::traces::LANGUAGES;
use tailwater::metrics::Metrics;
use tailwater::metrics::look::{FilteredLook, Lag, Look, WorkloadLook, WorkloadName};
use tailwater::model::event::Flaw;
use tailwater::model::settings::Key;
use tailwater::model::template::Template;
use tailwater::transform::redact::presets::PRESETS;
use tailwater::transform::settings as transforms;
use tailwater::{parse, sinks, sources};

#[test]
fn metrics() {
    check("docs/metrics.md", &|name| (name == "series").then(series));
}

#[test]
fn status() {
    check("docs/status.md", &|name| {
        let row = |(key, kind, help): &(&str, &str, &str)| format!("| `{key}` | {kind} | {help} |\n");
        let rows =
            || format!("| key | kind | |\n|---|---|---|\n{}", status::FIELDS.iter().map(row).collect::<String>());
        (name == "fields").then(rows)
    });
}

#[test]
fn commands() {
    check("docs/commands.md", &|name| match name {
        "exit" => Some(exit_codes()),
        "commands" => Some(subcommands()),
        "flags" => Some(flags(Cli::command().get_arguments())),
        "checkpoints skip" => {
            let command = Cli::command();
            let skip = command.find_subcommand("checkpoints").and_then(|command| command.find_subcommand("skip"));
            skip.map(|skip| flags(skip.get_arguments()))
        }
        _ => {
            let command = Cli::command();
            command.get_subcommands().find(|known| known.get_name() == name).map(|known| flags(known.get_arguments()))
        }
    });
}

#[test]
fn settings() {
    check("docs/settings.md", &|name| match name {
        "settings" => Some(keys(&[settings::KEYS])),
        "parsers" => Some(parsers()),
        "parse" => Some(keys(&[parse::typed::KEYS, parse::typed::TIME])),
        "text" => Some(keys(&[tailwater::transform::shape::parse::KEYS])),
        "time" => Some(keys(&[parse::moment::KEYS])),
        "presets" => Some(presets()),
        "transforms" => Some(keys(&[transforms::KEYS])),
        "metrics" => Some(keys(&[tailwater::transform::count::settings::KEYS])),
        "traces" => Some(traces()),
        "source" => Some(keys(&[parts::SOURCE_KEYS])),
        "sources" => Some(sources::KINDS.iter().map(|kind| section(kind.name, kind.help, kind.keys)).collect()),
        "sink" => Some(keys(&[parts::SINK_KEYS])),
        "sinks" => Some(sinks::KINDS.iter().map(|kind| section(kind.name, kind.help, &[kind.keys])).collect()),
        "http" => Some(keys(&[http::KEYS, deliver::KEYS])),
        map => known_keys::MAPS.iter().find(|(name, _)| *name == map).map(|(_, known)| keys(&[known])),
    });
    let document = read("docs/settings.md");
    for (map, _) in known_keys::MAPS {
        assert!(document.contains(&format!("<!-- begin {map} -->")), "docs/settings.md has no keys of `{map}`");
    }
    // A kind may get a table that is none of those above.
    let tables =
        sinks::KINDS.iter().flat_map(parts::sink_tables).chain(sources::KINDS.iter().flat_map(parts::source_tables));
    for key in tables.flatten() {
        assert!(document.contains(&format!("| `{}` |", key.name)), "docs/settings.md lacks `{}`", key.name);
    }
    let known = Template::parse("{nothing}").expect_err("no placeholder").replace("{nothing}", "");
    for name in known.split(' ').map(|word| word.trim_end_matches(';')).filter(|word| word.starts_with('{')) {
        assert!(document.contains(name), "docs/settings.md lacks the placeholder `{name}`");
    }
}

/// Editors complete from it; it is made of the tables that the program reads settings by.
#[test]
fn schema() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.schema.json");
    let made = schema::render();
    if is_blessed() {
        fs::write(&path, &made).expect("written");
    }
    let typed = fs::read_to_string(&path).unwrap_or_default();
    let differs = made.lines().zip(typed.lines().chain(std::iter::repeat(""))).find(|(made, typed)| made != typed);
    assert!(
        made == typed,
        "docs/settings.schema.json is behind the program, first at: {differs:?}\n\
         TAILWATER_BLESS=1 cargo test --test documents writes it"
    );
}

/// Every relative link leads to a file or folder that is there, and to a headline where it names one.
#[test]
fn links() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = Vec::new();
    find_pages(root, &mut pages);
    assert!(pages.len() >= 12, "{} pages", pages.len());
    let mut dead = Vec::new();
    for page in &pages {
        let text = fs::read_to_string(page).expect("a document");
        for target in links_of(&text) {
            let (file, headline) = target.split_once('#').unwrap_or((target, ""));
            let to = if file.is_empty() { page.clone() } else { page.parent().unwrap_or(root).join(file) };
            let leads = match headline {
                "" => to.exists(),
                _ => fs::read_to_string(&to).is_ok_and(|text| text.lines().any(|line| anchor(line) == headline)),
            };
            if !leads {
                dead.push(format!("{}: {target}", page.strip_prefix(root).unwrap_or(page).display()));
            }
        }
    }
    assert!(dead.is_empty(), "links that lead nowhere:\n{}", dead.join("\n"));
}

/// The Markdown files below `folder`, without what was built.
fn find_pages(folder: &Path, pages: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            find_pages(&path, pages);
        } else if name.ends_with(".md") {
            pages.push(path);
        }
    }
}

/// The targets of `[text](target)` that are no addresses elsewhere; what stands between backticks or is indented as code is no
/// link.
fn links_of(text: &str) -> Vec<&str> {
    let mut links = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        if fenced || line.starts_with("    ") {
            continue;
        }
        for (at, _) in line.match_indices("](") {
            let in_code = line[..at].matches('`').count() % 2 == 1;
            let target = line[at + 2..].split([')', ' ']).next().unwrap_or_default();
            if !in_code && !target.contains("://") && !target.starts_with("mailto:") {
                links.push(target);
            }
        }
    }
    links
}

/// What a headline is called in links, as the usual viewers make it.
fn anchor(line: &str) -> String {
    let Some(text) = line.starts_with('#').then(|| line.trim_start_matches('#').trim()) else { return String::new() };
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn what_links_are() {
    let text = "[a](b.md) `[c](d)` [`e`](f/g#h) [i](https://j)\n```\n[k](l)\n```\n![m](n.png \"o\")";
    assert_eq!(links_of(text), ["b.md", "f/g#h", "n.png"]);
    assert_eq!(anchor("## auth.basic and `This`"), "authbasic-and-this");
    assert_eq!(anchor("text"), "");
}

/// A kind's headline, its sentence and its own keys.
fn section(name: &str, help: &str, tables: &[&[Key]]) -> String {
    let mut sentence = help.to_owned();
    if let Some(first) = sentence.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let keys = if tables.iter().all(|table| table.is_empty()) {
        "It has no keys of its own.\n".to_owned()
    } else {
        keys(tables)
    };
    format!("\n### {name}\n\n{sentence}.\n\n{keys}")
}

fn keys(tables: &[&[Key]]) -> String {
    let row = |key: &Key| {
        let (kind, help) = (key.kind.replace('|', "\\|"), key.help.replace('|', "\\|"));
        // Words about a default stand as words, a default as it would be typed.
        let default = match key.default {
            "" => String::new(),
            words if !show::is_value(words) => words.to_owned(),
            value => format!("`{value}`"),
        };
        format!("| `{}` | {kind} | {default} | {help} |\n", key.name)
    };
    let rows: String = tables.iter().flat_map(|table| table.iter()).map(row).collect();
    format!("| key | value | default | |\n|---|---|---|---|\n{rows}")
}

fn parsers() -> String {
    let rows: String = parse::KINDS.iter().map(|kind| format!("| `{}` | {} |\n", kind.name, kind.help)).collect();
    format!("| parser | |\n|---|---|\n{rows}")
}

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect("a document")
}

/// A table that names tests which are not there shows nothing.
#[test]
fn the_tests_of_the_faults_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(root.join("docs/delivery.md")).expect("a document");
    let (_, table) = document.split_once("## Faults").expect("the faults");
    let (table, _) = table.split_once("## What is played").expect("the table's end");
    let mut names = BTreeSet::new();
    for name in table.split('`').skip(1).step_by(2).filter(|name| name.contains("::")) {
        names.insert(name.rsplit(' ').next().expect("a name"));
    }
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        let (module, test) = name.split_once("::").expect("module and test");
        let folders = ["cluster", "faults", "files", "flow", "sinks", "soak", "stores"];
        let files = folders.map(|folder| root.join(format!("tests/{folder}/{module}.rs")));
        let is_there = files.iter().filter_map(|file| fs::read_to_string(file).ok());
        assert!(is_there.into_iter().any(|text| text.contains(&format!("fn {test}()"))), "no test `{name}`");
    }
    // And none is left out.
    for (folder, file) in [
        ("cluster", "pods"),
        ("faults", "checkpoint"),
        ("faults", "disk"),
        ("faults", "groups"),
        ("faults", "inputs"),
        ("faults", "kill"),
        ("faults", "limits"),
        ("faults", "machine"),
        ("faults", "network"),
        ("soak", "run"),
        ("stores", "kills"),
    ] {
        let text = fs::read_to_string(root.join(format!("tests/{folder}/{file}.rs"))).expect("tests");
        for test in text.split("#[test]").skip(1) {
            let name = test.split_once("fn ").and_then(|(_, rest)| rest.split_once("()")).expect("a test").0;
            assert!(table.contains(&format!("{file}::{name}")), "`{file}::{name}` is not in the table");
        }
    }
}

/// The figures are a run's: what was written is delivered or lost, where nothing is said to have been unreachable.
#[test]
fn the_figures_of_the_faults_balance() {
    let document = read("docs/delivery.md");
    let (_, table) = document.split_once("<!-- begin faults -->\n").expect("the table");
    let (table, _) = table.split_once("<!-- end -->").expect("its end");
    for row in table.lines().skip(2) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let figures = cells.get(2..7).unwrap_or_default().iter().map(|figure| figure.parse::<u64>());
        let figures: Result<Vec<u64>, _> = figures.collect();
        let Ok([written, delivered, _, lost, unreachable]) = figures.as_deref() else {
            panic!("five figures, as tests/chaos.sh writes them: {row}");
        };
        let is_whole = *written == delivered + lost;
        assert!(*written > 0 && (is_whole || *unreachable > 0) && delivered + lost <= *written, "{row}");
        assert!(*lost == 0 || row.contains("**"), "what is lost is said: {row}");
    }
}

/// Holds every table of a document against what `make` gives for its name.
fn check(file: &str, make: &dyn Fn(&str) -> Option<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let typed = fs::read_to_string(&path).expect("a document");
    let made = filled_in(&typed, make);
    if made != typed && is_blessed() {
        fs::write(&path, made).expect("written");
        return;
    }
    let differs = made.lines().zip(typed.lines().chain(std::iter::repeat(""))).find(|(made, typed)| made != typed);
    assert!(
        made == typed,
        "{file} is behind the program, first at: {differs:?}\nTAILWATER_BLESS=1 cargo test --test documents writes it"
    );
}

/// `document` with its tables as `make` gives them.
fn filled_in(document: &str, make: &dyn Fn(&str) -> Option<String>) -> String {
    let (begin, end) = ("<!-- begin ", "<!-- end -->");
    let mut parts = document.split(begin);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(" -->").expect("a name");
        let (_, behind) = rest.split_once(end).unwrap_or_else(|| panic!("`{name}` has no end"));
        let table = make(name).unwrap_or_else(|| panic!("no table is called `{name}`"));
        out += &format!("{begin}{name} -->\n{table}{end}{behind}");
    }
    out
}

/// Every series, from the page that the program itself serves.
fn series() -> String {
    let metrics = Metrics::new();
    metrics.checkpoint_written();
    metrics.set_build("", "", "");
    let pipeline = metrics.pipeline("x");
    let name = WorkloadName { namespace: "x".into(), pod: "x".into(), container: "x".into(), source: "x".into() };
    let mut flaws = Flaws::default();
    flaws.note(Flaw::Cut);
    let workload = WorkloadLook { name, account: Account::default(), flaws, lag: Lag::default(), origins: 1 };
    let filtered = FilteredLook::new(&"x".into());
    pipeline.publish(0, &Look { workloads: vec![workload], filtered: vec![filtered], ..Look::default() });
    let page = metrics.render(true);
    let mut labels: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let inside = line.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or("", |(inside, _)| inside);
        let names = inside.split("\",").filter_map(|label| label.split_once('=')).map(|(name, _)| name);
        labels.entry(name).or_insert_with(|| names.filter(|name| *name != "le").collect());
    }
    let mut out = String::from("| series | kind | labels | |\n|---|---|---|---|\n");
    let mut help = "";
    for line in page.lines() {
        if let Some((_, text)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            help = text;
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let labels = labels.get(name).or_else(|| labels.get(format!("{name}_count").as_str()));
            let labels =
                labels.map(|names| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "));
            out += &format!("| `{name}` | {kind} | {} | {help} |\n", labels.unwrap_or_default());
        }
    }
    out
}

/// What README shows is what the program prints, in whatever order it reads the files.
#[test]
fn readme() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let mut readme = fs::read_to_string(&path).expect("a document");
    let shown: Vec<String> = readme
        .split("```console\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default().to_owned())
        .collect();
    assert!(shown.len() >= 2, "README shows what the program prints");
    for block in shown {
        let command = block.lines().next().and_then(|line| line.strip_prefix("$ ")).expect("a command");
        let printed = run(command);
        let made = format!("$ {command}\n{printed}");
        let sorted = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
        if sorted(&made) != sorted(&block) {
            assert!(is_blessed(), "README shows something else than `{command}` prints:\n{printed}");
            readme = readme.replace(&block, &made);
            fs::write(&path, &readme).expect("written");
        }
    }
}

/// Runs a command of README with the program just built; what it prints.
fn run(command: &str) -> String {
    let command = command.replace("cargo run --release --", "\"$TAILWATER\"");
    let ran = Command::new("sh")
        .args(["-c", &command])
        .env("TAILWATER", env!("CARGO_BIN_EXE_tailwater"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("a shell");
    assert!(ran.status.success(), "`{command}` failed: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).expect("text")
}

fn is_blessed() -> bool {
    env::var_os("TAILWATER_BLESS").is_some()
}

fn presets() -> String {
    let rows = PRESETS.iter().map(|preset| format!("| `{}` | {} |\n", preset.name, preset.help));
    format!("| preset | |\n|---|---|\n{}", rows.collect::<String>())
}

fn traces() -> String {
    let rows = LANGUAGES.iter().map(|language| format!("| `{}` | {} |\n", language.name, language.help));
    format!("| preset | traces of |\n|---|---|\n| `auto` | all but `indented` |\n{}", rows.collect::<String>())
}

fn exit_codes() -> String {
    let rows = Exit::ALL.iter().map(|exit| format!("| {} | {} |\n", exit.code(), exit.meaning()));
    format!("| code | |\n|---|---|\n{}", rows.collect::<String>())
}

fn subcommands() -> String {
    let command = Cli::command();
    let rows = command.get_subcommands().map(|known| {
        format!(
            "| `tailwater {}` | {} |\n",
            known.get_name(),
            known.get_about().map(ToString::to_string).unwrap_or_default()
        )
    });
    format!("| command | |\n|---|---|\n{}", rows.collect::<String>())
}

/// The flags of a command; the help of each ends with its variable.
fn flags<'a>(args: impl Iterator<Item = &'a Arg>) -> String {
    let mut out = String::from("| flag | variable | |\n|---|---|---|\n");
    for (long, arg) in args.filter_map(|arg| arg.get_long().map(|long| (long, arg))) {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default().replace('|', "\\|");
        let (help, variable) = match help.split_once(" [env: ") {
            Some((help, variable)) => (help, format!("`{}`", variable.trim_end_matches(']'))),
            None => (help.as_str(), String::new()),
        };
        let choices = arg.get_possible_values().iter().map(|choice| choice.get_name().to_owned()).collect::<Vec<_>>();
        let value = match arg.get_value_names().and_then(|names| names.first()) {
            _ if !arg.get_action().takes_values() => String::new(),
            _ if !choices.is_empty() => format!(" {}", choices.join("\\|")),
            name => format!(" {}", name.map_or("", |name| name.as_str())),
        };
        out += &format!("| `--{long}{value}` | {variable} | {help} |\n");
    }
    out
}

#[test]
fn tables_are_filled_in() {
    let make = |name: &str| (name == "a").then(|| "new\n".to_owned());
    assert_eq!(
        filled_in("x\n<!-- begin a -->\nold\n<!-- end -->\ny\n", &make),
        "x\n<!-- begin a -->\nnew\n<!-- end -->\ny\n"
    );
    assert_eq!(filled_in("none", &make), "none");
}
