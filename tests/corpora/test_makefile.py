"""The Makefile's target `shakespeare`: its steps, and its error without a network."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def make(tmp_path):
    """Runs make in a copy of the Makefile and corpora/fetch.py, with this Python, not .venv."""
    (tmp_path / "corpora").mkdir()
    for name in ("Makefile", "corpora/fetch.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    script = f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'
    (tmp_path / "bin" / "python").write_text(script, "ascii")
    (tmp_path / "bin" / "python").chmod(0o755)

    def call(*arguments, **variables):
        alone = {"LC_ALL": "C", "MAKEFLAGS": "", "MAKELEVEL": "0"}  # not a make inside a make
        return subprocess.run(
            ["make", "--no-print-directory", *arguments, "INSTALLED=", "BIN=bin"], cwd=tmp_path,
            capture_output=True, text=True, env=os.environ | alone | variables,
        )

    return call


def test_shakespeare_fetches_trains_and_generates(make):
    commands = make("-n", "shakespeare").stdout.splitlines()
    assert [commands[0], commands[1], commands[-1]] == [
        "bin/python corpora/fetch.py tiny-shakespeare",
        "bin/rnnlm train corpora/tiny-shakespeare.txt --minutes 5 --out shakespeare.rnnlm",
        'bin/rnnlm generate -m shakespeare.rnnlm --n 500 --prompt "ROMEO:"',
    ]
    assert commands[2].startswith("printf ") and len(commands) == 4


def test_shakespeare_without_a_network_is_one_clear_error(make, closed_port, tmp_path):
    proxy = f"http://127.0.0.1:{closed_port}"
    result = make("shakespeare", **dict.fromkeys(PROXIES, proxy), no_proxy="", NO_PROXY="")
    error, *rest = result.stderr.splitlines()
    assert result.returncode == 2 and len(rest) == 1 and rest[0].startswith("make: *** ")
    assert error.startswith(
        "fetch: error: raw.githubusercontent.com: cannot be reached (Connection refused); a "
        "network is needed. Connect and fetch again, or put the text there yourself, as "
    )
    assert error.endswith("corpora/tiny-shakespeare.txt")
    assert result.stdout.splitlines() == ["bin/python corpora/fetch.py tiny-shakespeare"]
    assert list((tmp_path / "corpora").glob("*tiny*")) == []
