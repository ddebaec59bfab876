"""The generation of text: steps of the network alone, and with the sampling around them."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import get_args

import numpy as np
import torch

from rnnlm_cli.bench.layer_runs import make_torch_module
from rnnlm_cli.bench.products import make_step_products
from rnnlm_cli.bench.timing import Run
from rnnlm_cli.config import ModelConfig, SampleConfig, StepPrecision
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.generate.generator import Generator, Prompt
from rnnlm_cli.generate.stepping import StepperFactory
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.text.tokenizers import BOUNDARY
from rnnlm_cli.text.vocabulary import UNKNOWN, Vocabulary

STEPS_PER_RUN = 100
FIRST_CHARACTER = 0x4E00  # of the characters that the tokens of a network stand for
ENDLESS = 10**12  # tokens
SETTINGS = {  # temperature alone, and with top-p
    "T=0.8": SampleConfig(num_tokens=ENDLESS, temperature=0.8, seed=1),
    "p=0.9": SampleConfig(num_tokens=ENDLESS, temperature=0.8, top_p=0.9, seed=1),
}


class GenerationRuns:
    """The runs of a network of random weights that are compared with each other."""

    def __init__(self, config: ModelConfig, device: torch.device) -> None:
        self._config, self._device = config, device
        self._network = RecurrentNetwork(config).to(device).requires_grad_(False)
        self.what = f"{config.cell} generation"
        self.shape = f"{config.num_layers}x{config.hidden_size}"

    def make_steps(self, num_rows: int) -> dict[str, Run]:
        """Return runs of the step of torch.nn, of the stepper, and of the bare products."""
        products = make_step_products(self._network, num_rows)
        return {
            "torch.nn": self._make_torch_run(num_rows),
            "ours": self._make_step_run("float32", num_rows),
            "products": lambda: [products() for _ in range(STEPS_PER_RUN)],
        }

    def make_precisions(self) -> dict[str, Run]:
        """Return runs of the stepper of one row in each precision that this machine has."""
        runs: dict[str, Run] = {}
        for precision in get_args(StepPrecision):
            try:
                runs[precision] = self._make_step_run(precision, 1)
            except ConfigError:  # not on this machine
                continue
        return runs

    def make_samplers(self) -> dict[str, Run]:
        """Return runs of the stepper of one row alone, and of generations with some filters."""
        characters = map(chr, range(FIRST_CHARACTER, FIRST_CHARACTER + self._config.vocab_size - 2))
        vocabulary = Vocabulary("char", (UNKNOWN, BOUNDARY, *characters))
        runs: dict[str, Run] = {"step": self._make_step_run("float32", 1)}
        for name, config in SETTINGS.items():
            generator = Generator(self._network, vocabulary, config, sentences=False)
            pieces = iter(generator.stream(Prompt("", np.empty(0, np.int32))))
            runs[name] = _make_reading_run(pieces)
        return runs

    def _make_step_run(self, precision: StepPrecision, num_rows: int) -> Run:
        state = self._network.initial_state(num_rows)
        stepper = StepperFactory(self._network, precision).make(state)
        tokens = self._draw_tokens(num_rows)

        def run() -> None:
            for tokens_B in tokens:
                stepper.step(tokens_B)

        return run

    def _make_torch_run(self, num_rows: int) -> Run:
        config, network = self._config, self._network
        module = make_torch_module(
            config.cell, config.embedding_size, config.hidden_size, config.num_layers
        ).to(self._device)
        tokens = self._draw_tokens(num_rows)

        @torch.inference_mode()
        def run() -> None:
            state = None
            for tokens_B in tokens:
                x = network.embedding[torch.tensor(tokens_B, device=self._device)]
                y, state = module(x[None], state)
                torch.nn.functional.linear(y, network.output_table, network.output_bias)

        return run

    def _draw_tokens(self, num_rows: int) -> list[list[int]]:
        size = (STEPS_PER_RUN, num_rows)
        tokens: list[list[int]] = torch.randint(2, self._config.vocab_size, size).tolist()
        return tokens


def _make_reading_run(pieces: Iterator[str]) -> Callable[[], str]:
    """Return a run that reads the next pieces of an endless text."""
    return lambda: "".join(islice(pieces, STEPS_PER_RUN))
