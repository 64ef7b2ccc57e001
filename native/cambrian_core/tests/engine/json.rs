//! A genotype as JSON: reading gives the same genotype, and an error names the fault and its
//! place.

use crate::common::{evolved, grown, histories};
use cambrian_core::base::choice::Choice;
use cambrian_core::base::math::{Activation, Aggregation};
use cambrian_core::formats::json::{self, JsonError};
use cambrian_core::formats::neat_python;
use cambrian_core::genome::genotype::{Connection, Genotype, GenotypeError, Node};
use cambrian_core::genome::innovation::{self, BOTTOM, TOP};
use cambrian_core::genome::neuron::Neuron;
use cambrian_core::genome::plasticity::Plasticity;
use cambrian_core::wire::codec;
use cambrian_core::{genome::dynamics::Dynamics, phenotype::network::Network};
use proptest::prelude::*;

/// Any f32 of a range by its bits, so that every exponent occurs.
fn floats(low: f32, high: f32) -> impl Strategy<Value = f32> {
    any::<u32>()
        .prop_map(f32::from_bits)
        .prop_map(move |x| if x.is_finite() { x.clamp(low, high) } else { high })
}

fn one_of<C: Choice + std::fmt::Debug>() -> impl Strategy<Value = C> {
    (0..C::ALL.len()).prop_map(|at| C::ALL[at])
}

fn neurons() -> impl Strategy<Value = Neuron> {
    let numbers = (
        floats(-1e6, 1e6),
        floats(-1e6, 1e6),
        floats(0.01, 1000.0),
        floats(-1.0, 1.0),
        floats(0.0, 1.0),
    );
    let choices = (
        one_of::<Activation>(),
        one_of::<Aggregation>(),
        one_of::<Dynamics>(),
        one_of::<Plasticity>(),
    );
    (numbers, choices).prop_map(|(numbers, (activation, aggregation, dynamics, plasticity))| {
        let (bias, gain, time_constant, learning_rate, decay) = numbers;
        Neuron {
            bias,
            gain,
            time_constant,
            learning_rate,
            decay,
            activation,
            aggregation,
            dynamics,
            plasticity,
        }
    })
}

/// Two inputs, an output and hidden nodes on any layer, with genes of every kind and any values.
fn anything() -> impl Strategy<Value = Genotype> {
    let hidden = prop::collection::btree_map(any::<u64>(), (1..TOP, neurons()), 0..6);
    let links = prop::collection::vec(
        (any::<usize>(), any::<usize>(), floats(-1e6, 1e6), any::<bool>()),
        0..20,
    );
    (hidden, links, neurons()).prop_map(|(hidden, links, out)| {
        let input = |i| Node { id: innovation::input(i), layer: BOTTOM, neuron: Neuron::INPUT };
        let mut nodes =
            vec![input(0), input(1), Node { id: innovation::output(0), layer: TOP, neuron: out }];
        nodes.extend(hidden.into_iter().map(|(id, (layer, neuron))| Node { id, layer, neuron }));
        let mut connections: Vec<Connection> = (links.into_iter())
            .map(|(from, to, weight, enabled)| {
                let (from, to) =
                    (nodes[from % nodes.len()].id, nodes[2 + to % (nodes.len() - 2)].id);
                Connection { enabled, ..Connection::new(from, to, weight) }
            })
            .collect();
        nodes.sort_by_key(|n| (n.layer, n.id));
        connections.sort_by_key(|c| c.id);
        connections.dedup_by_key(|c| c.id);
        Genotype::from_genes(2, 1, nodes, connections).unwrap()
    })
}

fn same(g: &Genotype) {
    let text = json::write(g, None);
    assert_eq!(
        codec::id(&json::read(&text).unwrap()),
        codec::id(g),
        "{}",
        String::from_utf8(text).unwrap()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_text_gives_back_the_same_genotype((i, o, seed, ops) in histories()) {
        same(&evolved(i, o, seed, &ops));
    }

    #[test]
    fn a_text_gives_back_any_genes_and_any_numbers(g in anything()) {
        same(&g);
    }

    #[test]
    fn a_changed_text_is_refused_or_is_another_valid_genotype(
        (i, o, seed, ops) in histories(), at in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        let mut text = json::write(&evolved(i, o, seed, &ops), None);
        let part = json::read(&text[..at.index(text.len() - 2)]);
        prop_assert!(matches!(part, Err(JsonError::Bad(_))));
        let at = at.index(text.len());
        text[at] = byte;
        if let Ok(other) = json::read(&text) {
            same(&other);
        }
    }
}

#[test]
fn a_text_gives_back_a_large_genotype() {
    same(&grown(2_000));
}

/// Written by hand from `docs/export.md`.
const BY_HAND: &str = r#"
{ "connections": [
    {"from": "35aa233257ed720d", "to": "00000000000000ab", "weight": 0.1, "enabled": true},
    {"to": "69da0f2b571338f4", "from": "00000000000000AB", "weight": -2, "enabled": true},
    {"id": "1ed8597e20fd0c43", "from": "35aa233257ed720d", "to": "69da0f2b571338f4",
     "weight": 1e1, "enabled": false}],
  "schema": 2, "outputs": 1, "inputs": 1,
  "nodes": [
    {"id": "69da0f2b571338f4", "layer": "8000000000000000", "kind": "output", "index": 0},
    {"id": "00000000000000ab", "layer": "4000000000000000", "activation": "tanh", "bias": 0.5,
     "dynamics": "leaky", "time_constant": 2.5},
    {"id": "35aa233257ed720d", "layer": "0000000000000000"}] }
"#;

#[test]
fn a_text_may_have_any_order_and_omit_usual_values() {
    let g = json::read(BY_HAND.as_bytes()).unwrap();
    let [_, hidden, output] = &g.nodes().collect::<Vec<_>>()[..] else { panic!("{g:?}") };
    let leaky = Neuron {
        bias: 0.5,
        dynamics: Dynamics::Leaky,
        time_constant: 2.5,
        ..Neuron::new(Activation::Tanh)
    };
    assert_eq!((hidden.id, hidden.layer, hidden.neuron), (0xab, TOP / 2, leaky));
    assert_eq!(output.neuron, Neuron::INPUT);
    let mut weights: Vec<_> = g.connections().map(|c| (c.weight, c.enabled)).collect();
    weights.sort_by(|a, b| a.partial_cmp(b).unwrap());
    assert_eq!(weights, [(-2.0, true), (0.1, true), (10.0, false)]);
    // leaky from a state of 0: (1 − e^(−1/2.5)) (0.1 · 3 + 0.5)
    let expected = -2.0 * ((1.0 - (-1.0f32 / 2.5).exp()) * 0.8).tanh();
    assert!((Network::new(&g).activate(&[3.0])[0] - expected).abs() < 1e-6);
}

/// Replaces a part of the text above, and checks the error.
#[test]
fn an_error_names_the_fault_and_its_place() {
    let said = |part: &str, instead: &str| {
        assert!(BY_HAND.contains(part), "{part}");
        json::read(BY_HAND.replacen(part, instead, 1).as_bytes()).unwrap_err().to_string()
    };
    for (part, instead, expected) in [
        (
            "0.5,",
            "\"half\",",
            "nodes[1].bias: invalid type: string \"half\", expected f32 at line 10 column ",
        ),
        ("0.5,", "null,", "nodes[1].bias: invalid type: null, expected f32 at line 10 "),
        (
            "\"tanh\"",
            "\"chess\"",
            "nodes[1].activation: unknown variant `chess`, expected one of `identity`, `tanh`, ",
        ),
        (
            "\"bias\"",
            "\"bais\"",
            "nodes[1].bais: unknown field `bais`, expected one of `id`, `layer`, ",
        ),
        (
            "00000000000000ab\", \"weight",
            "ab\", \"weight",
            "connections[0].to: invalid value: string \"ab\", expected a text of 16 hexadecimal \
             digits at line 3 ",
        ),
        ("\"weight\": 0.1, ", "", "connections[0]: missing field `weight` at line 3 "),
        (
            "\"index\": 0",
            "\"index\": 1",
            "nodes[0].id: expected 53484c4218a4263e, the id of output 1",
        ),
        (
            "1ed8597e20fd0c43",
            "1ed8597e20fd0c44",
            "connection 1ed8597e20fd0c44 does not join the nodes that its id is made of",
        ),
        ("1e1,", "1e7,", "the weight of 1ed8597e20fd0c43 is not within ±1000000"),
        ("\"schema\": 2", "\"schema\": 3", "schema 3; this release reads 2"),
        ("}] }", "}] } x", "trailing characters at line 12 column "),
    ] {
        let seen = said(part, instead);
        assert!(seen.starts_with(expected), "{seen}\n{expected}");
    }
    // a later schema may have any form
    assert_eq!(
        json::read(br#"{"schema": 7, "nodes": "none"}"#),
        Err(JsonError::UnsupportedVersion(7))
    );
    let unknown = said("tanh", &"\\u001b[31m".repeat(500));
    assert!(unknown.chars().count() <= 400 && !unknown.contains('\u{1b}'), "{unknown}");
}

#[test]
fn impossible_genes_are_refused() {
    let text = BY_HAND.replace("4000000000000000", "8000000000000001");
    assert!(matches!(
        json::read(text.as_bytes()),
        Err(JsonError::Invalid(GenotypeError::Layer(_)))
    ));
    assert_eq!(
        json::read(&vec![b' '; json::MAX_BYTES + 1]),
        Err(JsonError::TooLarge(json::MAX_BYTES + 1))
    );
    assert!(matches!(json::read("[".repeat(100_000).as_bytes()), Err(JsonError::Bad(_))));
}

// ---- neat-python --------------------------------------------------------------------------------

/// A network as neat-python writes it: `id activation aggregation bias response`, `from to weight`.
fn theirs(kind: &str, nodes: &[(i64, &str, &str, f64, f64)], links: &[(i64, i64, f64)]) -> String {
    let nodes: Vec<String> = (nodes.iter())
        .map(|(id, activation, aggregation, bias, response)| {
            format!(
                r#"{{"id": {id}, "type": "any",
                    "activation": {{"name": "{activation}", "custom": false}},
                    "aggregation": {{"name": "{aggregation}", "custom": false}},
                    "bias": {bias}, "response": {response}}}"#
            )
        })
        .collect();
    let links: Vec<String> = (links.iter())
        .map(|(from, to, weight)| {
            format!(r#"{{"from": {from}, "to": {to}, "weight": {weight}, "enabled": true}}"#)
        })
        .collect();
    format!(
        r#"{{"format_version": "1.0", "network_type": "{kind}",
            "metadata": {{"fitness": [null, {{}}]}},
            "topology": {{"num_inputs": 2, "num_outputs": 1,
                         "input_keys": [-1, -2], "output_keys": [0]}},
            "nodes": [{}], "connections": [{}]}}"#,
        nodes.join(","),
        links.join(",")
    )
}

fn imported(text: &str) -> Network {
    Network::new(&neat_python::read(text.as_bytes()).unwrap())
}

/// The formulas of `neat/activations.py` in f64.
fn formula(name: &str, z: f64) -> f64 {
    let held = |x: f64| x.clamp(-60.0, 60.0);
    match name {
        "sigmoid" => 1.0 / (1.0 + (-held(5.0 * z)).exp()),
        "tanh" => held(2.5 * z).tanh(),
        "sin" => held(5.0 * z).sin(),
        "gauss" => (-5.0 * z.clamp(-3.4, 3.4).powi(2)).exp(),
        "relu" => z.max(0.0),
        "elu" => {
            if z > 0.0 {
                z
            } else {
                z.exp() - 1.0
            }
        }
        "selu" => {
            1.050_700_987_355_480_5
                * if z > 0.0 { z } else { 1.673_263_242_354_377_2 * (z.exp() - 1.0) }
        }
        "softplus" => 0.2 * (1.0 + held(5.0 * z).exp()).ln(),
        "identity" => z,
        "clamped" => z.clamp(-1.0, 1.0),
        "log" => z.max(1e-7).ln(),
        "exp" => held(z).exp(),
        "abs" => z.abs(),
        "hat" => (1.0 - z.abs()).max(0.0),
        "square" => z * z,
        other => panic!("{other}"),
    }
}

#[test]
fn each_activation_of_neat_python_has_its_formula() {
    let names =
        "sigmoid tanh sin gauss relu elu selu softplus identity clamped log exp abs hat square";
    for name in names.split(' ') {
        let net = imported(&theirs("feedforward", &[(0, name, "sum", 0.25, 1.5)], &[(-1, 0, 2.0)]));
        for x in (-800..800).map(|i| f64::from(i) * 0.01) {
            let (y, t) = (net.activate(&[x as f32, 0.0])[0], formula(name, 0.25 + 1.5 * (2.0 * x)));
            let error = (f64::from(y) - t).abs() / f64::max(1.0, t.abs());
            assert!(error < 1e-5, "{name} {x}: {y} for {t}");
        }
    }
}

#[test]
fn an_output_that_feeds_other_nodes_does_so_in_the_same_tick() {
    let nodes = [(0, "identity", "sum", 0.0, 1.0), (1, "identity", "sum", 0.5, 1.0)];
    let text = theirs("feedforward", &nodes, &[(-1, 0, 2.0), (0, 1, 3.0)])
        .replace("\"output_keys\": [0]", "\"output_keys\": [1, 0]");
    assert_eq!(imported(&text).activate(&[1.0, 0.0]), [6.5, 2.0]);
}

/// In a recurrent network of neat-python every link delays its value by a tick, forward links
/// too.
#[test]
fn a_recurrent_network_delays_every_link_by_a_tick() {
    let nodes = [(7, "identity", "sum", 0.0, 1.0), (0, "identity", "sum", 0.0, 1.0)];
    let net = imported(&theirs(
        "recurrent",
        &nodes,
        &[(-1, 7, 1.0), (7, 0, 1.0), (0, 0, 0.5), (9, 0, 4.0)],
    ));
    let mut values = net.rest();
    let mut course = Vec::new();
    for x in [1.0, 2.0, 4.0, 0.0] {
        let mut y = [0.0];
        net.step(&mut values, &[x, 0.0], &mut y);
        course.push(y[0]);
    }
    assert_eq!(course, [0.0, 1.0, 2.5, 5.25]);
}

#[test]
fn missing_and_empty_parts_are_as_in_neat_python() {
    // an output without incoming links is not listed, and is 0
    assert_eq!(imported(&theirs("feedforward", &[], &[])).activate(&[1.0, 1.0]), [0.0]);
    // an empty product is 1
    assert_eq!(
        imported(&theirs("feedforward", &[(0, "identity", "product", 0.5, 3.0)], &[]))
            .activate(&[1.0, 1.0]),
        [3.5]
    );
}

#[test]
fn a_feature_of_neat_python_that_cambrian_lacks_is_named() {
    let node = (0, "identity", "sum", 0.0, 1.0);
    for (text, expected) in [
        (
            theirs("feedforward", &[(0, "lelu", "sum", 0.0, 1.0)], &[]),
            "nodes[0]: the activation lelu has no equal here",
        ),
        (
            theirs("feedforward", &[(0, "abs", "rms", 0.0, 1.0)], &[]),
            "nodes[0]: the aggregation rms has no equal here",
        ),
        (theirs("ctrnn", &[node], &[]), "network_type: ctrnn has no equal here"),
        (
            theirs("feedforward", &[node], &[(-1, 0, 2e6)]),
            "connections[0]: a weight that large has no equal here",
        ),
        (
            theirs("feedforward", &[node], &[(0, 0, 1.0)]),
            "connections: a feed-forward network in which node 0 is on a circle, or behind \
             one, has no equal here",
        ),
        (
            theirs("feedforward", &[node], &[(-1, 0, 1.0), (-1, 0, 2.0)]),
            "connections[1]: -1 to 0 is there twice",
        ),
        (theirs("feedforward", &[node], &[(5, 0, 1.0)]), "connections[0].from: no node is 5"),
        (
            theirs("recurrent", &[node], &[(0, -1, 1.0)]),
            "connections[0].to: no node that computes is -1",
        ),
        (theirs("feedforward", &[node, node], &[]), "nodes[1].id: 0 is there twice"),
        (
            theirs("feedforward", &[(0, "abs", "sum", 0.0, 1.0)], &[]).replace("false", "true"),
            "nodes[0]: the activation abs, which is not neat-python's, has no equal here",
        ),
        (
            theirs("feedforward", &[node], &[]).replace("\"1.0\"", "\"2.0\""),
            "format_version: 2.0, where 1.0 is known, has no equal here",
        ),
    ] {
        assert_eq!(neat_python::read(text.as_bytes()).unwrap_err().to_string(), expected);
    }
    let untyped =
        theirs("feedforward", &[node], &[(-1, 0, 1.0)]).replace("\"weight\": 1", "\"weight\": NaN");
    let said = neat_python::read(untyped.as_bytes()).unwrap_err().to_string();
    assert!(said.starts_with("connections[0].weight: expected value at line "), "{said}");
}
