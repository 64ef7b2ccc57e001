"""An environment of Gymnasium as a program for Cambrian: cambrian_gym.py ENVIRONMENT [SETTINGS]

SETTINGS is JSON: {"seed": 0, "range": [0, 1], "scale": true, "kwargs": {}}. docs/programs.md in Cambrian has the
protocol. Wants gymnasium, numpy and msgpack. An observation is flattened: discrete values are one-hot; with "scale",
numbers with bounds are mapped to -1..1, and those without stay as they are. Of an action's outputs the largest is a
discrete action's choice; between bounds the range is mapped to them, and where there are none outputs are taken as
they are; binary ones are on above the middle of the range.
"""
import json
import os
import sys

LARGEST = 1 << 26
ENDLESS = 1e6  # a bound beyond is none


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
        tell(world.reset(**question) if question["do"] == "reset" else world.step(**question))


def frame(message):
    return len(message).to_bytes(4, "big") + message


def text(message):
    short = message.encode()[:255]
    return b"\xd9" + bytes([len(short)]) + short


class World:
    """As many environments of one kind as there are slots."""

    def __init__(self, name, seed=0, range=(0, 1), scale=True, kwargs={}):
        import gymnasium
        import numpy

        self.np, self.seed, self.low, self.width = numpy, seed, range[0], range[1] - range[0]
        self.spaces = gymnasium.spaces
        self.make = lambda: gymnasium.make(name, disable_env_checker=True, **kwargs)
        self.slots = {}
        env = self.env(0)
        self.steps = env.spec.max_episode_steps
        self.space, self.action = env.observation_space, env.action_space
        self.inputs, self.outputs = self.spaces.flatdim(self.space), self.count(self.action)
        self.unscale(scale)
        if isinstance(self.action, self.spaces.Box):
            self.bounded = self.action.bounded_below & self.action.bounded_above
            self.everywhere = self.bounded.all()
            self.least = numpy.where(self.bounded, self.action.low, 0)
            self.extent = numpy.where(self.bounded, self.action.high, 1) - self.least

    def hello(self):
        return {"protocol": 1, "inputs": int(self.inputs), "outputs": int(self.outputs), "steps": self.steps}

    def env(self, slot):
        if slot not in self.slots:
            self.slots[slot] = self.make()
        return self.slots[slot]

    def reset(self, slots, episode, **_):
        return self.all(slots, lambda i, slot: (self.env(slot).reset(seed=self.seed + episode)[0], 0.0, False))

    def step(self, slots, outputs, **_):
        rows = self.np.frombuffer(outputs, "<f4").reshape(len(slots), self.outputs)

        def one(i, slot):
            seen, reward, terminated, truncated, _ = self.slots[slot].step(self.act(self.action, rows[i]))
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
        return {"observations": seen.astype("<f4").tobytes(), "rewards": rewards.astype("<f8").tobytes(),
                "done": bytes(done), "faults": faults}

    def unscale(self, scale):
        """Sets what takes observations with bounds to -1..1; one-hot ones stay."""
        np, flat = self.np, self.spaces.flatten_space(self.space)
        low, high = flat.low.astype(float), flat.high.astype(float)
        bounded = (np.abs(low) < ENDLESS) & (np.abs(high) < ENDLESS) & (high > low)
        bounded &= scale and isinstance(self.space, self.spaces.Box)
        self.middle = np.where(bounded, (np.where(bounded, low, 0) + np.where(bounded, high, 0)) / 2, 0)
        self.factor = np.where(bounded, 2 / np.where(bounded, high - low, 1), 1)

    def count(self, space):
        """How many outputs an action takes."""
        s, np = self.spaces, self.np
        if isinstance(space, s.Discrete):
            return space.n
        if isinstance(space, s.MultiDiscrete):
            return np.sum(space.nvec)
        if isinstance(space, (s.Box, s.MultiBinary)):
            return np.prod(space.shape, dtype=int)
        raise TypeError(f"no way to act in {space}")

    def act(self, space, outputs):
        s, np = self.spaces, self.np
        if isinstance(space, s.Discrete):
            return int(space.start + np.argmax(outputs))
        if isinstance(space, s.MultiDiscrete):
            parts = np.split(outputs, np.cumsum(space.nvec.ravel())[:-1])
            return np.array([np.argmax(part) for part in parts], space.dtype).reshape(space.shape) + space.start
        share = ((outputs - self.low) / self.width).reshape(space.shape)
        if isinstance(space, s.MultiBinary):
            return (share > 0.5).astype(space.dtype)
        between = self.least + np.minimum(np.maximum(share, 0), 1) * self.extent
        if not self.everywhere:
            between = np.where(self.bounded, between, outputs.reshape(space.shape))
        return between.astype(space.dtype)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except BrokenPipeError:  # nobody is there to hear it
        os._exit(1)
