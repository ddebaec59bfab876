"""Tables: lines of cells with fixed widths on stdout, under headings on stderr."""

import sys
from collections.abc import Sequence

# Headings with the widths of their columns. A negative width means that the cells begin at the
# left; else they end at the right.
Columns = Sequence[tuple[str, int]]


def print_headings(columns: Columns) -> None:
    """Print the headings to stderr."""
    line = format_row([heading for heading, _ in columns], columns)
    print(line.rstrip(), file=sys.stderr, flush=True)


def format_row(cells: Sequence[str], columns: Columns) -> str:
    """Return a line with a cell under every heading."""
    return "  ".join(
        cell.rjust(width) if width > 0 else cell.ljust(-width)
        for cell, (_, width) in zip(cells, columns, strict=True)
    )
