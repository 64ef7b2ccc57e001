//! How fast an evolution strategy with covariance matrix adaptation learns: the defaults of Hansen
//! 2016, *The CMA Evolution Strategy: A Tutorial*, table 1, in its notation.

#[derive(Clone, Debug)]
pub(crate) struct Rates {
    pub c_sigma: f64,
    pub d_sigma: f64,
    pub c_c: f64,
    pub c_1: f64,
    pub c_mu: f64,
    /// E‖N(0, I)‖
    pub chi: f64,
}

impl Rates {
    /// The rates for n numbers, where the best points count as much as μ_eff equal points.
    pub fn new(n: usize, mu_eff: f64, is_diagonal: bool) -> Rates {
        let d = n as f64;
        // fewer numbers are learnt, so they may be learnt faster: Ros & Hansen 2008, section 3
        let haste = if is_diagonal { (d + 2.0) / 3.0 } else { 1.0 };
        let c_1 = (haste * 2.0 / ((d + 1.3) * (d + 1.3) + mu_eff)).min(0.5);
        let c_mu =
            haste * 2.0 * (0.25 + mu_eff + 1.0 / mu_eff - 2.0) / ((d + 2.0) * (d + 2.0) + mu_eff);
        let c_sigma = (mu_eff + 2.0) / (d + mu_eff + 5.0);
        let excess = ((mu_eff - 1.0) / (d + 1.0)).sqrt() - 1.0;
        Rates {
            c_sigma,
            d_sigma: 1.0 + 2.0 * excess.max(0.0) + c_sigma,
            c_c: (4.0 + mu_eff / d) / (d + 4.0 + 2.0 * mu_eff / d),
            c_1,
            c_mu: c_mu.min(1.0 - c_1),
            chi: d.sqrt() * (1.0 - 1.0 / (4.0 * d) + 1.0 / (21.0 * d * d)),
        }
    }

    /// Of a diagonal in pycma 4.5: they follow from the n numbers that are learnt, where those of
    /// Ros & Hansen are multiples of the rates for n² / 2 numbers.
    pub fn separable(n: usize, mu_eff: f64) -> Rates {
        let (d, share) = (n as f64, mu_eff / n as f64);
        let c_1 = 1.0 / (d + 2.0 * d.sqrt() + share);
        let c_mu = (0.25 + mu_eff + 1.0 / mu_eff - 2.0) / (d + 4.0 * d.sqrt() + mu_eff / 2.0);
        let c_c = (1.0 + 1.0 / d + share) / (d.sqrt() + 1.0 / d + 2.0 * share);
        Rates { c_c, c_1, c_mu: c_mu.min(1.0 - c_1), ..Rates::new(n, mu_eff, true) }
    }
}
