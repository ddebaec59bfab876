"""How the processor is set up."""

import os

import pytest

from rnnlm_cli.machine import physical_cores


@pytest.mark.parametrize(("siblings", "cores"), [
    (["0-1", "0-1", "2-3", "2-3"], 2), (["0,2", "1,3", "0,2", "1,3"], 2),
    (["0", "1", "2", "3"], 4), ([], 4),
])
def test_processors_that_share_a_core_count_once(tmp_path, monkeypatch, siblings, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    for index, shared in enumerate(siblings):
        folder = tmp_path / f"cpu{index}/topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{shared}\n")
    assert physical_cores(tmp_path) == cores
