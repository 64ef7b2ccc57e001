//! Fronts of any number of objectives: for each point the set of points that are no worse in one
//! objective after the other, as in merge non-dominated sorting (Moreno, Rodriguez, Nebro & Lozano
//! 2021, "Merge nondominated sorting algorithm for many-objective optimization").
//!
//! A bit stands for a point, and the sets of an objective are prefixes of its order, so that one
//! word compares 64 points. Sets are made of a block of points at a time, which keeps them in the
//! cache: O(M N² / 64).

use super::Sorted;
use std::cmp::Ordering;

/// Words of a block, and the points that it stands for.
const WORDS: usize = 8;
const BLOCK: usize = 64 * WORDS;

type Set = [u64; WORDS];

/// The points in the order of one objective, as places; equal ones have the same step.
type Order = Vec<(u32, u32)>;

pub(super) fn ranks(points: &Sorted) -> Vec<u32> {
    let count = points.len();
    // that of the first objective is the order of the places
    let mut orders: Vec<Order> = (1..points.width).map(|nth| order(points, nth)).collect();
    let mut ranks = vec![0; count];
    for start in (0..count).step_by(BLOCK) {
        let mut sets: Vec<Set> = vec![[!0; WORDS]; count - start];
        for order in &mut orders {
            order.retain(|step| step.0 as usize >= start);
            keep_no_worse(order, start, &mut sets);
        }
        let size = BLOCK.min(count - start);
        // dominators within the block come before what they dominate
        for at in 0..size {
            let dominators = before(&sets[at], at);
            let own = each(&dominators).map(|other| ranks[start + other] + 1).max();
            ranks[start + at] = ranks[start + at].max(own.unwrap_or(0));
        }
        let levels = levels(&ranks[start..start + size]);
        for (set, rank) in sets[size..].iter().zip(&mut ranks[start + size..]) {
            raise(rank, set, &levels);
        }
    }
    ranks
}

fn order(points: &Sorted, objective: usize) -> Order {
    let keys = points.keys.iter().skip(objective).step_by(points.width).copied();
    let mut sorted: Vec<(u64, u32)> = keys.zip(0..).collect();
    sorted.sort_unstable();
    let mut step = 0;
    let ordered = (0..sorted.len()).map(|at| {
        step += u32::from(at > 0 && sorted[at].0 != sorted[at - 1].0);
        (sorted[at].1, step)
    });
    ordered.collect()
}

/// Removes from each set the points of the block that are worse in this objective.
fn keep_no_worse(order: &Order, start: usize, sets: &mut [Set]) {
    let (mut no_worse, mut next): (Set, usize) = ([0; WORDS], 0);
    for &(place, step) in order {
        while let Some(&(other, _)) = order.get(next).filter(|other| other.1 <= step) {
            let bit = other as usize - start;
            if bit < BLOCK {
                no_worse[bit / 64] |= 1 << (bit % 64);
            }
            next += 1;
        }
        let set = &mut sets[place as usize - start];
        set.iter_mut().zip(&no_worse).for_each(|(word, keep)| *word &= keep);
    }
}

/// The part of a set below a bit.
fn before(set: &Set, bit: usize) -> Set {
    std::array::from_fn(|word| match word.cmp(&(bit / 64)) {
        Ordering::Less => set[word],
        Ordering::Equal => set[word] & ((1 << (bit % 64)) - 1),
        Ordering::Greater => 0,
    })
}

fn each(set: &Set) -> impl Iterator<Item = usize> {
    set.iter().enumerate().flat_map(|(word, &bits)| {
        std::iter::successors(Some(bits), |bits| Some(bits & bits.wrapping_sub(1)))
            .take_while(|bits| *bits != 0)
            .map(move |bits| word * 64 + bits.trailing_zeros() as usize)
    })
}

/// The members of a block by their rank, the highest first.
fn levels(ranks: &[u32]) -> Vec<(u32, Set)> {
    let mut order: Vec<(u32, usize)> = ranks.iter().copied().zip(0..).collect();
    order.sort_unstable_by(|a, b| b.cmp(a));
    let mut levels: Vec<(u32, Set)> = Vec::new();
    for (rank, bit) in order {
        if levels.last().is_none_or(|level| level.0 != rank) {
            levels.push((rank, [0; WORDS]));
        }
        let last = levels.len() - 1;
        levels[last].1[bit / 64] |= 1 << (bit % 64);
    }
    levels
}

/// Raises a rank above those of its dominators in a block.
fn raise(rank: &mut u32, dominators: &Set, levels: &[(u32, Set)]) {
    for (level, members) in levels {
        if *level < *rank {
            break;
        }
        if members.iter().zip(dominators).any(|(members, set)| members & set != 0) {
            *rank = level + 1;
            break;
        }
    }
}
