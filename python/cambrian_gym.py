"""An environment of Gymnasium as a program for Cambrian: cambrian_gym.py ENVIRONMENT [SETTINGS]

SETTINGS is JSON: {"seed": 0, "range": [0, 1], "scale": "auto", "kwargs": {}, "score": null}. docs/programs.md in Cambrian
has the protocol. Wants gymnasium, numpy and msgpack. An observation is flattened, part by part: discrete values are one-hot, and
numbers with bounds are mapped to -1..1 if these lie within -10..10; with "scale": true all that have bounds, with false
none. Of an action's outputs the largest is a discrete action's choice; between bounds the range is mapped to them, and
where there are none outputs are taken as they are; binary ones are on above the middle of the range. With "score":
"observation" the last observation of an episode, as a network sees it, is its behaviour; with "module:function" that function
gets the environment after an episode, and returns a dict of lists of numbers: "behaviour", "objectives", "cases".
"""
import importlib
import json
import os
import sys

LARGEST = 1 << 26
ENDLESS = 1e6  # a bound beyond is none
NEAR = 10  # what is wider is rarely reached: scaled by such bounds, all that is seen would be close to 0


def main(name, settings="{}"):
    # Whatever prints to standard output must not speak in between.
    questions, answers = os.fdopen(0, "rb", closefd=False), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        import msgpack
    except ImportError as e:
        return answers.write(frame(b"\x81\xa5error" + text(str(e))))  # by hand: {"error": message}

    def tell(answer):
        answers.write(frame(msgpack.packb(answer)))
        answers.flush()

    try:
        world = World(name, **json.loads(settings))
    except Exception as e:
        return tell({"error": f"{type(e).__name__}: {e}"})
    tell(world.hello())
    while True:
        size = int.from_bytes(questions.read(4), "big")
        if size == 0 or size > LARGEST:  # no more is to come
            return
        question = msgpack.unpackb(questions.read(size))
        if question["do"] == "close":
            return
        tell({"reset": world.reset, "step": world.step, "score": world.score}[question["do"]](**question))


def frame(message):
    return len(message).to_bytes(4, "big") + message


def text(message):
    short = message.encode()[:255]
    return b"\xd9" + bytes([len(short)]) + short


class World:
    """As many environments of one kind as there are slots."""

    def __init__(self, name, seed=0, range=(0, 1), scale="auto", kwargs={}, score=None):
        import gymnasium
        import numpy

        if scale not in (True, False, "auto"):
            raise ValueError(f'scale must be true, false or auto, got {scale!r}')
        if not (len(range) == 2 and range[0] < range[1]):
            raise ValueError(f"range must be two numbers, the lower first, got {range!r}")
        self.np, self.seed, self.low, self.width = numpy, seed, range[0], range[1] - range[0]
        self.spaces = gymnasium.spaces
        self.make = lambda: gymnasium.make(name, disable_env_checker=True, **kwargs)
        self.slots = {}
        env = self.env(0)
        self.steps = env.spec.max_episode_steps
        self.space = env.observation_space
        self.middle, self.factor = self.scales(self.space, "observation", scale)
        self.inputs = len(self.middle)
        self.outputs, self.act = self.actor(env.action_space, "action")
        self.seen = {}  # the last observation of each slot, as a network sees it
        self.score_of, self.counts = self.scorer(score), {}
        if score:  # the start of an episode shows how many numbers there are
            first = self.reset([0], 0)["faults"] or self.score([0])["faults"]
            if first:
                raise ValueError(f"score {score} at the start of an episode: {first[0]}")

    def hello(self):
        shape = {"protocol": 1, "inputs": int(self.inputs), "outputs": int(self.outputs), "steps": self.steps}
        return shape | self.counts

    def env(self, slot):
        if slot not in self.slots:
            self.slots[slot] = self.make()
        return self.slots[slot]

    def reset(self, slots, episode, **_):
        return self.all(slots, lambda i, slot: (self.env(slot).reset(seed=self.seed + episode)[0], 0.0, False))

    def step(self, slots, outputs, **_):
        rows = self.np.frombuffer(outputs, "<f4").reshape(len(slots), self.outputs)

        def one(i, slot):
            seen, reward, terminated, truncated, _ = self.slots[slot].step(self.act(rows[i]))
            return seen, reward, terminated or truncated

        return self.all(slots, one)

    def all(self, slots, one):
        """What fails in one environment is the fault of that one."""
        np, faults = self.np, {}
        seen, rewards, done = np.zeros((len(slots), self.inputs)), np.zeros(len(slots)), bytearray(len(slots))
        for i, slot in enumerate(slots):
            try:
                observation, rewards[i], done[i] = one(i, slot)
                seen[i] = self.spaces.flatten(self.space, observation)
            except Exception as e:
                faults[slot] = f"{type(e).__name__}: {e}"
        seen = (seen - self.middle) * self.factor
        self.seen.update(zip(slots, seen))
        return {"observations": seen.astype("<f4").tobytes(), "rewards": rewards.astype("<f8").tobytes(),
                "done": bytes(done), "faults": faults}

    def score(self, slots, **_):
        """What an episode gave besides its rewards. The first one says how many numbers there are."""
        parts, faults = [], {}
        for slot in slots:
            try:
                given = self.score_of(slot)
                if not isinstance(given, dict):
                    raise ValueError(f"score gave {type(given).__name__}, expected a dict")
                part = {key: self.vector(key, numbers) for key, numbers in given.items()}
                counts = {key: len(numbers) for key, numbers in part.items()}
                self.counts = self.counts or counts
                if counts != self.counts:
                    raise ValueError(f"score gave {counts}, and {self.counts} before")
            except Exception as e:
                faults[slot] = f"{type(e).__name__}: {e}"
                part = {key: self.np.zeros(count) for key, count in self.counts.items()}
            parts.append(part)
        columns = {key: b"".join(part[key].astype("<f8").tobytes() for part in parts) for key in self.counts}
        return columns | {"faults": faults}

    def vector(self, key, numbers):
        if key not in ("behaviour", "objectives", "cases"):
            raise ValueError(f"score gave {key!r}, expected behaviour, objectives or cases")
        return self.np.ravel(self.np.asarray(numbers, float))

    def scorer(self, score):
        """A function from a slot to its score."""
        if score in (None, "observation"):
            return lambda slot: {"behaviour": self.seen[slot]}
        module, _, name = score.partition(":")
        if not name:
            raise ValueError(f"score must be observation or MODULE:FUNCTION, got {score!r}")
        function = getattr(importlib.import_module(module), name)
        return lambda slot: function(self.slots[slot])

    def scales(self, space, path, scale):
        """For each number of a flattened observation, what is taken from it and what it is multiplied with then."""
        s, np = self.spaces, self.np
        if isinstance(space, (s.Dict, s.Tuple)):
            parts = [self.scales(part, where, scale) for where, part in self.parts(space, path)]
            return [np.concatenate([part[n] for part in parts]) if parts else np.zeros(0) for n in (0, 1)]
        if isinstance(space, s.Box):
            low, high = space.low.ravel().astype(float), space.high.ravel().astype(float)
            bound = {True: ENDLESS, "auto": NEAR, False: -1}[scale]
            scaled = (np.abs(low) <= bound) & (np.abs(high) <= bound) & (high > low)
            low, high = np.where(scaled, low, -1), np.where(scaled, high, 1)
            return (low + high) / 2, 2 / (high - low)
        if isinstance(space, (s.Discrete, s.MultiDiscrete, s.MultiBinary)):  # 0 or 1
            count = s.flatdim(space)
            return np.zeros(count), np.ones(count)
        raise TypeError(self.refusal(space, path))

    def parts(self, space, path):
        """Those of a Dict or a Tuple, in the order of gymnasium.spaces.flatten, each with its place."""
        if isinstance(space, self.spaces.Dict):
            return [(f"{path}[{key!r}]", part) for key, part in space.spaces.items()]
        return [(f"{path}[{index}]", part) for index, part in enumerate(space.spaces)]

    def refusal(self, space, path):
        known = "Box, Discrete, MultiDiscrete, MultiBinary, and Dict and Tuple of these"
        return f"the {path} is a {type(space).__name__}, which no network can have; expected {known}"

    def actor(self, space, path):
        """How many outputs an action takes, and what makes it of them."""
        s, np = self.spaces, self.np
        if isinstance(space, (s.Dict, s.Tuple)):
            return self.compound(space, [self.actor(part, where) for where, part in self.parts(space, path)])
        if isinstance(space, s.Discrete):
            return int(space.n), lambda outputs: space.dtype.type(space.start + np.argmax(outputs))
        if isinstance(space, s.MultiDiscrete):
            ends = np.cumsum(space.nvec.ravel())
            chosen = lambda outputs: [np.argmax(part) for part in np.split(outputs, ends[:-1])]
            return int(ends[-1]), lambda outputs: (
                np.array(chosen(outputs), space.dtype).reshape(space.shape) + space.start)
        if isinstance(space, s.MultiBinary):
            return int(np.prod(space.shape)), lambda outputs: (
                (self.share(outputs) > 0.5).reshape(space.shape).astype(space.dtype))
        if isinstance(space, s.Box):
            return int(np.prod(space.shape, dtype=int)), self.between(space)
        raise TypeError(self.refusal(space, path))

    def compound(self, space, actors):
        ends = self.np.cumsum([0] + [count for count, _ in actors])

        def act(outputs):
            acts = [act(outputs[start:end]) for (_, act), start, end in zip(actors, ends, ends[1:])]
            return dict(zip(space.spaces, acts)) if isinstance(space, self.spaces.Dict) else tuple(acts)

        return int(ends[-1]), act

    def share(self, outputs):
        return (outputs.astype(float) - self.low) / self.width

    def between(self, space):
        """An action within the bounds of a Box: of a whole range where there are two, else the outputs, cut off at the one."""
        np = self.np
        low, high = space.low.ravel().astype(float), space.high.ravel().astype(float)
        bounded = (np.abs(low) <= ENDLESS) & (np.abs(high) <= ENDLESS)
        least, extent = np.where(bounded, low, 0), np.where(bounded, high - low, 1)
        whole = np.issubdtype(space.dtype, np.integer)

        def act(outputs):
            reached = np.where(bounded, least + self.share(outputs) * extent, outputs)
            reached = np.clip(np.rint(reached) if whole else reached, low, high)
            return np.clip(reached.astype(space.dtype).reshape(space.shape), space.low, space.high)

        return act


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except BrokenPipeError:  # nobody is there to hear it
        os._exit(1)
