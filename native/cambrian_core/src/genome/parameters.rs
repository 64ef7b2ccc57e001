//! The settings of an evolution. One table defines the struct, the defaults, the ranges, the errors
//! and the documentation.

mod bounds;
mod layers;
mod options;
mod weights;

pub use bounds::Bounds;
pub use layers::Layers;
pub use options::{
    Admission, Distance, Emitter, EmitterChoice, Inheritance, Objective, Pareto, Partition,
    Perturbation, Projection, Search, Selection, Strategy, Tuner, TuningSelection,
};
pub use weights::Weights;

use crate::base::choice::Choice;
use crate::base::math::{Activation, Aggregation};
use crate::genome::dynamics::Dynamics;
use crate::genome::plasticity::Plasticity;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A setting from a caller.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Integer(i64),
    Number(f64),
    Name(String),
    Names(Vec<String>),
    Numbers(Vec<f64>),
    Pairs(Vec<(f64, f64)>),
}

/// An error: an unknown setting, or an invalid value.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ParameterError {
    #[error("unknown parameter {0}")]
    Unknown(String),
    #[error("{name}: expected {expected}")]
    Invalid { name: &'static str, expected: String },
}

/// One row of the table, for people and for the documentation.
pub struct Description {
    pub name: &'static str,
    pub default: Value,
    pub expected: String,
    pub about: &'static str,
}

/// A type of setting: a kind of value, within bounds.
pub(crate) trait Setting: Sized {
    type Bound: Copy;
    fn expected(bound: Self::Bound) -> String;
    fn read(value: &Value, bound: Self::Bound) -> Option<Self>;
    fn show(&self) -> Value;
}

impl Setting for f32 {
    type Bound = (f32, f32);
    fn expected((low, high): Self::Bound) -> String {
        format!("a number from {low} to {high}")
    }
    fn read(value: &Value, (low, high): Self::Bound) -> Option<f32> {
        match value {
            // compared as f32, because a bound such as 0.001 is another number in f64
            Value::Number(x) if (low..=high).contains(&(*x as f32)) => Some(*x as f32),
            Value::Integer(x) => f32::read(&Value::Number(*x as f64), (low, high)),
            _ => None,
        }
    }
    fn show(&self) -> Value {
        // the shortest decimal that reads back as this f32, instead of its exact binary value
        Value::Number(self.to_string().parse().unwrap_or(f64::from(*self)))
    }
}

impl Setting for u32 {
    type Bound = (u32, u32);
    fn expected((low, high): Self::Bound) -> String {
        format!("an integer from {low} to {high}")
    }
    fn read(value: &Value, (low, high): Self::Bound) -> Option<u32> {
        match value {
            Value::Integer(x) => u32::try_from(*x).ok().filter(|x| (low..=high).contains(x)),
            _ => None,
        }
    }
    fn show(&self) -> Value {
        Value::Integer(i64::from(*self))
    }
}

impl Setting for bool {
    type Bound = ();
    fn expected((): ()) -> String {
        "true or false".into()
    }
    fn read(value: &Value, (): ()) -> Option<bool> {
        match value {
            Value::Name(name) => name.parse().ok(),
            _ => None,
        }
    }
    fn show(&self) -> Value {
        Value::Name(self.to_string())
    }
}

fn names<C: Choice>() -> String {
    C::ALL.iter().map(|choice| choice.name()).collect::<Vec<_>>().join(", ")
}

impl<C: Choice> Setting for C {
    type Bound = ();
    fn expected((): ()) -> String {
        format!("one of {}", names::<C>())
    }
    fn read(value: &Value, (): ()) -> Option<C> {
        match value {
            Value::Name(name) => C::named(name),
            _ => None,
        }
    }
    fn show(&self) -> Value {
        Value::Name(self.name().to_string())
    }
}

impl<C: Choice> Setting for Vec<C> {
    type Bound = ();
    fn expected((): ()) -> String {
        format!("a list of one or more of {}", names::<C>())
    }
    fn read(value: &Value, (): ()) -> Option<Vec<C>> {
        match value {
            Value::Names(names) if !names.is_empty() => {
                names.iter().map(|name| C::named(name)).collect()
            }
            _ => None,
        }
    }
    fn show(&self) -> Value {
        Value::Names(self.iter().map(|choice| choice.name().to_string()).collect())
    }
}

macro_rules! parameters {
    ($($name:ident: $type:ty = $default:expr, $bound:expr, $about:literal;)*) => {
        /// All settings of an evolution besides its task and its seed.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Parameters {
            $(#[doc = $about] pub $name: $type,)*
        }

        impl Default for Parameters {
            fn default() -> Parameters {
                Parameters { $($name: $default,)* }
            }
        }

        impl Parameters {
            /// Sets one parameter by its name.
            ///
            /// # Errors
            /// An unknown name, or a value of the wrong type or out of range. The error has the
            /// name and the expected values; then nothing is changed.
            pub fn set(&mut self, name: &str, value: &Value) -> Result<(), ParameterError> {
                match name {
                    $(stringify!($name) => {
                        self.$name = <$type as Setting>::read(value, $bound).ok_or_else(|| {
                            ParameterError::Invalid {
                                name: stringify!($name),
                                expected: <$type as Setting>::expected($bound),
                            }
                        })?;
                    })*
                    _ => return Err(ParameterError::Unknown(name.to_string())),
                }
                Ok(())
            }

            /// Every parameter with its value.
            pub fn values(&self) -> Vec<(&'static str, Value)> {
                vec![$((stringify!($name), self.$name.show()),)*]
            }

            /// The table itself.
            pub fn table() -> Vec<Description> {
                let defaults = Parameters::default();
                vec![$(Description {
                    name: stringify!($name),
                    default: defaults.$name.show(),
                    expected: <$type as Setting>::expected($bound),
                    about: $about,
                },)*]
            }
        }
    };
}

parameters! {
    population: u32 = 150, (2, 1_000_000), "genotypes in a generation";

    search: Search = Search::Neat, (),
        "what selection compares: fitness, the novelty of behaviours, their novelty among fitter \
         genotypes, their novelty and fitness among the nearest, or several objectives";
    strategy: Strategy = Strategy::CmaEs, (),
        "evolution_strategy: how weights and biases are found";
    strategy_step: f32 = 0.5, (1.0e-6, 100.0),
        "evolution_strategy: standard deviation of each weight and bias around those of the first \
         genotype, at first; open_ai_es keeps it";
    strategy_rate: f32 = 0.05, (0.0, 100.0), "open_ai_es: the step size of Adam";
    strategy_budget: u32 = 100_000, (1, 1_000_000_000),
        "l_shade: the evaluations in which the population shrinks to four";
    differential_weight: f32 = 0.5, (0.0, 2.0),
        "differential_evolution: the factor of a difference, F";
    differential_crossover: f32 = 0.9, (0.0, 1.0),
        "differential_evolution: share of the numbers that get one, CR";
    objectives: Vec<Objective> = vec![Objective::Task], (), "pareto: the objectives";
    objective_weights: Weights = Weights::default(), (),
        "pareto: the weight of each objective, in their order; the champion is then the genotype \
         of the front with the highest weighted sum. Without weights, all count alike";
    pareto: Pareto = Pareto::Nsga2, (),
        "pareto, local_competition: which genotypes of a front survive, if it is too large";
    distance: Distance = Distance::Euclidean, (), "novelty: the distance of two behaviours";
    neighbours: u32 = 15, (1, 10_000),
        "novelty: how many nearest behaviours a behaviour is compared with";
    novelty_archive: Admission = Admission::Sample, (),
        "novelty: which behaviours of a generation are kept";
    archive_share: f32 = 0.02, (0.0, 1.0),
        "sample: share of each generation whose behaviours are kept, drawn at random";
    novelty_threshold: f32 = 6.0, (1.0e-6, 1.0e9),
        "threshold: the novelty above which a behaviour is kept, at first";
    archive_size: u32 = 10_000, (0, 1_000_000),
        "novelty: the most behaviours that are kept; the oldest are dropped first";

    bounds: Bounds = Bounds::default(), (),
        "map_elites: the lowest and the highest number of each dimension of behaviours; without \
         bounds, the outputs on probes are projected onto two dimensions";
    projection: Projection = Projection::None, (),
        "map_elites: how behaviours of many numbers get a position in the box of bounds: each \
         number is a dimension, by random signs, or by the principal components of the archive, \
         which has bounds of its own";
    components: u32 = 2, (1, 16), "principal: how many components, the dimensions of the archive";
    partition: Partition = Partition::Grid, (), "map_elites: how the box of behaviours is divided";
    cells: u32 = 2500, (1, Bounds::MAX_CELLS),
        "map_elites: the number of cells; a grid has at most so many, with as many places along \
         each dimension";
    emitters: Vec<Emitter> = vec![Emitter::Neat], (),
        "map_elites: how elites produce offspring; several emitters share each generation";
    emitter_choice: EmitterChoice = EmitterChoice::Equal, (),
        "map_elites: how emitters share it: equally, or more for those that find more elites";
    iso_step: f32 = 0.01, (0.0, 100.0),
        "iso_line: standard deviation of the step of each weight and bias";
    line_step: f32 = 0.2, (0.0, 100.0),
        "iso_line: standard deviation of the step along the line, as a share of its length";
    emitter_batch: u32 = 36, (4, 10_000),
        "cma_me, cma_mae: offspring of one distribution in a generation";
    emitter_step: f32 = 0.5, (0.0, 100.0),
        "cma_me, cma_mae: standard deviation of each weight when a distribution starts";
    threshold_rate: f32 = 0.01, (0.0, 1.0),
        "cma_mae: how far a cell's threshold moves towards an accepted fitness, as a share of the \
         way";
    threshold_start: f32 = 0.0, (-1.0e9, 1.0e9),
        "cma_mae: the first threshold of every cell; a lower fitness does not count";

    hidden: Layers = Layers::default(), (),
        "sizes of the hidden layers of a first genotype, from the inputs to the outputs";
    initial_connections: f32 = 1.0, (0.0, 1.0),
        "share of the pairs of an input and an output, or of nodes of neighbouring layers, that a \
         first genotype connects";
    initial_weight: f32 = 1.0, (0.0, 100.0), "standard deviation of a new connection's weight";
    activation: Activation = Activation::Tanh, (), "activation of a new hidden node";
    output_activation: Activation = Activation::Sigmoid, (), "activation of the output nodes";
    activations: Vec<Activation> = Activation::ALL.to_vec(), (),
        "the choices of change_activation";
    aggregations: Vec<Aggregation> = Aggregation::ALL.to_vec(), (),
        "the choices of change_aggregation";
    dynamics: Vec<Dynamics> = Dynamics::ALL.to_vec(), (), "the choices of change_dynamics";
    plasticities: Vec<Plasticity> = Plasticity::ALL.to_vec(), (),
        "the choices of change_plasticity";

    perturb_weights: f32 = 0.8, (0.0, 1.0), "rate: weights move by a normal step";
    perturbed_share: f32 = 1.0, (0.0, 1.0), "share of the weights that perturb_weights moves";
    reset_weights: f32 = 0.1, (0.0, 1.0),
        "rate: every weight has one chance in ten to be drawn again";
    weight_step: f32 = 1.5, (0.0, 100.0), "standard deviation of a perturbation";
    perturbation: Perturbation = Perturbation::Normal, (),
        "how a weight moves: by a normal step, or by a polynomial step within weight_limit";
    perturbation_index: f32 = 20.0, (0.0, 1000.0),
        "polynomial: a larger index means smaller steps";
    weight_limit: f32 = 30.0, (0.001, 1.0e6),
        "weights, biases and gains stay within plus and minus this";
    perturb_biases: f32 = 0.2, (0.0, 1.0), "rate: every bias moves by a normal step";
    add_bias: f32 = 0.0, (0.0, 1.0), "rate: a node without a bias gets one";
    remove_bias: f32 = 0.0, (0.0, 1.0), "rate: a node loses its bias";
    change_activation: f32 = 0.0, (0.0, 1.0), "rate: a hidden node gets another activation";
    change_aggregation: f32 = 0.0, (0.0, 1.0), "rate: a node gets another aggregation";
    change_gain: f32 = 0.0, (0.0, 1.0), "rate: a node's gain moves by a normal step";
    change_dynamics: f32 = 0.0, (0.0, 1.0), "rate: a node gets other dynamics";
    change_time_constant: f32 = 0.0, (0.0, 1.0),
        "rate: the time constant of a node with dynamics grows or shrinks, at most twofold";
    change_plasticity: f32 = 0.0, (0.0, 1.0),
        "rate: a node gets another rule of learning, with rates for it";
    change_learning: f32 = 0.0, (0.0, 1.0),
        "rate: learning rate and decay of a plastic node move by a normal step";
    toggle_connection: f32 = 0.01, (0.0, 1.0), "rate: a connection is switched off or on";
    remove_connection: f32 = 0.02, (0.0, 1.0),
        "rate: a connection is removed, with any node that it leaves idle";
    remove_recurrent: f32 = 0.0, (0.0, 1.0),
        "rate: a recurrent connection is removed, with any node that it leaves idle";
    remove_node: f32 = 0.0, (0.0, 1.0),
        "rate: a hidden node is removed, and its sources are joined to its targets";
    remove_input: f32 = 0.0, (0.0, 1.0), "rate: an input loses its connections";
    remove_output: f32 = 0.0, (0.0, 1.0), "rate: an output loses its connections";
    add_input: f32 = 0.0, (0.0, 1.0), "rate: an input without connections is connected";
    add_output: f32 = 0.0, (0.0, 1.0), "rate: an output without connections is connected";
    add_connection: f32 = 0.2, (0.0, 1.0), "rate: two unconnected nodes are connected forwards";
    add_recurrent: f32 = 0.0, (0.0, 1.0),
        "rate: two nodes are connected backwards, or one to itself";
    add_node: f32 = 0.05, (0.0, 1.0), "rate: a connection is split by a node";

    crossover: f32 = 0.75, (0.0, 1.0), "share of offspring with two parents";
    mutate_after_crossover: f32 = 1.0, (0.0, 1.0),
        "share of offspring with two parents that are also mutated";
    average_weights: f32 = 0.4, (0.0, 1.0),
        "share of crossovers that average matching weights instead of picking one";
    single_point: f32 = 0.0, (0.0, 1.0),
        "share of the other crossovers that pick from one parent up to a random gene, then \
         from the other";
    simulated_binary: f32 = 0.0, (0.0, 1.0),
        "share of crossovers that draw matching weights around and between those of the parents";
    simulated_binary_index: f32 = 15.0, (0.0, 1000.0),
        "simulated_binary: a larger index means weights nearer to the parents";
    interspecies: f32 = 0.001, (0.0, 1.0), "share of crossovers with a parent from another species";
    stay_disabled: f32 = 0.75, (0.0, 1.0),
        "chance that a connection disabled in either parent is disabled in the child";

    disjoint_weight: f32 = 1.0, (0.0, 1000.0),
        "c1 of the distance: share of genes that do not match";
    weight_weight: f32 = 1.0, (0.0, 1000.0),
        "c3 of the distance: mean weight difference of matching genes";
    species_threshold: f32 = 3.0, (0.001, 1000.0),
        "distance within which genotypes are one species";
    target_species: u32 = 15, (0, 100_000),
        "number of species that the threshold is steered to; 0 keeps it fixed";
    survival: f32 = 0.2, (0.0, 1.0), "share of a species that breeds";
    selection: Selection = Selection::Truncation, (),
        "how a parent is picked among the genotypes that breed";
    tournament: u32 = 3, (1, 1000), "contestants of a tournament";
    parsimony: f32 = 0.0, (0.0, 1.0e6),
        "what each connection costs, in fitness, when selection compares";
    replacement: f32 = 1.0, (0.0, 1.0),
        "share of the population that is replaced in a generation; below 1, a steady state: only \
         the worst are replaced";
    reevaluate: bool = false, (),
        "whether a surviving genotype is evaluated again, which noisy tasks need";
    elitism: u32 = 1, (0, 1000),
        "how many of the best genotypes of a species with five members or more survive unchanged; \
         the best of all always survives";
    stagnation: u32 = 15, (1, 1_000_000),
        "generations without progress after which a species dies out";

    tuning: Tuner = Tuner::None, (),
        "how weights are tuned before selection; use a small population with it";
    tuning_share: f32 = 0.05, (0.0, 1.0),
        "share of the new genotypes in a generation that are tuned, the fittest first; at least \
         one";
    tuning_budget: u32 = 500, (1, 1_000_000_000),
        "the most evaluations of one genotype, its own included";
    tuning_patience: u32 = 50, (1, 1_000_000_000),
        "evaluations without improvement after which the tuning of a genotype ends";
    tuning_step: f32 = 1.0, (0.0, 100.0),
        "CMA-ES: first standard deviation of a weight; hill climbing: the largest step of a \
         weight, divided by pi";
    tuning_rate: f32 = 0.01, (0.0, 10.0),
        "Adam: how far a weight moves in a step, about";
    tuning_batch: u32 = 32, (0, 1_000_000_000),
        "Adam: rows of each step; 0 for all";
    tuning_decay: f32 = 0.001, (0.0, 1000.0),
        "Adam and L-BFGS: how strongly weights are pulled to 0: half of this times the sum of \
         their squares counts as loss";
    tuning_selection: TuningSelection = TuningSelection::DynamicRandom, (),
        "hill climbing: the nodes whose weights move";
    tuning_annealing: f32 = 0.5, (0.0, 1.0),
        "hill climbing: the factor by which steps shrink with each generation of a node's age";
    inheritance: Inheritance = Inheritance::Lamarckian, (),
        "whether offspring inherit tuned weights";
}

impl Parameters {
    /// Whether [`Parameters::set`] would accept every value, for parameters that were read from
    /// bytes.
    pub fn are_sound(&self) -> bool {
        let mut checked = self.clone();
        self.values().iter().all(|(name, value)| checked.set(name, value).is_ok())
    }

    /// A weight or bias within `weight_limit`.
    pub(crate) fn clamp(&self, weight: f32) -> f32 {
        weight.clamp(-self.weight_limit, self.weight_limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_can_be_set_and_is_shown_unchanged() {
        let mut parameters = Parameters::default();
        for row in Parameters::table() {
            parameters.set(row.name, &row.default).unwrap();
        }
        assert_eq!(parameters, Parameters::default());
    }

    #[test]
    fn the_lower_bound_of_a_range_is_allowed() {
        let mut parameters = Parameters::default();
        assert_eq!(parameters.set("species_threshold", &Value::Number(0.001)), Ok(()));
        assert!(parameters.are_sound());
        assert!(parameters.set("species_threshold", &Value::Number(0.0009)).is_err());
    }

    #[test]
    fn errors_name_the_parameter_and_what_was_expected() {
        let mut parameters = Parameters::default();
        let mut error = |name, value| parameters.set(name, &value).unwrap_err().to_string();
        assert_eq!(error("populaton", Value::Number(1.0)), "unknown parameter populaton");
        assert_eq!(
            error("population", Value::Integer(1)),
            "population: expected an integer from 2 to 1000000"
        );
        assert_eq!(
            error("population", Value::Number(150.0)),
            "population: expected an integer from 2 to 1000000"
        );
        assert_eq!(
            error("add_node", Value::Number(f64::NAN)),
            "add_node: expected a number from 0 to 1"
        );
        assert_eq!(
            error("activation", Value::Name("cosh".into())),
            format!("activation: expected one of {}", names::<Activation>())
        );
        assert!(error("activations", Value::Names(vec![])).contains("one or more"));
    }
}
