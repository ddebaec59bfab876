"""Arguments that are not ASCII, in a locale whose file system encoding is ASCII."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import save_tiny
from tests.training import SMALL

PACKAGE_FOLDER = str(Path(__file__).parents[2])
C_LOCALE = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


def run_in_c_locale(*arguments):
    result = subprocess.run(
        [sys.executable, "-m", "rnnlm_cli", *map(str, arguments)], capture_output=True,
        env={**os.environ, "PYTHONPATH": PACKAGE_FOLDER, **C_LOCALE}, timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.decode("utf-8")


@pytest.fixture
def byte_model(make_network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_tiny(make_network, tmp_path / "model.rnnlm", level="byte")


def test_a_file_is_read_by_its_name_as_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("B\u00fccher.txt").write_text("the quick brown fox\n" * 100, "utf-8")
    run_in_c_locale("train", "B\u00fccher.txt", *SMALL, "--steps", 2, "--out", "B\u00fccher")
    out = run_in_c_locale(
        "score", "-m", "B\u00fccher", "--document", "B\u00fccher.txt", "--json"
    )
    assert json.loads(out)["file"] == "B\u00fccher.txt"


@pytest.mark.parametrize("text", ["Stra\u00dfe", "a\udcffb"], ids=["utf-8", "not utf-8"])
def test_sentences_and_prompts_are_utf8(byte_model, text, run):
    for command in (("score", "--tokens", "--json", text), ("score", text),
                    ("generate", "--n", 3, "--seed", 1, "--json", "--prompt", text)):
        assert run_in_c_locale(*command) == run(*command)[1]
    line = json.loads(run_in_c_locale("score", "--json", text))
    assert line["text"] == text.replace("\udcff", "\ufffd")
    assert line["predicted_tokens"] == len(text.encode("utf-8", "surrogateescape"))


def test_a_sentence_that_names_a_file_is_noticed(byte_model):
    Path("Stra\u00dfe").write_text("abc")
    result = subprocess.run(
        [sys.executable, "-m", "rnnlm_cli", "score", "Stra\u00dfe"], capture_output=True,
        env={**os.environ, "PYTHONPATH": PACKAGE_FOLDER, **C_LOCALE}, timeout=120,
    )
    assert "-f Stra\u00dfe scores its lines" in result.stderr.decode("utf-8")
