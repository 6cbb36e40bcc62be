//! Flags and their variables → the same tree that a settings file gives, so that one piece of code reads both.
//!
//! **Invariant**: a flag that is typed goes before its variable, and every value knows which of the two it came from.

use std::path::Path;
use std::sync::Arc;

use super::environment;
use super::machine::{Found, Machine};
use super::vars::Env;
use crate::model::settings::{Node, Place, Problems, Value};
use crate::sinks::{KINDS, Target};

/// What was typed on the command line. `TAILWATER_…` variables stand in for what was not.
#[derive(Clone, Debug, Default)]
pub struct Typed {
    /// `--from`, as often as typed.
    pub from: Vec<String>,
    /// `--to`, as often as typed.
    pub to: Vec<String>,
    /// `--label`, as often as typed.
    pub labels: Vec<String>,
    /// `--format`.
    pub format: Option<String>,
    /// `--once`.
    pub once: bool,
    /// `--state-dir`.
    pub state_dir: Option<String>,
    /// `--log-level` and `--log-format`.
    pub log: LogTyped,
}

/// What was typed about the agent's own log. Goes before what a settings file says.
#[derive(Clone, Debug, Default)]
pub struct LogTyped {
    /// `--log-level`.
    pub level: Option<String>,
    /// `--log-format`.
    pub format: Option<String>,
}

/// A text with its place.
type Placed = (String, Place);

/// The tree of settings that `typed` and the variables stand for.
pub fn tree(typed: &Typed, machine: &Machine<'_>, problems: &mut Problems) -> Node {
    let env = machine.env;
    let mut entries = Vec::new();
    let mut add = |key: &str, node: Node| entries.push((key.to_owned(), node.place.clone(), node));
    if let Some(dir) = single("state-dir", typed.state_dir.as_ref(), env) {
        add("state_dir", scalar(dir));
    }
    let labels = list("label", &typed.labels, env);
    if !labels.is_empty() {
        add("fields", fields(labels, problems));
    }
    let from = list("from", &typed.from, env);
    let variables = (machine.variables)();
    let or_default = |given: Vec<Placed>, key: &str, default: Placed| match given.is_empty() {
        true if !environment::has_key(&variables, key) => vec![default],
        _ => given,
    };
    let from = or_default(from, "sources", ("-".to_owned(), default_place("from")));
    let sources = from.into_iter().filter_map(|value| source(value, machine, problems)).collect();
    add("sources", named(sources));
    let to = list("to", &typed.to, env);
    let to = or_default(to, "sinks", ("stdout:".to_owned(), default_place("to")));
    let mut sinks: Vec<_> = to.into_iter().filter_map(|value| sink(value, problems)).collect();
    if let Some(format) = single("format", typed.format.as_ref(), env) {
        set_format(&mut sinks, format, problems);
    }
    add("sinks", named(sinks));
    let mut root = Node { place: default_place("from"), value: Value::Map(entries) };
    put_log(&mut root, &typed.log, env);
    root
}

/// Whether to end with the input: `--once` or its variable.
pub fn once(typed: &Typed, env: Env<'_>, problems: &mut Problems) -> bool {
    let Some((text, place)) = variable("once", env) else { return typed.once };
    match text.as_str() {
        _ if typed.once => true,
        "1" | "true" | "yes" => true,
        "0" | "false" | "no" => false,
        _ => {
            problems.add_with_hint(&place, format!("`{text}` is neither yes nor no"), "write `true` or `false`");
            false
        }
    }
}

/// Puts `--log-level` and `--log-format`, or their variables, over what `root` says under `log`.
pub fn put_log(root: &mut Node, typed: &LogTyped, env: Env<'_>) {
    let values = [
        ("level", single("log-level", typed.level.as_ref(), env)),
        ("format", single("log-format", typed.format.as_ref(), env)),
    ];
    let Value::Map(entries) = &mut root.value else { return };
    for (key, value) in values {
        let Some(value) = value else { continue };
        let place = value.1.clone();
        if !entries.iter().any(|(name, ..)| name == "log") {
            let empty = Node { place: place.clone(), value: Value::Null };
            entries.push(("log".to_owned(), place.clone(), empty));
        }
        let log = entries.iter_mut().find(|(name, ..)| name == "log").map(|(.., log)| log);
        let Some(log) = log else { continue };
        if log.value == Value::Null {
            log.value = Value::Map(Vec::new());
        }
        // Anything but a map is reported by whoever reads it.
        let Value::Map(log) = &mut log.value else { continue };
        log.retain(|(name, ..)| name != key);
        log.push((key.to_owned(), place, scalar(value)));
    }
}

/// The node of a text.
fn scalar((text, place): Placed) -> Node {
    Node { place, value: Value::Scalar(text) }
}

/// The node of a map with one place for all of it.
fn map(place: &Place, entries: &[(&str, &str)]) -> Node {
    let entry =
        |(key, text): &(&str, &str)| ((*key).to_owned(), place.clone(), scalar(((*text).to_owned(), place.clone())));
    Node { place: place.clone(), value: Value::Map(entries.iter().map(entry).collect()) }
}

fn place(file: String) -> Place {
    Place { file: Arc::from(file), line: 0, column: 0 }
}

fn default_place(flag: &str) -> Place {
    place(format!("the default of flag --{flag}"))
}

fn variable(flag: &str, env: Env<'_>) -> Option<Placed> {
    let name = format!("TAILWATER_{}", flag.to_ascii_uppercase().replace('-', "_"));
    // Empty is as good as not set: that is how a manifest takes a variable back.
    let text = env(&name).filter(|text| !text.trim().is_empty())?;
    Some((text, place(format!("environment variable {name}"))))
}

fn single(flag: &str, typed: Option<&String>, env: Env<'_>) -> Option<Placed> {
    match typed {
        Some(text) => Some((text.clone(), place(format!("flag --{flag}")))),
        None => variable(flag, env),
    }
}

/// All values of a flag that may be repeated; its variable holds several with white space between them.
fn list(flag: &str, typed: &[String], env: Env<'_>) -> Vec<Placed> {
    if !typed.is_empty() {
        return typed.iter().map(|text| (text.clone(), place(format!("flag --{flag}")))).collect();
    }
    let Some((text, place)) = variable(flag, env) else { return Vec::new() };
    text.split_whitespace().map(|text| (text.to_owned(), place.clone())).collect()
}

fn fields(labels: Vec<Placed>, problems: &mut Problems) -> Node {
    let mut entries: Vec<(String, Place, Node)> = Vec::new();
    let first = labels.first().map_or_else(|| default_place("label"), |(_, place)| place.clone());
    for (text, place) in labels {
        match text.split_once('=') {
            Some((key, _)) if entries.iter().any(|(known, ..)| known == key) => {
                problems.add_with_hint(&place, format!("label `{key}` is given twice"), "leave one of them out");
            }
            Some((key, value)) if !key.is_empty() => {
                entries.push((key.to_owned(), place.clone(), scalar((value.to_owned(), place))));
            }
            _ => problems.add_with_hint(&place, format!("`{text}` is no label"), "write `key=value`"),
        }
    }
    Node { place: first, value: Value::Map(entries) }
}

fn source((text, place): Placed, machine: &Machine<'_>, problems: &mut Problems) -> Option<Node> {
    if text == "-" {
        return Some(map(&place, &[("type", "stdin")]));
    }
    match (machine.what_is)(Path::new(&text)) {
        Found::Pods => Some(map(&place, &[("type", "kubernetes"), ("path", &text)])),
        Found::Other => Some(map(&place, &[("type", "file"), ("include", &text)])),
        Found::Directory => {
            let text = text.trim_end_matches('/');
            problems.add_with_hint(
                &place,
                format!("`{text}` is a directory, and not laid out as kubelet's pods directory"),
                format!("name its files: `{text}/*.log`, or `{text}/**/*.log` for those of its folders too"),
            );
            None
        }
    }
}

fn sink((text, place): Placed, problems: &mut Problems) -> Option<Node> {
    if let Ok(target) = Target::parse(&text) {
        return Some(target.node(&place));
    }
    let forms: Vec<_> = KINDS.iter().flat_map(|kind| kind.urls).map(|url| format!("`{url}`")).collect();
    let known = format!("known: {}", forms.join(", "));
    let hint = match text.as_str() {
        "stdout" | "null" => format!("did you mean `{text}:`? {known}"),
        url if url.starts_with("http") => format!("say which store it is: `loki+{url}` or `es+{url}`"),
        _ => known,
    };
    problems.add_with_hint(&place, format!("`{text}` is no sink"), hint);
    None
}

/// Names each by its type, and the second of a type `type-2`.
fn named(nodes: Vec<Node>) -> Node {
    let place = nodes.first().map_or_else(|| default_place("from"), |node| node.place.clone());
    let mut entries: Vec<(String, Place, Node)> = Vec::new();
    for node in nodes {
        let kind = type_of(&node).unwrap_or_default().to_owned();
        let before = entries.iter().filter(|(.., known)| type_of(known) == Some(&kind)).count();
        let name = if before == 0 { kind } else { format!("{kind}-{}", before + 1) };
        entries.push((name, node.place.clone(), node));
    }
    Node { place, value: Value::Map(entries) }
}

fn type_of(node: &Node) -> Option<&str> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find_map(|(key, _, node)| match &node.value {
        Value::Scalar(kind) if key == "type" => Some(kind.as_str()),
        _ => None,
    })
}

fn set_format(sinks: &mut [Node], format: Placed, problems: &mut Problems) {
    let Some(stdout) = sinks.iter_mut().find(|sink| type_of(sink) == Some("stdout")) else {
        let hint = "add `--to stdout:`, or leave the format out: stores have their own";
        problems.add_with_hint(&format.1, "a format is for stdout, and no event goes there", hint);
        return;
    };
    if let Value::Map(entries) = &mut stdout.value {
        entries.push(("format".to_owned(), format.1.clone(), scalar(format)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(node: &Node) -> String {
        match &node.value {
            Value::Null => "null".to_owned(),
            Value::Scalar(text) => text.clone(),
            Value::List(items) => format!("[{}]", items.iter().map(draw).collect::<Vec<_>>().join(" ")),
            Value::Map(entries) => {
                let entries: Vec<_> = entries.iter().map(|(key, _, node)| format!("{key}={}", draw(node))).collect();
                format!("{{{}}}", entries.join(" "))
            }
        }
    }

    fn read(typed: &Typed, env: &[(&str, &str)]) -> (Node, Vec<String>) {
        let look_up = |name: &str| env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let what_is = |path: &Path| match path.to_str() {
            Some("/var/log/pods") => Found::Pods,
            Some("/var/log" | "/var/log/") => Found::Directory,
            _ => Found::Other,
        };
        let variables = || env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let machine = Machine {
            env: &look_up,
            variables: &variables,
            what_is: &what_is,
            secret: &|path| Err(format!("cannot read the secret in `{path}`")),
            memory: None,
            cpus: 2,
            stdout_terminal: false,
            stderr_terminal: false,
        };
        let mut problems = Problems::default();
        let node = tree(typed, &machine, &mut problems);
        (node, problems.0.iter().map(|problem| format!("{}: {}", problem.place, problem.text)).collect())
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn check(typed: &Typed, env: &[(&str, &str)], expected: &str) {
        let (node, problems) = read(typed, env);
        assert_eq!((draw(&node).as_str(), problems), (expected, vec![]));
    }

    #[test]
    fn no_flags_are_a_pipe() {
        check(&Typed::default(), &[], "{sources={stdin={type=stdin}} sinks={stdout={type=stdout}}}");
    }

    #[test]
    fn flags_are_settings() {
        let typed = Typed {
            from: texts(&["/var/log/pods", "/a/*.log", "/b.log"]),
            to: texts(&["loki+http://l:1", "stdout:", "loki+https://m/x"]),
            labels: texts(&["team=a", "q=b=c"]),
            format: Some("text".to_owned()),
            state_dir: Some("/s".to_owned()),
            log: LogTyped { level: Some("debug".to_owned()), format: None },
            once: false,
        };
        check(
            &typed,
            &[("TAILWATER_TO", "ignored:"), ("TAILWATER_LOG_FORMAT", "json")],
            "{state_dir=/s fields={team=a q=b=c} sources={kubernetes={type=kubernetes path=/var/log/pods} \
             file={type=file include=/a/*.log} file-2={type=file include=/b.log}} \
             sinks={loki={type=loki url=http://l:1} stdout={type=stdout format=text} loki-2={type=loki url=https://m/x}} \
             log={level=debug format=json}}",
        );
    }

    #[test]
    fn variables_stand_in_for_flags() {
        check(
            &Typed::default(),
            &[("TAILWATER_FROM", " /a/{b,c}.log\n- "), ("TAILWATER_TO", "null:"), ("TAILWATER_FORMAT", "")],
            "{sources={file={type=file include=/a/{b,c}.log} stdin={type=stdin}} sinks={null={type=null}}}",
        );
    }

    #[test]
    fn what_is_wrong_names_flag_or_variable() {
        let typed = Typed {
            from: texts(&["/var/log/"]),
            to: texts(&["null:"]),
            labels: texts(&["x", "=y", "a=1", "a=2"]),
            ..Typed::default()
        };
        let (_, problems) = read(&typed, &[("TAILWATER_FORMAT", "text")]);
        assert_eq!(
            problems,
            [
                "flag --label: `x` is no label",
                "flag --label: `=y` is no label",
                "flag --label: label `a` is given twice",
                "flag --from: `/var/log` is a directory, and not laid out as kubelet's pods directory",
                "environment variable TAILWATER_FORMAT: a format is for stdout, and no event goes there",
            ]
        );
    }
}
