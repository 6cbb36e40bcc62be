//! What is to be measured. **Invariant**: options that are wrong are refused before anything runs.

use std::path::PathBuf;

use tailwater::model::units::parse_bytes;

use crate::table::Layer;

pub const HELP: &str = "\
usage: benches/run [OPTIONS]
       benches/run count [--save]   instructions of each core, held against benches/instructions
  --quick          a small input and two rounds: whether it works, not how fast it is
  --size SIZE      bytes of CRI logs (1GiB)
  --pods N         files they are spread over (100)
  --rounds N       how often everything is measured (5)
  --only LAYER     floors, cores, whole or live; may be repeated. Without floors there are no ratios
  --job NAME       only jobs whose name contains NAME
  --binary FILE    the program to be measured (the release build beside this one)
  --out FILE       write the report there too
  --note TEXT      what was special about the machine or the build; stands in the report
";

/// What is to be measured.
pub struct Options {
    /// Bytes of input.
    pub size: u64,
    /// Files of input.
    pub pods: usize,
    /// Bytes of the sample that floors and cores are taken on.
    pub sample: u64,
    /// How often everything is measured.
    pub rounds: usize,
    /// The layers that are wanted; all if none is named.
    pub layers: Vec<Layer>,
    /// A part of the names of the jobs that are wanted.
    pub job: String,
    /// The program.
    pub binary: PathBuf,
    /// Where the report is written to, beside stdout.
    pub out: Option<PathBuf>,
    /// A remark for the report.
    pub note: String,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            size: 1 << 30,
            pods: 100,
            sample: 64 << 20,
            rounds: 5,
            layers: Vec::new(),
            job: String::new(),
            binary: PathBuf::from(env!("CARGO_BIN_EXE_tailwater")),
            out: None,
            note: String::new(),
        }
    }
}

impl Options {
    /// `None` where only help is wanted.
    pub fn parse(arguments: &[String]) -> Result<Option<Options>, String> {
        let mut options = Options::default();
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            let mut value = || rest.next().cloned().ok_or_else(|| format!("`{name}` needs a value"));
            match name.as_str() {
                "--help" | "-h" => return Ok(None),
                // From `cargo bench`.
                "--bench" => {}
                "--quick" => (options.size, options.rounds, options.sample) = (64 << 20, 2, 16 << 20),
                "--size" => options.size = parse_bytes(&value()?)?,
                "--pods" => options.pods = number(&value()?)?,
                "--rounds" => options.rounds = number(&value()?)?,
                "--only" => options.layers.push(Layer::named(&value()?)?),
                "--job" => options.job = value()?,
                "--binary" => options.binary = PathBuf::from(value()?),
                "--out" => options.out = Some(PathBuf::from(value()?)),
                "--note" => options.note = value()?,
                _ => return Err(format!("unknown option `{name}`\n{HELP}")),
            }
        }
        options.sample = options.sample.min(options.size);
        Ok(Some(options))
    }

    pub fn has(&self, layer: Layer) -> bool {
        self.layers.is_empty() || self.layers.contains(&layer)
    }
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&number| number > 0).ok_or_else(|| format!("`{text}` is not a number above 0"))
}
