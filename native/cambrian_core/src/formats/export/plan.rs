//! The common input of all exporters: a network's units in the order in which they are computed.
//!
//! It is derived from the program that [`Network`](crate::phenotype::network::Network) runs, so the
//! order of a sum is defined in only one place.

use crate::base::math::{Activation, Aggregation};
use crate::genome::dynamics::Cell;
use crate::genome::genotype::Genotype;
use crate::genome::innovation::{self, NodeId};
use crate::genome::plasticity::{Learning, Plasticity};
use crate::phenotype::kernel::{Kind, Link, Program, QUAD};
use crate::phenotype::network;
use crate::phenotype::normalisation::Normalisation;
use crate::wire::codec::{self, GenotypeId};
use std::collections::HashMap;
use std::fmt;

/// A network to export. Its values are in one row: inputs, memory, units.
pub struct Plan {
    pub id: GenotypeId,
    pub inputs: usize,
    /// What the inputs go through first.
    pub normalisation: Option<Normalisation>,
    /// The count of numbers that are carried from step to step.
    pub memory: usize,
    pub units: Vec<Unit>,
    /// After a step, each slot of the memory takes the value of its unit: (slot, unit), both as
    /// positions in the row.
    pub carried: Vec<(u32, u32)>,
    /// The position of each output in the row.
    pub outputs: Vec<u32>,
    /// The position of the reward in the row, if a unit learns from it.
    pub reward: Option<u32>,
}

pub struct Unit {
    pub label: Label,
    pub gain: f32,
    pub bias: f32,
    pub activation: Activation,
    /// In the order in which they are added.
    pub links: Vec<Link>,
    /// The further parts of a unit that does more than sum and activate.
    pub special: Option<Special>,
}

#[derive(Clone, Copy)]
pub struct Special {
    pub aggregation: Aggregation,
    pub cell: Cell,
    pub learning: Learning,
    /// The position of its state in the row: first the state of its dynamics, then of its
    /// plasticity.
    pub state: u32,
}

/// The node that a unit computes.
#[derive(Clone, Copy)]
pub enum Label {
    Output(u32),
    Hidden(NodeId),
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Label::Output(nth) => write!(f, "output {nth}"),
            Label::Hidden(id) => write!(f, "hidden {id:016x}"),
        }
    }
}

impl Plan {
    pub fn new(genotype: &Genotype) -> Plan {
        let (program, nodes) = network::compile(genotype);
        let outputs: HashMap<NodeId, u32> =
            (0..genotype.outputs()).map(|nth| (innovation::output(nth), nth)).collect();
        let label =
            |id: &NodeId| outputs.get(id).map_or(Label::Hidden(*id), |nth| Label::Output(*nth));
        Plan {
            id: codec::id(genotype),
            inputs: program.inputs,
            normalisation: None,
            memory: program.memory,
            units: units(&program, nodes.iter().map(label)),
            carried: program.remembered.clone(),
            outputs: program.outputs.clone(),
            reward: program.reward,
        }
    }

    /// The same network, which normalises its inputs first, or does not.
    ///
    /// # Panics
    /// If the normalisation is for another number of inputs.
    #[must_use]
    pub fn normalised(self, normalisation: Option<Normalisation>) -> Plan {
        assert!(normalisation.iter().all(|n| n.means().len() == self.inputs));
        Plan { normalisation, ..self }
    }

    /// The position of the first unit in the row.
    pub fn first(&self) -> usize {
        self.inputs + self.memory
    }

    /// The length of the row.
    pub fn row(&self) -> usize {
        self.first() + self.units.len()
    }

    pub fn hex_id(&self) -> String {
        self.id.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The special units, with their indexes among the units.
    pub fn specials(&self) -> impl Iterator<Item = (usize, &Unit, &Special)> {
        let special = |(at, unit): (usize, _)| Some((at, unit)).zip(Unit::special(unit));
        self.units
            .iter()
            .enumerate()
            .filter_map(special)
            .map(|((at, unit), special)| (at, unit, special))
    }

    /// The number of connections that are computed.
    pub fn links(&self) -> usize {
        self.units.iter().map(|unit| unit.links.len()).sum()
    }
}

impl Unit {
    fn special(&self) -> Option<&Special> {
        self.special.as_ref()
    }
}

impl Special {
    /// The position in the row where the learnt parts of its weights begin, if they learn.
    pub fn learnt(&self) -> Option<u32> {
        let learns = self.learning.plasticity != Plasticity::None;
        learns.then_some(self.state + self.cell.slots() as u32)
    }
}

fn units(program: &Program, labels: impl Iterator<Item = Label>) -> Vec<Unit> {
    let kinds = program.runs.iter().flat_map(|run| (run.begin..run.end).map(|_| run.kind));
    let starts =
        [0].into_iter().chain(program.ends.iter().map(|end| end.next_multiple_of(QUAD as u32)));
    let ranges = starts.zip(&program.ends).map(|(start, end)| start as usize..*end as usize);
    (labels.zip(kinds).zip(ranges).zip(program.gains.iter().zip(&program.biases)))
        .map(|(((label, kind), range), (&gain, &bias))| {
            let links = program.links[range].to_vec();
            let (activation, special) = match kind {
                Kind::Plain(activation) => (activation, None),
                Kind::Special(nth) => {
                    let crate::phenotype::kernel::Special {
                        aggregation,
                        cell,
                        learning,
                        state,
                        ..
                    } = program.specials[nth as usize];
                    (cell.activation, Some(Special { aggregation, cell, learning, state: state.0 }))
                }
            };
            Unit { label, gain, bias, activation, links, special }
        })
        .collect()
}
