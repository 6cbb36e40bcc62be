//! Whatever the program says as a warning or an error, and every way in which it ends, has an entry in
//! `docs/troubleshooting.md`; and every entry is of something that it says.
//!
//! The source is read as tokens, so a message is found however it is written: over several lines, behind fields, in a
//! macro of another name's path. A call whose text is made elsewhere must stand in [`ELSEWHERE`], and what makes the text
//! in [`MAKERS`]; one that stands in neither fails, so no new way to say something goes by unseen.
//!
//! - `said`  what is said: the source's calls and their texts
//! - `page`  the document's entries
#![expect(clippy::disallowed_methods, reason = "a test reads the source and a document")]

#[path = "troubleshooting/page.rs"]
mod page;
#[path = "troubleshooting/said.rs"]
mod said;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use page::Entry;
use said::{Kind, Use, shown};
use tailwater::exit::Exit;

/// What prints or logs for people to act upon.
const SAYS: &[&str] = &["warn", "error", "eprint", "eprintln"];

/// Calls that pass on a text made elsewhere: the file, and the text as it stands there. `true`: it has an entry as it is, too.
const ELSEWHERE: &[(&str, &str, bool)] = &[
    ("src/app/cursors.rs", "tailwater: …", false),
    ("src/app/mod.rs", "…", false),
    ("src/app/start.rs", "…: …", false),
    ("src/app/supervise.rs", "…", false),
    ("src/app/workers.rs", "…", false),
    ("src/deliver/notices.rs", "the store refused events for good; …", false),
    ("src/main.rs", "…", false),
    ("src/sources/files/follow.rs", LEFT_OUT, true),
    ("src/sources/spool.rs", "…", false),
];

/// What stands around the reason why a file is left out. Alone it has the kernel's words.
const LEFT_OUT: &str = "left out: …. It is looked at again at every walk";

/// What makes the texts that [`ELSEWHERE`] passes on.
struct Maker {
    /// The file, or the folder with `/` at its end.
    place: &'static str,
    /// The function in which it stands; anywhere, where it is empty.
    function: &'static str,
    /// The macro, function or struct that gets the text.
    name: &'static str,
    /// Only texts with these words.
    with: &'static str,
    /// What is printed, `@` for the text.
    frame: &'static str,
}

const fn maker(place: &'static str, name: &'static str, frame: &'static str) -> Maker {
    Maker { place, function: "", name, with: "", frame }
}

const MAKERS: &[Maker] = &[
    maker("src/app/", "Refused", "@"),
    Maker { function: "moves", ..maker("src/app/cursors.rs", "Err", "tailwater: @") },
    Maker { function: "bind", ..maker("src/admin/mod.rs", "map_err", "@") },
    Maker { function: "new", ..maker("src/deliver/dead_letter.rs", "map_err", "@") },
    Maker { function: "new", ..maker("src/deliver/run.rs", "match", "the store refused events for good; @") },
    maker("src/main.rs", "refuse", "@"),
    // What stands in `answer` and `last_error` where the store itself said nothing.
    Maker { function: "failure", ..maker("src/deliver/http/mod.rs", "format", "@") },
    Maker { function: "prepare", ..maker("src/deliver/http/mod.rs", "ok_or", "@") },
    Maker { function: "prepare", ..maker("src/deliver/http/mod.rs", "format", "@") },
    Maker { with: " ", ..maker("src/deliver/run.rs", "Nothing", "@") },
    Maker { with: "answer", ..maker("src/sinks/elasticsearch/verdict.rs", "Err", "@") },
    Maker { with: "answer", ..maker("src/sinks/elasticsearch/verdict.rs", "Retry", "@") },
    Maker { function: "read", ..maker("src/main.rs", "format", "@") },
    Maker { with: "error: ", ..maker("src/config/report.rs", "writeln", "@") },
    Maker { with: "note: ", ..maker("src/config/report.rs", "format", "@") },
    Maker { function: "limit_workers", ..maker("src/config/share.rs", "format", "…: @") },
    Maker { function: "rename", with: "is called", ..maker("src/config/renamed.rs", "format", "…: @") },
    maker("src/sources/spool.rs", "say", "@"),
    Maker { function: "find", ..maker("src/app/explain/whose.rs", "format", "tailwater: @") },
    Maker { function: "run", ..maker("src/app/explain/mod.rs", "format", "tailwater: @") },
    Maker { function: "read", with: " ", ..maker("src/app/explain/mod.rs", "format", "tailwater: @") },
    maker("src/sources/files/", "say", "left out: @. It is looked at again at every walk"),
    maker("src/sources/files/", "say_unreadable", "left out: @. It is looked at again at every walk"),
    maker("src/sources/files/walk.rs", "left_out", "left out: @. It is looked at again at every walk"),
    maker("src/sources/files/walk.rs", "unreadable", "left out: @. It is looked at again at every walk"),
];

/// Uses of makers, and of the structs that carry notices, without a text of their own: how many there are in a file. Where
/// they get it is in [`MAKERS`] too. A number that has changed says: look where the new one's text is made.
const PASSED_ON: &[(&str, &str, usize)] = &[
    // What `Admin::bind` says.
    ("src/app/net.rs", "Refused", 1),
    // The system's own words, what walks found, and a reason on its way.
    ("src/sources/files/walk.rs", "unreadable", 2),
    ("src/sources/files/look.rs", "say", 1),
    ("src/sources/files/look.rs", "say_unreadable", 1),
    ("src/sources/files/follow.rs", "say", 1),
    // Reports of `config/report.rs`, and what `explain` says.
    ("src/main.rs", "refuse", 5),
];

/// Files that ask for stderr and say nothing there themselves: whether it is a terminal, and where the log goes.
const ASK_STDERR: &[&str] = &["src/config/machine.rs", "src/log.rs"];

/// Where problems with settings, and notices about settings that work, are made: how many in a file.
const PROBLEMS: &[(&str, usize)] = &[
    // The notices.
    ("src/config/share.rs", 1),
    ("src/config/renamed.rs", 1),
    // What reports show.
    ("src/model/settings.rs", 1),
];

#[test]
fn every_message_has_an_entry_and_every_entry_a_message() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut uses, mut around) = (Vec::new(), Vec::new());
    for (file, text) in said::files(root) {
        uses.extend(said::uses(&file, &text));
        around.extend(said::ways_around(&file, &text).into_iter().filter(|_| !ASK_STDERR.contains(&&*file)));
    }
    let (messages, mut wrong) = messages(&uses);
    wrong.append(&mut around);
    assert!(messages.len() > 60, "{} messages", messages.len());
    let text = fs::read_to_string(root.join("docs/troubleshooting.md")).expect("a document");
    wrong.extend(compare(&messages, &page::entries(&text)));
    assert!(wrong.is_empty(), "docs/troubleshooting.md and the program differ:\n{}", wrong.join("\n"));
}

/// Every text that people may see, and where it stands; and what could not be followed.
fn messages(uses: &[Use]) -> (BTreeMap<String, String>, Vec<String>) {
    let (mut messages, mut wrong) = (BTreeMap::new(), Vec::new());
    for one in uses.iter().filter(|one| one.kind == Kind::Macro && SAYS.contains(&&*one.name)) {
        let Some(text) = one.message().map(|text| shown(&text)) else {
            wrong.push(format!("{}: `{}!` without a text that this test can read", one.at(), one.name));
            continue;
        };
        match ELSEWHERE.iter().find(|(file, known, _)| *file == one.file && *known == text) {
            Some((.., false)) => {}
            // A second line: the way out, which the entry says too.
            None if text.starts_with("hint: ") => {}
            None if words(&text) < 3 => wrong.push(format!(
                "{}: `{text}` says nothing by itself: name it in ELSEWHERE of tests/troubleshooting.rs, and who makes its text in MAKERS",
                one.at()
            )),
            _ => drop(messages.insert(text, one.at())),
        }
    }
    for (file, known, _) in ELSEWHERE {
        let is_there =
            uses.iter().any(|one| one.file == *file && one.message().is_some_and(|text| shown(&text) == *known));
        if !is_there {
            wrong.push(format!("{file}: nothing says `{known}` any more: remove it from ELSEWHERE"));
        }
    }
    let mut empty: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for maker in MAKERS {
        let mut has_made = false;
        for one in uses.iter().filter(|one| maker.makes(one)) {
            let texts = one.texts();
            let made = texts.iter().map(|text| shown(text)).filter(|text| text.contains(maker.with) && words(text) > 0);
            let made: Vec<String> = made.collect();
            if made.is_empty() && maker.with.is_empty() {
                *empty.entry((&one.file, maker.name)).or_default() += 1;
            }
            has_made |= !made.is_empty();
            messages.extend(made.iter().map(|text| (maker.frame.replace('@', text), one.at())));
        }
        // A pure passer-on is counted below.
        let is_passer = PASSED_ON.iter().any(|(file, name, _)| file.starts_with(maker.place) && *name == maker.name);
        if !has_made && !is_passer {
            wrong.push(format!("{}: nothing is made by `{}` any more: mend MAKERS", maker.place, maker.name));
        }
    }
    let known: BTreeMap<(&str, &str), usize> = PASSED_ON.iter().map(|(file, name, n)| ((*file, *name), *n)).collect();
    for key in empty.keys().chain(known.keys()).collect::<BTreeSet<_>>() {
        let (found, known) = (empty.get(key).copied().unwrap_or(0), known.get(key).copied().unwrap_or(0));
        if found != known {
            let (file, name) = key;
            wrong.push(format!("{file}: `{name}` is used {found} times without a text, PASSED_ON has {known}"));
        }
    }
    let mut problems: BTreeMap<&str, usize> = BTreeMap::new();
    for one in uses.iter().filter(|one| one.kind == Kind::Braces && one.name == "Problem") {
        *problems.entry(&one.file).or_default() += 1;
    }
    for (file, found) in problems {
        if !PROBLEMS.contains(&(file, found)) {
            wrong.push(format!("{file}: {found} `Problem`s are made here: name what makes their texts in MAKERS, and how many in PROBLEMS"));
        }
    }
    for exit in Exit::ALL {
        messages.insert(format!("exit {}: {}", exit.code(), exit.meaning()), "src/exit.rs".to_owned());
    }
    (messages, wrong)
}

impl Maker {
    fn makes(&self, one: &Use) -> bool {
        let is_here = if self.place.ends_with('/') { one.file.starts_with(self.place) } else { one.file == self.place };
        is_here && one.name == self.name && (self.function.is_empty() || one.function == self.function)
    }
}

/// How many words of letters.
fn words(text: &str) -> usize {
    let words = text.split(|c: char| !c.is_alphabetic());
    words.filter(|word| word.chars().count() > 1 && *word != "tailwater").count()
}

/// What is said and has no entry; what has one and is not said; entries that lack a part.
fn compare(messages: &BTreeMap<String, String>, entries: &[Entry]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut known = BTreeSet::new();
    for entry in entries {
        for part in ["Normal", "What to do"] {
            if !entry.has(part) {
                wrong.push(format!(
                    "line {}: `{}` lacks a paragraph that begins with `**{part}**: `",
                    entry.line, entry.title
                ));
            }
        }
        if entry.messages.is_empty() || !entry.has_meaning() {
            wrong.push(format!("line {}: `{}` lacks a message in a block, or what it means", entry.line, entry.title));
        }
        for message in &entry.messages {
            if !known.insert(message) {
                wrong.push(format!("line {}: a second entry for `{message}`", entry.line));
            }
            if !messages.contains_key(message) {
                wrong.push(format!("line {}: nothing in src/ says `{message}`", entry.line));
            }
        }
    }
    for (message, at) in messages.iter().filter(|(message, _)| !known.contains(message)) {
        wrong.push(format!("{at}: no entry for `{message}`"));
    }
    wrong
}

/// The words of stores in the table are those that the program tells apart, or that its tests play.
#[test]
fn the_words_of_stores_are_known() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| fs::read_to_string(root.join(file)).expect("a file").to_lowercase();
    let known = [
        "src/sinks/loki/verdict.rs",
        "src/sinks/elasticsearch/verdict.rs",
        "tests/sinks/elasticsearch.rs",
        "tests/stores/answers.rs",
    ]
    .map(read);
    let page = fs::read_to_string(root.join("docs/troubleshooting.md")).expect("a document");
    let (_, table) = page.split_once("| the store says | and means |").expect("the table");
    let rows: Vec<&str> = table.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() >= 10, "{rows:?}");
    for row in rows {
        let words = row.split('`').nth(1).expect("words").to_lowercase();
        assert!(known.iter().any(|text| text.contains(&words)), "nobody knows `{words}`");
    }
}

/// The test can fail: each of these is found, however it is written.
#[test]
fn what_is_said_is_found() {
    fn check(code: &str, expected: &[&str]) {
        let uses = said::uses("src/x.rs", code);
        let says = uses.iter().filter(|one| one.kind == Kind::Macro && SAYS.contains(&&*one.name));
        let found: Vec<String> = says.map(|one| one.message().map_or("?".to_owned(), |text| shown(&text))).collect();
        assert_eq!(found, expected, "{code}");
    }
    check(r#"fn f() { warn!("a b c"); }"#, &["a b c"]);
    check(
        r#"fn f() { tracing::warn!(target: "x", sink, %error, path = %p.display(), "a {} b {{}}: {x:?}", y) }"#,
        &["a … b {}: …"],
    );
    check("fn f() { error!(\n    what = \"not this\",\n    \"one \\\n     two\"\n) }", &["one two"]);
    check("fn f() { if x { match y { _ => eprintln!(\"in an arm\") } } }", &["in an arm"]);
    check(r##"fn f() { warn![r#"raw "text""#] }"##, &["raw \"text\""]);
    check(r#"fn f() { warn!(said) } fn g() { warn!(a = 1) }"#, &["?", "?"]);
    check(r#"fn f() { info!("no warning") } // warn!("in a comment")"#, &[]);
    check(r#"fn f() { let x = "warn!(\"in a text\")"; }"#, &[]);
    check(r#"#[cfg(test)] mod tests { fn f() { warn!("a test's") } } fn g() { warn!("behind it") }"#, &["behind it"]);
    check(r#"#[cfg(not(test))] fn f() { warn!("not a test's") }"#, &["not a test's"]);
    check("macro_rules! say { () => { warn!(\"in a macro\") } }", &["in a macro"]);
}

#[test]
fn differences_are_told() {
    let messages = BTreeMap::from([("a b c".to_owned(), "src/x.rs:1".to_owned())]);
    let check = |page: &str, expected: &[&str]| {
        let wrong = compare(&messages, &page::entries(page));
        assert_eq!(wrong, expected, "{page}");
    };
    let whole = "### A\n\n```text\na b\n  c\n```\n\nIt means.\n\n**Normal**: never.\n\n**What to do**: look.\n";
    check(whole, &[]);
    check("", &["src/x.rs:1: no entry for `a b c`"]);
    check(&whole.replace("a b\n  c", "a b c\na b d"), &["line 1: nothing in src/ says `a b d`"]);
    check(&whole.replace("a b\n", "a b\n  c\na b\n"), &["line 1: a second entry for `a b c`"]);
    check(&whole.replace("**Normal**: never.", ""), &["line 1: `A` lacks a paragraph that begins with `**Normal**: `"]);
    check(
        &whole.replace("**What to do**: look.", "**What to do**: "),
        &["line 1: `A` lacks a paragraph that begins with `**What to do**: `"],
    );
    check(&whole.replace("It means.", ""), &["line 1: `A` lacks a message in a block, or what it means"]);
}

#[test]
fn ways_around_are_told() {
    let check = |code: &str, expected: usize| assert_eq!(said::ways_around("src/x.rs", code).len(), expected, "{code}");
    check("use tracing::{info, warn};", 0);
    check("use tracing::warn as say;", 1);
    check("use tracing::{error as say, info};", 1);
    check("fn f() { tracing::event!(Level::WARN, \"x\") }", 1);
    check("fn f() { writeln!(io::stderr(), \"x\") }", 1);
    check("fn f() { g(stderr_terminal, Stdio::null()) }", 0);
}

/// What is passed on in a way that the tables do not know is no silent gap.
#[test]
fn new_ways_to_say_something_are_told() {
    let check = |code: &str, expected: &str| {
        let (_, wrong) = messages(&said::uses("src/app/new.rs", code));
        assert!(wrong.iter().any(|line| line.starts_with("src/app/new.rs") && line.contains(expected)), "{wrong:?}");
    };
    check(r#"fn f() { warn!("{text}") }"#, "says nothing by itself");
    check(r#"fn f() { warn!(sink, "{}: {}", a, b) }"#, "says nothing by itself");
    check("fn f() { warn!(text) }", "without a text");
    check("fn f() { g(Refused { message, exit }) }", "`Refused` is used 1 times without a text, PASSED_ON has 0");
    check("fn f() { g(Problem { place, text, hint }) }", "1 `Problem`s are made here");
    let (made, _) =
        messages(&said::uses("src/app/new.rs", r#"fn f() { g(Refused { message: format!("one two {z}"), exit }) }"#));
    assert!(made.contains_key("one two …"));
}
