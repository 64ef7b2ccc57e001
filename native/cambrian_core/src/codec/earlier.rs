//! Earlier versions of the schema, which are read and never written.
//!
//! Version 1 had neurons of activation and bias alone, version 2 all of today's genes. Both had the ends of connections
//! as arrays of numbers, and a bit for each connection even where all are enabled.

use super::{CodecError, GENES, Nodes, unpack_bits};
use crate::genotype::Genotype;
use crate::topology::Ends;
use serde::Deserialize;
use serde_bytes::Bytes;

#[derive(Deserialize)]
#[serde(untagged)]
enum Field<'a> {
    Number(u32),
    Numbers(Vec<u32>),
    #[serde(borrow)]
    Column(&'a Bytes),
}

/// A genotype of today.
///
/// # Errors
/// [`CodecError`]
pub fn decode(version: u64, bytes: &[u8]) -> Result<Genotype, CodecError> {
    use Field::{Column, Number, Numbers};
    let fields: Vec<Field> = rmp_serde::from_slice(bytes).map_err(|_| CodecError::Malformed)?;
    let [
        _,
        Number(inputs),
        Number(outputs),
        Column(ids),
        Column(layers),
        genes @ ..,
        Numbers(froms),
        Numbers(tos),
        Column(weights),
        Column(enabled),
    ] = &fields[..]
    else {
        return Err(CodecError::Malformed);
    };
    let nodes = Nodes::read(*inputs, *outputs, ids, layers)?;
    let count = nodes.places.len() as u32;
    if froms.len() != tos.len() || froms.iter().chain(tos).any(|index| *index >= count) {
        return Err(CodecError::Malformed);
    }
    let ends: Vec<Ends> = froms.iter().zip(tos).map(|(&from, &to)| Ends { from, to }).collect();
    let enabled = unpack_bits(enabled, ends.len())?;
    nodes.genotype(&columns_of(version, genes)?, ends, weights, enabled)
}

fn columns_of<'a>(version: u64, genes: &[Field<'a>]) -> Result<[&'a [u8]; GENES], CodecError> {
    let column = |field: &Field<'a>| match field {
        Field::Column(column) => Ok(&***column),
        _ => Err(CodecError::Malformed),
    };
    let genes: Vec<&[u8]> = genes.iter().map(column).collect::<Result<_, _>>()?;
    match (version, &genes[..]) {
        (1, [activations, biases]) => {
            let mut columns: [&[u8]; GENES] = [&[]; GENES];
            (columns[0], columns[2]) = (activations, biases);
            Ok(columns)
        }
        (2, genes) => genes.try_into().map_err(|_| CodecError::Malformed),
        _ => Err(CodecError::Malformed),
    }
}
