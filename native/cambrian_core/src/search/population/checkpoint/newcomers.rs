//! Which genes of a population came with newcomers, as a checkpoint stores it.

use super::{MAX_COUNT, members};
use crate::genome::genotype::Genotype;
use crate::search::ancestry::{Ancestry, MAX_MARKS, Mark, Marks, Source};
use crate::search::population::Population;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Of a newcomer: who bred it and who sent it.
const MAX_KEYS: usize = 8;

/// Which genes came from elsewhere, by whom.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Newcomers {
    /// Mark, genotype and keys of each.
    pub(super) sources: Vec<(Mark, ByteArray<32>, Vec<ByteArray<32>>)>,
    /// The marks that genes have, each list once.
    pub(super) sets: Vec<Vec<Mark>>,
    /// Of those that have such genes, in the order of their places.
    pub(super) living: Vec<(u32, SavedAncestry)>,
    pub(super) champion: Option<SavedAncestry>,
    /// Of the elites that have such genes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) elites: Vec<(u32, SavedAncestry)>,
}

/// Ids of connections and of nodes, each with the place of its marks among the sets.
pub(super) type SavedAncestry = (Vec<(u64, u32)>, Vec<(u64, u32)>);

/// As they are in a population.
pub(super) struct Read {
    pub(super) sources: BTreeMap<Mark, Source>,
    pub(super) living: Vec<Option<Arc<Ancestry>>>,
    pub(super) champion: Option<Arc<Ancestry>>,
    pub(super) elites: Vec<Option<Arc<Ancestry>>>,
}

impl Newcomers {
    pub(super) fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    pub(super) fn of(population: &Population) -> Newcomers {
        let mut places = HashMap::new();
        let mut newcomers = Newcomers::default();
        for (mark, Source { genotype, keys }) in &population.sources {
            let keys = keys.iter().map(|key| ByteArray::new(*key)).collect();
            newcomers.sources.push((*mark, ByteArray::new(*genotype), keys));
        }
        for (at, ancestry) in (0..).zip(&population.ancestry) {
            if let Some(ancestry) = ancestry {
                let saved = newcomers.save(ancestry, &mut places);
                newcomers.living.push((at, saved));
            }
        }
        let champion = population.champion.as_ref().and_then(|champion| champion.ancestry.as_ref());
        newcomers.champion = champion.map(|ancestry| newcomers.save(ancestry, &mut places));
        for (at, elite) in (0..).zip(members(population)) {
            if let Some(ancestry) = &elite.ancestry {
                let saved = newcomers.save(ancestry, &mut places);
                newcomers.elites.push((at, saved));
            }
        }
        newcomers
    }

    fn save(&mut self, ancestry: &Ancestry, places: &mut HashMap<Marks, u32>) -> SavedAncestry {
        let mut save = |genes: &[(u64, Marks)]| {
            let place = |(id, marks): &(u64, Marks)| {
                let place = places.entry(Arc::clone(marks)).or_insert_with(|| {
                    self.sets.push(marks.to_vec());
                    self.sets.len() as u32 - 1
                });
                (*id, *place)
            };
            genes.iter().map(place).collect()
        };
        (save(&ancestry.connections), save(&ancestry.neurons))
    }

    /// Of checkpoints that were written before these were kept, nothing is known.
    pub(super) fn read(
        self,
        genotypes: &[Arc<Genotype>],
        elites: &[Arc<Genotype>],
        has_champion: bool,
    ) -> Option<Read> {
        let ascends = |marks: &[Mark]| marks.windows(2).all(|pair| pair[0] < pair[1]);
        let marks: Vec<Mark> = self.sources.iter().map(|source| source.0).collect();
        let is_set = |set: &Vec<Mark>| {
            (1..=MAX_MARKS).contains(&set.len())
                && ascends(set)
                && set.iter().all(|mark| marks.binary_search(mark).is_ok())
        };
        let are_named = self.sources.iter().all(|source| source.2.len() <= MAX_KEYS);
        if !(ascends(&marks) && self.sets.iter().all(is_set) && are_named)
            || marks.last().is_some_and(|last| *last > MAX_COUNT)
            || self.champion.is_some() && !has_champion
        {
            return None;
        }
        let sets: Vec<Marks> = self.sets.into_iter().map(Marks::from).collect();
        let genes = |saved: Vec<(u64, u32)>| {
            let gene = |(id, set): (u64, u32)| Some((id, Arc::clone(sets.get(set as usize)?)));
            saved.into_iter().map(gene).collect::<Option<Vec<_>>>()
        };
        let ancestry = |(connections, neurons): SavedAncestry| {
            Some(Arc::new(Ancestry { connections: genes(connections)?, neurons: genes(neurons)? }))
        };
        let of = |genotypes: &[Arc<Genotype>], saved: Vec<(u32, SavedAncestry)>| {
            let mut all = vec![None; genotypes.len()];
            for (at, saved) in saved {
                let known = ancestry(saved)?;
                if !known.fits(genotypes.get(at as usize)?) {
                    return None;
                }
                all[at as usize] = Some(known);
            }
            Some(all)
        };
        let (living, elites) = (of(genotypes, self.living)?, of(elites, self.elites)?);
        let champion = match self.champion {
            Some(saved) => Some(ancestry(saved)?),
            None => None,
        };
        let source = |(mark, genotype, keys): (Mark, ByteArray<32>, Vec<ByteArray<32>>)| {
            (mark, Source { genotype: *genotype, keys: keys.into_iter().map(|key| *key).collect() })
        };
        Some(Read {
            sources: self.sources.into_iter().map(source).collect(),
            living,
            champion,
            elites,
        })
    }
}
