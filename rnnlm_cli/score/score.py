"""Score: the sums of an evaluation, which add up, and the means that are derived from them.

Legend: N tokens of a text.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnlm_cli.config import UNKNOWN_ID
from rnnlm_cli.text.tokenizers import Ids

Nats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Score:
    """The sums over the tokens of a text, of a part of it, or of many texts.

    The scores of the parts add up to the score of the whole; `Score()` is the zero. The fields
    are sums and the properties are means or other functions of them.

    Args:
        nats: -ln p, summed in float64 over the predicted tokens.
        num_predicted: tokens in that sum. The closing boundary is one of them if it counts.
        num_characters: characters of the original text; 0 if it is not known.
        num_unknown: unknown tokens that were read.
        num_unscored: those of them that have no probability, because training had no unknown
            tokens. They are left out of `nats` and of `num_predicted`.
        unknown_nats: the part of `nats` that is due to unknown tokens.
    """

    nats: float = 0.0
    num_predicted: int = 0
    num_characters: int = 0
    num_unknown: int = 0
    num_unscored: int = 0
    unknown_nats: float = 0.0

    @classmethod
    def from_tokens(
        cls, nats_N: Nats, tokens_N: Ids, scored_N: Mask, *, num_characters: int = 0
    ) -> "Score":
        """Sum the scores of tokens.

        Args:
            nats_N: -ln p of each token; ignored where a token is not scored.
            tokens_N: their ids.
            scored_N: which of them have a probability. A token without one is an unknown token.
            num_characters: characters that the tokens stand for; 0 if it is not known.
        """
        unknown_N = tokens_N == UNKNOWN_ID
        return cls(
            nats=float(nats_N[scored_N].sum()),
            num_predicted=int(scored_N.sum()),
            num_characters=num_characters,
            num_unknown=int(unknown_N.sum()),
            num_unscored=int((~scored_N).sum()),
            unknown_nats=float(nats_N[scored_N & unknown_N].sum()),
        )

    def __add__(self, other: "Score") -> "Score":
        """Return the score of both texts together."""
        return Score(
            nats=self.nats + other.nats,
            num_predicted=self.num_predicted + other.num_predicted,
            num_characters=self.num_characters + other.num_characters,
            num_unknown=self.num_unknown + other.num_unknown,
            num_unscored=self.num_unscored + other.num_unscored,
            unknown_nats=self.unknown_nats + other.unknown_nats,
        )

    @property
    def num_read(self) -> int:
        """The number of tokens read: those predicted, and those without probability."""
        return self.num_predicted + self.num_unscored

    @property
    def nats_per_token(self) -> float:
        """The mean -ln p of the predicted tokens; NaN if nothing was predicted."""
        return self.nats / self.num_predicted if self.num_predicted else math.nan

    @property
    def log10_prob(self) -> float:
        """log10 p of the predicted tokens together."""
        return 0.0 - self.nats / math.log(10)  # never -0.0

    @property
    def perplexity(self) -> float | None:
        """exp(nats_per_token), or infinity if a float cannot hold it.

        None if nothing was predicted.
        """
        return compute_perplexity(self.nats_per_token) if self.num_predicted else None

    @property
    def perplexity_without_unknown(self) -> float | None:
        """The perplexity over the known tokens alone; None if none was predicted."""
        num_known = self.num_predicted - (self.num_unknown - self.num_unscored)
        known_nats = self.nats - self.unknown_nats
        return compute_perplexity(known_nats / num_known) if num_known else None

    @property
    def bits_per_character(self) -> float | None:
        """Bits per character of the original text.

        It is too low if unknown tokens were predicted, because their spelling costs nothing.
        None if nothing was predicted, or if the number of characters is not known.
        """
        if not self.num_predicted or not self.num_characters:
            return None
        return self.nats / math.log(2) / self.num_characters


def compute_perplexity(nats_per_token: float) -> float:
    """Return exp(nats_per_token), or infinity if a float cannot hold it."""
    return math.exp(nats_per_token) if nats_per_token < 700 else math.inf


@dataclass(frozen=True)
class TokenScore:
    """A token and its surprisal, -ln p. `nats` is None if it has no probability (unscored)."""

    token: str
    nats: float | None
    is_unknown: bool


@dataclass(frozen=True)
class TextScore:
    """A sentence or a document with its score.

    Args:
        text: the sentence, or the name of the document, such as its path.
        score: its sums. The figures that are most often needed are properties here too.
        closing: whether the closing boundary was predicted.
        tokens: the score of every token; None if it was not asked for.
    """

    text: str
    score: Score
    closing: bool
    tokens: Sequence[TokenScore] | None = None

    @property
    def nats(self) -> float:
        """-ln p, summed over the predicted tokens."""
        return self.score.nats

    @property
    def log10_prob(self) -> float:
        """See `Score.log10_prob`."""
        return self.score.log10_prob

    @property
    def perplexity(self) -> float | None:
        """See `Score.perplexity`."""
        return self.score.perplexity

    @property
    def bits_per_character(self) -> float | None:
        """See `Score.bits_per_character`."""
        return self.score.bits_per_character
