"""Decoding: read prompts, then draw one token after the other, for many rows at once.

Legend: B rows, P prompts, V vocabulary size.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from rnnlm_cli.config import BOUNDARY_ID
from rnnlm_cli.generate.row import Row
from rnnlm_cli.generate.sampler import Sampler
from rnnlm_cli.generate.stepping import StepperFactory, select_rows
from rnnlm_cli.nn.network import RecurrentNetwork, States
from rnnlm_cli.text.tokenizers import Ids
from rnnlm_cli.windows import split_prompt


@torch.inference_mode()
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
def read_prompts(
    network: RecurrentNetwork, prompts: Sequence[Ids], num_rows: int, *, sentences: bool
) -> tuple[Tensor, States]:
    """Read prompts, and make several rows of each.

    Args:
        num_rows: the number of rows of each prompt.
        sentences: as for `read_prompt`.
    Returns: the logits of the tokens that follow, (P * num_rows, V), and the hidden state of all
        rows: those of the first prompt, those of the second, and so on.
    """
    logits, states = zip(
        *(read_prompt(network, prompt_N, sentences=sentences) for prompt_N in prompts), strict=True
    )
    state = tuple(
        tuple(
            torch.cat(parts).repeat_interleave(num_rows, dim=0)
            for parts in zip(*layer_of_each, strict=True)
        )
        for layer_of_each in zip(*states, strict=True)
    )
    return torch.cat(logits).repeat_interleave(num_rows, dim=0), state


def decode_rows(
    rows: Sequence[Row], logits_BV: Tensor, state: States, sampler: Sampler,
    factory: StepperFactory, *, sentences: bool,
) -> Iterator[list[str]]:
    """Draw tokens for all rows until each of them has ended.

    A row that has ended draws nothing any more. When half of the rows of a batch have ended, they
    leave it.

    Args:
        logits_BV, state: of the token after each prompt, from `read_prompts`.
        sentences: whether to reset the hidden state at every boundary.
    Yields: for each row that has not ended before, the text that it can show now.
    """
    stepper = None
    places = list(range(len(rows)))  # of the rows in the stepper
    num_places = len(rows)
    active = list(rows)
    while True:
        tokens = sampler.draw(logits_BV, active)
        yield [row.add(token) for row, token in zip(active, tokens, strict=True)]
        if any(row.stop_reason is not None for row in active):
            left = [index for index, row in enumerate(active) if row.stop_reason is None]
            if not left:
                return
            active, places = [active[index] for index in left], [places[index] for index in left]
            tokens = [tokens[index] for index in left]
        if stepper is None:
            stepper = factory.make(select_rows(state, places))
            num_places, places = len(places), list(range(len(places)))
        elif 2 * len(places) <= num_places:
            stepper = factory.make(stepper.select(places))
            num_places, places = len(places), list(range(len(places)))
        if len(places) < num_places:  # it does not matter what rows that have ended read
            token_of = dict(zip(places, tokens, strict=True))
            tokens = [token_of.get(place, BOUNDARY_ID) for place in range(num_places)]
        resets = [token == BOUNDARY_ID for token in tokens] if sentences else None
        logits_BV = stepper.step(tokens, resets)
        if len(places) < num_places:
            logits_BV = logits_BV[places]


def decode_row(
    row: Row, logits_1V: Tensor, state: States, sampler: Sampler, factory: StepperFactory, *,
    sentences: bool,
) -> Iterator[str]:
    """Draw tokens for one row until it has ended; see `decode_rows`.

    It does nothing else: for a small network, the loop of `decode_rows` would take a tenth of the
    time. Yields: the text that the row can show now.
    """
    if row.stop_reason is not None:  # it was interrupted before its first token
        return
    (token,) = sampler.draw(logits_1V, [row])
    yield row.add(token)
    if row.stop_reason is not None:
        return
    step = factory.make(state).step
    logits_1V = step([token], [token == BOUNDARY_ID] if sentences else None)
    draw = sampler.make_row_draw(row, logits_1V)
    while True:
        token = draw()
        yield row.add(token)
        if row.stop_reason is not None:
            return
        step([token], [token == BOUNDARY_ID] if sentences else None)
