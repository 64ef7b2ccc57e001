//! cambrian_population

use crate::genotype::{GenotypeArc, wrap};
use crate::job::{self, Job};
use crate::scheduler::is_short;
use crate::substrate::{self, SubstrateArc};
use crate::task::{Measured, TaskArc, TrialTerm};
use crate::term::{List, binary, bytes32, evenly, limit};
use crate::{atoms, error, network, parameters, pools, task};
use cambrian_core::base::cancel::{CancelToken, Cancelled, NeverCancelled, TimeBudget};
use cambrian_core::base::choice::Choice;
use cambrian_core::base::memory::TooLarge;
use cambrian_core::genome::genotype::Shape;
use cambrian_core::phenotype::cost::metered;
use cambrian_core::phenotype::encoding::Encoding;
use cambrian_core::phenotype::network::Network;
use cambrian_core::phenotype::substrate::SubstrateError;
use cambrian_core::search::ancestry::Source;
use cambrian_core::search::lineage::Birth;
use cambrian_core::search::map_elites;
use cambrian_core::search::pareto;
use cambrian_core::search::population::checkpoint::{self, CheckpointError};
use cambrian_core::search::population::migration::Migration;
use cambrian_core::search::population::purge::{Banned, Purged};
use cambrian_core::search::population::{
    Champion, Evaluated, EvaluationError, Limits, Population, Stats,
};
use cambrian_core::task::{Outcome, Score, Task, Trial};
use cambrian_core::variation::tuning;
use cambrian_core::wire::codec::{self, GenotypeId};
use rustler::{
    Atom, Binary, Encoder, Env, Error, NewBinary, NifResult, Resource, ResourceArc, Term,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A generation that waits for fitness. Immutable, like [`EvaluatedResource`].
pub struct PopulationResource(pub(crate) Population);
pub struct EvaluatedResource(pub(crate) Evaluated);

#[rustler::resource_impl]
impl Resource for PopulationResource {
    const IMPLEMENTS_DESTRUCTOR: bool = true;

    fn destructor(self, _: Env) {
        pools::free(self.0);
    }
}

#[rustler::resource_impl]
impl Resource for EvaluatedResource {
    const IMPLEMENTS_DESTRUCTOR: bool = true;

    fn destructor(self, _: Env) {
        pools::free(self.0);
    }
}

pub(crate) type PopulationArc = ResourceArc<PopulationResource>;
pub(crate) type EvaluatedArc = ResourceArc<EvaluatedResource>;

/// `{Inputs, Outputs}` if a genotype is the network itself, or a substrate.
fn encoding(term: Term) -> NifResult<Encoding> {
    if let Ok(substrate) = term.decode::<SubstrateArc>() {
        return Ok(Encoding::from(Arc::clone(&substrate.0)));
    }
    let (inputs, outputs) = term.decode()?;
    Ok(Encoding::Direct(Shape { inputs, outputs }))
}

/// Random genotypes, or the given genotypes and mutated copies of them.
#[rustler::nif(schedule = "DirtyCpu")]
fn population_new(
    encoded: Term,
    task: Term,
    changes: Term,
    seed: u64,
    founders: List<GenotypeArc>,
) -> NifResult<(Atom, PopulationArc)> {
    let encoding = encoding(encoded)?;
    let p = parameters::read(changes, encoding.parameters(task::parameters(task)?))?;
    let task = task.decode::<TaskArc>().ok();
    if let Some(task) = &task {
        let checked = pareto::check_weights(&p, task.0.objectives());
        checked.map_err(|error| error::parameter(error, changes))?;
    }
    let is_direct = matches!(encoding, Encoding::Direct(_));
    let has_gradients = is_direct && task.is_some_and(|task| task.0.differentiable().is_some());
    tuning::check(&p, has_gradients).map_err(|error| error::parameter(error, changes))?;
    if let Some(first) = founders.0.first() {
        Population::check_memory(&p, &first.0).map_err(|error| error::parameter(error, changes))?;
    }
    let founders: Vec<_> = founders.0.iter().map(|founder| Arc::clone(&founder.0)).collect();
    let population = if founders.is_empty() {
        let population = pools::install(|| Population::new(p, encoding, seed))?;
        population.map_err(|error| error::parameter(error, changes))?
    } else {
        let population = pools::install(|| Population::founded_by(p, encoding, seed, &founders))?;
        population.map_err(|_| Error::BadArg)?
    };
    Ok((atoms::ok(), ResourceArc::new(PopulationResource(population))))
}

/// Whether the population's genotypes are CPPNs of this substrate.
#[rustler::nif]
fn population_is_on(population: PopulationArc, substrate: SubstrateArc) -> bool {
    matches!(population.0.encoding(), Encoding::Substrate(own) if own.plan() == substrate.0.plan())
}

/// The outcome of a generation: `Evaluated`; `{cut, Evaluated}` if a limit left some genotypes out;
/// or `{no_fitness, Failures, IsCut}`.
enum Generation {
    Whole(EvaluatedArc),
    Cut(EvaluatedArc),
    NoFitness(u64, bool),
}

impl From<Evaluated> for Generation {
    fn from(evaluated: Evaluated) -> Generation {
        let is_incomplete = evaluated.is_incomplete();
        let evaluated = ResourceArc::new(EvaluatedResource(evaluated));
        if is_incomplete { Generation::Cut(evaluated) } else { Generation::Whole(evaluated) }
    }
}

impl Encoder for Generation {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match self {
            Generation::Whole(evaluated) => evaluated.encode(env),
            Generation::Cut(evaluated) => (atoms::cut(), evaluated).encode(env),
            Generation::NoFitness(failures, is_incomplete) => {
                (atoms::no_fitness(), failures, is_incomplete).encode(env)
            }
        }
    }
}

/// `{Tag, {ok, Evaluated | {cut, Evaluated} | {no_fitness, Failures, IsCut}}}`. `Evaluations` is a
/// limit for all generations together, `Ms` a limit from now on; each may be `infinity`.
#[rustler::nif]
fn population_evaluate<'a>(
    env: Env<'a>,
    tag: Term<'a>,
    population: PopulationArc,
    task: TaskArc,
    evaluations: Term<'a>,
    ms: Term<'a>,
) -> NifResult<ResourceArc<Job>> {
    task::check_shape(&*task.0, population.0.encoding().network_shape())?;
    let limits = Limits {
        evaluations: limit(evaluations)?.unwrap_or(u64::MAX),
        // a time too far in the future to count is no limit
        time: limit(ms)?.and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms))),
    };
    job::post(env, tag, move |token| {
        match population.0.clone().evaluate_within(limits, &*task.0, token) {
            Ok(evaluated) => Some(Generation::from(evaluated)),
            Err(EvaluationError::NoFitness { failures, is_incomplete }) => {
                Some(Generation::NoFitness(failures, is_incomplete))
            }
            Err(EvaluationError::Cancelled) => None,
        }
    })
}

/// In units of work.
#[rustler::nif]
fn population_work(evaluated: EvaluatedArc) -> u64 {
    evaluated.0.work()
}

/// The median cost of one step: of all, and of those without a gene of another node.
#[rustler::nif(schedule = "DirtyCpu")]
fn population_median_costs(population: PopulationArc) -> (u64, u64) {
    population.0.median_costs()
}

/// The next generation, or why there is none.
enum Next {
    Bred(PopulationArc),
    TooLarge(TooLarge),
}

impl Encoder for Next {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        match self {
            Next::Bred(population) => population.encode(env),
            Next::TooLarge(error) => {
                (atoms::not_enough_memory(), error.wanted, error.allowed).encode(env)
            }
        }
    }
}

/// `{Tag, {ok, Population | {not_enough_memory, Wanted, Allowed}}}`
#[rustler::nif]
fn population_next<'a>(
    env: Env<'a>,
    tag: Term<'a>,
    evaluated: EvaluatedArc,
) -> NifResult<ResourceArc<Job>> {
    job::post(env, tag, move |token| match evaluated.0.check_memory() {
        Ok(()) => Some(Next::Bred(ResourceArc::new(PopulationResource(evaluated.0.next(token)?)))),
        Err(error) => Some(Next::TooLarge(error)),
    })
}

#[rustler::nif(schedule = "DirtyCpu")]
fn population_inject(
    evaluated: EvaluatedArc,
    genotype: GenotypeArc,
    score: Term,
    keys: List<Binary>,
) -> NifResult<(Atom, EvaluatedArc)> {
    let keys = keys.0.into_iter().map(bytes32).collect::<NifResult<_>>()?;
    let mut next = evaluated.0.clone();
    let score = task::score(score)?;
    match pools::install(|| next.inject(Arc::clone(&genotype.0), score, keys))? {
        Ok(()) => Ok((atoms::ok(), ResourceArc::new(EvaluatedResource(next)))),
        Err(reason) => Err(error::refuse(error::refused(reason))),
    }
}

/// The behaviour by which a newcomer of this score has its cell; `[]` where it has none.
#[rustler::nif(schedule = "DirtyCpu")]
fn population_behaviour_of(
    evaluated: EvaluatedArc,
    genotype: GenotypeArc,
    score: Term,
) -> NifResult<Vec<f64>> {
    let score = task::score(score)?;
    pools::install(|| evaluated.0.behaviour_of(&genotype.0, score))
}

/// Purges a population that waits for fitness, or an evaluated one, which stays evaluated: a banned
/// genotype has no fitness, and is not in the next generation. Returns
/// `{Population, #{leaving, founded, headless}, Champion}`.
#[rustler::nif(schedule = "DirtyCpu")]
fn population_purge<'a>(
    env: Env<'a>,
    generation: Term<'a>,
    keys: List<Binary<'a>>,
    genotypes: List<Binary<'a>>,
) -> NifResult<Term<'a>> {
    let banned = Banned {
        keys: keys.0.into_iter().map(bytes32).collect::<NifResult<_>>()?,
        genotypes: genotypes.0.into_iter().map(bytes32).collect::<NifResult<_>>()?,
    };
    let purge = |population: &Population| pools::install(|| population.purge(&banned));
    let purged = match generation.decode::<EvaluatedArc>() {
        Ok(evaluated) if evaluated.0.is_incomplete() => return Err(Error::BadArg),
        Ok(evaluated) => purge(&evaluated.0.unevaluated())?,
        Err(_) => purge(&generation.decode::<PopulationArc>()?.0)?,
    };
    let Purged { population, leaving, is_restarted, lost_champion } = purged;
    let facts = Term::map_from_pairs(
        env,
        &[
            (atoms::leaving(), leaving.encode(env)),
            (atoms::founded(), is_restarted.encode(env)),
            (atoms::headless(), lost_champion.encode(env)),
        ],
    )?;
    let best = champion(env, &population, population.champion())?;
    Ok((ResourceArc::new(PopulationResource(population)), facts, best).encode(env))
}

/// The newcomers whose genes a genotype of this population carries: `[#{genotype, keys}]`, the
/// earliest first.
#[rustler::nif(schedule = "DirtyCpu")]
fn population_sources<'a>(
    env: Env<'a>,
    evaluated: EvaluatedArc,
    genotype: GenotypeArc,
) -> NifResult<Vec<Term<'a>>> {
    sources(env, evaluated.0.population().sources(&genotype.0))
}

fn sources(env: Env<'_>, sources: Vec<Source>) -> NifResult<Vec<Term<'_>>> {
    let show = |Source { genotype, keys }: Source| {
        let keys: Vec<Term> = keys.iter().map(|key| binary(env, key)).collect();
        let genotype = binary(env, &genotype);
        Term::map_from_pairs(
            env,
            &[(atoms::genotype(), genotype), (atoms::keys(), keys.encode(env))],
        )
    };
    sources.into_iter().map(show).collect()
}

/// The network that a genotype of this population encodes, or `dirty` if that takes long.
#[rustler::nif]
fn population_network<'a>(
    env: Env<'a>,
    population: PopulationArc,
    genotype: GenotypeArc,
) -> NifResult<Term<'a>> {
    if !is_short(env, network_cost(&population, &genotype)) {
        return Ok(atoms::dirty().encode(env));
    }
    let network = network_of(&population, &genotype, &NeverCancelled).map_err(error::substrate)?;
    Ok(network::wrap(network).encode(env))
}

fn network_cost(population: &PopulationArc, genotype: &GenotypeArc) -> usize {
    match population.0.encoding() {
        Encoding::Direct(_) => network::compile_cost(genotype),
        Encoding::Substrate(substrate) => substrate::cost(substrate, genotype),
    }
}

fn network_of(
    population: &PopulationArc,
    genotype: &GenotypeArc,
    token: &dyn CancelToken,
) -> Result<Network, SubstrateError> {
    population.0.encoding().network(&genotype.0, token)
}

/// Checks that the genotypes have the population's shape, and their networks the task's.
fn check(population: &PopulationArc, task: &TaskArc, genotypes: &[GenotypeArc]) -> NifResult<()> {
    task::check_shape(&*task.0, population.0.encoding().network_shape())?;
    let shape = |genotype: &GenotypeArc| (genotype.0.inputs(), genotype.0.outputs());
    let Shape { inputs, outputs } = population.0.shape();
    if genotypes.iter().all(|genotype| shape(genotype) == (inputs, outputs)) {
        Ok(())
    } else {
        Err(Error::BadArg)
    }
}

/// `{Tag, {ok, {ok, Network} | {error, Reason}}}`, the long form of [`population_network`].
#[rustler::nif]
fn population_network_job<'a>(
    env: Env<'a>,
    tag: Term<'a>,
    population: PopulationArc,
    genotype: GenotypeArc,
) -> NifResult<ResourceArc<Job>> {
    substrate::check(population.0.encoding(), &genotype)?;
    job::post(env, tag, move |token| match network_of(&population, &genotype, token) {
        Err(SubstrateError::Cancelled) => None,
        network => Some(substrate::Answer(network.map(network::wrap))),
    })
}

/// The task's trial of a genotype of this population: `{Tag, {ok, #{solved, facts}}}`, as
/// `task_trial`.
#[rustler::nif]
fn population_trial<'a>(
    env: Env<'a>,
    tag: Term<'a>,
    population: PopulationArc,
    task: TaskArc,
    genotype: GenotypeArc,
) -> NifResult<ResourceArc<Job>> {
    check(&population, &task, std::slice::from_ref(&genotype))?;
    job::post(env, tag, move |token| {
        let trial = match network_of(&population, &genotype, token) {
            Err(SubstrateError::Cancelled) => return None,
            // a failed evaluation has no trial
            Err(_) => Trial::new(false, Vec::new()),
            Ok(network) => task.0.trial_on(&network.runner(token)).ok()?,
        };
        Some(TrialTerm(trial))
    })
}

/// The scores of genotypes that are not in the population yet, one after the other on one thread,
/// and the work of each in units of [`cambrian_core::phenotype::cost`]:
/// `{Tag, {ok, [{Score | failed | late, Work}]}}`. Each may take `Ms`, without the pauses of the
/// governor, or `infinity`.
#[rustler::nif]
fn population_examine<'a>(
    env: Env<'a>,
    tag: Term<'a>,
    population: PopulationArc,
    task: TaskArc,
    genotypes: List<GenotypeArc>,
    ms: Term<'a>,
) -> NifResult<ResourceArc<Job>> {
    check(&population, &task, &genotypes.0)?;
    let limit = limit(ms)?.map(Duration::from_millis);
    job::post(env, tag, move |token| {
        let one = |genotype: &GenotypeArc| {
            let within = TimeBudget::new(token, limit);
            let (outcome, work) = metered(|| examine(&population, &*task.0, genotype, &within));
            match outcome {
                Ok(outcome) => Some((Measured::Outcome(outcome), work)),
                Err(Cancelled) if token.should_continue() => Some((Measured::Late, work)),
                Err(Cancelled) => None,
            }
        };
        genotypes.0.iter().map(one).collect::<Option<Vec<_>>>()
    })
}

fn examine(
    population: &PopulationArc,
    task: &dyn Task,
    genotype: &GenotypeArc,
    token: &dyn CancelToken,
) -> Result<Outcome, Cancelled> {
    if !token.should_continue() {
        return Err(Cancelled);
    }
    match network_of(population, genotype, token) {
        Err(SubstrateError::Cancelled) => Err(Cancelled),
        Err(_) => Ok(Outcome::Failed),
        Ok(network) => {
            let (score, work) = metered(|| task.evaluate_on(&network.runner(token)));
            Ok(Outcome::from(Score { work, ..score? }))
        }
    }
}

/// `#{generation, evaluations, failures, seed, inputs, outputs, networks}`
#[rustler::nif]
fn population_info(env: Env<'_>, population: PopulationArc) -> NifResult<Term<'_>> {
    let p = &population.0;
    let networks = p.encoding().network_shape();
    Term::map_from_pairs(
        env,
        &[
            (atoms::generation(), p.generation().encode(env)),
            (atoms::evaluations(), p.evaluations().encode(env)),
            (atoms::failures(), p.failures().encode(env)),
            (atoms::seed(), p.seed().encode(env)),
            (atoms::inputs(), p.shape().inputs.encode(env)),
            (atoms::outputs(), p.shape().outputs.encode(env)),
            (atoms::networks(), (networks.inputs, networks.outputs).encode(env)),
        ],
    )
}

/// How many numbers a behaviour of the task must have, and how many objectives it must have, each a
/// number or `any`. A single objective may also be its fitness.
#[rustler::nif]
fn population_lengths<'a>(env: Env<'a>, population: PopulationArc) -> (Term<'a>, Term<'a>) {
    let p = population.0.parameters();
    let or_any = |length: Option<usize>| match length {
        Some(length) => length.encode(env),
        None => atoms::any().encode(env),
    };
    let objectives = pareto::told_by_task(p).ok().flatten();
    (or_any(map_elites::told_by_task(p)), or_any(objectives))
}

#[rustler::nif]
fn population_parameters(env: Env<'_>, population: PopulationArc) -> NifResult<Term<'_>> {
    parameters::values(env, population.0.parameters())
}

#[rustler::nif]
fn population_evaluated_champion(env: Env<'_>, evaluated: EvaluatedArc) -> NifResult<Term<'_>> {
    let population = evaluated.0.population();
    champion(env, population, population.champion())
}

/// `undefined | #{champion, fitness, generation, parents, operators, sources}`
fn champion<'a>(
    env: Env<'a>,
    population: &Population,
    champion: Option<&Champion>,
) -> NifResult<Term<'a>> {
    let Some(champion) = champion else { return Ok(atoms::undefined().encode(env)) };
    let (parents, operators) = origin(env, &champion.birth)?;
    Term::map_from_pairs(
        env,
        &[
            (atoms::champion(), wrap(Arc::clone(&champion.genotype)).encode(env)),
            (atoms::fitness(), champion.fitness.encode(env)),
            (atoms::generation(), champion.generation.encode(env)),
            (atoms::parents(), parents.encode(env)),
            (atoms::operators(), operators.encode(env)),
            (atoms::sources(), sources(env, population.sources_of_champion(champion))?.encode(env)),
        ],
    )
}

/// Ids of the parents, names of the operators.
fn origin<'a>(env: Env<'a>, birth: &Birth) -> NifResult<(Vec<Term<'a>>, Vec<Atom>)> {
    let parents = birth.parents.iter().flatten().map(|id| binary(env, id)).collect();
    let operators = birth.operators.names().map(|name| Atom::from_str(env, name));
    Ok((parents, operators.collect::<NifResult<_>>()?))
}

/// A genotype of this population and its line of fitter parents:
/// `[{Id, Parents, Operators, Generation}]`, empty for a genotype that is not in the population.
#[rustler::nif(schedule = "DirtyCpu")]
fn population_lineage<'a>(
    env: Env<'a>,
    evaluated: EvaluatedArc,
    genotype: GenotypeArc,
) -> NifResult<Vec<Term<'a>>> {
    let Some(birth) = evaluated.0.population().origin(&genotype.0) else { return Ok(Vec::new()) };
    let show = |(id, birth): (GenotypeId, &Birth)| {
        let (parents, operators) = origin(env, birth)?;
        Ok((binary(env, &id), parents, operators, birth.generation).encode(env))
    };
    let line = birth.line().map(|ancestor| (ancestor.id, &ancestor.birth));
    std::iter::once((codec::id(&genotype.0), &birth)).chain(line).map(show).collect()
}

/// A genotype to send to other populations, by a policy and a number that varies the draw.
#[rustler::nif(schedule = "DirtyCpu")]
fn population_migrant<'a>(
    env: Env<'a>,
    evaluated: EvaluatedArc,
    policy: Term<'a>,
    draw: u64,
) -> NifResult<Term<'a>> {
    let policy = Migration::named(&atoms::text(policy)?).ok_or(Error::BadArg)?;
    champion(env, evaluated.0.population(), Some(&evaluated.0.migrant(policy, draw)))
}

/// The fittest of this generation: `{Genotype, Fitness}`
#[rustler::nif]
fn population_best(evaluated: EvaluatedArc) -> (GenotypeArc, f64) {
    let (at, fitness) = evaluated.0.best();
    (wrap(Arc::clone(evaluated.0.tuned(at))), fitness)
}

/// A genotype of a front, what it reaches in each objective, and its fitness.
type Compromise = (GenotypeArc, Vec<f64>, Option<f64>);

/// Of the first front of a Pareto search at most so many, evenly chosen, its ends among them, and
/// the champion: `{Count, [{Genotype, Objectives, Fitness}]}`, where the count is of all. Empty in
/// other searches.
#[rustler::nif(schedule = "DirtyCpu")]
fn population_front(evaluated: EvaluatedArc, most: usize) -> (usize, Vec<Compromise>) {
    let one = |(at, objectives): (u32, &[f64])| {
        let genotype = wrap(Arc::clone(evaluated.0.tuned(at)));
        (genotype, objectives.to_vec(), evaluated.0.fitness()[at as usize])
    };
    let front = evaluated.0.front();
    let champion = evaluated.0.population().champion();
    let is_knee = |(at, _): &(u32, &[f64])| {
        champion.is_some_and(|champion| champion.genotype == *evaluated.0.tuned(*at))
    };
    let knee = front.iter().position(is_knee);
    let chosen: BTreeSet<usize> = evenly(front.len(), most).chain(knee).collect();
    (front.len(), chosen.into_iter().map(|at| one(front[at])).collect())
}

/// The fittest genotype that has not contended before, and the population that remembers this:
/// `{Genotype, Fitness, Evaluated}`, or `undefined`.
#[rustler::nif(schedule = "DirtyCpu")]
fn population_contender(env: Env<'_>, evaluated: EvaluatedArc) -> Term<'_> {
    let mut next = evaluated.0.clone();
    let Some(at) = next.contender() else { return atoms::undefined().encode(env) };
    let genotype = wrap(Arc::clone(next.tuned(at)));
    let fitness = next.fitness()[at as usize];
    (genotype, fitness, ResourceArc::new(EvaluatedResource(next))).encode(env)
}

#[rustler::nif(schedule = "DirtyCpu")]
fn population_stats(env: Env<'_>, evaluated: EvaluatedArc) -> NifResult<Term<'_>> {
    let Stats {
        generation,
        evaluations,
        failures,
        best,
        mean,
        species,
        mean_nodes,
        mean_connections,
    } = evaluated.0.stats();
    Term::map_from_pairs(
        env,
        &[
            (atoms::generation(), generation.encode(env)),
            (atoms::evaluations(), evaluations.encode(env)),
            (atoms::failures(), failures.encode(env)),
            (atoms::best(), best.encode(env)),
            (atoms::mean(), mean.encode(env)),
            (atoms::species(), species.encode(env)),
            (atoms::mean_nodes(), mean_nodes.encode(env)),
            (atoms::mean_connections(), mean_connections.encode(env)),
        ],
    )
}

#[rustler::nif(schedule = "DirtyCpu")]
fn population_encode(env: Env<'_>, population: PopulationArc) -> Binary<'_> {
    NewBinary::from_slice(env, &checkpoint::encode(&population.0)).into()
}

#[rustler::nif(schedule = "DirtyCpu")]
fn population_decode(bytes: Binary) -> NifResult<(Atom, PopulationArc)> {
    match checkpoint::decode(&bytes) {
        Ok(population) => Ok((atoms::ok(), ResourceArc::new(PopulationResource(population)))),
        Err(CheckpointError::Malformed) => Err(error::refuse(atoms::malformed())),
        Err(CheckpointError::UnsupportedVersion(version)) => {
            Err(error::refuse((atoms::unsupported_version(), version)))
        }
    }
}
