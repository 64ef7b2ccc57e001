//! Operators keep a genotype valid and its network runnable.

use crate::common::{apply, evolved, histories, newborn, parameters, stream};
use cambrian_core::base::math::Activation;
use cambrian_core::genome::genotype::{Connection, Genotype, GenotypeError, Node};
use cambrian_core::genome::innovation;
use cambrian_core::genome::neuron::Neuron;
use cambrian_core::genome::parameters::Parameters;
use cambrian_core::phenotype::network::Network;
use cambrian_core::search::speciation::distance;
use cambrian_core::variation::crossover::crossover;
use cambrian_core::variation::mutation::Operator;
use proptest::prelude::*;

fn revalidated(g: &Genotype) -> Result<Genotype, GenotypeError> {
    Genotype::from_genes(g.inputs(), g.outputs(), g.nodes().collect(), g.connections().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn operators_keep_a_genotype_valid_and_its_network_finite((i, o, seed, ops) in histories()) {
        let g = evolved(i, o, seed, &ops);
        prop_assert_eq!(revalidated(&g), Ok(g.clone()));
        let network = Network::new(&g);
        let mut values = network.rest();
        let mut outputs = vec![0.0; o as usize];
        for x in [0.0, 1.0, -1e12, 1e12] {
            network.step(&mut values, &vec![x; i as usize], &mut outputs);
            prop_assert!(outputs.iter().all(|y| y.is_finite()));
        }
    }

    #[test]
    fn more_inputs_and_outputs_keep_all_genes(
        (i, o, seed, ops) in histories(), more in 0u32..4, others in 0u32..4
    ) {
        let g = evolved(i, o, seed, &ops);
        let grown = g.resized(i + more, o + others, &parameters()).unwrap();
        prop_assert_eq!(revalidated(&grown), Ok(grown.clone()));
        prop_assert_eq!((grown.inputs(), grown.outputs()), (i + more, o + others));
        prop_assert_eq!(&grown.resized(i, o, &parameters()).unwrap(), &g);
        let (small, large) = (Network::new(&g), Network::new(&grown));
        let (mut here, mut there) = (small.rest(), large.rest());
        let (mut seen, mut all) = (vec![0.0; o as usize], vec![0.0; (o + others) as usize]);
        for x in [0.3, -1.0, 2.0] {
            small.step(&mut here, &vec![x; i as usize], &mut seen);
            let inputs: Vec<f32> = (0..i + more).map(|nth| if nth < i { x } else { 9.0 }).collect();
            large.step(&mut there, &inputs, &mut all);
            prop_assert_eq!(&seen[..], &all[..o as usize]);
        }
    }

    #[test]
    fn fewer_inputs_and_outputs_leave_a_valid_genotype((i, o, seed, ops) in histories()) {
        let small = evolved(i, o, seed, &ops).resized(1, 1, &parameters()).unwrap();
        prop_assert_eq!(revalidated(&small), Ok(small.clone()));
        prop_assert_eq!((small.inputs(), small.outputs()), (1, 1));
    }

    #[test]
    fn children_are_valid_and_have_the_structure_of_the_fitter_parent(
        (i, o, seed, ops) in histories(), other in prop::collection::vec(any::<usize>(), 0..120)
    ) {
        let (a, b) = (evolved(i, o, seed, &ops), evolved(i, o, seed ^ 1, &other));
        let child = crossover(&a, &b, &parameters(), &mut stream(seed));
        prop_assert_eq!(revalidated(&child), Ok(child.clone()));
        let ids = |g: &Genotype| g.connections().map(|c| c.id).collect::<Vec<_>>();
        prop_assert_eq!(ids(&child), ids(&a));
        let p = Parameters { average_weights: 0.0, stay_disabled: 1.0, ..parameters() };
        prop_assert_eq!(crossover(&a, &a, &p, &mut stream(seed)), a);
    }

    #[test]
    fn distance_is_symmetric_and_zero_only_to_itself((i, o, seed, ops) in histories()) {
        let (a, b) = (evolved(i, o, seed, &ops), newborn(i, o, seed ^ 1));
        prop_assert_eq!(distance(&a, &a, &parameters()), 0.0);
        prop_assert_eq!(distance(&a, &b, &parameters()), distance(&b, &a, &parameters()));
        prop_assert!(distance(&a, &b, &parameters()) > 0.0);
    }
}

#[test]
fn the_same_split_gets_the_same_ids_on_every_machine() {
    let split_all = |seed: u64| {
        let g = newborn(1, 1, seed);
        let g = apply("add_node", &g, seed);
        apply("add_recurrent", &g, 5)
    };
    let (here, there) = (split_all(1), split_all(2));
    let nodes = |g: &Genotype| g.nodes().map(|n| (n.layer, n.id)).collect::<Vec<_>>();
    assert_eq!(nodes(&here), nodes(&there));
    let matching = Parameters { weight_weight: 0.0, ..parameters() };
    assert_eq!(distance(&here, &there, &matching), 0.0);
}

#[test]
fn splitting_one_connection_again_makes_another_node() {
    let g = apply("add_node", &newborn(1, 1, 1), 1);
    let old = innovation::connection(innovation::input(0), innovation::output(0));
    let connections = g.connections();
    let only_old: Vec<Connection> =
        connections.map(|c| Connection { enabled: c.id == old, ..c }).collect();
    let again = Genotype::from_genes(1, 1, g.nodes().collect(), only_old).unwrap();
    let twice = apply("add_node", &again, 2);
    assert_eq!(twice.hidden(), 2);
    let ids: Vec<u64> = twice.nodes().map(|n| n.id).collect();
    assert!(ids.contains(&innovation::split(old, 0)) && ids.contains(&innovation::split(old, 1)));
}

#[test]
fn splitting_a_recurrent_connection_keeps_the_delay_of_its_loop() {
    let input = innovation::input(0);
    let output = innovation::output(0);
    let linear =
        |n: Node| Node { neuron: Neuron { activation: Activation::Identity, ..n.neuron }, ..n };
    let nodes: Vec<_> = newborn(1, 1, 1).nodes().map(linear).collect();
    let mut links = vec![
        Connection { enabled: false, ..Connection::new(input, output, 1.0) },
        Connection::new(output, output, 0.5),
    ];
    links.sort_by_key(|c| c.id);
    let looped = Genotype::from_genes(1, 1, nodes, links).unwrap();
    let p = Parameters { activation: Activation::Identity, ..parameters() };
    let split = Operator::named("add_node").unwrap().apply(&looped, &p, &mut stream(3)).unwrap();
    let whole = |g: &Genotype| {
        let on = g.connections().map(|c| Connection { enabled: c.enabled || c.from == input, ..c });
        let g = Genotype::from_genes(1, 1, g.nodes().collect(), on.collect()).unwrap();
        let (network, mut out) = (Network::new(&g), [0.0]);
        let mut values = network.rest();
        [8.0, 0.0, 0.0].map(|x| {
            network.step(&mut values, &[x], &mut out);
            out[0]
        })
    };
    assert_eq!(split.hidden(), 1);
    assert_eq!(whole(&split), [8.0, 4.0, 2.0]);
    assert_eq!(whole(&split), whole(&looped));
}

#[test]
fn genes_that_make_no_genotype_are_refused_with_a_reason() {
    let g = newborn(2, 1, 1);
    let (nodes, connections): (Vec<Node>, Vec<Connection>) =
        (g.nodes().collect(), g.connections().collect());
    let build = |nodes, connections| Genotype::from_genes(2, 1, nodes, connections).unwrap_err();
    let changed = |change: &dyn Fn(&mut Connection)| {
        let mut all = connections.clone();
        change(&mut all[0]);
        build(nodes.clone(), all)
    };
    let id = connections[0].id;
    assert_eq!(changed(&|c| c.weight = f32::NAN), GenotypeError::Weight(id));
    assert_eq!(changed(&|c| c.weight = 1.1e6), GenotypeError::Weight(id));
    assert_eq!(changed(&|c| c.id ^= 1), GenotypeError::ConnectionId(id ^ 1));
    let into_input = Connection::new(innovation::output(0), innovation::input(0), 1.0);
    assert_eq!(changed(&|c| *c = into_input), GenotypeError::IntoInput(into_input.id));
    let nowhere = Connection::new(7, innovation::output(0), 1.0);
    assert_eq!(changed(&|c| *c = nowhere), GenotypeError::UnknownNode(7));
    let twice = vec![connections[0], connections[0]];
    assert_eq!(build(nodes.clone(), twice), GenotypeError::Collision(id));
    assert!(matches!(build(nodes[1..].to_vec(), vec![]), GenotypeError::MissingEnd(_)));
    let mut disordered = nodes.clone();
    disordered.swap(0, 1);
    assert!(matches!(build(disordered, vec![]), GenotypeError::NodeOrder(_)));
    let ends = Genotype::from_genes(0, 1, vec![], vec![]).unwrap_err();
    assert_eq!(ends, GenotypeError::Ends { inputs: 0, outputs: 1 });
}
