"""Cambrian beside libraries in Python, in the same run: quality diversity and fronts.

`python3 bench/peers.py PART ...`, which `bin/bench peers` calls once our programs are built, prints tables of CPU time
and of what was found. All is CPU time of a process, so that other load of the machine counts little. Both sides get the
same points to sort, and one judge (moocore) scores all fronts. A peer that is not installed is skipped by name.
"""
import functools
import importlib
import importlib.metadata
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(threads, "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

PROGRAMS = Path(__file__).resolve().parent.parent / "target" / "release"
SEEDS = int(os.environ.get("SEEDS", "5"))
ROUNDS = int(os.environ.get("ROUNDS", "5"))
POINTS_SEED = 1
DIRECTIONS = 12  # divisions of Das and Dennis: 91 directions of three objectives


@functools.cache
def module(name):
    """A library, or None, which the reader is told once."""
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"skipped: no {name}\n")
        return None




def ours(program, *arguments):
    """The lines after the head that one of our programs prints; None where a peer was not built into it."""
    done = subprocess.run([PROGRAMS / program, *map(str, arguments)], text=True, capture_output=True)
    if done.returncode == 0:
        return [line.split(",") for line in done.stdout.splitlines()[1:]]
    if "was not built in" in done.stderr:
        return None
    sys.exit(done.stderr)


def timed(work):
    """The CPU seconds of a piece of work in this process, and what it gives."""
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def table(title, head, rows):
    print(f"## {title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")
    print(flush=True)


def versions():
    known = {row.metadata["Name"].lower(): row.version for row in importlib.metadata.distributions()}
    peers = ("ribs", "qdax", "jax", "kheperax", "pymoo", "moocore", "pygmo")
    return ", ".join(f"{name} {known.get(name, 'absent')}" for name in peers)


# ---- fronts -------------------------------------------------------------------------------------


def sorters():
    """How each peer sorts: points, of which less is better, to the front of each."""
    numpy = module("numpy")
    if numpy and module("moocore"):
        yield "moocore", module("moocore").pareto_rank
    if numpy and module("pymoo"):
        sorting = importlib.import_module("pymoo.util.nds.non_dominated_sorting").NonDominatedSorting()
        yield "pymoo", lambda points: sorting.do(points, return_rank=True)[1]
    if numpy and module("pygmo"):
        yield "pygmo", lambda points: module("pygmo").fast_non_dominated_sorting(points)[3]


def sort():
    """Rounds of turns; what the others take is compared with ours of the same round."""
    peers, rows = list(sorters()), []
    for width in (2, 3, 5, 10):
        with tempfile.TemporaryDirectory() as folder:
            count = ours("fronts", "sort", POINTS_SEED, width, folder)[0][0]
            if peers:
                numpy = module("numpy")
                points = -numpy.fromfile(f"{folder}/points", "<f8").reshape(-1, width)
                ranks = numpy.fromfile(f"{folder}/ranks", "<u4")
        took = {name: [] for name in ["cambrian", *(name for name, _ in peers)]}
        for nth in range(ROUNDS):
            took["cambrian"].append(float(ours("fronts", "sort", POINTS_SEED, width)[0][1]))
            for name, rank in peers:
                if name == "pygmo" and nth:
                    continue  # seconds a time
                seconds, found = timed(lambda: rank(points))
                took[name].append(1000 * seconds)
                if not (numpy.asarray(found) == ranks).all():
                    sys.exit(f"{name} sorts {width} objectives into other fronts")
        for name, ms in took.items():
            ratio = statistics.median(one / own for one, own in zip(ms, took["cambrian"]))
            rows.append([width, count, name, f"{statistics.median(ms):.1f}", f"{ratio:.1f}"])
    table(f"Non-dominated sorting of 10,000 points uniform in the unit cube, seed {POINTS_SEED}",
          ["objectives", "fronts", "", "ms", "times ours"], rows)


def searched(*arguments):
    """A search by one of our programs: CPU seconds and its front."""
    lines = ours("fronts", *arguments)
    return lines and (float(lines[0][1]), [[float(x) for x in line] for line in lines[1:]])


def of_pymoo(problem, algorithm, seed, generations):
    minimize = importlib.import_module("pymoo.optimize").minimize
    seconds, found = timed(lambda: minimize(problem, algorithm, ("n_gen", generations), seed=seed))
    return seconds, found.F


def zdt_of_pymoo(name, seed):
    nsga2 = importlib.import_module("pymoo.algorithms.moo.nsga2").NSGA2
    sbx = importlib.import_module("pymoo.operators.crossover.sbx").SBX
    pm = importlib.import_module("pymoo.operators.mutation.pm").PM
    problem = importlib.import_module("pymoo.problems").get_problem(name)
    return of_pymoo(problem, nsga2(pop_size=100, crossover=sbx(eta=15, prob=0.9), mutation=pm(eta=20)), seed, 250)


def zdt_of_pygmo(name, seed):
    pygmo = module("pygmo")
    length = 10 if name == "zdt4" else 30
    problem = pygmo.problem(pygmo.zdt(prob_id=int(name[3:]), param=length))
    nsga2 = pygmo.nsga2(gen=249, cr=0.9, eta_c=15, m=1 / length, eta_m=20, seed=seed)
    run = lambda: pygmo.algorithm(nsga2).evolve(pygmo.population(problem, size=100, seed=seed))
    seconds, population = timed(run)
    points = population.get_f()
    return seconds, points[pygmo.fast_non_dominated_sorting(points)[0][0]]


def spread(values, digits):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def zdt():
    judge, rows = module("moocore"), []
    if not judge:
        return
    searches = {"cambrian": lambda name, seed: searched("find", name, seed, 25_000),
                "genoxide": lambda name, seed: searched("genoxide", name, seed, 25_000)}
    if module("pygmo"):
        searches["pygmo"] = zdt_of_pygmo
    if module("pymoo"):
        searches["pymoo"] = zdt_of_pymoo
    for name in ("zdt1", "zdt2", "zdt3", "zdt4"):
        for peer, search in searches.items():
            found = [search(name, seed) for seed in range(1, SEEDS + 1)]
            if None not in found:
                volumes = [judge.hypervolume(front, ref=[1.1, 1.1]) for _, front in found]
                seconds = statistics.median(seconds for seconds, _ in found)
                rows.append([name, peer, spread(volumes, 4), f"{seconds:.3f}"])
    table("NSGA-II: population 100, 25,000 evaluations, SBX 15 with 0.9, PM 20; "
          f"median of {SEEDS} seeds, lowest and highest",
          ["", "", "hypervolume to (1.1, 1.1)", "CPU s"], rows)


def directions():
    """Of Das and Dennis: all triples of shares."""
    n = DIRECTIONS
    return [[i / n, j / n, (n - i - j) / n] for i in range(n + 1) for j in range(n + 1 - i)]


def dtlz2_of_pymoo(seed):
    nsga3 = importlib.import_module("pymoo.algorithms.moo.nsga3").NSGA3
    problem = importlib.import_module("pymoo.problems").get_problem("dtlz2", n_var=12, n_obj=3)
    ways = module("numpy").array(directions())
    return of_pymoo(problem, nsga3(ref_dirs=ways, pop_size=92), seed, 250)


def dtlz2():
    """Distances are from the points of the sphere in all directions."""
    judge, rows = module("moocore"), []
    if not judge:
        return
    sphere = [[x / math.hypot(*row) for x in row] for row in directions()]
    settings = ["pareto=nsga3", "population=92", "crossover=1.0", "simulated_binary_index=30.0"]
    searches = {"cambrian": lambda seed: searched("find", "dtlz2", seed, 92 * 250, *settings),
                "genoxide": lambda seed: searched("genoxide", "dtlz2", seed, 92 * 250)}
    if module("pymoo"):
        searches["pymoo"] = dtlz2_of_pymoo
    for peer, search in searches.items():
        found = [search(seed) for seed in range(1, SEEDS + 1)]
        if None not in found:
            distances = [1000 * judge.igd(front, ref=sphere) for _, front in found]
            volumes = [judge.hypervolume(front, ref=[1.1] * 3) for _, front in found]
            seconds = statistics.median(seconds for seconds, _ in found)
            rows.append([peer, spread(distances, 2), spread(volumes, 4), f"{seconds:.3f}"])
    table("NSGA-III on DTLZ2: 3 objectives, 91 directions, population 92, 250 generations, SBX 30, PM 20; "
          f"median of {SEEDS} seeds, lowest and highest",
          ["", "IGD, thousandths", "hypervolume to (1.1, 1.1, 1.1)", "CPU s"], rows)


# ---- quality diversity --------------------------------------------------------------------------


def archive_of(task, evaluations, *settings):
    """Of one of our runs: QD score over all cells, coverage in percent, evaluations a CPU-second."""
    _, score, coverage, rate = ours("diversity", task, 1, evaluations, *settings)[0]
    return float(score), float(coverage), float(rate)


def diversity_row(*of, score, coverage, rate):
    return [*of, f"{score:.1f}", f"{coverage:.1f}", f"{rate:,.0f}"]


def sphere_of_pyribs(kind, evaluations):
    """Two generations run first, untimed, because numba compiles what they call."""
    _sphere_of_pyribs(kind, 1080)
    return _sphere_of_pyribs(kind, evaluations)


def _sphere_of_pyribs(kind, evaluations):
    numpy, archives = module("numpy"), importlib.import_module("ribs.archives")
    emitters, schedulers = (importlib.import_module(f"ribs.{name}") for name in ("emitters", "schedulers"))
    n, many, batch, bound, best = 100, 15, 36, 5.12, 2.048
    shape = {"solution_dim": n, "dims": (100, 100), "ranges": [(-n / 2 * bound, n / 2 * bound)] * 2}
    passive = archives.GridArchive(**shape, seed=1)
    annealed = {"learning_rate": 0.01, "threshold_min": 0.0} if kind == "cma_mae" else {}
    archive = archives.GridArchive(**shape, **annealed, seed=1)
    zero = numpy.zeros(n)
    own = {"cma_me": {"ranker": "2imp"},
           "cma_mae": {"ranker": "imp", "selection_rule": "mu", "restart_rule": "basic"}}
    if kind == "iso_line":
        emitter, steps = emitters.IsoLineEmitter, {"iso_sigma": 0.5, "line_sigma": 0.2}
    else:
        emitter, steps = emitters.EvolutionStrategyEmitter, {"sigma0": 0.5, **own[kind]}
    made = [emitter(archive, x0=zero, batch_size=batch, seed=seed, **steps) for seed in range(many)]
    results = {"result_archive": passive} if kind == "cma_mae" else {}
    scheduler = schedulers.Scheduler(archive, made, **results)
    worst = n * (bound + best) ** 2

    def run():
        for _ in range(evaluations // (many * batch)):
            vectors = scheduler.ask()
            fitness = 100 * (1 - ((vectors - best) ** 2).sum(axis=1) / worst)
            clipped = numpy.where(abs(vectors) > bound, bound / numpy.where(vectors == 0, 1, vectors), vectors)
            halves = clipped.reshape(len(vectors), 2, n // 2).sum(axis=2)
            scheduler.tell(fitness, halves)

    seconds, _ = timed(run)
    held = (passive if kind == "cma_mae" else archive).data("objective")
    return {"score": held.sum() / 1e4, "coverage": len(held) / 100, "rate": evaluations / seconds}


def sphere(evaluations=270_000):
    rows = []
    for kind in ("iso_line", "cma_me", "cma_mae"):
        found = archive_of("linear_projection", evaluations, "population=540", f"emitters={kind}")
        rows.append(diversity_row(kind, "cambrian", **dict(zip(("score", "coverage", "rate"), found))))
        if module("numpy") and module("ribs"):
            rows.append(diversity_row(kind, "pyribs", **sphere_of_pyribs(kind, evaluations)))
    table("Linear projection of 100 numbers, sphere: 100 × 100 cells, "
          f"{evaluations:,} evaluations, 540 in a generation",
          ["", "", "QD score, mean of all cells", "coverage, %", "evaluations a CPU-second"], rows)


def of_qdax(scoring, first, places, bounds, steps, evaluations):
    """Coverage, and evaluations a CPU-second. The first two generations, in which JAX compiles, are not timed."""
    jax = module("jax")
    elites = importlib.import_module("qdax.core.map_elites").MAPElites
    repertoires = importlib.import_module("qdax.core.containers.mapelites_repertoire")
    mixing = importlib.import_module("qdax.core.emitters.standard_emitters").MixingEmitter
    isoline = importlib.import_module("qdax.core.emitters.mutation_operators").isoline_variation
    batch = jax.tree_util.tree_leaves(first)[0].shape[0]
    iterations = evaluations // batch - 2
    vary = functools.partial(isoline, **steps)
    emitter = mixing(mutation_fn=None, variation_fn=vary, variation_percentage=1.0, batch_size=batch)
    search = elites(scoring_function=scoring, emitter=emitter, metrics_function=lambda _: {})
    centroids = repertoires.compute_euclidean_centroids((places, places), *bounds)
    key = jax.random.PRNGKey(1)
    repertoire, state, _ = search.init(first, centroids, key)
    update = jax.jit(search.update)
    repertoire, state, _ = jax.block_until_ready(update(repertoire, state, key))

    def run():
        found = repertoire, state
        for nth in range(iterations):
            found = update(*found, jax.random.PRNGKey(nth + 2))[:2]
        return jax.block_until_ready(found[0])

    seconds, repertoire = timed(run)
    held = repertoire.fitnesses[repertoire.fitnesses > -math.inf]
    return {"coverage": 100 * len(held) / places**2, "rate": batch * iterations / seconds}


def arm(evaluations=102_400):
    found = archive_of("arm", evaluations, "population=2048")
    rows = [["cambrian", f"{found[1]:.1f}", f"{found[2]:,.0f}"]]
    if module("jax") and module("qdax"):
        scoring = importlib.import_module("qdax.tasks.arm").arm_scoring_function
        jax = module("jax")
        # an angle of 0.5 is straight; a step of 0.1 radians is a share of a whole turn
        first = jax.numpy.full((2048, 100), 0.5)
        steps = {"iso_sigma": 0.1 / (2 * math.pi), "line_sigma": 0.2, "minval": 0.0, "maxval": 1.0}
        qdax = of_qdax(scoring, first, 100, (0.0, 1.0), steps, evaluations)
        rows.append(["qdax", f"{qdax['coverage']:.1f}", f"{qdax['rate']:,.0f}"])
    table(f"Arm of 100 links: 100 × 100 cells, iso+line, {evaluations:,} evaluations, 2,048 in a generation",
          ["", "coverage, %", "evaluations a CPU-second"], rows)


def policies_of_kheperax(batch):
    """The scoring function of QDax for Kheperax, and a first generation, as in its example of MAP-Elites."""
    jax = module("jax")
    jax.tree_leaves = jax.tree_util.tree_leaves  # Kheperax 0.2 calls what newer versions of JAX no longer have
    config = importlib.import_module("kheperax.tasks.config").KheperaxConfig.get_default()
    config.episode_length = 250
    key = jax.random.PRNGKey(1)
    task = importlib.import_module("kheperax.tasks.main").KheperaxTask
    env, policy, scoring = task.create_default_task(config, random_key=key)
    inputs = jax.numpy.zeros((batch, env.observation_size))
    first = jax.vmap(policy.init)(jax.random.split(key, batch), inputs)
    return lambda genotypes, key: (*scoring(genotypes, key)[:2], {}), first


def kheperax(evaluations=102_400, batch=2048):
    settings = [f"population={batch}", "emitters=iso_line", "iso_step=0.2", "line_step=0.0", "hidden=8"]
    found = archive_of("kheperax", evaluations, *settings)
    rows = [["cambrian", f"{found[1]:.1f}", f"{found[2]:,.0f}"]]
    if module("jax") and module("qdax") and module("kheperax"):
        scoring, first = policies_of_kheperax(batch)
        steps = {"iso_sigma": 0.2, "line_sigma": 0.0}
        qdax = of_qdax(scoring, first, 50, (0.0, 1.0), steps, evaluations)
        rows.append(["qdax", f"{qdax['coverage']:.1f}", f"{qdax['rate']:,.0f}"])
    table("Kheperax: 250 steps, networks of 5-8-2 nodes, 50 × 50 cells, iso 0.2, "
          f"{evaluations:,} evaluations, {batch:,} in a generation",
          ["", "coverage, %", "evaluations a CPU-second"], rows)


PARTS = {part.__name__: part for part in (sort, zdt, dtlz2, sphere, arm, kheperax)}

unknown = [name for name in sys.argv[1:] if name not in PARTS]
if unknown:
    sys.exit(f"peers: {unknown[0]}: expected parts, which are {', '.join(PARTS)}")
print(f"{platform.machine()}, {os.cpu_count()} cores, at first with a load of {os.getloadavg()[0]:.1f}; {versions()}.\n")
for name in sys.argv[1:] or PARTS:
    PARTS[name]()
