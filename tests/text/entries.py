"""Entries of the cache and checkpoints to test with."""

import json
import os

from rnnlm_cli.messages import Messages
from rnnlm_cli.text.cache import ENTRY, TOKENS


def add_entry(cache, key, *, used=None, size=100):
    """Add an entry with `size` bytes of tokens and 2 bytes of description, last used at `used`."""
    with cache.working_folder(Messages()) as folder:
        (folder / ENTRY).write_text("{}", "ascii")
        (folder / TOKENS).write_bytes(bytes(size))
        entry = cache.add(folder, key)
    assert not folder.exists()
    if used is not None:
        os.utime(entry.folder / ENTRY, (used, used))
    return entry


def list_keys(cache):
    return [entry.key for entry in cache.list_entries()]


def write_checkpoint(path, key):
    """Write the beginning of a checkpoint: the size of its header, and the header."""
    header = json.dumps({"key": key}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"weights")
    return path
