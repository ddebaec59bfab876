"""Score: the sums of an evaluation, which add up, and the means that are derived from them.

Legend: N tokens of a text.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnlm_cli.config import UNKNOWN_ID, Normalization
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
        num_characters: characters of the original text, with a newline for each closing boundary
            that counts; 0 if it is not known.
        num_bytes: the same in bytes of UTF-8.
        num_unknown: unknown tokens that were read.
        num_unscored: those of them that have no probability, because training had no unknown
            tokens. They are left out of `nats` and of `num_predicted`.
        unknown_nats: the part of `nats` that is due to unknown tokens.
        unigram_nats: -ln p of the predicted tokens by their frequency in the training text alone;
            0 if the frequencies are not known.
    """

    nats: float = 0.0
    num_predicted: int = 0
    num_characters: int = 0
    num_bytes: int = 0
    num_unknown: int = 0
    num_unscored: int = 0
    unknown_nats: float = 0.0
    unigram_nats: float = 0.0

    @classmethod
    def from_tokens(
        cls, nats_N: Nats, tokens_N: Ids, scored_N: Mask, *, text: str = "",
        unigram_nats_V: Nats | None = None,
    ) -> "Score":
        """Sum the scores of tokens.

        Args:
            nats_N: -ln p of each token; ignored where a token is not scored.
            tokens_N: their ids.
            scored_N: which of them have a probability. A token without one is an unknown token.
            text: the text that the tokens stand for; empty if it is not known.
            unigram_nats_V: -ln p of every token of the vocabulary by its frequency alone.
        """
        unknown_N = tokens_N == UNKNOWN_ID
        unigram_nats = 0.0 if unigram_nats_V is None else unigram_nats_V[tokens_N[scored_N]].sum()
        return cls(
            nats=float(nats_N[scored_N].sum()),
            num_predicted=int(scored_N.sum()),
            num_characters=len(text),
            num_bytes=len(text.encode("utf-8", "surrogateescape")),
            num_unknown=int(unknown_N.sum()),
            num_unscored=int((~scored_N).sum()),
            unknown_nats=float(nats_N[scored_N & unknown_N].sum()),
            unigram_nats=float(unigram_nats),
        )

    def __add__(self, other: "Score") -> "Score":
        """Return the score of both texts together."""
        return Score(**{name: each + getattr(other, name) for name, each in vars(self).items()})

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
        return self._bits_per(self.num_characters)

    @property
    def bits_per_byte(self) -> float | None:
        """Bits per byte of UTF-8 of the original text; see `bits_per_character`."""
        return self._bits_per(self.num_bytes)

    def _bits_per(self, num_units: int) -> float | None:
        if not self.num_predicted or not num_units:
            return None
        return self.nats / math.log(2) / num_units

    def normalize(self, how: Normalization) -> float | None:
        """Return ln p, or ln p divided by the length of the text.

        Args:
            how: "none" returns ln p; "token" divides it by the number of predicted tokens, and
                "char" by the number of characters. "slor" is the syntactic log-odds ratio (Pauls &
                Klein 2012; Lau et al. 2017), (ln p - ln p_unigram) / predicted tokens.
        Returns: None if the length is 0.
        """
        log_prob, length = 0.0 - self.nats, self.num_predicted
        if how == "none":
            return log_prob
        if how == "slor":
            log_prob += self.unigram_nats
        elif how == "char":
            length = self.num_characters
        return log_prob / length if length else None


def compute_perplexity(nats_per_token: float) -> float:
    """Return exp(nats_per_token), or infinity if a float cannot hold it."""
    return math.exp(nats_per_token) if nats_per_token < 700 else math.inf


@dataclass(frozen=True)
class TokenScore:
    """A token and its surprisal.

    Args:
        token: the token as the text spells it.
        nats: its surprisal, -ln p; None if it has no probability (unscored).
        is_unknown: whether the vocabulary lacks it.
        id: its id in the vocabulary.
        entropy: of the prediction of this token, over all tokens, in nats; None if not asked for.
        rank: 1 more than the number of tokens that were more likely; None if not asked for, or if
            the token has no probability.
    """

    token: str
    nats: float | None
    is_unknown: bool
    id: int = UNKNOWN_ID
    entropy: float | None = None
    rank: int | None = None


@dataclass(frozen=True)
class WordScore:
    """A word between white space, or another region of a text, with its surprisal.

    Args:
        word: the word, without white space around it.
        line: the number of its line in the text, from 1; always 1 in a sentence.
        number: its number in that line, from 1.
        nats: its surprisal, -ln p, with that of the boundary after it; None if a token of it has
            no probability.
        entropy: of the prediction before its first token, over all tokens, in nats.
        rank: of its first token in that prediction; see `TokenScore`. None if that token has no
            probability.
        has_unknown: whether a token of it is unknown.
    """

    word: str
    line: int
    number: int
    nats: float | None
    entropy: float
    rank: int | None
    has_unknown: bool


@dataclass(frozen=True)
class TextScore:
    """A sentence or a document with its score.

    Args:
        text: the sentence, or the name of the document, such as its path.
        score: its sums. The figures that are most often needed are properties here too.
        closing: whether the closing boundary was predicted.
        tokens: the score of every token; None if it was not asked for.
        words: the score of every word or region; None if it was not asked for.
        given: the text before it, which was read and is no part of the score.
        adapted: the sums of a document scored by a model that adapts to it; None if that was not
            asked for.
    """

    text: str
    score: Score
    closing: bool
    tokens: Sequence[TokenScore] | None = None
    words: Sequence[WordScore] | None = None
    given: str = ""
    adapted: Score | None = None

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
