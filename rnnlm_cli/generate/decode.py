"""Prompt -> tokens, one after the other; many samples at once.

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


def read_prompt(
    network: RecurrentNetwork, prompt_N: Ids, *, sentences: bool
) -> tuple[Tensor, States]:
    """Read a prompt from a reset boundary on; a sentences model resets at every boundary.

    Returns: (logits_1V, state): what may follow it, and the state after it, for one row.
    """
    inputs_T1 = torch.tensor([BOUNDARY_ID, *prompt_N.tolist()], device=network.device)[:, None]
    resets_T1 = inputs_T1 == BOUNDARY_ID
    if not sentences:
        resets_T1[1:] = False
    logits_T1V, state = network(inputs_T1, network.initial_state(1), resets_T1)
    return logits_T1V[-1], state


@torch.inference_mode()
def generate_tokens(
    network: RecurrentNetwork, prompt_N: Ids, config: SampleConfig, *, sentences: bool
) -> Iterator[list[int]]:
    """Draw `config.num_tokens` tokens for each of `config.num_samples` samples.

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
