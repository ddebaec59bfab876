"""Histories of runs: how they are altered, and how they are loaded."""

import itertools
import json
import random
from functools import cache

from rnnlm_cli.plots.losses import draw_losses
from rnnlm_cli.runs.history import History, read_first_records, read_history
from rnnlm_cli.train.schedule import make_plan
from tests.checkpoints import make_checkpoint
from tests.histories import make_history
from tests.mutations.parts import Mutation
from tests.mutations.plain import change_bytes, change_text, change_values, encode

ANY = {"refused", "other"}  # a history has no checksum


def write_history(path):
    """Write the history of a run as the run writes it. Returns: its bytes."""
    path.write_bytes(b"".join(encode(record) + b"\n" for record in make_history(12)))
    return path.read_bytes()


def load_history(path):
    """Read a history as `rnnlm plot` and as the resume of its run do, which adds to it."""
    history = History(path.with_name("resumed"), read_first_records(path, 1000))
    history.add(make_plan(9, 6), _make_state(), seconds=200.0, lr=0.1, valid_nats=1.5)
    history.path.write_bytes(b"".join(encode(record) + b"\n" for record in history.records))
    read_history(history.path)
    return read_history(path)


@cache
def _make_state():
    return make_checkpoint().state


def load_and_draw_history(path):
    """Read a history as `load_history` does, and draw it."""
    records = load_history(path)
    draw_losses({"altered": records, "resumed": read_history(path.with_name("resumed"))},
                path.with_name("plot.png"))
    return records


def generate_history_mutations(data, seed, count):
    """Yield the history and mutations of it: of its bytes, and of the JSON of its lines."""
    yield Mutation("intact", data, {"other"})
    draw = random.Random(seed)
    lines = data.splitlines(keepends=True)
    documents = [json.loads(line) for line in lines]
    values = change_values(documents, draw)
    texts = change_text(lines[0].decode())
    raw = change_bytes(data, draw)
    for way in itertools.islice(itertools.cycle(("bytes", "values", "values", "text")), count):
        if way == "bytes":
            name, altered = next(raw)
        elif way == "values":
            name, records = next(values)
            altered = b"".join(encode(record) + b"\n" for record in records)
        else:
            name, text = next(texts)
            at = draw.randrange(len(lines))
            altered = b"".join((*lines[:at], text.encode() + b"\n", *lines[at + 1 :]))
        yield Mutation(f"{way}: {name}", altered, ANY)
