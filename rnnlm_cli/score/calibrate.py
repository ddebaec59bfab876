"""Temperature scaling: the temperature at which a network predicts a text best.

Legend: N tokens of a text, F temperatures, T time, B batch (rows).
"""

from collections.abc import Iterator

import numpy as np

from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.score.evaluate import WARM_UP_TOKENS, has_probability, read_rows
from rnnlm_cli.score.predictor import FigureChoice, NetworkPredictor
from rnnlm_cli.score.rows import DocumentRows, Rows, pack_sentences
from rnnlm_cli.text.lines import iter_lines
from rnnlm_cli.text.tokenizers import Ids
from rnnlm_cli.threads import one_thread

TEMPERATURES_F = tuple(percent / 100 for percent in range(70, 151, 5))
NUM_ROWS = 16  # parts of the text, spread evenly over it
# Bounds of the positions that are read: 17 losses at each of them take about 0.1 s. Fewer than the
# minimum would tell little, so that a very large vocabulary takes longer, as all evaluation does.
MAX_POSITIONS, MAX_LOGITS, MIN_POSITIONS = 1 << 12, 1 << 22, 1 << 8


def calibrate_temperature(
    network: RecurrentNetwork, tokens_N: Ids, *, sentences: bool
) -> float | None:
    """Return the temperature at which the loss on a text is lowest (Guo et al. 2017).

        T* = argmin over T of the mean of -ln softmax(logits / T)[token],  T = 0.70, 0.75 ... 1.50

    T* is above 1 if the network is overconfident, as after overfitting. A bounded part of the
    text is read, as training reads it: running text in warmed-up rows, or packed sentences. No
    clock and no random number is involved.

    Args:
        tokens_N: a text that the network was not trained on.
        sentences: whether every line is a separate sentence.
    Returns: T*; None if the text has no token with a probability.
    """
    if not len(tokens_N):
        return None
    predictor, choice = NetworkPredictor(network), FigureChoice(temperatures=TEMPERATURES_F)
    rows = _choose_rows(tokens_N, network.config.vocab_size, sentences=sentences)
    nats_F, num_scored = np.zeros(len(TEMPERATURES_F)), 0
    with one_thread():  # so little work does not pay for waiting for other threads
        for targets_TB, figures, counted_TB in read_rows(predictor, rows, choice=choice):
            scored_TB = counted_TB & has_probability(predictor, targets_TB)
            nats_F += figures[1:, scored_TB].sum(axis=1)  # the first figure is -ln p itself
            num_scored += int(scored_TB.sum())
    return TEMPERATURES_F[int(nats_F.argmin())] if num_scored else None


def _choose_rows(tokens_N: Ids, vocab_size: int, *, sentences: bool) -> Rows:
    """Return a bounded part of a text as rows."""
    affordable = max(MIN_POSITIONS, min(MAX_POSITIONS, MAX_LOGITS // vocab_size))
    num_positions = min(len(tokens_N), affordable)
    if sentences:
        lines = list(_select_lines(tokens_N, num_positions))
        rows, _ = pack_sentences(lines, max_rows=NUM_ROWS)
        return rows
    num_rows = min(NUM_ROWS, num_positions)
    starts = [len(tokens_N) * row // num_rows for row in range(num_rows)]
    return DocumentRows(tokens_N, starts, num_positions // num_rows, WARM_UP_TOKENS, None)


def _select_lines(tokens_N: Ids, num_tokens: int) -> Iterator[Ids]:
    """Yield lines spread evenly over a text, `num_tokens` tokens at most; the last may be cut."""
    for line_N in iter_lines(tokens_N, every=-(-len(tokens_N) // num_tokens)):
        yield line_N[:num_tokens]
        num_tokens -= len(line_N)
        if num_tokens <= 0:
            return
