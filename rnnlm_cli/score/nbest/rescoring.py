"""Rescoring of n-best lists: score hypotheses, choose the best of each list, tune the weight."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from rnnlm_cli.config import RescoreConfig
from rnnlm_cli.errors import ConfigError, TextError
from rnnlm_cli.score.formats.summary import format_count
from rnnlm_cli.score.nbest.hypothesis import NbestFormat
from rnnlm_cli.score.nbest.reading import Entry
from rnnlm_cli.score.nbest.weight import Candidate, Tuning, tune_weight
from rnnlm_cli.score.score import TextScore
from rnnlm_cli.score.scorer import Scorer


class Scored(NamedTuple):
    """An entry and the score of its text."""

    entry: Entry
    score: TextScore


class Rescorer:
    """Scores the hypotheses of n-best lists of one format.

    Args:
        scorer: the model.
        nbest_format: the format of the lists.
        config: its weight, closing and batch_tokens are used.
    Raises: ConfigError if the format does not suit the model.
    """

    def __init__(self, scorer: Scorer, nbest_format: NbestFormat, config: RescoreConfig) -> None:
        level = scorer.vocabulary.level
        if nbest_format.needs_tokens and level != "word":
            raise ConfigError(
                f"--format: '{nbest_format.name}' given, and the model is of level {level}; a "
                "model of words is needed for the costs of words. Use kaldi"
            )
        self._scorer = scorer
        self._format = nbest_format
        self._closing = True if nbest_format.needs_tokens else config.closing
        self._batch_tokens = config.batch_tokens
        self.weight = config.weight
        self.num_unscored = 0

    def score(self, batches: Iterable[Sequence[Entry]]) -> Iterator[Iterator[Scored]]:
        """Yield the scores of each batch of entries. `num_unscored` counts along."""
        for entries in batches:
            yield self._score_batch(entries)

    def _score_batch(self, entries: Sequence[Entry]) -> Iterator[Scored]:
        scores = self._scorer.score_many(
            [entry.hypothesis.text for entry in entries], closing=self._closing,
            with_tokens=self._format.needs_tokens, batch_tokens=self._batch_tokens,
        )
        for entry, score in zip(entries, scores, strict=True):
            self.num_unscored += score.score.num_unscored
            yield Scored(entry, score)

    def render(self, scored: Scored) -> str:
        """Return the line of an entry with its new score."""
        return self._format.render(scored.entry.hypothesis, scored.score, self.weight)

    def render_best(self, scored: Iterable[Scored]) -> Iterator[str]:
        """Yield the line of the best hypothesis of each list, the first of several.

        A line comes when the next list begins.
        """
        for _, group in groupby(scored, lambda each: each.entry.list_number):
            yield self._format.render_best(max(group, key=self._compute_total).entry.hypothesis)

    def tune(self, scored: Iterable[Scored], references: Sequence[str]) -> Tuning:
        """Choose the weight with which the best hypotheses differ least often from references.

        The weight is kept for `render` and `render_best`.

        Args:
            scored: all lists; there is at least one.
            references: see `find_reference`.
        """
        words = [reference.split() for reference in references]
        lists = [
            [
                Candidate(
                    _get_base(entry), self._format.measure(score),
                    entry.hypothesis.text.split() == words[find_reference(entry)],
                )
                for entry, score in group
            ]
            for _, group in groupby(scored, lambda each: each.entry.list_number)
        ]
        tuning = tune_weight(lists)
        self.weight = tuning.weight
        return tuning

    def _compute_total(self, scored: Scored) -> float:
        """Return what the best hypothesis has most of."""
        score = self._format.measure(scored.score)
        return score if self.weight is None else _get_base(scored.entry) + self.weight * score


def find_reference(entry: Entry) -> int:
    """Return the number of the reference of an entry, from 0.

    It is the number that the list has in its file, or if its lists have none, that of the file.
    """
    return int(entry.hypothesis.list_id or entry.file)


def require_references(
    batches: Iterable[Sequence[Entry]], references: Sequence[str], path: str
) -> Iterator[Sequence[Entry]]:
    """Yield the batches of entries. Raises: TextError for a list that has no reference.

    Args:
        path: the file of the references.
    """
    for entries in batches:
        for entry in entries:
            number = find_reference(entry)
            if number >= len(references):
                raise TextError(
                    f"{path}: has {format_count(len(references), 'line')}; line {number + 1}, the "
                    f"reference of the list in {entry.path}, line {entry.line}, is needed. "
                    "Give one sentence for each list"
                )
        yield entries


def _get_base(entry: Entry) -> float:
    """Return the score in the list, which lists that are combined must have."""
    assert entry.hypothesis.base is not None
    return entry.hypothesis.base
