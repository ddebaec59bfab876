"""The record of a model's training that lies beside its file: the losses, and the corpus."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from rnnlm_cli.errors import RnnlmError
from rnnlm_cli.files.run_files import CHECKPOINT, HISTORY, companion
from rnnlm_cli.runs.checkpoint import describe_checkpoint
from rnnlm_cli.runs.history import read_history
from rnnlm_cli.text.vocabulary import Vocabulary


def find_history(path: Path) -> Sequence[Mapping[str, Any]]:
    """Return the records of the history beside a model file; none if it is missing or damaged."""
    try:
        return read_history(companion(path, HISTORY))
    except RnnlmError:
        return []


def find_corpus_name(path: Path, vocabulary: Vocabulary) -> str | None:
    """Return the names of the training texts as the checkpoint beside a model file has them.

    The folders of the texts are left out, because a page is given to other people.

    Args:
        vocabulary: that of the model; a checkpoint with another one belongs to another run.
    Returns: None if there is no such checkpoint.
    """
    try:
        description = describe_checkpoint(companion(path, CHECKPOINT))
        if description["vocabulary"] != vocabulary.to_dict():
            return None
        names = [PurePath(str(name)).name for name in description["config"]["sources"]["train"]]
    except (RnnlmError, KeyError, TypeError, ValueError):
        return None
    return ", ".join(names) if len(names) < 4 else f"{names[0]} and {len(names) - 1} more"
