//! Loki's own settings.
//!
//! **Invariant**: labels and structured metadata have names that Loki takes, each once, and no more than it takes by
//! default: a store that refuses every line for its labels would cost every line.

use std::time::Duration;

use crate::model::event::Event;
use crate::model::settings::{Key, Place, Section};
use crate::model::template::{Depends, Template};
use crate::sinks::kind::Given;

use super::labels;

/// The keys of a `type: loki` sink, beside those of all HTTP sinks.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "tenant",
        kind: "template",
        default: "",
        help: "the tenant (`X-Scope-OrgID`), such as `team-a` or `{namespace}`; a batch holds one tenant's lines to a request",
    },
    Key {
        name: "labels",
        kind: "map of templates",
        default: "{namespace}, {pod}, {app}, {container} of pods; {host} and {path} of files",
        help: "the stream labels; one that is empty for a line is left out",
    },
    Key {
        name: "structured_metadata",
        kind: "list of names",
        default: "[stream, level]",
        help: "what is stored beside each line: stream, level, flaw, pod, …, fields.NAME",
    },
    Key {
        name: "encoding",
        kind: "protobuf | json",
        default: "protobuf",
        help: "protobuf with snappy, or JSON with gzip",
    },
    Key {
        name: "max_line_size",
        kind: "size",
        default: "256KiB",
        help: "the store's limit for a line; a longer one is cut to it, its end marked; 0 is no limit",
    },
    Key {
        name: "restamp_older_than",
        kind: "duration",
        default: "",
        help: "lines that are older when they are read (1m to 1h) get the time of reading, which Loki takes, and keep their own as metadata `original_time`; none where not set",
    },
    Key {
        name: "max_label_values",
        kind: "number",
        default: "100",
        help: "a label that takes more values is said once, and shown in `/status`; 0 is no limit",
    },
    Key {
        name: "demote",
        kind: "true | false",
        default: "false",
        help: "a label that takes more than `max_label_values` is stored as structured metadata from then on, also after a restart; `false` takes it back",
    },
    Key { name: "max_label_names", kind: "number", default: "15", help: "the store's limit for labels of a stream" },
];

/// The ages at which restamping may begin. Loki takes what is up to an hour behind the newest of its stream.
const RESTAMP_MIN: Duration = Duration::from_secs(60);
const RESTAMP_MAX: Duration = Duration::from_secs(3600);

/// How entries are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Protobuf in a block of snappy.
    Protobuf,
    /// Gzipped JSON.
    Json,
}

/// A name and the template of its value.
pub(super) type Named = (String, Template);

/// One label.
#[derive(Clone, Debug)]
pub(super) struct Label {
    /// Its name.
    pub(super) name: String,
    /// What it is for a line.
    pub(super) template: Template,
    /// Its place in [`Labels::names`].
    pub(super) place: usize,
}

impl Label {
    /// Whether it is one of `labels`: bits, by places.
    pub(super) fn is_in(&self, labels: u64) -> bool {
        labels != 0 && self.place < 64 && labels & (1 << self.place) != 0
    }
}

/// Which labels a line's stream has.
#[derive(Clone, Debug)]
pub(super) struct Labels {
    /// Of a container's lines.
    workload: Vec<Label>,
    /// Of a file's lines.
    file: Vec<Label>,
    /// Of a pipe's lines.
    pipe: Vec<Label>,
    /// All names, each once.
    pub(super) names: Vec<String>,
}

impl Labels {
    /// The labels of an event's stream.
    pub(super) fn of(&self, event: &Event<'_>) -> &[Label] {
        if event.origin.workload.is_some() {
            &self.workload
        } else if event.origin.path.as_os_str().is_empty() {
            &self.pipe
        } else {
            &self.file
        }
    }

    /// All three lists.
    pub(super) fn lists(&self) -> [&[Label]; 3] {
        [&self.workload, &self.file, &self.pipe]
    }

    /// Of three lists, those that every event gets added to each. A typed label of that name is nearer and stays; a default one
    /// gives way.
    fn new(lists: [Vec<Named>; 3], fields: &[(String, String)], typed: bool) -> Self {
        let mut names = Vec::new();
        let [workload, file, pipe] = lists.map(|mut list| {
            for (name, value) in fields {
                let template = Template::constant(value);
                match list.iter_mut().find(|(known, _)| known == name) {
                    Some(_) if typed => {}
                    Some((_, known)) => *known = template,
                    None => list.push((name.clone(), template)),
                }
            }
            let label = |(name, template): Named| {
                let place = names.iter().position(|known| *known == name).unwrap_or_else(|| {
                    names.push(name.clone());
                    names.len() - 1
                });
                Label { name, template, place }
            };
            list.into_iter().map(label).collect::<Vec<_>>()
        });
        Self { workload, file, pipe, names }
    }

    fn default_lists() -> [Vec<Named>; 3] {
        let list = |names: &[&str]| {
            names.iter().filter_map(|name| Some(((*name).to_owned(), Template::placeholder(name).ok()?))).collect()
        };
        [list(&["namespace", "pod", "app", "container"]), list(&["host", "path"]), list(&["host", "source"])]
    }
}

/// What the encoder and the wire need to know.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// The tenant, where one is set.
    pub(super) tenant: Option<Template>,
    /// The stream labels.
    pub(super) labels: Labels,
    /// What is stored beside each line.
    pub(super) metadata: Vec<Named>,
    /// How entries are written.
    pub(super) encoding: Encoding,
    /// The most bytes of a line.
    pub(super) max_line: usize,
    /// Older lines get the time of reading.
    pub(super) restamps_after: Option<Duration>,
    /// The most values of a label that are no news; 0 is no limit.
    pub(super) max_label_values: usize,
    /// Whether a label that takes more is stored beside the line.
    pub(super) demote: bool,
}

impl Settings {
    /// Reads them; problems go into the section's list.
    pub(super) fn read(section: &mut Section<'_>, given: &Given) -> Self {
        let tenant = section.parsed("tenant", |text| match text {
            "" => Err("expected a name; leave the key out where there are no tenants".to_owned()),
            _ => Template::parse(text),
        });
        let encoding = section
            .choice("encoding", &[("protobuf", Encoding::Protobuf), ("json", Encoding::Json)])
            .unwrap_or(Encoding::Protobuf);
        let max_line = match section.parsed("max_line_size", |text| {
            crate::model::units::parse_bytes(text).and_then(|size| match size {
                1..1024 => Err("expected at least 1KiB, or 0 for no limit".to_owned()),
                _ => Ok(size),
            })
        }) {
            Some(0) => usize::MAX,
            Some(size) => usize::try_from(size).unwrap_or(usize::MAX),
            None => 256 * 1024,
        };
        let restamps_after =
            section.parsed("restamp_older_than", |text| {
                crate::model::units::parse_duration(text).and_then(|age| match age {
                    age if (RESTAMP_MIN..=RESTAMP_MAX).contains(&age) => Ok(age),
                    _ => Err("expected `1m` to `1h`, such as `30m`: Loki refuses what is an hour behind its stream"
                        .to_owned()),
                })
            });
        let max_label_values = section.number("max_label_values").unwrap_or(100);
        let labels = labels(section, given);
        let metadata = metadata(section);
        let demote = section.truth("demote").unwrap_or(false);
        if demote {
            check_demote(section, max_label_values, &labels, &metadata);
        }
        Self {
            tenant,
            labels,
            metadata,
            encoding,
            max_line,
            max_label_values: usize::try_from(max_label_values).unwrap_or(usize::MAX),
            restamps_after,
            demote,
        }
    }

    /// What labels and tenant, and what the metadata of an event depend on, beside its origin, where the labels `demoted` are part
    /// of the metadata.
    pub(super) fn depends(&self, demoted: u64) -> (Depends, Depends) {
        let of = |depends: Depends, template: &Template| depends.and(template.depends());
        let mut head = self.tenant.iter().fold(Depends::default(), of);
        let mut metadata = self.metadata.iter().map(|(_, template)| template).fold(Depends::default(), of);
        for label in self.labels.lists().into_iter().flatten() {
            let part = if label.is_in(demoted) { &mut metadata } else { &mut head };
            *part = of(*part, &label.template);
        }
        (head, metadata)
    }
}

fn labels(section: &mut Section<'_>, given: &Given) -> Labels {
    let max_names = section.number("max_label_names").unwrap_or(15);
    let typed = section.text_map("labels");
    let place = section.place().clone();
    let is_typed = typed.is_some();
    let lists = match typed {
        None => Labels::default_lists(),
        Some(entries) => {
            let named: Vec<Named> = entries
                .into_iter()
                .filter_map(|(name, text, place)| {
                    check_name(section, &name, &place);
                    match Template::parse(&text) {
                        Ok(template) => Some((name, template)),
                        Err(expected) => {
                            let problem = format!("label `{name}` cannot be `{text}`");
                            section.problems().add_with_hint(&place, problem, expected);
                            None
                        }
                    }
                })
                .collect();
            [named.clone(), named.clone(), named]
        }
    };
    let fields = given.unique_fields();
    for (name, _) in &fields {
        check_name(section, name, &place);
    }
    let labels = Labels::new(lists, &fields, is_typed);
    let most = labels.lists().into_iter().map(<[_]>::len).max().unwrap_or(0);
    if most as u64 > max_names {
        section.problem(
            format!("a stream would have {most} labels, {max_names} are allowed"),
            "Loki refuses streams with more than `max_label_names_per_series` (15): put the rest into `structured_metadata`, or raise the limit there and `max_label_names` here",
        );
    }
    labels
}

fn check_name(section: &mut Section<'_>, name: &str, place: &Place) {
    if !labels::is_name(name) {
        section.problems().add_with_hint(
            place,
            format!("`{name}` cannot be a label's name"),
            format!("expected letters, digits and `_`, such as `{}`", labels::to_name(name)),
        );
    }
}

/// The most labels that can be told apart in a word.
const DEMOTABLE_MAX: usize = 64;

fn check_demote(section: &mut Section<'_>, most: u64, labels: &Labels, metadata: &[Named]) {
    if most == 0 {
        section.problem(
            "`demote` without a limit would never do anything",
            "set `max_label_values`, or leave both out for 100",
        );
    }
    let entries = metadata.len() + labels.lists().into_iter().map(<[_]>::len).max().unwrap_or(0);
    if labels.names.len() > DEMOTABLE_MAX || entries > METADATA_MAX {
        section.problem(
            format!("{} labels are too many for `demote`", labels.names.len()),
            format!("at most {DEMOTABLE_MAX}, and {METADATA_MAX} together with `structured_metadata`, as Loki takes of a line"),
        );
    }
    let meets =
        |label: &&Label| metadata.iter().any(|(name, template)| *name == label.name && *template != label.template);
    let met: Option<String> = labels.lists().into_iter().flatten().find(meets).map(|label| label.name.clone());
    if let Some(name) = met {
        section.problem(
            format!("label `{name}` and structured metadata `{name}` are not the same"),
            "with `demote` the one might have to stand beside the other: give the label another name",
        );
    }
}

/// The most entries that Loki takes by default for a line.
const METADATA_MAX: usize = 128;

fn metadata(section: &mut Section<'_>) -> Vec<Named> {
    let place = section.place().clone();
    let typed = section
        .placed_texts("structured_metadata")
        .unwrap_or_else(|| vec![("stream".to_owned(), place.clone()), ("level".to_owned(), place)]);
    let mut named: Vec<Named> = Vec::with_capacity(typed.len());
    for (text, place) in typed {
        let name = labels::to_name(text.strip_prefix("fields.").unwrap_or(&text));
        let problem = match Template::placeholder(&text) {
            Err(expected) => Some((format!("unknown metadata `{text}`"), expected)),
            Ok(_) if named.iter().any(|(known, _)| *known == name) => Some((
                format!("metadata `{text}` would be a second `{name}`"),
                "Loki knows an entry by its name: leave one out".to_owned(),
            )),
            Ok(_) if named.len() == METADATA_MAX => {
                Some((format!("metadata `{text}` is one too many"), format!("Loki takes {METADATA_MAX} of a line")))
            }
            Ok(template) => {
                named.push((name, template));
                None
            }
        };
        if let Some((text, hint)) = problem {
            section.problems().add_with_hint(&place, text, hint);
        }
    }
    named
}
