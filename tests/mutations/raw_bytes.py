"""Mutations of bytes, whatever they stand for.

Every function yields (name, bytes, allowed outcomes) without end.
"""

import itertools

from tests.mutations.parts import DAMAGED


def flip_bits(parts, draw):
    while True:
        region, at = parts.place(draw)
        data, bit = bytearray(parts.data), draw.randrange(8)
        data[at] ^= 1 << bit
        yield f"bit {bit} of byte {at}, in {region}", data, DAMAGED


def overwrite_bytes(parts, draw):
    while True:
        region, at = parts.place(draw)
        new = draw.randbytes(draw.randint(2, 16))
        yield (
            f"{new.hex()} from byte {at} on, in {region}",
            parts.data[:at] + new + parts.data[at + len(new) :], DAMAGED,
        )


def truncate(parts, draw):
    size = len(parts.data)
    first = (0, 1, 7, 8, 9, parts.end // 2, parts.end - 1, parts.end, parts.end + 1, size - 1)
    for end in itertools.chain(first, iter(lambda: parts.place(draw)[1], None)):
        yield f"cut after {end} bytes", parts.data[:end], DAMAGED


def append_bytes(parts, draw):
    for size in itertools.cycle((1, 7, 8, 4096, 1 << 16)):
        yield f"{size} zeros behind", parts.data + bytes(size), DAMAGED
        yield f"{size} bytes behind", parts.data + draw.randbytes(size), DAMAGED
        yield f"{size} bytes of it behind", parts.data + parts.data[:size], DAMAGED
        yield f"{size} zeros before", bytes(size) + parts.data, DAMAGED


def move_blocks(parts, draw):
    data = parts.data
    while True:
        size = min(draw.choice((1, 4, 8, 64, 4096)), len(data) // 4)
        first, second = sorted(draw.sample(range(0, len(data) - size, size), 2))
        a, b = data[first : first + size], data[second : second + size]
        between, behind = data[first + size : second], data[second + size :]
        for name, whole in (
            ("swapped with", data[:first] + b + between + a + behind),
            ("written over", data[:first] + a + between + a + behind),
            ("repeated before", data[:first] + a + between + a + b + behind),
            ("moved before", data[:first] + between + a + b + behind),
            ("and all zeroed up to", data[:first] + bytes(second - first) + b + behind),
            ("and all dropped up to", data[:first] + b + behind),
        ):
            yield f"{size} bytes at {first} {name} {second}", whole, DAMAGED


def falsify_length(parts, draw):
    size, whole = parts.end - 8, len(parts.data)
    first = (
        0, 1, 2, size - 1, size + 1, size + 8, whole - 8, whole, whole + 1, 100_000_000,
        100_000_001, 1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 9, (1 << 64) - 1,
    )
    lengths = itertools.chain(first, iter(lambda: draw.getrandbits(draw.randint(1, 64)), None))
    for length in lengths:
        yield f"length {length}", length.to_bytes(8, "little") + parts.data[8:], DAMAGED
