//! The agent's own log: to stderr, one event a line.
//!
//! **Invariant**: an event is one line in either format, whatever a server or a file name put into it; so it can be
//! followed by a collector such as this one.
//!
//! Tailwater's events are shown from the level asked for, those of libraries from `warn`: they are written for the
//! people who wrote the library.
#![expect(clippy::disallowed_methods, reason = "the log is written to stderr, in colours if the environment allows")]

use std::borrow::Cow;
use std::io::{self, Write};

use tracing::level_filters::LevelFilter;
use tracing::subscriber::{SetGlobalDefaultError, Subscriber, set_global_default};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, fmt, registry};

use crate::model::settings::{Key, Section};

/// The keys of `log`.
pub const KEYS: &[Key] = &[
    Key {
        name: "level",
        kind: "error | warn | info | debug | trace",
        default: "info",
        help: "the finest level that is shown; without a settings file `warn` is the default",
    },
    Key {
        name: "format",
        kind: "json | text",
        default: "",
        help: "how an event is written; `text` on a terminal, else `json`",
    },
];

/// The levels, by name.
pub const LEVELS: [(&str, LevelFilter); 5] = [
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
];

/// The formats, by name.
pub const FORMATS: [(&str, Format); 2] = [("json", Format::Json), ("text", Format::Text)];

/// How an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object.
    Json,
    /// Time, level, message and fields, for people.
    Text,
}

/// How the agent's own log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The finest level that is shown.
    pub level: LevelFilter,
    /// How an event is written.
    pub format: Format,
}

impl Settings {
    /// Reads a section with [`KEYS`]; what it does not say is as in `default`.
    pub fn read(section: &mut Section<'_>, default: Self) -> Self {
        Self {
            level: section.choice("level", &LEVELS).unwrap_or(default.level),
            format: section.choice("format", &FORMATS).unwrap_or(default.format),
        }
    }

    /// The default of a daemon, whose regular course is to be seen too. `terminal` says whether stderr is one.
    pub fn daemon(terminal: bool) -> Self {
        Self { level: LevelFilter::INFO, format: if terminal { Format::Text } else { Format::Json } }
    }

    /// The default of a command in a pipe: it says only what a person should know. `terminal` says whether stderr is one.
    pub fn command(terminal: bool) -> Self {
        Self { level: LevelFilter::WARN, ..Self::daemon(terminal) }
    }
}

/// Makes this the log of the whole process. `terminal` says whether stderr is one: it gets colours, unless `NO_COLOR`
/// is set.
pub fn start(settings: Settings, terminal: bool) -> Result<(), SetGlobalDefaultError> {
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    set_global_default(subscriber(settings, colour, io::stderr))
}

fn subscriber<W>(settings: Settings, colour: bool, out: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let levels = Targets::new()
        .with_target(env!("CARGO_CRATE_NAME"), settings.level)
        .with_default(settings.level.min(LevelFilter::WARN));
    let out = OneLine(out);
    let layer = match settings.format {
        Format::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .with_writer(out)
            .boxed(),
        Format::Text => fmt::layer().with_target(false).with_ansi(colour).with_writer(out).boxed(),
    };
    registry().with(layer.with_filter(levels))
}

/// Writers whose every write (one event) comes out as one line.
struct OneLine<M>(M);

impl<'w, M: MakeWriter<'w>> MakeWriter<'w> for OneLine<M> {
    type Writer = Line<M::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        Line(self.0.make_writer())
    }
}

struct Line<W>(W);

impl<W: Write> Write for Line<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0.write_all(&one_line(event))?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// `event` with line breaks inside of it written as `\n` and `\r`.
fn one_line(event: &[u8]) -> Cow<'_, [u8]> {
    let text = event.strip_suffix(b"\n").unwrap_or(event);
    if memchr::memchr2(b'\n', b'\r', text).is_none() {
        return Cow::Borrowed(event);
    }
    let mut out = Vec::with_capacity(event.len() + 16);
    for &byte in text {
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            byte => out.push(byte),
        }
    }
    out.extend_from_slice(&event[text.len()..]);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic in another test").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(settings: Settings, events: impl FnOnce()) -> Vec<String> {
        let memory = Memory::default();
        let out = memory.clone();
        tracing::subscriber::with_default(subscriber(settings, false, move || out.clone()), events);
        let bytes = memory.0.lock().expect("no panic in another test").clone();
        String::from_utf8(bytes).expect("UTF-8").lines().map(str::to_owned).collect()
    }

    fn events() {
        tracing::info!(sink = "loki", words = %"two\r\nlines", "refused");
        tracing::debug!("detail");
        tracing::info!(target: "library", "chatter");
        tracing::warn!(target: "library", "warning");
    }

    #[test]
    fn text_is_one_line_an_event() {
        let lines = lines(Settings { level: LevelFilter::INFO, format: Format::Text }, events);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].ends_with(r#" INFO refused sink="loki" words=two\r\nlines"#), "{lines:?}");
        assert!(lines[1].ends_with(" WARN warning"), "{lines:?}");
    }

    #[test]
    fn json_is_one_object_an_event() {
        let lines = lines(Settings { level: LevelFilter::DEBUG, format: Format::Json }, events);
        assert_eq!(lines.len(), 3, "{lines:?}");
        let first: serde_json::Value = serde_json::from_str(&lines[0]).expect("JSON");
        assert_eq!(first["level"], "INFO");
        assert_eq!(first["message"], "refused");
        assert_eq!(first["words"], "two\r\nlines");
    }
}
