//! Hidden nodes where the pattern of weights has information: ES-HyperNEAT (Risi & Stanley 2012,
//! "An enhanced hypercube-based encoding for evolving the placement, density, and connectivity of
//! neurons", appendix A).

use super::wiring::{self, CppnQuery, Place, Site, Wiring, fixed_point, place};
use super::{Plan, SubstrateError};
use crate::base::cancel::Cancelled;
use crate::genome::innovation::{self, BOTTOM, Layer, NodeId};
use serde::{Deserialize, Serialize};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// The parameters of the search for a node's partners. The search treats the weights around a node
/// as a picture over the square from −1 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quadtree {
    /// The square is divided at least so many times, 1 to 8, each time into 2 by 2 cells.
    pub initial_depth: u32,
    /// It is divided at most so many times, 1 to 8, while the variance of a cell is more than
    /// `division_threshold`.
    pub max_depth: u32,
    pub division_threshold: f32,
    /// A cell with a smaller variance is one node, at its centre.
    pub variance_threshold: f32,
    /// A node is used if its weight differs by more than this from the weights on either side.
    pub band_threshold: f32,
    /// How many times the search continues from the hidden nodes that it found; at most 100.
    pub iterations: u32,
}

/// The values of the paper's experiments.
impl Default for Quadtree {
    fn default() -> Quadtree {
        Quadtree {
            initial_depth: 3,
            max_depth: 3,
            division_threshold: 0.03,
            variance_threshold: 0.03,
            band_threshold: 0.3,
            iterations: 1,
        }
    }
}

/// A cell of the picture of weights.
struct Cell {
    centre: [f32; 2],
    weight: f32,
    expressed: bool,
    /// four or none
    cells: Vec<Cell>,
}

impl Cell {
    fn leaves(&self, weights: &mut Vec<f32>) {
        if self.cells.is_empty() {
            weights.push(self.weight);
        }
        self.cells.iter().for_each(|cell| cell.leaves(weights));
    }
}

fn variance(cells: &[Cell]) -> f32 {
    let mut weights = Vec::new();
    cells.iter().for_each(|cell| cell.leaves(&mut weights));
    let mean = |numbers: &[f32]| numbers.iter().sum::<f32>() / numbers.len() as f32;
    let centre = mean(&weights);
    mean(&weights.iter().map(|w| (w - centre) * (w - centre)).collect::<Vec<_>>())
}

/// The search around one node, for the targets of its connections or for their sources.
struct Search<'a> {
    quadtree: &'a Quadtree,
    query: &'a CppnQuery<'a>,
    node: Place,
    outgoing: bool,
}

impl Search<'_> {
    fn partners(&self) -> Result<Vec<Place>, Cancelled> {
        let mut found = Vec::new();
        self.extract(&self.divide([0.0, 0.0], 1.0, 1)?, 1.0, &mut found)?;
        Ok(found)
    }

    fn ask(&self, centres: [[f32; 2]; 4]) -> Result<[Cell; 4], Cancelled> {
        let ends = |centre: [f32; 2]| {
            let other = place(&centre);
            if self.outgoing { (self.node, other) } else { (other, self.node) }
        };
        let answers = self.query.ask(&centres.map(ends))?;
        let mut answers = answers.chunks(answers.len() / 4);
        Ok(centres.map(|centre| {
            let answer = answers.next().expect("an answer for each question");
            let expressed = self.query.weight(answer).is_some();
            Cell { centre, weight: answer[0], expressed, cells: Vec::new() }
        }))
    }

    /// Algorithm 1, division and initialisation. `half` is half of the side of the cell that is
    /// divided.
    fn divide(&self, [x, y]: [f32; 2], half: f32, depth: u32) -> Result<Vec<Cell>, Cancelled> {
        let (step, q) = (half / 2.0, self.quadtree);
        let corners = [
            [x - step, y - step],
            [x - step, y + step],
            [x + step, y - step],
            [x + step, y + step],
        ];
        let mut cells = Vec::from(self.ask(corners)?);
        if depth < q.initial_depth || depth < q.max_depth && variance(&cells) > q.division_threshold
        {
            for cell in &mut cells {
                cell.cells = self.divide(cell.centre, step, depth + 1)?;
            }
        }
        Ok(cells)
    }

    /// Algorithm 2, pruning and extraction.
    fn extract(&self, cells: &[Cell], half: f32, found: &mut Vec<Place>) -> Result<(), Cancelled> {
        for cell in cells {
            if !cell.cells.is_empty() && variance(&cell.cells) >= self.quadtree.variance_threshold {
                self.extract(&cell.cells, half / 2.0, found)?;
            } else if cell.expressed && self.is_in_band(cell, half)? {
                found.push(place(&cell.centre));
            }
        }
        Ok(())
    }

    /// `side` is the side of the cell.
    fn is_in_band(&self, cell: &Cell, side: f32) -> Result<bool, Cancelled> {
        let [x, y] = cell.centre;
        let around = self.ask([[x - side, y], [x + side, y], [x, y - side], [x, y + side]])?;
        let [left, right, below, above] = around.map(|other| (other.weight - cell.weight).abs());
        Ok(left.min(right).max(below.min(above)) > self.quadtree.band_threshold)
    }
}

impl Quadtree {
    pub(super) fn check(&self) -> Result<(), SubstrateError> {
        let setting = |name, expected| Err(SubstrateError::Setting { name, expected });
        let thresholds = [
            ("division_threshold", self.division_threshold),
            ("variance_threshold", self.variance_threshold),
            ("band_threshold", self.band_threshold),
        ];
        if !(1..=8).contains(&self.max_depth) {
            return setting("max_depth", "an integer from 1 to 8");
        }
        if !(1..=self.max_depth).contains(&self.initial_depth) {
            return setting("initial_depth", "an integer from 1 to max_depth");
        }
        if self.iterations > 100 {
            return setting("iterations", "an integer from 0 to 100");
        }
        match thresholds.into_iter().find(|(_, threshold)| !(0.0..=1000.0).contains(threshold)) {
            Some((name, _)) => setting(name, "a number from 0 to 1000"),
            None => Ok(()),
        }
    }

    /// The number of smallest cells.
    pub(super) fn leaves(&self) -> usize {
        1 << (2 * self.max_depth)
    }

    /// The number of cells of all sizes. Each can be a node.
    pub(super) fn places(&self) -> usize {
        (4 * self.leaves() - 4) / 3
    }

    /// Algorithm 3: finds hidden nodes from the inputs, then from these nodes, and so on; then
    /// finds which of them lead to the outputs. Removes nodes that lead to no output.
    pub(super) fn wiring(&self, query: &CppnQuery) -> Result<Wiring, SubstrateError> {
        let (plan, count) = (query.plan, self.iterations as usize + 3);
        let partners = |node, outgoing| Search { quadtree: self, query, node, outgoing }.partners();
        let mut sites = wiring::sites(plan, 0, count, &plan.inputs);
        let outputs = wiring::sites(plan, count - 1, count, &plan.outputs);
        let (mut ids, mut pairs, mut explored) = (BTreeMap::new(), Vec::new(), 0);
        for layer in 1..count - 1 {
            let fresh = &sites[explored..];
            let mut reached: Vec<(NodeId, Place)> = Vec::new();
            for site in fresh {
                reached
                    .extend(partners(site.place, true)?.into_iter().map(|place| (site.id, place)));
            }
            explored = sites.len();
            for (from, place) in reached {
                let site = hidden(plan, fixed_point(layer, count), place);
                let to = match ids.entry(number(place)) {
                    Entry::Occupied(known) => *known.get(),
                    Entry::Vacant(free) => {
                        let id = *free.insert(site.id);
                        sites.push(site);
                        id
                    }
                };
                pairs.push((from, to));
            }
        }
        for output in &outputs {
            let sources = partners(output.place, false)?;
            pairs.extend(
                sources.iter().filter_map(|&place| Some((*ids.get(&number(place))?, output.id))),
            );
        }
        let useful = leading_to(outputs.iter().map(|output| output.id).collect(), &pairs);
        pairs.retain(|(_, to)| useful.contains(to));
        sites.retain(|site| site.layer == BOTTOM || useful.contains(&site.id));
        sites.extend(outputs);
        Wiring::new(plan, sites, pairs.into_iter())
    }
}

/// A place as a number: the bits of its first coordinate, then those of its second.
fn number(place: Place) -> u64 {
    u64::from(place[0].to_bits()) << 32 | u64::from(place[1].to_bits())
}

fn hidden(plan: &Plan, layer: Layer, place: Place) -> Site {
    Site {
        id: innovation::substrate(layer, number(place)),
        layer,
        activation: plan.activation,
        place,
    }
}

/// The nodes from which a path leads to one of `ends`, and these ends.
fn leading_to(ends: BTreeSet<NodeId>, pairs: &[(NodeId, NodeId)]) -> BTreeSet<NodeId> {
    let mut useful = ends;
    loop {
        let before = useful.len();
        for (from, to) in pairs.iter().rev() {
            if useful.contains(to) {
                useful.insert(*from);
            }
        }
        if useful.len() == before {
            return useful;
        }
    }
}
