"""A program for Cambrian of nothing but docs/programs.md: no packages. Five steps, a reward of what the network says.
FAULT is what it does wrong, when a network says more than 0.8 where the name does not say otherwise. With "parent_" before
it there is a child that does not end by itself."""
import os
import signal
import struct
import subprocess
import sys
import time

FAULT, answers = sys.argv[1].removeprefix("parent_"), sys.stdout.buffer


def unpack(b, i=0):
    """A value and where the next begins."""
    tag = b[i]
    if tag < 0x80: return tag, i + 1
    if tag < 0x90: return unpack_map(b, i + 1, tag & 15)
    if tag < 0xa0: return unpack_list(b, i + 1, tag & 15)
    if tag < 0xc0: return b[i + 1:i + 1 + (tag & 31)].decode(), i + 1 + (tag & 31)
    size = {0xc4: 1, 0xc5: 2, 0xc6: 4, 0xcc: 1, 0xcd: 2, 0xce: 4, 0xdc: 2}[tag]
    number, i = int.from_bytes(b[i + 1:i + 1 + size], "big"), i + 1 + size
    if tag < 0xc7: return b[i:i + number], i + number
    return unpack_list(b, i, number) if tag == 0xdc else (number, i)


def unpack_list(b, i, count):
    values = []
    for _ in range(count):
        value, i = unpack(b, i)
        values.append(value)
    return values, i


def unpack_map(b, i, count):
    flat, i = unpack_list(b, i, 2 * count)
    return dict(zip(flat[::2], flat[1::2])), i


def pack(x):
    if isinstance(x, int): return struct.pack(">BI", 0xce, x)
    if isinstance(x, bytes): return struct.pack(">BI", 0xc6, len(x)) + x
    if isinstance(x, str): return struct.pack(">BB", 0xd9, len(x.encode())) + x.encode()
    return bytes([0x80 + len(x)]) + b"".join(pack(k) + pack(v) for k, v in x.items())


def tell(answer):
    message = pack(answer)
    answers.write(struct.pack(">I", len(message)) + message)
    answers.flush()


def reset(slots, **question):
    global episode
    episode = question["episode"]
    for slot in slots:
        left[slot] = 5
    if FAULT == "step_only":
        return {"observations": b"", "rewards": b"", "done": b""}
    return {"observations": struct.pack("<f", 1) * len(slots)}


def step(slots, outputs, **_):
    says = [x for x, in struct.iter_unpack("<f", outputs)]
    for slot, output in zip(slots, says):
        left[slot] -= 1
        said[slot] = output
    more = 1 if FAULT == "generous" else 0
    answer = {"observations": struct.pack("<f", 1) * len(slots),
              "rewards": struct.pack(f"<{len(says)}d", *(said + more for said in says)),
              "done": bytes(left[slot] == 0 for slot in slots)}
    if max(says) > 0.8 and min(left[slot] for slot in slots) < 4:
        misbehave(answer, slots, says)
    return answer


def score(slots, **_):
    """The last output, and the steps that are left; the output as a goal and against it; the number of the episode."""
    loud = [slot for slot in slots if said[slot] > 0.8]
    answer = {"behaviour": b"".join(struct.pack("<2d", said[slot], left[slot]) for slot in slots),
              "objectives": b"".join(struct.pack("<2d", said[slot], -said[slot]) for slot in slots),
              "cases": struct.pack("<d", episode) * len(slots)}
    if loud and FAULT == "scored_short": answer["behaviour"] = answer["behaviour"][8:]
    if loud and FAULT == "scored_none": del answer["objectives"]
    if loud and FAULT == "scored_faults": answer["faults"] = {slot: "no behaviour" for slot in loud}
    if FAULT in WRONG:
        wrong = [struct.pack("<d", WRONG[FAULT]) if slot in loud else answer["behaviour"][16 * i:16 * i + 8]
                 for i, slot in enumerate(slots)]
        answer["behaviour"] = b"".join(first + answer["behaviour"][16 * i + 8:16 * i + 16] for i, first in enumerate(wrong))
    return answer


WRONG = {"scored_nan": float("nan"), "scored_infinity": float("inf"), "scored_minus_infinity": float("-inf")}


def misbehave(answer, slots, says):
    if FAULT == "exit": sys.exit(3)
    if FAULT == "killed": os.kill(os.getpid(), signal.SIGKILL)
    if FAULT == "hang": time.sleep(1000)
    if FAULT == "close": os.close(1), time.sleep(1000)
    if FAULT == "twice": tell(answer), tell(answer), time.sleep(1000)
    if FAULT == "list": answers.write(b"\0\0\0\1\x90"), answers.flush(), time.sleep(1000)
    if FAULT == "rubbish": answers.write(b"\0\0\0\3\xc1\xc1\xc1"), answers.flush(), time.sleep(1000)
    if FAULT == "print": print("I did not know that this is no place to print"), sys.stdout.flush(), time.sleep(1000)
    if FAULT == "huge": answers.write(b"\xff\xff\xff\xff"), answers.flush(), time.sleep(1000)
    if FAULT == "short": answer["observations"] = answer["observations"][1:]
    if FAULT == "few": answer["rewards"] = answer["rewards"][8:]
    if FAULT == "error": answer.clear(), answer.update(error="no more")
    if FAULT == "nan": answer["rewards"] = each(answer["rewards"], says, "<d", float("nan"))
    if FAULT == "blind": answer["observations"] = each(answer["observations"], says, "<f", float("nan"))
    if FAULT == "faults": answer["faults"] = {slot: "too loud" for slot, said in zip(slots, says) if said > 0.8}


def each(numbers, says, form, wrong):
    return b"".join(struct.pack(form, wrong if said > 0.8 else x) for (x,), said in zip(struct.iter_unpack(form, numbers), says))


if FAULT == "mute": time.sleep(1000)
if FAULT == "at_once": sys.exit(7)
if FAULT == "deaf": signal.signal(signal.SIGTERM, signal.SIG_IGN)
if FAULT == "hello_error": tell({"error": "no such world"})
left, said, episode = {}, {}, 0
hello = {"protocol": 2 if FAULT == "newer" else 1, "inputs": 0 if FAULT == "empty" else 1, "outputs": 1}
if FAULT.startswith("scored"): hello.update(behaviour=2, objectives=2, cases=1)
if FAULT == "too_many": hello.update(behaviour=1001)
pids = [os.getpid()]
if sys.argv[1].startswith("parent_"):
    quiet = subprocess.DEVNULL
    pids.append(subprocess.Popen(["sleep", "100000"], stdin=quiet, stdout=quiet, stderr=quiet).pid)
if len(sys.argv) > 2: open(sys.argv[2], "a").write("".join(f"{pid}\n" for pid in pids))
tell(hello)
while True:
    size = sys.stdin.buffer.read(4)
    if FAULT == "deaf" and not size: time.sleep(1000)
    if not size: break
    question, _ = unpack(sys.stdin.buffer.read(int.from_bytes(size, "big")))
    if question["do"] == "close":
        if FAULT == "deaf": continue
        break
    tell({"reset": reset, "step": step, "score": score}[question["do"]](**question))
