"""The corpus of a resumed run: the same texts again, or their encoded form from the cache."""

import sys
from contextlib import suppress
from pathlib import Path

from rnnlm_cli.errors import RnnlmError, TextError
from rnnlm_cli.files.run_files import CHECKPOINT, companion
from rnnlm_cli.messages import Messages
from rnnlm_cli.runs.checkpoint import Checkpoint
from rnnlm_cli.runs.report import resume_command
from rnnlm_cli.runs.request import TrainingRequest
from rnnlm_cli.text.cache import Cache
from rnnlm_cli.text.cache_entry import Entry
from rnnlm_cli.text.corpus import Corpus, load_corpus, open_entry
from rnnlm_cli.text.entry_format import DamagedEntryError
from rnnlm_cli.text.sources import FileIdentity


class ChangedTextError(RnnlmError):
    """The texts are not those that the run began with."""


def load_same_corpus(
    request: TrainingRequest, checkpoint: Checkpoint, messages: Messages
) -> Corpus:
    """Load the corpus of a run again.

    A text from standard input, and a text that can no longer be read, come from the cache.

    Raises: RnnlmError if the texts have changed since the run began, or cannot be had.
    """
    config = checkpoint.config
    folder = request.cache_dir or (Path(config.cache_dir) if config.cache_dir else None)
    cache = Cache(folder)

    def check(key: str, files: tuple[FileIdentity, ...]) -> None:
        if key != checkpoint.corpus.key:
            raise ChangedTextError(
                f"{_describe_difference(checkpoint.corpus.files, files)}; the texts that the run "
                "began with are needed. Put them back, or begin anew with --restart"
            )

    vocabulary = checkpoint.vocabulary if config.init_has_vocabulary else None
    entry = cache.find(checkpoint.corpus.key)
    try:
        corpus = _open_copy_of_stream(entry, request, checkpoint)
        if corpus is None:
            corpus = load_corpus(
                config.sources, config.text, cache=cache, vocabulary=vocabulary,
                unknown_trained=config.model.unknown_trained, messages=messages, check=check,
            )
    except TextError as error:
        if entry is None or not entry.exists():
            raise
        corpus = open_entry(entry, checkpoint.corpus.files)
        messages.note(f"{error}; continuing with the encoded text in the cache")
    entry = cache.find(corpus.key)
    if entry is not None:
        entry.note_checkpoint(companion(request.out, CHECKPOINT))
    if corpus.vocabulary != checkpoint.vocabulary:
        raise RnnlmError(
            "vocabulary: the one built from the texts is not that of the run, though the texts are "
            "the same; the version of rnnlm that began the run is needed. Or begin anew with "
            "--restart"
        )
    return corpus


def _open_copy_of_stream(
    entry: Entry | None, request: TrainingRequest, checkpoint: Checkpoint
) -> Corpus | None:
    """Open the encoded copy of a text that could be read only once, or return None.

    Raises: RnnlmError if there is no intact copy, and nobody pipes the text in again.
    """
    sources = checkpoint.config.sources
    if not sources.reads_stream:
        return None
    if entry is not None:
        with suppress(DamagedEntryError):
            return open_entry(entry, checkpoint.corpus.files)
    if sys.stdin.isatty() and sources.reads_stdin:
        raise ChangedTextError(
            "-: the text came from stdin and is no longer in the cache, or is damaged there; it is "
            f"needed again. Pipe it into '{resume_command(request.out)}'"
        )
    return None


def _describe_difference(
    before: tuple[FileIdentity, ...], now: tuple[FileIdentity, ...]
) -> str:
    """Describe the first file that is not what it was when the run began."""
    for was, found in zip(before, now, strict=False):
        if was.path != found.path:
            return f"{found.path}: stands where {was.path} stood when the run began"
        if was != found:
            return (
                f"{found.path}: has changed since the run began ({was.num_bytes:,} bytes then, "
                f"{found.num_bytes:,} now, SHA-256 {was.sha256[:8]}... then, "
                f"{found.sha256[:8]}... now)"
            )
    if len(before) != len(now):
        longer, what = (before, "is gone") if len(before) > len(now) else (now, "is new")
        return f"{longer[min(len(before), len(now))].path}: {what} since the run began"
    return "texts: are the same, but this version of rnnlm encodes them in another way"
