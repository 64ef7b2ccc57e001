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
#[path = "../quantile.rs"]
mod quantile;
mod report;

use cambrian_core::{wire::codec, wire::delta};
use limits::{Relu, Tanh};
use measure::{Effort, race};
use model::{FAMILIES, Net, Species};
use report::{Report, Unit};
use std::path::PathBuf;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// A busy machine interrupts every few milliseconds, so the median of rounds of one is that of
/// undisturbed ones.
const SHORT: Effort = Effort { rounds: 101, seconds: 0.001 };
const LONG: Effort = Effort { rounds: 15, seconds: 0.06 };

type Part = (&'static str, fn(&mut Report));
const PARTS: [Part; 7] = [
    ("single", single),
    ("batch", batch),
    ("many", many),
    ("compile", compile),
    ("breeding", breeding),
    ("travel", travel),
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
    println!(
        "Medians; the last column is how many times as fast as that contestant the first one is."
    );
    let mut report = Report::new();
    for (name, part) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            part(&mut report);
        }
    }
    let default = || concat!(env!("CARGO_MANIFEST_DIR"), "/../_build/bench").into();
    let into: PathBuf = std::env::var_os("BENCH_INTO").map_or_else(default, PathBuf::from);
    let path = into.join("results.csv");
    if let Err(error) = std::fs::create_dir_all(&into).and_then(|()| report.write(&path)) {
        eprintln!("speed: {}: {error}", path.display());
        std::process::exit(1);
    }
}

/// The network of most cases: 8 inputs, 100 hidden nodes, 4 outputs, 1,000 connections.
fn deep(seed: u64) -> Net {
    Net::deep(100, 1000, seed)
}

fn single(report: &mut Report) {
    let rows = model::inputs(64, 1);
    let headline =
        ("one network, one input, links from any node to any later one (the headline)", deep(1));
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
    report.add(
        "compiling a genotype of 1,000 connections",
        Unit::Compilations,
        &race(contestants, SHORT),
    );
}

fn breeding(report: &mut Report) {
    for (species, links) in [
        (Species::Families, 350),
        (Species::Families, 1000),
        (Species::One, 350),
        (Species::One, 1000),
        (Species::Own, 350),
    ] {
        let nets = model::population(1000, FAMILIES, 98, links, 1);
        let mut contestants = vec![ours::breed(&nets, species, 2)];
        contestants.extend(peers::breed(&nets, species));
        // the others would take minutes to compare every genotype with every other
        if species != Species::Own {
            contestants.insert(1, ours::breed(&nets, species, 1));
            contestants.extend(peers::breed_few(&model::population(10, 2, 98, links, 1), species));
        }
        let species = species.name();
        let case = format!(
            "a generation of 1,000 genotypes of 110 nodes and {links} connections, {species}"
        );
        report.add(&case, Unit::Genotypes, &race(contestants, LONG));
    }
    growth(report);
    memory(report);
}

/// Whether the cost of a genotype stays the same in larger populations.
fn growth(report: &mut Report) {
    let of_size = |size| {
        let mut contestant =
            ours::breed(&model::population(size, FAMILIES, 30, 100, 1), Species::Families, 2);
        contestant.name = format!("{}, {size} genotypes", ours::NAME);
        contestant
    };
    let contestants = [1000, 10_000, 100_000].map(of_size);
    let case = "a generation of genotypes of 42 nodes and 100 connections";
    report.add(case, Unit::Genotypes, &race(contestants.into(), LONG));
}

fn memory(report: &mut Report) {
    for links in [350, 1000] {
        let nets = model::population(1000, FAMILIES, 98, links, 1);
        let case = format!("memory of 1,000 genotypes of 110 nodes and {links} connections");
        report.note(&case, ours::NAME, ours::memory(&nets), "bytes a connection");
    }
}

/// A genotype as bytes, as a difference, and signed.
fn travel(report: &mut Report) {
    for connections in [50, 350, 1000] {
        let genotype = ours::grown(connections);
        let bytes = codec::encode(&genotype);
        let of =
            format!("a genotype of {} nodes and {connections} connections", genotype.nodes().len());
        let sealed = ours::sealed(&genotype, None);
        let [one, all] = ours::descendants(&genotype);
        let difference = |to| delta::diff(&genotype, to).len() as f64;
        for (what, size) in [
            ("canonical", bytes.len() as f64),
            ("in an envelope", sealed.len() as f64),
            ("one with another node, as a difference", difference(&one)),
            ("one with all weights moved, as a difference", difference(&all)),
        ] {
            report.note(&format!("size of {of}"), what, size, "bytes");
        }
        report.note(
            &format!("size of {of}"),
            "canonical",
            bytes.len() as f64 / connections as f64,
            "bytes a connection",
        );
        let mut pair = vec![ours::encode(&genotype)];
        pair.extend(optional(ours::terms("term_to_binary", &genotype)));
        report.add(&format!("writing {of}"), Unit::Sized(bytes.len()), &race(pair, SHORT));
        let mut pair = vec![ours::decode(&bytes)];
        pair.extend(optional(ours::terms("binary_to_term", &genotype)));
        report.add(&format!("reading {of}, checked"), Unit::Sized(bytes.len()), &race(pair, SHORT));
        let (diff, patch) = (ours::diff(&genotype, &one), ours::patch(&genotype, &one));
        let case = format!("the difference of another node to {of}");
        report.add(&case, Unit::Genotypes, &race(vec![diff, patch], SHORT));
        let contestants = vec![ours::seal(&genotype), limits::sign()];
        report.add(
            &format!("packing and signing {of}"),
            Unit::Sized(sealed.len()),
            &race(contestants, SHORT),
        );
        let contestants = vec![ours::open(&sealed), ours::verify(&sealed), limits::verify()];
        let case =
            format!("an envelope of {of}: all that it takes, its signature, and a signature alone");
        report.add(&case, Unit::Sized(sealed.len()), &race(contestants, SHORT));
        let contestants = optional(ours::received(&genotype));
        report.add(
            &format!("from Erlang with trust, {of}"),
            Unit::Sized(sealed.len()),
            &race(contestants, SHORT),
        );
    }
}

/// What cannot be run is skipped by name.
fn optional(
    contestant: Result<measure::Contestant<'static>, String>,
) -> Vec<measure::Contestant<'static>> {
    contestant.inspect_err(|why| println!("\nskipped: from Erlang: {why}")).into_iter().collect()
}

/// The NIF, called from compiled Erlang.
fn erlang(report: &mut Report) {
    if let Err(why) = from_erlang(report) {
        println!("\nskipped: calls from Erlang: {why}");
    }
}

fn from_erlang(report: &mut Report) -> Result<(), String> {
    let (rows, nets) = (model::inputs(64, 1), [deep(1)]);
    let large = ours::from_erlang(&nets[0], &rows, nets[0].links.len())?;
    let figures = race(vec![ours::single(&nets, &rows), large], SHORT);
    report.add(
        "one network, one input, in Rust and called from Erlang with a binary",
        Unit::Connections,
        &figures,
    );
    let small = ours::from_erlang(&Net::full(2, 4, 1), &rows, 1)?;
    let figures = race(vec![small, ours::empty_nif()?], SHORT);
    let case = "a network of 2, 4 and 1 nodes, called from Erlang with a binary";
    report.add(case, Unit::Calls, &figures);
    let more = 1e9 / figures[0].median - 1e9 / figures[1].median;
    report.note(case, "more than an empty NIF", more, "ns");
    Ok(())
}
