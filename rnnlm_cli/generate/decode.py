"""Decoding: read a prompt, then draw one token after the other, for many samples at once.

Legend: T time, B samples.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from rnnlm_cli.config import BOUNDARY_ID, SampleConfig
from rnnlm_cli.generate.sampler import Sampler
from rnnlm_cli.nn.network import RecurrentNetwork, States
from rnnlm_cli.nn.stepper import Stepper
from rnnlm_cli.text.tokenizers import Ids
from rnnlm_cli.windows import split_prompt


def read_prompt(
    network: RecurrentNetwork, prompt_N: Ids, *, sentences: bool
) -> tuple[Tensor, States]:
    """Read a prompt from the zero state, with one row, in windows that carry the hidden state.

    Args:
        sentences: whether to reset the hidden state at every boundary of the prompt.
    Returns: the logits of the token that follows, (1, V), and the hidden state after the prompt.
    """
    state = network.initial_state(1)
    for window in split_prompt(prompt_N, sentences=sentences):
        logits_1V, state = network.predict_next(
            window.inputs_TB.to(network.device), state, window.resets_TB.to(network.device)
        )
    return logits_1V, state


@torch.inference_mode()
def generate_tokens(
    network: RecurrentNetwork, prompt_N: Ids, config: SampleConfig, *, sentences: bool
) -> Iterator[list[int]]:
    """Draw `config.num_tokens` tokens for each of `config.num_samples` samples.

    Args:
        sentences: whether to reset the hidden state at every boundary.
    Yields: the next token of every sample.
    """
    sampler = Sampler(config)
    logits_BV, state = read_prompt(network, prompt_N, sentences=sentences)
    logits_BV = logits_BV.expand(config.num_samples, -1)
    state = tuple(
        tuple(part_1H.repeat(config.num_samples, 1) for part_1H in layer) for layer in state
    )
    stepper = Stepper(network, state)
    for step in range(config.num_tokens):
        tokens = sampler.draw(logits_BV).tolist()
        yield tokens
        if step + 1 < config.num_tokens:
            resets = [token == BOUNDARY_ID for token in tokens] if sentences else None
            logits_BV = stepper.step(tokens, resets)
