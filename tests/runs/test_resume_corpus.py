"""The texts of a resumed run: changed, lost, or piped in at the beginning."""

import io
import os
import threading
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


def test_the_copy_of_a_text_from_stdin_stays_when_the_run_moves(text, run, pipe):
    pipe(Path(text).read_bytes())
    train("-", steps=30, out="m", pause_at=9)
    Path("new").mkdir()
    for path in list(Path().glob("m*")):
        path.rename(f"new/{path.name}")
    pipe(b"")
    resume("new/m", pause_at=12)
    assert "1 kept, because runs refer to them" in run("cache", "--clear")[2]
    assert resume("new/m").finished


def test_a_damaged_copy_of_a_text_from_stdin_is_one_line_or_the_text_again(
    text, run, pipe, cache
):
    content = Path(text).read_bytes()
    pipe(content)
    train("-", steps=30, pause_at=9)
    (tokens,) = cache.glob("*/tokens")
    os.truncate(tokens, 100)
    pipe(b"")
    code, _, err = run("train", "--resume")
    assert code == 1 and len(err.splitlines()) == 1 and err.startswith("rnnlm: error: ")
    pipe(content)
    assert run("train", "--resume")[0] == 0


def test_a_run_on_a_pipe_by_name_is_resumed_from_the_cache(text):
    content = Path(text).read_bytes()
    train(text, steps=30, out="whole")
    os.mkfifo("pipe")
    writer = threading.Thread(target=lambda: Path("pipe").write_bytes(content))
    writer.start()
    train("pipe", steps=30, out="broken", pause_at=9)
    writer.join()
    assert resume("broken").finished
    assert Path("broken").read_bytes() == Path("whole").read_bytes()
