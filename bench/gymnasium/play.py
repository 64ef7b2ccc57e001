"""Plays episodes of plain Gymnasium with an ONNX model, and prints the return of each.

play.py MODEL ENVIRONMENT COUNT: episode n begins with the seed n. The model came from Cambrian, and nothing else here
did. Its outputs from -1 to 1 are mapped to the bounds of a continuous action; a discrete action is the largest output.
"""
import sys

import gymnasium
import numpy as np
import onnxruntime


def main(path, name, count):
    env = gymnasium.make(name)
    model = Model(path)
    for seed in range(int(count)):
        print(float(episode(env, model, seed)), flush=True)


def episode(env, model, seed):
    seen, _ = env.reset(seed=seed)
    total, over = 0.0, False
    model.rest()
    while not over:
        outputs = model.step(gymnasium.spaces.flatten(env.observation_space, seen))
        seen, reward, terminated, truncated, _ = env.step(action(env.action_space, outputs))
        total, over = total + reward, terminated or truncated
    return total


def action(space, outputs):
    if isinstance(space, gymnasium.spaces.Discrete):
        return space.start + int(np.argmax(outputs))
    if isinstance(space, gymnasium.spaces.Box) and space.is_bounded():
        share = (outputs.reshape(space.shape) + 1) / 2
        return np.clip(space.low + share * (space.high - space.low), space.low, space.high).astype(space.dtype)
    raise TypeError(f"the action is a {space}, expected a Discrete or a Box with bounds")


class Model:
    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.memory = {node.name: node.shape[1] for node in self.session.get_inputs()}.get("state", 0)

    def rest(self):
        self.state = np.zeros((1, self.memory), np.float32)

    def step(self, seen):
        given = {"inputs": np.asarray(seen, np.float32).reshape(1, -1)}
        if self.memory:
            outputs, self.state = self.session.run(["outputs", "next_state"], given | {"state": self.state})
        else:
            (outputs,) = self.session.run(["outputs"], given)
        return outputs[0]


main(*sys.argv[1:])
