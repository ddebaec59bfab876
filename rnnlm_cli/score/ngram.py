"""An n-gram model over the vocabulary of a network, read from an ARPA file by the `kenlm` module.

The vocabulary of the file and that of the network must hold the same words. Then both models are
distributions over the same closed vocabulary, in which <unk> stands for all other words. If the
network has no probability for <unk>, that of the n-gram model is shared among the other words in
proportion to their own.

Legend: T time, B batch (rows), M positions, V vocabulary size.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from rnnlm_cli.config import BOUNDARY_ID, UNKNOWN_ID
from rnnlm_cli.errors import ConfigError, TextError
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.score.predictor import Predictor
from rnnlm_cli.score.scorer import Scorer
from rnnlm_cli.text.reading import read_lines
from rnnlm_cli.text.vocabulary import UNKNOWN, Vocabulary

LN_10 = math.log(10)
UNIGRAMS = "\\1-grams:"
MAX_LISTED = 5  # words in an error


@dataclass(frozen=True)
class NgramPredictor(Predictor):
    """The predictor that an n-gram model is.

    Args:
        library: the model as the `kenlm` module has read it.
        make_state: makes an empty context, which the library then fills.
        words: the spelling of every token in that model, in id order.
        like: a predictor with the same vocabulary, whose device and <unk> are used.
    """

    library: Any
    make_state: Callable[[], Any]
    words: Sequence[str]
    like: Predictor

    @property
    def base_network(self) -> RecurrentNetwork:
        """The network that has the same vocabulary."""
        return self.like.base_network

    def initial_state(self, num_rows: int) -> list[Any]:
        """Return the context of every row: the beginning of a sentence."""
        return [self._begin_sentence()] * num_rows

    def read(
        self, inputs_TB: Tensor, state: list[Any], resets_TB: Tensor
    ) -> tuple[NgramPredictions, list[Any]]:
        """Read a window; see `Predictor.read`. A sentence begins after every boundary."""
        begin, contexts, current = self._begin_sentence(), [], list(state)
        for inputs in inputs_TB.tolist():  # the input at a reset is the boundary
            for row, id_ in enumerate(inputs):
                if id_ == BOUNDARY_ID:
                    current[row] = begin
                else:
                    current[row] = self._read_word(current[row], id_)
            contexts += current
        return NgramPredictions(self, contexts), current

    def compute_log_p(self, context: Any, ids: Collection[int]) -> list[float]:
        """Return ln p of some tokens in a context."""
        base_score, words, unused = self.library.BaseScore, self.words, self._unused_state
        log_p = [LN_10 * base_score(context, words[id_], unused) for id_ in ids]
        if self.unknown_trained:
            return log_p
        unknown = 10 ** base_score(context, words[UNKNOWN_ID], unused)
        rest = math.log1p(-unknown)  # ln p of all other words together
        return [
            -math.inf if id_ == UNKNOWN_ID else each - rest
            for id_, each in zip(ids, log_p, strict=True)
        ]

    @cached_property
    def _unused_state(self) -> Any:
        """A context for the library to write to when nobody reads it."""
        return self.make_state()

    def _begin_sentence(self) -> Any:
        state = self.make_state()
        self.library.BeginSentenceWrite(state)
        return state

    def _read_word(self, context: Any, id_: int) -> Any:
        """Return the context after a word."""
        after = self.make_state()
        self.library.BaseScore(context, self.words[id_], after)
        return after


@dataclass(frozen=True)
class NgramPredictions:
    """The distributions of the next word after some contexts."""

    predictor: NgramPredictor
    contexts: Sequence[Any]

    @property
    def shape(self) -> tuple[int, int]:
        """The number of positions and the vocabulary size, (M, V)."""
        return len(self.contexts), len(self.predictor.words)

    def select(self, positions: slice) -> NgramPredictions:
        """Return the predictions at some of the positions."""
        return NgramPredictions(self.predictor, self.contexts[positions])

    def compute_nats(self, targets_M: Tensor) -> Tensor:
        """Return -ln p of one token at each position, (M,), in float64."""
        log_p = [
            self.predictor.compute_log_p(context, ids)
            for context, ids in zip(self.contexts, targets_M[:, None].tolist(), strict=True)
        ]
        return -self._make_tensor(log_p).flatten()

    def compute_log_p(self) -> Tensor:
        """Return ln p of every token at each position, (M, V), in float64."""
        ids = range(len(self.predictor.words))
        return self._make_tensor([
            self.predictor.compute_log_p(context, ids) for context in self.contexts
        ])

    def _make_tensor(self, log_p: list[list[float]]) -> Tensor:
        return torch.tensor(log_p, dtype=torch.float64, device=self.predictor.device)


class NgramModel(Scorer):
    """An n-gram model that goes with a model of the same words.

    Args:
        path: an ARPA file.
        like: the model whose vocabulary it must have.
    Raises: TextError if the file is no sound ARPA file. ConfigError if the vocabularies differ, if
        the other model is not at word level, or if the module `kenlm` is not installed.
    """

    def __init__(self, path: str, like: Scorer) -> None:
        vocabulary = like.vocabulary
        if vocabulary.level != "word":
            raise ConfigError(
                f"--ngram: the model is of level {vocabulary.level}; an n-gram model of words goes "
                "with a model of words only. Train with --level word"
            )
        library, make_state = _load_library(path)
        _require_same_words(path, vocabulary)
        words = (UNKNOWN, "</s>", *vocabulary.tokens[2:])
        super().__init__(
            NgramPredictor(library, make_state, words, like.predictor),
            vocabulary, sentences=like.sentences, encoding=like.encoding,
            token_counts_V=like.token_counts_V,
        )


def _load_library(path: str) -> tuple[Any, Callable[[], Any]]:
    """Return the model that the `kenlm` module reads from an ARPA file, and its kind of context."""
    try:
        import kenlm
    except ImportError:
        raise ConfigError(
            "--ngram: the module 'kenlm' is not installed; it is needed to read ARPA files. "
            "Install it: pip install kenlm-ex"
        ) from None
    if not os.path.isfile(path):
        reason = "is no file" if os.path.exists(path) else "no such file"
        raise TextError(f"{path}: {reason}; an ARPA file is needed")
    config = kenlm.Config()
    config.show_progress = False
    config.arpa_complain = kenlm.ARPALoadComplain.NONE
    try:
        return kenlm.Model(path, config), kenlm.State
    except (OSError, RuntimeError) as error:
        raise _make_arpa_error(path, _shorten(str(error))) from None


def _shorten(message: str) -> str:
    """Return the reason in a message of the C++ library, without the place in its code."""
    reason = " ".join(message.split()).partition("(")[2].removesuffix(")")
    return reason.rpartition(" threw FormatLoadException. ")[2]


def _require_same_words(path: str, vocabulary: Vocabulary) -> None:
    """Raise ConfigError unless an ARPA file has the words of a vocabulary, all and no others."""
    found = set(_read_unigrams(path)) - {"<s>", "</s>", UNKNOWN, "<UNK>"}
    wanted = set(vocabulary.tokens[2:])
    parts = [
        f"{before}{len(words):,} word{'s'[: len(words) > 1]} {after}, such as "
        + " ".join(map(repr, sorted(words)[:MAX_LISTED]))
        for before, words, after in (
            ("", found - wanted, "that the model lacks"),
            ("no entry for ", wanted - found, "of the model"),
        )
        if words
    ]
    if parts:
        raise ConfigError(
            f"--ngram: {path} has {' and '.join(parts)}; the same words are needed, so that both "
            "are distributions over one vocabulary. Train the n-gram model on the training text of "
            "the model, with <unk> for every word that the model does not know"
        )


def _read_unigrams(path: str) -> Iterator[str]:
    """Yield the words of an ARPA file."""
    lines = read_lines(path, encoding="utf-8")
    for line in lines:
        if line.strip() == UNIGRAMS:
            break
    for line in lines:
        if line.startswith("\\"):
            return
        yield from line.split()[1:2]  # after the logarithm, before the backoff weight


def _make_arpa_error(path: str, reason: str) -> TextError:
    return TextError(
        f"{path}: is no sound ARPA file ({reason}); a whole ARPA file is needed. Make it anew"
    )
