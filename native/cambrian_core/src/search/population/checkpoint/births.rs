//! The births of a population's genotypes, as a checkpoint stores them.

use super::members;
use crate::search::lineage::{Ancestor, Birth};
use crate::search::population::Population;
use crate::variation::mutation::Operators;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;
use std::collections::HashMap;
use std::sync::Arc;

/// How all came to be: a birth is its generation, operators, parents, and places among the
/// ancestors.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Births {
    /// The names of the operators' bits, of which a later release may have others.
    pub(super) operators: Vec<String>,
    pub(super) living: Vec<SavedBirth>,
    pub(super) champion: Option<SavedBirth>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) elites: Vec<SavedBirth>,
    /// Each after its parent.
    pub(super) ancestors: Vec<(ByteArray<32>, SavedBirth)>,
}

/// As they are in a population.
pub(super) struct Lines {
    pub(super) living: Vec<Birth>,
    pub(super) champion: Birth,
    pub(super) elites: Vec<Birth>,
}

pub(super) type SavedBirth = (u64, u64, [Option<ByteArray<32>>; 2], [Option<u32>; 2]);

impl Births {
    pub(super) fn of(population: &Population) -> Births {
        let mut births = Births {
            operators: (0..u64::BITS).map(|bit| Operators(1 << bit).names().collect()).collect(),
            ..Births::default()
        };
        let mut places = HashMap::new();
        births.living =
            population.births.iter().map(|birth| births.save(birth, &mut places)).collect();
        births.champion = population.champion.as_ref().map(|c| births.save(&c.birth, &mut places));
        let elites = members(population);
        births.elites = elites.map(|elite| births.save(&elite.birth, &mut places)).collect();
        births
    }

    fn save(&mut self, birth: &Birth, places: &mut HashMap<*const Ancestor, u32>) -> SavedBirth {
        let place = |places: &HashMap<*const Ancestor, u32>, ancestor: &Option<Arc<Ancestor>>| {
            ancestor.as_ref().map(|ancestor| places[&Arc::as_ptr(ancestor)])
        };
        for last in [&birth.parent, &birth.own].into_iter().flatten() {
            let line = std::iter::once(&**last).chain(last.birth.line());
            let new: Vec<&Ancestor> = line
                .take_while(|ancestor| !places.contains_key(&std::ptr::from_ref(*ancestor)))
                .collect();
            for ancestor in new.into_iter().rev() {
                let Birth { generation, operators, parent, .. } = &ancestor.birth;
                let saved = (
                    *generation,
                    operators.0,
                    named(&ancestor.birth),
                    [place(places, parent), None],
                );
                places.insert(ancestor, self.ancestors.len() as u32);
                self.ancestors.push((ByteArray::new(ancestor.id), saved));
            }
        }
        let ends = [place(places, &birth.parent), place(places, &birth.own)];
        (birth.generation, birth.operators.0, named(birth), ends)
    }

    /// Of checkpoints that were written before these were kept, nothing is known.
    pub(super) fn read(self, count: usize, elites: usize, now: u64) -> Option<Lines> {
        if self.living.is_empty() && elites == 0 {
            let living = vec![Birth::default(); count];
            return Some(Lines { living, champion: Birth::default(), elites: Vec::new() });
        }
        if self.operators.len() > u64::BITS as usize {
            return None;
        }
        let bits: Vec<Operators> =
            self.operators.iter().map(|name| Operators::named(name).unwrap_or_default()).collect();
        let birth = |ancestors: &[Arc<Ancestor>], saved: SavedBirth| {
            let (generation, operators, parents, ends) = saved;
            let set = bits.iter().zip(0..).filter(|(_, bit)| operators >> bit & 1 == 1);
            let operators = set.fold(Operators::default(), |all, (one, _)| all.and(*one));
            let [parent, own] = ends.map(|at| match at {
                Some(at) => ancestors.get(at as usize).cloned().map(Some),
                None => Some(None),
            });
            let (parent, own) = (parent?, own?);
            let [fitter, other] = parents.map(|id| id.map(|id| *id));
            let parents = [fitter.or(parent.as_ref().map(|parent| parent.id)), other];
            (generation <= now).then_some(Birth { generation, operators, parents, parent, own })
        };
        let mut ancestors = Vec::with_capacity(self.ancestors.len());
        for (id, saved) in self.ancestors {
            ancestors.push(Arc::new(Ancestor { id: *id, birth: birth(&ancestors, saved)? }));
        }
        let champion =
            self.champion.map_or(Some(Birth::default()), |saved| birth(&ancestors, saved))?;
        let all = |saved: Vec<SavedBirth>| {
            saved.into_iter().map(|saved| birth(&ancestors, saved)).collect::<Option<Vec<_>>>()
        };
        let lines = Lines { living: all(self.living)?, champion, elites: all(self.elites)? };
        ([lines.living.len(), lines.elites.len()] == [count, elites]).then_some(lines)
    }
}

/// The parents that are not named by their place.
fn named(birth: &Birth) -> [Option<ByteArray<32>>; 2] {
    let [fitter, other] = birth.parents.map(|id| id.map(ByteArray::new));
    [fitter.filter(|_| birth.parent.is_none()), other]
}
