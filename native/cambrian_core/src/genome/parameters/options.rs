//! Settings that have one of a few named values.

use crate::base::choice::choices;

choices! {
    /// The value that selection compares.
    pub enum Search {
        /// Fitness (Stanley & Miikkulainen 2002).
        Neat = "neat",
        /// The distance of a behaviour to the other behaviours and to earlier generations: the mean
        /// distance to the nearest (Lehman & Stanley 2011).
        Novelty = "novelty",
        /// The distance of a behaviour to the behaviours of fitter genotypes: the mean distance to
        /// the nearest (Bahlous-Boldi and others 2025).
        DominatedNovelty = "dominated_novelty",
        /// Novelty, and how many of the nearest are less fit, side by side: novelty search with
        /// local competition (Lehman & Stanley 2011, "Evolving a diversity of virtual creatures
        /// through novelty search and local competition").
        LocalCompetition = "local_competition",
        /// Fitness within each cell of a box of behaviours: MAP-Elites (Mouret & Clune 2015).
        MapElites = "map_elites",
        /// Several objectives at the same time: genotypes that no other genotype dominates come
        /// first.
        Pareto = "pareto",
        /// Fitness of networks of one topology, whose weights and biases are a vector of numbers:
        /// see [`Strategy`].
        EvolutionStrategy = "evolution_strategy",
    }
}

choices! {
    /// How an evolution strategy finds better vectors.
    pub enum Strategy {
        /// A normal distribution that learns its covariances (Hansen 2016, *The CMA Evolution
        /// Strategy: A Tutorial*), for up to 500 numbers.
        CmaEs = "cma_es",
        /// A normal distribution that learns its variances alone (Ros & Hansen 2008), for any
        /// number.
        SepCmaEs = "sep_cma_es",
        /// A normal distribution of constant width, whose mean follows the gradient of the ranks
        /// (Salimans and others 2017).
        OpenAiEs = "open_ai_es",
        /// Differences of random vectors are added to a third one: DE/rand/1/bin (Storn & Price
        /// 1997).
        DifferentialEvolution = "differential_evolution",
        /// Differential evolution that remembers which settings succeed, with ever fewer vectors
        /// (Tanabe & Fukunaga 2014).
        LShade = "l_shade",
        /// Vectors that fly towards the best places that they and their neighbours have been at
        /// (Kennedy & Eberhart 1995; Clerc & Kennedy 2002).
        ParticleSwarm = "particle_swarm",
    }
}

choices! {
    /// How far two behaviours are apart.
    pub enum Distance {
        /// The root of the sum of squared differences.
        Euclidean = "euclidean",
        /// The sum of squared differences (Lehman & Stanley 2011, both papers).
        SquaredEuclidean = "squared_euclidean",
        /// The sum of differences.
        Manhattan = "manhattan",
        /// In how many places they differ (Hamming 1950).
        Hamming = "hamming",
    }
}

choices! {
    /// Which behaviours of a generation novelty search keeps.
    pub enum Admission {
        /// Some, drawn at random (Lehman & Stanley 2010).
        Sample = "sample",
        /// Those whose novelty exceeds a threshold (Lehman & Stanley 2011, "Abandoning
        /// objectives").
        Threshold = "threshold",
    }
}

choices! {
    /// How a box of behaviours is divided into cells.
    pub enum Partition {
        /// Each dimension is divided into equally many places.
        Grid = "grid",
        /// Cells around evenly spaced points: a centroidal Voronoi tessellation (Vassiliades,
        /// Chatzilygeroudis & Mouret 2018), for three dimensions and more.
        Cvt = "cvt",
    }
}

choices! {
    /// How behaviours of many numbers get a position in a box of few dimensions.
    pub enum Projection {
        /// They do not: each number is a dimension.
        None = "none",
        /// A projection by random signs, which preserves distances approximately (Achlioptas 2003).
        Random = "random",
        /// The principal components of the behaviours of the elites so far (Pearson 1901): the
        /// directions in which they differ most.
        Principal = "principal",
    }
}

choices! {
    /// Which genotypes of the front survive, if it is too large.
    pub enum Pareto {
        /// Genotypes whose neighbours in the space of objectives are far (Deb, Pratap, Agarwal &
        /// Meyarivan 2002).
        Nsga2 = "nsga2",
        /// Genotypes nearest to evenly spread directions (Deb & Jain 2014), for three objectives
        /// and more.
        Nsga3 = "nsga3",
    }
}

choices! {
    /// How elites produce offspring.
    pub enum Emitter {
        /// Mutation and crossover, as in NEAT.
        Neat = "neat",
        /// Each weight and bias moves by a normal step, and all together move along the line
        /// towards another elite (Vassiliades & Mouret 2018, "Discovering the elite hypervolume by
        /// leveraging interspecies correlation").
        IsoLine = "iso_line",
        /// Weights and biases are drawn from a normal distribution that learns which offspring find
        /// new cells or improve elites (Fontaine and others 2020).
        CmaMe = "cma_me",
        /// As `cma_me`, but each cell has a threshold that rises slowly towards the fitness of
        /// accepted offspring (Fontaine & Nikolaidis 2023).
        CmaMae = "cma_mae",
    }
}

choices! {
    /// How emitters share a generation.
    pub enum EmitterChoice {
        /// All alike.
        Equal = "equal",
        /// More to those that found more elites for each offspring: UCB1, as in Multi-Emitter
        /// MAP-Elites (Cully 2021).
        Bandit = "bandit",
    }
}

choices! {
    /// A number that a Pareto search makes as large as it can.
    pub enum Objective {
        /// The objectives that the task returns, or its fitness if it returns none.
        Task = "task",
        /// The task's fitness.
        Fitness = "fitness",
        /// Few connections.
        Connections = "connections",
        /// Little work of the network in its evaluation: activations times connections.
        Energy = "energy",
        /// Behaviour unlike that of others, as in novelty search.
        Novelty = "novelty",
    }
}

choices! {
    /// How a parent is picked among the genotypes of its species that breed.
    pub enum Selection {
        /// Each with the same probability: `survival` alone selects.
        Truncation = "truncation",
        /// The best of `tournament` random ones.
        Tournament = "tournament",
        /// In proportion to fitness − min(lowest fitness, 0) (Holland 1975).
        Roulette = "roulette",
        /// In proportion to the rank, counted from the last: the best of n is n times as likely as
        /// the last (Baker 1985).
        Rank = "rank",
        /// As roulette, but with one spin for all parents of a species, so that the count of each
        /// parent is its expected count, rounded up or down (Baker 1987: stochastic universal
        /// sampling).
        Sus = "sus",
        /// The best in the first case, among equals the best in the second case, and so on, with
        /// the cases in random order (Helmuth, Spector & Matheson 2015); by fitness if the task has
        /// no cases.
        Lexicase = "lexicase",
        /// As lexicase, but genotypes within the median absolute deviation of the best in a case
        /// count as equal, for results that are numbers (La Cava, Spector & Danai 2016).
        EpsilonLexicase = "epsilon_lexicase",
    }
}

choices! {
    /// How `perturb_weights` moves a weight.
    pub enum Perturbation {
        /// By a normal step.
        Normal = "normal",
        /// By a polynomial step, within plus and minus `weight_limit` (Deb & Goyal 1996).
        Polynomial = "polynomial",
    }
}

choices! {
    /// How weights are tuned.
    pub enum Tuner {
        /// No tuning.
        None = "none",
        /// Random hill climbing, as DXNN does it.
        HillClimbing = "hill_climbing",
        /// [`CmaEs`](Tuner::CmaEs) with the whole covariance matrix, for up to 500 weights; for
        /// more, the same as `sep_cma_es`.
        CmaEs = "cma_es",
        /// [`CmaEs`](Tuner::CmaEs) with only the diagonal, for hundreds of weights and more.
        SepCmaEs = "sep_cma_es",
        /// Gradient steps by Adam, for tasks that are datasets.
        Adam = "adam",
        /// Gradient steps by L-BFGS, over all rows, for tasks that are datasets.
        Lbfgs = "lbfgs",
    }
}

choices! {
    /// What happens to tuned weights.
    pub enum Inheritance {
        /// The genotype keeps the tuned weights.
        Lamarckian = "lamarckian",
        /// The genotype keeps its own weights, but gets the fitness of the tuned weights (Hinton &
        /// Nowlan 1987).
        Baldwinian = "baldwinian",
    }
}

choices! {
    /// Which nodes' weights a step of hill climbing changes. A node's weights are the weights of
    /// its incoming connections, and its bias. Its age is the number of generations since its own
    /// genes, or the set of its incoming connections, last changed.
    pub enum TuningSelection {
        /// Nodes younger than √(1/u) generations, where u is uniform in 0 … 1 and drawn at every
        /// step: nodes of age 1 are always chosen, nodes of age a from 2 on with probability 1/a².
        Dynamic = "dynamic",
        /// Each of the nodes of `dynamic` with probability 1/√(their number).
        DynamicRandom = "dynamic_random",
        /// Nodes not older than three generations.
        Active = "active",
        /// Each of the nodes of `active` with probability 1/√(their number).
        ActiveRandom = "active_random",
        /// Nodes that changed in the last generation.
        Current = "current",
        /// Each of the nodes of `current` with probability 1/√(their number).
        CurrentRandom = "current_random",
        /// All nodes.
        All = "all",
        /// Each node with probability 1/√(their number).
        AllRandom = "all_random",
    }
}

impl Tuner {
    /// Whether it needs a task with gradients.
    pub fn is_by_gradient(self) -> bool {
        matches!(self, Tuner::Adam | Tuner::Lbfgs)
    }
}
