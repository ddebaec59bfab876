"""The output of `rnnlm score`: scores in a format, data on stdout and messages on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rnnlm_cli.config import FormatName, ScoreConfig

if TYPE_CHECKING:
    from rnnlm_cli.score.formats import Format, Output
    from rnnlm_cli.score.formats.format import Unit
    from rnnlm_cli.score.score import TextScore


def make_output_format(
    format_name: FormatName, config: ScoreConfig, *, adapted: bool, name: str, unit: Unit | None
) -> Format:
    """Return the format of the output.

    Args:
        adapted: whether documents are scored by a model that adapts to them, too.
        name: the name of the input.
        unit: whether tokens or words have lines of their own.
    """
    from rnnlm_cli.score.formats import FormatSettings, make_format

    return make_format(format_name, FormatSettings(
        document=config.document, precision=config.precision, normalize=config.normalize,
        shaded=sys.stdout.isatty() and "NO_COLOR" not in os.environ, name=name, unit=unit,
        adapted=adapted,
    ))


def write_scores(batches: Iterator[Iterator[TextScore]], output_format: Format) -> int:
    """Write the scores of each batch and flush them. Returns the number of texts."""
    from rnnlm_cli.score.score import Score

    total, adapted, num_texts = Score(), Score(), 0
    for scores in batches:
        for each in scores:
            if not num_texts:
                _print(output_format.begin())
            total, num_texts = total + each.score, num_texts + 1
            if each.adapted is not None:
                adapted += each.adapted
            _print(output_format.one(each))
        sys.stdout.flush()
    if not num_texts:
        _print(output_format.begin())
    _print(output_format.end(total, num_texts, adapted if adapted.num_read else None))
    sys.stdout.flush()
    return num_texts


def _print(output: Output) -> None:
    for line in output.messages:
        print(line, file=sys.stderr, flush=True)
    for line in output.data:
        print(line)
