//! Particle swarm optimisation in the form of Bratton & Kennedy 2007, "Defining a standard for
//! particle swarm optimization": a ring of neighbours, and the constriction of Clerc & Kennedy
//! 2002. Particles are at rest at first (Engelbrecht 2012, "Particle swarm optimization: velocity
//! initialization").

use super::{Draws, Strategy, are_points, is_fitness};
use crate::genome::parameters::Parameters;
use serde::{Deserialize, Serialize};

/// χ, and χ φ / 2 for φ = 4.1.
const CONSTRICTION: f32 = 0.729_84;
const ATTRACTION: f32 = 1.496_17;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ParticleSwarm {
    particles: Vec<Particle>,
    /// Whether the first places were evaluated.
    is_begun: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Particle {
    position: Vec<f32>,
    velocity: Vec<f32>,
    /// The best place that it has been at.
    best: Vec<f32>,
    fitness: f64,
}

impl ParticleSwarm {
    pub fn new(positions: Vec<Vec<f32>>) -> ParticleSwarm {
        let particle = |position: Vec<f32>| Particle {
            velocity: vec![0.0; position.len()],
            best: position.clone(),
            position,
            fitness: f64::NEG_INFINITY,
        };
        let particles = positions.into_iter().map(particle).collect();
        ParticleSwarm { particles, is_begun: false }
    }

    /// The best place that a particle or one of its two neighbours has been at; of equals its own.
    fn best_near(&self, place: usize) -> &[f32] {
        let count = self.particles.len();
        let neighbours = [place, (place + count - 1) % count, (place + 1) % count];
        let fitter = |a: usize, b: usize| {
            if self.particles[b].fitness > self.particles[a].fitness { b } else { a }
        };
        let at = neighbours.into_iter().reduce(fitter).unwrap_or(place);
        &self.particles[at].best
    }
}

impl Strategy for ParticleSwarm {
    fn size(&self) -> usize {
        self.particles.len()
    }

    fn point(&self, place: usize, draws: Draws) -> Vec<f32> {
        let Particle { position, velocity, best, .. } = &self.particles[place];
        if !self.is_begun {
            return position.clone();
        }
        let (mut rng, near) = (draws.of(place), self.best_near(place));
        let mut fly = |at: usize| {
            let (x, own, shared) = (position[at], best[at], near[at]);
            let (to_own, to_shared) = (rng.unit() * (own - x), rng.unit() * (shared - x));
            x + (CONSTRICTION * velocity[at] + ATTRACTION * to_own + ATTRACTION * to_shared)
        };
        (0..position.len()).map(&mut fly).collect()
    }

    fn tell(&mut self, points: &[Vec<f32>], fitness: &[f64], _: Draws) {
        self.is_begun = true;
        for (particle, (point, fitness)) in
            self.particles.iter_mut().zip(points.iter().zip(fitness))
        {
            let moved = point.iter().zip(&particle.position).map(|(new, old)| new - old);
            particle.velocity = moved.collect();
            particle.position.clone_from(point);
            if *fitness > particle.fitness {
                particle.best.clone_from(point);
                particle.fitness = *fitness;
            }
        }
    }

    fn is_sound(&self, numbers: usize, p: &Parameters) -> bool {
        let vectors = |one: &Particle| {
            are_points([&one.position, &one.velocity, &one.best], numbers)
                && is_fitness(&one.fitness)
        };
        self.particles.len() == p.population as usize && self.particles.iter().all(vectors)
    }
}
