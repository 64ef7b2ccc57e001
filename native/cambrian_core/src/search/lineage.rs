//! How genotypes came to be: the line of fitter parents over some generations, each with the id of
//! its other parent.

use crate::genome::genotype::Genotype;
use crate::variation::mutation::Operators;
use crate::wire::codec::{self, GenotypeId};
use std::collections::HashMap;
use std::sync::Arc;

/// How many generations of a line are kept at least; twice as many at most.
pub const WINDOW: u64 = 32;

/// How one genotype came to be.
#[derive(Clone, Debug, Default)]
pub struct Birth {
    pub generation: u64,
    pub operators: Operators,
    /// The fitter parent and the other one. A genotype of the first generation has none, and
    /// neither has one from another node.
    pub parents: [Option<GenotypeId>; 2],
    /// The fitter parent, unless it is too long ago.
    pub(crate) parent: Option<Arc<Ancestor>>,
    /// Itself as an ancestor, once it has a child.
    pub(crate) own: Option<Arc<Ancestor>>,
}

/// A genotype that has descendants.
#[derive(Clone, Debug)]
pub struct Ancestor {
    pub id: GenotypeId,
    pub birth: Birth,
}

// in a loop: dropping each in the drop of its child would need a stack as deep as the line
impl Drop for Ancestor {
    fn drop(&mut self) {
        let mut line = self.birth.parent.take();
        while let Some(mut last) = line.and_then(Arc::into_inner) {
            line = last.birth.parent.take();
        }
    }
}

impl Birth {
    /// Without parents.
    pub(crate) fn first(generation: u64) -> Birth {
        Birth { generation, ..Birth::default() }
    }

    /// Notes that its weights were tuned. If it has a child already, it becomes a child of its
    /// former self, whose id that child knows.
    pub(crate) fn tune(&mut self, generation: u64) {
        if let Some(own) = self.own.take() {
            *self = Birth {
                parents: [Some(own.id), None],
                parent: Some(own),
                ..Birth::first(generation)
            };
        }
        self.operators = self.operators.and(Operators::TUNING);
    }

    /// The fitter parent, its fitter parent, and so on.
    pub fn line(&self) -> impl Iterator<Item = &Ancestor> {
        std::iter::successors(self.parent.as_deref(), |ancestor| ancestor.birth.parent.as_deref())
    }

    /// Freezes this birth as an ancestor once it has a child.
    pub(crate) fn ancestor(&self, genotype: &Genotype) -> Arc<Ancestor> {
        Arc::new(Ancestor { id: codec::id(genotype), birth: Birth { own: None, ..self.clone() } })
    }
}

/// Cuts each line after its first ancestor born before a generation. Ancestors that lines share
/// stay shared.
pub(crate) fn truncate<'a>(living: impl Iterator<Item = &'a mut Birth>, before: u64) {
    let mut truncation = Truncation { before, done: HashMap::new() };
    for birth in living {
        for line in [&mut birth.parent, &mut birth.own].into_iter().flatten() {
            *line = truncation.line(line);
        }
    }
}

struct Truncation {
    before: u64,
    /// By what was there before, which lives as long as this does.
    done: HashMap<*const Ancestor, (Arc<Ancestor>, Arc<Ancestor>)>,
}

impl Truncation {
    fn line(&mut self, youngest: &Arc<Ancestor>) -> Arc<Ancestor> {
        let mut old = vec![Arc::clone(youngest)];
        let last = loop {
            let eldest = &old[old.len() - 1];
            if let Some((_, done)) = self.done.get(&Arc::as_ptr(eldest)) {
                let done = Arc::clone(done);
                old.pop();
                break Some(done);
            }
            match &eldest.birth.parent {
                Some(parent) if eldest.birth.generation >= self.before => {
                    old.push(Arc::clone(parent))
                }
                _ => break None,
            }
        };
        let done = old.into_iter().rev().fold(last, |parent, old| {
            let birth = Birth { parent, ..old.birth.clone() };
            let new = Arc::new(Ancestor { id: old.id, birth });
            self.done.insert(Arc::as_ptr(&old), (old, Arc::clone(&new)));
            Some(new)
        });
        done.expect("at least the youngest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child(parent: Option<Arc<Ancestor>>, generation: u64) -> Birth {
        Birth {
            parents: [parent.as_ref().map(|parent| parent.id), None],
            parent,
            ..Birth::first(generation)
        }
    }

    /// The youngest of a million generations, a line too long for a recursion.
    fn youngest() -> Birth {
        (1..1_000_000).fold(Birth::first(0), |birth, generation| {
            let id = std::array::from_fn(|at| (birth.generation >> (8 * at.min(7))) as u8);
            child(Some(Arc::new(Ancestor { id, birth })), generation)
        })
    }

    #[test]
    fn truncation_drops_old_ancestors_and_keeps_shared_ones_shared() {
        let mut brothers = [youngest(), Birth::default()];
        brothers[1] = child(brothers[0].parent.clone(), 1_000_000);
        let ids =
            |birth: &Birth| birth.line().take(100).map(|ancestor| ancestor.id).collect::<Vec<_>>();
        let before = ids(&brothers[0]);
        truncate(brothers.iter_mut(), 999_900);
        assert_eq!(brothers[0].line().count(), 100);
        assert_eq!(ids(&brothers[0]), before);
        let eldest = brothers[0].line().last().unwrap();
        assert_eq!(eldest.birth.generation, 999_899);
        assert!(eldest.birth.parents[0].is_some(), "who is gone is still named");
        assert!(std::ptr::eq(eldest, brothers[1].line().last().unwrap()));
    }
}
