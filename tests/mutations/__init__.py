"""Altered container files, from generators of many sorts."""

import itertools
import json
import random

from tests.mutations.descriptions import (
    change_keys,
    falsify_sizes,
    falsify_tokens,
    insert_known_traps,
    insert_odd_values,
)
from tests.mutations.headers import change_header_text, change_table_entries, change_table_numbers
from tests.mutations.parts import Mutation, Parts
from tests.mutations.raw_bytes import (
    append_bytes,
    falsify_length,
    flip_bits,
    move_blocks,
    overwrite_bytes,
    truncate,
)

GENERATORS = (
    flip_bits, overwrite_bytes, truncate, append_bytes, move_blocks, falsify_length,
    change_table_numbers, change_table_entries, change_header_text, insert_odd_values, change_keys,
    falsify_sizes, falsify_tokens, insert_known_traps,
)


def generate_mutations(data, seed, count):
    """Yield a number of mutations of a file, from all generators in turn."""
    parts = Parts(data)
    draw = random.Random(seed)
    assert parts.checksum(json.loads(parts.text)) == json.loads(parts.text)["sha256"]
    sources = itertools.cycle([generator(parts, draw) for generator in GENERATORS])
    for source in itertools.islice(sources, count):
        name, altered, allowed = next(source)
        yield Mutation(f"{source.__name__}: {name}", bytes(altered), allowed)
