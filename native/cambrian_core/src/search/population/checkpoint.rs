//! A population as bytes, so that a run goes on to the bit where it stood.

use crate::genome::genotype::{Genotype, Shape};
use crate::genome::parameters::Parameters;
use crate::phenotype::encoding::Encoding;
use crate::phenotype::substrate::{Plan, Substrate};
use crate::search::ancestry::{Ancestry, MAX_MARKS, Mark, Marks, Source};
use crate::search::lineage::{Ancestor, Birth};
use crate::search::population::{Champion, Population};
use crate::search::speciation::Species;
use crate::task::{Outcome, Score};
use crate::variation::mutation::Operators;
use crate::variation::tuning::{Ages, Tally};
use crate::wire::codec;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

const VERSION: u64 = 1;

/// The bytes are not those of a checkpoint, or of one that a newer release wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointError {
    Malformed,
    UnsupportedVersion(u64),
}

/// Written with its field names, so that a parameter can be added without a new version.
#[derive(Serialize, Deserialize)]
struct Saved {
    parameters: Parameters,
    inputs: u32,
    outputs: u32,
    /// of an encoding by one
    #[serde(default, skip_serializing_if = "Option::is_none")]
    substrate: Option<Plan>,
    seed: u64,
    generation: u64,
    evaluations: u64,
    /// How many of them failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    failures: u64,
    genotypes: Vec<ByteBuf>,
    /// Fitness and cases of those that are known.
    #[serde(default)]
    scores: Vec<Option<(f64, Vec<f64>)>>,
    /// Which of those without a score have failed, and wait for none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    failed: Vec<u32>,
    #[serde(default)]
    tuned: Vec<Option<ByteBuf>>,
    #[serde(default)]
    ages: Vec<Ages>,
    species: Vec<SavedSpecies>,
    next_species: u64,
    threshold: f32,
    champion: Option<(ByteBuf, f64, u64)>,
    tried: Vec<ByteBuf>,
    #[serde(default)]
    births: Births,
    #[serde(default, skip_serializing_if = "Newcomers::is_empty")]
    newcomers: Newcomers,
    /// Who is banned, and gone in the next generation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    leaving: Vec<u32>,
}

/// Which genes came from elsewhere, by whom.
#[derive(Default, Serialize, Deserialize)]
struct Newcomers {
    /// Mark, genotype and keys of each.
    sources: Vec<(Mark, ByteArray<32>, Vec<ByteArray<32>>)>,
    /// The marks that genes have, each list once.
    sets: Vec<Vec<Mark>>,
    /// Of those that have such genes, in the order of their places.
    living: Vec<(u32, SavedAncestry)>,
    champion: Option<SavedAncestry>,
}

/// Ids of connections and of nodes, each with the place of its marks among the sets.
type SavedAncestry = (Vec<(u64, u32)>, Vec<(u64, u32)>);

/// How all came to be: a birth is its generation, operators, parents, and places among the ancestors.
#[derive(Default, Serialize, Deserialize)]
struct Births {
    /// The names of the operators' bits, of which a later release may have others.
    operators: Vec<String>,
    living: Vec<SavedBirth>,
    champion: Option<SavedBirth>,
    /// Each after its parent.
    ancestors: Vec<(ByteArray<32>, SavedBirth)>,
}

type SavedBirth = (u64, u64, [Option<ByteArray<32>>; 2], [Option<u32>; 2]);

#[derive(Serialize, Deserialize)]
struct SavedSpecies {
    id: u64,
    representative: ByteBuf,
    members: Vec<u32>,
    best: f64,
    improved: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

pub fn encode(population: &Population) -> Vec<u8> {
    let genes = |genotype| ByteBuf::from(codec::encode(genotype));
    let species = population.species.iter().map(|s| SavedSpecies {
        id: s.id,
        representative: genes(&s.representative),
        members: s.members.clone(),
        best: s.best,
        improved: s.improved,
    });
    let champion = population.champion.as_ref();
    let Shape { inputs, outputs } = population.shape();
    let substrate = match &population.encoding {
        Encoding::Direct(_) => None,
        Encoding::Substrate(substrate) => Some(substrate.plan().clone()),
    };
    let saved = Saved {
        parameters: Parameters::clone(&population.parameters),
        inputs,
        outputs,
        substrate,
        seed: population.seed,
        generation: population.generation,
        evaluations: population.tally.evaluations,
        failures: population.tally.failures,
        genotypes: population.genotypes.iter().map(|g| genes(g)).collect(),
        scores: population.outcomes.iter().map(saved_score).collect(),
        failed: (0..).zip(&population.outcomes).filter(|(_, o)| is_failed(o)).map(|(at, _)| at).collect(),
        tuned: population.tuned.iter().map(|g| g.as_ref().map(|g| genes(g))).collect(),
        ages: population.ages.clone(),
        species: species.collect(),
        next_species: population.next_species,
        threshold: population.threshold,
        champion: champion.map(|c| (genes(&c.genotype), c.fitness, c.generation)),
        tried: population.tried.iter().map(|g| genes(g)).collect(),
        births: Births::of(population),
        newcomers: Newcomers::of(population),
        leaving: population.leaving.clone(),
    };
    rmp_serde::encode::to_vec_named(&(VERSION, saved)).expect("writing to memory cannot fail")
}

fn saved_score(outcome: &Option<Outcome>) -> Option<(f64, Vec<f64>)> {
    let Score { fitness, cases } = outcome.as_ref()?.score()?;
    Some((*fitness, cases.clone()))
}

fn is_failed(outcome: &Option<Outcome>) -> bool {
    *outcome == Some(Outcome::Failed)
}

/// # Errors
/// [`CheckpointError`]
pub fn decode(bytes: &[u8]) -> Result<Population, CheckpointError> {
    match codec::version(bytes).ok_or(CheckpointError::Malformed)? {
        VERSION => {}
        other => return Err(CheckpointError::UnsupportedVersion(other)),
    }
    let (_, saved): (u64, Saved) = rmp_serde::from_slice(bytes).map_err(|_| CheckpointError::Malformed)?;
    saved.population().ok_or(CheckpointError::Malformed)
}

/// So that nothing overflows that is counted on.
const MAX_COUNT: u64 = 1 << 53;
/// Of a newcomer: who bred it and who sent it.
const MAX_KEYS: usize = 8;

impl Saved {
    fn population(self) -> Option<Population> {
        let shape = Shape { inputs: self.inputs, outputs: self.outputs };
        let encoding = match self.substrate {
            None => Encoding::Direct(shape),
            Some(plan) => Encoding::Substrate(Arc::new(Substrate::new(plan).ok()?)),
        };
        let genotype = |bytes: &ByteBuf| {
            let genotype = codec::decode(bytes).ok()?;
            let fits = (genotype.inputs(), genotype.outputs()) == (shape.inputs, shape.outputs);
            fits.then(|| Arc::new(genotype))
        };
        let genotypes: Vec<_> = self.genotypes.iter().map(genotype).collect::<Option<_>>()?;
        let newcomers = self.newcomers.read(&genotypes, self.champion.is_some())?;
        let (births, of_champion) = self.births.read(genotypes.len(), self.generation)?;
        let score = |(fitness, cases)| Outcome::from(Score { fitness, cases });
        let mut outcomes: Vec<Option<Outcome>> = self.scores.into_iter().map(|s| s.map(score)).collect();
        let tuned = self.tuned.iter().map(|g| g.as_ref().map(genotype).map_or(Some(None), |g| g.map(Some)));
        let mut tuned: Vec<Option<Arc<Genotype>>> = tuned.collect::<Option<_>>()?;
        let mut ages = self.ages;
        // written before these were kept
        if outcomes.is_empty() {
            outcomes.resize(genotypes.len(), None);
        }
        let sound = !outcomes.iter().any(is_failed);
        for at in self.failed {
            let waiting = outcomes.get_mut(at as usize).filter(|outcome| outcome.is_none())?;
            *waiting = Some(Outcome::Failed);
        }
        if tuned.is_empty() && ages.is_empty() {
            tuned.resize(genotypes.len(), None);
            ages.resize(genotypes.len(), Ages::new());
        }
        let counts = [self.generation, self.evaluations, self.next_species];
        if !self.parameters.are_sound()
            || genotypes.len() != self.parameters.population as usize
            || [outcomes.len(), tuned.len(), ages.len()] != [genotypes.len(); 3]
            || !sound
            || self.failures > self.evaluations
            || !tuned.iter().zip(&genotypes).all(|(tuned, g)| tuned.as_ref().is_none_or(|t| is_tuned(t, g)))
            || !ages.iter().zip(&genotypes).all(|(ages, g)| [0, g.neurons.len()].contains(&ages.len()))
            || encoding.shape() != shape
            || !(self.threshold > 0.0 && self.threshold.is_finite())
            || counts.iter().any(|&count| count > MAX_COUNT)
            || !are_species(&self.species, genotypes.len())
            || !are_leaving(&self.leaving, &outcomes)
        {
            return None;
        }
        let species = |s: SavedSpecies| {
            let representative = genotype(&s.representative)?;
            let SavedSpecies { id, members, best, improved, .. } = s;
            // one that was never evaluated has the lowest
            let has_best = best.is_finite() || best == f64::NEG_INFINITY;
            let sound = has_best && improved <= self.generation && id < self.next_species;
            sound.then_some(Species { id, representative, members, best, improved })
        };
        let champion = match self.champion {
            Some((bytes, fitness, generation)) => {
                let sound = fitness.is_finite() && generation <= self.generation;
                let genotype = genotype(&bytes).filter(|_| sound)?;
                let ancestry = newcomers.champion;
                if ancestry.as_ref().is_some_and(|known| !known.fits(&genotype)) {
                    return None;
                }
                Some(Champion { genotype, fitness, generation, birth: of_champion, ancestry })
            }
            None => None,
        };
        Some(Population {
            parameters: Arc::new(self.parameters),
            encoding,
            seed: self.seed,
            generation: self.generation,
            tally: Tally { evaluations: self.evaluations, failures: self.failures },
            genotypes,
            outcomes,
            tuned,
            ages,
            births,
            ancestry: newcomers.living,
            sources: newcomers.sources,
            leaving: self.leaving,
            species: self.species.into_iter().map(species).collect::<Option<_>>()?,
            next_species: self.next_species,
            threshold: self.threshold,
            champion,
            tried: self.tried.iter().map(genotype).collect::<Option<_>>()?,
        })
    }
}

/// Whether one is the other with other weights.
fn is_tuned(tuned: &Genotype, genotype: &Genotype) -> bool {
    tuned.topology.ids == genotype.topology.ids && tuned.neurons.len() == genotype.neurons.len()
}

/// Whether every genotype is in one species, and no species is there twice or empty.
fn are_species(species: &[SavedSpecies], genotypes: usize) -> bool {
    let mut members: Vec<u32> = species.iter().flat_map(|s| s.members.iter().copied()).collect();
    members.sort_unstable();
    let mut ids: Vec<u64> = species.iter().map(|s| s.id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.len() == species.len()
        && species.iter().all(|s| !s.members.is_empty())
        && members.into_iter().eq(0..genotypes as u32)
}

/// Whether they are places in ascending order of those that have no fitness and get none.
fn are_leaving(leaving: &[u32], outcomes: &[Option<Outcome>]) -> bool {
    leaving.windows(2).all(|pair| pair[0] < pair[1])
        && leaving.iter().all(|&at| outcomes.get(at as usize).is_some_and(is_failed))
}

/// As they are in a population.
struct Read {
    sources: BTreeMap<Mark, Source>,
    living: Vec<Option<Arc<Ancestry>>>,
    champion: Option<Arc<Ancestry>>,
}

impl Newcomers {
    fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    fn of(population: &Population) -> Newcomers {
        let mut places = HashMap::new();
        let mut newcomers = Newcomers::default();
        for (mark, Source { genotype, keys }) in &population.sources {
            let keys = keys.iter().map(|key| ByteArray::new(*key)).collect();
            newcomers.sources.push((*mark, ByteArray::new(*genotype), keys));
        }
        for (at, ancestry) in (0..).zip(&population.ancestry) {
            if let Some(ancestry) = ancestry {
                let saved = newcomers.save(ancestry, &mut places);
                newcomers.living.push((at, saved));
            }
        }
        let champion = population.champion.as_ref().and_then(|champion| champion.ancestry.as_ref());
        newcomers.champion = champion.map(|ancestry| newcomers.save(ancestry, &mut places));
        newcomers
    }

    fn save(&mut self, ancestry: &Ancestry, places: &mut HashMap<Marks, u32>) -> SavedAncestry {
        let mut save = |genes: &[(u64, Marks)]| {
            let place = |(id, marks): &(u64, Marks)| {
                let place = places.entry(Arc::clone(marks)).or_insert_with(|| {
                    self.sets.push(marks.to_vec());
                    self.sets.len() as u32 - 1
                });
                (*id, *place)
            };
            genes.iter().map(place).collect()
        };
        (save(&ancestry.connections), save(&ancestry.neurons))
    }

    /// Of checkpoints that were written before these were kept, nothing is known.
    fn read(self, genotypes: &[Arc<Genotype>], has_champion: bool) -> Option<Read> {
        let ascends = |marks: &[Mark]| marks.windows(2).all(|pair| pair[0] < pair[1]);
        let marks: Vec<Mark> = self.sources.iter().map(|source| source.0).collect();
        let is_set = |set: &Vec<Mark>| {
            (1..=MAX_MARKS).contains(&set.len())
                && ascends(set)
                && set.iter().all(|mark| marks.binary_search(mark).is_ok())
        };
        let are_named = self.sources.iter().all(|source| source.2.len() <= MAX_KEYS);
        if !(ascends(&marks) && self.sets.iter().all(is_set) && are_named)
            || marks.last().is_some_and(|last| *last > MAX_COUNT)
            || self.champion.is_some() && !has_champion
        {
            return None;
        }
        let sets: Vec<Marks> = self.sets.into_iter().map(Marks::from).collect();
        let genes = |saved: Vec<(u64, u32)>| {
            let gene = |(id, set): (u64, u32)| Some((id, Arc::clone(sets.get(set as usize)?)));
            saved.into_iter().map(gene).collect::<Option<Vec<_>>>()
        };
        let ancestry = |(connections, neurons): SavedAncestry| {
            Some(Arc::new(Ancestry { connections: genes(connections)?, neurons: genes(neurons)? }))
        };
        let mut living = vec![None; genotypes.len()];
        for (at, saved) in self.living {
            let known = ancestry(saved)?;
            if !known.fits(genotypes.get(at as usize)?) {
                return None;
            }
            living[at as usize] = Some(known);
        }
        let champion = match self.champion {
            Some(saved) => Some(ancestry(saved)?),
            None => None,
        };
        let source = |(mark, genotype, keys): (Mark, ByteArray<32>, Vec<ByteArray<32>>)| {
            (mark, Source { genotype: *genotype, keys: keys.into_iter().map(|key| *key).collect() })
        };
        Some(Read { sources: self.sources.into_iter().map(source).collect(), living, champion })
    }
}

impl Births {
    fn of(population: &Population) -> Births {
        let mut births = Births {
            operators: (0..u64::BITS).map(|bit| Operators(1 << bit).names().collect()).collect(),
            ..Births::default()
        };
        let mut places = HashMap::new();
        births.living = population.births.iter().map(|birth| births.save(birth, &mut places)).collect();
        births.champion = population.champion.as_ref().map(|c| births.save(&c.birth, &mut places));
        births
    }

    fn save(&mut self, birth: &Birth, places: &mut HashMap<*const Ancestor, u32>) -> SavedBirth {
        let place = |places: &HashMap<*const Ancestor, u32>, ancestor: &Option<Arc<Ancestor>>| {
            ancestor.as_ref().map(|ancestor| places[&Arc::as_ptr(ancestor)])
        };
        for last in [&birth.parent, &birth.own].into_iter().flatten() {
            let line = std::iter::once(&**last).chain(last.birth.line());
            let new: Vec<&Ancestor> =
                line.take_while(|ancestor| !places.contains_key(&std::ptr::from_ref(*ancestor))).collect();
            for ancestor in new.into_iter().rev() {
                let Birth { generation, operators, parent, .. } = &ancestor.birth;
                let saved = (*generation, operators.0, named(&ancestor.birth), [place(places, parent), None]);
                places.insert(ancestor, self.ancestors.len() as u32);
                self.ancestors.push((ByteArray::new(ancestor.id), saved));
            }
        }
        let ends = [place(places, &birth.parent), place(places, &birth.own)];
        (birth.generation, birth.operators.0, named(birth), ends)
    }

    /// All, and the champion's. Of checkpoints that were written before these were kept, nothing is known.
    fn read(self, count: usize, now: u64) -> Option<(Vec<Birth>, Birth)> {
        if self.living.is_empty() {
            return Some((vec![Birth::default(); count], Birth::default()));
        }
        if self.operators.len() > u64::BITS as usize {
            return None;
        }
        let bits: Vec<Operators> =
            self.operators.iter().map(|name| Operators::named(name).unwrap_or_default()).collect();
        let birth = |ancestors: &[Arc<Ancestor>], saved: SavedBirth| {
            let (generation, operators, parents, ends) = saved;
            let set = bits.iter().zip(0..).filter(|(_, bit)| operators >> bit & 1 == 1);
            let operators = set.fold(Operators::default(), |all, (one, _)| all.and(*one));
            let [parent, own] = ends.map(|at| match at {
                Some(at) => ancestors.get(at as usize).cloned().map(Some),
                None => Some(None),
            });
            let (parent, own) = (parent?, own?);
            let [fitter, other] = parents.map(|id| id.map(|id| *id));
            let parents = [fitter.or(parent.as_ref().map(|parent| parent.id)), other];
            (generation <= now).then_some(Birth { generation, operators, parents, parent, own })
        };
        let mut ancestors = Vec::with_capacity(self.ancestors.len());
        for (id, saved) in self.ancestors {
            ancestors.push(Arc::new(Ancestor { id: *id, birth: birth(&ancestors, saved)? }));
        }
        let champion = self.champion.map_or(Some(Birth::default()), |saved| birth(&ancestors, saved))?;
        let living: Vec<Birth> =
            self.living.into_iter().map(|saved| birth(&ancestors, saved)).collect::<Option<_>>()?;
        (living.len() == count).then_some((living, champion))
    }
}

/// The parents that are not named by their place.
fn named(birth: &Birth) -> [Option<ByteArray<32>>; 2] {
    let [fitter, other] = birth.parents.map(|id| id.map(ByteArray::new));
    [fitter.filter(|_| birth.parent.is_none()), other]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::parameters::Tuner;
    use crate::task;
    use std::sync::atomic::AtomicBool;

    /// Of a population that has everything that one can have.
    fn saved() -> Saved {
        let (task, go) = (task::named("xor").unwrap(), AtomicBool::new(false));
        let p = Parameters {
            population: 40,
            tuning: Tuner::HillClimbing,
            inheritance: crate::genome::parameters::Inheritance::Baldwinian,
            ..task.parameters()
        };
        let mut population = Population::new(p, task.shape(), 3).unwrap();
        for _ in 0..12 {
            population = population.evaluate(task, &go).unwrap().next(&go).unwrap();
        }
        let (_, saved): (u64, Saved) = rmp_serde::from_slice(&encode(&population)).unwrap();
        assert!(saved.tuned.iter().flatten().count() > 0 && saved.scores.iter().flatten().count() > 0);
        assert!(saved.ages.iter().any(|ages| !ages.is_empty()) && saved.species.len() > 1);
        assert!(!saved.births.ancestors.is_empty() && saved.champion.is_some() && !saved.tried.is_empty());
        saved
    }

    type Corruption = (&'static str, fn(&mut Saved));

    #[test]
    fn every_field_is_checked() {
        let corruptions: [Corruption; 40] = [
            ("a parameter", |s| s.parameters.survival = f32::NAN),
            ("fewer genotypes than the parameters say", |s| s.parameters.population = 41),
            ("inputs", |s| s.inputs = 3),
            ("outputs", |s| s.outputs = 0),
            ("a substrate for it", |s| s.substrate = Some(Plan::new(vec![vec![0.0]], vec![vec![1.0]]))),
            ("generation", |s| s.generation = u64::MAX),
            ("a generation before its births", |s| s.generation = 0),
            ("evaluations", |s| s.evaluations = u64::MAX),
            ("no genotypes", |s| s.genotypes.clear()),
            ("a genotype", |s| s.genotypes[7] = ByteBuf::from(vec![1, 2, 3])),
            ("bytes after a genotype", |s| s.genotypes[7].push(0)),
            ("a genotype too many", |s| s.genotypes.push(s.genotypes[0].clone())),
            ("a fitness", |s| s.scores[0] = Some((f64::NAN, vec![]))),
            ("a case", |s| s.scores[0] = Some((1.0, vec![f64::INFINITY]))),
            ("scores", |s| s.scores.truncate(39)),
            ("one tuned", |s| s.tuned[0] = Some(ByteBuf::new())),
            ("another tuned", |s| {
                let other = (1..40).find(|at| s.genotypes[*at].len() != s.genotypes[0].len()).unwrap();
                s.tuned[0] = Some(s.genotypes[other].clone());
            }),
            ("tuned", |s| s.tuned.truncate(39)),
            ("ages", |s| s.ages.truncate(39)),
            ("one's ages", |s| s.ages[0] = vec![1; 17]),
            ("no species", |s| s.species.clear()),
            ("a species twice", |s| s.species[1].id = s.species[0].id),
            ("a species to come", |s| s.species[0].id = s.next_species),
            ("next species", |s| s.next_species = u64::MAX),
            ("a representative", |s| s.species[0].representative.clear()),
            ("an empty species", |s| {
                let all = std::mem::take(&mut s.species[0].members);
                s.species[1].members.extend(all);
            }),
            ("a member twice", |s| {
                let member = s.species[1].members[0];
                s.species[0].members.push(member);
            }),
            ("a member who is not there", |s| s.species[0].members[0] = 40),
            ("a species' best", |s| s.species[0].best = f64::NAN),
            ("a species' endless best", |s| s.species[0].best = f64::INFINITY),
            ("an improvement to come", |s| s.species[0].improved = s.generation + 1),
            ("threshold", |s| s.threshold = f32::NAN),
            ("a threshold below all", |s| s.threshold = -1.0),
            ("champion", |s| s.champion.as_mut().unwrap().0.truncate(9)),
            ("champion's fitness", |s| s.champion.as_mut().unwrap().1 = f64::NAN),
            ("champion's generation", |s| s.champion.as_mut().unwrap().2 = s.generation + 1),
            ("one tried", |s| s.tried[0].clear()),
            ("operators", |s| s.births.operators.resize(65, "crossover".into())),
            ("a birth too few", |s| s.births.living.truncate(39)),
            ("an ancestor who is not there", |s| s.births.living[0].3[0] = Some(u32::MAX)),
        ];
        assert!(saved().population().is_some());
        for (what, spoil) in corruptions {
            let mut saved = saved();
            spoil(&mut saved);
            assert!(saved.population().is_none(), "{what}");
        }
    }

    /// Of three newcomers, each in a species of its own, one is banned and another the champion.
    fn with_newcomers() -> Saved {
        let (task, go) = (task::named("xor").unwrap(), AtomicBool::new(false));
        let p =
            Parameters { population: 12, species_threshold: 0.05, target_species: 0, ..task.parameters() };
        let mut evaluated = Population::new(p, task.shape(), 3).unwrap().evaluate(task, &go).unwrap();
        for seed in 11..14 {
            let mut rng = crate::base::rng::Stream::new(seed, crate::base::rng::Purpose::Birth, 0, 0);
            let newcomer = Genotype::new(2, 1, &task.parameters(), &mut rng).unwrap();
            evaluated.inject(Arc::new(newcomer), 9.0 + seed as f64, vec![[seed as u8; 32]]).unwrap();
        }
        let banned = crate::search::population::purge::Banned {
            keys: [[12; 32]].into_iter().collect(),
            ..Default::default()
        };
        let population = evaluated.unevaluated().purge(&banned).population;
        let (_, saved): (u64, Saved) = rmp_serde::from_slice(&encode(&population)).unwrap();
        let Newcomers { sources, sets, living, champion } = &saved.newcomers;
        assert_eq!([sources.len(), sets.len(), living.len(), saved.leaving.len()], [2, 2, 2, 1]);
        assert!(champion.is_some());
        saved
    }

    #[test]
    fn what_is_known_of_newcomers_is_checked() {
        let corruptions: [Corruption; 15] = [
            ("one leaving who has a fitness", |s| s.leaving = vec![(s.leaving[0] + 1) % 12]),
            ("one leaving who is not there", |s| s.leaving.push(12)),
            ("one leaving twice", |s| s.leaving.push(s.leaving[0])),
            ("a mark that nobody has come with", |s| s.newcomers.sets[0][0] = 99),
            ("no marks", |s| s.newcomers.sets[0].clear()),
            ("marks out of order", |s| s.newcomers.sets[0] = vec![2, 0]),
            ("more marks than are known", |s| s.newcomers.sets[0] = vec![0; 17]),
            ("newcomers out of order", |s| s.newcomers.sources.swap(0, 1)),
            ("a newcomer's mark", |s| s.newcomers.sources[1].0 = u64::MAX),
            ("a newcomer's keys", |s| s.newcomers.sources[0].2 = vec![ByteArray::new([0; 32]); 9]),
            ("genes of one who is not there", |s| s.newcomers.living[0].0 = 12),
            ("marks that are not there", |s| s.newcomers.living[0].1.0[0].1 = u32::MAX),
            ("a gene that is not there", |s| s.newcomers.living[0].1.0[0].0 ^= 1),
            ("genes out of order", |s| s.newcomers.living[0].1.0.reverse()),
            ("the genes of no champion", |s| s.champion = None),
        ];
        assert!(with_newcomers().population().is_some());
        for (what, spoil) in corruptions {
            let mut saved = with_newcomers();
            spoil(&mut saved);
            assert!(saved.population().is_none(), "{what}");
        }
    }

    /// Whatever bytes change, what is read can go on.
    #[test]
    fn what_is_read_has_a_next_generation() {
        let go = AtomicBool::new(false);
        let mut read = 0;
        for saved in [saved(), with_newcomers()] {
            let bytes = rmp_serde::encode::to_vec_named(&(VERSION, saved)).unwrap();
            for at in 0..bytes.len() {
                for value in [0, 0x7f, 0xc0, 0xff, bytes[at] ^ 1] {
                    let mut changed = bytes.clone();
                    changed[at] = value;
                    if let Ok(population) = decode(&changed) {
                        // most are as they were in all but a weight
                        if read % 16 == 0 {
                            let scores = vec![Score::from(1.0); population.waiting().count()];
                            population.with_scores(scores).unwrap().next(&go).unwrap();
                        }
                        read += 1;
                    }
                }
            }
        }
        assert!(read > 1000, "{read}");
    }
}
