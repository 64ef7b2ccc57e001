//! Settings that are one of a few named ways.

use crate::base::choice::choices;

choices! {
    /// What selection compares.
    pub enum Search {
        /// Fitness (Stanley & Miikkulainen 2002).
        Neat = "neat",
        /// How unlike a behaviour is those of the others and of earlier generations: the mean
        /// distance from the nearest (Lehman & Stanley 2011).
        Novelty = "novelty",
        /// How unlike a behaviour is those of fitter ones: the mean distance from the nearest
        /// (Bahlous-Boldi and others 2025).
        DominatedNovelty = "dominated_novelty",
        /// Fitness within each cell of a box of behaviours: MAP-Elites (Mouret & Clune 2015).
        MapElites = "map_elites",
        /// Several objectives side by side: who is dominated by nobody comes first.
        Pareto = "pareto",
    }
}

choices! {
    /// How a box of behaviours is divided into cells.
    pub enum Partition {
        /// Along each dimension into equally many places.
        Grid = "grid",
        /// Around points that are evenly apart: a centroidal Voronoi tessellation (Vassiliades,
        /// Chatzilygeroudis & Mouret 2018), for three dimensions and more.
        Cvt = "cvt",
    }
}

choices! {
    /// Which of the undominated survive.
    pub enum Pareto {
        /// Those whose neighbours in the space of objectives are far (Deb, Pratap, Agarwal &
        /// Meyarivan 2002).
        Nsga2 = "nsga2",
        /// Those nearest to directions that are spread evenly (Deb & Jain 2014), for three
        /// objectives and more.
        Nsga3 = "nsga3",
    }
}

choices! {
    /// What makes offspring of elites.
    pub enum Emitter {
        /// Mutation and crossover, as in NEAT.
        Neat = "neat",
        /// Weights and biases move by a normal step each, and all together along the line towards
        /// another elite (Vassiliades & Mouret 2018, "Discovering the elite hypervolume by
        /// leveraging interspecies correlation").
        IsoLine = "iso_line",
        /// Weights and biases are drawn from a normal distribution that learns what finds new
        /// cells, or else improves elites (Fontaine and others 2020).
        CmaMe = "cma_me",
        /// The same, where each cell has a threshold that rises slowly towards the fitness of what
        /// enters (Fontaine & Nikolaidis 2023).
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
        /// Those that the task gives, or its fitness if it gives none.
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
    /// How a parent is picked among those of its species that breed.
    pub enum Selection {
        /// Any, all alike: what `survival` leaves is the choice.
        Truncation = "truncation",
        /// The best of `tournament` random ones.
        Tournament = "tournament",
        /// In proportion to fitness above the lowest of all, or above 0 if that is lower (Holland
        /// 1975).
        Roulette = "roulette",
        /// In proportion to the place from behind: the best of n is n times as likely as the last
        /// (Baker 1985).
        Rank = "rank",
        /// As roulette, but with one spin for all of a species' parents, so that each is picked as
        /// often as it should be to within one (Baker 1987: stochastic universal sampling).
        Sus = "sus",
        /// The best in the first case, among equals in the second, and so on, the cases in random
        /// order (Helmuth, Spector & Matheson 2015); by fitness where a task has no cases.
        Lexicase = "lexicase",
        /// As lexicase, but all within a case's median absolute deviation of the best there count
        /// as equals, for results that are numbers (La Cava, Spector & Danai 2016).
        EpsilonLexicase = "epsilon_lexicase",
    }
}

choices! {
    /// How `perturb_weights` moves a weight.
    pub enum Perturbation {
        /// By a normal step.
        Normal = "normal",
        /// By a polynomial one, within plus and minus `weight_limit` (Deb & Goyal 1996).
        Polynomial = "polynomial",
    }
}

choices! {
    /// How weights are tuned.
    pub enum Tuner {
        /// Not at all.
        None = "none",
        /// Random hill climbing, as DXNN does it.
        HillClimbing = "hill_climbing",
        /// [`CmaEs`](Tuner::CmaEs) with the whole covariance matrix, of up to 500 weights; of more,
        /// as `sep_cma_es`.
        CmaEs = "cma_es",
        /// [`CmaEs`](Tuner::CmaEs) with the diagonal alone, for hundreds of weights and more.
        SepCmaEs = "sep_cma_es",
    }
}

choices! {
    /// What becomes of tuned weights.
    pub enum Inheritance {
        /// They are the genotype's from then on.
        Lamarckian = "lamarckian",
        /// The genotype keeps its own weights, but has the fitness of the tuned ones (Hinton &
        /// Nowlan 1987).
        Baldwinian = "baldwinian",
    }
}

choices! {
    /// Which nodes' weights a step of hill climbing changes; a node's weights are those of its
    /// incoming connections, and its bias. Its age is the number of generations since its own
    /// genes, or which connections lead into it, last changed.
    pub enum TuningSelection {
        /// Those younger than √(1/u) generations, u being uniform in 0 … 1 and drawn at every step:
        /// age 1 is still chosen always, age 2 or more with probability 1/age².
        Dynamic = "dynamic",
        /// Each of those with probability 1/√(how many they are).
        DynamicRandom = "dynamic_random",
        /// Those not older than three generations.
        Active = "active",
        /// Each of those with probability 1/√(how many they are).
        ActiveRandom = "active_random",
        /// Those that changed in the last generation.
        Current = "current",
        /// Each of those with probability 1/√(how many they are).
        CurrentRandom = "current_random",
        /// All.
        All = "all",
        /// Each with probability 1/√(how many they are).
        AllRandom = "all_random",
    }
}
