"""Text files -> a file of token ids, in separate passes: measure, find the cut, count, encode.

No pass holds more than a few chunks of the text in memory. Legend: V vocabulary size.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rnnlm_cli.config import UNKNOWN_ID, TextConfig
from rnnlm_cli.errors import TextError
from rnnlm_cli.messages import Messages
from rnnlm_cli.text.entry_format import Checksum
from rnnlm_cli.text.reading import read_files, split_at
from rnnlm_cli.text.tokenizers import BOUNDARY
from rnnlm_cli.text.vocabulary import Vocabulary

PARTS = ("train", "valid", "test")  # in the order of the file of tokens
MIN_TRAINING_TOKENS = 16  # a training text with fewer tokens is a mistake of the user
INTEGERS = (np.uint8, np.uint16, np.uint32)

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class PartReader:
    """Reads the text of each part of a corpus.

    Args:
        paths: the files of each part.
        sha256s: their checksums.
        codec: their encoding; None means byte level.
        messages: receives progress updates.
    """

    paths: Mapping[str, Sequence[str]]
    sha256s: Mapping[str, Sequence[str]]
    codec: str | None
    messages: Messages

    @contextmanager
    def open_part(
        self, name: str, stage: str, *, verify: bool = False
    ) -> Iterator[Iterator[str]]:
        """Open the text of a part as an iterator of chunks.

        Args:
            stage: the name of this pass, for progress updates.
            verify: raise TextError at the end if the files have changed since their checksums were
                computed.
        """
        paths = self.paths[name]
        with self.messages.stage(stage, paths) as advance:
            yield read_files(
                paths, encoding=self.codec, advance=advance,
                sha256s=self.sha256s[name] if verify else None,
            )

    def format_subject(self, name: str) -> str:
        """Return the subject of error messages about a part: its files."""
        return " ".join(self.paths[name])


@dataclass(frozen=True)
class _TokenWriter:
    """Appends token ids to a file, in the smallest unsigned integers that hold the vocabulary.

    `checksum` covers all that was written.
    """

    vocabulary: Vocabulary
    file: IO[bytes]
    checksum: Checksum = field(default_factory=Checksum)

    @property
    def dtype(self) -> type[np.unsignedinteger[Any]]:
        num_tokens = len(self.vocabulary)
        return next(each for each in INTEGERS if num_tokens <= np.iinfo(each).max + 1)

    def write(self, chunks: Iterable[str]) -> tuple[list[int], Counts]:
        """Append a text. Returns [number of tokens, number of characters], and the counts."""
        num_characters = 0

        def measure() -> Iterator[str]:
            nonlocal num_characters
            for chunk in chunks:
                num_characters += len(chunk)
                yield chunk

        counts_V = np.zeros(len(self.vocabulary), np.int64)
        for ids_N in self.vocabulary.encode_chunks(measure()):
            counts = np.bincount(ids_N)
            counts_V[: len(counts)] += counts
            data = np.ascontiguousarray(ids_N, self.dtype).data
            self.checksum.update(data)
            self.file.write(data)
        return [int(counts_V.sum()), num_characters], counts_V


def encode_parts(
    reader: PartReader, config: TextConfig, path: Path, vocabulary: Vocabulary | None, *,
    unknown_trained: bool = False,
) -> dict[str, Any]:
    """Write the token ids of all parts to a file.

    Args:
        path: the file of tokens.
        vocabulary: the vocabulary to encode with; None builds one from the training part.
        unknown_trained: whether the network to be trained has a probability for <unk> already.
    Returns: dtype, parts, counts, vocabulary and tokens_crc32; see `rnnlm_cli.text.entry_format`.
    Raises: TextError if a text cannot be read, or there is too little text.
    """
    num_characters, cut = _measure_training_part(reader, config)
    built = vocabulary
    if built is None:
        with reader.open_part("train", "counting") as chunks:
            train_chunks, _ = split_at(chunks, cut)
            built = Vocabulary.build(train_chunks, num_characters, config)
    parts: dict[str, list[int]] = {}
    with path.open("wb") as file:
        writer = _TokenWriter(built, file)
        with reader.open_part("train", "encoding", verify=True) as chunks:
            train_chunks, valid_chunks = split_at(chunks, cut)
            parts["train"], counts_V = writer.write(train_chunks)
            _require_tokens_to_train(parts["train"][0], reader.format_subject("train"))
            unknown_trained = unknown_trained or counts_V[UNKNOWN_ID] > 0
            if cut is not None:
                parts["valid"], part_counts_V = writer.write(valid_chunks)
                subject = reader.format_subject("train")
                _require_tokens_to_score(part_counts_V, subject, unknown_trained=unknown_trained)
        for name in PARTS[1:]:
            if name in reader.paths:
                with reader.open_part(name, f"encoding {name}", verify=True) as chunks:
                    parts[name], part_counts_V = writer.write(chunks)
                subject = reader.format_subject(name)
                _require_tokens_to_score(part_counts_V, subject, unknown_trained=unknown_trained)
        file.flush()
        os.fsync(file.fileno())
    return {
        "dtype": np.dtype(writer.dtype).name, "parts": parts, "counts": counts_V.tolist(),
        "vocabulary": built.to_dict(), "tokens_crc32": writer.checksum.value,
    }


def _measure_training_part(reader: PartReader, config: TextConfig) -> tuple[int, int | None]:
    """Return the length of the training part in characters, and where validation begins in its
    text (None if validation has its own files)."""
    with reader.open_part("train", "measuring") as chunks:
        num_characters, last_newline = _measure_text(chunks)
    if not num_characters:
        raise TextError(
            f"{reader.format_subject('train')}: is empty; a text to train on is needed"
        )
    if "valid" in reader.paths:
        return num_characters, None
    cut = _find_validation_start(reader, num_characters, last_newline, config)
    return cut, cut


def _require_tokens_to_train(num_tokens: int, subject: str) -> None:
    if num_tokens < MIN_TRAINING_TOKENS:
        raise TextError(
            f"{subject}: holds {num_tokens} tokens to train on; "
            f"at least {MIN_TRAINING_TOKENS} are needed"
        )


def _require_tokens_to_score(counts_V: Counts, subject: str, *, unknown_trained: bool) -> None:
    """Raise TextError if no token of a part has a probability."""
    if not counts_V[0 if unknown_trained else UNKNOWN_ID + 1 :].any():
        raise TextError(
            f"{subject}: contains no token that the vocabulary knows; a text of the same kind as "
            "the training text is needed"
        )


def _measure_text(chunks: Iterable[str]) -> tuple[int, int]:
    """Return the length in characters, and the position of the last newline, ignoring one at the
    very end (-1 if there is none)."""
    size, last, before_last = 0, -1, -1
    for chunk in chunks:
        at = chunk.rfind(BOUNDARY)
        if at >= 0:
            before = chunk.rfind(BOUNDARY, 0, at)
            before_last = size + before if before >= 0 else last
            last = size + at
        size += len(chunk)
    return size, last if last < size - 1 else before_last


def _find_validation_start(
    reader: PartReader, num_characters: int, last_newline: int, config: TextConfig
) -> int:
    """Return the first character of the validation part: int((1 - valid_fraction) * length) and,
    for sentences, the start of the next line from there."""
    cut = int((1 - config.valid_fraction) * num_characters)
    if not config.sentences:
        return cut
    if last_newline < 0:
        raise TextError(
            f"{reader.format_subject('train')}: is one line, and every line is a sentence here; at "
            "least two are needed. Try --text running, or give --valid FILE"
        )
    if last_newline < cut - 1:  # the last line is long: it becomes the validation part
        return last_newline + 1
    with reader.open_part("train", "cutting") as chunks:
        found = _find_newline(chunks, max(cut - 1, 0))
    if found is None:
        raise TextError(
            f"{reader.format_subject('train')}: has changed while it was read; a text that stays "
            "the same is needed. Begin again, or train on a copy"
        )
    return found + 1


def _find_newline(chunks: Iterable[str], begin: int) -> int | None:
    """Return the position of the first newline at or after `begin`; None if there is none."""
    at = 0
    for chunk in chunks:
        found = chunk.find(BOUNDARY, max(begin - at, 0))
        if found >= 0:
            return at + found
        at += len(chunk)
    return None
