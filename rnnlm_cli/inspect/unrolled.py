"""The network unrolled over a text: what it reads, remembers and predicts at each step.

Legend: N tokens of a text, E embedding size, H hidden size, V vocabulary size.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rnnlm_cli.config import BOUNDARY_ID, UNKNOWN_ID
from rnnlm_cli.inspect.steps import step_layers
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.text.vocabulary import Vocabulary
from rnnlm_cli.windows import make_window


@dataclass(frozen=True)
class Guess:
    """A token that may come next, and its probability."""

    token: str
    probability: float


@dataclass(frozen=True)
class Step:
    """One step of an unrolled network.

    Args:
        token: the token that was read.
        is_reset: whether the hidden state was zero before it.
        norms: the Euclidean norm of h of each layer after the step, the lowest layer first.
        guesses: the likeliest next tokens, the likeliest first.
        target: the token that came next; None after the last token of the text.
        nats: its surprisal; None if nothing came, or if the token has no probability.
    """

    token: str
    is_reset: bool
    norms: tuple[float, ...]
    guesses: tuple[Guess, ...]
    target: str | None
    nats: float | None


@torch.inference_mode()
def unroll(
    network: RecurrentNetwork, vocabulary: Vocabulary, text: str, *, sentences: bool,
    num_guesses: int = 5,
) -> Iterator[Step]:
    """Yield the steps of a network that reads a text from the zero state.

    The first step reads the boundary token, and predicts the first token of the text.

    Args:
        sentences: whether every boundary resets the hidden state.
        num_guesses: the number of likeliest next tokens of a step.
    """
    tokens_N = vocabulary.encode(text)
    spelled = [*vocabulary.split(text), None]
    # The token after the text is not known; only its input is needed.
    targets_N1 = torch.from_numpy(np.append(tokens_N, BOUNDARY_ID).astype(np.int64))[:, None]
    inputs_N1, _, resets_N1 = _lay_inputs(targets_N1, sentences=sentences)
    input_table_VE = network.compute_input_table()
    state = network.initial_state(1)
    read = vocabulary.tokens[BOUNDARY_ID]
    for index, target in enumerate(spelled):
        is_reset = bool(resets_N1[index])
        if is_reset:
            state = network.initial_state(1)
        state = step_layers(network, input_table_VE[inputs_N1[index]], state)
        log_p_V = network.compute_log_p(state[-1][0])[0]
        id_ = int(targets_N1[index])
        has_probability = target is not None and (
            id_ != UNKNOWN_ID or network.config.unknown_trained
        )
        yield Step(
            read, is_reset, tuple(float(layer[0].norm()) for layer in state),
            tuple(_find_guesses(log_p_V, vocabulary, num_guesses)), target,
            -float(log_p_V[id_]) if has_probability else None,
        )
        read = target or ""


def _lay_inputs(targets_N1: Tensor, *, sentences: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return the window of a text in one row, which begins with a reset."""
    before_N1 = torch.cat([targets_N1.new_full((1, 1), BOUNDARY_ID), targets_N1[:-1]])
    resets_N1 = before_N1 == BOUNDARY_ID
    if not sentences:
        resets_N1[1:] = False
    return make_window(targets_N1, resets_N1, before_N1[0])


def _find_guesses(log_p_V: Tensor, vocabulary: Vocabulary, num_guesses: int) -> Iterator[Guess]:
    """Yield the likeliest tokens and their probabilities."""
    best = log_p_V.topk(min(num_guesses, len(log_p_V)))
    for id_, probability in zip(best.indices.tolist(), best.values.exp().tolist(), strict=True):
        if probability > 0:
            yield Guess(vocabulary.tokens[id_], probability)
