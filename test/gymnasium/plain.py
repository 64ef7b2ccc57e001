"""What a network that Cambrian evolved is worth in plain Gymnasium: no helper, no protocol, no Cambrian.
plain.py CASES: a file of JSON objects, one a line, with environment, seed, episodes, range, and the genes."""
import json
import math
import sys

import gymnasium
import numpy as np

ACTIVATIONS = {"sigmoid": lambda x: 1 / (1 + math.exp(-max(min(x, 80), -80))), "tanh": math.tanh, "sin": math.sin}
AGGREGATIONS = {"sum": sum, "product": math.prod}


def main(cases):
    for line in open(cases):
        case = json.loads(line)
        env = gymnasium.make(case["environment"])
        totals = [episode(env, case, case["seed"] + n) for n in range(case["episodes"])]
        print(json.dumps({"environment": case["environment"], "fitness": sum(totals) / len(totals)}))


def episode(env, case, seed):
    seen, _ = env.reset(seed=seed)
    total, over = 0, False
    while not over:
        seen, reward, terminated, truncated, _ = env.step(action(env, case, outputs(case, scaled(env, seen))))
        total, over = total + reward, terminated or truncated
    return total


def scaled(env, seen):
    low, high = env.observation_space.low.astype(float), env.observation_space.high.astype(float)
    return [2 * (x - a) / (b - a) - 1 if max(-a, b) <= 10 else x for x, a, b in zip(seen.astype(float), low, high)]


def outputs(case, inputs):
    values = {}
    for node in sorted(case["nodes"], key=lambda node: (node["layer"], node["id"])):
        into = [values[c["from"]] * c["weight"] for c in case["connections"] if c["enabled"] and c["to"] == node["id"]]
        if node["kind"] == "input":
            values[node["id"]] = inputs[node["index"]]
        else:
            total = AGGREGATIONS[node["aggregation"]](into) + node["bias"]
            values[node["id"]] = ACTIVATIONS[node["activation"]](total)
    said = {node["index"]: values[node["id"]] for node in case["nodes"] if node["kind"] == "output"}
    return [said[i] for i in sorted(said)]


def action(env, case, said):
    if isinstance(env.action_space, gymnasium.spaces.Discrete):
        return int(np.argmax(said))
    (low, high), box = case["range"], env.action_space
    share = (np.array(said) - low) / (high - low)
    return (box.low + share * (box.high - box.low)).astype(np.float32)


main(sys.argv[1])
