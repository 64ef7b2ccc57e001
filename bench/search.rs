//! How many evaluations a task takes, over a range of seeds: raw samples, and a table of them.
//!
//! `search NAME TASK SEEDS [rule=half] [fitness=random] [limit=EVALUATIONS] [seconds=SECONDS]
//! [PARAMETER=VALUE ...]` writes `samples/NAME.csv`; `search table` makes `RESULTS.md` of all
//! samples. Both are in the folder that `BENCH_INTO` names, else in `_build/bench`.

use cambrian_core::base::rng::{Purpose, Stream};
use cambrian_core::genome::genotype::Genotype;
use cambrian_core::genome::parameters::{Parameters, Value};
use cambrian_core::phenotype::network::Network;
use cambrian_core::search::population::{Evaluated, Population};
use cambrian_core::task::{self, Score, Task};
use rayon::prelude::*;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

mod quantile;
use quantile::quantile;

static GO: AtomicBool = AtomicBool::new(false);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.as_slice() {
        [only] if only == "table" => table(),
        [name, task, seeds, settings @ ..] => sample(name, task, seeds, settings),
        _ => Err("expected `table`, or NAME TASK SEEDS [SETTING=VALUE ...]".into()),
    };
    if let Err(error) = done {
        eprintln!("search: {error}");
        std::process::exit(2);
    }
}

fn into() -> PathBuf {
    let default = || concat!(env!("CARGO_MANIFEST_DIR"), "/../_build/bench").into();
    std::env::var_os("BENCH_INTO").map_or_else(default, PathBuf::from)
}

// ---- samples ----------------------------------------------------------------

struct Settings {
    parameters: Parameters,
    limit: u64,
    seconds: f64,
    rule: Rule,
}

/// When a search has succeeded.
enum Rule {
    /// The task's own criterion.
    Trial,
    /// XOR as in the NEAT paper: a genotype has all four outputs on the right side of a half.
    Half,
    /// The task's own criterion, for any genotype, while fitness is a random number.
    Random,
}

/// How one seed went.
struct Sample {
    solved: bool,
    evaluations: u64,
    ms: f64,
    best: f64,
    /// Of 625 starts, where the task tries them.
    generalisation: Option<f64>,
}

fn sample(name: &str, task_name: &str, seeds: &str, settings: &[String]) -> Result<(), String> {
    let task = task::named(task_name).ok_or_else(|| {
        let names: Vec<&str> = task::TASKS.iter().map(|t| t.0).collect();
        format!("no task {task_name}; there are {}", names.join(", "))
    })?;
    let count: u64 = seeds.parse().map_err(|_| format!("{seeds}: expected a number of seeds"))?;
    let about = settings.iter().fold(task_name.to_string(), |about, s| format!("{about} {s}"));
    let settings = Settings::read(task, settings)?;
    let mut csv = format!("# {about}\nseed,solved,evaluations,ms,best,generalisation\n");
    let mut samples = Vec::new();
    for seed in 1..=count {
        let s = search(task, &settings, seed);
        let starts = s.generalisation.map_or(String::new(), |g| g.to_string());
        writeln!(csv, "{seed},{},{},{:.3},{},{starts}", s.solved, s.evaluations, s.ms, s.best)
            .expect("memory");
        samples.push(s);
    }
    let path = into().join("samples").join(format!("{name}.csv"));
    std::fs::create_dir_all(into().join("samples")).map_err(|error| error.to_string())?;
    std::fs::write(&path, csv).map_err(|error| format!("{}: {error}", path.display()))?;
    let summary = Summary::of(&samples);
    println!("{name}: {} of {count} solved, {}", summary.solved, summary.evaluations.text());
    Ok(())
}

impl Settings {
    fn read(task: &dyn Task, args: &[String]) -> Result<Settings, String> {
        let parameters = task.parameters();
        let mut settings =
            Settings { parameters, limit: 100_000, seconds: f64::INFINITY, rule: Rule::Trial };
        for arg in args {
            let (name, text) =
                arg.split_once('=').ok_or_else(|| format!("{arg}: expected NAME=VALUE"))?;
            let number = || text.parse::<f64>().map_err(|_| format!("{arg}: expected a number"));
            match name {
                "limit" => settings.limit = number()? as u64,
                "seconds" => settings.seconds = number()?,
                "rule" if text == "half" => settings.rule = Rule::Half,
                "rule" => return Err(format!("{arg}: expected half")),
                "fitness" if text == "random" => settings.rule = Rule::Random,
                "fitness" => return Err(format!("{arg}: expected random")),
                _ => {
                    let other =
                        || number().map_or_else(|_| Value::Name(text.into()), Value::Number);
                    let value = text.parse().map_or_else(|_| other(), Value::Integer);
                    settings.parameters.set(name, &value).map_err(|error| error.to_string())?;
                }
            }
        }
        Ok(settings)
    }
}

fn search(task: &dyn Task, settings: &Settings, seed: u64) -> Sample {
    let started = Instant::now();
    let parameters = settings.parameters.clone();
    let mut population = Population::new(parameters, task.shape(), seed).expect("a task's shape");
    loop {
        let (evaluated, solved, generalisation) = settings.rule.evaluate(task, population);
        let evaluations = evaluated.stats().evaluations;
        let elapsed = started.elapsed().as_secs_f64();
        if solved || evaluations >= settings.limit || elapsed >= settings.seconds {
            let best = settings.rule.best(&evaluated);
            return Sample { solved, evaluations, ms: 1e3 * elapsed, best, generalisation };
        }
        population = evaluated.next(&GO).expect("nobody stops it");
    }
}

impl Rule {
    /// A generation with its fitness, whether it solves the task, and what a trial says of that.
    fn evaluate(&self, task: &dyn Task, population: Population) -> (Evaluated, bool, Option<f64>) {
        if let Rule::Random = self {
            let (evaluated, solved) = at_random(task, population);
            return (evaluated, solved, None);
        }
        let mut evaluated = population.evaluate(task, &GO).expect("nobody stops it");
        let (solved, generalisation) = self.met(task, &mut evaluated);
        (evaluated, solved, generalisation)
    }

    /// The highest fitness, which says nothing if it is random.
    fn best(&self, evaluated: &Evaluated) -> f64 {
        let known = evaluated.population().champion().filter(|_| !matches!(self, Rule::Random));
        known.map_or(f64::NAN, |champion| champion.fitness)
    }

    fn met(&self, task: &dyn Task, evaluated: &mut Evaluated) -> (bool, Option<f64>) {
        match self {
            Rule::Half => (some_on_the_right_side(evaluated), None),
            Rule::Trial | Rule::Random => {
                let Some(at) = evaluated.contender() else { return (false, None) };
                let trial = task.trial(&Network::new(evaluated.tuned(at)));
                let starts =
                    trial.facts.iter().find(|fact| fact.0 == "starts_of_625").map(|fact| fact.1);
                (trial.solved, starts)
            }
        }
    }
}

/// A generation with random fitness: what selection does is chance. Every new genotype undergoes
/// the task's trial.
fn at_random(task: &dyn Task, population: Population) -> (Evaluated, bool) {
    let waiting: Vec<Arc<Genotype>> = population.waiting().cloned().collect();
    let solves = |genotype: &Arc<Genotype>| task.trial(&Network::new(genotype)).solved;
    let solved = waiting.par_iter().any(solves);
    let mut rng = Stream::new(population.seed(), Purpose::Sample, population.generation(), 0);
    let scores = waiting.iter().map(|_| Score::from(f64::from(rng.unit()))).collect();
    (population.with_scores(scores).expect("a number for each"), solved)
}

/// Only those are looked at whose 4 − Σe² is over 3, as it is where no error reaches a half.
fn some_on_the_right_side(evaluated: &Evaluated) -> bool {
    const CASES: [[f32; 2]; 4] = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
    let right = |network: &Network| {
        CASES.iter().all(|inputs| (network.activate(inputs)[0] > 0.5) == (inputs[0] != inputs[1]))
    };
    let genotypes = evaluated.population().genotypes().iter();
    genotypes
        .zip(evaluated.fitness())
        .any(|(g, fitness)| fitness.is_some_and(|fitness| fitness > 3.0) && right(&Network::new(g)))
}

// ---- the table --------------------------------------------------------------

/// What is shown of a column of numbers.
struct Spread {
    mean: f64,
    quartiles: [f64; 3],
}

impl Spread {
    fn of(values: Vec<f64>) -> Spread {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        Spread { mean, quartiles: [0.25, 0.5, 0.75].map(|p| quantile(&values, p)) }
    }

    fn text(&self) -> String {
        let [low, median, high] = self.quartiles.map(f64::round);
        format!("median {median} ({low} to {high}), mean {}", self.mean.round())
    }
}

struct Summary {
    solved: usize,
    /// Of those that solved it.
    evaluations: Spread,
    ms: Spread,
    generalisation: Spread,
    /// Of all.
    best: Spread,
}

impl Summary {
    fn of(samples: &[Sample]) -> Summary {
        let solved: Vec<&Sample> = samples.iter().filter(|s| s.solved).collect();
        Summary {
            solved: solved.len(),
            evaluations: Spread::of(solved.iter().map(|s| s.evaluations as f64).collect()),
            ms: Spread::of(solved.iter().map(|s| s.ms).collect()),
            generalisation: Spread::of(solved.iter().filter_map(|s| s.generalisation).collect()),
            best: Spread::of(samples.iter().map(|s| s.best).collect()),
        }
    }
}

fn table() -> Result<(), String> {
    let mut text =
        String::from("# Search\n\nMade by `bin/bench search` of the raw samples in `samples/`.\n");
    text += "Evaluations and milliseconds are those of the seeds that solved the task; the \
             others are counted only.\n";
    text += "Quartiles are linear between two values, as type 7 of R: the middle one is the \
             mean of the middle two of an even count.\n\n";
    text += "| sample | solved | evaluations: mean | quartiles | ms: median | generalisation: \
             mean | best: median |\n";
    text += "|---|---|---|---|---|---|---|\n";
    let mut histograms = String::new();
    for (name, about, samples) in all_samples()? {
        let Summary { solved, evaluations, ms, generalisation, best } = Summary::of(&samples);
        let [low, median, high] = evaluations.quartiles.map(f64::round);
        writeln!(
            text,
            "| {name}: `{about}` | {solved} of {} | {:.0} | {low} / **{median}** / {high} | \
             {:.1} | {:.0} | {:.4} |",
            samples.len(),
            evaluations.mean.round(),
            ms.quartiles[1],
            generalisation.mean.round(),
            best.quartiles[1],
        )
        .expect("memory");
        writeln!(histograms, "\n## {name}\n\n```\n{}```", histogram(&samples)).expect("memory");
    }
    let text = text.replace("NaN", "-") + &histograms;
    std::fs::write(into().join("RESULTS.md"), text).map_err(|error| format!("RESULTS.md: {error}"))
}

type Named = (String, String, Vec<Sample>);

fn all_samples() -> Result<Vec<Named>, String> {
    let entries =
        std::fs::read_dir(into().join("samples")).map_err(|error| format!("samples: {error}"))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths.into_iter().map(|path| read(&path)).collect()
}

fn read(path: &Path) -> Result<Named, String> {
    let wrong = |what: &str| format!("{}: {what}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error.to_string()))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let about = text.lines().next().unwrap_or_default().trim_start_matches("# ").to_string();
    let row = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let [_seed, solved, evaluations, ms, best, generalisation] = fields[..] else {
            return None;
        };
        Some(Sample {
            solved: solved.parse().ok()?,
            evaluations: evaluations.parse().ok()?,
            ms: ms.parse().ok()?,
            best: best.parse().ok()?,
            generalisation: generalisation.parse().ok(),
        })
    };
    let rows = text.lines().skip(2).map(|line| row(line).ok_or_else(|| wrong(line)));
    Ok((name, about, rows.collect::<Result<_, _>>()?))
}

/// How many seeds needed how many evaluations: a bar for each quarter of the median, up to three
/// medians.
fn histogram(samples: &[Sample]) -> String {
    let median = Summary::of(samples).evaluations.quartiles[1];
    let width = (median / 4.0).max(1.0);
    let mut bars = [0; 13];
    for s in samples.iter().filter(|s| s.solved) {
        bars[((s.evaluations as f64 / width) as usize).min(12)] += 1;
    }
    let unsolved = samples.iter().filter(|s| !s.solved).count();
    let mut text = String::new();
    for (at, count) in bars.into_iter().enumerate() {
        let from = at as f64 * width;
        let to = if at == 12 { "      on".into() } else { format!("{:8}", (from + width).round()) };
        let bar = "█".repeat(count);
        writeln!(text, "{}", format!("{:8} {to} {count:4} {bar}", from.round()).trim_end())
            .expect("memory");
    }
    if unsolved > 0 {
        writeln!(text, "{:>17} {unsolved:4}", "unsolved").expect("memory");
    }
    text
}
