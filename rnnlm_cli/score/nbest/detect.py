"""Detection of the format of an n-best list by its first lines."""

import re
from collections.abc import Sequence

from rnnlm_cli.config.rescore import NbestName
from rnnlm_cli.score.nbest.hypothesis import BLANKS, NUMBER
from rnnlm_cli.score.nbest.kaldi import ID
from rnnlm_cli.score.nbest.moses import SEPARATOR
from rnnlm_cli.score.nbest.srilm import HEADER

MAX_LINES = 10  # that are looked at


def detect_format(lines: Sequence[str]) -> NbestName:
    """Return the format that most of some lines look like; `mikolov` if there is none.

    A few lines may be broken: parsing names them later. A tab in any line makes a list `tsv`, since
    the scores of a list with tabs must not be taken for words.

    Args:
        lines: the first lines of a list; more than MAX_LINES are not looked at.
    """
    filled = [line for line in map(_strip, lines[:MAX_LINES]) if line]
    if filled and HEADER.fullmatch(filled[0]):
        return "srilm"
    looks: list[NbestName] = [_look(line) for line in filled]
    for name in ("moses", "srilm", "kaldi"):
        if 2 * looks.count(name) > len(looks):
            return name
    return "tsv" if any("\t" in line for line in lines[:MAX_LINES]) else "mikolov"


def _look(line: str) -> NbestName:
    """Return the format that one line looks like."""
    fields = line.split(maxsplit=3)
    if SEPARATOR.search(line):
        return "moses"
    if len(fields) >= 3 and all(map(NUMBER.fullmatch, fields[:3])):
        return "srilm"
    return "kaldi" if ID.fullmatch(re.split(f"[{BLANKS}]", line)[0]) else "mikolov"


def _strip(line: str) -> str:
    return line.strip(BLANKS)
