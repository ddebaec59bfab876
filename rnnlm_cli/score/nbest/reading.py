"""Files of n-best lists: their format, and their hypotheses as they arrive."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from rnnlm_cli.config.rescore import NbestName
from rnnlm_cli.errors import TextError
from rnnlm_cli.score.nbest.detect import MAX_LINES, detect_format
from rnnlm_cli.score.nbest.hypothesis import Hypothesis, LineError, NbestFormat
from rnnlm_cli.text.reading import read_arriving_lines

Lines = Iterator[list[str]]


@dataclass(frozen=True)
class Entry:
    """A hypothesis and its place.

    Args:
        file: the number of its file, from 0.
        list_number: the number of its list, from 0, over all files.
        path: the name of its file.
        line: the number of its line in the file, from 1.
    """

    hypothesis: Hypothesis
    file: int
    list_number: int
    path: str
    line: int


class NbestReader:
    """Reads files of n-best lists, one after the other.

    Args:
        paths: files, or "-" for standard input.
        encoding: of the files; None for bytes as they are.
    """

    def __init__(self, paths: Sequence[str], encoding: str | None) -> None:
        self._files = enumerate(paths)
        self._encoding = encoding
        self._opened: list[tuple[int, str, Lines]] = []
        self._detected: NbestName | None = None

    def detect(self) -> NbestName | None:
        """Return the format of the first file that is not empty; None if all are empty.

        The other files must have the same format.
        """
        for number, path in self._files:
            first, lines = _look_ahead(self._read_lines(path))
            if first:
                self._opened.append((number, path, lines))
                self._detected = detect_format(first)
                break
        return self._detected

    def read(self, nbest_format: NbestFormat) -> Iterator[list[Entry]]:
        """Yield the hypotheses in lists. From a pipe, a list holds those that have arrived.

        Raises: TextError for a line that does not fit the format, after the lines before it.
        """
        last_id, list_number = None, -1
        for file, path, batches in self._open_files():
            num_read = 0
            for lines in batches:
                hypotheses, error = self._parse(lines, nbest_format, path, num_read)
                entries = []
                for line, hypothesis in enumerate(hypotheses, num_read + 1):
                    list_id = file, hypothesis.list_id
                    list_number += list_id != last_id
                    last_id = list_id
                    entries.append(Entry(hypothesis, file, list_number, path, line))
                if entries:
                    yield entries
                if error is not None:
                    raise error
                num_read += len(lines)

    def _parse(
        self, lines: Sequence[str], nbest_format: NbestFormat, path: str, num_read: int
    ) -> tuple[list[Hypothesis], TextError | None]:
        """Return the hypotheses before the first broken line, and the error that names that line.

        Args:
            num_read: the number of lines of the file before these.
        """
        hypotheses: list[Hypothesis] = []
        for line in lines:
            try:
                hypotheses.append(nbest_format.parse(line))
            except LineError as error:
                remedy = error.remedy
                if remedy is None and self._detected is not None:
                    remedy = "Name the format with --format if it is another one"
                number = num_read + len(hypotheses) + 1
                return hypotheses, TextError(
                    f"{path}: line {number} (format {nbest_format.name}) {error}"
                    f"{'' if remedy is None else f'. {remedy}'}"
                )
        return hypotheses, None

    def _open_files(self) -> Iterator[tuple[int, str, Lines]]:
        """Yield the number, the name and the lines of every file that has lines.

        Raises: TextError if a file does not look like the one whose format was detected.
        """
        yield from self._opened
        for file, path in self._files:
            lines = self._read_lines(path)
            if self._detected is not None:
                first, lines = _look_ahead(lines)
                name = detect_format(first)
                if first and name != self._detected:
                    raise TextError(
                        f"{path}: looks like the format {name}, and the file before like "
                        f"{self._detected}; files of one format are needed. Name the format with "
                        "--format, or rescore them one by one"
                    )
            yield file, path, lines

    def _read_lines(self, path: str) -> Lines:
        """Yield the lines of a file without their line ends, which may be CRLF.

        In text of bytes, the carriage return is still there.
        """
        for lines in read_arriving_lines(path, encoding=self._encoding):
            if self._encoding is None:
                yield [line.removesuffix("\r") for line in lines]
            else:
                yield lines


def _look_ahead(batches: Lines) -> tuple[list[str], Lines]:
    """Return the first lines, of which there are enough to detect a format, and all lines."""
    first: list[str] = []
    for lines in batches:
        first += lines
        if len(first) >= MAX_LINES:
            break
    return first, chain([first] if first else [], batches)
