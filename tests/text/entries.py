"""Entries of the cache and checkpoints to test with."""

import json
import os

from rnnlm_cli.messages import Messages
from rnnlm_cli.text.cache_entry import ENTRY, TOKENS


def key_of(letter):
    """Return a key that consists of one hexadecimal digit."""
    return letter * 32


def add_entry(cache, letter, *, used=None, size=100, is_sound=lambda entry: False):
    """Add an entry with `size` bytes of tokens and 2 bytes of description, last used at `used`."""
    with cache.working_folder(Messages()) as folder:
        (folder / ENTRY).write_text("{}", "ascii")
        (folder / TOKENS).write_bytes(bytes(size))
        entry = cache.add(folder, key_of(letter), is_sound)
    assert not folder.exists()
    if used is not None:
        os.utime(entry.folder / ENTRY, (used, used))
    return entry


def list_letters(cache):
    """Return the first digits of the keys, in the order of the entries."""
    return [entry.key[0] for entry in cache.list_entries()]


def write_checkpoint(path, key):
    """Write the beginning of a checkpoint: the size of its header, and the header."""
    header = json.dumps({"key": key}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"weights")
    return path
