"""Byte pair encoding (Sennrich et al. 2016) over bytes, by the `tokenizers` library.

Every byte is a token, so nothing is unknown. Text is first split at every line end and then where
GPT-2 splits it (words with the space before them, numbers, punctuation, other white space); pairs
are merged within these pieces only, most frequent first, so that no token crosses a line end.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rnnlm_cli.config import UNKNOWN_ID
from rnnlm_cli.text.tokenizers import Ids, byte_token

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.pre_tokenizers import PreTokenizer

MIN_PAIR_COUNT = 2  # of a pair, to be merged
MAX_TRAINING_CHARACTERS = 1 << 28  # characters; of longer texts, pieces spread evenly
BATCH_CHARACTERS = 1 << 14  # encoded together by one thread

Merge = tuple[int, int]


def learn_merges(
    chunks: Iterable[str], num_characters: int, vocab_size: int, tokens: Sequence[str]
) -> tuple[list[str], list[Merge]]:
    """Learn which pairs to merge.

    Args:
        chunks: the training text, cut where words end.
        num_characters: how long it is.
        vocab_size: how many tokens there are to be, at most, with those that there are.
        tokens: <unk> and one for every byte, in the order of their ids.
    Returns: the new tokens, and the merges in order, as pairs of ids.
    """
    from tokenizers import Tokenizer
    from tokenizers.models import BPE
    from tokenizers.trainers import BpeTrainer

    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = _pre_tokenizer()
    trainer = BpeTrainer(
        vocab_size=vocab_size - (len(tokens) - 256), min_frequency=MIN_PAIR_COUNT,
        initial_alphabet=sorted(_CHARACTER_OF_BYTE.values()), show_progress=False,
    )
    every = -(-num_characters // MAX_TRAINING_CHARACTERS)
    tokenizer.train_from_iterator(
        (chunk for k, chunk in enumerate(chunks) if k % every == 0), trainer
    )
    learned = json.loads(tokenizer.to_str())["model"]["merges"]
    id_of = {token: id_ for id_, token in enumerate(tokens) if id_ != UNKNOWN_ID}
    new: list[str] = []
    merges: list[Merge] = []
    for left, right in learned:
        pair = _token(left), _token(right)
        merged = _joined(*pair)
        if merged not in id_of:
            id_of[merged] = len(tokens) + len(new)
            new.append(merged)
        merges.append((id_of[pair[0]], id_of[pair[1]]))
    return new, merges


def check_merges(tokens: Sequence[str], merges: Sequence[Merge]) -> None:
    """Raise ValueError unless every token but <unk> and the bytes comes from a merge."""
    known = set(tokens)
    made = {_joined(tokens[left], tokens[right]) for left, right in merges}
    if not made <= known or set(tokens[257:]) - made or tokens[UNKNOWN_ID] in made:
        raise ValueError("merges")


class BpeCoder:
    """Text -> ids of merged bytes.

    Args:
        tokens: in id order; bytes that are no UTF-8 as lone surrogates (PEP 383).
        merges: pairs of ids, in the order in which they are merged.
    """

    def __init__(self, tokens: Sequence[str], merges: Sequence[Merge]) -> None:
        self._tokens, self._merges = tokens, merges
        self._tokenizer: Tokenizer | None = None

    def encode(self, text: str) -> Ids:
        """The ids of a text; none is unknown."""
        ids: list[int] = []
        for piece in re.split("([\udc80-\udcff]+)", text):  # arguments that were no UTF-8
            if "\udc80" <= piece[:1] <= "\udcff":
                raw = piece.encode("utf-8", "surrogateescape")
                ids += [self._tokens.index(byte_token(value)) for value in raw]
            elif piece:
                for encoding in self._library.encode_batch_fast(list(_batches(piece))):
                    ids += encoding.ids
        return np.array(ids, np.int32)

    def split(self, text: str) -> list[str]:
        """The tokens of a text."""
        return [self._tokens[id_] for id_ in self.encode(text)]

    @property
    def _library(self) -> Tokenizer:
        if self._tokenizer is None:
            from tokenizers import Tokenizer
            from tokenizers.models import BPE

            os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
            spelled = [_spelled(token) for token in self._tokens]
            vocabulary = {token: id_ for id_, token in enumerate(spelled) if id_ != UNKNOWN_ID}
            merges = [(spelled[left], spelled[right]) for left, right in self._merges]
            self._tokenizer = Tokenizer(BPE(vocabulary, merges))
            self._tokenizer.pre_tokenizer = _pre_tokenizer()
        return self._tokenizer


def _pre_tokenizer() -> PreTokenizer:
    from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split

    return Sequence([Split("\n", "isolated"), ByteLevel(add_prefix_space=False, use_regex=True)])


def _batches(text: str) -> Iterator[str]:
    """The text cut at line ends, for threads to share."""
    begin = 0
    while begin < len(text):
        end = text.find("\n", begin + BATCH_CHARACTERS) + 1 or len(text)
        yield text[begin:end]
        begin = end


def _characters() -> Iterator[tuple[int, str]]:
    """How the library spells bytes: printable ones as themselves, others from U+0100 on."""
    num_others = 0
    for value in range(256):
        if 0x21 <= value <= 0x7E or (0xA1 <= value <= 0xFF and value != 0xAD):
            yield value, chr(value)
        else:
            yield value, chr(0x100 + num_others)
            num_others += 1


_CHARACTER_OF_BYTE = dict(_characters())
_BYTE_OF_CHARACTER = {character: value for value, character in _CHARACTER_OF_BYTE.items()}


def _spelled(token: str) -> str:
    raw = token.encode("utf-8", "surrogateescape")
    return "".join(_CHARACTER_OF_BYTE[value] for value in raw)


def _token(spelled: str) -> str:
    raw = bytes(_BYTE_OF_CHARACTER[character] for character in spelled)
    return raw.decode("utf-8", "surrogateescape")


def _joined(left: str, right: str) -> str:
    """Two tokens as one: bytes that are no UTF-8 alone can be together."""
    raw = (left + right).encode("utf-8", "surrogateescape")
    return raw.decode("utf-8", "surrogateescape")

