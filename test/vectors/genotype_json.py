#!/usr/bin/env python3
"""Genotypes as JSON, by Python's own json and docs/export.md.

genotype_json.py DIR: every N.json there is the genotype of N.bytes; it is written anew as N.theirs.json.
"""

import glob
import json
import os
import sys

import cambrian


def read(text):
    document = json.loads(text)
    assert document["schema"] == 2
    inputs, outputs, nodes = document["inputs"], document["outputs"], document["nodes"]
    places = sorted((int(node["layer"], 16), int(node["id"], 16)) for node in nodes)
    at = {node: index for index, (_, node) in enumerate(places)}
    genes = {int(node["id"], 16): node for node in nodes}
    for node in nodes:
        if node["kind"] != "hidden":
            named = cambrian.input_id if node["kind"] == "input" else cambrian.output_id
            assert int(node["id"], 16) == named(node["index"])
    links = []
    for connection in document["connections"]:
        ends = int(connection["from"], 16), int(connection["to"], 16)
        assert int(connection["id"], 16) == cambrian.connection_id(*ends)
        links.append((int(connection["id"], 16), ends, connection["weight"], connection["enabled"]))
    links.sort()
    return cambrian.Genotype(
        inputs,
        outputs,
        [(layer, node) for layer, node in places if 0 < layer < cambrian.TOP],
        [neuron(genes[node]) for layer, node in places if layer > 0],
        [(at[a], at[b]) for _, (a, b), _, _ in links],
        [weight for _, _, weight, _ in links],
        [enabled for _, _, _, enabled in links],
    )


def neuron(node):
    return tuple(names.index(node[gene]) if kind == "B" else node[gene] for gene, kind, _, names in cambrian.GENES)


def write(g):
    """The shortest there is: without what may lack."""
    computing = {node: neuron for (layer, node), neuron in zip([place for place in g.places() if place[0]], g.neurons)}
    nodes = []
    for layer, node in g.places():
        genes = {"id": f"{node:016x}", "layer": f"{layer:016x}"}
        for value, (gene, kind, usual, names) in zip(computing.get(node, ()), cambrian.GENES):
            if value != usual:
                genes[gene] = names[value] if kind == "B" else value
        nodes.append(genes)
    connections = [
        {"from": f"{a:016x}", "to": f"{b:016x}", "weight": weight, "enabled": enabled}
        for ((_, a), (_, b)), weight, enabled in zip(g.links(), g.weights, g.enabled)
    ]
    document = {"nodes": nodes, "connections": connections[::-1], "outputs": g.outputs, "inputs": g.inputs, "schema": 2}
    return json.dumps(document, indent=1)


def main(directory):
    paths = glob.glob(os.path.join(directory, "*.bytes"))
    assert paths
    for path in paths:
        stem = path[: -len(".bytes")]
        with open(path, "rb") as file:
            data = file.read()
        with open(stem + ".json") as file:
            genotype = read(file.read())
        assert cambrian.encode(genotype) == data, stem
        with open(stem + ".theirs.json", "w") as file:
            file.write(write(cambrian.decode(data)))
    print(f"{len(paths)} genotypes as JSON: read, the same")


if __name__ == "__main__":
    main(sys.argv[1])
