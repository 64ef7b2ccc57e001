//! How fast Cambrian is, beside other libraries and beside loops written by hand, in the same run.
//!
//! `speed [PART ...]`; `bench/README.md` says what each part measures.

mod companion;
mod limits;
mod measure;
mod memory;
mod model;
mod ours;
mod peers;
mod report;

use limits::{Relu, Tanh};
use measure::{Effort, race};
use model::Net;
use report::{Report, Unit};
use std::path::Path;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// A busy machine interrupts every few milliseconds, so the median of rounds of one is that of undisturbed ones.
const SHORT: Effort = Effort { rounds: 201, seconds: 0.001 };
const LONG: Effort = Effort { rounds: 5, seconds: 0.2 };

type Part = (&'static str, fn(&mut Report));
const PARTS: [Part; 6] = [
    ("single", single),
    ("batch", batch),
    ("many", many),
    ("compile", compile),
    ("breeding", breeding),
    ("erlang", erlang),
];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = wanted.iter().find(|name| PARTS.iter().all(|part| part.0 != **name)) {
        eprintln!("speed: no part {unknown}; there are {}", PARTS.map(|part| part.0).join(", "));
        std::process::exit(2);
    }
    println!("{}", report::machine());
    for skipped in peers::skipped() {
        println!("skipped: {skipped}");
    }
    println!("Medians; the last column is how many times as fast as that contestant the first one is.");
    let mut report = Report::new();
    for (name, part) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            part(&mut report);
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("results.csv");
    report.write(&path).unwrap_or_else(|error| eprintln!("speed: {}: {error}", path.display()));
}

/// The network of most cases: 8 inputs, 100 hidden nodes, 4 outputs, 1,000 connections.
fn deep(seed: u64) -> Net {
    Net::deep(100, 1000, seed)
}

fn single(report: &mut Report) {
    let rows = model::inputs(64, 1);
    let headline = ("one network, one input, links from any node to any later one (the headline)", deep(1));
    let layered = ("one network, one input, one hidden layer", Net::layered(100, 1));
    for (case, net) in [headline, layered] {
        peers::agree(&net, &rows);
        let nets = [net];
        let mut contestants = vec![ours::single(&nets, &rows)];
        contestants.extend(peers::single(&nets, &rows));
        contestants.push(limits::single::<Tanh>(&nets, &rows));
        contestants.push(limits::single::<Relu>(&nets, &rows));
        report.add(case, Unit::Connections, &race(contestants, SHORT));
    }
}

fn batch(report: &mut Report) {
    let (net, rows) = (deep(1), model::inputs(1000, 1));
    let mut contestants = vec![ours::batch(&net, &rows)];
    contestants.extend(peers::batch(&net, &rows));
    contestants.extend(limits::batch::<Tanh>(&net, &rows));
    contestants.extend(limits::batch::<Relu>(&net, &rows));
    report.add("one network, 1,000 inputs", Unit::Connections, &race(contestants, SHORT));
}

fn many(report: &mut Report) {
    let rows = model::inputs(64, 1);
    for (case, count) in [
        ("64 networks, one input each: all fit into the second cache", 64),
        ("1,000 networks, one input each: they do not", 1000),
    ] {
        let nets: Vec<Net> = (1..=count).map(deep).collect();
        let mut contestants = vec![ours::single(&nets, &rows)];
        contestants.extend(peers::many(&nets, &rows));
        contestants.push(limits::single::<Tanh>(&nets, &rows));
        report.add(case, Unit::Connections, &race(contestants, SHORT));
    }
}

fn compile(report: &mut Report) {
    let net = deep(1);
    let mut contestants = vec![ours::compile(&net)];
    contestants.extend(peers::compile(&net));
    report.add("compiling a genotype of 1,000 connections", Unit::Compilations, &race(contestants, SHORT));
}

/// Distance below which all are one species, families are species, each genotype is a species of its own.
const ONE: f32 = 1e6;
const FAMILY: f32 = 6.0;
const OWN: f32 = 0.001;

fn breeding(report: &mut Report) {
    for (links, families, threshold) in [
        (350, 50, FAMILY),
        (1000, 50, FAMILY),
        (350, 50, ONE),
        (1000, 50, ONE),
        (350, 50, OWN),
        (1000, 50, OWN),
    ] {
        let nets = model::population(1000, families, 98, links, 1);
        let mut contestants = vec![ours::breed(&nets, threshold, 2), ours::breed(&nets, threshold, 1)];
        contestants.extend(peers::breed(&nets, threshold));
        let case = format!("a generation of 1,000 genotypes of 110 nodes and {links} connections");
        report.add(&case, Unit::Genotypes, &race(contestants, LONG));
    }
    let of_size = |size| {
        let nets = model::population(size, 50, 30, 100, 1);
        let mut contestant = ours::breed(&nets, FAMILY, 2);
        contestant.name = format!("{}, {size} genotypes", ours::NAME);
        contestant
    };
    let contestants = [1000, 10_000, 100_000].map(of_size);
    let case = "a generation of genotypes of 42 nodes and 100 connections";
    report.add(case, Unit::Genotypes, &race(contestants.into(), LONG));
    for links in [350, 1000] {
        let nets = model::population(1000, 50, 98, links, 1);
        let case = format!("memory of 1,000 genotypes of 110 nodes and {links} connections");
        report.note(&case, ours::NAME, ours::memory(&nets, FAMILY), "bytes a connection");
    }
}

fn erlang(_report: &mut Report) {}
