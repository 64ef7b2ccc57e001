#!/usr/bin/env python3
"""The wire format, written from docs/wire-format.md alone: another program that reads and writes it.

    cambrian.py check DIR    every vector in DIR is what the text beside it says
    cambrian.py make DIR     writes vectors, with their texts
"""

import functools
import hashlib
import os
import re
import struct
import sys
from dataclasses import dataclass, field
from decimal import Decimal
from math import isfinite

import msgpack
import nacl.exceptions
import nacl.signing
import zstandard

HERE = os.path.dirname(os.path.abspath(__file__))
DICTIONARY = os.path.join(HERE, "../../native/cambrian_core/src/wire/compression/dictionary")
TABLE = os.path.join(HERE, "../../native/cambrian_core/src/base/math/activation.rs")
TOP = 1 << 63


class Refused(Exception):
    """What a reader says no to."""


def require(fine, why):
    if not fine:
        raise Refused(why)


# ---- MessagePack ----------------------------------------------------------------------------------------------


def pack(value):
    return msgpack.packb(value)


def unpack(data, limit):
    require(len(data) <= limit, "too large")
    try:
        value = msgpack.unpackb(data)
    except (ValueError, msgpack.UnpackException) as error:
        raise Refused(f"malformed: {error}")
    require(pack(value) == data, "another spelling")
    return value


def version(data, limit, *known):
    """The array, if the number at its head is one of those."""
    array = unpack(data, limit)
    require(type(array) is list and array and type(array[0]) is int, "malformed")
    require(array[0] in known, f"version {array[0]}")
    return array


def shaped(value, shape):
    """A type, a number of bytes, a list with one shape for all, a tuple with one for each, or a set of shapes."""
    if isinstance(shape, type):
        return type(value) is shape and (shape is not int or 0 <= value < 1 << 64)
    if isinstance(shape, int):
        return type(value) is bytes and len(value) == shape
    if isinstance(shape, list):
        return type(value) is list and all(shaped(item, shape[0]) for item in value)
    if isinstance(shape, frozenset):
        return any(shaped(value, one) for one in shape)
    return type(value) is list and len(value) == len(shape) and all(map(shaped, value, shape))


def sha256(data):
    return hashlib.sha256(data).digest()


# ---- ids ------------------------------------------------------------------------------------------------------

WORD = (1 << 64) - 1


def mix(z):
    z = (z + 0x9E3779B97F4A7C15) & WORD
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & WORD
    z = (z ^ z >> 27) * 0x94D049BB133111EB & WORD
    return z ^ z >> 31


@functools.cache
def hash64(a, b, c):
    h = 0x9E3779B97F4A7C15
    for word in (a, b, c):
        h = mix(h ^ word)
    return h


def input_id(i):
    return hash64(1, i, 0)


def output_id(j):
    return hash64(2, j, 0)


def split_id(connection, nth):
    return hash64(3, connection, nth)


def connection_id(source, target):
    return hash64(4, source, target)


def substrate_id(layer, place):
    return hash64(5, layer, place)


def split_layer(source, target):
    low = 0 if source >= target else source
    return low + (target - low) // 2


# ---- genotypes ------------------------------------------------------------------------------------------------

with open(TABLE) as table:
    ACTIVATIONS = re.findall(r'^ +\d+ \w+ "(\w+)"', table.read(), re.M)
AGGREGATIONS = "sum product mean max min median max_abs".split()
DYNAMICS = "none leaky cfc ltc delay".split()
PLASTICITIES = "none hebbian oja bcm reward".split()


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


# of each column of neurons: its gene, how one value is packed, the usual one, and names or bounds
GENES = [
    ("activation", "B", 0, ACTIVATIONS),
    ("aggregation", "B", 0, AGGREGATIONS),
    ("bias", "f", 0.0, (-1e6, 1e6)),
    ("gain", "f", 1.0, (-1e6, 1e6)),
    ("dynamics", "B", 0, DYNAMICS),
    ("time_constant", "f", 1.0, (f32(0.01), 1000.0)),
    ("plasticity", "B", 0, PLASTICITIES),
    ("learning_rate", "f", 0.0, (-1.0, 1.0)),
    ("decay", "f", 0.0, (0.0, 1.0)),
]
USUAL = [usual for _, _, usual, _ in GENES]


@dataclass
class Genotype:
    inputs: int
    outputs: int
    hidden: list = field(default_factory=list)  # (layer, id), in order
    neurons: list = field(default_factory=list)  # nine genes each: hidden nodes, then outputs in the order of their ids
    ends: list = field(default_factory=list)  # (from, to), indexes into places(), in the order of the connections' ids
    weights: list = field(default_factory=list)
    enabled: list = field(default_factory=list)

    def places(self):
        return places(self.inputs, self.outputs, self.hidden)

    def links(self):
        nodes = self.places()
        return [(nodes[a], nodes[b]) for a, b in self.ends]

    def connection_ids(self):
        return [connection_id(a, b) for (_, a), (_, b) in self.links()]


def places(inputs, outputs, hidden):
    """(layer, id) of every node, in that order."""
    first = [(0, input_id(i)) for i in range(inputs)]
    last = [(TOP, output_id(j)) for j in range(outputs)]
    return sorted(first + hidden + last)


def column(kind, values):
    return struct.pack(f"<{len(values)}{kind}", *values)


def numbers(kind, data):
    require(len(data) % struct.calcsize(kind) == 0, "a column is cut")
    return [number for (number,) in struct.iter_unpack("<" + kind, data)]


def bits(flags):
    return sum(flag << nth for nth, flag in enumerate(flags)).to_bytes((len(flags) + 7) // 8, "little")


def unbits(data, count):
    require(len(data) == (count + 7) // 8, "a column of another length")
    return [bool(data[nth // 8] >> nth % 8 & 1) for nth in range(count)]


def columns(neurons):
    return [column(kind, [neuron[at] for neuron in neurons]) for at, (_, kind, _, _) in enumerate(GENES)]


def unless_usual(data, kind, usual):
    one = column(kind, [usual])
    return b"" if data == one * (len(data) // len(one)) else data


def ends_columns(ends, nodes):
    kind = index_kind(nodes)
    return column(kind, [a for a, _ in ends]), column(kind, [b for _, b in ends])


def index_kind(nodes):
    return "B" if nodes <= 256 else "H" if nodes <= 65536 else "I"


def encode(g, schema=3):
    ids, layers = column("Q", [i for _, i in g.hidden]), column("Q", [layer for layer, _ in g.hidden])
    genes, weights, enabled = columns(g.neurons), column("f", g.weights), bits(g.enabled)
    short = [unless_usual(data, kind, usual) for data, (_, kind, usual, _) in zip(genes, GENES)]
    froms, tos = [a for a, _ in g.ends], [b for _, b in g.ends]
    head = [schema, g.inputs, g.outputs, ids, layers]
    if schema == 1:
        return pack(head + [genes[0], genes[2], froms, tos, weights, enabled])
    if schema == 2:
        return pack(head + short + [froms, tos, weights, enabled])
    froms, tos = ends_columns(g.ends, len(g.places()))
    return pack(head + [short, froms, tos, weights, b"" if all(g.enabled) else enabled])


def genotype_id(g):
    return sha256(encode(g))


HEAD = (int, int, int, bytes, bytes)
SHAPES = {
    1: HEAD + (bytes, bytes, [int], [int], bytes, bytes),
    2: HEAD + (bytes,) * 9 + ([int], [int], bytes, bytes),
    3: HEAD + ((bytes,) * 9,) + (bytes,) * 4,
}


def decode(data):
    array = version(data, 16 << 20, 1, 2, 3)
    require(shaped(array, SHAPES[array[0]]), "malformed")
    schema, inputs, outputs, ids, layers, *genes, froms, tos, weights, enabled = array
    check_ends(inputs, outputs)
    hidden = read_hidden(ids, layers)
    count = inputs + outputs + len(hidden)
    if schema == 1:
        genes = [genes[0], b"", genes[1]] + [b""] * 6
    if schema == 3:
        genes, froms, tos = genes[0], *(numbers(index_kind(count), data) for data in (froms, tos))
    require(len(froms) == len(tos), "columns of other lengths")
    flags = [True] * len(froms) if schema == 3 and not enabled else unbits(enabled, len(froms))
    neurons = read_neurons(genes, len(hidden) + outputs)
    g = Genotype(inputs, outputs, hidden, neurons, list(zip(froms, tos)), numbers("f", weights), flags)
    check(g)
    require(schema < 3 or encode(g) == data, "another spelling")
    return g


def read_hidden(ids, layers):
    ids, layers = numbers("Q", ids), numbers("Q", layers)
    require(len(ids) == len(layers), "columns of other lengths")
    return list(zip(layers, ids))


def read_neurons(genes, count):
    read = [numbers(kind, data) or [usual] * count for data, (_, kind, usual, _) in zip(genes, GENES)]
    require(all(len(one) == count for one in read), "columns of other lengths")
    return list(zip(*read))


def check_ends(inputs, outputs):
    require(1 <= inputs <= 10_000 and 1 <= outputs <= 10_000, "inputs and outputs")


def check(g):
    check_ends(g.inputs, g.outputs)
    nodes, ids = g.places(), None
    require(len(nodes) <= 100_000 and len(g.ends) <= 1_000_000, "too large")
    require(all(0 < layer < TOP for layer, _ in g.hidden), "a hidden node's layer")
    require(all(a < b for a, b in zip(g.hidden, g.hidden[1:])), "the order of nodes")
    require(len({node for _, node in nodes}) == len(nodes), "a node occurs twice")
    require(all(sound(neuron) for neuron in g.neurons), "a gene out of bounds")
    require(all(a < len(nodes) and g.inputs <= b < len(nodes) for a, b in g.ends), "the end of a connection")
    require(len(g.weights) == len(g.ends) and all(-1e6 <= w <= 1e6 for w in g.weights), "weights")
    ids = g.connection_ids()
    require(all(a < b for a, b in zip(ids, ids[1:])), "the order of connections")


def sound(neuron):
    return all(
        value < len(allowed) if kind == "B" else allowed[0] <= value <= allowed[1]
        for value, (_, kind, _, allowed) in zip(neuron, GENES)
    )


# ---- compression ----------------------------------------------------------------------------------------------


@functools.cache
def dictionary():
    with open(DICTIONARY, "rb") as file:
        data = file.read()
    require(sha256(data).hex() == "4ec4d8aefa1d105683e01ae2868bfa8470a2a28373f915a8cd76c8b77c944339", "dictionary")
    return zstandard.ZstdCompressionDict(data)


def compress(data):
    return zstandard.ZstdCompressor(level=3, dict_data=dictionary(), write_dict_id=False).compress(data)


def decompress(frame, limit):
    try:
        size = zstandard.frame_content_size(frame)
        require(0 <= size <= limit, "a frame of no bounded size")
        reader = zstandard.ZstdDecompressor(dict_data=dictionary())
        data = reader.decompress(frame, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Refused(f"zstd: {error}")
    require(len(data) == size, "a frame of another size")
    return data


# ---- differences ----------------------------------------------------------------------------------------------

DIFFERENCE = (int, 32, 32, int, int, [int], bytes, bytes, [int], bytes, bytes, bytes)


def values(neurons, weights, enabled):
    return b"".join(columns(neurons)) + column("f", weights) + bits(enabled)


def values_in(base, inputs, outputs, hidden, ends):
    """Of a base that has these nodes and connections."""
    nodes = places(inputs, outputs, hidden)
    neurons = dict(zip(base.places()[base.inputs :], base.neurons))
    genes = dict(zip(base.connection_ids(), zip(base.weights, base.enabled)))
    found = [genes.get(connection_id(nodes[a][1], nodes[b][1]), (0.0, True)) for a, b in ends]
    kept = [neurons.get(place, USUAL) for place in nodes[inputs:]]
    return values(kept, [weight for weight, _ in found], [enabled for _, enabled in found])


def missing(items, others):
    """Where those are that others have not."""
    others = set(others)
    return [at for at, item in enumerate(items) if item not in others]


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


def make_difference(base, target):
    new_ends = [target.ends[at] for at in missing(target.links(), base.links())]
    new = [target.hidden[at] for at in missing(target.hidden, base.hidden)]
    before = values_in(base, target.inputs, target.outputs, target.hidden, target.ends)
    changes = xor(before, values(target.neurons, target.weights, target.enabled))
    return pack([
        1,
        genotype_id(base),
        genotype_id(target),
        target.inputs,
        target.outputs,
        missing(base.hidden, target.hidden),
        column("Q", [node for _, node in new]),
        column("Q", [layer for layer, _ in new]),
        missing(base.links(), target.links()),
        *ends_columns(new_ends, len(target.places())),
        compress(changes) if any(changes) else b"",
    ])


def read_difference(data):
    array = version(data, 16 << 20, 1)
    require(shaped(array, DIFFERENCE), "malformed")
    return array[1:]


def kept(items, gone):
    require(all(a < b for a, b in zip(gone, gone[1:])), "the order of what is gone")
    require(all(at < len(items) for at in gone), "what is gone was not there")
    gone = set(gone)
    return [item for at, item in enumerate(items) if at not in gone]


def apply_difference(base, data):
    named, target, inputs, outputs, gone_nodes, ids, layers, gone, froms, tos, changes = read_difference(data)
    require(named == genotype_id(base), "another base")
    check_ends(inputs, outputs)
    hidden = sorted(kept(base.hidden, gone_nodes) + read_hidden(ids, layers))
    nodes, before = places(inputs, outputs, hidden), base.places()
    index = {place: at for at, place in enumerate(nodes)}
    stay = [(before[a], before[b]) for a, b in kept(base.ends, gone)]
    require(all(a in index and b in index for a, b in stay), "a connection without its node")
    froms, tos = (numbers(index_kind(len(nodes)), data) for data in (froms, tos))
    require(len(froms) == len(tos) and all(at < len(nodes) for at in froms + tos), "the end of a connection")
    ends = [(index[a], index[b]) for a, b in stay] + list(zip(froms, tos))
    ends.sort(key=lambda pair: connection_id(nodes[pair[0]][1], nodes[pair[1]][1]))
    was = values_in(base, inputs, outputs, hidden, ends)
    now = xor(was, decompress(changes, len(was))) if changes else was
    g = with_values(Genotype(inputs, outputs, hidden, ends=ends), now, len(was))
    require(genotype_id(g) == target, "another genotype than the one named")
    return g


def with_values(g, data, size):
    require(len(data) == size, "values of another size")
    count, links, genes = len(g.hidden) + g.outputs, len(g.ends), []
    for _, kind, _, _ in GENES:
        width = count * struct.calcsize(kind)
        genes, data = genes + [data[:width]], data[width:]
    g.neurons, g.weights = read_neurons(genes, count), numbers("f", data[: 4 * links])
    g.enabled = unbits(data[4 * links :], links)
    check(g)
    return g


# ---- signatures, envelopes and certificates -------------------------------------------------------------------


def public_key(secret):
    return bytes(nacl.signing.SigningKey(secret).verify_key)


def sign(secret, context, body):
    return nacl.signing.SigningKey(secret).sign(context.encode() + b"\n" + body).signature


def check_signature(key, context, body, signature):
    try:
        nacl.signing.VerifyKey(key).verify(context.encode() + b"\n" + body, signature)
    except nacl.exceptions.BadSignatureError:
        raise Refused("signature")


CLAIMS = dict(
    version=int, kind=str, realm=str, task=str, genotype=32, base=frozenset({32, type(None)}), digest=32, fitness=float,
    generation=int, parents=[32], operators=[str], origin=32, grant=frozenset({bytes, type(None)}), sequence=int, time=int,
)  # fmt: skip


def read_claims(data):
    array = version(data, 1 << 20, 2)
    require(shaped(array, tuple(CLAIMS.values())), "malformed")
    claims = dict(zip(CLAIMS, array))
    parents, grant = claims["parents"], claims["grant"]
    require(claims["kind"] == "genotype" and isfinite(claims["fitness"]), "kind or fitness")
    texts = [claims["realm"], claims["task"], *claims["operators"]]
    require(all(len(text.encode()) <= 255 for text in texts) and len(claims["operators"]) <= 32, "texts")
    once = len({*parents, claims["genotype"]}) == len(parents) + 1
    require(len(parents) <= 8 and once, "parents")
    require(grant is None or len(grant) <= 1024, "grant")
    return claims


ENVELOPE = "cambrian envelope 2"


def seal(claims, genotype, base, secret, schema=3):
    """The genotype whole, or as a difference where there is a base."""
    data = encode(genotype, schema)
    payload = make_difference(base, genotype) if base else compress(data)
    all_claims = claims | dict(
        version=2, kind="genotype", genotype=sha256(data), base=base and genotype_id(base), digest=sha256(payload),
        origin=public_key(secret),
    )  # fmt: skip
    body = pack([all_claims[name] for name in CLAIMS])
    read_claims(body)
    return pack([body, sign(secret, ENVELOPE, body), payload])


def read_record(data):
    parts = unpack(data, 1 << 20)
    require(shaped(parts, (bytes, 64)), "malformed")
    body, signature = parts
    claims = read_claims(body)
    check_signature(claims["origin"], ENVELOPE, body, signature)
    return claims


def open_envelope(data, bases):
    """Claims and genotype; every check that needs neither a clock nor a memory."""
    parts = unpack(data, 1 << 20)
    require(shaped(parts, (bytes, 64, bytes)), "malformed")
    body, signature, payload = parts
    claims = read_claims(body)
    check_signature(claims["origin"], ENVELOPE, body, signature)
    require(sha256(payload) == claims["digest"], "digest")
    if claims["base"] is None:
        whole = decompress(payload, 16 << 20)
        genotype = decode(whole)
        require(sha256(whole) == claims["genotype"], "another genotype than the one named")
        return claims, genotype
    require(claims["base"] in bases, "a difference to a genotype that is not here")
    genotype = apply_difference(bases[claims["base"]], payload)
    require(read_difference(payload)[1] == claims["genotype"], "another genotype than the one named")
    return claims, genotype


def record_of(envelope):
    return pack(unpack(envelope, 1 << 20)[:2])


SUCCESSION, GRANT, EARLIER_GRANT, CHARTER = (
    "cambrian succession 1", "cambrian grant 2", "cambrian grant 1", "cambrian charter 1",
)  # fmt: skip


def seal_succession(old, new, time):
    body = pack([1, public_key(old), public_key(new), time])
    return pack([body, sign(old, SUCCESSION, body), sign(new, SUCCESSION, body)])


def read_succession(data):
    parts = unpack(data, 1024)
    require(shaped(parts, (bytes, 64, 64)), "malformed")
    said = version(parts[0], 1024, 1)
    require(shaped(said, (int, 32, 32, int)), "malformed")
    for key, signature in zip(said[1:3], parts[1:]):
        check_signature(key, SUCCESSION, parts[0], signature)
    return dict(zip(("old", "new", "time"), said[1:]))


def cosign(context, secrets, body):
    """Signatures of several, in the order of their keys."""
    return pack([body, sorted([public_key(secret), sign(secret, context, body)] for secret in secrets)])


def read_cosigned(context, data, most_bytes, most):
    """The body, and who signed it."""
    parts = unpack(data, most_bytes)
    require(shaped(parts, (bytes, list)), "malformed")
    body, signatures = parts
    require(0 < len(signatures) <= most and all(shaped(s, (32, 64)) for s in signatures), "signatures")
    by = [key for key, _ in signatures]
    require(rising(by), "signatures out of order")
    for key, signature in signatures:
        check_signature(key, context, body, signature)
    return body, by


def rising(ids):
    return all(a < b for a, b in zip(ids, ids[1:]))


def seal_earlier_grant(secret, realm, key, until):
    body = pack([1, realm, public_key(secret), key, until])
    return pack([body, sign(secret, EARLIER_GRANT, body)])


def seal_grant(secrets, realm, key, issued, until):
    return cosign(GRANT, secrets, pack([2, realm, key, issued, until]))


def read_grant(data):
    parts = unpack(data, 1024)
    if shaped(parts, (bytes, 64)):
        return read_earlier_grant(*parts)
    body, by = read_cosigned(GRANT, data, 1024, 6)
    said = version(body, 1024, 2)
    require(shaped(said, (int, str, 32, int, int)), "malformed")
    require(len(said[1].encode()) <= 255, "realm")
    return 2, dict(zip(("realm", "key", "issued", "until"), said[1:])) | dict(by=by, id=sha256(body))


def read_earlier_grant(body, signature):
    said = version(body, 1024, 1)
    require(shaped(said, (int, str, 32, 32, int)), "malformed")
    require(len(said[1].encode()) <= 255, "realm")
    check_signature(said[2], EARLIER_GRANT, body, signature)
    return 1, dict(zip(("realm", "by", "key", "until"), said[1:]))


def seal_charter(secrets, realm, number, issued, owners, threshold, revoked):
    return cosign(CHARTER, secrets, pack([1, realm, number, issued, sorted(owners), threshold, sorted(revoked)]))


def read_charter(data):
    body, by = read_cosigned(CHARTER, data, 16384, 12)
    said = version(body, 16384, 1)
    require(shaped(said, (int, str, int, int, [32], int, [32])), "malformed")
    _, realm, number, issued, owners, threshold, revoked = said
    require(len(realm.encode()) <= 255 and number > 0, "realm or number")
    require(1 <= len(owners) <= 6 and rising(owners) and 1 <= threshold <= len(owners), "owners")
    require(len(revoked) <= 256 and rising(revoked), "revoked")
    return dict(realm=realm, number=number, issued=issued, owner=owners, threshold=threshold, revoked=revoked, by=by,
                id=sha256(body))  # fmt: skip


# ---- messages beside envelopes --------------------------------------------------------------------------------

REALM = "org.example.größe"
HEARTBEAT = "cambrian heartbeat 1"
URGENCIES = {1: "news", 2: "best"}


def announcement(urgency, record, address):
    return pack([urgency, record, address])


def read_announcement(data):
    parts = unpack(data, 16 << 10)
    require(shaped(parts, (int, bytes, bytes)), "malformed")
    urgency, record, address = parts
    require(urgency in URGENCIES and len(address) <= 255, "malformed")
    return URGENCIES[urgency], address, read_record(record)


def with_realm(body):
    realm = REALM.encode()
    return bytes([len(realm)]) + realm + body


def seal_heartbeat(secret, address, time, interval):
    body = pack([1, public_key(secret), address, time, interval])
    return pack([3, body, sign(secret, HEARTBEAT, with_realm(body))])


def read_heartbeat(data):
    parts = unpack(data, 16 << 10)
    require(shaped(parts, (int, bytes, 64)) and parts[0] == 3, "malformed")
    said = version(parts[1], 16 << 10, 1)
    require(shaped(said, (int, 32, bytes, int, int)), "malformed")
    _, key, address, time, interval = said
    require(len(address) <= 255 and interval > 0, "malformed")
    check_signature(key, HEARTBEAT, with_realm(parts[1]), parts[2])
    return dict(key=key, address=address, time=time, interval=interval)


def read_request(data):
    ids = unpack(data, 1024)
    if shaped(ids, (int, 32)) and ids[0] == 0:
        return ids
    require(shaped(ids, [32]) and len(ids) <= 5, "malformed")
    return ids


def read_charters(data):
    """Each as it is: whether it is one is found out later."""
    parts = unpack(data, 9 * (16384 + 3) + 2)
    require(shaped(parts, ([bytes],)) and 1 <= len(parts[0]) <= 9, "malformed")
    return parts[0]


BREEDER = frozenset({bytes, type(None)})
ANSWERS = {
    1: ("whole", (int, bytes, BREEDER)),
    2: ("difference", (int, 32, bytes, BREEDER)),
    3: ("elsewhere", (int, 32, BREEDER)),
}


def read_answer(data):
    """Its kind, and what it has."""
    parts = unpack(data, 1 << 20)
    require(type(parts) is list, "malformed")
    if not parts:
        return "none", []
    require(type(parts[0]) is int and parts[0] in ANSWERS, "malformed")
    kind, shape = ANSWERS[parts[0]]
    require(shaped(parts, shape) and len(parts[-1] or b"") <= 16 << 10, "malformed")
    return kind, parts[1:]


# ---- texts ----------------------------------------------------------------------------------------------------
# One fact a line: its name, a space, and what it is; bytes and ids in hex, floats in the fewest digits that give the
# same float again.


def plain(x, digits=17, narrow=float):
    """Decimal, without an exponent."""
    short = next(s for s in (f"{x:.{p}g}" for p in range(1, digits + 1)) if narrow(float(s)) == x)
    text = f"{Decimal(short):f}"
    return text if "." in text else text + ".0"


def plain32(x):
    return plain(x, 9, f32)


def shown(value):
    if value is None:
        return "none"
    if isinstance(value, bytes):
        return value.hex()
    return plain(value) if isinstance(value, float) else str(value)


def lines(pairs):
    return "".join(f"{name} {what}\n" for name, what in pairs)


def told(kind, number, said):
    pairs = [(kind, number)]
    for name, value in said.items():
        one = {"parents": "parent", "operators": "operator"}.get(name, name)
        pairs += [(one, shown(each)) for each in (value if isinstance(value, list) else [value])]
    return lines(pairs)


def genotype_text(g, data):
    nodes, first = g.places(), g.inputs
    pairs = [("genotype", unpack(data, 16 << 20)[0]), ("bytes", sha256(data).hex()), ("id", genotype_id(g).hex())]
    pairs += [("inputs", g.inputs), ("outputs", g.outputs)]
    pairs += [(node_kind(layer), node_text(node, layer)) for layer, node in nodes[:first]]
    pairs += [
        (node_kind(layer), node_text(node, layer) + genes_text(neuron))
        for (layer, node), neuron in zip(nodes[first:], g.neurons)
    ]
    for one, (a, b), weight, enabled in zip(g.connection_ids(), g.ends, g.weights, g.enabled):
        link = f"{one:016x} {nodes[a][1]:016x} {nodes[b][1]:016x} {plain32(weight)}"
        pairs.append(("connection", link if enabled else link + " disabled"))
    return lines(pairs)


def node_kind(layer):
    return {0: "input", TOP: "output"}.get(layer, "hidden")


def node_text(node, layer):
    return f"{node:016x} {layer:016x}"


def genes_text(neuron):
    """Those that are not the usual ones."""
    return "".join(
        f" {gene}={allowed[value] if kind == 'B' else plain32(value)}"
        for value, (gene, kind, usual, allowed) in zip(neuron, GENES)
        if column(kind, [value]) != column(kind, [usual])
    )


def difference_text(data, bases):
    base, target, *_ = read_difference(data)
    require(base in bases, "a difference to a genotype that is not here")
    require(genotype_id(apply_difference(bases[base], data)) == target, "another target")
    return told("difference", 1, dict(base=base, target=target))


def without_version(claims):
    return {name: value for name, value in claims.items() if name not in ("version", "kind", "digest")}


def claims_text(kind, claims, **more):
    return told(kind, 2, without_version(claims) | more)


def envelope_text(data, bases):
    claims, genotype = open_envelope(data, bases)
    return claims_text("envelope", claims, opens=genotype_id(genotype))


def announcement_text(data):
    urgency, address, claims = read_announcement(data)
    return told("announcement", urgency, dict(address=address) | without_version(claims))


def request_text(data):
    wanted, *holds = read_request(data) or ["ping"]
    if wanted == 0:
        return told("request", "who", dict(nonce=holds[0]))
    return told("request", shown(wanted), dict(holds=holds))


def charters_text(data):
    charters = read_charters(data)
    return told("charters", len(charters), dict(charter=[sha256(charter) for charter in charters]))


def answer_text(data):
    """Ids as they are, and the SHA-256 of what is longer."""
    kind, parts = read_answer(data)
    names = dict(whole=["envelope"], difference=["base", "difference"], elsewhere=["content"], none=[])[kind]
    said = {name: part if name in ("base", "content") else part and sha256(part) for name, part in zip(names + ["breeder"], parts)}
    return told("answer", kind, said)


TEXTS = {
    "genotype": lambda data, bases: genotype_text(decode(data), data),
    "difference": difference_text,
    "envelope": envelope_text,
    "record": lambda data, bases: claims_text("record", read_record(data)),
    "succession": lambda data, bases: told("succession", 1, read_succession(data)),
    "grant": lambda data, bases: told("grant", *read_grant(data)),
    "charter": lambda data, bases: told("charter", 1, read_charter(data)),
    "announcement": lambda data, bases: announcement_text(data),
    "heartbeat": lambda data, bases: told("heartbeat", 1, read_heartbeat(data)),
    "request": lambda data, bases: request_text(data),
    "charters": lambda data, bases: charters_text(data),
    "answer": lambda data, bases: answer_text(data),
}


# ---- check ----------------------------------------------------------------------------------------------------


def read_file(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


def write_file(folder, name, content):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(content)


def check_vectors(folder):
    return all([check_folder(folder), check_folder(os.path.join(folder, MESSAGES))])


def check_folder(folder):
    names = sorted(name for name in os.listdir(folder) if name.rpartition(".")[2] in TEXTS)
    require(names, f"no vectors in {folder}")
    data = {name: read_file(folder, name) for name in names}
    genotypes = genotypes_of(data)
    faults = [fault for name in names for fault in check_vector(folder, name, data[name], genotypes)]
    if changed_text(data).encode() != read_file(folder, CHANGED):
        faults.append("others are refused")
        print(f"{CHANGED}: {faults[-1]}")
    print(f"{folder}: {len(names)} vectors, {len(faults)} faults")
    return not faults


def genotypes_of(data):
    return {sha256(d): decode(d) for name, d in data.items() if name.endswith(".genotype")}


CHANGED = "changed.txt"
MESSAGES = "messages"


def changed_text(data):
    """Of every vector with one byte changed: how many are still accepted, and the hash of which."""
    genotypes, text = genotypes_of(data), ""
    for name in sorted(data):
        fates = [accepts(name.rpartition(".")[2], other, genotypes) for other in changes(data[name])]
        text += f"{name} {sum(fates)} of {len(fates)} {sha256(bytes(fates)).hex()}\n"
    return text


def changes(data):
    for at, byte in enumerate(data):
        for mask in (1, 16, 128, 255):
            yield data[:at] + bytes([byte ^ mask]) + data[at + 1 :]


def accepts(kind, data, genotypes):
    try:
        return bool(TEXTS[kind](data, genotypes))
    except Refused:
        return False


def check_vector(folder, name, data, genotypes):
    try:
        kind = name.rpartition(".")[2]
        same = TEXTS[kind](data, genotypes).encode() == read_file(folder, name + ".txt")
        faults = [] if same and written_alike(kind, data, genotypes) else ["it is not what is said of it"]
    except Refused as refused:
        faults = [f"refused: {refused}"]
    print("\n".join(f"{name}: {what}" for what in faults or ["ok"]))
    return faults


def written_alike(kind, data, genotypes):
    """What is written here for the same genotype or difference is the same, but for how well it is packed."""
    if kind != "difference":
        return True  # a genotype of another spelling was refused when it was read
    base, target, *_ = read_difference(data)
    mine, theirs = read_difference(make_difference(genotypes[base], genotypes[target])), read_difference(data)
    unpacked = [frame and decompress(frame, 16 << 20) for frame in (mine[-1], theirs[-1])]
    return mine[:-1] == theirs[:-1] and unpacked[0] == unpacked[1]


# ---- make -----------------------------------------------------------------------------------------------------


def build(inputs, outputs, hidden=(), links=(), genes=None):
    """Of links (from id, to id, weight, enabled), and of genes that are not usual: by id, those by name."""
    nodes = places(inputs, outputs, sorted(hidden))
    index = {node: at for at, (_, node) in enumerate(nodes)}
    links = sorted(links, key=lambda link: connection_id(*link[:2]))
    names = [gene for gene, _, _, _ in GENES]
    neurons = [tuple((genes or {}).get(node, {}).get(gene, usual) for gene, usual in zip(names, USUAL))
               for _, node in nodes[inputs:]]  # fmt: skip
    narrowed = [tuple(f32(v) if isinstance(v, float) else v for v in neuron) for neuron in neurons]
    ends = [(index[a], index[b]) for a, b, _, _ in links]
    weights, enabled = [f32(link[2]) for link in links], [link[3] for link in links]
    g = Genotype(inputs, outputs, sorted(hidden), narrowed, ends, weights, enabled)
    check(g)
    return g


def smallest():
    return build(1, 1)


def grown():
    """Splits, of a forward and of a recurrent connection, a loop, and every gene as it seldom is."""
    i, o = [input_id(n) for n in range(3)], [output_id(n) for n in range(2)]
    forward, back = connection_id(i[0], o[0]), connection_id(o[1], o[1])
    a, b, c = split_id(forward, 0), split_id(forward, 1), split_id(back, 0)
    half = split_layer(0, TOP)
    links = [
        (i[0], o[0], 0.1, False), (i[0], a, 1.0, True), (a, o[0], 0.1, True), (i[1], b, -0.0, True),
        (b, o[0], 1e-45, True), (o[1], o[1], -2.5, False), (o[1], c, 1e6, True), (c, o[1], -1e6, True),
        (a, a, 0.333333333, True), (i[2], o[1], 16777.217, True),
    ]  # fmt: skip
    genes = {
        a: dict(activation=21, aggregation=6, bias=-0.0, gain=0.25, dynamics=4, time_constant=63.5),
        b: dict(activation=12, aggregation=5, bias=1e6, dynamics=3, time_constant=0.01, plasticity=4,
                learning_rate=-1.0, decay=1.0),
        c: dict(plasticity=2, learning_rate=0.05, decay=0.001),
        o[1]: dict(activation=1, bias=-0.7),
    }  # fmt: skip
    return build(3, 2, [(half, a), (half, b), (split_layer(TOP, TOP), c)], links, genes)


def wide():
    """More nodes than a byte can tell apart."""
    links = [(input_id(n), output_id(n % 5), n / 7, n % 3 > 0) for n in range(0, 300, 10)]
    genes = {output_id(n): dict(activation=2) for n in range(5)}
    hidden = [(TOP // 3, substrate_id(TOP // 3, n)) for n in range(4)]
    links += [(node, output_id(0), 0.5, True) for _, node in hidden]
    return build(300, 5, hidden, links, genes)


def changed(g, weights=(), fewer=False):
    """Other weights; without the last hidden node, and with another loop and another output."""
    nodes = [node for _, node in g.places()]
    new = dict(weights)
    links = [(nodes[a], nodes[b], new.get(nth, w), on) for nth, ((a, b), w, on) in enumerate(zip(g.ends, g.weights, g.enabled))]
    genes = {node: dict(zip((gene for gene, _, _, _ in GENES), neuron)) for node, neuron in zip(nodes[g.inputs:], g.neurons)}
    if not fewer:
        return build(g.inputs, g.outputs, g.hidden, links, genes)
    lost, place = g.hidden[-1][1], (TOP // 4, split_id(g.connection_ids()[0], 7))
    links = [link for link in links if lost not in link[:2]]
    links += [(place[1], output_id(0), 0.75, False), (output_id(0), place[1], -0.125, True)]
    genes[place[1]] = dict(activation=13, gain=2.0)
    return build(g.inputs + 1, g.outputs + 1, g.hidden[:-1] + [place], links, genes)


def claims(**more):
    return dict(realm="org.example.größe", task="xor", fitness=2.87, generation=0, parents=[], operators=[], grant=None,
                sequence=1, time=1_800_000_000_000) | more  # fmt: skip


def vectors():
    """Name and bytes; texts say what was meant."""
    ours, heir, realm = b"\x11" * 32, b"\x12" * 32, b"\x13" * 32
    small, full = smallest(), grown()
    moved = changed(full, weights=[(0, 0.375), (4, -1.0)])
    other = changed(full, fewer=True)
    genotypes = dict(smallest=small, grown=full, wide=wide(), weights=moved, structure=other)
    for name, g in genotypes.items():
        data = encode(g)
        yield name + ".genotype", data, genotype_text(g, data)
    pairs = dict(weights=(full, moved), structure=(full, other), back=(other, full), same=(full, full))
    for name, (base, target) in pairs.items():
        ids = dict(base=genotype_id(base), target=genotype_id(target))
        yield name + ".difference", make_difference(base, target), told("difference", 1, ids)
    grant = seal_earlier_grant(realm, "org.example.größe", public_key(ours), 1_900_000_000_000)
    yield "leave.grant", grant, told("grant", 1, dict(
        realm="org.example.größe", by=public_key(realm), key=public_key(ours), until=1_900_000_000_000))  # fmt: skip
    shared = seal_grant([ours, realm], "org.example.größe", public_key(heir), 1_800_000_000_000, 1_801_000_000_000)
    yield "shared.grant", shared, told("grant", *read_grant(shared))
    keys = [public_key(secret) for secret in (ours, realm)]
    charter = seal_charter([ours, heir, realm], "org.example.größe", 7, 1_800_000_000_002, keys, 2, [sha256(b"a grant")])
    yield "owners.charter", charter, told("charter", 1, read_charter(charter))
    yield "heir.succession", seal_succession(ours, heir, 1_800_000_000_001), told("succession", 1, dict(
        old=public_key(ours), new=public_key(heir), time=1_800_000_000_001))  # fmt: skip
    yield from envelopes(ours, small, full, moved, grant)


def envelopes(secret, small, full, moved, grant):
    born = claims(fitness=-1.25e-7, generation=2**64 - 1, parents=[genotype_id(full), genotype_id(small)],
                  operators=["crossover", "perturb_weights"], grant=grant, sequence=2**32, time=2**53)  # fmt: skip
    for name, said, genotype, base, schema in [
        ("whole", claims(), full, None, 3),
        ("difference", born, moved, full, 3),
        ("earlier", claims(sequence=2), moved, None, 2),
        ("first", claims(sequence=3), smallest(), None, 1),
    ]:
        named = sha256(encode(genotype, schema))
        said = dict(realm=said["realm"], task=said["task"], genotype=named, base=base and genotype_id(base)) | said
        said |= dict(origin=public_key(secret))
        said = {name: said[name] for name in CLAIMS if name in said}
        data = seal(said, genotype, base, secret, schema)
        yield name + ".envelope", data, claims_text("envelope", said, opens=genotype_id(genotype))
        if name == "difference":
            yield name + ".record", record_of(data), claims_text("record", said)


def messages():
    """On a realm's topic, and by call."""
    made = {name: data for name, data, _ in vectors()}
    whole, difference, breeder = made["whole.envelope"], made["weights.difference"], made["difference.record"]
    base, target = genotype_id(grown()), genotype_id(changed(grown(), weights=[(0, 0.375), (4, -1.0)]))
    said = without_version(read_record(record_of(whole)))
    for urgency, address in [(1, b"anomalocaris_47283@127.0.0.1/1f"), (2, b"")]:
        name = URGENCIES[urgency]
        text = told("announcement", name, dict(address=address) | said)
        yield name + ".announcement", announcement(urgency, record_of(whole), address), text
    for name, secret, address, time, interval in [
        ("first", b"\x11" * 32, b"anomalocaris_47283@127.0.0.1/1f", 1_800_000_000_000, 5000),
        ("long", b"\x12" * 32, b"\xff" * 255, 2**64 - 1, 2**63),
    ]:
        text = told("heartbeat", 1, dict(key=public_key(secret), address=address, time=time, interval=interval))
        yield name + ".heartbeat", seal_heartbeat(secret, address, time, interval), text
    charter = made["owners.charter"]
    both = pack([[charter, b"another"]])
    yield "one.charters", pack([[charter]]), told("charters", 1, dict(charter=sha256(charter)))
    yield "two.charters", both, told("charters", 2, dict(charter=[sha256(charter), sha256(b"another")]))
    held = [sha256(bytes([n])) for n in range(4)]
    yield "ping.request", pack([]), "request ping\n"
    yield "new.request", pack([target]), told("request", target.hex(), {})
    yield "known.request", pack([target, *held]), told("request", target.hex(), dict(holds=held))
    yield "none.answer", pack([]), "answer none\n"
    yield "whole.answer", pack([1, whole, None]), told("answer", "whole", dict(envelope=sha256(whole), breeder=None))
    yield "difference.answer", pack([2, base, difference, breeder]), told("answer", "difference", dict(
        base=base, difference=sha256(difference), breeder=sha256(breeder)))  # fmt: skip
    yield "elsewhere.answer", pack([3, sha256(whole), None]), told("answer", "elsewhere", dict(
        content=sha256(whole), breeder=None))  # fmt: skip


def make_vectors(folder):
    write_vectors(folder, vectors())
    write_vectors(os.path.join(folder, MESSAGES), messages())
    return True


def write_vectors(folder, vectors):
    os.makedirs(folder, exist_ok=True)
    made = {}
    for name, data, text in vectors:
        made[name] = data
        write_file(folder, name, data)
        write_file(folder, name + ".txt", text.encode())
    write_file(folder, CHANGED, changed_text(made).encode())


def check_ids():
    """The test vectors of the document."""
    link = connection_id(input_id(0), output_id(0))
    found = [input_id(0), output_id(0), link, split_id(link, 0), substrate_id(1 << 62, 7)]
    wanted = "35aa233257ed720d 69da0f2b571338f4 1ed8597e20fd0c43 ee789d4765f13406 849ed19686331fc9"
    require([f"{one:016x}" for one in found] == wanted.split(), "ids")


if __name__ == "__main__":
    commands = {"check": check_vectors, "make": make_vectors}
    if len(sys.argv) != 3 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    check_ids()
    sys.exit(0 if commands[sys.argv[1]](sys.argv[2]) else 1)
