"""The sentences and documents that `rnnlm score` reads, and their scores as they arrive."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rnnlm_cli.cli.options import decode_argument
from rnnlm_cli.config import AdaptConfig, ScoreConfig
from rnnlm_cli.messages import StderrMessages
from rnnlm_cli.text.decompress import SUFFIXES
from rnnlm_cli.text.reading import read_arriving_lines, read_text

if TYPE_CHECKING:
    from rnnlm_cli.score.score import TextScore
    from rnnlm_cli.score.scorer import Scorer
    from rnnlm_cli.score.sentences import Details


def read_sentences(
    texts: Sequence[str], files: Sequence[str], encoding: str | None
) -> Iterator[list[str]]:
    """Yield sentences in lists: the lines of files, or those given as arguments.

    From a pipe, a list holds the lines that have arrived.
    """
    batches: Iterator[list[str]] = (
        lines for file in files for lines in read_arriving_lines(file, encoding=encoding)
    )
    if files and sys.stderr.isatty() and not sys.stdout.isatty():
        batches = _show_bar(batches, files)
    yield from batches
    for text in texts:
        shown = decode_argument(text)
        if os.path.isfile(text):  # not Path's, which fails on a long sentence
            StderrMessages().note(f"'{shown}' is also a file: -f {shown} scores its lines")
        yield [shown]


def _show_bar(batches: Iterable[list[str]], files: Sequence[str]) -> Iterator[list[str]]:
    """Yield the lines, and show a bar of the bytes read on stderr."""
    from tqdm import tqdm

    plain = [file for file in files if os.path.isfile(file) and not file.endswith(SUFFIXES)]
    sizes = [os.path.getsize(file) for file in plain]
    total = sum(sizes) if len(sizes) == len(files) else None
    with tqdm(total=total, unit="B", unit_scale=True) as bar:
        for lines in batches:
            yield lines
            bar.update(sum(len(line.encode("utf-8", "surrogatepass")) + 1 for line in lines))


def score_sentences(
    scorer: Scorer, batches: Iterator[list[str]], details: Details, *, prefix: str,
    closing: bool | None, batch_tokens: int | None,
) -> Iterator[Iterator[TextScore]]:
    """Yield the scores of each batch of sentences as they arrive."""
    number = 0
    for texts in batches:
        yield scorer.score_many(
            texts, given=prefix, closing=closing, batch_tokens=batch_tokens, details=details,
            first_number=number,
        )
        number += len(texts)


def score_documents(
    scorer: Scorer, paths: list[str], config: ScoreConfig, adaptation: AdaptConfig,
    details: Details, encoding: str | None,
) -> Iterator[Iterator[TextScore]]:
    """Yield the score of each document, with that of the adapting model if it is asked for."""
    if scorer.sentences:
        StderrMessages().note(
            "this model was trained on sentences, each from the zero state; a document carries "
            "the hidden state across them, which the model has not learnt"
        )
    adapting = None
    if adaptation.is_on:
        from rnnlm_cli.score.adapt import AdaptingModel

        adapting = AdaptingModel(scorer, adaptation)
    for number, path in enumerate(paths):
        text = read_text(path, encoding=encoding)
        plain = scorer.score_document(
            text, name=decode_argument(path), number=number, num_rows=config.rows or 1,
            reset_every=config.reset_every, batch_tokens=config.batch_tokens, details=details,
        )
        adapted = None if adapting is None else adapting.score_document(
            text, batch_tokens=config.batch_tokens
        ).score
        yield iter([replace(plain, adapted=adapted)])
