"""The part of a text that each of its tokens stands for."""

import codecs
import re
from collections.abc import Iterable

from rnnlm_cli.text.vocabulary import Vocabulary

WORD_PIECES = re.compile(r"[^\S\n]*(?:\n|\S+)")


def split_pieces(vocabulary: Vocabulary, text: str) -> list[str]:
    """Return the part of a text that each token stands for, one for every token.

    White space between words belongs to the word or the newline that follows it. For tokens of
    bytes, see `join_bytes`.
    """
    if vocabulary.level == "word":
        return WORD_PIECES.findall(text)
    tokens = vocabulary.split(text)
    return tokens if vocabulary.level == "char" else join_bytes(tokens)


def join_bytes(tokens: Iterable[str]) -> list[str]:
    """Return the characters that begin in each token, for tokens that are sequences of bytes.

    A character whose bytes are several tokens belongs to the first of them, and the part of the
    others is empty. Bytes that are not UTF-8 become U+FFFD.

    Args:
        tokens: with a lone surrogate for every byte that is not UTF-8 by itself (PEP 383).
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    pieces: list[str] = []
    owner = None  # the token in which an unfinished character begins
    for index, token in enumerate(tokens):
        shown = decoder.decode(token.encode("utf-8", "surrogateescape"))
        if shown and owner is not None:
            pieces[owner] += shown[0]
            shown, owner = shown[1:], None
        pieces.append(shown)
        if owner is None and decoder.getstate()[0]:
            owner = index
    if owner is not None:
        pieces[owner] += decoder.decode(b"", final=True)
    return pieces
