//! A genotype as bytes, whole or as a difference: decoding gives the same genotype or an error.

use crate::common::{apply, evolved, grown, histories, newborn, parameters, stream};
use cambrian_core::base::choice::Choice;
use cambrian_core::genome::genotype::Genotype;
use cambrian_core::genome::neuron::Neuron;
use cambrian_core::variation::mutation::OPERATORS;
use cambrian_core::wire::codec::{self, CodecError};
use cambrian_core::wire::delta::{self, DeltaError};
use proptest::prelude::*;
use serde::Serialize;
use serde_bytes::ByteBuf;

fn revalidated(g: &Genotype) -> Genotype {
    Genotype::from_genes(g.inputs(), g.outputs(), g.nodes().collect(), g.connections().collect())
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn bytes_give_back_the_same_genotype((i, o, seed, ops) in histories()) {
        let g = evolved(i, o, seed, &ops);
        let bytes = codec::encode(&g);
        prop_assert_eq!(codec::decode(&bytes), Ok(g.clone()));
        prop_assert_eq!(codec::id(&g), codec::id(&codec::decode(&bytes).unwrap()));
    }

    #[test]
    fn cut_or_changed_bytes_are_refused_or_are_another_valid_genotype(
        (i, o, seed, ops) in histories(), at in any::<prop::sample::Index>(), flip in 1u8..
    ) {
        let mut bytes = codec::encode(&evolved(i, o, seed, &ops));
        prop_assert!(codec::decode(&bytes[..at.index(bytes.len())]).is_err());
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(other) = codec::decode(&bytes) {
            prop_assert_eq!(revalidated(&other), other.clone());
            prop_assert_eq!(codec::encode(&other), bytes);
        }
    }

    #[test]
    fn noise_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(codec::decode(&bytes).is_err());
        prop_assert!(delta::patch(&newborn(2, 1, 1), &bytes).is_err());
    }

    #[test]
    fn earlier_schemas_are_read_as_the_current_one((i, o, seed, ops) in histories()) {
        let g = evolved(i, o, seed, &ops);
        prop_assert_eq!(codec::decode(&schema_2(&g)), Ok(g.clone()));
        let plain = with_neurons(&g, |n| Neuron { bias: n.bias, ..Neuron::new(n.activation) });
        prop_assert_eq!(codec::decode(&schema_1(&plain)), Ok(plain));
    }

    /// A genotype has one id in any schema: the current schema allows one encoding, and the id of
    /// a genotype in an earlier schema is that of its current encoding.
    #[test]
    fn every_flipped_bit_is_refused_or_has_its_canonical_id((i, o, seed, ops) in histories()) {
        let g = evolved(i, o, seed, &ops[..ops.len().min(8)]);
        let plain = with_neurons(&g, |n| Neuron { bias: n.bias, ..Neuron::new(n.activation) });
        let spellings =
            [(false, schema_1(&plain)), (false, schema_2(&g)), (true, codec::encode(&g))];
        for (is_todays, bytes) in spellings {
            for bit in 0..8 * bytes.len() {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                // a flipped version number makes another schema
                if let Ok(other) = codec::decode(&flipped) {
                    let canonical = codec::encode(&other);
                    prop_assert!(!is_todays || canonical == flipped);
                    prop_assert_eq!(codec::decode(&canonical), Ok(other));
                }
            }
        }
    }

    #[test]
    fn a_difference_gives_the_target_from_its_base(
        (i, o, seed, ops) in histories(), other in prop::collection::vec(any::<usize>(), 0..60),
        kin in any::<bool>(), inputs in 0u32..3, outputs in 0u32..3
    ) {
        let base = evolved(i, o, seed, &ops);
        let target = if kin { mutated(&base, seed, &other) } else { evolved(i, o, !seed, &other) };
        let target = target.resized(1 + inputs, 1 + outputs, &parameters()).unwrap();
        let delta = delta::diff(&base, &target);
        prop_assert_eq!(delta::patch(&base, &delta), Ok(target.clone()));
        prop_assert_eq!(delta::ends(&delta), Some((codec::id(&base), codec::id(&target))));
        if target != base {
            let wrong = Err(DeltaError::WrongBase(codec::id(&base)));
            prop_assert_eq!(delta::patch(&target, &delta), wrong);
        }
    }

    #[test]
    fn a_cut_or_changed_difference_never_gives_another_genotype(
        (i, o, seed, ops) in histories(), other in prop::collection::vec(any::<usize>(), 0..9),
        at in any::<prop::sample::Index>(), flip in 1u8..
    ) {
        let base = evolved(i, o, seed, &ops);
        let target = mutated(&base, seed, &other);
        let mut delta = delta::diff(&base, &target);
        prop_assert!(delta::patch(&base, &delta[..at.index(delta.len())]).is_err());
        let at = at.index(delta.len());
        delta[at] ^= flip;
        if let Ok(patched) = delta::patch(&base, &delta) {
            prop_assert_eq!(patched, target);
        }
    }
}

fn mutated(g: &Genotype, seed: u64, operators: &[usize]) -> Genotype {
    operators.iter().fold(g.clone(), |g, &operator| {
        OPERATORS[operator % OPERATORS.len()]
            .apply(&g, &parameters(), &mut stream(!seed))
            .unwrap_or(g)
    })
}

fn with_neurons(g: &Genotype, change: impl Fn(Neuron) -> Neuron) -> Genotype {
    let nodes = g
        .nodes()
        .map(|node| cambrian_core::genome::genotype::Node { neuron: change(node.neuron), ..node });
    Genotype::from_genes(g.inputs(), g.outputs(), nodes.collect(), g.connections().collect())
        .unwrap()
}

/// Encodes as `docs/wire-format.md` describes it.
fn schema_2(g: &Genotype) -> Vec<u8> {
    let (head, (froms, tos, weights, enabled)) = (head(g), tail(g));
    let neurons: Vec<Neuron> =
        g.nodes().skip(g.inputs() as usize).map(|node| node.neuron).collect();
    let kinds = |kind: fn(&Neuron) -> u8| bin(neurons.iter().map(|n| [kind(n)]));
    let numbers = |number: fn(&Neuron) -> f32| bin(neurons.iter().map(|n| number(n).to_le_bytes()));
    let mut bytes = vec![0xdc, 0, 18];
    let mut push = |field: &dyn Fn() -> Vec<u8>| bytes.extend(field());
    push(&|| packed(&2));
    head.iter().for_each(|field| push(&|| field.clone()));
    push(&|| packed(&kinds(|n| n.activation.number())));
    push(&|| packed(&kinds(|n| n.aggregation.number())));
    push(&|| packed(&numbers(|n| n.bias)));
    push(&|| packed(&numbers(|n| n.gain)));
    push(&|| packed(&kinds(|n| n.dynamics.number())));
    push(&|| packed(&numbers(|n| n.time_constant)));
    push(&|| packed(&kinds(|n| n.plasticity.number())));
    push(&|| packed(&numbers(|n| n.learning_rate)));
    push(&|| packed(&numbers(|n| n.decay)));
    push(&|| packed(&froms));
    push(&|| packed(&tos));
    push(&|| packed(&weights));
    push(&|| packed(&enabled));
    bytes
}

fn schema_1(g: &Genotype) -> Vec<u8> {
    let (head, (froms, tos, weights, enabled)) = (head(g), tail(g));
    let neurons: Vec<Neuron> =
        g.nodes().skip(g.inputs() as usize).map(|node| node.neuron).collect();
    let activations = bin(neurons.iter().map(|n| [n.activation.number()]));
    let biases = bin(neurons.iter().map(|n| n.bias.to_le_bytes()));
    let mut bytes = vec![0x9b, 1];
    bytes.extend(head.concat());
    bytes.extend([packed(&activations), packed(&biases)].concat());
    bytes.extend([packed(&froms), packed(&tos), packed(&weights), packed(&enabled)].concat());
    bytes
}

/// Inputs, outputs, hidden ids and layers.
fn head(g: &Genotype) -> [Vec<u8>; 4] {
    let hidden: Vec<_> = g.nodes().skip(g.inputs() as usize).take(g.hidden()).collect();
    [
        packed(&g.inputs()),
        packed(&g.outputs()),
        packed(&bin(hidden.iter().map(|node| node.id.to_le_bytes()))),
        packed(&bin(hidden.iter().map(|node| node.layer.to_le_bytes()))),
    ]
}

fn tail(g: &Genotype) -> (Vec<u32>, Vec<u32>, ByteBuf, ByteBuf) {
    let ids: Vec<u64> = g.nodes().map(|node| node.id).collect();
    let at = |id| ids.iter().position(|known| *known == id).unwrap() as u32;
    let enabled: Vec<bool> = g.connections().map(|c| c.enabled).collect();
    let byte =
        |flags: &[bool]| flags.iter().enumerate().map(|(bit, on)| u8::from(*on) << bit).sum::<u8>();
    (
        g.connections().map(|c| at(c.from)).collect(),
        g.connections().map(|c| at(c.to)).collect(),
        bin(g.connections().map(|c| c.weight.to_le_bytes())),
        bin(enabled.chunks(8).map(|flags| [byte(flags)])),
    )
}

fn bin<const N: usize>(items: impl Iterator<Item = [u8; N]>) -> ByteBuf {
    ByteBuf::from(items.flatten().collect::<Vec<u8>>())
}

fn packed(value: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec(value).unwrap()
}

#[test]
fn a_newer_version_is_refused_with_its_number() {
    let g = newborn(1, 1, 1);
    let mut bytes = codec::encode(&g);
    bytes[1] = 4;
    assert_eq!(codec::decode(&bytes), Err(CodecError::UnsupportedVersion(4)));
    let mut bytes = delta::diff(&g, &g);
    bytes[1] = 2;
    assert_eq!(delta::patch(&g, &bytes), Err(DeltaError::UnsupportedVersion(2)));
}

#[test]
fn a_genotype_of_350_connections_takes_12_bytes_a_connection() {
    let g = grown(350);
    let bytes = codec::encode(&g);
    assert!(bytes.len() <= 12 * 350, "{} bytes", bytes.len());
}

/// The operators that change a gene or two; a new weight is four bytes that cannot be compressed.
#[test]
fn a_change_of_one_gene_is_a_small_difference() {
    let g = grown(350);
    let whole = codec::encode(&g).len();
    let one = [
        "add_node",
        "add_connection",
        "add_recurrent",
        "remove_node",
        "remove_connection",
        "toggle_connection",
        "change_activation",
        "change_aggregation",
        "change_gain",
        "change_dynamics",
        "change_plasticity",
        "remove_bias",
    ];
    for name in one {
        let delta = delta::diff(&g, &apply(name, &g, 9)).len();
        assert!(10 * delta <= whole, "{name}: {delta} of {whole} bytes");
    }
}
