//! Exports one file of Rust that needs only `core`: a module for a program on a device.
//!
//! Its mathematics is the source text of this crate.

use super::name::Name;
use super::parts::Parts;
use super::plan::{Plan, Special, Unit};
use crate::base::choice::Choice;
use crate::base::math::Activation;
use crate::genome::dynamics::Dynamics;
use crate::genome::plasticity::Plasticity;
use crate::phenotype::kernel::Link;
use crate::phenotype::normalisation::CUT;
use std::fmt::Write;

/// The source text of a module of that name.
pub fn write(plan: &Plan, name: &Name) -> String {
    let (tables, network) = (tables(plan), network(plan));
    let parts = parts(plan).needed(&format!("{tables}{network}"));
    format!("{}{}{}{parts}{tables}{network}", header(plan, name), uses(&parts), constants(plan))
}

/// The name of an item: the name after the keyword of its kind.
fn defined(names: &[String]) -> Option<&String> {
    let is_kind = |name: &&String| ["fn", "const", "struct", "impl"].contains(&name.as_str());
    names.iter().skip_while(|name| !is_kind(name)).nth(1)
}

fn parts(plan: &Plan) -> Parts {
    let mut parts = Parts::default();
    parts.add(include_str!("network.rs"), defined);
    for text in [
        include_str!("../../base/math.rs"),
        include_str!("../../base/math/elementary.rs"),
        include_str!("../../base/math/activation.rs"),
        include_str!("../../base/math/aggregation.rs"),
        include_str!("../../genome/dynamics.rs"),
        include_str!("../../genome/plasticity.rs"),
    ] {
        parts.add(&private(text), defined);
    }
    for activation in plan.units.iter().map(|unit| unit.activation) {
        parts.add(&format!("{}\n", activation_fn(activation)), defined);
    }
    parts
}

/// Prepares a module of this crate as a source of parts: private, without its tests, and without
/// the inline attributes.
fn private(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or("");
    let lines = text.lines().filter(|line| *line != "#[inline(always)]");
    lines
        .map(|line| {
            format!(
                "{}\n",
                line.strip_prefix("pub ").or(line.strip_prefix("pub(crate) ")).unwrap_or(line)
            )
        })
        .collect()
}

/// An activation under its own name, because `tanh` is the name of a function that it calls.
fn activation_fn(activation: Activation) -> String {
    format!("fn activation_{}(x: f32) -> f32 {{\n    {}\n}}", activation.name(), activation.code())
}

fn uses(parts: &str) -> String {
    let names: Vec<&str> =
        ["FRAC_1_PI", "LN_2", "LOG2_E"].into_iter().filter(|name| has_word(parts, name)).collect();
    if names.is_empty() {
        String::new()
    } else {
        format!("use core::f32::consts::{{{}}};\n\n", names.join(", "))
    }
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|other| other == word)
}

fn header(plan: &Plan, name: &Name) -> String {
    let Plan { inputs, outputs, memory, .. } = plan;
    let (outputs, units, links) = (outputs.len(), plan.units.len(), plan.links());
    let reward = if plan.reward.is_some() {
        "//! network.reward(1.0); // how good it was; it learns from that at every tick\n"
    } else {
        ""
    };
    format!(
        "//! A network that Cambrian {version} evolved: genotype {id}.
//! Inputs: {inputs}; outputs: {outputs}; nodes: {units}; connections: {links}; numbers of memory:
//! {memory}.
//!
//! As `{name}.rs` beside the file that uses it:
//!
//! ```ignore
//! mod {name};
//!
//! let mut network = {name}::Network::new(); // at rest
{reward}//! let outputs = network.step(&[0.0; {name}::INPUTS]);
//! ```
//!
//! The outputs have the same bits as those of cambrian_network for inputs within ±1e12. It checks
//! none, and what is NaN or infinite may come out as anything. It uses `core` alone, neither
//! allocates nor has unsafe code, and compiles with Rust 1.87 and later.
#![allow(dead_code)]

",
        version = env!("CARGO_PKG_VERSION"),
        id = plan.hex_id(),
    )
}

fn constants(plan: &Plan) -> String {
    let index = match plan.row() {
        0..=0xFF => "u8",
        0x100..=0xFFFF => "u16",
        _ => "u32",
    };
    let mut text = format!(
        "pub const INPUTS: usize = {};\npub const OUTPUTS: usize = {};\n\
         pub const MEMORY: usize = {};\n\n",
        plan.inputs,
        plan.outputs.len(),
        plan.memory
    );
    let _ = writeln!(text, "/// A place in the row.\ntype Index = {index};");
    if let Some(most) = plan.specials().map(|(_, unit, _)| unit.links.len()).max() {
        let _ = writeln!(text, "const MOST_TERMS: usize = {most};");
    }
    if let Some(slot) = plan.reward {
        let _ = writeln!(text, "const REWARD: usize = {slot};");
    }
    text + "\n"
}

fn tables(plan: &Plan) -> String {
    let mut text = format!(
        "/// Its nodes in the order in which they are computed.\nstatic UNITS: [Unit; {}] = [\n",
        plan.units.len()
    );
    for (at, unit) in plan.units.iter().enumerate() {
        let Unit { label, gain, bias, activation, links, .. } = unit;
        let _ = writeln!(
            text,
            "    // {}: {label}\n    Unit {{ activation: activation_{}, gain: {gain:?}, \
             bias: {bias:?}, links: {} }},",
            plan.first() + at,
            activation.name(),
            links.len()
        );
    }
    text += "];\n\n/// Of each node, where in the row its sources are, and how much each weighs.\n";
    text += &columns(plan, "SOURCES", "Index", |link| link.source.to_string());
    text += &columns(plan, "WEIGHTS", "f32", |link| format!("{:?}", link.weight));
    text + &normalisation(plan) + &specials(plan)
}

fn normalisation(plan: &Plan) -> String {
    let Some(normalisation) = &plan.normalisation else { return String::new() };
    let row = |name: &str, numbers: &[f32]| {
        let numbers: Vec<String> = numbers.iter().map(|x| format!("{x:?}")).collect();
        format!("static {name}: [f32; INPUTS] = [{}];\n", numbers.join(", "))
    };
    format!(
        "/// Each input less its mean, times its factor, is what the nodes see.\n{}{}\n",
        row("MEANS", normalisation.means()),
        row("FACTORS", normalisation.factors())
    )
}

fn columns(plan: &Plan, name: &str, kind: &str, show: impl Fn(&Link) -> String) -> String {
    let rows = plan.units.iter().filter(|unit| !unit.links.is_empty());
    let row = |unit: &Unit| {
        format!("    {},\n", unit.links.iter().map(&show).collect::<Vec<_>>().join(", "))
    };
    format!(
        "static {name}: [{kind}; {}] = [\n{}];\n\n",
        plan.links(),
        rows.map(row).collect::<String>()
    )
}

fn specials(plan: &Plan) -> String {
    let rows: Vec<String> =
        plan.specials().map(|(at, unit, special)| special_row(at, unit, special)).collect();
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "/// Those of its nodes that do more than sum and activate.\n\
         static SPECIALS: [Special; {}] = [\n{}];\n\n",
        rows.len(),
        rows.concat()
    )
}

fn special_row(at: usize, unit: &Unit, special: &Special) -> String {
    let Special { aggregation, cell, learning, state } = special;
    format!(
        "    // {}
    Special {{
        unit: {at},
        state: {state},
        length: {},
        aggregate: |terms| {}(terms),
        tick: {},
        learn: {},
        time_constant: {:?},
        leak: {:?},
        rate: {:?},
        decay: {:?},
    }},
",
        unit.label,
        cell.slots(),
        aggregation.name(),
        tick(cell.dynamics),
        learn(learning.plasticity),
        cell.time_constant,
        cell.leak,
        learning.rate,
        learning.decay,
    )
}

fn tick(dynamics: Dynamics) -> &'static str {
    match dynamics {
        Dynamics::None => "|_, f, net, _| f(net)",
        Dynamics::Leaky => "|cell, f, net, state| leaky(f, cell.leak, net, state)",
        Dynamics::Cfc => "|cell, f, net, state| cfc(f, cell.time_constant, net, state)",
        Dynamics::Ltc => "|cell, f, net, state| ltc(f, cell.time_constant, net, state)",
        Dynamics::Delay => "|_, f, net, state| delay(f, net, state)",
    }
}

fn learn(plasticity: Plasticity) -> String {
    match plasticity {
        Plasticity::None => "None".to_string(),
        plasticity => format!("Some(learn_{})", plasticity.name()),
    }
}

fn network(plan: &Plan) -> String {
    let Plan { inputs, memory, outputs, carried, .. } = plan;
    let (row, first) = (plan.row(), plan.first());
    let carried: String =
        carried.iter().map(|(to, from)| format!("        row[{to}] = row[{from}];\n")).collect();
    let carrying = if carried.is_empty() {
        ""
    } else {
        "        // what recurrent connections bring at the next tick\n"
    };
    let outputs: Vec<String> = outputs.iter().map(|at| format!("row[{at}]")).collect();
    let outputs = outputs.join(", ");
    let input = match &plan.normalisation {
        Some(_) => format!(
            "for (at, x) in inputs.iter().enumerate() {{
            row[at] = ((x - MEANS[at]) * FACTORS[at]).clamp(-{CUT:?}, {CUT:?});
        }}"
        ),
        None => "row[..INPUTS].copy_from_slice(inputs);".to_string(),
    };
    let has_specials = plan.specials().next().is_some();
    let specials =
        if has_specials { "        let mut specials = SPECIALS.iter().peekable();\n" } else { "" };
    let value = if has_specials {
        "match specials.next_if(|special| special.unit as usize == at) {
                Some(special) => fire(unit, special, &links, row),
                None => plain(unit, &links, row),
            }"
    } else {
        "plain(unit, &links, row)"
    };
    let reward = plan.reward.map_or("", |_| {
        "
    /// Tells it how good it was, within ±1e12: it learns from that until it is told another value.
    /// 0 at rest.
    pub fn reward(&mut self, reward: f32) {
        self.row[REWARD] = reward;
    }
"
    });
    format!(
        "/// All that changes: inputs, memory, nodes.
#[derive(Clone)]
pub struct Network {{
    row: [f32; {row}],
}}

impl Network {{
    /// At rest, where every network begins.
    pub const fn new() -> Network {{
        Network {{ row: [0.0; {row}] }}
    }}

    /// What it remembers from one tick to the next, [`MEMORY`] numbers: the state of the network in
    /// Cambrian.
    pub fn memory(&mut self) -> &mut [f32] {{
        &mut self.row[{inputs}..{inputs} + {memory}]
    }}
{reward}
    /// One tick.
    pub fn step(&mut self, inputs: &[f32; INPUTS]) -> [f32; OUTPUTS] {{
        let row = &mut self.row;
        {input}
        let (mut sources, mut weights) = (&SOURCES[..], &WEIGHTS[..]);
{specials}        for (at, unit) in UNITS.iter().enumerate() {{
            let (these, others) = sources.split_at(unit.links as usize);
            let (weigh, rest) = weights.split_at(unit.links as usize);
            let links = Links {{ sources: these, weights: weigh }};
            row[{first} + at] = {value};
            (sources, weights) = (others, rest);
        }}
{carrying}{carried}        [{outputs}]
    }}
}}
"
    )
}
