"""Cambrian's strategies beside references in Python, on the functions of the literature, in the same run.

`python3 bench/strategies.py [FUNCTION | STRATEGY ...]`, which `bin/bench strategies` calls once `strategies.rs` is built,
prints a table for each strategy. CMA-ES and sep-CMA-ES are beside pycma, DE/rand/1/bin beside SciPy. The others are beside
plain loops in NumPy in this file, written from the papers and not from our code.

Runs differ in the optimum, uniform in [-2, 2]^n, and in the start, uniform in [-4, 4]^n. Settings are the same on both
sides: lambda = 4 + floor(3 ln n) and a first step of 2 for CMA-ES; otherwise those in `STRATEGIES`. An error of 1e-6 or
less ends a run, because our vectors are of 32-bit numbers.
"""
import math
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

try:
    import cma
    import numpy as np
    import scipy
    from scipy import optimize, stats
except ImportError as error:
    sys.exit(f"strategies: {error}; they are beside pycma and SciPy: pip install cma scipy")

PROGRAM = Path(__file__).resolve().parent.parent / "target" / "release" / "strategies"
RUNS = int(os.environ.get("SEEDS", "51"))
TARGET = 1e-6
STEP = 2.0


def rosenbrock(z):
    z = z + 1
    return (100 * (z[..., :-1] ** 2 - z[..., 1:]) ** 2 + (z[..., :-1] - 1) ** 2).sum(-1)


FUNCTIONS = {  # of x - optimum, over the last axis
    "sphere": lambda z: (z**2).sum(-1),
    "ellipsoid": lambda z: (1e6 ** np.linspace(0, 1, z.shape[-1]) * z**2).sum(-1),
    "rosenbrock": rosenbrock,
    "rastrigin": lambda z: (10 + z**2 - 10 * np.cos(2 * np.pi * z)).sum(-1),
}


class Done(Exception):
    """The error is small enough, or there are no evaluations left."""


class Counted:
    """An objective that counts, and ends the run by an exception at the end of a batch."""

    def __init__(self, function, optimum, most):
        self.function, self.optimum, self.most = function, optimum, most
        self.evaluations, self.hit, self.least = 0, 0, math.inf

    def __call__(self, points):
        errors = self.function(points - self.optimum)
        small = np.flatnonzero(errors <= TARGET)
        if len(small) and not self.hit:
            self.hit = self.evaluations + int(small[0]) + 1
        self.evaluations += len(errors)
        self.least = min(self.least, float(errors.min()))
        if self.hit or self.evaluations >= self.most:
            raise Done
        return errors


# ---- references ---------------------------------------------------------------------------------


def pycma(objective, start, rng, diagonal):
    options = {"verbose": -9, "CMA_diagonal": diagonal, "seed": int(rng.integers(1, 2**31))}
    strategy = cma.CMAEvolutionStrategy(start, STEP, options)
    while strategy.countiter % 100 or not {"tolx", "tolfun"} & set(strategy.stop()):  # then it rests in a local minimum
        points = np.array(strategy.ask())
        strategy.tell(points, objective(points))
    raise Done


def around(start, count, rng):
    points = start + STEP * rng.standard_normal((count, len(start)))
    points[0] = start
    return points


def scipy_de(objective, start, rng, population, weight, crossover):
    optimize.differential_evolution(
        lambda columns: objective(columns.T), [(-1e4, 1e4)] * len(start), strategy="rand1bin", init=around(start, population, rng),
        mutation=weight, recombination=crossover, maxiter=10**9, tol=0, atol=0, polish=False, updating="deferred",
        vectorized=True, rng=rng)


def salimans(objective, start, rng, population, sigma, rate):
    """OpenAI-ES with Adam and centred ranks (Salimans et al. 2017, algorithm 2 and section 2.1)."""
    mean, m, v = start.copy(), np.zeros(len(start)), np.zeros(len(start))
    for t in range(1, 10**9):
        noise = rng.standard_normal((population // 2, len(start)))
        points = np.empty((population, len(start)))
        points[0::2], points[1::2] = mean + sigma * noise, mean - sigma * noise
        ranks = stats.rankdata(-objective(points)) - 1
        ranks = ranks / (population - 1) - 0.5
        gradient = ((ranks[0::2] - ranks[1::2])[:, None] * noise).sum(0) / (population * sigma)
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        mean = mean + rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)


def swarm(objective, start, rng, population):
    """Bratton & Kennedy 2007: a ring, constricted, from rest."""
    x = around(start, population, rng)
    v, best, error = np.zeros_like(x), x.copy(), objective(x)
    while True:
        rows = np.arange(population)
        near = np.stack([rows, rows - 1, (rows + 1) % population])
        near = near[np.argmin(error[near], 0), rows]
        own, shared = rng.random(x.shape), rng.random(x.shape)
        v = 0.72984 * (v + 2.05 * own * (best - x) + 2.05 * shared * (best[near] - x))
        x = x + v
        errors = objective(x)
        better = errors < error
        best[better], error[better] = x[better], errors[better]


def l_shade(objective, start, rng, population):
    """Tanabe & Fukunaga 2014, algorithms 1 to 3, with the settings of its table I."""
    n, x = len(start), around(start, population, rng)
    error, archive = objective(x), np.empty((0, len(start)))
    memory_f, memory_cr, oldest = np.full(6, 0.5), np.full(6, 0.5), 0
    while True:
        count = len(x)
        slot = rng.integers(6, size=count)
        cr = np.where(np.isnan(memory_cr[slot]), 0, np.clip(rng.normal(np.nan_to_num(memory_cr[slot]), 0.1), 0, 1))
        f = np.zeros(count)
        while (f <= 0).any():
            again = f <= 0
            f[again] = memory_f[slot][again] + 0.1 * rng.standard_cauchy(again.sum())
        f = np.minimum(f, 1)[:, None]
        p_best = x[np.argsort(error, kind="stable")[rng.integers(max(2, round(0.11 * count)), size=count)]]
        both = np.concatenate([x, archive])
        r1 = (np.arange(count) + rng.integers(1, count, size=count)) % count
        r2 = rng.integers(len(both), size=count)
        while (clash := (r2 == r1) | (r2 == np.arange(count))).any():
            r2[clash] = rng.integers(len(both), size=clash.sum())
        donor = x + f * (p_best - x) + f * (x[r1] - both[r2])
        mask = rng.random(x.shape) < cr[:, None]
        mask[np.arange(count), rng.integers(n, size=count)] = True
        trial = np.where(mask, donor, x)
        errors = objective(trial)
        better = errors < error
        archive = np.concatenate([archive, x[better]])
        if better.any():
            gain, f_s, cr_s = (error - errors)[better], f[better, 0], cr[better]
            memory_f[oldest] = (gain * f_s**2).sum() / (gain * f_s).sum()
            zero = np.isnan(memory_cr[oldest]) or cr_s.max() == 0
            memory_cr[oldest] = np.nan if zero else (gain * cr_s**2).sum() / (gain * cr_s).sum()
            oldest = (oldest + 1) % 6
        accepted = errors <= error
        x[accepted], error[accepted] = trial[accepted], errors[accepted]
        left = round((4 - population) * objective.evaluations / objective.most + population)
        kept = np.sort(np.argsort(error, kind="stable")[:left])
        x, error = x[kept], error[kept]
        archive = archive[rng.permutation(len(archive))[: round(2.6 * left)]]


# ---- both sides ---------------------------------------------------------------------------------


def full(n, _):
    return [f"population={4 + int(3 * math.log(n))}"], lambda *run: pycma(*run, diagonal=False)


def separable(n, _):
    return ["strategy=sep_cma_es", f"population={4 + int(3 * math.log(n))}"], lambda *run: pycma(*run, diagonal=True)


def de(_, __):
    ours = ["strategy=differential_evolution", "population=100", "differential_weight=0.5", "differential_crossover=0.9"]
    return ours, lambda *run: scipy_de(*run, population=100, weight=0.5, crossover=0.9)


def open_ai_es(_, __):
    ours = ["strategy=open_ai_es", "population=40", "strategy_step=0.1", "strategy_rate=0.02"]
    return ours, lambda *run: salimans(*run, population=40, sigma=0.1, rate=0.02)


def shrinking(n, most):
    ours = ["strategy=l_shade", f"population={18 * n}", f"strategy_budget={most}"]
    return ours, lambda *run: l_shade(*run, population=18 * n)


def particles(_, __):
    return ["strategy=particle_swarm", "population=50"], lambda *run: swarm(*run, population=50)


STRATEGIES = {  # the reference's name, what both sides have, and where medians are compared
    "cma_es": ("pycma", full, ("sphere", "ellipsoid", "rosenbrock")),
    "sep_cma_es": ("pycma, CMA_diagonal", separable, ("sphere", "ellipsoid", "rosenbrock")),
    "differential_evolution": ("SciPy, rand1bin", de, ("sphere", "ellipsoid", "rosenbrock")),
    "open_ai_es": ("NumPy", open_ai_es, ()),
    "l_shade": ("NumPy", shrinking, ()),
    "particle_swarm": ("NumPy", particles, ()),
}


def ours(function, n, most, settings):
    """Evaluations and least error of each run."""
    arguments = [PROGRAM, function, n, RUNS, most, *settings]
    if not any(one.startswith("strategy_step") for one in settings):
        arguments.append(f"strategy_step={STEP:g}")
    done = subprocess.run(list(map(str, arguments)), text=True, capture_output=True)
    if done.returncode:
        sys.exit(done.stderr)
    lines = (line.split(",") for line in done.stdout.splitlines()[1:])
    return [(int(hit), float(least)) for _, hit, least in lines]


def theirs(function, n, most, reference):
    found = []
    for seed in range(1, RUNS + 1):
        rng = np.random.default_rng(seed)
        objective = Counted(FUNCTIONS[function], rng.uniform(-2, 2, n), most)
        try:
            reference(objective, rng.uniform(-4, 4, n), rng)
        except Done:
            found.append((objective.hit, objective.least))
    return found


def evaluations(runs):
    """The median to the target; a run without it took longer than all others."""
    return statistics.median(hit or math.inf for hit, _ in runs)


def errors(runs):
    return [max(least, TARGET) for _, least in runs]


def row(function, n, strategy):
    _, both, by_median = STRATEGIES[strategy]
    # some functions take a strategy longer than 10^4 n, but medians need runs that end
    most = (2 if function in by_median else 1) * 10**4 * n
    settings, reference = both(n, most)
    own, other = ours(function, n, most, settings), theirs(function, n, most, reference)
    worse = stats.mannwhitneyu(errors(own), errors(other), alternative="greater").pvalue
    medians = [evaluations(own), evaluations(other)]
    ratio = f"{medians[0] / medians[1]:.2f}" if all(map(math.isfinite, medians)) else ""
    shown = [f"{median:,.0f}" if math.isfinite(median) else "" for median in medians]
    reached = [f"{sum(hit > 0 for hit, _ in runs)}" for runs in (own, other)]
    least = [f"{statistics.median(errors(runs)):.3g}" for runs in (own, other)]
    return [function, n, *shown, ratio, *reached, *least, f"{worse:.2f}"]


def table(strategy, functions, sizes=(10, 40)):
    name = STRATEGIES[strategy][0]
    head = ["", "n", "evaluations", f"{name}", "ratio", "reached", f"{name}", "least error", f"{name}", "p(worse)"]
    print(f"## {strategy} beside {name}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}", flush=True)
    for function in functions:
        for n in sizes:
            print(f"| {' | '.join(map(str, row(function, n, strategy)))} |", flush=True)
    print(flush=True)


wanted = sys.argv[1:]
unknown = [name for name in wanted if name not in STRATEGIES and name not in FUNCTIONS]
if unknown:
    sys.exit(f"strategies: {unknown[0]}: expected functions or strategies, which are {', '.join([*FUNCTIONS, *STRATEGIES])}")
print(f"{platform.machine()}, {os.cpu_count()} cores; {RUNS} runs; pycma {cma.__version__}, SciPy {scipy.__version__}, "
      f"NumPy {np.__version__}.\n")
for strategy in [name for name in STRATEGIES if name in wanted] or STRATEGIES:
    table(strategy, [name for name in FUNCTIONS if name in wanted] or FUNCTIONS)
