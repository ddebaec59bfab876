"""A text on stdout while it is generated, and the speed of the generation on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rnnlm_cli.messages import StderrMessages, escape_except_layout

if TYPE_CHECKING:
    from rnnlm_cli.generate.generator import GeneratedText
    from rnnlm_cli.generate.row import GeneratedSample

FLUSH_SECONDS = 0.02  # between two writes of a stream; a terminal does not show more of them


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """The options of the output: the form of the texts, and what is written beside them.

    Args:
        echo: whether to write the prompt too.
        json: whether to write JSON lines.
        raw: whether a terminal gets control characters.
        verbose: whether to write the number of tokens per second to stderr.
        seed_is_new: whether the seed was drawn by this command, and should be shown.
        novelty: the files of the training text to compare with.
    """

    echo: bool
    json: bool
    raw: bool
    verbose: bool
    seed_is_new: bool
    novelty: Sequence[str] = field(default_factory=tuple)

    def escape(self, text: str) -> str:
        """Return a text as stdout gets it.

        On a terminal, control characters other than newlines and tabs become escapes.
        """
        return escape_except_layout(text) if sys.stdout.isatty() and not self.raw else text


class StreamWriter:
    """Writes the pieces of a text to stdout as they come, but not more often than is seen."""

    def __init__(self, output: OutputOptions) -> None:
        self._escape = output.escape
        self._pieces: list[str] = []
        self._last_character, self._next_flush = "", 0.0

    def write(self, piece: str) -> None:
        """Write a piece now, or soon together with those that follow."""
        self._pieces.append(piece)
        if time.perf_counter() >= self._next_flush:
            self.flush()

    def flush(self) -> None:
        """Write what has not been written yet."""
        text = "".join(self._pieces)
        self._pieces.clear()
        if text:
            self._last_character = text[-1]
            sys.stdout.write(self._escape(text))
            sys.stdout.flush()
        self._next_flush = time.perf_counter() + FLUSH_SECONDS

    def end(self) -> None:
        """Write the rest, and a newline unless the text ends with one."""
        self.flush()
        if self._last_character != "\n":
            sys.stdout.write("\n")
        sys.stdout.flush()


class Speedometer:
    """Counts tokens and the seconds of their generation."""

    def __init__(self) -> None:
        self._num_tokens, self._seconds = 0, 0.0

    @contextmanager
    def run(self) -> Iterator[None]:
        """Count the time of a block."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._seconds += time.perf_counter() - started

    def count(self, samples: Sequence[GeneratedSample]) -> None:
        """Count the tokens of some samples."""
        self._num_tokens += sum(len(sample.token_ids) for sample in samples)

    def report(self) -> None:
        """Write the speed to stderr."""
        StderrMessages().say(
            f"{self._num_tokens:,} tokens in {self._seconds:.2f} s: "
            f"{self._num_tokens / max(self._seconds, 1e-9):,.0f} tokens/s"
        )


def stream_text(
    generated: GeneratedText, output: OutputOptions, prompt: str,
    is_interrupted: Callable[[], bool],
) -> None:
    """Write a text as it comes, until its end or an interruption."""
    writer = StreamWriter(output)
    if output.echo:
        writer.write(prompt)
    for piece in generated:
        writer.write(piece)
        if is_interrupted():
            writer.write(generated.interrupt())
            break
    writer.end()
