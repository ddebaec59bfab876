"""Mutations of the description.

Every function yields (name, bytes, allowed outcomes) without end.
"""

import itertools
import json
import math

from tests.mutations.parts import BRACKETS, DAMAGED, DIGITS, FORGED, ODD, TOO_LARGE, model_of


def insert_odd_values(parts, draw):
    """Put an odd value anywhere into the description."""
    while True:
        for forged in (False, True):
            description = json.loads(parts.text)
            at, path = description, []
            while isinstance(at, dict | list) and at and (not path or draw.random() < 0.9):
                parent, key = at, draw.choice([*at] if isinstance(at, dict) else range(len(at)))
                at = parent[key]
                path.append(str(key))
            parent[key] = draw.choice(ODD)
            name = f"{'/'.join(path)} {str(parent[key])[:40]!a}, forged: {forged}"
            yield name, parts.with_description(description, forged=forged), (
                FORGED if forged else DAMAGED
            )


def change_keys(parts, draw):
    """Drop, rename and add keys of the description."""
    while True:
        for way, forged in itertools.product(("dropped", "renamed", "added"), (False, True)):
            description = json.loads(parts.text)
            where = [description, *(v for v in description.values() if isinstance(v, dict) and v)]
            parent = draw.choice(where)
            key = draw.choice([*parent])
            if way != "added":
                value = parent.pop(key)
            if way != "dropped":
                parent[key + "x"] = value if way == "renamed" else 1
            name = f"{key} {way}, forged: {forged}"
            yield name, parts.with_description(description, forged=forged), (
                FORGED if forged else DAMAGED
            )


def falsify_sizes(parts, draw):
    """Claim other sizes than the tensors have, which is refused even if the checksum matches."""
    sizes = ("hidden_size", "embedding_size", "num_layers", "vocab_size")
    numbers = (0, 1, 2, 64, 65, 1 << 11, 1 << 12, 1 << 13, 1 << 20, 1 << 24, 1 << 40, 10**400)
    for number, field in itertools.cycle(itertools.product(numbers, (*sizes, "batch_size"))):
        description = json.loads(parts.text)
        place = description if field == "batch_size" else model_of(description)
        if place.get(field, number) != number:
            place[field] = number
            yield f"{field} {str(number)[:20]}", parts.with_description(
                description, forged=draw.random() < 0.8
            ), TOO_LARGE


def falsify_tokens(parts, draw):
    """Change the vocabulary, so that it is invalid or the one of another model."""
    while True:
        for way, (forged, fitted) in itertools.product(
            ("dropped", "doubled", "copied", "swapped", "made a number", "made a list"),
            ((False, False), (True, False), (True, True)),
        ):
            description = json.loads(parts.text)
            tokens = description["vocabulary"]["tokens"]
            at, other = draw.sample(range(len(tokens)), 2)
            if way == "dropped":
                tokens.pop(at)
            elif way == "doubled":
                tokens.insert(at, tokens[other])
            elif way == "copied":
                tokens[at] = tokens[other]
            elif way == "swapped":
                tokens[at], tokens[other] = tokens[other], tokens[at]
            else:
                tokens[at] = at if way == "made a number" else [at]
            if fitted:
                model_of(description)["vocab_size"] = len(tokens)
            name = f"token {at} {way}, forged: {forged}, fitted: {fitted}"
            yield name, parts.with_description(description, forged=forged), (
                DAMAGED if not forged else FORGED if way == "swapped" else TOO_LARGE
            )


def plan_of(description):
    """Return the plan in the description of a checkpoint; a model file gets a key too many."""
    return description.get("duration", {"plan": description})["plan"]


def insert_known_traps(parts, draw):
    """Insert values that have broken readers before."""
    changes = (
        ("a size that is no float", lambda d: model_of(d).update(dropout=10**400)),
        ("a size that is NaN", lambda d: model_of(d).update(dropout=math.nan)),
        ("a temperature that is no float", lambda d: d.update(
            sampling={"temperature": 10**400}
        )),
        ("two lines in the format", lambda d: d.update(format="rnnlm-\nx")),
        ("a format of another kind", lambda d: d.update(format=["rnnlm-model"])),
        ("a format of ours", lambda d: d.update(format="rnnlm-cache")),
        ("a version from the past", lambda d: d.update(version=-1)),
        ("a version that is true", lambda d: d.update(version=True)),
        ("a version far ahead", lambda d: d.update(version=10**400)),
        ("64 layers of 2**20", lambda d: model_of(d).update(num_layers=64, hidden_size=1 << 20)),
        ("endless steps", lambda d: plan_of(d).update(total_steps=10**400)),
        ("steps to be planned", lambda d: plan_of(d).update(
            total_steps=10**400, num_validations=0
        )),
        ("an unhashable token", lambda d: d["vocabulary"]["tokens"].append({})),
        ("merges at a level without", lambda d: d["vocabulary"].update(merges=[[2, 3]])),
        ("merges out of range", lambda d: d["vocabulary"].update(level="bpe", merges=[[2, 99]])),
        ("tokens of another level", lambda d: d["vocabulary"].update(level="byte")),
    )
    texts = (
        "", " ", "null", "[]", "{}", "1", '"rnnlm-model"', BRACKETS, "NaN", "\ud7ff",
        parts.text[:-1], parts.text + parts.text, parts.text.replace("{", "{ ").replace(",", " ,"),
        parts.text.replace("{", f'{{"deep":{BRACKETS},', 1),
        parts.text.replace("{", f'{{"long":{DIGITS},', 1),
        parts.text.replace("{", '{"version":7,', 1), parts.text[:-1] + ',"version":7}',
    )
    while True:
        for name, change in changes:
            for forged in (True, False):
                description = json.loads(parts.text)
                change(description)
                yield f"{name}, forged: {forged}", parts.with_description(
                    description, forged=forged
                ), FORGED if forged else DAMAGED
        for text in texts:
            yield f"description {text[:30]!r}", parts.with_text(text), DAMAGED
