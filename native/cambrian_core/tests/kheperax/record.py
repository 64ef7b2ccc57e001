"""Records robots of Kheperax (0.2.0, from PyPI), for the tests of our own version of its task.

`python3 record.py` writes two files beside itself, of what Kheperax computes in f32 without noise:

- `steps.csv`: episodes of random actions. Each begins anywhere in the maze, so that all walls are seen. A line is
  `left,right:x,y,angle,laser,laser,laser,bumper,bumper`: an action from -1 to 1, and where the robot is and what it
  senses then; an episode begins with a line without an action.
- `networks.csv`: three lines for each random network of 5-8-2 nodes that drives a robot for 250 steps: its numbers as
  Flax has them (weights from one node side by side, then biases, layer by layer), fitness and behaviour, and the place
  after every tenth step.
"""

import dataclasses
import random
from pathlib import Path

import jax
import numpy
from jax import numpy as jnp

jax.tree_leaves = jax.tree_util.tree_leaves  # Kheperax 0.2.0 calls what newer versions of JAX no longer have

from kheperax.simu.posture import Posture
from kheperax.tasks.config import KheperaxConfig
from kheperax.tasks.main import KheperaxTask

EPISODES, STEPS, NETWORKS, LENGTH = 24, 20, 24, 250
KEY = jax.random.PRNGKey(1)

config = KheperaxConfig.get_default()
config.episode_length = LENGTH
env, policy, scoring = KheperaxTask.create_default_task(config, random_key=KEY)

step = jax.jit(env.unwrapped.step)


def text(values):
    return ",".join(repr(round(float(x), 7)) for x in values)


def seen(state):
    at = state.robot.posture
    return text([at.x, at.y, at.angle, *state.obs])


def episode(draw):
    at = Posture(*(jnp.float32(x) for x in (draw.uniform(0, 1), draw.uniform(0, 1), draw.uniform(-3.1, 3.1))))
    state = KheperaxTask(dataclasses.replace(config, robot=config.robot.replace(posture=at))).reset(KEY)
    yield ":" + seen(state)
    # towards one side, so that robots get somewhere
    bias = draw.uniform(-0.5, 0.5)
    for _ in range(STEPS):
        action = [round(min(max(draw.gauss(0.5 + turn, 0.5), -1.0), 1.0), 3) for turn in (bias, -bias)]
        state = step(state, jnp.asarray(action, dtype=jnp.float32))
        yield text(action) + ":" + seen(state)


def networks():
    inputs = jnp.zeros((NETWORKS, env.observation_size))
    weights = jax.vmap(policy.init)(jax.random.split(KEY, NETWORKS), inputs)
    draw = numpy.random.default_rng(1)
    # Flax starts without biases; larger weights turn more
    larger = lambda x: jnp.asarray(1.5 * x + draw.normal(0, 0.2, x.shape), jnp.float32)
    weights = jax.tree_util.tree_map(larger, weights)
    fitness, behaviour, extra, *_ = scoring(weights, KEY)
    places = extra["transitions"].next_state_desc
    for at in range(NETWORKS):
        layers = [weights["params"][f"Dense_{layer}"] for layer in (0, 1)]
        yield text(x for layer in layers for part in ("kernel", "bias") for x in layer[part][at].ravel())
        yield text([fitness[at], *behaviour[at]])
        yield text(places[at][9::10].ravel())


def write(name, lines):
    head = "# Kheperax 0.2.0, by record.py"
    Path(__file__).with_name(name).write_text("\n".join([head, *lines]) + "\n")


write("networks.csv", networks())
draw = random.Random(1)
write("steps.csv", [line for _ in range(EPISODES) for line in episode(draw)])
