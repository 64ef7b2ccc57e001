//! Rows of inputs and what a network should make of each.

mod gradient;
mod learning;
mod rows;

use learning::Objective;
pub use learning::{Held, Learning, Loss, Weights, order};
use rows::Far;
pub use rows::{DatasetError, Label, Rows, Targets};

use super::{Score, Shape, Task, Trial};
use crate::base::cancel::Cancelled;
use crate::base::math::Activation;
use crate::genome::parameters::Parameters;
use crate::phenotype::gradient::Differentiable;
use crate::phenotype::network::Runner;
use sha2::{Digest, Sha256};

/// Rows that belong together.
struct Part {
    inputs: Rows,
    targets: Targets,
}

/// How wrong a network is, on average.
struct Measure {
    error: f64,
    /// Share of the rows whose class has the highest output.
    accuracy: Option<f64>,
}

impl Measure {
    fn fitness(&self) -> f64 {
        1.0 / (1.0 + self.error)
    }
}

/// Outputs that are there at once: those of all rows may be more than the memory holds, as rows of
/// classes are short.
const BLOCK: usize = 1 << 20;

/// How many samples run side by side: a block is of whole ones.
const SIDE_BY_SIDE: usize = 64;

impl Part {
    fn measure(&self, network: &Runner, objective: &Objective) -> Result<Measure, Cancelled> {
        let (width, outputs, count) =
            (self.inputs.width, self.targets.width(), self.targets.count());
        let block = (BLOCK / outputs).next_multiple_of(SIDE_BY_SIDE);
        let (mut error, mut weight, mut right) = (0.0, 0.0, 0);
        for (nth, inputs) in self.inputs.numbers.chunks(block * width).enumerate() {
            let answers = network.activate_batch(inputs)?;
            match &self.targets {
                Targets::Numbers(rows) => {
                    let targets = &rows.numbers[nth * block * outputs..][..answers.len()];
                    error = objective.loss.add_to(error, &answers, targets);
                    weight += answers.len() as f64;
                }
                Targets::Classes { rows, .. } => {
                    for (answer, class) in answers.chunks_exact(outputs).zip(&rows[nth * block..]) {
                        let class = *class as usize;
                        error += objective.weights[class] * cross_entropy(answer, class);
                        weight += objective.weights[class];
                        right += usize::from(super::argmax(answer) == class);
                    }
                }
            }
        }
        let is_classes = matches!(self.targets, Targets::Classes { .. });
        let accuracy = is_classes.then(|| right as f64 / count as f64);
        Ok(Measure { error: error / weight, accuracy })
    }
}

/// −ln of what the softmax of the outputs gives the class.
fn cross_entropy(outputs: &[f32], class: usize) -> f64 {
    let highest = outputs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let above = |output: f32| f64::from(output) - f64::from(highest);
    let sum: f64 = outputs.iter().map(|output| libm::exp(above(*output))).sum();
    libm::log(sum) - above(outputs[class])
}

/// Data to learn, and perhaps some to see what was learnt.
pub struct Dataset {
    shape: Shape,
    /// Whether targets are numbers from 0 to 1.
    bounded: bool,
    training: Part,
    validation: Option<Part>,
    objective: Objective,
    mean_weight: f64,
}

impl Dataset {
    /// With the mean squared error or the mean cross entropy, and a share of the rows held back,
    /// drawn with the seed.
    ///
    /// # Errors
    /// Those of [`Dataset::with`].
    pub fn new(
        inputs: Rows,
        targets: Targets,
        validation: f64,
        seed: u64,
    ) -> Result<Dataset, DatasetError> {
        Dataset::with(inputs, targets, &Learning::of_share(validation, seed))
    }

    /// # Errors
    /// Other numbers of inputs and targets or none; rows held back after which one part would be
    /// empty; a loss or weights that these targets cannot have.
    pub fn with(
        inputs: Rows,
        targets: Targets,
        learning: &Learning,
    ) -> Result<Dataset, DatasetError> {
        if inputs.count() != targets.count() || inputs.count() == 0 {
            return Err(DatasetError::Count { inputs: inputs.count(), targets: targets.count() });
        }
        let shape = Shape { inputs: inputs.width as u32, outputs: targets.width() as u32 };
        let is_share = |target: &f32| (0.0..=1.0).contains(target);
        let bounded =
            matches!(&targets, Targets::Numbers(rows) if rows.numbers.iter().all(is_share));
        let (kept, held) = learning.held.split(&targets)?;
        let part = |rows: &[usize]| Part { inputs: inputs.pick(rows), targets: targets.pick(rows) };
        let (training, validation) = if held.is_empty() {
            (Part { inputs, targets }, None)
        } else {
            (part(&kept), Some(part(&held)))
        };
        let objective = learning.objective(&training.targets)?;
        let mean_weight = Dataset::mean_weight(&training.targets, &objective.weights);
        Ok(Dataset { shape, bounded, training, validation, objective, mean_weight })
    }
}

/// What tells datasets apart: a hash of all that makes one, the same in whatever form it was given.
pub fn fingerprint(inputs: &Rows, targets: &Targets, learning: &Learning) -> [u8; 32] {
    let mut hash = Sha256::new();
    learning.hash(&mut hash);
    hash_rows(&mut hash, inputs);
    match targets {
        Targets::Numbers(rows) => {
            hash.update([0]);
            hash_rows(&mut hash, rows);
        }
        Targets::Classes { labels, rows } => {
            hash.update([1]);
            hash.update((labels.len() as u64).to_le_bytes());
            labels.iter().for_each(|label| hash_label(&mut hash, label));
            rows.iter().for_each(|class| hash.update(class.to_le_bytes()));
        }
    }
    hash.finalize().into()
}

fn hash_rows(hash: &mut Sha256, rows: &Rows) {
    hash.update((rows.width as u64).to_le_bytes());
    hash.update((rows.count() as u64).to_le_bytes());
    let mut bytes = [0; 4096];
    for numbers in rows.numbers.chunks(bytes.len() / 4) {
        bytes
            .as_chunks_mut()
            .0
            .iter_mut()
            .zip(numbers)
            .for_each(|(word, x)| *word = x.to_le_bytes());
        hash.update(&bytes[..4 * numbers.len()]);
    }
}

fn hash_label(hash: &mut Sha256, label: &Label) {
    let mut text = |kind: u8, text: &str| {
        hash.update([kind]);
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    match label {
        Label::Integer(number) => text(0, &number.to_string()),
        Label::Name(name) => text(1, name),
        Label::Word(word) => text(2, word),
    }
}

impl Task for Dataset {
    fn shape(&self) -> Shape {
        self.shape
    }

    /// The defaults, but with unbounded outputs for classes, whose softmax is taken, and for
    /// targets beyond 0 to 1. Mutation steps are smaller then, because no sigmoid flattens them.
    fn parameters(&self) -> Parameters {
        if self.bounded {
            return Parameters::default();
        }
        Parameters {
            output_activation: Activation::Identity,
            weight_step: 0.5,
            ..Parameters::default()
        }
    }

    fn warning(&self) -> Option<String> {
        let targets = match &self.training.targets {
            Targets::Numbers(rows) => rows.far(),
            Targets::Classes { .. } => None,
        };
        let warning = |of: &str, Far { column, low, high, others }: Far| {
            let more =
                if others > 0 { format!(", and {others} more like it") } else { String::new() };
            let show = |x: f32| if x.abs() < 1e6 { x.to_string() } else { format!("{x:e}") };
            let (low, high) = (show(low), show(high));
            format!(
                "column {column} of a dataset's {of} has numbers from {low} to {high}{more}: scale \
                 each to about -1 to 1, as first weights are about 1"
            )
        };
        let inputs = self.training.inputs.far().map(|far| warning("inputs", far));
        inputs.or_else(|| targets.map(|far| warning("targets", far)))
    }

    fn differentiable(&self) -> Option<&dyn Differentiable> {
        Some(self)
    }

    fn grain(&self) -> usize {
        1000 / self.training.inputs.count().clamp(1, 1000)
    }

    /// 1 / (1 + error) of the training part: the mean loss of numbers, the mean cross entropy of
    /// classes.
    fn evaluate_on(&self, network: &Runner) -> Result<Score, Cancelled> {
        Ok(Score::from(self.training.measure(network, &self.objective)?.fitness()))
    }

    /// Never solved by itself; what is held back is measured here.
    fn trial_on(&self, network: &Runner) -> Result<Trial, Cancelled> {
        let training = self.training.measure(network, &self.objective)?;
        let measure = |part: &Part| part.measure(network, &self.objective);
        let validation = self.validation.as_ref().map(measure).transpose()?;
        let mut facts = vec![("error", training.error)];
        facts.extend(training.accuracy.map(|accuracy| ("accuracy", accuracy)));
        if let Some(held) = &validation {
            facts.push(("validation_error", held.error));
            facts.extend(held.accuracy.map(|accuracy| ("validation_accuracy", accuracy)));
        }
        let validation = validation.map(|held| held.fitness());
        Ok(Trial { validation, ..Trial::new(false, facts) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::{Purpose, Stream};
    use crate::genome::genotype::Genotype;
    use crate::phenotype::network::Network;

    fn rows(width: usize, numbers: &[f32]) -> Rows {
        Rows::new(width, numbers.to_vec()).unwrap()
    }

    fn network(task: &Dataset, seed: u64) -> Network {
        let Shape { inputs, outputs } = task.shape();
        let mut rng = Stream::new(seed, Purpose::Birth, 0, 0);
        Network::new(&Genotype::new(inputs, outputs, &task.parameters(), &mut rng).unwrap())
    }

    /// Sixty rows of three classes, with 30, 20 and 10 rows.
    fn flowers(share: f64, seed: u64) -> Result<Dataset, DatasetError> {
        let classes: Vec<i64> = (0..60).map(|at| [0, 0, 0, 1, 1, 2][at % 6]).collect();
        let numbers: Vec<f32> = (0..60).map(|at| at as f32).collect();
        Dataset::new(
            rows(1, &numbers),
            Targets::classes(classes.into_iter().map(Label::Integer))?,
            share,
            seed,
        )
    }

    #[test]
    fn the_fitness_of_a_regression_follows_from_the_mean_squared_error() {
        let targets = Targets::Numbers(rows(2, &[0.5, 0.5, 0.5, 1.0]));
        let task = Dataset::new(rows(1, &[0.0, 1.0]), targets, 0.0, 0).unwrap();
        let network = network(&task, 1);
        let outputs = [network.activate(&[0.0]), network.activate(&[1.0])].concat();
        let wrong = |(y, t): (&f32, f64)| (f64::from(*y) - t) * (f64::from(*y) - t);
        let error = outputs.iter().zip([0.5, 0.5, 0.5, 1.0]).map(wrong).sum::<f64>() / 4.0;
        assert!((task.evaluate(&network).fitness - 1.0 / (1.0 + error)).abs() < 1e-12);
        let trial = task.trial(&network);
        assert_eq!((trial.solved, trial.validation), (false, None));
        assert!((trial.facts[0].1 - error).abs() < 1e-12);
    }

    #[test]
    fn cross_entropy_is_that_of_the_softmax_and_always_finite() {
        assert!((cross_entropy(&[0.0, 0.0, 0.0, 0.0], 2) - 4f64.ln()).abs() < 1e-12);
        let odds = |x: f64| -(x.exp() / (x.exp() + 1.0)).ln();
        assert!((cross_entropy(&[1.5, 0.0], 0) - odds(1.5)).abs() < 1e-9);
        assert_eq!(cross_entropy(&[1e12, -1e12], 1), 2.0 * f64::from(1e12f32));
        assert_eq!(cross_entropy(&[1e12, -1e12], 0), 0.0);
    }

    #[test]
    fn classes_and_one_hot_rows_are_the_same() {
        let one_hot = Targets::one_hot(&rows(3, &[0.0, 1.0, 0.0, 0.0, 0.0, 1.0]));
        let labels = [0, 1, 2].map(Label::Integer).to_vec();
        assert_eq!(one_hot, Ok(Targets::Classes { labels, rows: vec![1, 2] }));
        assert_eq!(Targets::one_hot(&rows(2, &[0.0, 1.0, 1.0, 0.0])), integers(&[1, 0]));
        for wrong in [&[1.0, 1.0], &[0.0, 0.0], &[0.5, 0.5], &[1.0, 0.5]] {
            assert_eq!(Targets::one_hot(&rows(2, wrong)), Err(DatasetError::OneHot(0)));
        }
        let second = Targets::one_hot(&rows(2, &[0.0, 1.0, 1.0, 1.0]));
        assert_eq!(second, Err(DatasetError::OneHot(1)));
        assert_eq!(integers(&[0, 0]), Err(DatasetError::Class(1)));
        assert_eq!(integers(&(0..10_001).collect::<Vec<i64>>()), Err(DatasetError::Class(10_001)));
    }

    #[test]
    fn outputs_are_in_the_order_of_the_sorted_labels() {
        let of = |labels: &[i64]| match integers(labels) {
            Ok(Targets::Classes { labels, rows }) => (labels.len(), rows),
            other => panic!("{other:?}"),
        };
        assert_eq!(of(&[1, 2, 1, 2]), (2, vec![0, 1, 0, 1]));
        assert_eq!(of(&[1, -1]), (2, vec![1, 0]));
        assert_eq!(of(&[3, 0, 1]), (3, vec![2, 0, 1]), "a gap is no class");
        let words = ["no", "yes", "maybe"].map(|word| Label::Word(word.into()));
        let Ok(Targets::Classes { labels, rows }) = Targets::classes(words.clone()) else {
            panic!("classes")
        };
        assert_eq!(
            (labels, rows),
            (vec![words[2].clone(), words[0].clone(), words[1].clone()], vec![1, 2, 0])
        );
    }

    #[test]
    fn validation_leaves_rows_of_every_class_to_learn() {
        let labels: Vec<Label> = [0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 2].map(Label::Integer).to_vec();
        let numbers: Vec<f32> = (0..11).map(|at| at as f32).collect();
        for (share, seed) in [(0.5, 1), (0.8, 2), (0.99, 3)] {
            let targets = Targets::classes(labels.clone()).unwrap();
            let task = Dataset::new(rows(1, &numbers), targets, share, seed).unwrap();
            let Targets::Classes { rows: kept, .. } = task.training.targets else {
                panic!("classes")
            };
            assert!((0..3).all(|class| kept.contains(&class)), "{share}: {kept:?}");
        }
    }

    #[test]
    fn the_fingerprint_differs_for_every_other_dataset() {
        let numbers = |width, numbers: &[f32]| Targets::Numbers(rows(width, numbers));
        let of = |inputs: &Rows, targets: &Targets| {
            fingerprint(inputs, targets, &Learning::of_share(0.0, 0))
        };
        let (inputs, targets) = (rows(2, &[0.0, 1.0, 2.0, 3.0]), numbers(1, &[1.0, 0.0]));
        let mut all = vec![
            of(&inputs, &targets),
            of(&rows(2, &[0.0, 1.0, 2.0, 4.0]), &targets),
            of(&rows(4, &[0.0, 1.0, 2.0, 3.0]), &targets),
            of(&inputs, &numbers(1, &[0.0, 1.0])),
            of(&inputs, &numbers(2, &[1.0, 0.0])),
            of(&inputs, &integers(&[1, 0]).unwrap()),
            of(&inputs, &integers(&[0, 1]).unwrap()),
            of(&inputs, &integers(&[1, 2]).unwrap()),
            of(&inputs, &Targets::classes(["0", "1"].map(|x| Label::Word(x.into()))).unwrap()),
            of(&inputs, &Targets::classes(["0", "1"].map(|x| Label::Name(x.into()))).unwrap()),
            fingerprint(&inputs, &targets, &Learning::of_share(0.5, 0)),
            fingerprint(&inputs, &targets, &Learning::of_share(0.0, 1)),
        ];
        assert_eq!(all[0], of(&inputs.clone(), &targets.clone()));
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn columns_far_from_zero_are_named() {
        let task = |inputs: Rows| {
            Dataset::new(inputs, Targets::Numbers(rows(1, &[0.5, 1.0])), 0.0, 0).unwrap().warning()
        };
        assert_eq!(task(rows(2, &[0.0, 100.0, -100.0, 1.0])), None);
        let warning = task(rows(3, &[0.0, 1e9, 1.0, -1.0, 2e9, 150.0])).unwrap();
        assert!(
            warning
                .contains("column 2 of a dataset's inputs has numbers from 1e9 to 2e9, and 1 more"),
            "{warning}"
        );
    }

    fn integers(labels: &[i64]) -> Result<Targets, DatasetError> {
        Targets::classes(labels.iter().copied().map(Label::Integer))
    }

    #[test]
    fn validation_holds_back_a_share_of_every_class_by_the_seed() {
        let held = |seed| flowers(0.2, seed).unwrap().validation.unwrap();
        let Targets::Classes { rows: classes, .. } = held(7).targets else { panic!("classes") };
        assert_eq!(
            [0, 1, 2].map(|class| classes.iter().filter(|c| **c == class).count()),
            [6, 4, 2]
        );
        assert_eq!(held(7).inputs, held(7).inputs);
        assert_ne!(held(7).inputs, held(8).inputs);
        let task = flowers(0.2, 7).unwrap();
        let both = [task.training.inputs.numbers, task.validation.unwrap().inputs.numbers];
        let mut all = both.concat();
        all.sort_by(f32::total_cmp);
        assert!(all.into_iter().eq((0..60).map(|at| at as f32)), "each row is in one part");
        assert_eq!(flowers(0.001, 7).err(), Some(DatasetError::Validation));
        let numbers = Targets::Numbers(rows(1, &[0.0; 60]));
        let all = Dataset::new(rows(1, &[0.0; 60]), numbers, 0.999, 7);
        assert_eq!(all.err(), Some(DatasetError::Validation));
    }

    #[test]
    fn fitness_ignores_held_back_rows_and_the_trial_measures_them() {
        let task = flowers(0.5, 3).unwrap();
        let network = network(&task, 2);
        let trial = task.trial(&network);
        let fact = |name| trial.facts.iter().find(|fact| fact.0 == name).unwrap().1;
        assert_eq!(task.evaluate(&network).fitness, 1.0 / (1.0 + fact("error")));
        assert_eq!(trial.validation, Some(1.0 / (1.0 + fact("validation_error"))));
        assert_ne!(fact("error"), fact("validation_error"));
        assert!(
            (0.0..=1.0).contains(&fact("accuracy"))
                && (0.0..=1.0).contains(&fact("validation_accuracy"))
        );
        assert!(!trial.solved);
    }
}
