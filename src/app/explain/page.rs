//! What `explain` shows: for people, and as JSON for programs.
//!
//! **Invariant**: no text of a line can drive the terminal.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};

use super::trial::{Seen, Shown};
use super::whose::Whose;
use crate::metrics::counted as metrics;
use crate::model::event::{Flaw, Span, TimeSource};
use crate::model::origin::Format;
use crate::model::text;
use crate::pipeline::forge::header::HEADER;
use crate::transform::count::Counted;

/// So many lines of one event are shown.
const SHOWN: usize = 20;

const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const CYAN: &str = "\x1b[36m";
const RED: &str = "\x1b[31m";

/// How it looks.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Whether there are colours.
    pub color: bool,
}

/// What one sink makes of the lines.
pub struct Trial {
    /// The sink.
    pub sink: Arc<str>,
    /// Its events, in order.
    pub seen: Vec<Seen>,
    /// What its transforms would count.
    pub counted: Vec<Counted>,
    /// What its transforms with memory would say, in lines of their own.
    pub said: Vec<String>,
    /// Header lines, which name the fields of the others.
    pub headers: Vec<Span>,
    /// The same before anything was replaced in them, where something may be.
    pub plain: Option<Vec<Seen>>,
}

/// Lines of the input that belong together: numbers from 0, and what each sink makes of them.
struct Group<'t> {
    lines: Vec<usize>,
    of: Vec<(&'t Trial, &'t Seen)>,
}

/// Where each line begins.
fn starts(bytes: &[u8]) -> Vec<usize> {
    let ends = memchr::memchr_iter(b'\n', bytes).map(|end| end + 1);
    std::iter::once(0).chain(ends).filter(|start| *start < bytes.len()).collect()
}

/// The events of all sinks, those of the same lines together, in the order of the input.
fn groups<'t>(trials: &'t [Trial], starts: &[usize]) -> Vec<Group<'t>> {
    let line_of = |offset: u64| starts.partition_point(|start| *start as u64 <= offset).saturating_sub(1);
    let mut groups: Vec<Group<'t>> = Vec::new();
    for trial in trials {
        for seen in &trial.seen {
            let mut lines: Vec<usize> = seen.spans.iter().map(|span| line_of(span.start)).collect();
            lines.dedup();
            match groups.iter_mut().find(|group| group.lines == lines) {
                Some(group) => group.of.push((trial, seen)),
                None => groups.push(Group { lines, of: vec![(trial, seen)] }),
            }
        }
    }
    let mut without: Vec<Group<'t>> = (0..starts.len())
        .filter(|line| !groups.iter().any(|group| group.lines.contains(line)))
        .map(|line| Group { lines: vec![line], of: Vec::new() })
        .collect();
    groups.append(&mut without);
    groups.sort_by(|a, b| a.lines.cmp(&b.lines));
    groups
}

/// Whether a sink takes these lines for a header.
fn is_header(trial: &Trial, lines: &[usize], starts: &[usize]) -> bool {
    let first = lines.first().and_then(|line| starts.get(*line));
    first.is_some_and(|start| trial.headers.iter().any(|header| header.start == *start as u64))
}

/// A line of the input, without its end.
fn line<'b>(bytes: &'b [u8], starts: &[usize], number: usize) -> &'b [u8] {
    let end = starts.get(number + 1).copied().unwrap_or(bytes.len());
    let line = &bytes[starts[number]..end];
    line.strip_suffix(b"\n").unwrap_or(line)
}

fn format(format: Format) -> &'static str {
    match format {
        Format::Cri => "CRI, as containerd and CRI-O write it",
        Format::Docker => "Docker's JSON",
        Format::Plain => "plain",
    }
}

fn source(source: &TimeSource) -> &'static str {
    match source {
        TimeSource::Runtime => "the runtime's",
        TimeSource::Line => "found in the line",
        TimeSource::Field => "from the field that `parse.time` names",
        TimeSource::Reading => "the time of reading: the line has none",
        TimeSource::Restamped { .. } => "the time of reading: the store would refuse the line's own as too old",
    }
}

/// For people.
pub fn text(whose: &Whose, trials: &[Trial], bytes: &[u8], style: Style) -> String {
    let paint = |code: &'static str| if style.color { code } else { "" };
    let (reset, dim, bold) = (paint(RESET), paint(DIM), paint(BOLD));
    let (cyan, red) = (paint(CYAN), paint(RED));
    let starts = starts(bytes);
    let mut page = String::new();
    let origin = &whose.origin;
    // Writing to a string cannot fail, here and below.
    let count = if starts.len() == 1 { "1 line".to_owned() } else { format!("{} lines", starts.len()) };
    _ = writeln!(
        page,
        "{dim}{count}, as source `{}` would read them{}; {}{reset}",
        origin.source,
        if origin.path.as_os_str().is_empty() { String::new() } else { format!(" in {}", origin.path.display()) },
        format(origin.format)
    );
    for group in groups(trials, &starts) {
        page.push('\n');
        for number in group.lines.iter().take(SHOWN) {
            let shown = shown(&String::from_utf8_lossy(line(bytes, &starts, *number)));
            _ = writeln!(page, "{dim}{:>5} │{reset} {bold}{shown}{reset}", number + 1);
        }
        if group.lines.len() > SHOWN {
            _ = writeln!(page, "{dim}      │ … {} lines more{reset}", group.lines.len() - SHOWN);
        }
        let mut step = |name: &str, text: String| _ = writeln!(page, "  {cyan}{name:<9}{reset} {text}");
        let Some((first, seen)) = group.of.first() else {
            if trials.iter().any(|trial| is_header(trial, &group.lines, &starts)) {
                step("sent", format!("{red}nothing{reset}: it is the header, which names the fields of the others"));
                continue;
            }
            step("sent", format!("{red}nothing{reset}: no sink gets an event of this line"));
            continue;
        };
        for (name, text) in steps(seen) {
            step(name, text);
            // A store may refuse what another takes.
            let others = group.of.iter().filter(|(_, of)| name == "time" && time(of) != time(seen));
            others.for_each(|(trial, of)| step("", format!("{}, for `{}`", time(of), trial.sink)));
        }
        let plain = first.plain.as_ref().and_then(|plain| plain.iter().find(|plain| plain.spans == seen.spans));
        if plain.is_some_and(|plain| plain.body != seen.body) {
            step("redacted", shown(&seen.body));
        }
        for trial in trials {
            let seen = group.of.iter().find(|(of, _)| std::ptr::eq(*of, trial)).map(|(_, seen)| *seen);
            let text = match seen.map(|seen| (&seen.sent, &seen.left_out_by)) {
                Some((Some(sent), _)) => shown(sent),
                Some((None, Some(name))) => format!("{red}nothing{reset}: left out by `{name}`"),
                Some((None, None)) | None => format!("{red}nothing{reset}"),
            };
            step(&trial.sink, text);
            for name in seen.iter().flat_map(|seen| &seen.errors) {
                step("", format!("{red}`{name}`{reset} does not fit this event, which counts as an error of it"));
            }
        }
    }
    for trial in trials.iter().filter(|trial| !trial.said.is_empty()) {
        _ = writeln!(page, "\n{dim}and `{}` would be told{reset}", trial.sink);
        for said in &trial.said {
            _ = writeln!(page, "  {bold}{}{reset}", shown(said));
        }
    }
    for trial in trials.iter().filter(|trial| !trial.counted.is_empty()) {
        _ = writeln!(page, "\n{dim}and `/metrics` would say{reset}");
        for line in counted(trial) {
            _ = writeln!(page, "  {bold}{}{reset}", shown(&line));
        }
    }
    page
}

/// The series of a trial, as on `/metrics`.
fn counted(trial: &Trial) -> Vec<String> {
    let mut series = String::new();
    metrics::render(&[(&*trial.sink, trial.counted.clone())], &mut series);
    series.lines().filter(|line| !line.starts_with('#')).map(Into::into).collect()
}

/// An event's time, and where that came from.
fn time(seen: &Seen) -> String {
    let own = match seen.time_source {
        TimeSource::Restamped { own } => format!(" ({})", own.to_rfc3339()),
        _ => String::new(),
    };
    format!("{}  {}{own}", seen.time.to_rfc3339(), source(&seen.time_source))
}

/// What was found out about an event, step by step.
fn steps(seen: &Seen) -> Vec<(&'static str, String)> {
    let mut steps = Vec::new();
    let pieces = if seen.spans.len() > 1 { format!(", {} joined", seen.spans.len()) } else { String::new() };
    let stream = seen.stream.map_or("one line", |stream| stream.name());
    steps.push(("frame", format!("{stream}{pieces}")));
    steps.push(("time", time(seen)));
    steps.push(("level", seen.level.map_or_else(|| "none found".to_owned(), |level| level.name().to_owned())));
    if seen.message != seen.body {
        steps.push(("message", shown(&seen.message)));
    }
    if !seen.fields.is_empty() {
        let fields = seen.fields.iter().map(|field| match field {
            // What could be taken for a number or a truth value is seen to be none.
            Shown { key, value, is_text: true } if is_bare(value) => format!("{}=\"{}\"", shown(key), shown(value)),
            Shown { key, value, .. } => format!("{}={}", shown(key), shown(value)),
        });
        steps.push(("fields", fields.collect::<Vec<_>>().join("  ")));
    }
    if let Some(flaw) = seen.flaw {
        steps.push(("flaw", format!("{}: {}", flaw.name(), meaning(flaw))));
    }
    steps
}

fn meaning(flaw: Flaw) -> &'static str {
    match flaw {
        Flaw::Cut => "it was longer than `max_line`, and is cut",
        Flaw::NotCri => "the file's lines are CRI and this one is not; it is kept whole",
        Flaw::NotDocker => "the file's lines are Docker's JSON and this one is not; it is kept whole",
        Flaw::NotParsed => "it is not what its parser looks for; it is kept whole",
        Flaw::NotTyped => "a value does not fit its type; it stays a text",
        Flaw::NoTime => "its field says no time to go by; it has the time that it would have without `parse.time`",
    }
}

/// One JSON object for each event (and for each line of which there is none).
pub fn json(whose: &Whose, trials: &[Trial], bytes: &[u8]) -> String {
    let starts = starts(bytes);
    let mut page = String::new();
    for group in groups(trials, &starts) {
        let sinks: serde_json::Map<String, Value> = trials
            .iter()
            .map(|trial| {
                let seen = group.of.iter().find(|(of, _)| std::ptr::eq(*of, trial)).map(|(_, seen)| seen);
                let sent = seen
                    .and_then(|seen| seen.sent.as_deref())
                    .map(|sent| serde_json::from_str(sent).unwrap_or_else(|_| Value::String(sent.to_owned())));
                (trial.sink.to_string(), sent.unwrap_or(Value::Null))
            })
            .collect();
        let numbers: Vec<usize> = group.lines.iter().map(|number| number + 1).collect();
        let mut object = json!({ "lines": numbers, "source": &*whose.origin.source, "sinks": sinks });
        if let Some((_, seen)) = group.of.first() {
            object["event"] = event(seen);
        }
        let times: serde_json::Map<String, Value> = group
            .of
            .iter()
            .filter(|(_, seen)| group.of.first().is_some_and(|(_, first)| time(seen) != time(first)))
            .map(|(trial, seen)| {
                let Value::Object(event) = event(seen) else { return (trial.sink.to_string(), Value::Null) };
                let of_time = event.into_iter().filter(|(key, _)| key.starts_with("time")).collect();
                (trial.sink.to_string(), Value::Object(of_time))
            })
            .collect();
        if !times.is_empty() {
            object["times"] = Value::Object(times);
        }
        let by_steps = group
            .of
            .iter()
            .filter_map(|(trial, seen)| Some((trial.sink.to_string(), seen.left_out_by.as_deref()?.into())));
        let headers = trials.iter().filter(|trial| is_header(trial, &group.lines, &starts));
        let left_out: serde_json::Map<String, Value> =
            by_steps.chain(headers.map(|trial| (trial.sink.to_string(), HEADER.into()))).collect();
        if !left_out.is_empty() {
            object["left_out_by"] = Value::Object(left_out);
        }
        let failed = group.of.iter().filter(|(_, seen)| !seen.errors.is_empty());
        let errors: serde_json::Map<String, Value> = failed
            .map(|(trial, seen)| {
                (trial.sink.to_string(), seen.errors.iter().map(|name| Value::from(&**name)).collect())
            })
            .collect();
        if !errors.is_empty() {
            object["errors"] = Value::Object(errors);
        }
        _ = writeln!(page, "{object}");
    }
    for trial in trials {
        for said in &trial.said {
            let object = json!({ "lines": [], "source": &*whose.origin.source, "said": { (&*trial.sink): said } });
            _ = writeln!(page, "{object}");
        }
        if !trial.counted.is_empty() {
            let object =
                json!({ "lines": [], "source": &*whose.origin.source, "counted": { (&*trial.sink): counted(trial) } });
            _ = writeln!(page, "{object}");
        }
    }
    page
}

/// An event as JSON: what cases in the settings are held against, too.
pub fn event(seen: &Seen) -> Value {
    let time = match seen.time_source {
        TimeSource::Restamped { own } => own,
        _ => seen.time,
    };
    let from = match seen.time_source {
        TimeSource::Runtime => "runtime",
        TimeSource::Line => "line",
        TimeSource::Field => "field",
        TimeSource::Reading => "reading",
        TimeSource::Restamped { .. } => "restamped",
    };
    let fields: serde_json::Map<String, Value> =
        seen.fields.iter().map(|field| (field.key.clone(), value(field))).collect();
    json!({
        "time": time.to_rfc3339(),
        "time_from": from,
        "stream": seen.stream.map(|stream| stream.name()),
        "level": seen.level.map(|level| level.name()),
        "body": seen.body,
        "message": seen.message,
        "fields": fields,
        "flaw": seen.flaw.map(|flaw| flaw.name()),
    })
}

/// A field's value as a text, by which cases expect it; nothing is nothing.
fn value(field: &Shown) -> Value {
    let is_nothing = !field.is_text && field.value == "null";
    if is_nothing { Value::Null } else { Value::String(field.value.clone()) }
}

/// Whether a text looks like a value that stands without quotes.
fn is_bare(text: &str) -> bool {
    !text.starts_with(['"', '{', '[']) && serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
}

/// A text that cannot drive a terminal.
fn shown(text: &str) -> String {
    let mut out = Vec::new();
    text::show(text, &mut out);
    // Made of pieces of a text.
    String::from_utf8(out).unwrap_or_default()
}
