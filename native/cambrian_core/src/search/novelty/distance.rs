//! How far two behaviours are apart.

use crate::genome::parameters::Distance;

/// The distance of two behaviours of the same length and finite numbers. It is never infinite: what
/// overflows is the largest finite number.
pub fn between(a: &[f64], b: &[f64], distance: Distance) -> f64 {
    let pairs = a.iter().zip(b);
    let squares = || pairs.clone().map(|(x, y)| (x - y) * (x - y)).sum::<f64>();
    let distance = match distance {
        Distance::Euclidean => squares().sqrt(),
        Distance::SquaredEuclidean => squares(),
        Distance::Manhattan => pairs.map(|(x, y)| (x - y).abs()).sum(),
        // 0 and −0 are the same number
        Distance::Hamming => pairs.filter(|(x, y)| x != y).count() as f64,
    };
    distance.min(f64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::choice::Choice;

    #[test]
    fn each_distance_is_what_its_name_says() {
        let (a, b) = ([1.0, -2.0, 0.0, 5.0], [4.0, 2.0, -0.0, 5.0]);
        let found = Distance::ALL.iter().map(|distance| between(&a, &b, *distance));
        assert_eq!(found.collect::<Vec<f64>>(), [5.0, 25.0, 7.0, 2.0]);
    }

    #[test]
    fn huge_behaviours_have_finite_distances() {
        let far = |distance| between(&[f64::MAX, f64::MAX], &[f64::MIN, f64::MIN], distance);
        let found = Distance::ALL.iter().map(|distance| far(*distance));
        assert_eq!(found.collect::<Vec<f64>>(), [f64::MAX, f64::MAX, f64::MAX, 2.0]);
    }
}
