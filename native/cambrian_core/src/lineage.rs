//! How genotypes came to be, as far back as anyone who lives descends from them.
//!
//! The line of fitter parents is kept, which soon is one for all: a few records a generation. The other parent is named.

use crate::codec::GenotypeId;
use crate::mutation::Operators;

/// More than these are not kept: of longer lines the beginning is forgotten.
pub const MAX_ANCESTORS: usize = 1 << 16;

/// How one genotype came to be.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Birth {
    pub generation: u64,
    pub operators: Operators,
    /// The fitter, and the other; none in the first generation, nor of one that came from elsewhere.
    pub parents: [Option<GenotypeId>; 2],
    /// Places among the ancestors: of its fitter parent, and its own, once it has offspring.
    pub(crate) parent: Option<u32>,
    pub(crate) own: Option<u32>,
}

impl Birth {
    /// Without parents.
    pub(crate) fn first(generation: u64) -> Birth {
        Birth { generation, ..Birth::default() }
    }
}

/// A genotype that has descendants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ancestor {
    pub id: GenotypeId,
    pub birth: Birth,
}

/// Ancestors, each after its parent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lineage(pub(crate) Vec<Ancestor>);

impl Lineage {
    /// The fitter parent, its fitter parent, and so on.
    pub fn line(&self, birth: Birth) -> impl Iterator<Item = &Ancestor> {
        let at = |place: Option<u32>| place.map(|place| &self.0[place as usize]);
        std::iter::successors(at(birth.parent), move |ancestor| at(ancestor.birth.parent))
    }

    /// Remembers one who has offspring now, and at which place.
    pub(crate) fn add(&mut self, id: GenotypeId, birth: Birth) -> u32 {
        self.0.push(Ancestor { id, birth });
        self.0.len() as u32 - 1
    }

    /// Forgets who has no descendants among the living.
    pub(crate) fn forget_others(&mut self, living: &mut [&mut Birth]) {
        let mut stays = vec![false; self.0.len()];
        let places = living.iter().flat_map(|birth| [birth.parent, birth.own]).flatten();
        places.for_each(|place| stays[place as usize] = true);
        let (mut count, mut first) = (0, 0);
        for at in (0..self.0.len()).rev() {
            if stays[at] && count < MAX_ANCESTORS {
                (count, first) = (count + 1, at);
                self.0[at].birth.parent.inspect(|parent| stays[*parent as usize] = true);
            }
        }
        stays[..first].fill(false);
        let mut places = 0..;
        let moved: Vec<Option<u32>> =
            stays.iter().map(|stays| if *stays { places.next() } else { None }).collect();
        let to = |place: &mut Option<u32>| *place = place.and_then(|place| moved[place as usize]);
        let mut stays = stays.into_iter();
        self.0.retain(|_| stays.next() == Some(true));
        let kept = self.0.iter_mut().map(|ancestor| &mut ancestor.birth);
        for birth in kept.chain(living.iter_mut().map(|birth| &mut **birth)) {
            to(&mut birth.parent);
            to(&mut birth.own);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of `length`, each with a brother who has no descendants; and the youngest of it.
    fn line(length: usize) -> (Lineage, Birth) {
        let mut lineage = Lineage::default();
        let id = |nth: usize| std::array::from_fn(|at| (nth >> (8 * at.min(7))) as u8);
        let mut birth = Birth::first(0);
        for nth in 0..length {
            let own = lineage.add(id(2 * nth), birth);
            lineage.add(id(2 * nth + 1), birth);
            birth = Birth {
                parent: Some(own),
                parents: [Some(id(2 * nth)), None],
                ..Birth::first(nth as u64 + 1)
            };
        }
        (lineage, birth)
    }

    #[test]
    fn only_ancestors_of_the_living_are_kept() {
        let (mut lineage, mut youngest) = line(1000);
        let before: Vec<GenotypeId> = lineage.line(youngest).map(|ancestor| ancestor.id).collect();
        lineage.forget_others(&mut [&mut youngest]);
        assert_eq!(lineage.0.len(), 1000);
        let after: Vec<GenotypeId> = lineage.line(youngest).map(|ancestor| ancestor.id).collect();
        assert_eq!((before.len(), before), (1000, after));
    }

    #[test]
    fn of_a_line_that_is_too_long_the_beginning_goes() {
        let (mut lineage, mut youngest) = line(MAX_ANCESTORS + 10);
        lineage.forget_others(&mut [&mut youngest]);
        let line: Vec<&Ancestor> = lineage.line(youngest).collect();
        assert_eq!((line.len(), lineage.0.len()), (MAX_ANCESTORS, MAX_ANCESTORS));
        assert_eq!(line.last().unwrap().birth.generation, 10);
        assert!(line.last().unwrap().birth.parents[0].is_some(), "who is gone is still named");
    }
}
