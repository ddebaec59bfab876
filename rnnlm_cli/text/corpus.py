"""A corpus: its training, validation and test part as token ids, and their vocabulary.

A text is encoded once, into a memory-mapped file in the cache, and read from there. Memory use
therefore does not grow with the text. The file entry.json of an entry (see
`rnnlm_cli.text.cache`) has these keys:

    version     2
    dtype       of the tokens: uint8, uint16 or uint32
    parts       train, valid and, if present, test: [number of tokens, number of characters], in
                the order of the file
    counts      how often each token occurs in the training part, in id order
    vocabulary  the result of Vocabulary.to_dict
    names       the paths of the text files
"""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnlm_cli.config import UNKNOWN_ID, TextConfig
from rnnlm_cli.errors import TextError
from rnnlm_cli.messages import Messages
from rnnlm_cli.text.cache import ENTRY, TOKENS, Cache, Entry
from rnnlm_cli.text.decompress import find_compression
from rnnlm_cli.text.encode import PartReader, encode_parts
from rnnlm_cli.text.reading import STDIN
from rnnlm_cli.text.sources import FileIdentity, SourceFiles, Sources, identify_files
from rnnlm_cli.text.tokenizers import Ids
from rnnlm_cli.text.vocabulary import Vocabulary

VERSION = 2
STDIN_COPY = "stdin"  # in the working folder: standard input can be read only once
MIN_REPORTED_SECONDS = 1


@dataclass(frozen=True)
class Part:
    """One part of a corpus: its token ids and the length of its text in characters."""

    tokens_N: Ids
    num_characters: int


@dataclass(frozen=True)
class Corpus:
    """The texts that a model is trained, validated and tested on.

    Args:
        counts_V: the number of occurrences of each token in the training part.
        key: the key of its entry in the cache.
        files: the files that it was read from.
    """

    vocabulary: Vocabulary
    train: Part
    valid: Part
    test: Part | None
    counts_V: NDArray[np.int64]
    key: str = ""
    files: tuple[FileIdentity, ...] = ()

    @property
    def num_unknown(self) -> int:
        """The number of unknown tokens in the training part."""
        return int(self.counts_V[UNKNOWN_ID])


Check = Callable[[str, tuple[FileIdentity, ...]], None]


def load_corpus(
    sources: Sources, config: TextConfig, *, cache: Cache, vocabulary: Vocabulary | None = None,
    unknown_trained: bool = False, messages: Messages | None = None, check: Check | None = None,
) -> Corpus:
    """Read texts, hold out their end for validation, and build the vocabulary from the rest.

    Args:
        sources: the texts. Several files form one text and are separated by newlines.
        cache: the cache of encoded texts. A text that it contains is not encoded again.
        vocabulary: the vocabulary to encode with; None builds one.
        unknown_trained: whether the network to be trained has a probability for <unk> already.
        messages: receives notes and progress updates.
        check: called with the key and the files before anything is encoded.
    Raises: TextError if a text cannot be read, or there is too little text.
    """
    messages = messages or Messages()
    if (*sources.train, *sources.valid, *sources.test).count(STDIN) > 1:
        raise TextError(
            "-: stands for stdin, which can be read once; use a file for the other text"
        )
    try:
        with cache.working_folder(messages) as folder:
            stdin_copy = folder / STDIN_COPY
            try:
                started = time.monotonic()
                read = identify_files(
                    sources, stdin_copy=stdin_copy, any_bytes=config.codec is None,
                    messages=messages,
                )
                key = compute_key(read, config, vocabulary)
                if check is not None:
                    check(key, read.files)
                corpus = _open_if_intact(cache.find(key), read.files, messages)
                if corpus is None:
                    reader = PartReader(read.paths, config.codec, messages)
                    description = encode_parts(
                        reader, config, folder / TOKENS, vocabulary,
                        unknown_trained=unknown_trained,
                    )
                    corpus = _add_entry(description, read.files, cache, folder, key)
                    _report_speed(read.files, time.monotonic() - started, messages)
                return corpus
            except TextError as error:
                raise TextError(str(error).replace(str(stdin_copy), "stdin")) from None
    except OSError as error:
        raise TextError(
            f"{cache.folder}: the encoded text cannot be written ({error.strerror}); a folder with "
            "room is needed. Name one with --cache-dir"
        ) from None


def open_entry(entry: Entry, files: tuple[FileIdentity, ...] = ()) -> Corpus:
    """Open a corpus in the cache. Its tokens are memory-mapped.

    Raises: ValueError, KeyError, TypeError or OSError if the entry is damaged.
    """
    description = json.loads((entry.folder / ENTRY).read_text("ascii"))
    if description["version"] != VERSION:
        raise ValueError("version")
    vocabulary = Vocabulary.from_dict(description["vocabulary"])
    tokens_N = np.memmap(entry.folder / TOKENS, np.dtype(description["dtype"]), "r")
    parts, begin = {}, 0
    for name, (num_tokens, num_characters) in description["parts"].items():
        parts[name] = Part(np.asarray(tokens_N[begin : begin + num_tokens]), num_characters)
        begin += num_tokens
    if begin != len(tokens_N) or len(description["counts"]) != len(vocabulary):
        raise ValueError("parts")
    entry.touch()
    return Corpus(
        vocabulary, parts["train"], parts["valid"], parts.get("test"),
        np.array(description["counts"], np.int64), entry.key, files,
    )


def compute_key(
    source_files: SourceFiles, config: TextConfig, vocabulary: Vocabulary | None
) -> str:
    """Return the key of a cache entry: a hash of the contents, the tokenization and the version."""
    facts = {
        "version": VERSION,
        "contents": {
            name: [(file.sha256, find_compression(file.path)) for file in files]
            for name, files in source_files.identities.items()
        },
        "level": config.level,
        "sentences": config.sentences,
        "codec": config.codec,
        "least_count": config.least_count,
        "vocab_size": config.max_tokens if config.level == "bpe" else config.vocab_size,
        "valid_fraction": config.valid_fraction,
        "vocabulary": None if vocabulary is None else vocabulary.fingerprint,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def _open_if_intact(
    entry: Entry | None, files: tuple[FileIdentity, ...], messages: Messages
) -> Corpus | None:
    if entry is None:
        return None
    try:
        return open_entry(entry, files)
    except (ValueError, LookupError, TypeError, AttributeError, OSError):
        messages.note(f"the cache entry {entry.folder} is damaged; encoding the text again")
        return None


def _add_entry(
    description: dict[str, Any], files: tuple[FileIdentity, ...], cache: Cache, folder: Path,
    key: str,
) -> Corpus:
    """Add the tokens in a working folder to the cache, and open the new entry."""
    description |= {"version": VERSION, "names": [file.path for file in files]}
    (folder / ENTRY).write_text(json.dumps(description), "ascii")
    (folder / STDIN_COPY).unlink(missing_ok=True)
    return open_entry(cache.add(folder, key), files)


def _report_speed(files: tuple[FileIdentity, ...], seconds: float, messages: Messages) -> None:
    size = sum(file.num_bytes for file in files)
    compressed = "compressed " if any(find_compression(file.path) for file in files) else ""
    if seconds > MIN_REPORTED_SECONDS:
        messages.say(
            f"encoded {size / 1e6:,.0f} MB of {compressed}text in {seconds:.1f} s "
            f"({size / seconds / 1e6:,.1f} MB/s)"
        )
