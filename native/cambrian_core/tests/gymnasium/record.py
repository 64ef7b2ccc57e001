"""Records episodes of Gymnasium (1.4.0, from PyPI), for the tests of our own versions of its tasks.

`python3 record.py` writes a CSV a task beside itself: `action,state...` a line, in full precision; an episode begins
with a line without an action. Episodes begin anywhere in the space of states, so that its edges are seen as well, and
are short, as the acrobot is chaotic.
"""

import math
import random
from pathlib import Path

import gymnasium

EPISODES, STEPS = 24, 12
# name of the file: id, within what an episode begins
TASKS = {
    "cart_pole": ("CartPole-v1", [(-2.4, 2.4), (-1, 1), (-0.2, 0.2), (-1.5, 1.5)]),
    "mountain_car": ("MountainCar-v0", [(-1.2, 0.5), (-0.07, 0.07)]),
    "acrobot": ("Acrobot-v1", [(-math.pi, math.pi)] * 2 + [(-4 * math.pi, 4 * math.pi), (-9 * math.pi, 9 * math.pi)]),
}


def record(task, ranges):
    draw = random.Random(1)
    env = gymnasium.make(task).unwrapped
    for _ in range(EPISODES):
        env.reset()
        env.state = [draw.uniform(low, high) for low, high in ranges]
        yield "", env.state
        for _ in range(STEPS):
            action = draw.randrange(env.action_space.n)
            _, _, terminated, _, _ = env.step(action)
            yield action, env.state
            if terminated:
                break


for name, (task, ranges) in TASKS.items():
    lines = [f"# {task} of Gymnasium {gymnasium.__version__}, by record.py: action,state..."]
    lines += [",".join([str(action), *(repr(float(x)) for x in state)]) for action, state in record(task, ranges)]
    Path(__file__).with_name(f"{name}.csv").write_text("\n".join(lines) + "\n")
