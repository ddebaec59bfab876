"""Texts -> a file of tokens: a pass each to measure, to cut, to count and to write them.

No pass holds more than some chunks of the text. Legend: N stream length, V vocabulary size.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from rnnlm_cli.config import UNKNOWN_ID, TextConfig
from rnnlm_cli.errors import TextError
from rnnlm_cli.messages import Messages
from rnnlm_cli.text.reading import parted, read_files
from rnnlm_cli.text.tokenizers import BOUNDARY
from rnnlm_cli.text.vocabulary import Vocabulary

PARTS = ("train", "valid", "test")  # in the order in which they lie in the file
MIN_TRAINING_TOKENS = 16  # to train on: less is a slip of the hand
INTEGERS = (np.uint8, np.uint16, np.uint32)


@dataclass(frozen=True)
class Texts:
    """The files of each part, how they are decoded, and who is told of it."""

    paths: Mapping[str, Sequence[str]]
    codec: str | None
    watch: Messages

    @contextmanager
    def chunks(self, name: str, stage: str) -> Iterator[Iterator[str]]:
        """The text of a part in pieces."""
        paths = self.paths[name]
        with self.watch.stage(stage, paths) as advance:
            yield read_files(paths, encoding=self.codec, advance=advance)

    def subject(self, name: str) -> str:
        """What a message about a part begins with."""
        return " ".join(self.paths[name])


def encode(
    texts: Texts, config: TextConfig, path: Path, vocabulary: Vocabulary | None
) -> dict[str, Any]:
    """Write the tokens of all parts to a file.

    Args:
        vocabulary: None builds one from the training part.
    Returns: dtype, parts, counts and vocabulary, as an entry of the cache describes them.
    Raises: TextError where a text cannot be read, or there is too little of it.
    """
    cut = None  # where validation begins in the training text
    with texts.chunks("train", "measuring") as chunks:
        num_characters, inner_end = _measure(chunks)
    if not num_characters:
        raise TextError(f"{texts.subject('train')}: is empty; a text to train on is needed")
    if "valid" not in texts.paths:
        cut = num_characters = _cut(texts, num_characters, inner_end, config)
    built = vocabulary
    if built is None:
        with texts.chunks("train", "counting") as chunks:
            to_train, _ = parted(chunks, cut)
            built = Vocabulary.build(to_train, num_characters, config)
    dtype = next(each for each in INTEGERS if len(built) <= np.iinfo(each).max + 1)
    parts: dict[str, list[int]] = {}
    with path.open("wb") as file:
        with texts.chunks("train", "encoding") as chunks:
            to_train, to_validate = parted(chunks, cut)
            parts["train"], counts_V = _write(built, to_train, file, dtype)
            if parts["train"][0] < MIN_TRAINING_TOKENS:
                raise TextError(
                    f"{texts.subject('train')}: holds {parts['train'][0]} tokens to train on; "
                    f"at least {MIN_TRAINING_TOKENS} are needed"
                )
            if vocabulary is not None:  # the model knew unknown tokens, or meets them now
                num_unknown = vocabulary.num_unknown + int(counts_V[UNKNOWN_ID])
                built = replace(vocabulary, num_unknown=num_unknown)
            if cut is not None:
                parts["valid"], counted_V = _write(built, to_validate, file, dtype)
                _require_tokens_to_score(built, counted_V, texts.subject("train"))
        for name in PARTS[1:]:
            if name in texts.paths:
                with texts.chunks(name, f"encoding {name}") as chunks:
                    parts[name], counted_V = _write(built, chunks, file, dtype)
                _require_tokens_to_score(built, counted_V, texts.subject(name))
    return {
        "dtype": np.dtype(dtype).name, "parts": parts, "counts": counts_V.tolist(),
        "vocabulary": built.to_dict(),
    }


def _write(
    vocabulary: Vocabulary, chunks: Iterable[str], file: IO[bytes], dtype: type[np.unsignedinteger]
) -> tuple[list[int], np.ndarray[Any, np.dtype[np.int64]]]:
    """Append the tokens of a text. Returns [tokens, characters] and the count of each token."""
    num_characters = 0

    def measured() -> Iterator[str]:
        nonlocal num_characters
        for chunk in chunks:
            num_characters += len(chunk)
            yield chunk

    counts_V = np.zeros(len(vocabulary), np.int64)
    for ids_N in vocabulary.encode_chunks(measured()):
        counts = np.bincount(ids_N)
        counts_V[: len(counts)] += counts
        file.write(np.ascontiguousarray(ids_N, dtype).data)
    return [int(counts_V.sum()), num_characters], counts_V


def _require_tokens_to_score(
    vocabulary: Vocabulary, counts_V: np.ndarray[Any, np.dtype[np.int64]], subject: str
) -> None:
    """Raise TextError where none of a part's tokens has a probability."""
    known = int(counts_V.sum()) - (0 if vocabulary.num_unknown else int(counts_V[UNKNOWN_ID]))
    if not known:
        raise TextError(
            f"{subject}: holds no tokens to score, or none that the training text has; "
            "a text of the same kind is needed"
        )


def _measure(chunks: Iterable[str]) -> tuple[int, int]:
    """How many characters a text has, and where its last line end is but for a final one.

    The latter is -1 where there is none.
    """
    size, last, before_last = 0, -1, -1
    for chunk in chunks:
        at = chunk.rfind(BOUNDARY)
        if at >= 0:
            before = chunk.rfind(BOUNDARY, 0, at)
            before_last = size + before if before >= 0 else last
            last = size + at
        size += len(chunk)
    return size, last if last < size - 1 else before_last


def _cut(texts: Texts, num_characters: int, inner_end: int, config: TextConfig) -> int:
    """Where validation begins: int(0.9 N), for sentences at the next line end."""
    cut = int((1 - config.valid_fraction) * num_characters)
    if not config.sentences:
        return cut
    if inner_end < 0:
        raise TextError(
            f"{texts.subject('train')}: is one line, and every line is a sentence here; at least "
            "two are needed. Try --text running, or give --valid FILE"
        )
    if inner_end < cut - 1:  # the last line is long: begin validation with it
        return inner_end + 1
    with texts.chunks("train", "cutting") as chunks:
        return _line_end_from(chunks, max(cut - 1, 0)) + 1


def _line_end_from(chunks: Iterable[str], begin: int) -> int:
    """The first line end at or after a position."""
    at = 0
    for chunk in chunks:
        found = chunk.find(BOUNDARY, max(begin - at, 0))
        if found >= 0:
            return at + found
        at += len(chunk)
    raise AssertionError("there is one")
