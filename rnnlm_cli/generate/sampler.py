"""The sampler: random draws of the next token. The filters decide what can be drawn.

Legend: B rows, V vocabulary size.
"""

from collections.abc import Callable, Sequence
from types import ModuleType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnlm_cli.config import UNKNOWN_ID, SampleConfig
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.generate import filters
from rnnlm_cli.generate.filters import Logits
from rnnlm_cli.generate.row import Row, iter_uniforms
from rnnlm_cli.nn.choice import load_fused

# Draws compiled by numba pay off for a small vocabulary, and for so many tokens that the time to
# load numba, 0.3 s, is won back: numpy needs 37 us for a token, or 77 with top-p.
MAX_FUSED_VOCAB = 1 << 9
MIN_FUSED_TOKENS = 1 << 13


class Sampler:
    """A sampler that draws the next token of each row with one uniform number.

    Args:
        config: with a temperature and a seed.
        bias_V: added to the logits; see `make_bias`.
        rows: the rows that will be drawn for. The numbers of a row depend on the seed, its index
            and the position only.
        with_log_p: whether to add ln p of each token to its row.
    """

    def __init__(
        self, config: SampleConfig, bias_V: NDArray[np.float32], rows: Sequence[Row], *,
        with_log_p: bool,
    ) -> None:
        assert config.temperature is not None and config.seed is not None
        self._config, self._bias_V, self._with_log_p = config, bias_V, with_log_p
        self._temperature, self._looks_back = config.temperature, config.looks_back
        self._uniforms = {row: iter_uniforms(config.seed, row.index) for row in rows}
        num_tokens = config.max_tokens * len(rows)
        is_fused = (
            len(bias_V) <= MAX_FUSED_VOCAB and num_tokens >= MIN_FUSED_TOKENS
            and self._temperature > 0
        )
        self._fused = _load_fused() if is_fused else None
        # With filters that look back, the bias is added before them.
        later_bias_V = np.zeros_like(bias_V) if self._looks_back else bias_V
        self._settings = (
            later_bias_V, float(config.temperature), config.top_k, config.typical, config.top_p,
            config.min_p, np.empty((3, len(bias_V))),
        )

    def draw(self, logits_BV: Tensor, rows: Sequence[Row]) -> list[int]:
        """Return the next token id of each row. <unk> is never drawn."""
        raw_BV = logits_BV.numpy() if logits_BV.device.type == "cpu" else logits_BV.cpu().numpy()
        filtered_BV = raw_BV
        if self._looks_back:
            histories = [row.history.tokens for row in rows if row.history is not None]
            filtered_BV = filters.add_bias(raw_BV, self._bias_V)
            filtered_BV = filters.apply_history_filters(filtered_BV, histories, self._config)
        draw = self._draw_plainly if self._fused is None else self._draw_fused
        tokens = draw(filtered_BV, rows)
        if self._with_log_p:
            for row, log_p in zip(rows, compute_log_p_of(raw_BV, tokens), strict=True):
                row.log_p += log_p
        return tokens

    def make_row_draw(self, row: Row, logits_1V: Tensor) -> Callable[[], int]:
        """Return a function that draws the next token of one row from the logits in a tensor.

        For a small network, the calls of `draw` would take a tenth of the time.

        Args:
            logits_1V: each call uses the logits that it holds then.
        """
        if (
            self._fused is None or self._looks_back or self._with_log_p
            or logits_1V.dtype != torch.float32 or logits_1V.device.type != "cpu"
        ):
            rows = [row]
            return lambda: self.draw(logits_1V, rows)[0]
        draw_token, settings, uniforms = self._fused.draw_token, self._settings, self._uniforms[row]
        logits_V = logits_1V[0].numpy()
        return lambda: draw_token(logits_V, next(uniforms), *settings)

    def _draw_plainly(self, logits_BV: Logits, rows: Sequence[Row]) -> list[int]:
        if not self._looks_back:
            logits_BV = filters.add_bias(logits_BV, self._bias_V)
        logits_BV = filters.truncate(logits_BV, self._config)
        if self._temperature == 0:
            return [int(token) for token in logits_BV.argmax(axis=1)]
        cumulative_BV = filters.apply_temperature(logits_BV, self._temperature).cumsum(axis=1)
        return [
            int(cumulative_V.searchsorted(next(self._uniforms[row]) * cumulative_V[-1], "right"))
            for cumulative_V, row in zip(cumulative_BV, rows, strict=True)
        ]

    def _draw_fused(self, logits_BV: Logits, rows: Sequence[Row]) -> list[int]:
        assert self._fused is not None
        uniforms_B = np.array([next(self._uniforms[row]) for row in rows])
        tokens_B = np.empty(len(rows), np.int64)
        logits_BV = np.ascontiguousarray(logits_BV, np.float32)
        self._fused.draw_tokens(logits_BV, uniforms_B, *self._settings, tokens_B)
        tokens: list[int] = tokens_B.tolist()
        return tokens


def make_bias(
    vocab_size: int, *, forbidden: Sequence[int] = (), biases: Sequence[tuple[int, float]] = (),
) -> NDArray[np.float32]:
    """Return what is added to the logits, (V,): -inf for forbidden tokens and <unk>.

    Raises: ConfigError if every token is forbidden.
    """
    bias_V = np.zeros(vocab_size, np.float32)
    for token, bias in biases:
        bias_V[token] += bias
    bias_V[[UNKNOWN_ID, *forbidden]] = -np.inf
    if not np.isfinite(bias_V).any():
        raise ConfigError(
            "--forbid: every token is forbidden; at least one must be allowed. "
            "Leave out one --forbid"
        )
    return bias_V


def compute_log_p_of(logits_BV: Logits, tokens: Sequence[int]) -> list[float]:
    """Return ln p of one token in each row, under the softmax of the logits, in float64."""
    below_best_BV = np.subtract(logits_BV, logits_BV.max(axis=1, keepdims=True), dtype=np.float64)
    chosen_B = below_best_BV[np.arange(len(tokens)), tokens]
    log_p_B: NDArray[np.float64] = chosen_B - np.log(np.exp(below_best_BV).sum(axis=1))
    return [float(log_p) for log_p in log_p_B]


def _load_fused() -> ModuleType | None:
    """Import the draws that numba compiles; return None without numba."""
    if load_fused() is None:
        return None
    from rnnlm_cli.generate import fused_draw

    return fused_draw
