//! Exports one file of C99 that needs neither libm nor malloc.
//!
//! Its tables are `static const`, so that they stay in flash. It writes only to a
//! `struct NAME_network` of the caller.

use super::name::Name;
use super::parts::Parts;
use super::plan::{Plan, Special, Unit};
use crate::base::choice::Choice;
use crate::genome::plasticity::Plasticity;
use crate::phenotype::normalisation::CUT;
use std::fmt::Write;

/// The source text. Names in it begin with `name` and an underscore.
pub fn write(plan: &Plan, name: &Name) -> String {
    let (tables, step) = (tables(plan), functions(plan));
    let mut parts = Parts::default();
    parts.add(include_str!("network.c"), |names| {
        names.iter().find(|name| name.starts_with("cambrian_") || name.starts_with("CAMBRIAN_"))
    });
    let parts = parts.needed(&format!("{tables}{step}"));
    // the types of the nodes are declared before the tables, and the code that reads the tables
    // comes after them
    let body = format!("{}{}\n{parts}{tables}{step}", guards(), private_constants(plan));
    let text = format!("{}{}", declarations(plan), body);
    let named = text.replace("cambrian_", &format!("{name}_"));
    let upper = name.as_str().to_ascii_uppercase();
    format!("{}{}", header(plan, name), named.replace("CAMBRIAN_", &format!("{upper}_")))
}

fn header(plan: &Plan, name: &Name) -> String {
    let upper = name.as_str().to_ascii_uppercase();
    let Plan { inputs, outputs, memory, .. } = plan;
    let (outputs, units, links) = (outputs.len(), plan.units.len(), plan.links());
    let reward = if plan.reward.is_some() {
        format!(
            " *     {name}_reward(&network, 1.0f);  // how good it was; it learns from that at \
             every tick\n"
        )
    } else {
        String::new()
    };
    format!(
        "/* A network that Cambrian {version} evolved: genotype {id}.
 * Inputs: {inputs}; outputs: {outputs}; nodes: {units}; connections: {links}; \
         numbers of memory: {memory}.
 *
 * Include this file where it is used:
 *
 *     #include \"{name}.c\"
 *
 *     struct {name}_network network;
 *     float inputs[{upper}_INPUTS] = {{0}}, outputs[{upper}_OUTPUTS];
 *     {name}_init(&network);  // at rest
{reward} *     {name}_step(&network, inputs, outputs);
 *
 * or compile it by itself; those that call it then include it after #define {upper}_DECLARATIONS.
 *
 * The outputs have the same bits as those of cambrian_network for inputs within +-1e12. It checks
 * none, and what is NaN or infinite may come out as anything. Compile it with -ffp-contract=off, or
 * -std=c99, and without -ffast-math: a fused multiply-add rounds once where two operations round
 * twice. Numbers below 1.2e-38 must not be flushed to nought, which is so unless a program asks for
 * it. It is C99, needs an IEEE 754 float, and neither libm nor malloc.
 */
",
        version = env!("CARGO_PKG_VERSION"),
        id = plan.hex_id(),
    )
}

fn declarations(plan: &Plan) -> String {
    let reward = plan.reward.map_or("", |_| {
        "
/* Tells it how good it was, within +-1e12: it learns from that until it is told another value.
   0 at rest. */
void cambrian_reward(struct cambrian_network *network, float reward);
"
    });
    format!(
        "#ifndef CAMBRIAN_INPUTS

#define CAMBRIAN_INPUTS {}
#define CAMBRIAN_OUTPUTS {}
#define CAMBRIAN_MEMORY {}

/* All that changes: inputs, memory, nodes. */
struct cambrian_network {{
    float row[{}];
}};

/* At rest, where every network begins. */
void cambrian_init(struct cambrian_network *network);

/* One tick. */
void cambrian_step(struct cambrian_network *network, const float *inputs, float *outputs);

/* What it remembers from one tick to the next, CAMBRIAN_MEMORY numbers: the state of the network in
   Cambrian. */
float *cambrian_memory(struct cambrian_network *network);
{reward}
#endif

",
        plan.inputs,
        plan.outputs.len(),
        plan.memory,
        plan.row(),
    )
}

fn guards() -> &'static str {
    "#ifndef CAMBRIAN_DECLARATIONS

#include <float.h>
#include <stdint.h>

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error \"-ffast-math changes what this network computes\"
#endif
/* 16 is said by gcc where there is a narrower type, and computes float in float as well */
#if FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16
#error \"expressions of float must be computed in float: on x86, compile with -msse2 -mfpmath=sse\"
#endif
/* gcc heeds its own pragma alone */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize(\"fp-contract=off\")
#else
#pragma STDC FP_CONTRACT OFF
#endif

"
}

/// The narrowest integer type that can hold every position in the row.
fn index(plan: &Plan) -> &'static str {
    match plan.row() {
        0..=0xFF => "uint8_t",
        0x100..=0xFFFF => "uint16_t",
        _ => "uint32_t",
    }
}

fn private_constants(plan: &Plan) -> String {
    let mut text = format!("/* A place in the row. */\ntypedef {} cambrian_index;\n", index(plan));
    if let Some(most) = plan.specials().map(|(_, unit, _)| unit.links.len().max(1)).max() {
        text += &format!("#define CAMBRIAN_MOST_TERMS {most}\n");
    }
    if let Some(slot) = plan.reward {
        text += &format!("#define CAMBRIAN_REWARD {slot}\n");
    }
    text
}

fn tables(plan: &Plan) -> String {
    let places = (0..).zip(&plan.units);
    let mut text = "/* Its nodes in the order in which they are computed. */\n".to_string();
    text += "static const struct cambrian_unit cambrian_units[] = {\n";
    for (at, unit) in places {
        let Unit { label, gain, bias, activation, links, .. } = unit;
        let (activation, gain, bias) = (activation.name(), float(*gain), float(*bias));
        let place = plan.first() + at;
        let _ = writeln!(
            text,
            "    {{cambrian_activation_{activation}, {gain}, {bias}, {}}}, /* {place}: {label} */",
            links.len()
        );
    }
    text += "};\n\n";
    text += "/* Of each node, where in the row its sources are, and how much each weighs. */\n";
    text += &columns(plan, "cambrian_index cambrian_sources", |link| link.source.to_string());
    text += &columns(plan, "float cambrian_weights", |link| float(link.weight));
    text + &normalisation(plan) + &specials(plan)
}

fn normalisation(plan: &Plan) -> String {
    let Some(normalisation) = &plan.normalisation else { return String::new() };
    let row = |name: &str, numbers: &[f32]| {
        let numbers: Vec<String> = numbers.iter().copied().map(float).collect();
        format!("static const float {name}[] = {{{}}};\n", numbers.join(", "))
    };
    format!(
        "/* Each input less its mean, times its factor, is what the nodes see. */\n{}{}\n",
        row("cambrian_means", normalisation.means()),
        row("cambrian_factors", normalisation.factors())
    )
}

fn columns(
    plan: &Plan,
    what: &str,
    show: impl Fn(&crate::phenotype::kernel::Link) -> String,
) -> String {
    let rows = plan.units.iter().filter(|unit| !unit.links.is_empty());
    let row = |unit: &Unit| {
        format!("    {},\n", unit.links.iter().map(&show).collect::<Vec<_>>().join(", "))
    };
    let rows: String = rows.map(row).collect();
    let rows = if rows.is_empty() { "    0\n".to_string() } else { rows };
    format!("static const {what}[] = {{\n{rows}}};\n\n")
}

fn specials(plan: &Plan) -> String {
    let rows: String =
        plan.specials().map(|(at, unit, special)| special_row(at, unit, special)).collect();
    if rows.is_empty() {
        return rows;
    }
    // the last name belongs to no node
    format!(
        "/* Those of its nodes that do more than sum and activate. */
static const struct cambrian_special cambrian_specials[] = {{
{rows}    {{{}, 0, 0, 0, 0, 0, 0.0f, 0.0f, 0.0f, 0.0f}}
}};

",
        plan.units.len()
    )
}

fn special_row(at: usize, unit: &Unit, special: &Special) -> String {
    let Special { aggregation, cell, learning, state } = special;
    let numbers =
        [cell.time_constant, cell.leak, learning.rate, learning.decay].map(float).join(", ");
    let (label, length) = (unit.label, cell.slots());
    let (aggregate, tick) = (aggregation.name(), cell.dynamics.name());
    let learn =
        learn(learning.plasticity).map_or("0".to_string(), |learn| format!("cambrian_{learn}"));
    format!(
        "    /* {label} */
    {{{at}, {state}, {length}, cambrian_{aggregate}, cambrian_{tick}, {learn},
     {numbers}}},
"
    )
}

fn learn(plasticity: Plasticity) -> Option<&'static str> {
    match plasticity {
        Plasticity::None => None,
        Plasticity::Reward => Some("rewarded"),
        plasticity => Some(plasticity.name()),
    }
}

fn functions(plan: &Plan) -> String {
    let Plan { inputs, outputs, carried, .. } = plan;
    let (first, units) = (plan.first(), plan.units.len());
    let assignments = |pairs: &mut dyn Iterator<Item = (String, String)>| -> String {
        pairs.map(|(to, from)| format!("    {to} = {from};\n")).collect()
    };
    let carried = assignments(
        &mut carried.iter().map(|(to, from)| (format!("row[{to}]"), format!("row[{from}]"))),
    );
    let outputs = assignments(
        &mut (0..)
            .zip(outputs)
            .map(|(nth, at): (u32, _)| (format!("outputs[{nth}]"), format!("row[{at}]"))),
    );
    let has_specials = plan.specials().next().is_some();
    let special = if has_specials {
        "    const struct cambrian_special *special = cambrian_specials;\n"
    } else {
        ""
    };
    let value = if has_specials {
        "special->unit == at ? cambrian_fire(unit, special++, &links, row)
                                             : cambrian_plain(unit, &links, row)"
    } else {
        "cambrian_plain(unit, &links, row)"
    };
    let reward = plan.reward.map_or("", |_| {
        "
void cambrian_reward(struct cambrian_network *network, float reward)
{
    network->row[CAMBRIAN_REWARD] = reward;
}
"
    });
    let input = match &plan.normalisation {
        Some(_) => {
            let cut = float(CUT);
            format!(
                "cambrian_clip(
        (inputs[at] - cambrian_means[at]) * cambrian_factors[at], -{cut}, {cut})"
            )
        }
        None => "inputs[at]".to_string(),
    };
    let carrying = if carried.is_empty() {
        ""
    } else {
        "    /* what recurrent connections bring at the next tick */\n"
    };
    format!(
        "void cambrian_init(struct cambrian_network *network)
{{
    uint32_t at;
    for (at = 0; at < {row}; at++) network->row[at] = 0.0f;
}}

float *cambrian_memory(struct cambrian_network *network)
{{
    return network->row + {inputs};
}}
{reward}
void cambrian_step(struct cambrian_network *network, const float *inputs, float *outputs)
{{
    float *row = network->row;
    struct cambrian_links links = {{cambrian_sources, cambrian_weights, 0}};
{special}    uint32_t at;
    for (at = 0; at < {inputs}; at++) row[at] = {input};
    for (at = 0; at < {units}; at++) {{
        const struct cambrian_unit *unit = &cambrian_units[at];
        links.count = unit->links;
        row[{first} + at] = {value};
        links.sources += links.count;
        links.weights += links.count;
    }}
{carrying}{carried}{outputs}}}

#endif
",
        row = plan.row(),
    )
}

/// Writes a float exactly, in the syntax of C.
fn float(x: f32) -> String {
    let bits = x.to_bits();
    let (sign, exponent, fraction) = (bits >> 31, (bits >> 23 & 0xFF) as i32, bits & 0x007F_FFFF);
    let sign = if sign == 1 { "-" } else { "" };
    if x.trunc() == x && x.abs() < 1e6 {
        return format!("{sign}{:.1}f", x.abs());
    }
    let digits = format!("{:06x}", fraction << 1);
    let digits = digits.trim_end_matches('0');
    let point = if digits.is_empty() { "" } else { "." };
    match exponent {
        0 => format!("{sign}0x0{point}{digits}p-126f"),
        _ => format!("{sign}0x1{point}{digits}p{:+}f", exponent - 127),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact() {
        let seen = [1.0, -0.0, 0.5, -0.1, 3.0e-45, 12_582_912.0, f32::MIN_POSITIVE].map(float);
        let expected = [
            "1.0f",
            "-0.0f",
            "0x1p-1f",
            "-0x1.99999ap-4f",
            "0x0.000004p-126f",
            "0x1.8p+23f",
            "0x1p-126f",
        ];
        assert_eq!(seen, expected);
    }
}
