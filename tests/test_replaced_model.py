"""A model that is loaded while another process replaces it: always one whole model."""

import multiprocessing
import time
from pathlib import Path

import pytest

from rnnlm_cli.model_file import load_model
from tests.builders import save_tiny


def replace_again_and_again(make_network, path, seconds, started, stop):
    """Save a model with another number of layers, another size and a pause, until told to stop."""
    number = 0
    started.set()
    while not stop.is_set():
        number += 1
        save_tiny(make_network, path, num_layers=1 + number % 3, hidden_size=5 + number % 7)
        time.sleep(seconds)


def load_while_it_is_replaced(make_network, path, *, loads, seconds):
    """Load a model many times. Returns: the numbers of layers that were seen."""
    save_tiny(make_network, path)
    context = multiprocessing.get_context("spawn")  # forking a process with threads can hang
    started, stop = context.Event(), context.Event()
    process = context.Process(
        target=replace_again_and_again,
        args=(make_network, path, seconds, started, stop), daemon=True,
    )
    process.start()
    assert started.wait(60)
    try:
        seen = set()
        for _ in range(loads):
            network = load_model(path).network
            assert len(network.state_dict()) and network.config.num_layers in (1, 2, 3)
            seen.add(network.config.num_layers)
    finally:
        stop.set()
        process.join()
    assert process.exitcode == 0
    return seen


def test_a_model_that_is_replaced_meanwhile_is_loaded_whole(make_network, tmp_path):
    path = Path(tmp_path / "model.rnnlm")
    assert load_while_it_is_replaced(make_network, path, loads=500, seconds=0.0) == {1, 2, 3}


@pytest.mark.slow
def test_ten_thousand_loads_while_the_model_is_replaced_every_20_ms(make_network, tmp_path):
    path = Path(tmp_path / "model.rnnlm")
    assert load_while_it_is_replaced(make_network, path, loads=10_000, seconds=0.02) == {1, 2, 3}
