//! The operators that change one genotype.

/// Operators by the names of their functions. Their rates have the same names among the parameters.
macro_rules! operators {
    ($($name:ident),*) => {
        &[$($crate::variation::mutation::Operator {
            name: stringify!($name),
            rate: |rates| rates.$name,
            apply: $name,
        }),*]
    };
}

mod ends;
mod neurons;
mod structure;
mod weights;

use crate::base::rng::Stream;
use crate::genome::genotype::Genotype;
use crate::genome::parameters::Parameters;
use std::sync::LazyLock;
use thiserror::Error;

/// An error: the operator found nothing in this genotype that it could change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the operator does not apply to this genotype")]
pub struct NotApplicable;

type Applied = Result<(), NotApplicable>;

/// A mutation operator: its name, its rate among the parameters, and its function.
#[derive(Clone, Copy)]
pub struct Operator {
    pub name: &'static str,
    rate: fn(&Parameters) -> f32,
    apply: fn(&mut Genotype, &Parameters, &mut Stream) -> Applied,
}

/// Every operator, in the order in which [`mutate`] tries them.
pub static OPERATORS: LazyLock<Vec<Operator>> = LazyLock::new(|| {
    [weights::ALL, neurons::ALL, structure::FEWER, ends::ALL, structure::MORE].concat()
});

impl Operator {
    pub fn named(name: &str) -> Option<&'static Operator> {
        OPERATORS.iter().find(|operator| operator.name == name)
    }

    /// A changed copy.
    ///
    /// # Errors
    /// [`NotApplicable`] if there is nothing to change.
    pub fn apply(
        &self,
        genotype: &Genotype,
        parameters: &Parameters,
        rng: &mut Stream,
    ) -> Result<Genotype, NotApplicable> {
        let mut changed = genotype.clone();
        (self.apply)(&mut changed, parameters, rng)?;
        Ok(changed)
    }
}

/// The operators that made a genotype from its parents, with crossover and tuning among them. A
/// genotype without parents came with the first generation, was injected, or is a point of an
/// evolution strategy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operators(pub(crate) u64);

impl Operators {
    pub const ISO_LINE: Operators = Operators(1 << 60);
    pub const INJECTION: Operators = Operators(1 << 61);
    pub const CROSSOVER: Operators = Operators(1 << 62);
    pub const TUNING: Operators = Operators(1 << 63);

    pub fn and(self, more: Operators) -> Operators {
        Operators(self.0 | more.0)
    }

    /// The names, in the order in which the operators are applied.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let is = move |one: Operators, name| (self.0 & one.0 != 0).then_some(name);
        let all = OPERATORS.iter().zip(0..);
        let mutations =
            all.filter(move |(_, bit)| self.0 >> bit & 1 == 1).map(|(operator, _)| operator.name);
        let first = [
            is(Self::INJECTION, "injection"),
            is(Self::CROSSOVER, "crossover"),
            is(Self::ISO_LINE, "iso_line"),
        ];
        let first = first.into_iter().flatten();
        first.chain(mutations).chain(is(Self::TUNING, "tuning"))
    }

    /// All operators there are, so also those that are no mutations.
    pub fn all() -> Operators {
        let others = Self::INJECTION.0 | Self::CROSSOVER.0 | Self::ISO_LINE.0 | Self::TUNING.0;
        Operators(others | ((1 << OPERATORS.len()) - 1))
    }

    /// `None` for an unknown name.
    pub fn named(name: &str) -> Option<Operators> {
        match name {
            "injection" => Some(Self::INJECTION),
            "crossover" => Some(Self::CROSSOVER),
            "iso_line" => Some(Self::ISO_LINE),
            "tuning" => Some(Self::TUNING),
            _ => OPERATORS
                .iter()
                .position(|operator| operator.name == name)
                .map(|bit| Operators(1 << bit)),
        }
    }
}

/// Applies each operator with the probability in the parameters; skips an operator that does not
/// apply. Returns the applied operators.
pub fn mutate(genotype: &mut Genotype, parameters: &Parameters, rng: &mut Stream) -> Operators {
    let mut applied = Operators::default();
    for (operator, bit) in OPERATORS.iter().zip(0..) {
        let rate = (operator.rate)(parameters);
        // an operator with rate 0 draws nothing, so that a new operator does not change old runs
        if rate > 0.0 && rng.chance(rate) && (operator.apply)(genotype, parameters, rng).is_ok() {
            applied.0 |= 1 << bit;
        }
    }
    applied
}
