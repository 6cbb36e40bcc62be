//! The command line, as clap reads it.
//!
//! No logic: what is typed here is made sense of in `config`, together with the environment, so that both are
//! checked by the same code and told apart in messages. Each flag's help names its variable; a test holds that.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::config::flags::{LogTyped, Typed};
use crate::exit::Exit;
use crate::log;

/// Version, commit and build profile.
pub const VERSION: &str =
    concat!(env!("CARGO_PKG_VERSION"), " (commit ", env!("TAILWATER_COMMIT"), ", ", env!("TAILWATER_PROFILE"), ")");

const EXAMPLES: &str = "\
Examples:
  app | tailwater
      every line of the application becomes one JSON event on stdout
  tailwater --from /var/log/pods --to loki+http://localhost:3100
      the logs of all pods of this node, to Loki
  tailwater --from '/var/log/nginx/*.log' --to es+http://localhost:9200/logs-nginx-default
      files, to an Elasticsearch or OpenSearch data stream
  tailwater run --config /etc/tailwater.yaml
      the daemon, with cursors, as set up in a file

Variables hold the same as their flags; a flag that is typed goes first. Where a flag may be repeated, its variable \
holds several values with white space between them.
";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "tailwater",
    version = VERSION,
    about = "Follows container logs and pipes, and ships every line to Loki, Elasticsearch/OpenSearch or stdout",
    after_help = after_help(),
    args_conflicts_with_subcommands = true,
    max_term_width = 100
)]
pub struct Cli {
    /// What to do; without a command: ship from `--from` to `--to`.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Where from and where to.
    #[command(flatten)]
    pub ship: Ship,
    /// How the agent's own log is written.
    #[command(flatten)]
    pub log: Log,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run as a daemon with the settings of a file
    Run(Config),
    /// Load a settings file, open nothing, and print the effective settings with secrets masked
    Check(Config),
    /// Show what becomes of lines, step by step, and what each sink would send; nothing is opened or sent
    Explain(Explain),
    /// Try the cases that stand in a settings file under `tests`
    Test(Config),
    /// List the cursors: pipeline, file, offset, size, lag; `skip` and `reset` move them while nothing runs
    Checkpoints(Checkpoints),
    /// Print the JSON Schema of the settings file, for editors to complete from
    Schema,
    /// Print completions for a shell
    Completions(Completions),
    /// Print the man page
    Man,
}

/// The settings file.
#[derive(Debug, Args)]
pub struct Config {
    /// The settings file (YAML) [env: TAILWATER_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Which lines to explain, and as whose.
#[derive(Debug, Args)]
pub struct Explain {
    /// A file with lines; stdin if not given, or `-`
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The settings file (YAML); without it lines are shown as `app | tailwater` takes them [env: TAILWATER_CONFIG]
    // An id of its own: `run` has a flag of this name that is another.
    #[arg(id = "explain_config", long = "config", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The file that the lines are to be from, such as `/var/log/pods/shop_cart-0_1/app/0.log`
    #[arg(long = "as", value_name = "PATH")]
    pub path: Option<PathBuf>,
    /// The source that is to have read them; found by `--as` if not given
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Only what this sink makes of them
    #[arg(long, value_name = "NAME")]
    pub sink: Option<String>,
    /// One JSON object for each event
    #[arg(long)]
    pub json: bool,
}

/// Which cursors to list, or to move.
#[derive(Debug, Args)]
pub struct Checkpoints {
    /// What to do with them, if not to list them.
    #[command(subcommand)]
    pub action: Option<CursorAction>,
    /// The state directory [env: TAILWATER_STATE_DIR]
    // An id of its own: as a global flag it would be taken for the one that goes without a command.
    #[arg(id = "cursors_dir", long = "state-dir", global = true, value_name = "DIR", conflicts_with = "config")]
    pub state_dir: Option<PathBuf>,
    /// The settings file that names the state directory [env: TAILWATER_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One JSON object a line
    #[arg(long, global = true)]
    pub json: bool,
}

/// What to do with cursors.
#[derive(Debug, Subcommand)]
pub enum CursorAction {
    /// Move cursors to the end of their files: what was not delivered by now is never read
    Skip(Cursors),
    /// Remove cursors: their files are read from the beginning, and what was delivered is sent again
    Reset(Cursors),
}

/// Which cursors to move.
#[derive(Debug, Args)]
pub struct Cursors {
    /// Only those of this pipeline, which is called as its sink
    #[arg(long, value_name = "NAME", required_unless_present = "file")]
    pub pipeline: Option<String>,
    /// Only those in this file and its rotations, as the list of cursors names it
    #[arg(long, value_name = "PATH")]
    pub file: Option<PathBuf>,
}

/// Which shell completions are for.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Where from and where to, without a settings file.
#[derive(Clone, Debug, Default, Args)]
pub struct Ship {
    /// Where lines come from: `-` (stdin, the default), a file, a glob such as `/var/log/nginx/*.log`, or a directory
    /// laid out as kubelet's `/var/log/pods`; may be repeated [env: TAILWATER_FROM]
    #[arg(long, value_name = "SOURCE", help_heading = "Input")]
    pub from: Vec<String>,
    /// Where events go: `loki+http://HOST:PORT`, `es+http://HOST:PORT/DATA-STREAM` (both also with `https`),
    /// `stdout:` (the default) or `null:`, which parses and throws away; may be repeated [env: TAILWATER_TO]
    #[arg(long, value_name = "SINK", help_heading = "Output")]
    pub to: Vec<String>,
    /// A key and value to add to every event; may be repeated [env: TAILWATER_LABEL]
    #[arg(long = "label", value_name = "KEY=VALUE", help_heading = "Output")]
    pub labels: Vec<String>,
    /// How events are written to stdout; `text` on a terminal, else `json` [env: TAILWATER_FORMAT]
    #[arg(long, value_parser = PossibleValuesParser::new(["json", "logfmt", "text"]), help_heading = "Output")]
    pub format: Option<String>,
    /// Read what is there, deliver it, and exit [env: TAILWATER_ONCE]
    #[arg(long, help_heading = "Run")]
    pub once: bool,
    /// Where cursors are kept; without it there are none, and files are read from their beginning at each start
    /// [env: TAILWATER_STATE_DIR]
    #[arg(long, value_name = "DIR", help_heading = "Run")]
    pub state_dir: Option<String>,
}

/// How the agent's own log (on stderr) is written.
#[derive(Clone, Debug, Default, Args)]
pub struct Log {
    /// The finest level that Tailwater's own log shows; by default `warn`, with `run` `info` [env: TAILWATER_LOG_LEVEL]
    #[arg(long, global = true, value_name = "LEVEL", value_parser = PossibleValuesParser::new(log::LEVELS.map(|(name, _)| name)), help_heading = "Own log")]
    pub log_level: Option<String>,
    /// How Tailwater's own log is written; `text` on a terminal, else `json` [env: TAILWATER_LOG_FORMAT]
    #[arg(long, global = true, value_name = "FORMAT", value_parser = PossibleValuesParser::new(log::FORMATS.map(|(name, _)| name)), help_heading = "Own log")]
    pub log_format: Option<String>,
}

impl Cli {
    /// What was typed, for [`crate::config`].
    pub fn typed(&self) -> Typed {
        let Ship { from, to, labels, format, once, state_dir } = self.ship.clone();
        Typed { from, to, labels, format, once, state_dir, log: self.log_typed() }
    }

    /// What was typed about the log.
    pub fn log_typed(&self) -> LogTyped {
        let Log { log_level, log_format } = self.log.clone();
        LogTyped { level: log_level, format: log_format }
    }
}

/// What a shell sources to complete the command line.
pub fn completions(shell: clap_complete::Shell) -> Vec<u8> {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tailwater", &mut out);
    out
}

/// The man page, in roff.
pub fn man() -> Vec<u8> {
    let mut out = Vec::new();
    // Writing to a vector cannot fail.
    drop(clap_mangen::Man::new(Cli::command()).render(&mut out));
    out
}

fn after_help() -> String {
    let codes: Vec<_> = Exit::ALL.iter().map(|exit| format!("  {:>2}  {}\n", exit.code(), exit.meaning())).collect();
    format!("{EXAMPLES}\nExit codes:\n{}", codes.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_finds_no_fault() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_of_each_flag_names_its_variable() {
        for command in [Cli::command(), Config::augment_args(clap::Command::new("run"))] {
            for flag in command.get_arguments().filter_map(|arg| arg.get_long().map(|long| (long, arg.get_help()))) {
                let (long, help) = flag;
                let variable = format!("[env: TAILWATER_{}]", long.to_uppercase().replace('-', "_"));
                let help = help.map(ToString::to_string).unwrap_or_default();
                assert!(help.ends_with(&variable), "--{long}: {help}");
            }
        }
    }

    #[test]
    fn flags_and_commands() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        let bare =
            parse("tailwater --from - --from a --to stdout: --label a=b --once --log-level debug").expect("flags");
        assert_eq!(bare.typed().from, ["-", "a"]);
        assert_eq!(bare.log_typed().level.as_deref(), Some("debug"));
        let run = parse("tailwater run --config f.yaml --log-format json").expect("a command");
        assert!(matches!(run.command, Some(Command::Run(Config { config: Some(_) }))));
        assert_eq!(run.log_typed().format.as_deref(), Some("json"));
        assert!(parse("tailwater --format xml").is_err());
        assert!(parse("tailwater --to null: run").is_err());
        assert!(parse("tailwater checkpoints --state-dir a --config b").is_err());
        assert!(parse("tailwater checkpoints skip --state-dir a").is_err(), "nothing is moved by an oversight");
        let skip = parse("tailwater checkpoints skip --state-dir a --file /b").expect("a command");
        assert!(matches!(
            skip.command,
            Some(Command::Checkpoints(Checkpoints { action: Some(CursorAction::Skip(_)), state_dir: Some(_), .. }))
        ));
    }

    #[test]
    fn the_help_ends_with_the_exit_codes() {
        let help = Cli::command().render_help().to_string();
        assert!(help.trim_end().ends_with("76  another process holds the state directory"), "{help}");
    }
}
