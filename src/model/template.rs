//! Names with placeholders: `"{namespace}-{app}"`, `app-%Y.%m.%d`.
//!
//! **Invariant**: a template is parsed once; what it knows of itself ([`Template::depends`]) says how long a rendered
//! text may be kept. Values are cut at [`PATH_MAX`] and [`NAME_MAX`], so every rendering has a bound.

use std::borrow::Cow;

use super::origin::{Origin, Workload};
use crate::model::event::Event;

use crate::model::walk;

/// The most bytes of a path that are rendered.
pub(crate) const PATH_MAX: usize = 4096;
/// The most bytes of any other name of an origin that are rendered.
pub(crate) const NAME_MAX: usize = 512;

/// A text with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

/// What a rendering is made of, beside the origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depends {
    /// On the stream, the level or the flaw: few values.
    pub kind: bool,
    /// On the application's fields: any value.
    pub content: bool,
    /// On the date.
    pub date: bool,
}

impl Depends {
    /// What two templates together depend on.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { kind: self.kind | other.kind, content: self.content | other.content, date: self.date | other.date }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Origin(Name),
    Stream,
    Level,
    Flaw,
    Field(String),
    Date(u8),
}

/// A name that an origin has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Namespace,
    Pod,
    Container,
    App,
    Uid,
    Node,
    Host,
    Path,
    Source,
}

const NAMES: [(&str, Name); 9] = [
    ("namespace", Name::Namespace),
    ("pod", Name::Pod),
    ("container", Name::Container),
    ("app", Name::App),
    ("uid", Name::Uid),
    ("node", Name::Node),
    ("host", Name::Host),
    ("path", Name::Path),
    ("source", Name::Source),
];

const KNOWN: &str = "known: {namespace} {pod} {container} {app} {uid} {node} {host} {path} {source} {stream} {level} {flaw} \
     {fields.NAME}; `{{` and `}}` stand for braces";

impl Template {
    /// Parses a text with `{placeholders}`. The error names the known ones.
    pub fn parse(text: &str) -> Result<Self, String> {
        parse(text, false)
    }

    /// Parses a text with `{placeholders}` and the dates `%Y %m %d %H`.
    pub fn parse_dated(text: &str) -> Result<Self, String> {
        parse(text, true)
    }

    /// The template of one placeholder, named without braces.
    pub fn placeholder(name: &str) -> Result<Self, String> {
        Ok(Self { parts: vec![placeholder(name)?] })
    }

    /// A text as it is, braces and all.
    pub fn constant(text: &str) -> Self {
        Self { parts: vec![Part::Text(text.to_owned())] }
    }

    /// What a rendering depends on, beside the origin.
    pub fn depends(&self) -> Depends {
        let mut depends = Depends::default();
        for part in &self.parts {
            match part {
                Part::Text(_) | Part::Origin(_) => {}
                Part::Stream | Part::Level | Part::Flaw => depends.kind = true,
                Part::Field(_) => depends.content = true,
                Part::Date(_) => depends.date = true,
            }
        }
        depends
    }

    /// Whether all events of an origin have the same rendering.
    pub fn is_per_origin(&self) -> bool {
        self.depends() == Depends::default()
    }

    /// The texts between the placeholders.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// Whether there is no placeholder and no date.
    pub fn is_constant(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Text(_)))
    }

    /// Appends the text with the event's values; what the event lacks is empty.
    pub fn render(&self, event: &Event<'_>, out: &mut String) {
        self.render_with(event, out, |value, out| out.push_str(value));
    }

    /// Appends the text with the event's values, each put there by `put`.
    pub fn render_with(&self, event: &Event<'_>, out: &mut String, mut put: impl FnMut(&str, &mut String)) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Origin(name) => put(&origin_name(*name, event.origin), out),
                Part::Stream => put(event.stream.map_or("", |stream| stream.name()), out),
                Part::Level => put(event.level.map_or("", |level| level.name()), out),
                Part::Flaw => put(event.flaw.map_or("", |flaw| flaw.name()), out),
                Part::Field(name) => put(&walk::field(&event.fields, name).unwrap_or_default(), out),
                Part::Date(letter) => put_date(*letter, event, out),
            }
        }
    }

    /// The most bytes that a rendering has for an event with a body of `line` bytes.
    pub fn bound(&self, line: usize) -> usize {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.len(),
                Part::Origin(Name::Path) => PATH_MAX,
                Part::Origin(_) => NAME_MAX,
                Part::Stream | Part::Level => 6,
                Part::Flaw => 16,
                // A field is a part of its line, and undoing escapes never makes it longer.
                Part::Field(_) => line,
                Part::Date(_) => 4,
            })
            .sum()
    }
}

/// The equivalent of `\{\{|\}\}|\{([^{}]*)\}|%([YmdH%])|[^{}%]+`.
fn parse(text: &str, dated: bool) -> Result<Template, String> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}', '%']) {
        let (before, special) = rest.split_at(at);
        plain.push_str(before);
        if let Some(after) = special.strip_prefix("{{") {
            plain.push('{');
            rest = after;
        } else if let Some(after) = special.strip_prefix("}}") {
            plain.push('}');
            rest = after;
        } else if let Some(after) = special.strip_prefix('{') {
            let Some((name, after)) = after.split_once('}') else {
                return Err(format!("`{{` is not closed; {KNOWN}"));
            };
            flush(&mut plain, &mut parts);
            parts.push(placeholder(name)?);
            rest = after;
        } else if let Some(after) = special.strip_prefix('}') {
            return Err(format!("`}}` before `{after}` closes nothing; {KNOWN}"));
        } else if dated {
            rest = date(&special[1..], &mut plain, &mut parts)?;
        } else {
            plain.push('%');
            rest = &special[1..];
        }
    }
    plain.push_str(rest);
    flush(&mut plain, &mut parts);
    Ok(Template { parts })
}

fn flush(plain: &mut String, parts: &mut Vec<Part>) {
    if !plain.is_empty() {
        parts.push(Part::Text(std::mem::take(plain)));
    }
}

fn date<'a>(after: &'a str, plain: &mut String, parts: &mut Vec<Part>) -> Result<&'a str, String> {
    match after.bytes().next() {
        Some(b'%') => plain.push('%'),
        Some(letter @ (b'Y' | b'm' | b'd' | b'H')) => {
            flush(plain, parts);
            parts.push(Part::Date(letter));
        }
        _ => return Err("`%` begins a date: known: %Y %m %d %H; `%%` stands for itself".to_owned()),
    }
    Ok(&after[1..])
}

fn placeholder(name: &str) -> Result<Part, String> {
    if let Some(field) = name.strip_prefix("fields.").filter(|field| !field.is_empty()) {
        return Ok(Part::Field(field.to_owned()));
    }
    match name {
        "stream" => Ok(Part::Stream),
        "level" => Ok(Part::Level),
        "flaw" => Ok(Part::Flaw),
        _ => match NAMES.iter().find(|(known, _)| *known == name) {
            Some((_, name)) => Ok(Part::Origin(*name)),
            None => Err(format!("unknown placeholder `{{{name}}}`; {KNOWN}")),
        },
    }
}

fn origin_name(name: Name, origin: &Origin) -> Cow<'_, str> {
    let workload = origin.workload.as_ref();
    let short = |name: &'_ str| -> usize { cut(name, NAME_MAX).len() };
    let text: &str = match name {
        Name::Path => return path(origin),
        Name::Host | Name::Node => &origin.host,
        Name::Source => &origin.source,
        Name::Namespace => workload.map_or("", Workload::namespace),
        Name::Pod => workload.map_or("", Workload::pod),
        Name::Container => workload.map_or("", Workload::container),
        Name::App => workload.map_or("", Workload::app),
        Name::Uid => workload.map_or("", Workload::uid),
    };
    Cow::Borrowed(&text[..short(text)])
}

/// An origin's path as text of at most [`PATH_MAX`] bytes.
pub(crate) fn path(origin: &Origin) -> Cow<'_, str> {
    match origin.path.to_string_lossy() {
        Cow::Borrowed(path) => Cow::Borrowed(cut(path, PATH_MAX)),
        Cow::Owned(mut path) => {
            path.truncate(cut(&path, PATH_MAX).len());
            Cow::Owned(path)
        }
    }
}

/// The beginning of `text`, of at most `max` bytes and whole characters.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let end = (0..=max).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    &text[..end]
}

fn put_date(letter: u8, event: &Event<'_>, out: &mut String) {
    let (year, month, day) = event.time.date();
    let (number, digits) = match letter {
        b'Y' => (year.clamp(0, 9999) as u32, 4),
        b'm' => (month, 2),
        b'd' => (day, 2),
        _ => (event.time.secs.div_euclid(3600).rem_euclid(24) as u32, 2),
    };
    for place in (0..digits).rev() {
        out.push(char::from(b'0' + (number / 10_u32.pow(place) % 10) as u8));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::samples::{Sample, file, pod};

    fn check(text: &str, expected: &str) {
        let sample = Sample::json(pod());
        let template = Template::parse_dated(text).expect("a template");
        sample.with(|event| {
            let mut out = String::new();
            template.render(event, &mut out);
            assert_eq!(out, expected, "{text}");
            assert!(out.len() <= template.bound(event.body.len()));
        });
    }

    #[test]
    fn placeholders() {
        check("", "");
        check("plain", "plain");
        check("{namespace}/{pod}", "shop/cart-7c9d-x2x");
        check("{container}-{app}-{node}-{host}-{source}-{uid}", "app-cart-node-1-node-1-pods-6f1c");
        check("{stream}.{level}{flaw}", "stderr.warn");
        check("{fields.free} {fields.nested.k} {fields.none}", "12 v ");
        check("{{x}} 100%%", "{x} 100%");
        check("app-%Y.%m.%d-%H", "app-2026.11.23-08");
        check("{path}", "/var/log/pods/shop_cart-7c9d-x2x_6f1c/app/0.log");
    }

    #[test]
    fn what_a_file_lacks_is_empty() {
        Sample::plain(file()).with(|event| {
            let mut out = String::new();
            Template::parse("{namespace}|{stream}|{level}|{path}|100%").expect("a template").render(event, &mut out);
            assert_eq!(out, "|||/var/log/nginx/access.log|100%");
        });
    }

    #[test]
    fn what_is_no_template() {
        for (text, part) in [
            ("{name}", "unknown placeholder `{name}`; known: {namespace}"),
            ("{}", "unknown placeholder `{}`"),
            ("{fields.}", "unknown placeholder"),
            ("{pod", "is not closed"),
            ("pod}", "closes nothing"),
            ("%y", "%Y %m %d %H"),
            ("x%", "%Y %m %d %H"),
        ] {
            let error = Template::parse_dated(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn how_long_a_rendering_may_be_kept() {
        for (text, kind, content, date) in [
            ("{pod} x", false, false, false),
            ("{stream}", true, false, false),
            ("{flaw}", true, false, false),
            ("{level}{fields.a}", true, true, false),
            ("%Y", false, false, true),
        ] {
            let template = Template::parse_dated(text).expect("a template");
            assert_eq!(template.depends(), Depends { kind, content, date }, "{text}");
            assert_eq!(template.is_per_origin(), !(kind || content || date));
        }
    }

    #[test]
    fn cuts_between_characters() {
        assert_eq!(cut("aé", 3), "aé");
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("€", 2), "");
    }
}
