"""What the helper makes of spaces, and of environments that misbehave. helper.py FOLDER: where cambrian_gym.py is."""
import subprocess
import sys

import gymnasium
import msgpack
import numpy as np
from gymnasium import spaces

sys.path.insert(0, sys.argv[1])
import cambrian_gym


class Odd(gymnasium.Env):
    """Echoes its last action; the third step of a slot fails."""

    def __init__(self, seen, action):
        self.observation_space, self.action_space = seen, action

    def reset(self, seed=None, options=None):
        self.action_space.seed(seed), self.observation_space.seed(seed)
        self.steps = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        assert self.action_space.contains(action), (self.action_space, action)
        self.action, self.steps = action, self.steps + 1
        if self.steps == 3:
            raise ValueError("third")
        print("noise")
        return self.observation_space.sample(), self.steps, False, False, {}


def world(seen, action, **settings):
    gymnasium.register("Odd-v0", lambda: Odd(seen, action), max_episode_steps=7)
    made = cambrian_gym.World("Odd-v0", **settings)
    made.reset([0], 0)
    return made


def acts(action, outputs, **settings):
    made = world(spaces.Discrete(2), action, **settings)
    assert made.outputs == len(outputs), (made.outputs, outputs)
    faults = made.step([0], np.array(outputs, "<f4").tobytes())["faults"]
    assert faults == {}, faults
    return plain(made.slots[0].unwrapped.action)


def plain(action):
    if isinstance(action, dict):
        return {key: plain(part) for key, part in action.items()}
    return [plain(part) for part in action] if isinstance(action, tuple) else np.asarray(action).tolist()


def refused(seen, action):
    try:
        world(seen, action)
    except TypeError as e:
        return str(e)
    assert False, (seen, action)


def sees(space, n=0, **settings):
    return np.frombuffer(world(space, spaces.Discrete(2), **settings).reset([0], n)["observations"], "<f4")


box = spaces.Box(np.array([-2, 0], "f4"), np.array([2, 10], "f4"))
assert acts(spaces.Discrete(3, start=5), [0.1, 0.9, 0.3]) == 6
assert acts(spaces.MultiDiscrete([2, 3]), [0, 1, 0.5, 0.2, 0.7]) == [1, 2]
assert acts(spaces.MultiBinary(2), [0.4, 0.6]) == [0, 1]
assert acts(box, [0.5, 2.0]) == [0, 10]
assert acts(box, [-1.0, 0.0], range=[-1, 1]) == [-2, 5]
assert acts(spaces.Box(-np.inf, np.inf, (2, 1), "f4"), [7, -3]) == [[7], [-3]]
assert acts(spaces.Box(0, 3, (2,), "i4"), [0.9, 0.1]) == [3, 0]
assert acts(spaces.Box(np.array([0, -np.inf], "f4"), np.array([np.inf, 1], "f4")), [-2, 5]) == [0, 1]
wide = spaces.Box(-np.finfo("f4").max, np.finfo("f4").max, (2,), "f4")
assert acts(wide, [7, -3]) == [7, -3]
nested = spaces.Dict(limbs=spaces.Tuple([box, spaces.MultiBinary(1)]), turn=spaces.Discrete(2))
assert acts(nested, [0.5, 2, 1, 0, 1]) == {"limbs": [[0, 10], [1]], "turn": 1}

two = spaces.Discrete(2)
for odd in [spaces.Text(3), spaces.Sequence(two), spaces.Graph(two, None)]:
    for space, place in [(odd, ""), (spaces.Dict(a=two, b=odd), "['b']"), (spaces.Tuple([odd]), "[0]")]:
        for what, why in [("action", refused(two, space)), ("observation", refused(space, two))]:
            assert why.startswith(f"the {what}{place} is a {type(odd).__name__}, "), why
for settings in [{"scale": "all"}, {"range": [1, 0]}]:
    try:
        world(two, two, **settings)
        assert False, settings
    except ValueError as e:
        assert next(iter(settings)) in str(e)

assert sorted(sees(spaces.Discrete(4)).tolist()) == [0, 0, 0, 1]
raw, scaled = sees(box, scale=False), sees(box)
assert np.allclose(scaled, [raw[0] / 2, raw[1] / 5 - 1]) and abs(scaled).max() <= 1
wide = spaces.Box(np.array([-2, -20, 0], "f4"), np.array([2, 20, np.inf], "f4"))
raw = sees(wide, scale=False)
assert np.allclose(sees(wide), raw / [2, 1, 1]) and np.allclose(sees(wide, scale=True), raw / [2, 20, 1])
assert sees(spaces.MultiDiscrete([2, 3])).sum() == 2 and set(sees(spaces.MultiBinary(4))) <= {0, 1}
# A part of something is seen as it is alone.
for space in [spaces.Dict(a=spaces.Discrete(2), b=box, c=wide), spaces.Tuple([spaces.Discrete(2), box, wide]),
              spaces.Dict(a=spaces.Tuple([spaces.Discrete(2), spaces.Dict(b=box)]), c=wide)]:
    raw, seen = sees(space, scale=False), sees(space)
    assert seen.shape == (7,) and (seen[:2] == raw[:2]).all() and np.allclose(seen[2:4], [raw[2] / 2, raw[3] / 5 - 1])
    assert np.allclose(seen[4:], raw[4:] / [2, 1, 1])
assert (sees(box, 3) == sees(box, 3)).all() and (sees(box, 3) != sees(box, 4)).any() and (sees(box, 4) == sees(box, 3, seed=1)).all()

odd = world(box, spaces.Discrete(2))
assert odd.hello() == {"protocol": 1, "inputs": 2, "outputs": 2, "steps": 7}
both = np.zeros(4, "<f4").tobytes()
odd.reset([0, 1], 0), odd.step([1], both[:8])
answers = [odd.step([0, 1], both) for _ in range(2)]
assert [a["faults"] for a in answers] == [{}, {1: "ValueError: third"}]
assert np.frombuffer(answers[0]["rewards"], "<f8").tolist() == [1, 2] and len(answers[1]["observations"]) == 16

# A score: the last observation as the network sees it, or what a function says of the environment.
scored = world(box, spaces.Discrete(2), score="observation")
assert scored.hello() == {"protocol": 1, "inputs": 2, "outputs": 2, "steps": 7, "behaviour": 2}
scored.reset([0, 1], 0)
last = scored.step([1, 0], both)["observations"]
answer = scored.score([1, 0])
assert np.allclose(np.frombuffer(answer["behaviour"], "<f8"), np.frombuffer(last, "<f4")) and answer["faults"] == {}


class Judges:
    def steps(env):
        return {"objectives": [env.unwrapped.steps, -1], "cases": [0]}

    def longer(env):
        return {"behaviour": [0] * (1 + env.unwrapped.steps)}

    def other(env):
        return {"behaviours": []}

    def late(env):
        return {"behaviour": [env.unwrapped.action]}


sys.modules["judges"] = Judges
judged = world(box, spaces.Discrete(2), score="judges:steps")
assert judged.hello() | {"objectives": 2, "cases": 1} == judged.hello()
judged.reset([0, 1], 0), judged.step([1], both[:8])
answer = judged.score([0, 1])
assert np.frombuffer(answer["objectives"], "<f8").tolist() == [0, -1, 1, -1] and len(answer["cases"]) == 16
longer = world(box, spaces.Discrete(2), score="judges:longer")
longer.reset([0, 1], 0), longer.step([1], both[:8])
answer = longer.score([0, 1])
assert answer["faults"] == {1: "ValueError: score gave {'behaviour': 2}, and {'behaviour': 1} before"}, answer
assert len(answer["behaviour"]) == 16
for score, why in [("judges:other", "expected behaviour, objectives or cases"), ("judges:late", "no attribute 'action'"),
                   ("judges", "expected"), ("judges:none", "none"), ("no_such:one", "no_such")]:
    try:
        world(two, two, score=score)
        assert False, score
    except (ValueError, AttributeError, ImportError) as e:
        assert why in str(e).replace("must be", "expected"), e

# As a process: an environment that is none, and input that ends.
helper = [sys.executable, "-B", sys.argv[1] + "/cambrian_gym.py"]
none = subprocess.run([*helper, "NoSuch-v1"], stdin=subprocess.DEVNULL, capture_output=True)
assert "NoSuch" in msgpack.unpackb(none.stdout[4:])["error"] and none.returncode == 0
some = subprocess.run([*helper, "CartPole-v1"], stdin=subprocess.DEVNULL, capture_output=True)
assert msgpack.unpackb(some.stdout[4:]) == {"protocol": 1, "inputs": 4, "outputs": 2, "steps": 500}
bare = subprocess.run([sys.executable, "-S", *helper[1:], "CartPole-v1"], stdin=subprocess.DEVNULL, capture_output=True)
assert msgpack.unpackb(bare.stdout[4:]) == {"error": "No module named 'msgpack'"}, bare
print("the helper: spaces, scales, scores, faults")
