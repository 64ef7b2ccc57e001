//! Where episodes start, where published rules draw it at random: points that are spread over the
//! range as evenly as they can be, so that the same network always has the same fitness.

/// The n-th point of Halton's sequence (1960) in the unit cube: in each dimension the digits of n,
/// mirrored at the point, in another prime base.
pub fn spread<const D: usize>(n: usize) -> [f64; D] {
    const PRIMES: [usize; 4] = [2, 3, 5, 7];
    std::array::from_fn(|dimension| mirrored(n, PRIMES[dimension]))
}

fn mirrored(mut n: usize, base: usize) -> f64 {
    let (mut sum, mut place) = (0.0, 1.0);
    while n > 0 {
        place /= base as f64;
        sum += place * (n % base) as f64;
        n /= base;
    }
    sum
}

/// Plays episodes that were recorded elsewhere, `action,state…` a line and no action where one
/// begins, and compares.
#[cfg(test)]
pub fn follow<const N: usize>(record: &str, step: impl Fn([f64; N], usize) -> [f64; N]) {
    let (mut state, mut compared) = ([0.0; N], 0);
    for line in record.lines().filter(|line| !line.starts_with('#')) {
        let (action, numbers) = line.split_once(',').expect("action,state");
        let numbers: Vec<f64> =
            numbers.split(',').map(|number| number.parse().expect("a number")).collect();
        let seen: [f64; N] = numbers.try_into().expect("a state");
        if action.is_empty() {
            state = seen;
            continue;
        }
        state = step(state, action.parse().expect("an action"));
        let near = state.iter().zip(seen).all(|(x, y)| (x - y).abs() <= 1e-9 * y.abs().max(1.0));
        assert!(near, "{state:?} for {seen:?}");
        compared += 1;
    }
    assert!(compared >= 100);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_points_are_those_of_halton() {
        assert_eq!([1, 2, 3, 4].map(|n| spread::<1>(n)[0]), [0.5, 0.25, 0.75, 0.125]);
        let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(near(spread::<2>(5)[1], 7.0 / 9.0), "5 is 12 in base 3: 2/3 + 1/9");
    }
}
