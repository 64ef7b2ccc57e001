"""Networks of neat-python, evolved and random, as the JSON that it writes, with what they compute.

networks.py DIRECTORY: NAME.json, and NAME.rows: a line for each activation, its inputs and then its outputs.
"""

import copy
import os
import random
import sys
import warnings

import neat
from neat.export import export_network_json

ACTIVATIONS = "sigmoid tanh sin gauss relu elu selu softplus identity clamped log exp abs hat square"
AGGREGATIONS = "sum product mean max min median maxabs"

CONFIG = """
[NEAT]
fitness_criterion = max
fitness_threshold = 3.9
pop_size = 150
reset_on_extinction = False
no_fitness_termination = False

[DefaultSpeciesSet]
compatibility_threshold = 3.0

[DefaultStagnation]
species_fitness_func = max
max_stagnation = 20
species_elitism = 2

[DefaultReproduction]
elitism = 2
survival_threshold = 0.2
min_species_size = 2

[DefaultGenome]
num_inputs = 2
num_hidden = 0
num_outputs = {outputs}
feed_forward = {feed_forward}
initial_connection = {connection}
activation_default = {activation}
activation_options = {activations}
activation_mutate_rate = 0.3
aggregation_default = sum
aggregation_options = {aggregations}
aggregation_mutate_rate = {aggregation_rate}
bias_init_mean = 0.0
bias_init_stdev = 1.0
bias_init_type = gaussian
bias_max_value = {limit}
bias_min_value = -{limit}
bias_mutate_power = 0.5
bias_mutate_rate = 0.7
bias_replace_rate = 0.1
response_init_mean = 1.0
response_init_stdev = {response}
response_init_type = gaussian
response_max_value = 2.0
response_min_value = -2.0
response_mutate_power = {response}
response_mutate_rate = {response}
response_replace_rate = 0.0
time_constant_init_mean = 1.0
time_constant_init_stdev = 0.0
time_constant_init_type = gaussian
time_constant_max_value = 10.0
time_constant_min_value = 0.01
time_constant_mutate_power = 0.0
time_constant_mutate_rate = 0.0
time_constant_replace_rate = 0.0
weight_init_mean = 0.0
weight_init_stdev = 1.0
weight_init_type = gaussian
weight_max_value = {limit}
weight_min_value = -{limit}
weight_mutate_power = 0.5
weight_mutate_rate = 0.8
weight_replace_rate = 0.1
enabled_default = True
enabled_mutate_rate = 0.05
enabled_rate_to_true_add = 0.0
enabled_rate_to_false_add = 0.0
conn_add_prob = 0.7
conn_delete_prob = 0.2
node_add_prob = 0.5
node_delete_prob = 0.1
single_structural_mutation = False
structural_mutation_surer = False
compatibility_disjoint_coefficient = 1.0
compatibility_weight_coefficient = 0.5
"""


def config(directory, **settings):
    defaults = dict(outputs=1, feed_forward=True, connection="full", activation="sigmoid", activations="sigmoid",
                    aggregations="sum", aggregation_rate=0.0, limit=30.0, response=0.0)
    path = os.path.join(directory, "config")
    with open(path, "w") as file:
        file.write(CONFIG.format(**{**defaults, **settings}))
    return neat.Config(neat.DefaultGenome, neat.DefaultReproduction, neat.DefaultSpeciesSet, neat.DefaultStagnation, path)


def write(directory, name, make, steps):
    """Of a network made anew, as a recurrent one has a memory."""
    export_network_json(make(), filepath=os.path.join(directory, name + ".json"))
    network = make()
    with open(os.path.join(directory, name + ".rows"), "w") as rows:
        for inputs in steps:
            rows.write(" ".join(repr(float(x)) for x in [*inputs, *network.activate(inputs)]) + "\n")


def random_steps(count):
    return [[random.uniform(-2, 2), random.uniform(-2, 2)] for _ in range(count)]


def evolved(directory, seed):
    """XOR by neat-python's own evolution."""
    random.seed(seed)
    settings = config(directory)
    cases = [([a, b], a ^ b) for a in (0, 1) for b in (0, 1)]

    def evaluate(genomes, settings):
        for _, genome in genomes:
            network = neat.nn.FeedForwardNetwork.create(genome, settings)
            genome.fitness = 4 - sum((network.activate(inputs)[0] - wanted) ** 2 for inputs, wanted in cases)

    winner = neat.Population(settings).run(evaluate, 60)
    steps = [inputs for inputs, _ in cases] + random_steps(20)
    write(directory, "evolved_xor", lambda: neat.nn.FeedForwardNetwork.create(winner, settings), steps)
    return winner.fitness


def mutants(directory, kind, count):
    """Random ones, of every activation and aggregation; how many were left out, as their numbers cannot be compared."""
    create = neat.nn.FeedForwardNetwork.create if kind == "feedforward" else neat.nn.RecurrentNetwork.create
    settings = config(directory, outputs=2, feed_forward=kind == "feedforward", connection="partial_direct 0.6",
                      activation="random", activations=ACTIVATIONS, aggregations=AGGREGATIONS, aggregation_rate=0.3,
                      limit=3.0, response=0.3)
    written = seed = 0
    while written < count:
        seed += 1
        random.seed(f"{kind} {seed}")
        genome = neat.DefaultGenome(0)
        settings.genome_config.innovation_tracker = neat.innovation.InnovationTracker()
        genome.configure_new(settings.genome_config)
        for _ in range(random.randrange(30)):
            genome.mutate(settings.genome_config)
        steps = random_steps(20)
        if is_steady(lambda genome: create(genome, settings), genome, steps):
            write(directory, f"{kind}_{written:03}", lambda: create(genome, settings), steps)
            written += 1
    return seed - count


def is_steady(create, genome, steps):
    """Whether it computes numbers, and about the same ones with weights that are off by as much as f32 are."""
    nudged = copy.deepcopy(genome)
    for gene in [*nudged.connections.values()]:
        gene.weight *= 1 + random.choice([-1e-7, 1e-7])
    for gene in nudged.nodes.values():
        gene.bias += random.choice([-1e-7, 1e-7])
    network, other = create(genome), create(nudged)
    try:
        pairs = [pair for step in steps for pair in zip(network.activate(step), other.activate(step))]
    except (OverflowError, KeyError):
        return False
    return all(abs(y) < 1e3 and abs(y - z) < 2e-6 * max(1, abs(y)) for y, z in pairs)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    directory = sys.argv[1]
    os.makedirs(directory)
    fitness = evolved(directory, 3)
    left_out = mutants(directory, "feedforward", 150) + mutants(directory, "recurrent", 150)
    print(f"neat-python {neat.__version__}: XOR to fitness {fitness:.2f}, 300 random networks; "
          f"left out, as rounding decides what they compute: {left_out}")
