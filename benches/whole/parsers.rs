//! The parsers that settings name, on lines of their own kind.
//!
//! **Invariant**: a parser is made as the program makes it, from settings; where the sample has no lines of its kind, they are
//! made of the sample's texts behind a header of that kind.

use std::hint::black_box;

use tailwater::model::time::Time;
use tailwater::parse::pairs::Scratch;
use tailwater::parse::recipe::Recipe;
use tailwater::parse::types::Typed;

use crate::clock::cpu_of;
use crate::sample::{self, Kind, Sample};

/// Name of the row, what is typed under `parse`, and the lines that it is for.
const PARSERS: [(&str, &str, Lines); 8] = [
    ("parse: nginx", "nginx", Lines::Access),
    ("parse: apache", "apache", Lines::Access),
    (
        "parse: grok, nine fields",
        "{ grok: '%{IP:client} - %{NOTSPACE:user} \\[%{DATA:time}\\] \"%{WORD:method} %{NOTSPACE:path} HTTP/%{NUMBER:version}\" %{NUMBER:status} %{NUMBER:bytes} \"%{DATA:referer}\"' }",
        Lines::Access,
    ),
    (
        "parse: csv, sixteen fields",
        "{ csv: [client, a, user, time, zone, request, status, bytes, referer, agent, length, took, upstream, alternative, address, id], separator: ' ' }",
        Lines::Access,
    ),
    ("parse: klog", "klog", Lines::Behind("W1123 08:50:48.703931       1 reflector.go:561] ")),
    ("parse: syslog", "syslog", Lines::Behind("<28>Nov 23 08:50:48 node-1 shop[417]: ")),
    ("parse: logfmt, all fields", "logfmt", Lines::Of(Kind::Pairs)),
    ("parse: json, all fields", "json", Lines::Of(Kind::Json)),
];

/// The same of what is done with a parser's answer, the parser counted in.
const RECIPES: [(&str, &str, Lines); 2] = [
    (
        "parse: json, with three types",
        "{ as: json, types: { latency: duration, http.status: int, pid: text } }",
        Lines::Of(Kind::Json),
    ),
    ("parse: json, with the time of a field", "{ as: json, time: { field: time } }", Lines::Of(Kind::Json)),
];

/// Which lines of the sample.
#[derive(Clone, Copy)]
enum Lines {
    /// The access log's.
    Access,
    /// Those of a kind.
    Of(Kind),
    /// The other texts, behind this.
    Behind(&'static str),
}

impl Lines {
    fn of(self, sample: &Sample) -> Vec<String> {
        let texts = |kind| sample.of_kind(kind).into_iter().map(|line| line.text.clone());
        let is_access = |text: &String| text.starts_with("10.");
        match self {
            Self::Access => texts(Kind::Text).filter(is_access).collect(),
            Self::Of(kind) => texts(kind).collect(),
            Self::Behind(head) => {
                texts(Kind::Text).filter(|text| !is_access(text)).map(|text| format!("{head}{text}")).collect()
            }
        }
    }
}

/// Measures each once.
pub fn round(sample: &Sample, add: &mut crate::cores::Add<'_>) -> Result<(), String> {
    for (name, typed, lines) in PARSERS {
        let mut parser = made(typed)?.parser;
        let lines = lines.of(sample);
        let mut scratch = Scratch::default();
        let mut is_of_its_kind = |line: &&String| !black_box(parser.parse(line, &mut scratch.lend())).missed;
        let (cpu, parsed) = cpu_of(|| lines.iter().filter(&mut is_of_its_kind).count());
        // What is measured is the parser and not its giving up.
        if parsed * 10 < lines.len() * 9 {
            return Err(format!("{name}: {parsed} of {} lines were of its kind", lines.len()));
        }
        add(name, &[], lines.iter().map(String::len).sum(), cpu);
    }
    for (name, typed, lines) in RECIPES {
        let Recipe { mut parser, types, time } = made(typed)?;
        let lines = lines.of(sample);
        let (mut scratch, mut typed) = (Scratch::default(), Typed::default());
        let (cpu, _) = cpu_of(|| {
            for line in &lines {
                let mut pairs = scratch.lend();
                let parsed = parser.parse(line, &mut pairs);
                if let Some(types) = &types {
                    types.apply(&parsed.fields, Time::default(), &mut typed);
                    black_box(&typed);
                }
                black_box(time.as_ref().map(|time| time.read(&parsed.fields, None)));
            }
        });
        add(name, &[], lines.iter().map(String::len).sum(), cpu);
    }
    Ok(())
}

fn made(typed: &str) -> Result<Recipe, String> {
    let settings = sample::settings(&format!(
        "state_dir: /nonexistent\nsources: {{ pods: {{ type: kubernetes, path: /var/log/pods, parse: {typed} }} }}\n\
         sinks: {{ out: {{ type: 'null' }} }}\n"
    ))?;
    let parser = settings.sources.first().and_then(|source| settings.parsers.get(source.parser.0));
    parser.cloned().ok_or_else(|| format!("no parser of `{typed}`"))
}
