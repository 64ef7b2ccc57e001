//! CMA-ES and sep-CMA-ES ([`CmaEs`] has their sources) with the population as λ.

use super::{Draws, Strategy};
use crate::genome::parameters::Parameters;
use crate::variation::tuning::CmaEs;

impl Strategy for CmaEs {
    fn size(&self) -> usize {
        self.lambda()
    }

    fn point(&self, place: usize, draws: Draws) -> Vec<f32> {
        self.draw(&mut draws.of(place))
    }

    fn tell(&mut self, points: &[Vec<f32>], fitness: &[f64], _: Draws) {
        self.tell_points(points, fitness);
    }

    fn is_sound(&self, numbers: usize, p: &Parameters) -> bool {
        self.dimensions() == numbers && self.lambda() == p.population as usize
    }
}
