//! What a dataset is made of: rows of numbers, and targets that are numbers or classes.

use std::collections::BTreeMap;
use thiserror::Error;

/// Rows of numbers, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    pub(super) width: usize,
    pub(super) numbers: Vec<f32>,
}

/// As many inputs or outputs as a genotype can have.
const WIDEST: usize = 10_000;

/// Numbers beyond this are too large for weights that are drawn around 1.
const FAR: f32 = 100.0;

/// A column, counted from 1, whose numbers are far from 0, and how many more there are.
pub(super) struct Far {
    pub(super) column: usize,
    pub(super) low: f32,
    pub(super) high: f32,
    pub(super) others: usize,
}

/// Why something is no dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected {}", self.expected())]
pub enum DatasetError {
    Width,
    Count {
        inputs: usize,
        targets: usize,
    },
    Class(usize),
    /// The first row that is not, counted from 0.
    OneHot(usize),
    Validation,
    /// A loss of numbers for classes.
    Loss,
    /// The weights do not fit as many classes; 0 where targets are numbers.
    Weights(usize),
}

impl DatasetError {
    /// What was expected.
    pub fn expected(self) -> String {
        match self {
            DatasetError::Width => format!("rows of one length, from 1 to {WIDEST}"),
            DatasetError::Count { .. } => "as many inputs as targets, at least one".into(),
            DatasetError::Class(_) => format!("two classes or more, up to {WIDEST}"),
            DatasetError::OneHot(_) => "two or more numbers, one of them 1 and the others 0".into(),
            DatasetError::Validation => {
                "a share of the rows that leaves one or more on either side".into()
            }
            DatasetError::Loss => "cross_entropy, as targets are classes".into(),
            DatasetError::Weights(0) => "equal, as targets are numbers".into(),
            DatasetError::Weights(classes) => {
                format!("equal, balanced or a list of {classes} weights, as there are classes")
            }
        }
    }
}

/// What a class is called. Classes are outputs in this order: integers by size, names and words as
/// text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Label {
    Integer(i64),
    Name(String),
    Word(String),
}

impl Rows {
    /// # Errors
    /// [`DatasetError::Width`].
    pub fn new(width: usize, numbers: Vec<f32>) -> Result<Rows, DatasetError> {
        if (1..=WIDEST).contains(&width) && numbers.len().is_multiple_of(width) {
            Ok(Rows { width, numbers })
        } else {
            Err(DatasetError::Width)
        }
    }

    pub(super) fn count(&self) -> usize {
        self.numbers.len() / self.width
    }

    pub(super) fn row(&self, at: usize) -> &[f32] {
        &self.numbers[at * self.width..(at + 1) * self.width]
    }

    /// The first column whose numbers are beyond ±[`FAR`].
    pub(super) fn far(&self) -> Option<Far> {
        let mut extent = vec![(f32::INFINITY, f32::NEG_INFINITY); self.width];
        for row in self.numbers.chunks_exact(self.width) {
            extent
                .iter_mut()
                .zip(row)
                .for_each(|((low, high), x)| (*low, *high) = (low.min(*x), high.max(*x)));
        }
        let mut far = (1..).zip(extent).filter(|(_, (low, high))| low.abs().max(high.abs()) > FAR);
        let (column, (low, high)) = far.next()?;
        Some(Far { column, low, high, others: far.count() })
    }

    pub(super) fn pick(&self, rows: &[usize]) -> Rows {
        let numbers = rows.iter().flat_map(|at| self.row(*at)).copied().collect();
        Rows { width: self.width, numbers }
    }
}

/// What a network should answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// These numbers.
    Numbers(Rows),
    /// For each row, of as many outputs as there are labels the highest where the class is.
    Classes { labels: Vec<Label>, rows: Vec<u32> },
}

impl Targets {
    /// Of the label of each row: an output for each label that there is, in their order.
    ///
    /// # Errors
    /// [`DatasetError::Class`].
    pub fn classes(labels: impl IntoIterator<Item = Label>) -> Result<Targets, DatasetError> {
        let mut found = BTreeMap::new();
        let number = |label| {
            let next = found.len() as u32;
            *found.entry(label).or_insert(next)
        };
        let in_order_of_appearance: Vec<u32> = labels.into_iter().map(number).collect();
        let mut places = vec![0; found.len()];
        found.values().zip(0..).for_each(|(number, place)| places[*number as usize] = place);
        let labels: Vec<Label> = found.into_keys().collect();
        if !(2..=WIDEST).contains(&labels.len()) {
            return Err(DatasetError::Class(labels.len()));
        }
        Ok(Targets::Classes {
            labels,
            rows: in_order_of_appearance
                .into_iter()
                .map(|number| places[number as usize])
                .collect(),
        })
    }

    /// Of rows that have a 1 in the place of the class, and 0 in the others: labels count from 0.
    ///
    /// # Errors
    /// [`DatasetError::OneHot`].
    pub fn one_hot(rows: &Rows) -> Result<Targets, DatasetError> {
        let class = |row: &[f32]| {
            let at = row.iter().position(|x| *x == 1.0)?;
            (0..).zip(row).all(|(other, x)| *x == 0.0 || other == at).then_some(at as u32)
        };
        if rows.width < 2 {
            return Err(DatasetError::OneHot(0));
        }
        let numbered = rows.numbers.chunks_exact(rows.width).enumerate();
        let classes: Result<Vec<u32>, DatasetError> =
            numbered.map(|(at, row)| class(row).ok_or(DatasetError::OneHot(at))).collect();
        Ok(Targets::Classes {
            labels: (0..rows.width as i64).map(Label::Integer).collect(),
            rows: classes?,
        })
    }

    /// Of classes, what each output stands for.
    pub fn labels(&self) -> &[Label] {
        match self {
            Targets::Numbers(_) => &[],
            Targets::Classes { labels, .. } => labels,
        }
    }

    pub(super) fn width(&self) -> usize {
        match self {
            Targets::Numbers(rows) => rows.width,
            Targets::Classes { labels, .. } => labels.len(),
        }
    }

    pub(super) fn count(&self) -> usize {
        match self {
            Targets::Numbers(rows) => rows.count(),
            Targets::Classes { rows, .. } => rows.len(),
        }
    }

    pub(super) fn pick(&self, at: &[usize]) -> Targets {
        match self {
            Targets::Numbers(rows) => Targets::Numbers(rows.pick(at)),
            Targets::Classes { labels, rows } => Targets::Classes {
                labels: labels.clone(),
                rows: at.iter().map(|at| rows[*at]).collect(),
            },
        }
    }
}
