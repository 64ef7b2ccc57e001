//! A child of one or two parents, with the ancestry of its genes.

use crate::base::rng::Stream;
use crate::genome::genotype::Genotype;
use crate::genome::parameters::Parameters;
use crate::search::ancestry::Ancestry;
use crate::variation::crossover::{Shares, cross};
use crate::variation::iso_line::iso_line;
use crate::variation::mutation::{Operators, mutate};
use std::sync::Arc;

/// A genotype that breeds, and its genes that came from elsewhere.
#[derive(Clone, Copy)]
pub(crate) struct Parent<'a> {
    pub genotype: &'a Genotype,
    pub ancestry: Option<&'a Arc<Ancestry>>,
}

pub(crate) struct Child {
    pub genotype: Genotype,
    pub operators: Operators,
    pub ancestry: Option<Arc<Ancestry>>,
}

impl Parent<'_> {
    /// A mutated copy.
    pub fn mutant(self, p: &Parameters, rng: &mut Stream) -> Child {
        let mut genotype = Genotype::clone(self.genotype);
        let operators = mutate(&mut genotype, p, rng);
        let ancestry = self.ancestry.cloned();
        self.child(genotype, operators, ancestry)
    }

    /// A cross with a parent that is no fitter; mutated as often as the parameters say, or always.
    pub fn crossed(
        self,
        other: Parent,
        p: &Parameters,
        always_mutate: bool,
        rng: &mut Stream,
    ) -> Child {
        let mut shares = self.shares(other);
        let mut genotype = cross(self.genotype, other.genotype, p, rng, shares.as_mut());
        let mut operators = Operators::CROSSOVER;
        if always_mutate || rng.chance(p.mutate_after_crossover) {
            operators = operators.and(mutate(&mut genotype, p, rng));
        }
        self.child(genotype, operators, self.mixed(other, shares))
    }

    /// A copy whose weights move, also towards another genotype.
    pub fn moved(self, towards: Parent, p: &Parameters, rng: &mut Stream) -> Child {
        let mut shares = self.shares(towards);
        let genotype = iso_line(self.genotype, towards.genotype, p, rng, shares.as_mut());
        self.child(genotype, Operators::ISO_LINE, self.mixed(towards, shares))
    }

    /// Where the genes come from is noted only if some came from elsewhere.
    fn shares(self, other: Parent) -> Option<Shares> {
        self.ancestry.or(other.ancestry).map(|_| Shares::new(self.genotype))
    }

    fn mixed(self, other: Parent, shares: Option<Shares>) -> Option<Arc<Ancestry>> {
        Ancestry::of_child(self.genotype, self.ancestry, other.ancestry, &shares?)
    }

    fn child(
        self,
        genotype: Genotype,
        operators: Operators,
        ancestry: Option<Arc<Ancestry>>,
    ) -> Child {
        let ancestry = ancestry.and_then(|known| known.left_in(&genotype, self.genotype));
        Child { genotype, operators, ancestry }
    }
}
