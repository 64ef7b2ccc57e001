//! Ids of genes on which any two machines agree without communication.
//!
//! Stanley & Miikkulainen 2002 number innovations with a counter, but separate machines count
//! differently. In Cambrian a gene's id is a hash of the gene's origin, and a node's layer follows
//! from the same origin. `docs/wire-format.md` has test vectors of the hash.

pub type NodeId = u64;
pub type ConnectionId = u64;

/// A fixed-point number from [`BOTTOM`] (inputs) to [`TOP`] (outputs).
pub type Layer = u64;
pub const BOTTOM: Layer = 0;
pub const TOP: Layer = 1 << 63;

const INPUT: u64 = 1;
const OUTPUT: u64 = 2;
const SPLIT: u64 = 3;
const CONNECTION: u64 = 4;
const SUBSTRATE: u64 = 5;
const IMPORTED: u64 = 6;

/// The id of input `index`.
pub fn input(index: u32) -> NodeId {
    hash([INPUT, u64::from(index), 0])
}

/// The id of output `index`.
pub fn output(index: u32) -> NodeId {
    hash([OUTPUT, u64::from(index), 0])
}

/// The id of the node that the `nth` split (from 0) of a connection makes.
pub fn split(connection: ConnectionId, nth: u32) -> NodeId {
    hash([SPLIT, connection, u64::from(nth)])
}

/// The id of the hidden node at a place on a layer, of a substrate or of a first genotype.
pub fn substrate(layer: Layer, place: u64) -> NodeId {
    hash([SUBSTRATE, layer, place])
}

/// The id of the hidden node on a layer that represents a node of another library.
pub fn imported(layer: Layer, key: u64) -> NodeId {
    hash([IMPORTED, layer, key])
}

/// The id of the connection between two nodes.
pub fn connection(from: NodeId, to: NodeId) -> ConnectionId {
    hash([CONNECTION, from, to])
}

/// A connection is recurrent exactly when its source is not on a lower layer than its target.
pub fn is_recurrent(from: Layer, to: Layer) -> bool {
    from >= to
}

/// The layer of a node that splits a connection; `None` if no layer is left between the two ends.
///
/// The layer is half-way between the two ends. For a recurrent connection it is half-way between
/// the inputs and the target. This keeps the delay of the loop at one step: the connection into the
/// new node is recurrent, the connection out of it is not.
pub fn split_layer(from: Layer, to: Layer) -> Option<Layer> {
    let low = if is_recurrent(from, to) { BOTTOM } else { from };
    let middle = low + (to - low) / 2;
    (middle > low).then_some(middle)
}

/// Three rounds of the SplitMix64 finaliser (Steele, Lea & Flood 2014), one per word.
fn hash(words: [u64; 3]) -> u64 {
    words.into_iter().fold(0x9E37_79B9_7F4A_7C15, |h, word| mix(h ^ word))
}

fn mix(z: u64) -> u64 {
    let z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_of_a_large_neighbourhood_are_distinct() {
        let mut ids: Vec<u64> = (0..500).flat_map(|i| [input(i), output(i)]).collect();
        let ends = ids.clone();
        ids.extend(ends.iter().flat_map(|&a| ends.iter().map(move |&b| connection(a, b))));
        ids.extend((0..1000).map(|n| split(connection(ends[0], ends[1]), n)));
        ids.extend((0..1000).map(|n| substrate(TOP / 2, n)));
        ids.extend((0..1000).map(|n| imported(TOP / 2, n)));
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        assert_ne!(connection(1, 2), connection(2, 1));
    }

    /// Computed by another program from `docs/wire-format.md`.
    #[test]
    fn ids_are_those_of_the_wire_format() {
        let link = connection(input(0), output(0));
        assert_eq!(
            [input(0), output(0), link, split(link, 0), substrate(TOP / 2, 7)],
            [
                0x35aa_2332_57ed_720d,
                0x69da_0f2b_5713_38f4,
                0x1ed8_597e_20fd_0c43,
                0xee78_9d47_65f1_3406,
                0x849e_d196_8633_1fc9
            ]
        );
    }

    #[test]
    fn the_layer_of_a_split_lies_between_its_ends() {
        assert_eq!(split_layer(BOTTOM, TOP), Some(TOP / 2));
        assert_eq!(split_layer(TOP / 2, TOP), Some(TOP / 4 * 3));
        assert_eq!(split_layer(7, 8), None);
        for (from, to) in [(TOP, TOP), (TOP, TOP / 2), (TOP / 2, TOP / 2)] {
            let middle = split_layer(from, to).unwrap();
            assert!(is_recurrent(from, middle) && !is_recurrent(middle, to));
        }
    }
}
