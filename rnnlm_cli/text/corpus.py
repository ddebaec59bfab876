"""A corpus: its training, validation and test part as token streams, and their vocabulary.

A text is encoded once, into a memory-mapped file in the cache, and read from there: memory does
not grow with it. entry.json of an entry (see `rnnlm_cli.text.cache`) holds

    version     1
    dtype       of the tokens: uint8, uint16 or uint32
    parts       by name, train, valid and perhaps test: [tokens, characters], in file order
    counts      how often each token occurs in the training part, in id order
    vocabulary  as Vocabulary.to_dict gives it
    names       what the texts were called
"""

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnlm_cli.config import TextConfig
from rnnlm_cli.errors import TextError
from rnnlm_cli.messages import Messages
from rnnlm_cli.text.cache import ENTRY, TOKENS, Cache, Entry
from rnnlm_cli.text.encode import Texts, encode
from rnnlm_cli.text.reading import STDIN, packing_of, raw_chunks
from rnnlm_cli.text.sources import Sources, find_files
from rnnlm_cli.text.tokenizers import Ids
from rnnlm_cli.text.vocabulary import Vocabulary

VERSION = 1
SPOOL = "stdin"


@dataclass(frozen=True)
class Part:
    """One part of a corpus: its tokens and how many characters of text they are."""

    tokens_N: Ids
    num_characters: int


@dataclass(frozen=True)
class FileIdentity:
    """By what a file is known again: its name, size and SHA-256."""

    path: str
    num_bytes: int
    sha256: str


@dataclass(frozen=True)
class Corpus:
    """What a model is trained, selected and tested on.

    Args:
        counts_V: how often each token occurs in the training part.
        key: the name of its entry in the cache.
        files: what it was read from.
    """

    vocabulary: Vocabulary
    train: Part
    valid: Part
    test: Part | None
    counts_V: NDArray[np.int64]
    key: str = ""
    files: tuple[FileIdentity, ...] = ()


@dataclass(frozen=True)
class Read:
    """The files of the parts of a corpus, found, read once, and marked.

    Args:
        marks: by part, its files.
        paths: by part, where they are read: standard input was spooled.
    """

    marks: dict[str, tuple[FileIdentity, ...]]
    paths: dict[str, list[str]]

    @property
    def files(self) -> tuple[FileIdentity, ...]:
        """All files of all parts."""
        return tuple(mark for marks in self.marks.values() for mark in marks)


Check = Callable[[str, tuple[FileIdentity, ...]], None]


def load_corpus(
    sources: Sources, config: TextConfig, *, cache: Cache, vocabulary: Vocabulary | None = None,
    watch: Messages | None = None, check: Check | None = None,
) -> Corpus:
    """Read texts, set the end apart for validation, and build the vocabulary from the rest.

    Args:
        sources: the texts. Several files are one text, set apart by line ends.
        cache: where the tokens are kept; a text that is there already is not encoded again.
        vocabulary: one to encode with; None builds it.
        watch: is told how it goes.
        check: is called with the key and the files before anything is encoded.
    Raises: TextError where a text cannot be read, or there is too little of it.
    """
    watch = watch or Messages()
    if (*sources.train, *sources.valid, *sources.test).count(STDIN) > 1:
        raise TextError("-: stands for stdin, which can be read once; a file is needed besides")
    try:
        with cache.working_folder(watch) as folder:
            spool = folder / SPOOL
            try:
                started = time.monotonic()
                read = _read(sources, config, spool, watch)
                key = _key(read, config, vocabulary)
                if check is not None:
                    check(key, read.files)
                corpus = _found(cache.find(key), read.files, watch)
                if corpus is None:
                    texts = Texts(read.paths, config.codec, watch)
                    description = encode(texts, config, folder / TOKENS, vocabulary)
                    corpus = _kept(description, read.files, cache, folder, key)
                    _say_speed(read.files, time.monotonic() - started, watch)
                return corpus
            except TextError as error:
                raise TextError(str(error).replace(str(spool), "stdin")) from None
    except OSError as error:
        raise TextError(
            f"{cache.folder}: the encoded text cannot be written ({error.strerror}); a folder with "
            "room is needed. Name one with --cache-dir"
        ) from None


def open_entry(entry: Entry, files: tuple[FileIdentity, ...] = ()) -> Corpus:
    """A corpus as it stands in the cache; its tokens are mapped, not read.

    Raises: ValueError, KeyError, TypeError or OSError where the entry is damaged.
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


def _read(sources: Sources, config: TextConfig, spool: Path, watch: Messages) -> Read:
    """Find the files, and read each once to know it again; standard input is spooled."""
    marks: dict[str, tuple[FileIdentity, ...]] = {}
    paths: dict[str, list[str]] = {}
    for name, given in asdict(sources).items():
        if not given:
            continue
        found = find_files(given, any_bytes=config.codec is None)
        if found.skipped:
            watch.say(
                f"note: {len(found.skipped)} files are no text and were left out, "
                f"{found.skipped[0]} the first"
            )
        marks[name] = tuple(_mark(path, spool, watch) for path in found.files)
        paths[name] = [str(spool) if path == STDIN else path for path in found.files]
    return Read(marks, paths)


def _mark(path: str, spool: Path, watch: Messages) -> FileIdentity:
    digest, num_bytes = hashlib.sha256(), 0
    with watch.stage("reading", [path]) as advance:
        copy = spool.open("xb") if path == STDIN else None
        try:
            with closing(raw_chunks(path, packed=True, advance=advance)) as chunks:
                for chunk in chunks:
                    digest.update(chunk)
                    num_bytes += len(chunk)
                    if copy is not None:
                        copy.write(chunk)
        finally:
            if copy is not None:
                copy.close()
    known_as = path if path == STDIN else os.path.abspath(path)
    return FileIdentity(known_as, num_bytes, digest.hexdigest())


def _found(
    entry: Entry | None, files: tuple[FileIdentity, ...], watch: Messages
) -> Corpus | None:
    if entry is None:
        return None
    try:
        return open_entry(entry, files)
    except (ValueError, LookupError, TypeError, AttributeError, OSError):
        watch.say(f"note: the cache entry {entry.folder} is damaged; encoding again")
        return None


def _kept(
    description: dict[str, Any], files: tuple[FileIdentity, ...], cache: Cache, folder: Path,
    key: str,
) -> Corpus:
    """Make an entry of the tokens in a working folder."""
    description |= {"version": VERSION, "names": [file.path for file in files]}
    (folder / ENTRY).write_text(json.dumps(description), "ascii")
    (folder / SPOOL).unlink(missing_ok=True)
    return open_entry(cache.add(folder, key), files)


def _say_speed(files: tuple[FileIdentity, ...], seconds: float, watch: Messages) -> None:
    size = sum(file.num_bytes for file in files)
    packed = "packed " if any(packing_of(file.path) for file in files) else ""
    if seconds > 1:
        watch.say(
            f"encoded {size / 1e6:,.0f} MB of {packed}text in {seconds:.1f} s "
            f"({size / seconds / 1e6:,.1f} MB/s)"
        )


def _key(read: Read, config: TextConfig, vocabulary: Vocabulary | None) -> str:
    """What a cache entry is known by: contents, tokenizer, version."""
    named = {
        "version": VERSION,
        "contents": {
            name: [(mark.sha256, packing_of(mark.path)) for mark in marks]
            for name, marks in read.marks.items()
        },
        "level": config.level,
        "sentences": config.sentences,
        "codec": config.codec,
        "least_count": config.least_count,
        "vocab_size": config.max_tokens if config.level == "bpe" else config.vocab_size,
        "valid_fraction": config.valid_fraction,
        "vocabulary": None if vocabulary is None else vocabulary.fingerprint,
    }
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:32]
