"""Minimal pairs: the files that hold them, and the accuracy of a model on them.

A file holds one pair a line, as a JSON object or as tab-separated values. It holds JSON if its
first character that is not white space is `{`.

    {"sentence_good": "the cats sleep", "sentence_bad": "the cats sleeps", "UID": "agreement"}
    the cats sleep<TAB>the cats sleeps<TAB>agreement

JSON is the format of BLiMP (Warstadt et al. 2020). The group of a pair is its `UID`, else its
`group`; other keys are ignored. Tab-separated values may begin with a header, `good<TAB>bad` or
`sentence_good<TAB>sentence_bad`, with or without a third field. The third field of a line is the
group. Blank lines are skipped.
"""

import json
import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from rnnlm_cli.config import Normalization
from rnnlm_cli.errors import TextError
from rnnlm_cli.score.score import Score
from rnnlm_cli.score.scorer import Scorer
from rnnlm_cli.text.reading import read_lines

KEYS = ("sentence_good", "sentence_bad")
GROUP_KEYS = ("UID", "group")  # the first that a pair has
HEADERS = (["good", "bad"], [*KEYS])
NUM_FIELDS = (2, 3)  # of tab-separated values
ROUNDING = 1e-6  # relative; in float32, scores depend this much on the other texts of a batch
Z_95 = 1.959963984540054  # the 97.5 % quantile of the normal distribution

Result = Literal["right", "wrong", "tie"]
Fields = tuple[str, str, str | None]  # the good sentence, the bad one and the group


@dataclass(frozen=True)
class Pair:
    """An acceptable sentence, one that is not acceptable, and the group of the pair."""

    good: str
    bad: str
    group: str


@dataclass(frozen=True)
class PairScore:
    """The judgement of a model on a pair.

    Args:
        difference: ln p of the good sentence minus that of the bad one, both normalised if that
            was asked for; None if no token of one of them has a probability.
        result: "right" if the difference is positive, and "tie" if it is 0 up to rounding or None.
        num_unscored: sentences of the pair with unknown tokens that have no probability, which are
            left out of ln p.
    """

    pair: Pair
    difference: float | None
    result: Result
    num_unscored: int


@dataclass(frozen=True, kw_only=True)
class PairCounts:
    """The results of some pairs, counted; `num_unscored` is a number of sentences."""

    num_pairs: int = 0
    num_right: int = 0
    num_ties: int = 0
    num_unscored: int = 0

    def add(self, score: PairScore) -> "PairCounts":
        """Return the counts with one more pair."""
        return PairCounts(
            num_pairs=self.num_pairs + 1,
            num_right=self.num_right + (score.result == "right"),
            num_ties=self.num_ties + (score.result == "tie"),
            num_unscored=self.num_unscored + score.num_unscored,
        )

    @property
    def accuracy(self) -> float:
        """The share of all pairs, ties included, that are right."""
        return self.num_right / self.num_pairs

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the accuracy; see `compute_wilson_interval`."""
        return compute_wilson_interval(self.num_right, self.num_pairs)


def compute_wilson_interval(num_right: int, num_pairs: int) -> tuple[float, float]:
    """Return the bounds of the 95 % score interval of a proportion (Wilson 1927).

        (p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)

    It has no continuity correction.
    """
    p, ratio = num_right / num_pairs, Z_95**2 / num_pairs
    centre = p + ratio / 2
    half_width = math.sqrt(ratio * p * (1 - p) + ratio**2 / 4)
    low, high = ((centre + sign * half_width) / (1 + ratio) for sign in (-1, 1))
    return min(max(low, 0.0), p), max(min(high, 1.0), p)  # exactly 0 or 1 at the ends


def read_pairs(path: str, *, encoding: str | None, default_group: str) -> Iterator[Pair]:
    """Yield the pairs of a file, which may be compressed.

    Args:
        path: a file in one of the formats above, or "-" for standard input.
        encoding: see `rnnlm_cli.text.reading.read_chunks`.
        default_group: the group of pairs that have none in the file.
    Raises: TextError for a line that is no pair, or if there is no pair.
    """
    parse, num_pairs = None, 0
    for number, line in enumerate(read_lines(path, encoding=encoding), 1):
        # At byte level, reading keeps the byte order mark and the carriage returns.
        line = line.removesuffix("\r").removeprefix("\ufeff" if number == 1 else "")
        if not line.strip():
            continue
        place = f"{path}: line {number}"
        if parse is None:
            parse = _parse_json if line.lstrip().startswith("{") else _parse_tsv
            if parse is _parse_tsv and _is_header(line):
                continue
        good, bad, group = parse(place, line)
        _require_sentence(place, "good", good, encoding)
        _require_sentence(place, "bad", bad, encoding)
        yield Pair(good, bad, group or default_group)
        num_pairs += 1
    if not num_pairs:
        raise TextError(
            f"{path}: holds no pairs; one pair a line is needed, as JSON with {KEYS[0]} and "
            f"{KEYS[1]} or as two sentences with a tab between them"
        )


def _is_header(line: str) -> bool:
    fields = line.lower().split("\t")
    return len(fields) in NUM_FIELDS and fields[:2] in HEADERS


def _parse_json(place: str, line: str) -> Fields:
    """Return the sentences and the group of a JSON object."""
    needed = f"a JSON object with the strings {KEYS[0]} and {KEYS[1]} is needed"
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", error)
        raise TextError(f"{place} is no valid JSON ({reason}); {needed}") from None
    if not isinstance(data, dict):
        raise TextError(f"{place} is no JSON object; {needed}")
    for key in KEYS:
        if key not in data:
            raise TextError(f"{place} has no {key}; {needed}")
        if not isinstance(data[key], str):
            raise TextError(f"{place} has a {key} that is no string; {needed}")
    groups = [data[key] for key in GROUP_KEYS if data.get(key) is not None]
    if not all(isinstance(group, str) for group in groups):
        raise TextError(f"{place} has a UID or a group that is no string; a string is needed")
    return data[KEYS[0]], data[KEYS[1]], next(filter(None, groups), None)


def _parse_tsv(place: str, line: str) -> Fields:
    """Return the sentences and the group of a line of tab-separated values."""
    fields = line.split("\t")
    if len(fields) not in NUM_FIELDS:
        raise TextError(
            f"{place} has {len(fields)} field{'s'[: len(fields) > 1]}; a good sentence, a bad one "
            "and, if there are groups, a group are needed, with tabs between them. A file of JSON "
            "begins with {"
        )
    return fields[0], fields[1], fields[2] if len(fields) == 3 else None


def _require_sentence(place: str, name: str, sentence: str, encoding: str | None) -> None:
    """Raise TextError if a sentence cannot be scored."""
    if not sentence.strip():
        raise TextError(
            f"{place} has an empty {name} sentence; two sentences with text in them are needed"
        )
    if "\n" in sentence:
        raise TextError(
            f"{place} has a newline in the {name} sentence; sentences of one line are needed"
        )
    try:  # bytes that are not UTF-8 are lone surrogates too
        sentence.encode("utf-8", "surrogateescape" if encoding is None else "strict")
    except UnicodeEncodeError:
        raise TextError(
            f"{place} has half a character (a lone surrogate) in the {name} sentence; whole "
            "characters are needed, as in \\ud83d\\ude00"
        ) from None


def score_pairs(
    scorer: Scorer, pairs: Iterable[Pair], *, normalize: Normalization = "none",
    closing: bool | None = None, batch_tokens: int | None = None,
) -> Iterator[PairScore]:
    """Score pairs in order. Many are read in one batch; only those of one batch are in memory.

    Args:
        normalize: the value of the sentences that is compared; see `Score.normalize`.
        closing, batch_tokens: see `Scorer.score_many`.
    """
    waiting: deque[Pair] = deque()

    def list_sentences() -> Iterator[str]:
        for pair in pairs:
            waiting.append(pair)
            yield pair.good
            yield pair.bad

    scores = scorer.score_many(list_sentences(), closing=closing, batch_tokens=batch_tokens)
    for good, bad in zip(scores, scores, strict=True):
        yield _compare(waiting.popleft(), good.score, bad.score, normalize)


def _compare(pair: Pair, good: Score, bad: Score, how: Normalization) -> PairScore:
    """Return the judgement that follows from the scores of two sentences."""
    num_unscored = (good.num_unscored > 0) + (bad.num_unscored > 0)
    if not (good.num_predicted and bad.num_predicted):
        return PairScore(pair, None, "tie", num_unscored)
    difference = _normalize(good, how) - _normalize(bad, how)
    # Slor is itself a difference, and the rounding is that of its first term, ln p per token.
    scale = max(-_normalize(each, "token" if how == "slor" else how) for each in (good, bad))
    if abs(difference) <= ROUNDING * scale:
        return PairScore(pair, difference, "tie", num_unscored)
    return PairScore(pair, difference, "right" if difference > 0 else "wrong", num_unscored)


def _normalize(score: Score, how: Normalization) -> float:
    value = score.normalize(how)
    assert value is not None  # a token is predicted, and the text is not empty
    return value


def count_pairs(scores: Iterable[PairScore]) -> tuple[dict[str, PairCounts], PairCounts]:
    """Return the counts of each group, in order of first occurrence, and of all pairs."""
    groups: dict[str, PairCounts] = {}
    total = PairCounts()
    for score in scores:
        group = score.pair.group
        groups[group] = groups.get(group, PairCounts()).add(score)
        total = total.add(score)
    return groups, total
