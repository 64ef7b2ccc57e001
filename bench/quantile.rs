//! The rule for every median and quartile of the benchmarks.

/// Linear between the two values around `p * (n - 1)`, counted from 0: type 7 of R. So the median
/// of an even count is the mean of the middle two. Of no values there is none.
pub fn quantile(values: &[f64], p: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = p * last as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}
