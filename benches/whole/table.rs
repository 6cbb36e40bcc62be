//! The figures of all rounds, and what stands beside what.
//!
//! **Invariant**: a row has one figure for each round; a floor is named by the rows that rest on it, and a name that
//! no row has is a mistake of ours and ends the run.

/// What a row is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// A bare loop.
    Floor,
    /// A part of the crate.
    Core,
    /// The program.
    Whole,
    /// The program as a daemon.
    Live,
}

impl Layer {
    pub const ALL: [Layer; 4] = [Layer::Floor, Layer::Core, Layer::Whole, Layer::Live];

    pub fn name(self) -> &'static str {
        match self {
            Layer::Floor => "floors",
            Layer::Core => "cores",
            Layer::Whole => "whole",
            Layer::Live => "live",
        }
    }

    pub fn named(name: &str) -> Result<Layer, String> {
        let known = Layer::ALL.into_iter().find(|layer| layer.name() == name);
        known.ok_or_else(|| format!("unknown layer `{name}`; known: floors, cores, whole, live"))
    }
}

/// One thing that is measured.
pub struct Row {
    /// What kind of thing.
    pub layer: Layer,
    /// Its name.
    pub name: &'static str,
    /// The floors that it cannot be faster than the sum of.
    pub floor: &'static [&'static str],
    /// The bytes it really handles, as a share of the input.
    pub handled: f64,
    /// CPU seconds per GiB of input, one a round.
    pub cpu: Vec<f64>,
    /// Of these in the kernel.
    pub system: Vec<f64>,
    /// Wall seconds per GiB of input; only of the whole program.
    pub wall: Vec<f64>,
    /// Peak memory in KiB; only of the whole program.
    pub peak_kib: Vec<f64>,
}

/// All rows, in the order they were first measured in.
#[derive(Default)]
pub struct Table {
    pub rows: Vec<Row>,
    pub lives: Vec<Live>,
}

/// A figure of the daemon.
pub struct Live {
    /// What of.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// What it is to be; empty where nothing is asked of it.
    pub goal: &'static str,
    /// One a round.
    pub values: Vec<f64>,
}

impl Table {
    /// The row of this name, made where it is new.
    pub fn row(&mut self, layer: Layer, name: &'static str, floor: &'static [&'static str]) -> &mut Row {
        let known = self.rows.iter().position(|row| row.layer == layer && row.name == name);
        let at = known.unwrap_or_else(|| {
            let (cpu, system, wall, peak_kib) = Default::default();
            self.rows.push(Row { layer, name, floor, handled: 0.0, cpu, system, wall, peak_kib });
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }

    /// The figures of the daemon of this name.
    pub fn live(&mut self, name: &'static str, unit: &'static str, goal: &'static str) -> &mut Vec<f64> {
        let known = self.lives.iter().position(|live| live.name == name);
        let at = known.unwrap_or_else(|| {
            self.lives.push(Live { name, unit, goal, values: Vec::new() });
            self.lives.len() - 1
        });
        &mut self.lives[at].values
    }

    /// The sum of the floors of `row`, in CPU seconds per GiB of input; `None` where it names none or none was taken.
    pub fn floor_of(&self, row: &Row) -> Option<f64> {
        if row.floor.is_empty() || !self.rows.iter().any(|row| row.layer == Layer::Floor) {
            return None;
        }
        let of = |name: &&str| {
            let found = self.rows.iter().find(|row| row.layer == Layer::Floor && row.name == *name);
            Spread::of(&found.unwrap_or_else(|| panic!("no floor is called `{name}`")).cpu).median
        };
        Some(row.floor.iter().map(of).sum())
    }
}

/// The middle one of some figures, and the least and the most.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    pub fn of(figures: &[f64]) -> Spread {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (Some(&min), Some(&max)) = (sorted.first(), sorted.last()) else { return Spread::default() };
        let middle = sorted.len() / 2;
        let median =
            if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) };
        Spread { median, min, max }
    }
}
