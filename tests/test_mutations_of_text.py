"""Altered cache entries and histories: refused in one line, or loaded with equal contents."""

import os
from collections import Counter
from functools import partial

import pytest

from rnnlm_cli.text.cache_entry import ENTRY, TOKENS
from tests.mutations.entries import generate_entry_mutations, load_entry, make_entry, save_corpus
from tests.mutations.loading import Worker, attempt, find_outcome
from tests.mutations.records import generate_history_mutations, write_history

NUM_MUTATIONS = int(os.environ.get("RNNLM_MUTATIONS", "10000"))
MAX_GROWTH = {"drawn history": 64 << 20}  # bytes of memory beyond an intact file, for a picture
USUAL_MAX_GROWTH = 16 << 20  # an entry and a history take some kilobytes
ENTRY_KINDS = ("entry", "entry without its text")
HISTORY_KINDS = ("history", "drawn history")


def try_entries(folder, kind, load, *, seed, count):
    """Load altered entries. Returns: what went wrong by mutation, and how often each outcome was.

    Damage to an entry is mended as long as the text is there.
    """
    for each in ("altered", "intact"):
        (folder / each).mkdir()
        entry = make_entry(folder / each)
    entry = folder / "altered/cache" / entry.name
    whole = {name: (entry / name).read_bytes() for name in (ENTRY, TOKENS)}
    save_corpus(folder / "whole", load_entry(entry / ENTRY))
    original = (folder / "whole").read_bytes()
    wrong, counts = {}, Counter()
    for file, mutation in generate_entry_mutations(entry, seed, count):
        entry.mkdir(exist_ok=True)
        for name, data in whole.items():
            (entry / name).write_bytes(data)
        found = find_outcome(mutation, entry / file, original, load, subject="")
        counts[found.partition(":")[0]] += 1
        if found not in mutation.allowed or (found == "refused" and kind == "entry"):
            wrong[mutation.name] = found
    return wrong, counts


def try_histories(folder, load, *, seed, count):
    """Load altered histories. Returns: what went wrong, and how often each outcome was."""
    path, wrong, counts = folder / "runs/history", {}, Counter()
    path.parent.mkdir()
    for mutation in generate_history_mutations(write_history(path), seed, count):
        found = find_outcome(mutation, path, b"", load)
        counts[found.partition(":")[0]] += 1
        if found not in mutation.allowed:
            wrong[mutation.name] = found
    return wrong, counts


def show(wrong):
    return "\n".join(f"{name}: {found}" for name, found in wrong.items())


@pytest.mark.parametrize("kind", ENTRY_KINDS)
def test_an_altered_entry_is_noticed(tmp_path, kind, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)  # it is replaced by loading without the text
    wrong, _ = try_entries(tmp_path, kind, partial(attempt, kind), seed=1, count=150)
    assert not wrong, show(wrong)


def test_an_altered_history_is_refused_in_one_line_or_stops_no_run(tmp_path):
    wrong, _ = try_histories(tmp_path, partial(attempt, "history"), seed=1, count=300)
    assert not wrong, show(wrong)


@pytest.mark.slow
@pytest.mark.parametrize("kind", (*ENTRY_KINDS, *HISTORY_KINDS))
def test_10000_mutations_do_no_harm(tmp_path, kind):
    """No crash, no hang, and no more memory, whatever the file claims."""
    count = NUM_MUTATIONS // 20 if kind == "drawn history" else NUM_MUTATIONS
    with Worker(kind) as worker:
        before = {}

        def load(path, copy_path):
            found = worker.load(path, copy_path)
            if found[0] != "ended":
                before.update(before or worker.peaks)  # those after the intact file
                grown = {name: peak - before[name] for name, peak in worker.peaks.items()}
                assert max(grown.values()) <= MAX_GROWTH.get(kind, USUAL_MAX_GROWTH), grown
            return found

        if kind in ENTRY_KINDS:
            wrong, counts = try_entries(tmp_path, kind, load, seed=2, count=count)
        else:
            wrong, counts = try_histories(tmp_path, load, seed=2, count=count)
    print(f"\n{kind}: {dict(counts)}")
    assert not wrong, show(wrong)
