//! A table for people on the standard output, and the same as CSV for programs.

use crate::measure::Figure;
use std::fmt::Write;
use std::path::Path;

/// What a case counts, and how that is shown.
#[derive(Clone, Copy)]
pub enum Unit {
    Connections,
    Genotypes,
    /// Shown as the time that one takes.
    Compilations,
    Calls,
    /// Genotypes of so many bytes each.
    Sized(usize),
}

impl Unit {
    /// Of so many a second.
    fn show(self, rate: f64) -> String {
        match self {
            Unit::Connections => format!("{:.1} M connections/s", rate / 1e6),
            Unit::Genotypes => format!("{rate:.0} genotypes/s"),
            Unit::Compilations => format!("{:.2} µs", 1e6 / rate),
            Unit::Calls => format!("{:.0} ns", 1e9 / rate),
            Unit::Sized(bytes) => {
                format!("{rate:.0} genotypes/s, {:.0} MB/s", rate * bytes as f64 / 1e6)
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Unit::Connections => "connections",
            Unit::Genotypes | Unit::Sized(_) => "genotypes",
            Unit::Compilations => "compilations",
            Unit::Calls => "calls",
        }
    }
}

pub struct Report {
    csv: String,
}

impl Report {
    pub fn new() -> Report {
        Report {
            csv: "case,contestant,unit,low_per_s,median_per_s,high_per_s,ours_to_theirs,species\n"
                .into(),
        }
    }

    /// The first figure is the one that the others are compared with.
    pub fn add(&mut self, case: &str, unit: Unit, figures: &[Figure]) {
        println!("\n{case}");
        let shown = |f: &Figure| unit.show(f.median);
        let names = figures.iter().map(|f| f.name.len()).max().unwrap_or(0).max(26);
        let width = figures.iter().map(|f| shown(f).chars().count()).max().unwrap_or(0);
        for (at, f) in figures.iter().enumerate() {
            let ratio = if at == 0 { String::new() } else { format!("{:.2} x", f.ratio) };
            let species =
                if f.species == 0 { String::new() } else { format!("  {} species", f.species) };
            let row = format!("  {:<names$} {:>width$}{ratio:>12}{species}", f.name, shown(f));
            println!("{}", row.trim_end());
            let Figure { name, low, median, high, ratio, species } = f;
            let unit = unit.name();
            writeln!(
                self.csv,
                "\"{case}\",\"{name}\",{unit},{low:.6e},{median:.6e},{high:.6e},{ratio:.3},\
                 {species}"
            )
            .expect("memory");
        }
    }

    /// A single number, with no one to compare it with.
    pub fn note(&mut self, case: &str, what: &str, value: f64, unit: &str) {
        println!("\n{case}\n  {what:<26} {value:.1} {unit}");
        writeln!(self.csv, "\"{case}\",\"{what}\",{unit},,{value:.3},,,").expect("memory");
    }

    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        std::fs::write(path, &self.csv)
    }
}

/// The machine, since no figure means anything without it.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{}, {cores} cores, {} {}",
        model(),
        std::env::consts::ARCH,
        instruction_sets().join(" ")
    )
}

fn model() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info.lines().find_map(|line| line.strip_prefix("model name"));
    line.map_or("unknown processor".into(), |name| name.trim_start_matches([' ', '\t', ':']).into())
}

#[cfg(target_arch = "x86_64")]
fn instruction_sets() -> Vec<&'static str> {
    let sets = [
        ("AVX2", is_x86_feature_detected!("avx2")),
        ("AVX-512", is_x86_feature_detected!("avx512f")),
    ];
    sets.into_iter().filter(|set| set.1).map(|set| set.0).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn instruction_sets() -> Vec<&'static str> {
    Vec::new()
}
