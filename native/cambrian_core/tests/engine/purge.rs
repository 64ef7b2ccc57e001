//! A ban reaches back: genotypes of a banned key or id, and all that carry their genes, leave
//! with the next generation, to the same bits on any number of threads and after any
//! interruption.

use cambrian_core::genome::genotype::Genotype;
use cambrian_core::genome::parameters::Parameters;
use cambrian_core::search::population::purge::Banned;
use cambrian_core::search::population::{Evaluated, Population};
use cambrian_core::task::{self, Task};
use cambrian_core::{search::population::checkpoint, wire::codec};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

static GO: AtomicBool = AtomicBool::new(false);
const THIEF: [u8; 32] = [7; 32];
const FRIEND: [u8; 32] = [8; 32];

fn xor() -> &'static dyn Task {
    task::named("xor").unwrap()
}

fn parameters(replacement: f32) -> Parameters {
    Parameters { population: 60, replacement, ..xor().parameters() }
}

fn after(seed: u64, replacement: f32, generations: u64) -> Evaluated {
    let mut population = Population::new(parameters(replacement), xor().shape(), seed).unwrap();
    while population.generation() < generations {
        population = population.evaluate(xor(), &GO).unwrap().next(&GO).unwrap();
    }
    population.evaluate(xor(), &GO).unwrap()
}

/// The champion of another run, which is so fit that it and its offspring spread here.
fn newcomer(seed: u64) -> Arc<Genotype> {
    Arc::clone(&after(seed, 1.0, 12).population().champion().unwrap().genotype)
}

/// A population some generations after two newcomers joined it.
fn infected(replacement: f32) -> Evaluated {
    let mut evaluated = after(1, replacement, 5);
    evaluated.inject(newcomer(2), 3.5, vec![THIEF]).unwrap();
    evaluated.inject(newcomer(3), 3.4, vec![FRIEND, [9; 32]]).unwrap();
    for _ in 0..4 {
        evaluated = evaluated.next(&GO).unwrap().evaluate(xor(), &GO).unwrap();
    }
    evaluated
}

fn keys(keys: &[[u8; 32]]) -> Banned {
    Banned { keys: keys.iter().copied().collect(), ..Banned::default() }
}

fn genotype(genotype: &Genotype) -> Banned {
    Banned { genotypes: HashSet::from([codec::id(genotype)]), ..Banned::default() }
}

fn carriers(population: &Population, key: [u8; 32]) -> usize {
    let carries = |one: &&Arc<Genotype>| {
        population.sources(one).iter().any(|source| source.keys.contains(&key))
    };
    population.genotypes().iter().filter(carries).count()
}

#[test]
fn genotypes_with_genes_of_a_banned_key_leave_with_the_next_generation() {
    for replacement in [1.0, 0.1] {
        let evaluated = infected(replacement);
        let before = evaluated.population();
        let (thieves, friends) = (carriers(before, THIEF), carriers(before, FRIEND));
        assert!(thieves > 1 && friends > 1 && thieves < 60, "{thieves} {friends}");
        let purged = evaluated.unevaluated().purge(&keys(&[THIEF]));
        assert_eq!(purged.leaving, thieves);
        assert!(!purged.is_restarted);
        let again = purged.population.purge(&keys(&[THIEF]));
        assert_eq!((again.leaving, again.lost_champion), (0, false));
        let next = purged.population.evaluate(xor(), &GO).unwrap().next(&GO).unwrap();
        assert_eq!((next.generation(), next.genotypes().len()), (before.generation() + 1, 60));
        assert_eq!(carriers(&next, THIEF), 0);
        assert!(next.newcomers().values().all(|source| !source.keys.contains(&THIEF)));
        let stayed = next.champion().unwrap();
        assert!(next.sources(&stayed.genotype).iter().all(|source| !source.keys.contains(&THIEF)));
        // their genes are not left under other ids: no genotype that had to leave is there
        let gone: HashSet<_> = (before.genotypes().iter())
            .filter(|one| before.sources(one).iter().any(|source| source.keys.contains(&THIEF)))
            .map(|one| codec::id(one))
            .collect();
        assert!(next.genotypes().iter().all(|one| !gone.contains(&codec::id(one))));
        assert!(
            next.species()
                .iter()
                .all(|species| !gone.contains(&codec::id(&species.representative)))
        );
    }
}

#[test]
fn a_banned_champion_is_replaced_by_the_best_genotype_that_stays() {
    let mut evaluated = after(1, 1.0, 5);
    let own = evaluated.population().champion().unwrap().clone();
    let champion = newcomer(2);
    evaluated.inject(Arc::clone(&champion), 4.0, vec![THIEF]).unwrap();
    assert_eq!(evaluated.population().champion().unwrap().genotype, champion);
    for banned in [keys(&[THIEF]), genotype(&champion)] {
        let purged = evaluated.unevaluated().purge(&banned);
        assert!(purged.lost_champion);
        assert_eq!(
            (purged.leaving, purged.population.champion().unwrap().fitness),
            (1, own.fitness)
        );
    }
    // before its evaluation only the survivors of a generation have a fitness
    let waiting = evaluated.next(&GO).unwrap().purge(&keys(&[THIEF]));
    assert!(
        waiting.lost_champion && waiting.population.champion().is_none_or(|one| one.fitness < 4.0)
    );
}

#[test]
fn a_population_of_banned_genotypes_starts_anew() {
    let mut evaluated = after(1, 1.0, 1);
    let all: Vec<_> = evaluated.population().genotypes().to_vec();
    let ids = all.iter().map(|one| codec::id(one)).collect();
    let purged = evaluated.unevaluated().purge(&Banned { genotypes: ids, ..Banned::default() });
    assert!(purged.is_restarted && purged.lost_champion);
    assert_eq!((purged.leaving, purged.population.generation()), (60, 1));
    assert_eq!(purged.population.genotypes().len(), 60);
    assert!(purged.population.genotypes().iter().all(|one| !all.contains(one)));
    assert_eq!(purged.population.evaluations(), evaluated.stats().evaluations);
    let bytes = checkpoint::encode(&purged.population);
    assert_eq!(checkpoint::encode(&checkpoint::decode(&bytes).unwrap()), bytes);
    evaluated = purged.population.evaluate(xor(), &GO).unwrap();
    assert!(evaluated.next(&GO).is_some());
}

#[test]
fn descendants_of_a_banned_own_genotype_are_found_by_their_lineage() {
    let evaluated = after(1, 1.0, 3);
    let parent = evaluated.next(&GO).unwrap();
    let birth = parent.origin(&parent.genotypes()[40]).unwrap();
    let ancestor = birth.line().next().unwrap().id;
    let banned = Banned { genotypes: HashSet::from([ancestor]), ..Banned::default() };
    let heirs = (parent.genotypes().iter())
        .filter(|one| {
            let birth = parent.origin(one).unwrap();
            codec::id(one) == ancestor
                || birth.parents.contains(&Some(ancestor))
                || birth.line().any(|old| old.birth.parents.contains(&Some(ancestor)))
        })
        .count();
    let purged = parent.purge(&banned);
    assert!(heirs > 1 && heirs < 60);
    assert_eq!(purged.leaving, heirs);
    let next = purged.population.evaluate(xor(), &GO).unwrap().next(&GO).unwrap();
    assert_eq!(next.purge(&banned).leaving, 0);
}

/// The same genes may come again after the end of the ban.
#[test]
fn a_newcomer_that_replaces_a_leaving_genotype_stays() {
    let mut evaluated = after(1, 1.0, 5);
    evaluated.inject(newcomer(2), 3.9, vec![THIEF]).unwrap();
    let purged = evaluated.unevaluated().purge(&keys(&[THIEF])).population;
    let mut evaluated = purged.evaluate(xor(), &GO).unwrap();
    evaluated.inject(newcomer(3), 3.8, vec![FRIEND]).unwrap();
    let next = evaluated.next(&GO).unwrap();
    assert_eq!(carriers(&next, THIEF), 0);
    assert!(carriers(&next, FRIEND) > 0);
}

#[test]
fn a_ban_of_absent_genes_changes_nothing() {
    let evaluated = infected(1.0);
    let bytes = checkpoint::encode(&evaluated.unevaluated());
    let banned = Banned { keys: HashSet::from([[1; 32]]), genotypes: HashSet::from([[2; 32]]) };
    let purged = evaluated.unevaluated().purge(&banned);
    assert_eq!((purged.leaving, purged.lost_champion), (0, false));
    assert_eq!(checkpoint::encode(&purged.population), bytes);
    // and another evaluation gives the same
    let again = evaluated.unevaluated().evaluate(xor(), &GO).unwrap();
    assert_eq!(
        checkpoint::encode(&again.next(&GO).unwrap()),
        checkpoint::encode(&evaluated.next(&GO).unwrap())
    );
}

fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

/// The bytes of each generation after a ban; encoded and decoded on the way where `is_killed`
/// says so.
fn story(replacement: f32, waits: bool, is_killed: impl Fn(u64) -> bool) -> Vec<Vec<u8>> {
    let evaluated = infected(replacement);
    let before = if waits { evaluated.next(&GO).unwrap() } else { evaluated.unevaluated() };
    let mut population = before.purge(&keys(&[THIEF])).population;
    (0..6)
        .map(|step| {
            let bytes = checkpoint::encode(&population);
            let read = checkpoint::decode(&bytes).unwrap();
            let going = if is_killed(step) { read } else { population.clone() };
            population = going.evaluate(xor(), &GO).unwrap().next(&GO).unwrap();
            bytes
        })
        .collect()
}

#[test]
fn a_purge_repeats_to_the_bit() {
    for (replacement, waits) in [(1.0, false), (1.0, true), (0.2, false), (0.2, true)] {
        let one = on_threads(1, || story(replacement, waits, |_| false));
        assert_eq!(on_threads(4, || story(replacement, waits, |_| false)), one);
        for killed in 0..6 {
            assert_eq!(on_threads(2, || story(replacement, waits, |step| step == killed)), one);
        }
    }
}

/// The cost of strangers is bounded by it, so their own genes must not count.
#[test]
fn the_median_cost_of_own_genotypes_leaves_out_genes_of_other_keys() {
    let mut evaluated = after(1, 1.0, 5);
    let large = Arc::clone(&after(2, 1.0, 80).population().champion().unwrap().genotype);
    evaluated.inject(large, 3.9, vec![THIEF]).unwrap();
    let medians = |evaluated: &Evaluated| {
        let population = evaluated.population();
        let (mut all, mut own): (Vec<u64>, Vec<u64>) = Default::default();
        for (at, genotype) in population.genotypes().iter().enumerate() {
            all.push(genotype.cost());
            own.extend(population.ancestry(at).is_none().then(|| genotype.cost()));
        }
        let median = |mut costs: Vec<u64>| {
            costs.sort_unstable();
            costs.get(costs.len().saturating_sub(1) / 2).copied().unwrap_or(0)
        };
        (median(all), median(own))
    };
    let mut seen = HashSet::new();
    for _ in 0..30 {
        assert_eq!(evaluated.population().median_costs(), medians(&evaluated));
        seen.insert(medians(&evaluated));
        evaluated = evaluated.next(&GO).unwrap().evaluate(xor(), &GO).unwrap();
    }
    assert!(seen.iter().any(|(all, own)| *own > 0 && own < all), "{seen:?}");

    // what a user injects has no keys
    let mut mine = after(1, 1.0, 5);
    mine.inject(newcomer(2), 3.5, vec![]).unwrap();
    let (all, own) = mine.population().median_costs();
    assert_eq!(all, own);
}
