//! Columns: values of one kind, one after the other.

use super::CodecError;
use crate::base::choice::Choice;
use crate::genome::neuron::Neuron;
use crate::genome::topology::{Ends, Place};
use crate::neuron_genes;

macro_rules! columns {
    ($($(#[$about:meta])* $kind:ident $name:ident: $type:ty = $input:expr, $is_sound:ident;)*) => {
        /// The number of columns for the value genes of neurons.
        pub const GENES: usize = [$(stringify!($name)),*].len();

        /// The value genes of neurons, one column per gene. Without `usual_too`, a column in which
        /// all values are usual is empty.
        pub fn write_neurons(neurons: &[Neuron], usual_too: bool) -> [Vec<u8>; GENES] {
            [$(write::$kind(neurons, usual_too, |neuron| neuron.$name)),*]
        }

        /// Reads neurons. An empty column means that the gene has its usual value.
        ///
        /// # Errors
        /// [`CodecError::Malformed`] for a column that is not of `count` neurons,
        /// [`CodecError::UnknownGene`].
        pub fn read_neurons(
            columns: &[&[u8]; GENES],
            count: usize,
        ) -> Result<Vec<Neuron>, CodecError> {
            let [$($name),*] = columns;
            let mut neurons = vec![Neuron::INPUT; count];
            $(read::$kind(stringify!($name), $name, &mut neurons, |neuron| &mut neuron.$name)?;)*
            Ok(neurons)
        }
    };
}

neuron_genes!(columns);

/// A column of each kind of gene.
mod write {
    use super::{Choice, Neuron};

    pub fn choice<C: Choice>(
        neurons: &[Neuron],
        usual_too: bool,
        gene: impl Fn(&Neuron) -> C,
    ) -> Vec<u8> {
        let usual = gene(&Neuron::INPUT).number();
        let leave = !usual_too && neurons.iter().all(|neuron| gene(neuron).number() == usual);
        if leave {
            Vec::new()
        } else {
            neurons.iter().map(|neuron| gene(neuron).number()).collect()
        }
    }

    pub fn number(neurons: &[Neuron], usual_too: bool, gene: impl Fn(&Neuron) -> f32) -> Vec<u8> {
        let usual = gene(&Neuron::INPUT).to_bits();
        if !usual_too && neurons.iter().all(|neuron| gene(neuron).to_bits() == usual) {
            return Vec::new();
        }
        let bytes = neurons.iter().map(|neuron| gene(neuron).to_le_bytes());
        bytes.collect::<Vec<_>>().into_flattened()
    }
}

mod read {
    use super::{Choice, CodecError, Neuron, words};

    pub fn choice<C: Choice>(
        name: &'static str,
        column: &[u8],
        neurons: &mut [Neuron],
        gene: impl Fn(&mut Neuron) -> &mut C,
    ) -> Result<(), CodecError> {
        if !column.is_empty() && column.len() != neurons.len() {
            return Err(CodecError::Malformed);
        }
        neurons.iter_mut().zip(column).try_for_each(|(neuron, &number)| {
            *gene(neuron) = C::numbered(number).ok_or(CodecError::UnknownGene(name, number))?;
            Ok(())
        })
    }

    pub fn number(
        _: &'static str,
        column: &[u8],
        neurons: &mut [Neuron],
        gene: impl Fn(&mut Neuron) -> &mut f32,
    ) -> Result<(), CodecError> {
        let values = words(column)?;
        if !values.is_empty() && values.len() != neurons.len() {
            return Err(CodecError::Malformed);
        }
        neurons
            .iter_mut()
            .zip(values)
            .for_each(|(neuron, value)| *gene(neuron) = f32::from_le_bytes(*value));
        Ok(())
    }
}

/// Writes ids and layers.
pub fn write_places(places: &[Place]) -> [Vec<u8>; 2] {
    let words = |word: fn(&Place) -> u64| {
        places.iter().map(|place| word(place).to_le_bytes()).collect::<Vec<_>>().into_flattened()
    };
    [words(|place| place.id), words(|place| place.layer)]
}

/// # Errors
/// [`CodecError::Malformed`] where they are not as many.
pub fn read_places(ids: &[u8], layers: &[u8]) -> Result<Vec<Place>, CodecError> {
    let (ids, layers) = (words(ids)?, words(layers)?);
    if ids.len() != layers.len() {
        return Err(CodecError::Malformed);
    }
    let place = |(id, layer): (&[u8; 8], &[u8; 8])| Place {
        id: u64::from_le_bytes(*id),
        layer: u64::from_le_bytes(*layer),
    };
    Ok(ids.iter().zip(layers).map(place).collect())
}

/// Writes sources and targets, which are indexes below `count`.
pub fn write_ends(ends: &[Ends], count: usize) -> [Vec<u8>; 2] {
    [
        narrow(ends.iter().map(|ends| ends.from), count),
        narrow(ends.iter().map(|ends| ends.to), count),
    ]
}

/// Indexes below `count`, in the fewest bytes that are enough for all: one, two or four.
fn narrow(indexes: impl Iterator<Item = u32>, count: usize) -> Vec<u8> {
    match width(count) {
        1 => indexes.map(|index| index as u8).collect(),
        2 => indexes.map(|index| (index as u16).to_le_bytes()).collect::<Vec<_>>().into_flattened(),
        _ => indexes.map(u32::to_le_bytes).collect::<Vec<_>>().into_flattened(),
    }
}

fn width(count: usize) -> usize {
    match count {
        0..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        _ => 4,
    }
}

/// # Errors
/// [`CodecError::Malformed`] where they are not as many, or not below `count`.
pub fn read_ends(froms: &[u8], tos: &[u8], count: usize) -> Result<Vec<Ends>, CodecError> {
    let pair = |(from, to)| Ends { from, to };
    let ends: Vec<Ends> = match width(count) {
        _ if froms.len() != tos.len() => return Err(CodecError::Malformed),
        1 => froms
            .iter()
            .zip(tos)
            .map(|(from, to)| pair((u32::from(*from), u32::from(*to))))
            .collect(),
        2 => {
            let wide = |index: &[u8; 2]| u32::from(u16::from_le_bytes(*index));
            words(froms)?
                .iter()
                .zip(words(tos)?)
                .map(|(from, to)| pair((wide(from), wide(to))))
                .collect()
        }
        _ => {
            let wide = |index: &[u8; 4]| u32::from_le_bytes(*index);
            words(froms)?
                .iter()
                .zip(words(tos)?)
                .map(|(from, to)| pair((wide(from), wide(to))))
                .collect()
        }
    };
    let fine = ends.iter().all(|ends| (ends.from.max(ends.to) as usize) < count);
    if fine { Ok(ends) } else { Err(CodecError::Malformed) }
}

/// # Errors
/// [`CodecError::Malformed`] where something is left over.
pub fn words<const N: usize>(bytes: &[u8]) -> Result<&[[u8; N]], CodecError> {
    match bytes.as_chunks() {
        (words, []) => Ok(words),
        _ => Err(CodecError::Malformed),
    }
}

/// Packs flags into bytes, the lowest bit first.
pub fn bits(flags: &[bool]) -> Vec<u8> {
    let byte =
        |flags: &[bool]| flags.iter().rev().fold(0, |byte, flag| byte << 1 | u8::from(*flag));
    flags.chunks(8).map(byte).collect()
}

/// # Errors
/// [`CodecError::Malformed`] for bytes of another number of flags.
pub fn unpack_bits(bytes: &[u8], count: usize) -> Result<Vec<bool>, CodecError> {
    if bytes.len() != count.div_ceil(8) {
        return Err(CodecError::Malformed);
    }
    Ok((0..count).map(|at| bytes[at / 8] >> (at % 8) & 1 == 1).collect())
}
