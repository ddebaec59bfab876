"""The page of `rnnlm score --html`: the scored texts, shaded token by token."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rnnlm_cli.cli.options import decode_argument
from rnnlm_cli.cli.page import write_page
from rnnlm_cli.config import PageConfig
from rnnlm_cli.errors import FileError
from rnnlm_cli.files.overwrite import require_no_input, require_replaceable
from rnnlm_cli.files.run_files import RunFileKind

if TYPE_CHECKING:
    from rnnlm_cli.score.score import TextScore
    from rnnlm_cli.score.sentences import Details

MAX_TOKENS = 1_000_000  # of all texts in a page; browsers open larger pages slowly


class ScorePage:
    """Keeps the scores that pass, and writes a page of them.

    Args:
        path: the HTML file.
        models: the paths of the models.
        details: the details that the other output needs.
    """

    def __init__(self, path: Path, models: Sequence[Path], details: Details) -> None:
        self._path, self._models, self._details = path, models, details
        self._texts: list[TextScore] = []
        self._num_tokens = 0

    @property
    def details(self) -> Details:
        """The details that both outputs need."""
        return replace(self._details, tokens=True, distribution=True)

    def collect(self, batches: Iterator[Iterator[TextScore]]) -> Iterator[Iterator[TextScore]]:
        """Keep the scores of each batch, and pass them on with the details of the other output."""
        for batch in batches:
            yield map(self._keep, batch)

    def write(self, *, name: str, spaced: bool, documents: bool) -> None:
        """Write the page.

        Args: as for `describe_scores`.
        Raises: FileError if it cannot be written.
        """
        from rnnlm_cli.page.scores import describe_scores, list_facts
        from rnnlm_cli.score.score import Score

        models = [decode_argument(each.name) for each in self._models]
        total = sum((text.score for text in self._texts), Score())
        contents = describe_scores(
            self._texts, name=name, facts=list_facts(total, len(self._texts), models),
            spaced=spaced, documents=documents,
        )
        write_page(self._path, contents, PageConfig())
        print(f"page: {self._path}. Open it in a browser", file=sys.stderr)

    def _keep(self, text: TextScore) -> TextScore:
        assert text.tokens is not None
        self._num_tokens += len(text.tokens)
        if self._num_tokens > MAX_TOKENS:
            raise FileError(
                f"{self._path}: the texts have more than {MAX_TOKENS:,} tokens; a page of fewer is "
                "needed. Score a part of the texts, or leave --html out"
            )
        self._texts.append(text)
        if not self._details.tokens:
            return replace(text, tokens=None)
        if self._details.distribution:
            return text
        return replace(
            text, tokens=[replace(each, entropy=None, rank=None) for each in text.tokens]
        )


def require_page_writable(path: Path, inputs: Sequence[str | Path]) -> None:
    """Raise FileError if a page must not be written to a path.

    Args:
        inputs: the files that the command reads.
    """
    require_replaceable(path, RunFileKind.PAGE, option="--html")
    require_no_input([path], inputs, option="--html")
