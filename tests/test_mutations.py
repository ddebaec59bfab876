"""Altered model files and checkpoints: refused in one line, or loaded with equal contents."""

import io
import itertools
import os
import pickle
import sys
from collections import Counter
from functools import partial

import pytest
import torch

from rnnlm_cli.config import ModelConfig
from rnnlm_cli.model_file import Model, save_model
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.runs.checkpoint import save_checkpoint
from rnnlm_cli.text.vocabulary import Vocabulary
from tests.checkpoints import make_checkpoint
from tests.mutations import generate_mutations
from tests.mutations.loading import Worker, attempt, find_outcome
from tests.mutations.parts import DAMAGED, Mutation, Parts

every_kind = pytest.mark.parametrize("kind", ["model", "checkpoint"])

# Memory beside the file: its description as Python objects, the modules of up to 64 layers without
# weights, and pages of libraries that are used for the first time. 7 MB were measured; another
# copy of the file would be 20 MB.
OVERHEAD = 12 << 20
NUM_MUTATIONS = int(os.environ.get("RNNLM_MUTATIONS", "10000"))


def write_file(kind, path, *, large=False):
    """Write a model or a checkpoint; a large one has 20 MB and a long description."""
    if large:
        words = ("<unk>", "\n", *(f"w{number}" for number in range(2000)))
        vocabulary = Vocabulary("word", words)
    else:
        vocabulary = Vocabulary("word", ("<unk>", "\n", "a", "bc", "d", "\u00e9", "\u4e2d"))
    if kind == "checkpoint":  # it holds every weight four times
        sizes = {"embedding_size": 128, "hidden_size": 320, "num_layers": 1} if large else {}
        save_checkpoint(path, make_checkpoint(vocabulary=vocabulary, sampled=True, **sizes))
    else:
        config = ModelConfig(
            vocab_size=len(vocabulary), cell="lstm", num_layers=1 if large else 2,
            embedding_size=256 if large else 4, hidden_size=768 if large else 5,
        )
        network = RecurrentNetwork(config, generator=torch.Generator().manual_seed(3))
        model = Model(
            network, vocabulary, False, "utf-8", {"steps": 3, "lr": 0.5},
            sampling={"temperature": 0.8},
        )
        save_model(path, model)
    return path.read_bytes()


@every_kind
def test_a_mutation_is_refused_in_one_line_or_loads_the_same(tmp_path, kind):
    original, path = write_file(kind, tmp_path / "file"), tmp_path / "file"
    wrong = {}
    for mutation in generate_mutations(original, seed=1, count=420):
        found = find_outcome(mutation, path, original, partial(attempt, kind))
        if found not in mutation.allowed:
            wrong[mutation.name] = found
    assert not wrong, "\n".join(f"{name}: {found}" for name, found in wrong.items())


@every_kind
def test_brackets_as_deep_as_python_reads_them_are_refused_in_one_line(tmp_path, kind):
    """The JSON reader and the JSON writer do not give up at the same depth."""
    original, path = write_file(kind, tmp_path / "file"), tmp_path / "file"
    parts, deepest = Parts(original), sys.getrecursionlimit()
    for depth in range(deepest - 200, deepest + 1):
        deep = parts.text.replace("{", f'{{"deep":{"[" * depth}{"]" * depth},', 1)
        mutation = Mutation(f"depth {depth}", parts.with_text(deep), DAMAGED)
        found = find_outcome(mutation, path, original, partial(attempt, kind))
        assert found == "refused", mutation.name


class Trap:
    """An object that makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@every_kind
def test_no_pickle_is_run_at_any_place_of_a_file(tmp_path, kind):
    parts, trap = Parts(write_file(kind, tmp_path / "file")), Trap(tmp_path / "ran")
    pickles = [pickle.dumps(trap, protocol) for protocol in (0, 2, 5)]
    for zipped in (True, False):
        saved = io.BytesIO()
        torch.save({"weight": trap}, saved, _use_new_zipfile_serialization=zipped)
        pickles.append(saved.getvalue())
    for number, code in enumerate(pickles):
        size = len(parts.body)
        places = {
            "alone": code, "behind": parts.data + code, "before": code + parts.data,
            "as the header": parts.with_head(code),
            "as the description": parts.with_text(code.decode("latin-1")),
            "as the tensors": parts.data[: parts.end] + code,
            "over the tensors": parts.data[: parts.end] + (code + bytes(size))[:size],
        }
        for place, data in places.items():
            (tmp_path / "file").write_bytes(data)
            found, message = attempt(kind, tmp_path / "file")
            assert found == "refused" and message.isprintable(), (number, place, message)
    assert not trap.folder.exists()
    pickle.loads(pickles[0])
    assert trap.folder.exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured by /proc")
@pytest.mark.parametrize("large", [True, False], ids=["large", "small"])
@every_kind
def test_10000_mutations_do_no_harm(tmp_path, kind, large):
    """No crash, no hang, and no more memory than twice the file, whatever it claims.

    One in five is of a large file.
    """
    path, wrong, counts = tmp_path / "file", {}, Counter()
    count = NUM_MUTATIONS // 5 if large else NUM_MUTATIONS - NUM_MUTATIONS // 5
    with Worker(kind) as worker:
        write_file(kind, path)
        assert worker.load(path)[0] == "loaded"  # all modules are there now
        before = worker.peaks
        original = write_file(kind, path, large=large)
        max_growth = 2 * len(original) + OVERHEAD
        intact = Mutation("intact", original, {"same"})
        altered = generate_mutations(original, seed=2, count=count)
        for mutation in itertools.chain([intact], altered):
            found = find_outcome(mutation, path, original, worker.load)
            grown = {name: peak - before[name] for name, peak in worker.peaks.items()}
            counts[found.partition(":")[0]] += 1
            if found not in mutation.allowed:
                wrong[mutation.name] = found
            assert max(grown.values()) <= max_growth, (mutation.name, grown, len(original))
            assert not found.startswith("ended"), (mutation.name, found)
    print(f"\n{kind}: {len(original):,} bytes, {dict(counts)}, grown by {grown}")
    assert not wrong, "\n".join(f"{name}: {found}" for name, found in wrong.items())
