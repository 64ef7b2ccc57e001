"""neat-python as a contestant of bench/speed.

The first line is JSON: what to do ("single", "batch", "compile" or "breed"), networks, and rows of inputs or a
threshold. After "ok NAME" every line is a number of repetitions, answered by the seconds that they took. To
"outputs" the answer is "ok" and those of the first network for the first row.

neat-python's tanh is tanh(2.5 x), hence a response of 0.4 at every node. It has no way for many inputs at once.
"""

import json
import random
import sys
import tempfile
import time

try:
    import neat
    from neat.genes import DefaultConnectionGene, DefaultNodeGene
except ImportError:
    print("not installed", flush=True)
    sys.exit()

CONFIG = """
[NEAT]
fitness_criterion = max
fitness_threshold = 2
no_fitness_termination = True
pop_size = {population}
reset_on_extinction = False

[DefaultGenome]
num_inputs = {inputs}
num_hidden = 0
num_outputs = {outputs}
initial_connection = unconnected
feed_forward = True
activation_default = tanh
activation_mutate_rate = 0
activation_options = tanh
aggregation_default = sum
aggregation_mutate_rate = 0
aggregation_options = sum
bias_init_mean = 0
bias_init_stdev = 0
bias_max_value = 30
bias_min_value = -30
bias_mutate_power = 1
bias_mutate_rate = 0.2
bias_replace_rate = 0
response_init_mean = 0.4
response_init_stdev = 0
response_max_value = 30
response_min_value = -30
response_mutate_power = 0
response_mutate_rate = 0
response_replace_rate = 0
weight_init_mean = 0
weight_init_stdev = 1
weight_max_value = 30
weight_min_value = -30
weight_mutate_power = 1
weight_mutate_rate = 0.8
weight_replace_rate = 0.1
enabled_default = True
enabled_mutate_rate = 0
compatibility_disjoint_coefficient = 1
compatibility_weight_coefficient = 1
conn_add_prob = 0.05
conn_delete_prob = 0
node_add_prob = 0.03
node_delete_prob = 0

[DefaultSpeciesSet]
compatibility_threshold = {threshold}

[DefaultStagnation]
species_fitness_func = mean
max_stagnation = 1000000

[DefaultReproduction]
elitism = 1
survival_threshold = 0.2
"""


def configuration(net, population, threshold):
    text = CONFIG.format(population=population, threshold=threshold, **net)
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as file:
        file.write(text)
        file.flush()
        return neat.Config(neat.DefaultGenome, neat.DefaultReproduction, neat.DefaultSpeciesSet,
                           neat.DefaultStagnation, file.name)


def genome(net, key, config):
    """Inputs are -1, -2, ...; outputs 0, 1, ...; hidden nodes follow. An innovation is made of its ends."""
    inputs, hidden, outputs = net["inputs"], net["hidden"], net["outputs"]

    def name(at):
        if at < inputs:
            return -at - 1
        return at - inputs + outputs if at < inputs + hidden else at - inputs - hidden

    made = neat.DefaultGenome(key)
    for at in range(inputs, inputs + hidden + outputs):
        made.nodes[name(at)] = node = DefaultNodeGene(name(at))
        node.init_attributes(config.genome_config)
    for start, end, weight in net["links"]:
        ends = (name(start), name(end))
        made.connections[ends] = gene = DefaultConnectionGene(ends, innovation=start * 1000 + end)
        gene.init_attributes(config.genome_config)
        gene.weight, gene.enabled = weight, True
    return made


def network(net):
    config = configuration(net, 2, 3)
    return neat.nn.FeedForwardNetwork.create(genome(net, 1, config), config)


def activation(work):
    """Every row in turn, through one network after the other ("single") or all through the first ("batch")."""
    networks, rows = [network(net) for net in work["nets"]], work["rows"]
    if work["do"] == "batch":
        return lambda: [networks[0].activate(row) for row in rows]
    return lambda: [net.activate(rows[at % len(rows)]) for at, net in enumerate(networks)]


def compilation(work):
    config = configuration(work["nets"][0], 2, 3)
    made = genome(work["nets"][0], 1, config)
    return lambda: neat.nn.FeedForwardNetwork.create(made, config)


def breeding(work):
    nets = work["nets"]
    config = configuration(nets[0], len(nets), work["threshold"])
    population = neat.Population(config, seed=1)
    population.population = {key: genome(net, key, config) for key, net in enumerate(nets, 1)}
    population.species = config.species_set_type(config.species_set_config, population.reporters)
    population.species.speciate(config, population.population, 0)
    population.reproduction.innovation_tracker.global_counter = 1_000_000

    def fitness(genomes, _config):
        for _, one in genomes:
            one.fitness = random.random()

    return lambda: population.run(fitness, 1)


def main():
    work = json.loads(sys.stdin.readline())
    if work["do"] == "outputs":
        print("ok", *network(work["nets"][0]).activate(work["rows"][0]), flush=True)
        return
    once = {"compile": compilation, "breed": breeding}.get(work["do"], activation)(work)
    print("ok neat-python", neat.__version__, flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            once()
        print(time.perf_counter() - start, flush=True)


main()
