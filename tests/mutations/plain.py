"""Mutations of files without parts: of bytes, and of JSON values on one line each."""

import copy
import itertools
import json

from tests.mutations.parts import BRACKETS, DIGITS, ODD
from tests.mutations.raw_bytes import (
    append_bytes,
    flip_bits,
    move_blocks,
    overwrite_bytes,
    truncate,
)

RAW = (flip_bits, overwrite_bytes, truncate, append_bytes, move_blocks)


class Plain:
    """A file whose bytes are all alike, for the generators of `raw_bytes`."""

    def __init__(self, data):
        self.data, self.end = data, len(data) // 2

    def place(self, draw):
        """Draw a position."""
        return "the file", draw.randrange(len(self.data))


def change_bytes(data, draw):
    """Yield (name, altered bytes) without end."""
    sources = [generator(Plain(data), draw) for generator in RAW]
    for source in itertools.cycle(sources):
        name, altered, _ = next(source)
        yield name, bytes(altered)


def change_values(document, draw):
    """Yield (name, altered document) without end: odd, swapped, dropped and added values."""
    for way in itertools.cycle(("odd", "odd", "swapped", "dropped", "doubled", "renamed")):
        altered = copy.deepcopy(document)
        parent, key, name = _find_place(altered, draw)
        other_parent, other_key, _ = _find_place(altered, draw)
        if way == "odd":
            parent[key] = draw.choice(ODD)
            name += f" is {str(parent[key])[:40]!a}"
        elif way == "swapped":
            value, other = copy.deepcopy((parent[key], other_parent[other_key]))
            parent[key] = other
            if other_key in other_parent or isinstance(other_parent, list):
                other_parent[other_key] = value
        elif isinstance(parent, list):
            parent[key : key + 1] = [] if way == "dropped" else [parent[key]] * 2
        else:
            value = parent.pop(key)
            if way != "dropped":
                parent[f"{key}x"] = value
        yield f"{name} {way}", altered


def change_text(text):
    """Yield (name, altered text) without end, of JSON that breaks readers."""
    changes = {
        "nothing": "", "a space": " ", "null": "null", "a list": "[]", "an object": "{}",
        "brackets": BRACKETS, "not a number": "NaN", "cut": text[:-3], "twice": text + text,
        "brackets in it": text.replace("{", f'{{"deep": {BRACKETS}, ', 1),
        "digits in it": text.replace("{", f'{{"long": {DIGITS}, ', 1),
        "a key twice": text.replace("{", '{"version": 7, "step": 8, ', 1),
        "a letter that is not ASCII": text.replace("e", "\u00e9", 1), "NUL": "\0" * 100,
    }
    for name in itertools.cycle(changes):
        yield name, changes[name]


def _find_place(document, draw):
    """Draw a value in a document. Returns: where it is (an object or a list, a key), and a name."""
    at, path = document, []
    while isinstance(at, (dict, list)) and at and (not path or draw.random() < 0.9):
        parent, key = at, draw.choice([*at] if isinstance(at, dict) else range(len(at)))
        at = parent[key]
        path.append(str(key))
    return parent, key, "/".join(path)


def encode(document):
    """Return a document as rnnlm writes it."""
    return json.dumps(document).encode()
