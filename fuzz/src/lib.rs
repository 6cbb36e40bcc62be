//! What the fuzz targets share: a machine that is not there, and the program's sinks, all of them.

use std::path::Path;
use std::sync::Arc;

use tailwater::config::flags::LogTyped;
use tailwater::config::machine::{Found, Machine};
use tailwater::config::settings::Settings;
use tailwater::model::event::{Entry, Event, Span, TimeSource};
use tailwater::model::origin::{Format, Origin, OriginId};
use tailwater::model::settings::Problems;
use tailwater::model::time::Time;
use tailwater::parse::Parser;
use tailwater::parse::pairs::Scratch;
use tailwater::parse::time;
use tailwater::sinks::Sink;

/// Reads settings as if on a machine without variables, terminals or files.
pub fn settings(bytes: &[u8]) -> Result<Settings, Problems> {
    let machine = Machine {
        cpus: 2,
        env: &|name| (name == "NAME").then(|| "value: [".to_owned()),
        variables: &Vec::new,
        what_is: &|_: &Path| Found::Other,
        secret: &|_: &str| Ok("0123456789abcdef".to_owned()),
        memory: None,
        stdout_terminal: false,
        stderr_terminal: false,
    };
    Settings::from_file(bytes, "fuzz.yaml", &LogTyped::default(), &machine)
}

/// Every kind of sink, with the settings that make the most of an event.
pub fn sinks() -> Vec<(String, Sink)> {
    let text = b"state_dir: /s\nfields: { team: a }\nsources: { f: { type: file, include: /a.log } }\nsinks:\n\
        \x20 protobuf: { type: loki, url: 'http://a', tenant: '{namespace}-{stream}', labels: { app: '{app}', level: '{level}' }, structured_metadata: [stream, level] }\n\
        \x20 json: { type: loki, url: 'http://a', encoding: json }\n\
        \x20 stream: { type: elasticsearch, url: 'http://a', data_stream: 'logs-{container}-{stream}' }\n\
        \x20 dated: { type: elasticsearch, url: 'http://a', index: 'app-%Y.%m.%d', compression: none }\n\
        \x20 out: { type: stdout, format: json }\nmemory_limit: 1GiB\n";
    let settings = settings(text).unwrap_or_else(|problems| panic!("settings of the targets: {problems:?}"));
    settings.sinks.into_iter().map(|sink| (sink.name.to_string(), sink.sink)).collect()
}

/// A plain file without names.
pub fn origin() -> Arc<Origin> {
    Arc::new(Origin {
        id: OriginId(1),
        source: "fuzz".into(),
        path: Path::new("/a.log").into(),
        format: Format::Plain,
        workload: None,
        host: "host".into(),
    })
}

/// Makes the event that `entry` with the text `body` is, for `look`.
pub fn event(origin: &Arc<Origin>, entry: &Entry<'_>, body: &str, look: impl FnOnce(&Event<'_>)) {
    let mut scratch = Scratch::default();
    let mut parser = Parser::Auto;
    let mut pairs = scratch.lend();
    let parsed = parser.parse(body, &mut pairs);
    let found = time::find(body.as_bytes(), Time::default());
    let time_source = match (entry.time, found) {
        (Some(_), _) => TimeSource::Runtime,
        (None, Some(_)) => TimeSource::Line,
        (None, None) => TimeSource::Reading,
    };
    look(&Event {
        origin,
        spans: &[Span { start: 0, end: body.len() as u64 + 1 }],
        time: entry.time.or(found).unwrap_or_default(),
        time_source,
        nudge: 0,
        stream: entry.stream,
        level: parsed.level,
        body,
        message: parsed.message,
        fields: parsed.fields,
        flaw: entry.flaw,
        demoted: 0,
    });
}
