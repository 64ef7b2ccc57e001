"""Runs ONNX models in onnxruntime beside what Cambrian made of the same inputs: check.py DIRECTORY.

All ticks at once, from Cambrian's states; and life by life, by the states that onnxruntime itself gave. A tick in
which last bits decide is tender: it is counted and not compared, see write.escript.
"""
import glob
import sys

import numpy
import onnx
import onnxruntime

LIMIT = 1e-5
MOST_TENDER = 0.15
LIFE = 20


def main(directory):
    paths = sorted(path.removesuffix(".onnx") for path in glob.glob(f"{directory}/*.onnx"))
    assert paths
    kinds = {}
    for path in paths:
        kinds.setdefault(path.rsplit("/", 1)[1].split("_")[0], []).append(check(path))
    faults = []
    for kind, checked in kinds.items():
        at_once, alone, ticks, tender, bytes_ = (numpy.array(column) for column in zip(*checked))
        print(f"{kind}: {len(checked)} models, {bytes_.mean() / 1000:.1f} kB in the mean; {ticks.sum()} ticks, "
              f"{tender.sum()} of them tender; largest difference {at_once.max():.1e}; "
              f"left to themselves {numpy.median(alone):.1e} in the middle, {alone.max():.1e} at most")
        # a life adds up its differences
        if max(at_once.max(), alone.max() / 10) > LIMIT or tender.sum() > MOST_TENDER * ticks.sum():
            faults.append(kind)
    sys.exit(f"beyond {LIMIT}, or too many are tender: {faults}" if faults else 0)


def check(path):
    model = onnx.load(path + ".onnx")
    onnx.checker.check_model(model, full_check=True)
    assert model.producer_name == "cambrian" and model.metadata_props[0].key == "genotype"
    session = onnxruntime.InferenceSession(path + ".onnx", providers=["CPUExecutionProvider"])
    width = {value.name: value.shape[1] for value in session.get_inputs() + session.get_outputs()}
    table = {name: numpy.fromfile(f"{path}.{file}", "<f4").reshape(-1, width[name])
             for name, file in [("inputs", "inputs"), ("state", "states"), ("outputs", "outputs"),
                                ("next_state", "next_states")] if name in width}
    tender = numpy.fromfile(path + ".tender", "u1").astype(bool)
    fed = [name for name in ("inputs", "state") if name in width]
    given = [name for name in ("outputs", "next_state") if name in width]

    seen = session.run(given, {name: table[name] for name in fed})
    far = [differences(mine, table[name]).max(axis=1) for name, mine in zip(given, seen)]
    at_once = numpy.max(far, axis=0)

    alone = max(live(session, table, tender, start) for start in range(0, len(tender), LIFE))
    return at_once[~tender].max(initial=0.0), alone, len(tender), tender.sum(), len(model.SerializeToString())


def live(session, table, tender, start):
    """The largest difference in a life that goes by onnxruntime's own states, up to its first tender tick."""
    alone, state = 0.0, None
    for tick in range(start, start + LIFE):
        if tender[tick]:
            break
        feed = {name: table[name][tick:tick + 1] for name in ("inputs", "state") if name in table}
        if state is not None:
            # but for the reward, which is told from outside
            feed["state"] = numpy.where(feed["state"] == table["next_state"][tick - 1], state, feed["state"])
        outputs, *states = session.run([name for name in ("outputs", "next_state") if name in table], feed)
        state = states[0] if states else None
        alone = max(alone, differences(outputs, table["outputs"][tick:tick + 1]).max())
    return alone


def differences(mine, theirs):
    return abs(mine - theirs) / numpy.maximum(1.0, abs(theirs))


if __name__ == "__main__":
    main(sys.argv[1])
