"""rnnlm cache"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnnlm_cli.cli.options import CacheOption
from rnnlm_cli.messages import escape_controls

if TYPE_CHECKING:
    from rnnlm_cli.text.cache_entry import Entry


def cache(
    cache_dir: CacheOption = None,
    clear: Annotated[bool, typer.Option(
        "--clear", help="Delete the entries that no checkpoint refers to.")] = False,
    clear_all: Annotated[bool, typer.Option(
        "--clear-all", help="Delete all entries. Runs on texts from stdin can no longer be resumed "
        "then.")] = False,
) -> None:
    """List the encoded texts in the cache, or delete them.

    `rnnlm train` encodes a text once and keeps the result, so that later runs need not encode it
    again and the text need not fit into memory. If the cache exceeds 16 GB, the least recently
    used entries are evicted, except those that a checkpoint refers to.
    """
    from rnnlm_cli.text.cache import MAX_CACHE_BYTES, Cache

    store = Cache(cache_dir)
    entries = store.list_entries()
    if clear or clear_all:
        deleted = [entry for entry in entries if clear_all or not entry.find_checkpoints()]
        freed = sum(entry.num_bytes for entry in deleted)
        for entry in deleted:
            entry.remove()
        kept = len(entries) - len(deleted)
        print(
            f"{len(deleted)} encoded texts deleted, {freed / 1e6:,.1f} MB freed"
            + (f"; {kept} kept, because runs refer to them" if kept else ""),
            file=sys.stderr,
        )
        return
    total = sum(entry.num_bytes for entry in entries)
    print(
        f"{escape_controls(str(store.folder))}: {len(entries)} encoded texts, "
        f"{total / 1e6:,.1f} MB of at most {MAX_CACHE_BYTES / 1e9:,.0f} GB",
        file=sys.stderr,
    )
    for entry in entries:
        print(_format_entry(entry))


def _format_entry(entry: Entry) -> str:
    facts = _describe(entry)
    used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.last_used))
    runs = ", ".join(map(str, entry.find_checkpoints())) or "-"
    return (
        f"{entry.key[:12]}  {entry.num_bytes / 1e6:10,.1f} MB  {facts['tokens']:>15,} tokens  "
        f"{facts['level']:<5}  {used}  {escape_controls(facts['names'])}  "
        f"runs: {escape_controls(runs)}"
    )


def _describe(entry: Entry) -> dict[str, Any]:
    from rnnlm_cli.files.regular_file import open_regular_file
    from rnnlm_cli.text.cache_entry import ENTRY
    from rnnlm_cli.text.entry_format import DAMAGE

    try:
        with open_regular_file(entry.folder / ENTRY) as file:
            description = json.loads(file.read())
        names = description["names"]
        return {
            "tokens": sum(int(tokens) for tokens, _ in description["parts"].values()),
            "level": escape_controls(str(description["vocabulary"]["level"])),
            "names": " ".join(names[:3]) + (f" +{len(names) - 3}" if len(names) > 3 else ""),
        }
    except DAMAGE:
        return {"tokens": 0, "level": "?", "names": "(damaged)"}
