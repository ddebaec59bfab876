"""Byte pair encoding (Sennrich et al. 2016) over bytes, with the `tokenizers` library.

Every byte is a token, so no text is unknown. The text is first split at every newline and then by
GPT-2's rule (words with the space before them, numbers, punctuation, other white space). Pairs are
merged within these pieces only, the most frequent pair first. A newline is therefore always a
token by itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rnnlm_cli.config import UNKNOWN_ID
from rnnlm_cli.text.tokenizers import Ids, byte_to_token

if TYPE_CHECKING:
    from tokenizers import Tokenizer as LibraryTokenizer
    from tokenizers.pre_tokenizers import PreTokenizer

MIN_PAIR_COUNT = 2  # rarer pairs are not merged
MAX_TRAINING_CHARACTERS = 1 << 28  # from a longer text, evenly spaced chunks are used
BATCH_CHARACTERS = 1 << 14  # the text that one thread encodes at a time

Merge = tuple[int, int]  # the ids of the left and the right token


def learn_merges(
    chunks: Iterable[str], num_characters: int, vocab_size: int, tokens: Sequence[str]
) -> tuple[list[str], list[Merge]]:
    """Learn which pairs to merge.

    Args:
        chunks: the training text, in chunks that end at word boundaries.
        num_characters: its length.
        vocab_size: maximum vocabulary size, including `tokens`.
        tokens: <unk> and one token for every byte, in id order.
    Returns: the new tokens, and the merges in order.
    """
    from tokenizers import Tokenizer as LibraryTokenizer
    from tokenizers.models import BPE
    from tokenizers.trainers import BpeTrainer

    library = LibraryTokenizer(BPE())
    library.pre_tokenizer = _make_pre_tokenizer()
    trainer = BpeTrainer(
        vocab_size=vocab_size - (len(tokens) - 256), min_frequency=MIN_PAIR_COUNT,
        initial_alphabet=sorted(_CHARACTER_OF_BYTE.values()), show_progress=False,
    )
    every = -(-num_characters // MAX_TRAINING_CHARACTERS)
    library.train_from_iterator(
        (chunk for k, chunk in enumerate(chunks) if k % every == 0), trainer
    )
    learned = json.loads(library.to_str())["model"]["merges"]
    id_of = {token: id_ for id_, token in enumerate(tokens) if id_ != UNKNOWN_ID}
    new: list[str] = []
    merges: list[Merge] = []
    for left, right in learned:
        pair = _from_library(left), _from_library(right)
        merged = _join(*pair)
        if merged not in id_of:
            id_of[merged] = len(tokens) + len(new)
            new.append(merged)
        merges.append((id_of[pair[0]], id_of[pair[1]]))
    return new, merges


def check_merges(tokens: Sequence[str], merges: Sequence[Merge]) -> None:
    """Raise ValueError unless the merges produce exactly the tokens after <unk> and the bytes."""
    known = set(tokens)
    merged = {_join(tokens[left], tokens[right]) for left, right in merges}
    if not merged <= known or set(tokens[257:]) - merged or tokens[UNKNOWN_ID] in merged:
        raise ValueError("merges")


class BpeTokenizer:
    """Treats merged bytes as tokens.

    Args:
        tokens: in id order; bytes that are not UTF-8 are lone surrogates (PEP 383).
        merges: in the order in which they are applied.
    """

    def __init__(self, tokens: Sequence[str], merges: Sequence[Merge]) -> None:
        self._tokens, self._merges = tokens, merges
        self._library: LibraryTokenizer | None = None

    def encode(self, text: str) -> Ids:
        """Return the token ids of a text; none of them is UNKNOWN_ID."""
        ids: list[int] = []
        # Command-line arguments that are not UTF-8 contain lone surrogates, which the library
        # does not accept.
        for piece in re.split("([\udc80-\udcff]+)", text):
            if "\udc80" <= piece[:1] <= "\udcff":
                raw = piece.encode("utf-8", "surrogateescape")
                ids += [self._tokens.index(byte_to_token(value)) for value in raw]
            elif piece:
                batches = list(_split_into_batches(piece))
                for encoding in self._load_library().encode_batch_fast(batches):
                    ids += encoding.ids
        return np.array(ids, np.int32)

    def split(self, text: str) -> list[str]:
        """Return the tokens of a text."""
        return [self._tokens[id_] for id_ in self.encode(text)]

    def _load_library(self) -> LibraryTokenizer:
        if self._library is None:
            from tokenizers import Tokenizer as LibraryTokenizer
            from tokenizers.models import BPE

            spelled = [_to_library(token) for token in self._tokens]
            vocabulary = {token: id_ for id_, token in enumerate(spelled) if id_ != UNKNOWN_ID}
            merges = [(spelled[left], spelled[right]) for left, right in self._merges]
            self._library = LibraryTokenizer(BPE(vocabulary, merges))
            self._library.pre_tokenizer = _make_pre_tokenizer()
        return self._library


def _make_pre_tokenizer() -> PreTokenizer:
    from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split

    return Sequence([Split("\n", "isolated"), ByteLevel(add_prefix_space=False, use_regex=True)])


def _split_into_batches(text: str) -> Iterator[str]:
    """Split a text at newlines into batches that the library's threads share."""
    begin = 0
    while begin < len(text):
        end = text.find("\n", begin + BATCH_CHARACTERS) + 1 or len(text)
        yield text[begin:end]
        begin = end


def _iter_byte_characters() -> Iterator[tuple[int, str]]:
    """Yield every byte with the character by which the library spells it.

    Printable bytes are spelled as themselves, the others by characters from U+0100 on.
    """
    num_others = 0
    for value in range(256):
        if 0x21 <= value <= 0x7E or (0xA1 <= value <= 0xFF and value != 0xAD):
            yield value, chr(value)
        else:
            yield value, chr(0x100 + num_others)
            num_others += 1


_CHARACTER_OF_BYTE = dict(_iter_byte_characters())
_BYTE_OF_CHARACTER = {character: value for value, character in _CHARACTER_OF_BYTE.items()}


def _to_library(token: str) -> str:
    """Spell a token as the library does."""
    raw = token.encode("utf-8", "surrogateescape")
    return "".join(_CHARACTER_OF_BYTE[value] for value in raw)


def _from_library(spelled: str) -> str:
    """Return the token that the library spells so."""
    raw = bytes(_BYTE_OF_CHARACTER[character] for character in spelled)
    return raw.decode("utf-8", "surrogateescape")


def _join(left: str, right: str) -> str:
    """Join two tokens. Bytes that are not UTF-8 alone may be UTF-8 together."""
    raw = (left + right).encode("utf-8", "surrogateescape")
    return raw.decode("utf-8", "surrogateescape")
