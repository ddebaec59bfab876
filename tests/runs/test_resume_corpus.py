"""The texts of a resumed run: changed, lost, or piped in at the beginning."""

import io
from pathlib import Path

import pytest

from tests.training import resume, train


@pytest.fixture
def pipe(monkeypatch):
    """Puts bytes into standard input."""

    def put(data):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), "utf-8"))

    return put


@pytest.mark.parametrize("cached", [True, False])
def test_a_changed_text_is_refused_and_a_lost_one_comes_from_the_cache(text, run, cached):
    train(text, steps=40, pause_at=10)
    content = Path(text).read_text()
    if not cached:
        assert run("cache", "--clear-all")[0] == 0
    Path(text).write_text(content + "one line more\n")
    code, _, err = run("train", "--resume")
    assert code == 1 and "has changed since the run began" in err and "--restart" in err
    Path(text).unlink()
    code, _, err = run("train", "--resume")
    if cached:
        assert code == 0 and "continuing with the encoded text in the cache" in err
    else:
        assert code == 1 and "no such file" in err
        Path(text).write_text(content)
        assert run("train", "--resume")[0] == 0


def test_a_text_from_stdin_is_resumed_from_the_cache_which_keeps_it(text, run, pipe):
    content = Path(text).read_bytes()
    train(text, steps=30, out="whole")
    pipe(content)
    assert not train("-", steps=30, out="broken", pause_at=9).finished
    assert "1 kept, because runs refer to them" in run("cache", "--clear")[2]
    pipe(b"")
    assert resume("broken").finished
    assert Path("broken").read_bytes() == Path("whole").read_bytes()
    run("cache", "--clear-all")
    pipe(content)
    assert run("train", "--resume", "--out", "broken", "--steps", 3)[0] == 0
