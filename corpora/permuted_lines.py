"""Write held-out lines of a text, each followed by the same line with its words permuted.

usage: permuted_lines.py TEXT [NUMBER_OF_LINES] [SEED]

The lines come from the last tenth of the text and have at least six distinct words. The white
space of a line stays in place.
"""

import random
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

MIN_DISTINCT_WORDS = 6


def draw_pairs(text: str, num_lines: int, seed: int) -> Iterator[tuple[str, str]]:
    """Draw `num_lines` held-out lines at random, and yield (line, permuted line) for each."""
    generator = random.Random(seed)
    held_out = text[int(0.9 * len(text)) :].split("\n")[1:]
    lines = [line for line in held_out if len(set(line.split())) >= MIN_DISTINCT_WORDS]
    for line in generator.sample(lines, min(num_lines, len(lines))):
        words = line.split()
        shuffled = words[:]
        while shuffled == words:
            generator.shuffle(shuffled)
        replacement = iter(shuffled)
        yield line, re.sub(r"\S+", lambda _, words=replacement: next(words), line)


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):  # not on Windows
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # so that `| head` ends it without an error
    path, *numbers = sys.argv[1:]
    num_lines, seed = [*map(int, numbers), *(100, 1)[len(numbers) :]]
    for line, permuted in draw_pairs(Path(path).read_text("utf-8"), num_lines, seed):
        print(line, permuted, sep="\n")
