//! The operators that change one genotype.

use crate::genotype::{Connection, Genotype, MAX_CONNECTIONS, MAX_NODES, Node};
use crate::innovation;
use crate::parameters::Parameters;
use crate::rng::Stream;
use std::fmt;

/// The operator found nothing in this genotype that it could change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotApplicable;

impl fmt::Display for NotApplicable {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("the operator does not apply to this genotype")
    }
}

impl std::error::Error for NotApplicable {}

/// A mutation operator: its name, its rate among the parameters, and what it does.
pub struct Operator {
    pub name: &'static str,
    rate: fn(&Parameters) -> f32,
    apply: fn(&mut Genotype, &Parameters, &mut Stream) -> Result<(), NotApplicable>,
}

macro_rules! operators {
    ($($name:ident),* $(,)?) => {
        /// Every operator, in the order in which [`mutate`] tries them.
        pub const OPERATORS: &[Operator] = &[$(Operator {
            name: stringify!($name),
            rate: |parameters| parameters.$name,
            apply: $name,
        }),*];
    };
}

operators![
    perturb_weights,
    reset_weights,
    perturb_biases,
    change_activation,
    toggle_connection,
    remove_connection,
    add_connection,
    add_recurrent,
    add_node,
];

impl Operator {
    pub fn named(name: &str) -> Option<&'static Operator> {
        OPERATORS.iter().find(|operator| operator.name == name)
    }

    /// A changed copy.
    ///
    /// # Errors
    /// [`NotApplicable`] where nothing could be changed.
    pub fn apply(
        &self,
        genotype: &Genotype,
        parameters: &Parameters,
        rng: &mut Stream,
    ) -> Result<Genotype, NotApplicable> {
        let mut changed = genotype.clone();
        (self.apply)(&mut changed, parameters, rng)?;
        Ok(changed)
    }
}

/// Applies each operator with the probability that the parameters give it; one that does not
/// apply is passed over.
pub fn mutate(genotype: &mut Genotype, parameters: &Parameters, rng: &mut Stream) {
    for operator in OPERATORS {
        if rng.chance((operator.rate)(parameters)) {
            let _ = (operator.apply)(genotype, parameters, rng);
        }
    }
}

fn perturb_weights(g: &mut Genotype, p: &Parameters, rng: &mut Stream) -> Result<(), NotApplicable> {
    for c in &mut g.connections {
        c.weight = p.clamp(c.weight + rng.normal() * p.weight_step);
    }
    if g.connections.is_empty() { Err(NotApplicable) } else { Ok(()) }
}

fn reset_weights(g: &mut Genotype, p: &Parameters, rng: &mut Stream) -> Result<(), NotApplicable> {
    if g.connections.is_empty() {
        return Err(NotApplicable);
    }
    // at least one, so that the operator never claims a change that it did not make
    let certain = rng.below(g.connections.len());
    for (i, c) in g.connections.iter_mut().enumerate() {
        if i == certain || rng.chance(0.1) {
            c.weight = p.clamp(rng.normal() * p.initial_weight);
        }
    }
    Ok(())
}

fn perturb_biases(g: &mut Genotype, p: &Parameters, rng: &mut Stream) -> Result<(), NotApplicable> {
    for node in &mut g.nodes[g.inputs as usize..] {
        node.bias = p.clamp(node.bias + rng.normal() * p.weight_step);
    }
    Ok(())
}

fn change_activation(g: &mut Genotype, p: &Parameters, rng: &mut Stream) -> Result<(), NotApplicable> {
    let (first, hidden) = (g.inputs as usize, g.hidden().len());
    if hidden == 0 {
        return Err(NotApplicable);
    }
    let node = &mut g.nodes[first + rng.below(hidden)];
    let others: Vec<_> = p.activations.iter().filter(|a| **a != node.activation).collect();
    node.activation = **rng.pick(&others).ok_or(NotApplicable)?;
    Ok(())
}

fn toggle_connection(g: &mut Genotype, _: &Parameters, rng: &mut Stream) -> Result<(), NotApplicable> {
    let at = random_connection(g, rng)?;
    g.connections[at].enabled ^= true;
    Ok(())
}

fn remove_connection(g: &mut Genotype, _: &Parameters, rng: &mut Stream) -> Result<(), NotApplicable> {
    let at = random_connection(g, rng)?;
    let gone = g.connections.remove(at);
    for id in [gone.from, gone.to] {
        remove_if_idle(g, id);
    }
    Ok(())
}

/// A hidden node with nothing but loops of its own can do nothing.
fn remove_if_idle(g: &mut Genotype, id: innovation::NodeId) {
    let hidden = g.hidden().iter().any(|n| n.id == id);
    let joined = g.connections.iter().any(|c| (c.from == id) != (c.to == id));
    if hidden && !joined {
        g.nodes.retain(|n| n.id != id);
        g.connections.retain(|c| c.from != id);
    }
}

fn add_connection(g: &mut Genotype, p: &Parameters, rng: &mut Stream) -> Result<(), NotApplicable> {
    connect(g, p, rng, false)
}

fn add_recurrent(g: &mut Genotype, p: &Parameters, rng: &mut Stream) -> Result<(), NotApplicable> {
    connect(g, p, rng, true)
}

/// Tries random pairs first, since most genotypes are sparse, and searches only when they fail.
fn connect(g: &mut Genotype, p: &Parameters, rng: &mut Stream, recurrent: bool) -> Result<(), NotApplicable> {
    let targets = &g.nodes[g.inputs as usize..];
    let free = |from: &Node, to: &Node| {
        innovation::is_recurrent(from.layer, to.layer) == recurrent
            && g.find_connection(innovation::connection(from.id, to.id)).is_err()
    };
    let guess = (0..20).find_map(|_| {
        let pair = (&g.nodes[rng.below(g.nodes.len())], &targets[rng.below(targets.len())]);
        free(pair.0, pair.1).then_some(pair)
    });
    let search = || {
        let start = rng.below(g.nodes.len() * targets.len());
        let pairs = g.nodes.len() * targets.len();
        (0..pairs.min(10_000))
            .map(|k| (start + k) % pairs)
            .map(|k| (&g.nodes[k / targets.len()], &targets[k % targets.len()]))
            .find(|pair| free(pair.0, pair.1))
    };
    let (from, to) = guess.or_else(search).ok_or(NotApplicable)?;
    let connection = Connection::new(from.id, to.id, p.clamp(rng.normal() * p.initial_weight));
    insert_connection(g, connection)
}

/// Splits an enabled connection: it is disabled, the new node takes its weight on the way out
/// and 1 on the way in (Stanley & Miikkulainen 2002, section III-A).
fn add_node(g: &mut Genotype, p: &Parameters, rng: &mut Stream) -> Result<(), NotApplicable> {
    let enabled: Vec<usize> = (0..g.connections.len()).filter(|&at| g.connections[at].enabled).collect();
    let at = *rng.pick(&enabled).ok_or(NotApplicable)?;
    let old = g.connections[at];
    let index = g.index();
    let layer_of = |id| index.position(id).map(|at| g.nodes[at].layer).ok_or(NotApplicable);
    let layer = innovation::split_layer(layer_of(old.from)?, layer_of(old.to)?).ok_or(NotApplicable)?;
    let id = (0..=u32::MAX)
        .map(|nth| innovation::split(old.id, nth))
        .find(|id| index.position(*id).is_none())
        .ok_or(NotApplicable)?;
    if g.nodes.len() >= MAX_NODES {
        return Err(NotApplicable);
    }
    insert_connection(g, Connection::new(old.from, id, 1.0))?;
    insert_connection(g, Connection::new(id, old.to, old.weight))?;
    let place = g.nodes.partition_point(|n| (n.layer, n.id) < (layer, id));
    g.nodes.insert(place, Node { id, layer, activation: p.activation, bias: 0.0 });
    let at = g.find_connection(old.id).map_err(|_| NotApplicable)?;
    g.connections[at].enabled = false;
    Ok(())
}

/// Where the id is taken by other ends (a collision) the operator does not apply.
fn insert_connection(g: &mut Genotype, connection: Connection) -> Result<(), NotApplicable> {
    match g.find_connection(connection.id) {
        Err(place) if g.connections.len() < MAX_CONNECTIONS => {
            g.connections.insert(place, connection);
            Ok(())
        }
        _ => Err(NotApplicable),
    }
}

fn random_connection(g: &Genotype, rng: &mut Stream) -> Result<usize, NotApplicable> {
    if g.connections.is_empty() { Err(NotApplicable) } else { Ok(rng.below(g.connections.len())) }
}
