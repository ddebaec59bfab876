"""Beam search: the most probable text that can be found with K candidates at a time.

Legend: B candidates, V vocabulary size.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rnnlm_cli.config import BOUNDARY_ID, SampleConfig
from rnnlm_cli.generate import filters
from rnnlm_cli.generate.filters import compute_log_p
from rnnlm_cli.generate.row import GeneratedSample, Row
from rnnlm_cli.generate.sampler import compute_log_p_of
from rnnlm_cli.generate.stepping import make_products, select_rows
from rnnlm_cli.nn.network import RecurrentNetwork, States
from rnnlm_cli.nn.stepper import Stepper


@dataclass(frozen=True)
class Candidate:
    """A text that the search continues, or that has ended.

    Args:
        log_p: ln p of its tokens, with bias, n-gram ban and penalties.
        parent: the place, among the candidates before, of the one that it continues.
    """

    row: Row
    log_p: float
    parent: int = 0

    def compute_score(self, length_penalty: float) -> float:
        """Return ln p divided by (number of tokens)^length_penalty."""
        return self.log_p / math.pow(len(self.row.token_ids), length_penalty)


def search_beams(
    network: RecurrentNetwork, row: Row, logits_1V: Tensor, state: States, config: SampleConfig,
    bias_V: NDArray[np.float32], is_interrupted: Callable[[], bool], *, sentences: bool,
) -> list[GeneratedSample]:
    """Search for the most probable texts (Sutskever et al. 2014). It is deterministic.

    In each step, the K most probable continuations of all candidates become the next candidates.
    One that ends keeps its place among the K. With one candidate, the search is greedy decoding.
    In the end, texts of different lengths are compared by ln p / (number of tokens)^length_penalty.

    Args:
        row: the row after the prompt, without a token.
        logits_1V, state: from `read_prompt`.
        is_interrupted: says whether to end all candidates here. It is asked after each token.
    Returns: the best texts, the best one first.
    """
    assert config.num_beams is not None
    products = make_products(config.precision, network.device)
    ended: list[Candidate] = []
    candidates, logits_BV = [Candidate(row, 0.0)], logits_1V
    stepper: Stepper | None = None
    while True:
        num_places = config.num_beams - len(ended)
        extended = _extend(candidates, logits_BV, config, bias_V, num_places)
        ended += [each for each in extended if each.row.stop_reason is not None]
        candidates = [each for each in extended if each.row.stop_reason is None]
        if is_interrupted():
            for each in candidates:
                each.row.interrupt()
            ended, candidates = ended + candidates, []
        if not candidates:
            return _rank(ended, config)
        # The places of candidates that have ended are filled with copies of the first one.
        filled = candidates + candidates[:1] * (config.num_beams - len(candidates))
        parents = [each.parent for each in filled]
        tokens = [each.row.token_ids[-1] for each in filled]
        if stepper is None:
            stepper = Stepper(network, select_rows(state, parents), products)
        else:
            stepper.replace_state(stepper.select(parents))
        resets = [token == BOUNDARY_ID for token in tokens] if sentences else None
        logits_BV = stepper.step(tokens, resets)[: len(candidates)]


def _extend(
    candidates: Sequence[Candidate], logits_BV: Tensor, config: SampleConfig,
    bias_V: NDArray[np.float32], num_places: int,
) -> list[Candidate]:
    """Return the most probable continuations of the candidates by one token.

    Between equally probable ones, the first candidate and the lowest id come first.
    """
    raw_BV = logits_BV.cpu().numpy()
    filtered_BV = filters.add_bias(raw_BV, bias_V)
    histories = [each.row.history.tokens for each in candidates if each.row.history is not None]
    filtered_BV = filters.apply_history_filters(filtered_BV, histories, config)
    log_p_BV = np.stack([
        compute_log_p(filtered_V) + each.log_p
        for filtered_V, each in zip(filtered_BV, candidates, strict=True)
    ])
    extended = []
    for index in _find_largest(log_p_BV.ravel(), num_places).tolist():
        parent, token = divmod(index, len(bias_V))
        row = candidates[parent].row.copy()
        (raw_log_p,) = compute_log_p_of(raw_BV[parent : parent + 1], [token])
        row.log_p += raw_log_p
        row.add(token)
        extended.append(Candidate(row, float(log_p_BV[parent, token]), parent))
    return extended


def _find_largest(values_N: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Return the indices of the largest finite values, the largest first, then by index."""
    count = min(count, len(values_N))
    smallest = np.partition(values_N, -count)[-count]
    largest = np.flatnonzero((values_N >= smallest) & (values_N > -np.inf))
    return largest[np.argsort(-values_N[largest], kind="stable")][:count]


def _rank(ended: Sequence[Candidate], config: SampleConfig) -> list[GeneratedSample]:
    """Return the best texts as samples, which are numbered from 0."""
    scores = [each.compute_score(config.length_penalty) for each in ended]
    order = sorted(range(len(ended)), key=lambda index: -scores[index])[: config.num_best]
    return [
        replace(ended[place].row.make_sample(with_log_p=True), index=rank, score=scores[place])
        for rank, place in enumerate(order)
    ]
