//! Networks that are expressed from a geometry.

use cambrian_core::base::cancel::Cancelled;
use cambrian_core::base::math::Activation;
use cambrian_core::genome::genotype::{Connection, Genotype, Node, Shape};
use cambrian_core::genome::innovation::{self, BOTTOM, TOP};
use cambrian_core::genome::neuron::Neuron;
use cambrian_core::genome::parameters::Parameters;
use cambrian_core::phenotype::network::{Network, Runner};
use cambrian_core::phenotype::substrate::{
    Expression, Hidden, MAX_PAIRS, Plan, Point, Quadtree, Substrate, SubstrateError, grid,
};
use cambrian_core::search::population::Population;
use cambrian_core::task::{self, Score, Task, Trial};
use cambrian_core::{search::population::checkpoint, wire::codec};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

static GO: AtomicBool = AtomicBool::new(false);

/// A CPPN with the given genes: hidden nodes are numbered from 0, and the links of each are
/// (input, weight).
fn cppn(
    inputs: u32,
    outputs: &[Activation],
    hidden: &[(Activation, &[(u32, f32)])],
    links: &[(u64, u64, f32)],
) -> Genotype {
    let node = |id, layer, activation| Node { id, layer, neuron: Neuron::new(activation) };
    let ends = (0..inputs).map(|i| node(innovation::input(i), BOTTOM, Activation::Identity));
    let outs = outputs
        .iter()
        .zip(0..)
        .map(|(&activation, j)| node(innovation::output(j), TOP, activation));
    let inner = hidden.iter().zip(0..).map(|((activation, _), k)| node(k, TOP / 2, *activation));
    let mut nodes: Vec<Node> = ends.chain(outs).chain(inner).collect();
    let into = hidden.iter().zip(0..).flat_map(|((_, from), k)| {
        from.iter().map(move |&(i, weight)| Connection::new(innovation::input(i), k, weight))
    });
    let direct = links.iter().map(|&(from, to, weight)| Connection::new(from, to, weight));
    let mut connections: Vec<Connection> = into.chain(direct).collect();
    nodes.sort_by_key(|n| (n.layer, n.id));
    connections.sort_by_key(|c| c.id);
    Genotype::from_genes(inputs, outputs.len() as u32, nodes, connections).unwrap()
}

/// A CPPN whose outputs are weighted sums of its inputs.
fn linear(inputs: u32, outputs: &[&[(u32, f32)]]) -> Genotype {
    let links: Vec<_> = (outputs.iter().zip(0..))
        .flat_map(|(from, j)| {
            from.iter().map(move |&(i, w)| (innovation::input(i), innovation::output(j), w))
        })
        .collect();
    cppn(inputs, &vec![Activation::Identity; outputs.len()], &[], &links)
}

fn substrate(plan: Plan) -> Substrate {
    Substrate::new(plan).unwrap()
}

/// A substrate with a field of input pixels and a field of as many output pixels.
fn field(sizes: &[u32]) -> Substrate {
    let points = grid(sizes).unwrap();
    substrate(Plan { output_activation: Activation::Identity, ..Plan::new(points.clone(), points) })
}

fn highest(outputs: &[f32]) -> usize {
    (0..outputs.len()).reduce(|a, b| if outputs[b] > outputs[a] { b } else { a }).unwrap()
}

/// The champion of the generation that solves the task, or after so many generations.
fn champion(
    task: &dyn Task,
    on: &Arc<Substrate>,
    seed: u64,
    generations: u64,
) -> (Arc<Genotype>, bool) {
    let mut population = first(task, on, seed);
    loop {
        let evaluated = population.evaluate(task, &GO).unwrap();
        let champion = &evaluated.population().champion().unwrap().genotype;
        let solved = task.trial(&Network::new(&on.express(champion).unwrap())).solved;
        if solved || evaluated.population().generation() + 1 == generations {
            return (Arc::clone(champion), solved);
        }
        population = evaluated.next(&GO).unwrap();
    }
}

fn first(task: &dyn Task, on: &Arc<Substrate>, seed: u64) -> Population {
    let parameters = cambrian_core::phenotype::substrate::cppn_parameters(task.parameters());
    Population::new(parameters, Arc::clone(on), seed).unwrap()
}

/// Visual discrimination (Stanley, D'Ambrosio & Gauci 2009, section 4): one of two boxes in a
/// square field is three times as wide, and the highest output must be at its centre.
struct Boxes {
    /// the side of the field, in widths of the smaller box
    side: usize,
    /// the width of the smaller box, in pixels
    width: usize,
}

impl Boxes {
    fn substrate(&self) -> Arc<Substrate> {
        Arc::new(field(&[(self.side * self.width) as u32; 2]))
    }

    /// The larger box at every second place, with the smaller box at one of the places that leave
    /// a gap between them.
    fn trials(&self) -> Vec<([usize; 2], [usize; 2])> {
        let places = |step| (0..self.side - 2).step_by(step);
        let free = |large: [usize; 2]| {
            let all = (0..self.side).flat_map(|x| (0..self.side).map(move |y| [x, y]));
            let far = all.filter(|small| {
                (0..2).any(|axis| !(large[axis]..large[axis] + 5).contains(&(small[axis] + 1)))
            });
            far.collect::<Vec<_>>()
        };
        let larges = places(2).flat_map(|x| places(2).map(move |y| [x, y]));
        larges
            .map(|large| (large, free(large)[(large[0] * 31 + large[1] * 17) % free(large).len()]))
            .collect()
    }

    fn pixels(&self, boxes: [([usize; 2], usize); 2]) -> Vec<f32> {
        let pixels = self.side * self.width;
        let mut field = vec![0.0; pixels * pixels];
        for (corner, size) in boxes {
            let [x, y] = corner.map(|c| c * self.width);
            let size = size * self.width;
            (0..size).for_each(|i| field[(x + i) * pixels + y..][..size].fill(1.0));
        }
        field
    }

    /// The mean distance of the highest output from the centre of the larger box, in widths of
    /// the smaller box.
    fn distance(&self, network: &Network) -> f64 {
        let trials = self.trials();
        let apart = |&(large, small): &([usize; 2], [usize; 2])| {
            let at = highest(&network.activate(&self.pixels([(large, 3), (small, 1)])));
            let pixels = self.side * self.width;
            let off = |at: usize, corner: usize| {
                (at as f64 + 0.5) / self.width as f64 - corner as f64 - 1.5
            };
            off(at / pixels, large[0]).hypot(off(at % pixels, large[1]))
        };
        trials.iter().map(apart).sum::<f64>() / trials.len() as f64
    }
}

impl Task for Boxes {
    fn shape(&self) -> Shape {
        self.substrate().shape()
    }

    fn parameters(&self) -> Parameters {
        Parameters { population: 50, ..Parameters::default() }
    }

    fn grain(&self) -> usize {
        1
    }

    fn evaluate_on(&self, network: &Runner) -> Result<Score, Cancelled> {
        Ok(Score::from(-self.distance(network.network())))
    }

    fn trial_on(&self, network: &Runner) -> Result<Trial, Cancelled> {
        Ok(Trial::new(self.distance(network.network()) == 0.0, Vec::new()))
    }
}

#[test]
fn boxes_are_told_apart_also_at_four_times_the_pixels_without_further_evolution() {
    let (low, high) = (Boxes { side: 11, width: 1 }, Boxes { side: 11, width: 2 });
    assert_eq!(low.trials().len(), 25);
    for seed in 1..=3 {
        let (cppn, solved) = champion(&low, &low.substrate(), seed, 20);
        assert!(solved, "seed {seed}");
        let network = Network::new(&high.substrate().express(&cppn).unwrap());
        // the centre lies between pixels, so the nearest is half a pixel away in both directions
        let nearest = f64::sqrt(2.0) / 4.0;
        assert!(
            high.distance(&network) < nearest + 0.1,
            "seed {seed}: {}",
            high.distance(&network)
        );
    }
}

/// The same on a line, mirrored: an input on the left must appear on the right. The distance
/// between two nodes does not help, so the CPPN needs a hidden node.
struct Mirror {
    width: usize,
}

impl Mirror {
    const SIDE: usize = 15;

    fn substrate(&self) -> Arc<Substrate> {
        Arc::new(field(&[(Self::SIDE * self.width) as u32]))
    }

    fn distance(&self, network: &Network) -> f64 {
        let apart = |(large, small): (usize, usize)| {
            let mut line = vec![0.0; Self::SIDE * self.width];
            line[large * self.width..][..3 * self.width].fill(1.0);
            line[small * self.width..][..self.width].fill(1.0);
            let shown = (highest(&network.activate(&line)) as f64 + 0.5) / self.width as f64;
            (Self::SIDE as f64 - shown - (large as f64 + 1.5)).abs()
        };
        let trials: Vec<_> = (0..Self::SIDE - 2)
            .flat_map(|large| (0..Self::SIDE).map(move |small| (large, small)))
            .filter(|&(large, small)| !(large..large + 5).contains(&(small + 1)))
            .collect();
        trials.iter().map(|&trial| apart(trial)).sum::<f64>() / trials.len() as f64
    }
}

impl Task for Mirror {
    fn shape(&self) -> Shape {
        self.substrate().shape()
    }

    fn parameters(&self) -> Parameters {
        Parameters::default()
    }

    fn grain(&self) -> usize {
        8
    }

    fn evaluate_on(&self, network: &Runner) -> Result<Score, Cancelled> {
        Ok(Score::from(-self.distance(network.network())))
    }

    fn trial_on(&self, network: &Runner) -> Result<Trial, Cancelled> {
        Ok(Trial::new(self.distance(network.network()) == 0.0, Vec::new()))
    }
}

#[test]
fn evolution_finds_a_cppn_that_mirrors_a_line_also_at_three_times_the_pixels() {
    let (low, high) = (Mirror { width: 1 }, Mirror { width: 3 });
    let champions = (1..=5).map(|seed| champion(&low, &low.substrate(), seed, 80));
    let solved: Vec<_> = champions.filter(|(_, solved)| *solved).collect();
    assert!(solved.len() >= 4, "{} of 5", solved.len());
    for (cppn, _) in solved {
        assert!(cppn.hidden() > 0);
        let network = Network::new(&high.substrate().express(&cppn).unwrap());
        assert!(high.distance(&network) < 0.5, "{}", high.distance(&network));
    }
}

/// A substrate with hidden nodes on a line between the inputs and the output.
fn xor_substrate(expression: Expression) -> Arc<Substrate> {
    let inputs = vec![vec![-1.0, -1.0], vec![1.0, -1.0]];
    let hidden = Hidden::layers(vec![grid(&[3, 1]).unwrap()]);
    let plan = Plan::new(inputs, vec![vec![0.0, 1.0]]);
    Arc::new(substrate(Plan { hidden, bias: true, weight_range: 8.0, expression, ..plan }))
}

#[test]
fn xor_is_solved_on_a_substrate_from_every_seed() {
    let task = task::named("xor").unwrap();
    for expression in [Expression::Threshold(0.2), Expression::Leo] {
        let on = xor_substrate(expression);
        assert!((1..=10).all(|seed| champion(task, &on, seed, 100).1), "{expression:?}");
    }
}

#[test]
fn a_run_on_a_substrate_repeats_on_any_threads_and_from_its_checkpoint() {
    let (task, on) = (task::named("xor").unwrap(), xor_substrate(Expression::Leo));
    let run = |mut population: Population, generation| {
        while population.generation() < generation {
            population = population.evaluate(task, &GO).unwrap().next(&GO).unwrap();
        }
        checkpoint::encode(&population)
    };
    let whole = run(first(task, &on, 7), 8);
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(whole, pool.install(|| run(first(task, &on, 7), 8)));
    }
    let half = run(first(task, &on, 7), 3);
    assert_eq!(whole, run(checkpoint::decode(&half).unwrap(), 8));
    // with one more input point the genotypes do not fit as CPPNs
    let outputs =
        half.windows(8).position(|w| w == b"\xa7outputs").expect("the population's outputs") + 8;
    assert_eq!(half[outputs], 3);
    let other = [&half[..outputs], &[2], &half[outputs + 1..]].concat();
    assert!(checkpoint::decode(&other).is_err());
}

#[test]
fn weights_are_absent_up_to_the_threshold_and_scaled_above_it() {
    let on = substrate(Plan::new(
        vec![vec![0.0]],
        [-2.0, -0.6, -0.2, 0.1, 0.3, 1.0].map(|x| vec![x]).to_vec(),
    ));
    let express = |cppn| on.express(&cppn).unwrap();
    let weights = |g: &Genotype| -> Vec<Option<f32>> {
        let weight = |j| g.connections().find(|c| c.to == innovation::output(j)).map(|c| c.weight);
        (0..6).map(weight).collect()
    };
    // the CPPN returns the target's coordinate, its second input
    let found = weights(&express(linear(4, &[&[(1, 1.0)]])));
    let expected = [Some(-3.0), Some(-1.5), None, None, Some(0.375), Some(3.0)];
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.is_some(), expected.is_some());
        assert!(
            (found.unwrap_or(0.0) - expected.unwrap_or(0.0)).abs() < 1e-6,
            "{found:?} {expected:?}"
        );
    }
    // with the distance and 1.0, its last inputs
    assert_eq!(weights(&express(linear(4, &[&[(2, 0.5)]])))[0], Some(3.0));
    assert!(weights(&express(linear(4, &[&[(3, 1.0)]]))).iter().all(|w| *w == Some(3.0)));
}

#[test]
fn further_outputs_decide_on_connections_and_on_biases() {
    let points = [-0.5, 0.1, 0.5].map(|x| vec![x]).to_vec();
    let plan =
        Plan { bias: true, expression: Expression::Leo, ..Plan::new(vec![vec![0.5]], points) };
    let on = substrate(plan);
    assert_eq!(on.cppn_shape(), Shape { inputs: 4, outputs: 3 });
    // weight = source, bias = target + source (which is the origin), connected if the target is
    // above 0
    let g = on.express(&linear(4, &[&[(0, 0.1)], &[(1, 1.0), (0, 9.0)], &[(1, 1.0)]])).unwrap();
    let mut weights: Vec<_> = g.connections().map(|c| (c.to, c.weight)).collect();
    weights.sort_by_key(|w| w.0 == innovation::output(2));
    let close = |a: f32, b: f32| (a - b).abs() < 1e-6;
    assert_eq!(
        weights.iter().map(|w| w.0).collect::<Vec<_>>(),
        [innovation::output(1), innovation::output(2)]
    );
    assert!(weights.iter().all(|w| close(w.1, 0.15)));
    let bias = |j| g.nodes().find(|n| n.id == innovation::output(j)).unwrap().neuron.bias;
    assert!(close(bias(0), -1.5) && close(bias(1), 0.3) && close(bias(2), 1.5));
}

#[test]
fn an_even_cppn_gives_a_symmetric_network() {
    let hidden = Hidden::layers(vec![grid(&[5, 2]).unwrap()]);
    let plan = Plan {
        hidden,
        expression: Expression::Threshold(0.0),
        ..Plan::new(grid(&[8, 3]).unwrap(), grid(&[6, 2]).unwrap())
    };
    let on = substrate(plan);
    let express = |hidden: &[(Activation, &[(u32, f32)])]| {
        let links: Vec<_> =
            (0..hidden.len() as u64).map(|k| (k, innovation::output(0), 0.4)).collect();
        Network::new(&on.express(&cppn(6, &[Activation::Tanh], hidden, &links)).unwrap())
    };
    // the sum and the difference of x change signs together; y may have any value
    use Activation::{Gaussian, Sin};
    let even =
        express(&[(Gaussian, &[(0, 2.0), (2, -1.0)]), (Sin, &[(1, 2.0), (3, 1.0), (4, 1.0)])]);
    let odd = express(&[(Sin, &[(0, 2.0), (2, -1.0)]), (Sin, &[(1, 2.0), (3, 1.0), (4, 1.0)])]);
    let mirrored = |numbers: &[f32], columns: usize| -> Vec<f32> {
        numbers.chunks(numbers.len() / columns).rev().flatten().copied().collect()
    };
    let seen: Vec<f32> = (0..24).map(|i| (i * 37 % 11) as f32 / 11.0).collect();
    let apart = |network: &Network| {
        let (here, there) = (network.activate(&seen), network.activate(&mirrored(&seen, 8)));
        let difference =
            mirrored(&here, 6).iter().zip(there).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(here.iter().any(|y| (y - here[0]).abs() > 1e-3));
        difference
    };
    assert!(apart(&even) < 1e-5 && apart(&odd) > 1e-3, "{} {}", apart(&even), apart(&odd));
}

#[test]
fn layers_are_joined_by_the_plan_and_their_nodes_have_the_same_ids_everywhere() {
    let points = |n| grid(&[n]).unwrap();
    let plan = |joins: &[(u32, u32)]| Plan {
        hidden: Hidden::Placed { layers: vec![points(3), points(2)], joins: joins.to_vec() },
        ..Plan::new(points(4), points(1))
    };
    let full = linear(4, &[&[(3, 1.0)]]);
    let express = |joins: &[(u32, u32)]| substrate(plan(joins)).express(&full).unwrap();
    let chain = express(&[(0, 1), (1, 2), (2, 3)]);
    assert_eq!((chain.connections().len(), chain.recurrent()), (4 * 3 + 3 * 2 + 2, 0));
    assert_eq!(
        codec::id(&chain),
        codec::id(
            &substrate(Plan { hidden: Hidden::layers(vec![points(3), points(2)]), ..plan(&[]) })
                .express(&full)
                .unwrap()
        )
    );
    let looped = express(&[(0, 1), (1, 1), (2, 1), (1, 3), (0, 3)]);
    assert_eq!((looped.connections().len(), looped.recurrent()), (4 * 3 + 9 + 6 + 3 + 4, 15));
    assert_eq!(Network::new(&looped).memory(), 5);
    let hidden = |g: &Genotype| {
        g.nodes()
            .filter(|n| n.layer > BOTTOM && n.layer < TOP)
            .map(|n| (n.layer, n.id))
            .collect::<Vec<_>>()
    };
    assert_eq!(hidden(&chain), hidden(&looped));
    assert!(hidden(&chain).contains(&(TOP / 3 * 2, innovation::substrate(TOP / 3 * 2, 1))));
    assert_eq!(codec::decode(&codec::encode(&looped)), Ok(looped));
}

/// The numbers are those of another program, written from the paper's pseudo code.
#[test]
fn hidden_nodes_are_found_where_the_paper_finds_them() {
    // tanh(1.5 sin(2 x₁ + 4 x₂ + 3 y₂) + 0.8 exp(−(3 x₁ − 2 y₂ + 0.5 d)²) − 0.4 d + 0.1)
    let out = innovation::output(0);
    let pattern = cppn(
        6,
        &[Activation::Tanh],
        &[
            (Activation::Sin, &[(0, 2.0), (2, 4.0), (3, 3.0)]),
            (Activation::Gaussian, &[(0, 3.0), (3, -2.0), (4, 0.5)]),
        ],
        &[
            (0, out, 1.5),
            (1, out, 0.8),
            (innovation::input(4), out, -0.4),
            (innovation::input(5), out, 0.1),
        ],
    );
    let paper = Quadtree::default();
    let cases = [
        (paper.clone(), (56, 593, 750.710)),
        (Quadtree { iterations: 0, ..paper.clone() }, (11, 23, 22.050)),
        (
            Quadtree { initial_depth: 1, division_threshold: 0.2, ..paper.clone() },
            (52, 404, 529.736),
        ),
        (
            Quadtree {
                initial_depth: 2,
                max_depth: 4,
                division_threshold: 0.1,
                variance_threshold: 0.1,
                iterations: 2,
                ..paper
            },
            (316, 10_388, 11_174.047),
        ),
    ];
    for (quadtree, (nodes, connections, weights)) in cases {
        let g = found(quadtree).express(&pattern).unwrap();
        assert_eq!((g.hidden(), g.connections().len()), (nodes, connections));
        let sum: f64 = g.connections().map(|c| f64::from(c.weight.abs())).sum();
        assert!((sum - weights).abs() < 1e-3 * weights, "{sum} and {weights}");
        assert_eq!(codec::decode(&codec::encode(&g)), Ok(g));
    }
}

fn found(quadtree: Quadtree) -> Substrate {
    let inputs: Vec<Point> = [-1.0, 0.25, 1.0].map(|x| vec![x, -1.0]).to_vec();
    let outputs = [-0.5, 0.5].map(|x| vec![x, 1.0]).to_vec();
    substrate(Plan { hidden: Hidden::Found(quadtree), ..Plan::new(inputs, outputs) })
}

#[test]
fn a_pattern_without_information_has_no_hidden_nodes() {
    let g = found(Quadtree::default()).express(&linear(6, &[&[(5, 1.0)]])).unwrap();
    assert_eq!((g.hidden(), g.connections().len()), (0, 0));
}

#[test]
fn a_wrong_substrate_is_refused_with_a_reason_before_it_is_built() {
    let line = |n| grid(&[n]).unwrap();
    let refused = |plan: Plan| Substrate::new(plan).unwrap_err();
    let plan = || Plan::new(line(3), line(2));
    let hidden = |layers: Vec<Vec<Point>>, joins: &[(u32, u32)]| Hidden::Placed {
        layers,
        joins: joins.to_vec(),
    };
    use SubstrateError::{Dimensions, EmptyLayer, Grid, Join, Setting};
    assert_eq!(refused(Plan::new(vec![], line(2))), EmptyLayer(0));
    assert_eq!(refused(Plan { hidden: hidden(vec![vec![]], &[]), ..plan() }), EmptyLayer(1));
    let point = |index, dimensions| SubstrateError::Point { layer: 1, index, dimensions };
    assert_eq!(refused(Plan::new(line(3), vec![vec![0.0], vec![0.0, 0.0]])), point(1, 1));
    assert_eq!(refused(Plan::new(line(3), vec![vec![f32::NAN]])), point(0, 1));
    assert!(matches!(
        refused(Plan::new(vec![vec![0.0; 4]], vec![vec![0.0; 4]])),
        SubstrateError::Point { layer: 0, .. }
    ));
    for join in [(0, 0), (2, 1), (0, 2)] {
        let error = refused(Plan { hidden: hidden(vec![], &[join]), ..plan() });
        assert_eq!(error, Join { from: join.0, to: join.1 });
    }
    assert_eq!(
        refused(Plan { hidden: hidden(vec![], &[(0, 1), (0, 1)]), ..plan() }),
        Join { from: 0, to: 1 }
    );
    for (setting, plan) in [
        ("weight_range", Plan { weight_range: 0.0, ..plan() }),
        ("threshold", Plan { expression: Expression::Threshold(1.0), ..plan() }),
    ] {
        assert!(matches!(refused(plan), Setting { name, .. } if name == setting));
    }
    let in_two =
        |hidden| Plan { hidden, ..Plan::new(grid(&[2, 2]).unwrap(), grid(&[1, 1]).unwrap()) };
    assert_eq!(
        refused(Plan { hidden: Hidden::Found(Quadtree::default()), ..plan() }),
        Dimensions(1)
    );
    let deep =
        |initial_depth, max_depth| Quadtree { initial_depth, max_depth, ..Quadtree::default() };
    assert!(matches!(
        refused(in_two(Hidden::Found(deep(3, 2)))),
        Setting { name: "initial_depth", .. }
    ));
    let too_large = |error| matches!(error, SubstrateError::TooLarge { .. });
    assert!(too_large(refused(in_two(Hidden::Found(deep(1, 8))))));
    assert!(too_large(refused(Plan::new(line(10_000), line(1_001)))));
    assert!(refused(Plan::new(line(10_000), line(1_001))).to_string().contains("10010000 pairs"));
    assert!(too_large(refused(Plan { hidden: hidden(vec![line(100_000)], &[]), ..plan() })));
    assert_eq!(grid(&[1_000, 101]), Err(Grid));
    assert_eq!(grid(&[]), Err(Grid));
    let error = field(&[4]).express(&linear(3, &[&[(0, 1.0)]])).unwrap_err();
    assert_eq!(error.to_string(), "a CPPN of 3 inputs and 1 outputs; expected 4 and 1");
}

/// The paper's box of 33 by 33 has more pairs than a genotype can have connections; 55 by 55 has
/// eight times as many.
#[test]
fn a_substrate_as_large_as_that_of_the_paper_runs() {
    let box_of = |size| Plan::new(grid(&[size, size]).unwrap(), grid(&[size, size]).unwrap());
    let substrate = Substrate::new(box_of(33)).unwrap();
    assert_eq!(substrate.pairs(), 1_185_921);
    assert!(box_of(55).inputs.len() * box_of(55).outputs.len() < MAX_PAIRS);
    // the output is always 1.0, so every weight is the maximum
    let network = substrate.express(&linear(6, &[&[(5, 1.0)]])).unwrap();
    assert_eq!(network.connections().len(), 1_185_921);
    assert!(network.connections().all(|connection| connection.weight == 3.0));
    assert_eq!(Network::new(&network).connections(), 1_185_921);
}
