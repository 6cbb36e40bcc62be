//! Instructions that each core takes, counted by callgrind and held against what was counted before: a slower hot path is
//! seen when it lands, on any machine and however busy.
//!
//! ```text
//! count ─▶ valgrind ─▶ once: every core, a dump after each ─▶ instructions a KiB of input ─▶ benches/instructions
//! ```
//! **Invariant**: the same program on the same input counts the same, to some hundredths of a per cent where it asks for no memory; the
//! allocator adds up to one and a half, so that a core's count is the least of some runs. The same source built in another folder
//! moves a core by one more. Another compiler makes another program: then the figures are shown and not judged.
//!
//! Refuses to say how fast a core is: an instruction that waits for memory counts as one that does not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cores;
use crate::input::Input;
use crate::options::Options;
use crate::sample::Sample;
use crate::table::{Layer, Table};

/// What was counted last, a core a line.
const BASELINE: &str = "benches/instructions";
/// A core that takes so many per cent more than it did, and so many instructions more a KiB, has become slower. What the
/// allocator does from one run to the next is a few of them, which is much of a core that hardly does anything.
const TOLERANCE: f64 = 3.0;
const SLACK: u64 = 24;
/// Runs under the counter.
const RUNS: u32 = 3;
/// Bytes of input: enough for every kind of line, few enough for a program that runs fifty times slower.
const SIZE: u64 = 2 << 20;

/// `count [--save]`: counts, and compares with what was counted before or saves it as that.
pub fn count(arguments: &[String]) -> Result<(), String> {
    let is_saved = match arguments {
        [] => false,
        [save] if save == "--save" => true,
        _ => return Err("usage: benches/run count [--save]".to_owned()),
    };
    let compiler = said_by("rustc", "--version")?;
    let counted = counted()?;
    if is_saved {
        let lines = counted.iter().map(|(name, count)| format!("{count:>8} {name}\n"));
        let text =
            format!("# Instructions for a KiB of input, by {compiler}. `benches/run count --save` counts anew.\n");
        return fs::write(BASELINE, text + &lines.collect::<String>()).map_err(|error| format!("{BASELINE}: {error}"));
    }
    let text = fs::read_to_string(BASELINE).map_err(|error| format!("{BASELINE}: {error}"))?;
    let before: Vec<(&str, u64)> = text.lines().filter_map(parse).collect();
    let mut slower = Vec::new();
    println!("{:>10} {:>10} {:>8}  core", "before", "now", "");
    for (name, now) in &counted {
        let Some((_, before)) = before.iter().find(|(known, _)| known == name) else {
            println!("{:>10} {now:>10} {:>8}  {name}", "–", "new");
            slower.push(format!("`{name}` was not counted before"));
            continue;
        };
        let change = 100.0 * (*now as f64 / *before as f64 - 1.0);
        println!("{before:>10} {now:>10} {change:>+7.1}%  {name}");
        if change > TOLERANCE && *now > before + SLACK {
            slower.push(format!("`{name}` takes {change:.1} % more instructions than it did"));
        }
    }
    if !text.lines().next().is_some_and(|head| head.contains(&compiler)) {
        println!("not judged: the figures before are another compiler's than {compiler}");
        return Ok(());
    }
    if slower.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{}\nhint: find what it is spent on with `valgrind --tool=callgrind`; where it is worth it, `benches/run count --save`, and \
         say why in the commit",
        slower.join("\n")
    ))
}

/// Runs every core once, for the one who counts; prints their names in that order.
pub fn once() -> Result<(), String> {
    let options = Options { size: SIZE, pods: 8, sample: SIZE, ..Options::default() };
    let sample = Sample::take(&Input::generate(&options)?, SIZE)?;
    let mut table = Table::default();
    cores::round(&sample, &mut table)?;
    println!("{}", sample.bytes);
    table.rows.iter().filter(|row| row.layer == Layer::Core).for_each(|row| println!("{}", row.name));
    Ok(())
}

/// Each core and its instructions for a KiB of input: the least of the runs.
fn counted() -> Result<Vec<(String, u64)>, String> {
    let mut least = counted_once()?;
    for _ in 1..RUNS {
        let again = counted_once()?;
        least.iter_mut().zip(again).for_each(|((_, least), (_, again))| *least = again.min(*least));
    }
    Ok(least)
}

fn counted_once() -> Result<Vec<(String, u64)>, String> {
    let failed = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
    let program = std::env::current_exe().map_err(|error| failed("this program", &error))?;
    // The input is written before: by a program that runs as fast as it can.
    let ready = Command::new(&program).arg("once").output().map_err(|error| failed("this program", &error))?;
    let dumps = crate::input::folder().join(format!("callgrind-{}", std::process::id()));
    fs::create_dir_all(&dumps).map_err(|error| failed("a folder", &error))?;
    let out = dumps.join("out");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--dump-before=whole::clock::mark"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(&program)
        .arg("once")
        .output()
        .map_err(|error| format!("valgrind: {error}\nhint: install valgrind"))?;
    let result = if !ready.status.success() || !output.status.success() {
        Err(format!("valgrind: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
    } else {
        read(&String::from_utf8_lossy(&output.stdout), &out)
    };
    fs::remove_dir_all(&dumps).map_err(|error| failed("a folder", &error))?;
    result
}

fn read(said: &str, out: &Path) -> Result<Vec<(String, u64)>, String> {
    let mut lines = said.lines();
    let bytes: u64 = lines.next().and_then(|bytes| bytes.parse().ok()).ok_or("no size was said")?;
    let names: Vec<&str> = lines.collect();
    // The dump at a core's beginning has what made it ready, the one at its end has the core.
    let of = |(number, name): (usize, &&str)| {
        let file = PathBuf::from(format!("{}.{}", out.display(), 2 * (number + 1)));
        let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let sum = text.lines().find_map(|line| line.strip_prefix("summary: ")?.trim().parse::<u64>().ok());
        let sum = sum.filter(|sum| *sum > 0).ok_or_else(|| format!("{name}: nothing was counted"))?;
        Ok(((*name).to_owned(), sum * 1024 / bytes))
    };
    names.iter().enumerate().map(of).collect()
}

fn parse(line: &str) -> Option<(&str, u64)> {
    let (count, name) = line.trim_start().split_once(' ')?;
    Some((name, count.parse().ok()?))
}

fn said_by(program: &str, argument: &str) -> Result<String, String> {
    let output = Command::new(program).arg(argument).output().map_err(|error| format!("{program}: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
