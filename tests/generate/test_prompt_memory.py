"""The memory of a long prompt, measured in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rnnlm_cli.config import TextConfig
from rnnlm_cli.model_file import Model, save_model
from rnnlm_cli.text.vocabulary import Vocabulary

PACKAGE_FOLDER = str(Path(__file__).parents[2])
LINE = "the quick brown fox jumps over the lazy dog\n"
COMMAND = """
from rnnlm_cli.cli.main import main
raise SystemExit(main(["generate", "--n", "1", "-f", "prompt.txt"]))
"""
LIBRARY = """
from pathlib import Path
from rnnlm_cli.config import SampleConfig
from rnnlm_cli.language_model import LanguageModel
model = LanguageModel.load("model.rnnlm")
text = Path("prompt.txt").read_text("utf-8")
model.next_token_distribution(text)
list(model.generate(SampleConfig(num_tokens=1), prompt=text))
"""
# The process in between is small: a new process counts the memory of the one that starts it.
MEASURE = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-c", sys.argv[1]], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""


def save_model_of(level, make_network):
    config = TextConfig(level=level, **({"vocab_size": 300} if level == "bpe" else {}))
    vocabulary = Vocabulary.build([LINE * 20], len(LINE) * 20, config)
    network = make_network(
        vocab_size=len(vocabulary), unknown_trained=False, cell="elman_tanh", num_layers=1
    )
    save_model(Path("model.rnnlm"), Model(network, vocabulary, False, "utf-8", {}))


def peak_memory(script, num_characters):
    """Return the largest resident memory of a process that reads a prompt, in bytes."""
    Path("prompt.txt").write_text(LINE * (num_characters // len(LINE)), "utf-8")
    result = subprocess.run(
        [sys.executable, "-c", MEASURE, script], check=True, capture_output=True,
        env={**os.environ, "PYTHONPATH": PACKAGE_FOLDER, "OMP_NUM_THREADS": "1"},
    )
    return int(result.stdout)


@pytest.mark.parametrize("script", [COMMAND, LIBRARY], ids=["command", "library"])
def test_the_memory_of_a_prompt_is_that_of_a_window(
    make_network, tmp_path, monkeypatch, script
):
    monkeypatch.chdir(tmp_path)
    save_model_of("char", make_network)
    assert peak_memory(script, 100_000) - peak_memory(script, 1000) < 15e6


@pytest.mark.slow
@pytest.mark.parametrize("level", ["char", "byte", "word", "bpe"])
@pytest.mark.parametrize("script", [COMMAND, LIBRARY], ids=["command", "library"])
def test_a_prompt_of_5_mb_takes_at_most_100_mb(
    make_network, tmp_path, monkeypatch, script, level
):
    monkeypatch.chdir(tmp_path)
    save_model_of(level, make_network)
    assert peak_memory(script, 5_000_000) - peak_memory(script, 1000) < 100e6
