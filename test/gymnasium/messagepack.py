"""Python's msgpack and ours: messagepack.py OURS THEIRS reads our file and writes what it read."""
import sys

import msgpack

values = msgpack.unpackb(open(sys.argv[1], "rb").read(), strict_map_key=False)
open(sys.argv[2], "wb").write(msgpack.packb(values))
