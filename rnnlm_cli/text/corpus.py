"""A corpus: its training, validation and test part as token ids, and their vocabulary.

A text is encoded once, into a memory-mapped file in the cache, and read from there. Memory use
therefore does not grow with the text. `rnnlm_cli.text.entry_format` describes the files.
"""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnlm_cli.config import UNKNOWN_ID, TextConfig
from rnnlm_cli.errors import TextError
from rnnlm_cli.messages import Messages
from rnnlm_cli.text.cache import Cache
from rnnlm_cli.text.cache_entry import TOKENS, Entry
from rnnlm_cli.text.decompress import find_compression
from rnnlm_cli.text.encode import PartReader, encode_parts
from rnnlm_cli.text.entry_format import DamagedEntryError, read_entry, write_description
from rnnlm_cli.text.raw_bytes import STDIN
from rnnlm_cli.text.sources import FileIdentity, SourceFiles, Sources, identify_files
from rnnlm_cli.text.tokenizers import Ids
from rnnlm_cli.text.vocabulary import Vocabulary

KEY_VERSION = 2  # of the way in which texts become tokens
COPIES = "copies"  # in the working folder, of texts that can be read only once
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
            return _load(
                sources, config, cache, folder, vocabulary, unknown_trained, messages, check
            )
    except OSError as error:
        raise TextError(
            f"{cache.folder}: the encoded text cannot be written ({error.strerror}); a folder with "
            "room is needed. Name one with --cache-dir"
        ) from None


def _load(
    sources: Sources, config: TextConfig, cache: Cache, folder: Path,
    vocabulary: Vocabulary | None, unknown_trained: bool, messages: Messages,
    check: Check | None,
) -> Corpus:
    """Load a corpus with the help of a working folder; see `load_corpus`."""
    started = time.monotonic()
    copies = folder / COPIES
    copies.mkdir()
    read = identify_files(
        sources, copies=copies, any_bytes=config.codec is None, cache_folder=cache.folder,
        messages=messages,
    )
    key = compute_key(read, config, vocabulary)
    if check is not None:
        check(key, read.files)
    corpus = _open_if_intact(cache.find(key), read.files, messages)
    if corpus is None:
        reader = PartReader(read.paths, read.sha256s, config.codec, messages)
        try:
            description = encode_parts(
                reader, config, folder / TOKENS, vocabulary, unknown_trained=unknown_trained
            )
        except TextError as error:
            message = str(error)
            for copy, name in read.streams.items():
                message = message.replace(copy, name)
            raise TextError(message) from None
        description["names"] = [file.path for file in read.files]
        write_description(folder, description)
        entry = cache.add(folder, key, _is_intact)
        corpus = open_entry(entry, read.files)
        _report_speed(read.files, time.monotonic() - started, messages)
    if cache.is_temporary and read.streams:
        messages.warn(
            "a text that can be read only once is kept no longer than this run, so the run cannot "
            "be resumed; a folder for the encoded text is needed. Name one with --cache-dir"
        )
    return corpus


def open_entry(entry: Entry, files: tuple[FileIdentity, ...] = ()) -> Corpus:
    """Open a corpus in the cache. Its tokens are memory-mapped.

    Raises: DamagedEntryError.
    """
    return _open(entry, files, accept_unchecked=True)


def _open(entry: Entry, files: tuple[FileIdentity, ...], *, accept_unchecked: bool) -> Corpus:
    text = read_entry(entry, accept_unchecked=accept_unchecked)
    parts, begin = {}, 0
    for name, (num_tokens, num_characters) in text.parts.items():
        tokens_N = np.asarray(text.tokens_N[begin : begin + num_tokens])
        parts[name] = Part(tokens_N, num_characters)
        begin += num_tokens
    entry.touch()
    return Corpus(
        text.vocabulary, parts["train"], parts["valid"], parts.get("test"), text.counts_V,
        entry.key, files,
    )


def compute_key(
    source_files: SourceFiles, config: TextConfig, vocabulary: Vocabulary | None
) -> str:
    """Return the key of a cache entry: a hash of the contents, the tokenization and the version."""
    facts = {
        "version": KEY_VERSION,
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
    """Open an entry, or return None with a note if it is damaged.

    An entry without checksums, of an earlier version, counts as damaged: the text is at hand.
    """
    if entry is None:
        return None
    try:
        return _open(entry, files, accept_unchecked=False)
    except DamagedEntryError:
        if entry.exists():  # otherwise another process has just removed it
            messages.note(
                f"the cache entry {entry.folder} is damaged or of an earlier version; encoding "
                "the text again"
            )
        return None


def _is_intact(entry: Entry) -> bool:
    try:
        read_entry(entry)
    except DamagedEntryError:
        return False
    return True


def _report_speed(files: tuple[FileIdentity, ...], seconds: float, messages: Messages) -> None:
    size = sum(file.num_bytes for file in files)
    compressed = "compressed " if any(find_compression(file.path) for file in files) else ""
    if seconds > MIN_REPORTED_SECONDS:
        messages.say(
            f"encoded {size / 1e6:,.0f} MB of {compressed}text in {seconds:.1f} s "
            f"({size / seconds / 1e6:,.1f} MB/s)"
        )
