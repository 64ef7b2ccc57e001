//! The factor A of a covariance matrix C = A Aᵀ.

use ndarray::{Array2, ArrayView1, ShapeBuilder, s};

/// A lower triangle, or only a diagonal.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Factor {
    /// With the columns one after the other in memory, since all that is done goes along columns.
    Triangle(Array2<f64>),
    Diagonal(Vec<f64>),
}

impl Factor {
    /// Of the unit matrix.
    pub fn unit(n: usize, is_diagonal: bool) -> Factor {
        if is_diagonal {
            return Factor::Diagonal(vec![1.0; n]);
        }
        let mut triangle = Array2::zeros((n, n).f());
        triangle.diag_mut().fill(1.0);
        Factor::Triangle(triangle)
    }

    /// Its numbers for a checkpoint, the triangle row by row.
    pub fn numbers(&self) -> Vec<f64> {
        match self {
            Factor::Triangle(a) => a
                .rows()
                .into_iter()
                .enumerate()
                .flat_map(|(at, row)| row.slice_move(s![..=at]))
                .copied()
                .collect(),
            Factor::Diagonal(a) => a.clone(),
        }
    }

    /// From such numbers; `None` if they are not as many as they have to be.
    pub fn restored(numbers: &[f64], n: usize, is_diagonal: bool) -> Option<Factor> {
        if is_diagonal {
            return (numbers.len() == n).then(|| Factor::Diagonal(numbers.to_vec()));
        }
        if numbers.len() != n * (n + 1) / 2 {
            return None;
        }
        let mut triangle = Array2::zeros((n, n).f());
        let mut left = numbers.iter();
        for (at, mut row) in triangle.rows_mut().into_iter().enumerate() {
            row.iter_mut().take(at + 1).zip(&mut left).for_each(|(a, number)| *a = *number);
        }
        Some(Factor::Triangle(triangle))
    }

    pub fn is_finite(&self) -> bool {
        match self {
            Factor::Triangle(a) => a.iter().all(|a| a.is_finite()),
            Factor::Diagonal(a) => a.iter().all(|a| a.is_finite()),
        }
    }

    pub fn diagonal(&self) -> Box<dyn Iterator<Item = f64> + '_> {
        match self {
            Factor::Triangle(a) => Box::new(a.diag().into_iter().copied()),
            Factor::Diagonal(a) => Box::new(a.iter().copied()),
        }
    }

    /// A z
    pub fn shaped(&self, z: &[f64]) -> Vec<f64> {
        match self {
            Factor::Triangle(a) => {
                let mut sums = vec![0.0; z.len()];
                for (at, (column, z)) in a.columns().into_iter().zip(z).enumerate() {
                    add(&mut sums[at..], *z, column.slice(s![at..]));
                }
                sums
            }
            Factor::Diagonal(a) => a.iter().zip(z).map(|(a, z)| a * z).collect(),
        }
    }

    /// A⁻¹ y
    pub fn whitened(&self, y: &[f64]) -> Vec<f64> {
        match self {
            Factor::Triangle(a) => {
                let (mut solved, mut known) = (vec![0.0; y.len()], vec![0.0; y.len()]);
                for (at, column) in a.columns().into_iter().enumerate() {
                    solved[at] = (y[at] - known[at]) / column[at];
                    add(&mut known[at + 1..], solved[at], column.slice(s![at + 1..]));
                }
                solved
            }
            Factor::Diagonal(a) => a.iter().zip(y).map(|(a, y)| y / a).collect(),
        }
    }

    /// C ← keep C
    pub fn scale(&mut self, keep: f64) {
        let root = keep.sqrt();
        match self {
            Factor::Triangle(a) => a.mapv_inplace(|a| a * root),
            Factor::Diagonal(a) => a.iter_mut().for_each(|a| *a *= root),
        }
    }

    /// C ← C + weight v vᵀ (Golub & Van Loan 2013, section 6.5.4: one column after the other).
    pub fn widen(&mut self, weight: f64, mut v: Vec<f64>) {
        let root = weight.sqrt();
        v.iter_mut().for_each(|v| *v *= root);
        match self {
            Factor::Triangle(a) => {
                for at in 0..v.len() {
                    let mut column = a.slice_mut(s![at.., at]);
                    let column = column.as_slice_mut().expect("columns are one after the other");
                    rotate(column, &mut v[at..]);
                }
            }
            Factor::Diagonal(a) => {
                a.iter_mut().zip(v).for_each(|(a, v)| *a = (*a * *a + v * v).sqrt());
            }
        }
    }
}

/// sums ← sums + share · column
fn add(sums: &mut [f64], share: f64, column: ArrayView1<f64>) {
    let column = column.to_slice().expect("columns are one after the other");
    sums.iter_mut().zip(column).for_each(|(sum, a)| *sum += a * share);
}

/// Turns a column and what is left of v, so that the first number of v goes into the diagonal.
fn rotate(column: &mut [f64], v: &mut [f64]) {
    let (old, x) = (column[0], v[0]);
    let new = (old * old + x * x).sqrt();
    let (cosine, sine) = (new / old, x / old);
    column[0] = new;
    for (a, left) in column[1..].iter_mut().zip(&mut v[1..]) {
        *a = (*a + sine * *left) / cosine;
        *left = cosine * *left - sine * *a;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A after some terms, and C by its definition.
    fn widened() -> (Factor, Array2<f64>) {
        let (mut factor, mut c) = (Factor::unit(4, false), Array2::<f64>::eye(4));
        for (weight, v) in [(0.3, [1.0, -2.0, 0.5, 3.0]), (1.7, [0.2, 0.1, -4.0, 1.0])] {
            factor.scale(0.9);
            factor.widen(weight, v.to_vec());
            c = Array2::from_shape_fn((4, 4), |(i, j)| 0.9 * c[[i, j]] + weight * v[i] * v[j]);
        }
        (factor, c)
    }

    #[test]
    fn the_factor_times_itself_is_the_covariance() {
        let (factor, c) = widened();
        let column = |at: usize| {
            let unit: Vec<f64> = (0..4).map(|of| f64::from(u8::from(of == at))).collect();
            factor.shaped(&unit)
        };
        let columns: Vec<Vec<f64>> = (0..4).map(column).collect();
        for i in 0..4 {
            for j in 0..4 {
                let product: f64 = columns.iter().map(|column| column[i] * column[j]).sum();
                assert!((product - c[[i, j]]).abs() < 1e-12, "{i} {j}");
            }
        }
    }

    #[test]
    fn whitening_is_the_inverse_of_shaping() {
        let (factor, _) = widened();
        let z = [0.3, -1.0, 2.0, 0.7];
        let again = factor.whitened(&factor.shaped(&z));
        assert!(again.iter().zip(z).all(|(a, z)| (a - z).abs() < 1e-12));
    }

    #[test]
    fn numbers_are_restored_and_other_counts_refused() {
        let (factor, _) = widened();
        let numbers = factor.numbers();
        assert_eq!(numbers.len(), 10);
        assert_eq!(Factor::restored(&numbers, 4, false), Some(factor));
        assert_eq!(Factor::restored(&numbers, 5, false), None);
        assert_eq!(Factor::restored(&numbers, 10, true), Some(Factor::Diagonal(numbers)));
    }
}
