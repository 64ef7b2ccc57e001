//! One genotype as a difference to another genotype (the base), which the reader holds.
//!
//! First the genes that are removed and added, then every value as the exclusive or of the two
//! genotypes: equal values are zero and compress to almost nothing. `docs/wire-format.md` describes
//! it.

use crate::genome::genotype::{self, Genotype, MAX_CONNECTIONS};
use crate::genome::innovation::ConnectionId;
use crate::genome::neuron::Neuron;
use crate::genome::topology::{Ends, Place, Topology};
use crate::wire::codec::{self, CodecError, GenotypeId};
use crate::wire::compression::{compress, decompress};
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, Bytes};
use std::sync::Arc;
use thiserror::Error;

pub const VERSION: u64 = 1;

/// Longer differences are refused without reading them.
pub const MAX_BYTES: usize = codec::MAX_BYTES;

/// Why bytes are not a difference to this genotype.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum DeltaError {
    #[error("{0} bytes; expected at most {MAX_BYTES}")]
    TooLarge(usize),
    #[error("not the bytes of a difference")]
    Malformed,
    #[error("difference version {0}; this release reads {VERSION}")]
    UnsupportedVersion(u64),
    /// A difference to another genotype, which has this id.
    #[error("a difference to another genotype")]
    WrongBase(GenotypeId),
    #[error("the values are not one zstd frame of the size of their genes")]
    Decompression,
    #[error(transparent)]
    Genotype(CodecError),
    /// The result is not the genotype that the difference names.
    #[error("what comes of it is not the genotype that it names")]
    WrongId,
}

#[derive(Serialize, Deserialize)]
struct Body<'a> {
    version: u64,
    base: ByteArray<32>,
    target: ByteArray<32>,
    inputs: u32,
    outputs: u32,
    /// Indexes into the base's hidden nodes.
    gone_nodes: Vec<u32>,
    #[serde(borrow)]
    ids: &'a Bytes,
    layers: &'a Bytes,
    /// Indexes into the base's connections.
    gone_connections: Vec<u32>,
    /// Indexes into the target's nodes.
    froms: &'a Bytes,
    tos: &'a Bytes,
    /// The exclusive or of the target's values and the base's values for the same genes; empty if
    /// all are equal.
    values: &'a Bytes,
}

/// The difference that makes `target` from `base`.
pub fn diff(base: &Genotype, target: &Genotype) -> Vec<u8> {
    let (old, new) = (&*base.topology, &*target.topology);
    let added: Vec<Place> = new.places[new.hidden()]
        .iter()
        .copied()
        .filter(|place| old.find_place(*place).is_err())
        .collect();
    let gone_nodes =
        (0..).zip(&old.places[old.hidden()]).filter(|(_, place)| new.find_place(**place).is_err());
    let gone = not_in(new, old);
    let gone_connections = (0..).zip(gone).filter(|(_, gone)| *gone);
    let joined: Vec<Ends> = new
        .ends
        .iter()
        .zip(not_in(old, new))
        .filter(|(_, new)| *new)
        .map(|(ends, _)| *ends)
        .collect();
    let [froms, tos] = codec::write_ends(&joined, new.places.len());
    let values = difference(&Values::of(base).aligned(old, new), &Values::of(target));
    let [ids, layers] = codec::write_places(&added);
    pack(&Body {
        version: VERSION,
        base: ByteArray::new(codec::id(base)),
        target: ByteArray::new(codec::id(target)),
        inputs: target.inputs(),
        outputs: target.outputs(),
        gone_nodes: gone_nodes.map(|(at, _)| at).collect(),
        ids: Bytes::new(&ids),
        layers: Bytes::new(&layers),
        gone_connections: gone_connections.map(|(at, _)| at).collect(),
        froms: Bytes::new(&froms),
        tos: Bytes::new(&tos),
        values: Bytes::new(&values),
    })
}

/// For each connection of `here`, whether it is missing in `there`, or an end of it has another
/// place. A node whose layer changed keeps its id, and so do its connections; they are removed with
/// the node.
fn not_in(there: &Topology, here: &Topology) -> Vec<bool> {
    let placed: Vec<bool> =
        here.places.iter().map(|place| there.find_place(*place).is_ok()).collect();
    let is_there = |(id, ends): (&ConnectionId, &Ends)| {
        placed[ends.from as usize] && placed[ends.to as usize] && there.find(*id).is_ok()
    };
    here.ids.iter().zip(&here.ends).map(|connection| !is_there(connection)).collect()
}

fn pack(body: &Body) -> Vec<u8> {
    rmp_serde::to_vec(body).expect("writing numbers to memory cannot fail")
}

/// Applies a difference to `base`. The bytes may come from any sender.
///
/// # Errors
/// [`DeltaError`]. The result is never another genotype than the named one. The memory is
/// proportional to the base and the bytes.
pub fn patch(base: &Genotype, delta: &[u8]) -> Result<Genotype, DeltaError> {
    let body = read(delta)?;
    if codec::id(base) != *body.base {
        return Err(DeltaError::WrongBase(*body.base));
    }
    let topology = body.topology(&base.topology)?;
    let aligned = Values::of(base).aligned(&base.topology, &topology);
    let Values { neurons, weights, enabled } = changed(&aligned, body.values)?;
    let target = Genotype::checked(topology, neurons, weights, enabled)
        .map_err(|error| DeltaError::Genotype(CodecError::Invalid(error)))?;
    if codec::id(&target) == *body.target { Ok(target) } else { Err(DeltaError::WrongId) }
}

/// The ids of the base and of the target, as the bytes state them.
pub fn ends(delta: &[u8]) -> Option<(GenotypeId, GenotypeId)> {
    let body = read(delta).ok()?;
    Some((*body.base, *body.target))
}

fn read(delta: &[u8]) -> Result<Body<'_>, DeltaError> {
    if delta.len() > MAX_BYTES {
        return Err(DeltaError::TooLarge(delta.len()));
    }
    match codec::version(delta).ok_or(DeltaError::Malformed)? {
        VERSION => {}
        other => return Err(DeltaError::UnsupportedVersion(other)),
    }
    let body: Body = rmp_serde::from_slice(delta).map_err(|_| DeltaError::Malformed)?;
    if pack(&body) == delta { Ok(body) } else { Err(DeltaError::Malformed) }
}

impl Body<'_> {
    /// The topology of the target.
    fn topology(&self, old: &Topology) -> Result<Topology, DeltaError> {
        let stays = kept(&self.gone_nodes, old.hidden().len())?;
        let hidden = old.places[old.hidden()].iter().zip(stays).filter(|(_, stays)| *stays);
        let mut places: Vec<Place> = hidden.map(|(place, _)| *place).collect();
        places.extend(codec::read_places(self.ids, self.layers).map_err(DeltaError::Genotype)?);
        let count = places.len() + self.inputs as usize + self.outputs as usize;
        genotype::check_size(self.inputs, self.outputs, count, 0)
            .map_err(|error| DeltaError::Genotype(CodecError::Invalid(error)))?;
        places.extend(Topology::unconnected(self.inputs, self.outputs).places);
        places.sort_unstable();

        let stays = kept(&self.gone_connections, old.ends.len())?;
        let moved: Vec<Option<u32>> = (old.places.iter())
            .map(|place| places.binary_search(place).ok().map(|at| at as u32))
            .collect();
        let at = |node: u32| moved[node as usize].ok_or(DeltaError::Malformed);
        let mut ends: Vec<Ends> = (old.ends.iter().zip(stays))
            .filter(|(_, stays)| *stays)
            .map(|(ends, _)| Ok(Ends { from: at(ends.from)?, to: at(ends.to)? }))
            .collect::<Result<_, DeltaError>>()?;
        ends.extend(
            codec::read_ends(self.froms, self.tos, places.len()).map_err(DeltaError::Genotype)?,
        );
        if ends.len() > MAX_CONNECTIONS {
            return Err(DeltaError::Malformed);
        }
        let unordered = Topology::new(self.inputs, self.outputs, places, ends);
        let mut order: Vec<usize> = (0..unordered.ids.len()).collect();
        order.sort_unstable_by_key(|at| unordered.ids[*at]);
        Ok(Topology {
            ids: order.iter().map(|at| unordered.ids[*at]).collect(),
            ends: order.iter().map(|at| unordered.ends[*at]).collect(),
            ..unordered
        })
    }
}

/// Marks `count` items except the items at the indexes, which must be in order.
fn kept(gone: &[u32], count: usize) -> Result<Vec<bool>, DeltaError> {
    let mut kept = vec![true; count];
    for (nth, &at) in gone.iter().enumerate() {
        if nth > 0 && gone[nth - 1] >= at {
            return Err(DeltaError::Malformed);
        }
        *kept.get_mut(at as usize).ok_or(DeltaError::Malformed)? = false;
    }
    Ok(kept)
}

/// The values of the genes.
struct Values {
    neurons: Vec<Neuron>,
    weights: Vec<f32>,
    enabled: Vec<bool>,
}

impl Values {
    fn of(genotype: &Genotype) -> Values {
        let Genotype { neurons, weights, enabled, .. } = genotype.clone();
        Values { neurons: Arc::unwrap_or_clone(neurons), weights, enabled }
    }

    /// Moves the values to the positions of the same genes in another topology. Genes that are new
    /// there get an arbitrary value.
    fn aligned(&self, old: &Topology, new: &Topology) -> Values {
        let neuron = |place: &Place| match old.find_place(*place) {
            Ok(at) if at >= old.inputs as usize => self.neurons[at - old.inputs as usize],
            _ => Neuron::INPUT,
        };
        let positions: Vec<Option<usize>> = new.ids.iter().map(|id| old.find(*id).ok()).collect();
        let positions = positions.iter();
        Values {
            neurons: new.places[new.inputs as usize..].iter().map(neuron).collect(),
            weights: positions.clone().map(|at| at.map_or(0.0, |at| self.weights[at])).collect(),
            enabled: positions.map(|at| at.is_none_or(|at| self.enabled[at])).collect(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = codec::write_neurons(&self.neurons, true).concat();
        self.weights.iter().for_each(|weight| bytes.extend(weight.to_le_bytes()));
        bytes.extend(codec::bits(&self.enabled));
        bytes
    }

    /// Reads values for as many genes.
    fn with_bytes(&self, bytes: &[u8]) -> Result<Values, CodecError> {
        let mut rest = bytes;
        let mut take = |size: usize| {
            let (part, left) = rest.split_at_checked(size).ok_or(CodecError::Malformed)?;
            rest = left;
            Ok(part)
        };
        let mut genes = [&[][..]; codec::GENES];
        for (gene, column) in genes.iter_mut().zip(codec::write_neurons(&self.neurons, true)) {
            *gene = take(column.len())?;
        }
        let weights = take(4 * self.weights.len())?;
        Ok(Values {
            neurons: codec::read_neurons(&genes, self.neurons.len())?,
            weights: codec::words(weights)?
                .iter()
                .map(|weight| f32::from_le_bytes(*weight))
                .collect(),
            enabled: codec::unpack_bits(rest, self.enabled.len())?,
        })
    }
}

fn exclusive_or(a: &[u8], b: &[u8]) -> Vec<u8> {
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}

fn difference(from: &Values, to: &Values) -> Vec<u8> {
    let difference = exclusive_or(&from.bytes(), &to.bytes());
    if difference.iter().all(|byte| *byte == 0) { Vec::new() } else { compress(&difference) }
}

fn changed(from: &Values, difference: &[u8]) -> Result<Values, DeltaError> {
    let bytes = from.bytes();
    let difference = match difference.is_empty() {
        true => vec![0; bytes.len()],
        false => decompress(difference, bytes.len()).ok_or(DeltaError::Decompression)?,
    };
    if difference.len() != bytes.len() {
        return Err(DeltaError::Decompression);
    }
    from.with_bytes(&exclusive_or(&bytes, &difference)).map_err(DeltaError::Genotype)
}
