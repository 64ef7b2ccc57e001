//! Contestants take turns, so that the noise of a machine hits all alike, and medians are compared.

use crate::quantile::quantile;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

/// One way to do a piece of work.
pub struct Contestant<'a> {
    pub name: String,
    /// Units of work in one repetition: connections, genotypes, networks.
    work: f64,
    /// Repetitions to seconds.
    run: Box<dyn FnMut(u64) -> f64 + 'a>,
    /// Of a population that breeds: how many it had last.
    species: Rc<Cell<usize>>,
}

impl<'a> Contestant<'a> {
    pub fn new(name: &str, work: usize, mut once: impl FnMut() + 'a) -> Contestant<'a> {
        Contestant::timed(name, work, move |repetitions| {
            let start = Instant::now();
            (0..repetitions).for_each(|_| once());
            start.elapsed().as_secs_f64()
        })
    }

    /// One that takes its time itself, as another process does.
    pub fn timed(name: &str, work: usize, run: impl FnMut(u64) -> f64 + 'a) -> Contestant<'a> {
        Contestant {
            name: name.into(),
            work: work as f64,
            run: Box::new(run),
            species: Rc::default(),
        }
    }

    /// One whose repetition is a generation, and answers how many species there are. One generation
    /// first, so that the population is one that this library bred.
    pub fn breeding(
        name: &str,
        population: usize,
        mut generation: impl FnMut() -> usize + 'a,
    ) -> Contestant<'a> {
        let species = Rc::new(Cell::new(generation()));
        let last = Rc::clone(&species);
        let run = move || last.set(generation());
        Contestant { species, ..Contestant::new(name, population, run) }
    }
}

/// What was seen of one contestant, in units of work a second.
pub struct Figure {
    pub name: String,
    pub low: f64,
    pub median: f64,
    pub high: f64,
    /// How many times its speed the first contestant has: the median over rounds, each compared
    /// within itself.
    pub ratio: f64,
    pub species: usize,
}

/// How many rounds, and how many seconds each contestant has in one. A slow one, whose single
/// repetition takes longer, sits out the later rounds.
#[derive(Clone, Copy)]
pub struct Effort {
    pub rounds: usize,
    pub seconds: f64,
}

impl Effort {
    fn spent(self, rounds: usize, seconds: f64) -> bool {
        rounds >= 3 && seconds > 4.0 * self.rounds as f64 * self.seconds
    }
}

/// The first contestant is the one that the others are compared with.
pub fn race(mut contestants: Vec<Contestant>, effort: Effort) -> Vec<Figure> {
    let repetitions: Vec<u64> =
        contestants.iter_mut().map(|c| calibrate(c, effort.seconds)).collect();
    let mut seconds = vec![Vec::new(); contestants.len()];
    for _ in 0..effort.rounds {
        for ((contestant, &n), own) in contestants.iter_mut().zip(&repetitions).zip(&mut seconds) {
            if !effort.spent(own.len(), own.iter().sum()) {
                own.push((contestant.run)(n));
            }
        }
    }
    let speeds: Vec<Vec<f64>> = (contestants.iter().zip(&repetitions).zip(&seconds))
        .map(|((c, &n), own)| own.iter().map(|s| n as f64 * c.work / s).collect())
        .collect();
    let figure = |(contestant, own): (&Contestant, &Vec<f64>)| {
        let ratios = speeds[0].iter().zip(own).map(|(first, own)| first / own).collect::<Vec<_>>();
        let [low, median, high] = [0.25, 0.5, 0.75].map(|p| quantile(own, p));
        let (name, species) = (contestant.name.clone(), contestant.species.get());
        Figure { name, low, median, high, ratio: quantile(&ratios, 0.5), species }
    };
    contestants.iter().zip(&speeds).map(figure).collect()
}

/// How many repetitions take `seconds`; finding out also warms up. The best of three, since one may
/// be interrupted.
fn calibrate(contestant: &mut Contestant, seconds: f64) -> u64 {
    let mut n = 1;
    loop {
        let mut took = (contestant.run)(n);
        if took < 0.1 {
            took = (0..2).map(|_| (contestant.run)(n)).fold(took, f64::min);
        }
        if took >= seconds / 4.0 {
            return ((n as f64 * seconds / took) as u64).max(1);
        }
        n *= 2;
    }
}
