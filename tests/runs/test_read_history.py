"""Histories that are read for a plot: whole lines, and one message for a broken one."""

import json
import math

import pytest

from rnnlm_cli.errors import FileError
from rnnlm_cli.runs.history import read_history
from tests.histories import make_history, write_history

GOOD = {"step": 20, "seconds": 1.5, "tokens": 640, "loss": 2.5, "valid_nats": None}
LINE = json.dumps(GOOD)


@pytest.mark.parametrize("rest", ["", '{"step": 1', LINE, "\udce9"])
def test_a_history_is_read_without_a_last_line_that_was_cut_short(tmp_path, rest):
    odd = GOOD | {"loss": math.nan, "valid_nats": math.inf}
    path = write_history(tmp_path / "a.jsonl", [*make_history(7), odd])
    path.write_bytes(path.read_bytes() + rest.encode("utf-8", "surrogateescape"))
    assert read_history(path) == [*make_history(7), GOOD | {"loss": None}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read (No such file or directory); a history that"),
        ("", "holds no whole line; a history that"),
        (LINE, "holds no whole line"),
        (f"{LINE}\n\n", "line 2 is not a JSON object; a history that"),
        (f"{LINE}\nstep 3\n{LINE}\n", "line 2 is not a JSON object"),
        (f"{LINE}\n{LINE}\n[1, 2]\n", "line 3 is not a JSON object"),
        ("[" * 100_000 + "\n", "line 1 is not a JSON object"),
        ("caf\udce9\n", "line 1 is not a JSON object"),
        (LINE.replace("20", '"20"') + "\n", "line 1 has 'step' \"20\", not a number; a history"),
        (LINE.replace("20", "true") + "\n", "line 1 has 'step' true, not a number"),
        (LINE.replace("1.5", "null") + "\n", "line 1 has 'seconds' null, not a number"),
        (LINE.replace("1.5", "NaN") + "\n", "line 1 has 'seconds' null, not a number"),
        (LINE.replace("1.5", "1e999") + "\n", "line 1 has 'seconds' Infinity, not a number"),
        (LINE.replace("640", "9" * 400) + "\n", f"line 1 has 'tokens' {'9' * 40}, not a number"),
        (LINE.replace("2.5", '"low"') + "\n", "line 1 has 'loss' \"low\", not a number"),
        ('{"step": 1, "tokens": [], "loss": 1, "seconds": 1}\n',
         "line 1 has 'tokens' [], not a number, has no 'valid_nats'; a history"),
    ],
)
def test_a_broken_history_is_refused_with_its_file_and_line(tmp_path, content, message):
    path = tmp_path / "broken.jsonl"
    if content is not None:
        path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(FileError) as caught:
        read_history(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)
