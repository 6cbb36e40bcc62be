//! The table as people read it, with the machine it was made on.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::input::Input;
use crate::options::Options;
use crate::sample::Sample;
use crate::table::{Layer, Row, Spread, Table};

/// The whole report, as markdown.
pub fn render(options: &Options, input: &Input, sample: &Sample, table: &Table) -> String {
    let mut out = String::from("# What it costs\n\n");
    let mut line = |text: String| out += &(text + "\n");
    if !options.note.is_empty() {
        line(format!("**{}**\n", options.note));
    }
    line(format!("- machine: {}", machine()));
    line(format!(
        "- program: {}; {}",
        said_by(&options.binary, &["--version"]),
        said_by(Path::new("rustc"), &["--version"])
    ));
    line(format!("- input: {}", input.describe()));
    line(format!(
        "- floors and cores: on {} MiB of it, this thread's CPU time; {} rounds, in which everything took its turn",
        sample.bytes >> 20,
        options.rounds
    ));
    line(format!("- load of the machine at the end: {}", read("/proc/loadavg")));
    line(String::new());
    line("CPU is user and system seconds for a GiB of input: the median, least and most of the rounds. `handled` is the \
          bytes that a step really has before it (of a job: that left the program), as a share of the input; `of those` is for a GiB of them. `of floor` is \
          the floor's CPU divided by the row's: 100 % is a program of nothing but bare loops.".to_owned());
    for layer in Layer::ALL {
        let rows: Vec<&Row> = table.rows.iter().filter(|row| row.layer == layer).collect();
        if !rows.is_empty() {
            out += &section(layer, &rows, table);
        }
    }
    if !table.lives.is_empty() {
        out += "\n## live\n\nA daemon with a Loki sink; windows of ten seconds.\n\n| what | | min..max | goal |\n|---|---:|---:|---:|\n";
    }
    for live in &table.lives {
        let Spread { median, min, max } = Spread::of(&live.values);
        out +=
            &format!("| {} | {median:.2} {} | {min:.2}..{max:.2} | {} |\n", live.name.trim_end(), live.unit, live.goal);
    }
    out.trim_end().to_owned()
}

fn section(layer: Layer, rows: &[&Row], table: &Table) -> String {
    let is_whole = layer == Layer::Whole;
    let mut out = format!("\n## {}\n\n", layer.name());
    out += "| what | handled | CPU s/GiB | min..max |";
    out += match layer {
        Layer::Floor => "\n|---|---:|---:|---:|\n",
        Layer::Core => " CPU s/GiB of those | floor | of floor |\n|---|---:|---:|---:|---:|---:|---:|\n",
        Layer::Whole | Layer::Live => {
            " system | floor | of floor | wall s/GiB | MiB/s | peak MiB |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n"
        }
    };
    for row in rows {
        let cpu = Spread::of(&row.cpu);
        let handled = if row.handled > 0.0 { format!("{:.2}", row.handled) } else { "–".to_owned() };
        out += &format!("| {} | {handled} | {:.2} | {:.2}..{:.2} |", row.name, cpu.median, cpu.min, cpu.max);
        if layer == Layer::Core {
            out += &format!(" {:.2} |", cpu.median / row.handled);
        }
        if is_whole {
            out += &format!(" {:.2} |", Spread::of(&row.system).median);
        }
        if layer != Layer::Floor {
            out += &match table.floor_of(row) {
                Some(floor) => format!(" {floor:.2} | {:.0} % |", 100.0 * floor / cpu.median),
                None => " – | – |".to_owned(),
            };
        }
        if is_whole {
            let (wall, peak) = (Spread::of(&row.wall), Spread::of(&row.peak_kib));
            out += &format!(" {:.2} | {:.0} | {:.1} |", wall.median, 1024.0 / wall.median, peak.max / 1024.0);
        }
        out.push('\n');
    }
    if is_whole {
        out += "\nThe floor of a job is the sum of these:\n\n";
        for row in rows {
            out += &format!("- {}: {}\n", row.name, row.floor.join(" + "));
        }
    }
    out
}

fn machine() -> String {
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown");
    let memory = read("/proc/meminfo");
    let kib = memory.lines().next().and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0);
    format!(
        "{}, {} cores, {} GiB, Linux {}",
        model.trim_start_matches([' ', '\t', ':']),
        cpus.lines().filter(|line| line.starts_with("processor")).count(),
        kib >> 20,
        read("/proc/sys/kernel/osrelease"),
    )
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn said_by(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(|error| error.to_string(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
