"""Write held-out lines of a text, each followed by the same line with its words permuted.

usage: permuted_lines.py TEXT [NUMBER_OF_LINES] [SEED]

Lines come from the last tenth of the text and have six words or more; white space stays in place.
"""

import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

FEWEST_WORDS = 6


def pairs(text: str, num_lines: int, seed: int) -> Iterator[tuple[str, str]]:
    """That many (line, permuted line) of the held-out part, drawn with the seed."""
    draw = random.Random(seed)
    held_out = text[int(0.9 * len(text)) :].split("\n")[1:]
    lines = [line for line in held_out if len(set(line.split())) >= FEWEST_WORDS]
    for line in draw.sample(lines, min(num_lines, len(lines))):
        words = line.split()
        shuffled = words[:]
        while shuffled == words:
            draw.shuffle(shuffled)
        replacement = iter(shuffled)
        yield line, re.sub(r"\S+", lambda _, words=replacement: next(words), line)


if __name__ == "__main__":
    path, *numbers = sys.argv[1:]
    num_lines, seed = [*map(int, numbers), *(100, 1)[len(numbers) :]]
    for line, permuted in pairs(Path(path).read_text("utf-8"), num_lines, seed):
        print(line, permuted, sep="\n")
