//! MAP-Elites (Mouret & Clune 2015, arXiv:1504.04909): each generation descends from elites that
//! are drawn at random from an archive, and then enters the archive.

mod bandit;
mod descriptor;
mod emitters;
mod strategy;

pub use bandit::Tally;
pub(crate) use descriptor::{Principal, as_asked, described, dimensions};
pub use descriptor::{is_of_probes, told_by_task};

use emitters::{Distribution, Improvement, Role, distributions, roles};
use strategy::Strategy;

use crate::base::cancel::CancelToken;
use crate::base::memory;
use crate::base::rng::{Purpose, Stream};
use crate::genome::genotype::{Genotype, Shape};
use crate::genome::parameters::{
    Emitter, EmitterChoice, ParameterError, Parameters, Projection, Search,
};
use crate::search::ancestry::Ancestry;
use crate::search::archive::{Archive, Elite, Space};
use crate::search::breeding::{Child, Parent};
use crate::search::lineage::Birth;
use crate::search::speciation::GRAIN;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many may share a generation.
const MAX_EMITTERS: usize = 16;

/// The archive of a run, with what breeding and bans need to know of each elite.
#[derive(Clone, Debug)]
pub struct Elites {
    space: Arc<Space>,
    members: BTreeMap<u32, Member>,
    /// Of the emitters that learn; `None` where one has to start.
    distributions: Vec<Option<Distribution>>,
    /// Of CMA-MAE: what fitness must exceed in a cell, where it is no longer the first threshold.
    thresholds: BTreeMap<u32, f64>,
    /// Of a bandit, what each emitter has achieved; empty without one.
    tallies: Vec<Tally>,
}

#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub elite: Arc<Elite>,
    /// With itself as an ancestor.
    pub birth: Birth,
    /// Its genes that came from elsewhere.
    pub ancestry: Option<Arc<Ancestry>>,
}

/// What a run has learnt: the strategies of its emitters' distributions, CMA-MAE's thresholds by
/// their cells, what a bandit knows of each emitter, and the principal components of behaviours.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Learnt {
    pub strategies: Vec<Option<Strategy>>,
    pub thresholds: Vec<(u32, f64)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tallies: Vec<Tally>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Principal>,
}

impl Learnt {
    pub fn is_empty(&self) -> bool {
        self.strategies.is_empty()
            && self.thresholds.is_empty()
            && self.tallies.is_empty()
            && self.principal.is_none()
    }
}

/// A child with how it came to be.
pub(crate) struct Offspring {
    pub genotype: Arc<Genotype>,
    pub birth: Birth,
    pub ancestry: Option<Arc<Ancestry>>,
}

impl Elites {
    /// Without elites, for networks with so many outputs; `None` in searches without an archive of
    /// elites.
    ///
    /// # Errors
    /// The parameter that does not divide a box of behaviours.
    pub fn new(p: &Parameters, outputs: u32) -> Result<Option<Arc<Elites>>, ParameterError> {
        if p.search != Search::MapElites {
            return Ok(None);
        }
        if p.emitters.len() > MAX_EMITTERS {
            let expected = format!("at most {MAX_EMITTERS}");
            return Err(ParameterError::Invalid { name: "emitters", expected });
        }
        Ok(Some(Arc::new(Elites {
            space: Arc::new(descriptor::space(p, outputs)?),
            members: BTreeMap::new(),
            distributions: vec![None; distributions(p)],
            thresholds: BTreeMap::new(),
            tallies: match p.emitter_choice {
                EmitterChoice::Equal => Vec::new(),
                EmitterChoice::Bandit => vec![Tally::default(); p.emitters.len()],
            },
        })))
    }

    /// With these members, as [`Elites::members`] has them; `None` if they cannot be the elites of
    /// a run with these parameters.
    pub(crate) fn of(
        p: &Parameters,
        outputs: u32,
        mut members: Vec<Member>,
        learnt: Learnt,
    ) -> Option<Option<Arc<Elites>>> {
        let Some(mut elites) = Elites::new(p, outputs).ok()? else {
            return (members.is_empty() && learnt.is_empty()).then_some(None);
        };
        let started = learnt.strategies.iter().flatten().count();
        let count = members.len().checked_sub(started)?;
        let mut from = members.split_off(count).into_iter();
        let all = Arc::make_mut(&mut elites);
        if let Some(principal) = learnt.principal {
            all.space = Arc::new(descriptor::restored(principal, p, outputs)?);
        }
        // a ban can leave a distribution and no elite
        let mut some = members.iter().chain(from.as_slice());
        let of_first = || some.next().map_or(0, |one| one.elite.behaviour.len());
        let length = all.space.axes().length(all.space.dimensions()).unwrap_or_else(of_first);
        let is_sound = |Elite { fitness, behaviour, .. }: &Elite| {
            let mut numbers = behaviour.iter().chain([fitness]);
            behaviour.len() == length && numbers.all(|number| number.is_finite())
        };
        let are_all = all.distributions.len() == learnt.strategies.len();
        let cells = all.space.cells();
        let is_height = |(cell, height): &(u32, f64)| *cell < cells && height.is_finite();
        let are_tallies =
            all.tallies.len() == learnt.tallies.len() && learnt.tallies.iter().all(Tally::is_sound);
        if !(are_all && are_tallies && learnt.thresholds.iter().all(is_height)) {
            return None;
        }
        if !members.iter().chain(from.as_slice()).all(|member| is_sound(&member.elite)) {
            return None;
        }
        for member in members {
            all.enter(member);
        }
        for (place, strategy) in all.distributions.iter_mut().zip(learnt.strategies) {
            let Some(strategy) = strategy else { continue };
            let one = Distribution::restored(from.next()?, strategy, p)?;
            *place = Some(one);
        }
        all.thresholds = learnt.thresholds.into_iter().collect();
        all.tallies = learnt.tallies;
        (all.members.len() == count).then_some(Some(elites))
    }

    /// About how many bytes all will take where genotypes are like this one, and each takes so
    /// many bytes.
    pub fn bytes(&self, like: &Genotype, each: usize, p: &Parameters, outputs: u32) -> u64 {
        let each = each + size_of::<f64>() * descriptor::most_numbers(p, outputs);
        let strategy = Strategy::bytes(like.weights.len() + like.neurons.len());
        let members = memory::product(&[self.space.cells() as usize, each]);
        members.saturating_add(memory::product(&[self.distributions.len(), strategy]))
    }

    pub fn space(&self) -> &Arc<Space> {
        &self.space
    }

    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// What others see of it.
    pub fn archive(&self, task: &str, shape: Shape) -> Archive {
        let mut archive = Archive::new(task, shape, Arc::clone(&self.space));
        for member in self.members.values() {
            archive.insert(Arc::clone(&member.elite));
        }
        archive
    }

    /// The elites, then those around which distributions started.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values().chain(self.distributions.iter().flatten().map(|one| &one.from))
    }

    pub(crate) fn members_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        let started = self.distributions.iter_mut().flatten().map(|one| &mut one.from);
        self.members.values_mut().chain(started)
    }

    /// What emitters have learnt, for a checkpoint.
    pub(crate) fn learnt(&self) -> Learnt {
        Learnt {
            strategies: self
                .distributions
                .iter()
                .map(|one| one.as_ref().map(|one| one.strategy.clone()))
                .collect(),
            thresholds: self.thresholds.iter().map(|(cell, height)| (*cell, *height)).collect(),
            tallies: self.tallies.clone(),
            principal: descriptor::saved(&self.space),
        }
    }

    /// What each emitter has achieved, where a bandit chooses among them; empty without one.
    pub fn tallies(&self) -> &[Tally] {
        &self.tallies
    }

    /// How many numbers a behaviour has, if that is known.
    pub(crate) fn length(&self) -> Option<usize> {
        let of_members = || self.members.values().next().map(|one| one.elite.behaviour.len());
        let length = self.space.axes().length(self.space.dimensions());
        length.filter(|length| *length > 0).or_else(of_members)
    }

    /// Where axes are principal components: finds those of the elites and of a generation that is
    /// to enter, and puts every elite into its new cell. Elites that meet in a cell compete. The
    /// thresholds of the old cells are gone. This happens in the generations 0, 1, 2, 4, 8 and so
    /// on, and as long as there is one elite at most: if the first behaviours are alike, nothing
    /// lies apart along their axes.
    pub(crate) fn find_axes(&mut self, entering: Vec<&[f64]>, p: &Parameters, generation: u64) {
        let is_time = self.members.len() < 2 || generation.is_power_of_two();
        if p.projection != Projection::Principal || !is_time {
            return;
        }
        let members = std::mem::take(&mut self.members);
        let elites = members.values().map(|one| &one.elite.behaviour[..]);
        let all: Vec<&[f64]> = elites.chain(entering).collect();
        self.space = Arc::new(descriptor::principal(&all, p).expect("checked at the start"));
        self.thresholds.clear();
        members.into_values().for_each(|member| self.enter(member));
    }

    /// The fitness of the elite in the cell of a behaviour.
    pub(crate) fn fitness_at(&self, behaviour: &[f64]) -> Option<f64> {
        let held = self.members.get(&self.space.cell(behaviour))?;
        Some(held.elite.fitness)
    }

    /// Whether an elite may enter its cell: it is empty, or this one beats the one that is there.
    pub(crate) fn admits(&self, elite: &Elite) -> bool {
        let held = self.members.get(&self.space.cell(&elite.behaviour));
        held.is_none_or(|held| elite.beats(&held.elite))
    }

    /// Puts a genotype into the cell of its behaviour, unless one is there that beats it.
    pub(crate) fn enter(&mut self, mut member: Member) {
        if !self.admits(&member.elite) {
            return;
        }
        let cell = self.space.cell(&member.elite.behaviour);
        if member.birth.own.is_none() {
            member.birth.own = Some(member.birth.ancestor(&member.elite.genotype));
        }
        self.members.insert(cell, member);
    }

    /// The fittest; of equals the one with the lowest id.
    pub(crate) fn best(&self) -> Option<&Member> {
        self.members.values().reduce(|a, b| if b.elite.beats(&a.elite) { b } else { a })
    }

    /// Whether emitters or a bandit learn from what each genotype of a generation achieves.
    pub(crate) fn learns(&self) -> bool {
        !(self.distributions.is_empty() && self.tallies.is_empty())
    }

    /// Tells the bandit and emitters that learn how much each genotype of a generation improves the
    /// archive, before any of them has entered it. Those in places that are none have failed. A
    /// distribution that should start again is gone; one that made no genotype rests.
    pub(crate) fn learn(
        &mut self,
        generation: &[Option<Member>],
        genotypes: &[Arc<Genotype>],
        p: &Parameters,
    ) {
        let roles = roles(p, &self.tallies);
        let improvements: Vec<Improvement> = (roles.iter().zip(generation))
            .map(|(role, member)| self.improvement(role.emitter, member.as_ref(), p))
            .collect();
        self.count(&roles, generation);
        self.raise_thresholds(generation, p);
        let mut points = vec![Vec::new(); self.distributions.len()];
        for ((role, improvement), genotype) in roles.iter().zip(improvements).zip(genotypes) {
            if let Some(at) = role.distribution {
                points[at].push((improvement, &**genotype));
            }
        }
        let emitters = roles.iter().filter_map(|role| Some((role.distribution?, role.emitter)));
        let emitters: BTreeMap<usize, Emitter> = emitters.collect();
        for ((at, one), points) in self.distributions.iter_mut().enumerate().zip(points) {
            let Some(&emitter) = emitters.get(&at) else { continue };
            let goes_on = |one: &mut Distribution| one.learn(emitter, points, p);
            if !one.as_mut().is_some_and(goes_on) {
                *one = None;
            }
        }
    }

    /// Adds a generation to the tallies of a bandit. The first one, before there is an elite, was
    /// made by no emitter.
    fn count(&mut self, roles: &[Role], generation: &[Option<Member>]) {
        if self.tallies.is_empty() || self.members.is_empty() {
            return;
        }
        for (role, member) in roles.iter().zip(generation) {
            let improves = |Member { elite, .. }: &Member| {
                self.fitness_at(&elite.behaviour).is_none_or(|held| elite.fitness > held)
            };
            let improves = member.as_ref().is_some_and(improves);
            self.tallies[role.nth].add(improves);
        }
    }

    /// Starts the distributions that are gone and make a part of the next generation.
    pub(crate) fn begin(&mut self, p: &Parameters, seed: u64, number: u64) {
        for at in roles(p, &self.tallies).into_iter().filter_map(|role| role.distribution) {
            if self.distributions[at].is_none() {
                self.distributions[at] = self.begun(p, seed, number, at);
            }
        }
    }

    /// A distribution around a random elite.
    fn begun(&self, p: &Parameters, seed: u64, number: u64, at: usize) -> Option<Distribution> {
        let mut rng = Stream::new(seed, Purpose::Emitter, number, at as u64);
        let nth = rng.below(self.members.len().max(1));
        Distribution::new(self.members.values().nth(nth)?.clone(), p)
    }

    fn improvement(&self, emitter: Emitter, one: Option<&Member>, p: &Parameters) -> Improvement {
        let Some(Member { elite, .. }) = one else { return Improvement::NONE };
        let cell = self.space.cell(&elite.behaviour);
        let held = self.members.get(&cell).map(|held| held.elite.fitness);
        match emitter {
            Emitter::CmaMae => {
                let threshold = self.threshold(cell, p);
                let kind = u8::from(elite.fitness > threshold);
                Improvement { kind, fitness: elite.fitness - threshold }
            }
            _ => match held {
                None => Improvement { kind: 2, fitness: elite.fitness },
                Some(held) => Improvement {
                    kind: u8::from(elite.fitness > held),
                    fitness: elite.fitness - held,
                },
            },
        }
    }

    fn threshold(&self, cell: u32, p: &Parameters) -> f64 {
        self.thresholds.get(&cell).copied().unwrap_or(f64::from(p.threshold_start))
    }

    /// The threshold of a cell moves towards the mean fitness of those that exceed it, by the share
    /// for each of them.
    fn raise_thresholds(&mut self, generation: &[Option<Member>], p: &Parameters) {
        if !p.emitters.contains(&Emitter::CmaMae) {
            return;
        }
        let mut exceeding: BTreeMap<u32, (f64, i32)> = BTreeMap::new();
        for Member { elite, .. } in generation.iter().flatten() {
            let cell = self.space.cell(&elite.behaviour);
            if elite.fitness > self.threshold(cell, p) {
                let (sum, count) = exceeding.entry(cell).or_insert((0.0, 0));
                (*sum, *count) = (*sum + elite.fitness, *count + 1);
            }
        }
        for (cell, (sum, count)) in exceeding {
            let left = libm::pow(1.0 - f64::from(p.threshold_rate), f64::from(count));
            let old = self.threshold(cell, p);
            let raised = left * old + (1.0 - left) * (sum / f64::from(count));
            if raised.is_finite() {
                self.thresholds.insert(cell, raised);
            }
        }
    }

    /// Takes away those that are banned.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Member) -> bool) {
        self.members.retain(|_, member| keep(member));
        for one in &mut self.distributions {
            *one = one.take().filter(|distribution| keep(&distribution.from));
        }
    }

    /// The next generation; `None` if it was cancelled. There must be an elite.
    pub(crate) fn offspring(
        &self,
        p: &Parameters,
        seed: u64,
        generation: u64,
        token: &dyn CancelToken,
    ) -> Option<Vec<Offspring>> {
        let members: Vec<&Member> = self.members.values().collect();
        let count = p.population as usize;
        let roles = roles(p, &self.tallies);
        let bear = |at: usize| {
            let Role { emitter, distribution, .. } = roles[at];
            let mut rng = Stream::new(seed, Purpose::Breeding, generation, at as u64);
            let distribution = distribution.and_then(|at| self.distributions[at].as_ref());
            token.should_continue().then(|| match distribution {
                Some(distribution) => distribution.offspring(p, generation, &mut rng),
                None => born(emitter, &members, p, generation, &mut rng),
            })
        };
        (0..count).into_par_iter().with_min_len(GRAIN).map(bear).collect()
    }
}

/// An offspring of random elites.
fn born(
    emitter: Emitter,
    members: &[&Member],
    p: &Parameters,
    generation: u64,
    rng: &mut Stream,
) -> Offspring {
    let one = members[rng.below(members.len())];
    let draw = |rng: &mut Stream| members[rng.below(members.len())];
    let (first, second, child) = match emitter {
        Emitter::Neat if rng.chance(p.crossover) => {
            let other = draw(rng);
            let (fitter, other) =
                if other.elite.beats(&one.elite) { (other, one) } else { (one, other) };
            let is_alone = std::ptr::eq(fitter, other);
            let child = fitter.parent().crossed(other.parent(), p, is_alone, rng);
            (fitter, Some(other).filter(|_| !is_alone), child)
        }
        Emitter::Neat => (one, None, one.parent().mutant(p, rng)),
        // where a distribution was banned, until it starts again
        Emitter::IsoLine | Emitter::CmaMe | Emitter::CmaMae => {
            let other = draw(rng);
            let child = one.parent().moved(other.parent(), p, rng);
            (one, Some(other).filter(|other| !std::ptr::eq(one, *other)), child)
        }
    };
    let Child { genotype, operators, ancestry } = child;
    let id = |member: &Member| member.birth.own.as_ref().map(|own| own.id);
    let birth = Birth {
        generation: generation + 1,
        operators,
        parents: [id(first), second.and_then(id)],
        parent: first.birth.own.clone(),
        own: None,
    };
    Offspring { genotype: Arc::new(genotype), birth, ancestry }
}

impl Member {
    fn parent(&self) -> Parent<'_> {
        Parent { genotype: &self.elite.genotype, ancestry: self.ancestry.as_ref() }
    }
}
