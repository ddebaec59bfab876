"""The network unrolled over a text: what it reads, remembers and predicts at each step.

Legend: T steps, N tokens of a text, V vocabulary size.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from rnnlm_cli.inspect.steps import unroll_steps
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.text.tokenizers import BOUNDARY
from rnnlm_cli.text.vocabulary import Vocabulary
from rnnlm_cli.windows import split_prompt


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
    spelled = [BOUNDARY, *vocabulary.split(text)]
    windows = list(split_prompt(tokens_N, sentences=sentences))
    inputs_T1, _, resets_T1 = (
        torch.cat(each).to(network.device) for each in zip(*windows, strict=True)
    )
    steps = unroll_steps(network, inputs_T1, network.initial_state(1), resets_T1)
    for index, layers in enumerate(steps):
        log_p_V = network.compute_log_p(layers[-1].after[0])[0]
        is_last = index == len(tokens_N)
        yield Step(
            spelled[index], bool(resets_T1[index]),
            tuple(float(layer.after[0].norm()) for layer in layers),
            tuple(_find_guesses(log_p_V, vocabulary, num_guesses)),
            None if is_last else spelled[index + 1],
            None if is_last else _find_nats(log_p_V, int(tokens_N[index])),
        )


def _find_nats(log_p_V: Tensor, id_: int) -> float | None:
    """Return the surprisal of a token; None if it has no probability."""
    nats = -float(log_p_V[id_])
    return nats if math.isfinite(nats) else None


def _find_guesses(log_p_V: Tensor, vocabulary: Vocabulary, num_guesses: int) -> Iterator[Guess]:
    """Yield the likeliest tokens and their probabilities."""
    best = log_p_V.topk(min(num_guesses, len(log_p_V)))
    for id_, probability in zip(best.indices.tolist(), best.values.exp().tolist(), strict=True):
        if probability > 0:
            yield Guess(vocabulary.tokens[id_], probability)
