"""Windows that end at chosen positions of a text and read the last tokens before them.

    text          a b c d e f g h ...     the position of h, the last 3 tokens: e f g
    inputs        # e f g                 (# is the boundary token)
    targets       e f g h
    resets        1 0 0 0

Legend: T steps, B rows, F farther tokens, N tokens of the text.
"""

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from rnnlm_cli.score.evaluate import MAX_BATCH_TOKENS, NATS
from rnnlm_cli.score.predictor import NetworkPredictor
from rnnlm_cli.score.score import Nats
from rnnlm_cli.text.tokenizers import Ids
from rnnlm_cli.threads import run_together, split_rows
from rnnlm_cli.windows import Window, make_window

Indices = NDArray[np.int64]


def make_context_window(
    tokens_N: Ids, positions_B: Indices, starts_B: Indices, size: int, num_far: int,
    generator: np.random.Generator,
) -> Window:
    """Return the window that ends at each position, and whose context is reset at its beginning.

    The context is the last `size` tokens, and before them `num_far` tokens in a random order. It
    begins at `starts_B` at the earliest. The steps before that are filled.
    """
    at_TB = positions_B + np.arange(-size - num_far, 1)[:, None]
    begins_B = np.maximum(at_TB[0], starts_B)
    resets_TB = torch.from_numpy(at_TB == begins_B)
    # The tokens before the beginning stay there, because their key is below all others.
    far_FB = at_TB[:num_far]
    key_FB = np.where(far_FB < begins_B, -1.0, generator.random(far_FB.shape))
    at_TB[:num_far] = np.take_along_axis(far_FB, key_FB.argsort(axis=0, kind="stable"), axis=0)
    targets_TB = torch.from_numpy(tokens_N[at_TB.clip(min=0)].astype(np.int64))
    return make_window(targets_TB, resets_TB, targets_TB[0])


def compute_last_nats(predictor: NetworkPredictor, window: Window) -> Nats:
    """Return -ln p of the last target of each row, (B,).

    The other targets do not pass through the output layer, which is slow for many words.
    """
    slices = split_rows(window.targets_TB.shape[1], predictor.device)

    def compute(rows: slice) -> Nats:
        num_rows = rows.stop - rows.start
        inputs_TB, targets_TB, resets_TB = (
            each[:, rows].contiguous().to(predictor.device) for each in window
        )
        state = predictor.initial_state(num_rows)
        steps = max(1, MAX_BATCH_TOKENS // num_rows)
        for inputs, resets in zip(inputs_TB.split(steps), resets_TB.split(steps), strict=True):
            predictions, state = predictor.read(inputs, state, resets)
        last = predictions.select(slice(-num_rows, None))
        nats_B: Nats = NATS.compute(last, targets_TB[-1])[0]
        return nats_B

    return np.concatenate(run_together([partial(compute, rows) for rows in slices]))
