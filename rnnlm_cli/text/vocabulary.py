"""Tokens and their ids: id 0 is <unk>, id 1 the boundary, the newline between two lines.

char   every character is a token
byte   every byte of the UTF-8 text is a token; all 256 are known
word   what stands between white space is a token; lines are split at "\\n" only
bpe    bytes, and pairs merged from them (`rnnlm_cli.text.bpe`)
"""

import codecs
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from rnnlm_cli.config import BOUNDARY_ID, UNKNOWN_ID, Level, TextConfig
from rnnlm_cli.errors import TextError
from rnnlm_cli.text.bpe import BpeCoder, Merge, check_merges, learn_merges
from rnnlm_cli.text.counting import WordCounter, count_characters
from rnnlm_cli.text.reading import whole_words
from rnnlm_cli.text.tokenizers import (
    BOUNDARY,
    ByteCoder,
    CharCoder,
    Coder,
    Ids,
    WordCoder,
    byte_token,
)

UNKNOWN = "<unk>"
BYTE_LEVELS = ("byte", "bpe")


@dataclass(frozen=True)
class Vocabulary:
    """The tokens a model knows.

    Args:
        level: what a token is.
        tokens: in the order of their ids; <unk> and the newline first. At byte and bpe level they
            stand for bytes by PEP 383: those that are no UTF-8 are lone surrogates.
        num_unknown: how many tokens of the training text were unknown. Where it is 0 a model has
            no probability for unknown tokens.
        merges: at bpe level, the pairs of ids that are merged, in order.
    """

    level: Level
    tokens: tuple[str, ...]
    num_unknown: int
    merges: tuple[Merge, ...] = ()

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def build(cls, chunks: Iterable[str], num_characters: int, config: TextConfig) -> Self:
        """Count the training text and keep the tokens that the configuration asks for.

        Tokens stand in order of falling count, then of their code points; at bpe level in the
        order in which they were merged.

        Args:
            chunks: the training text.
            num_characters: how long it is.
        """
        if config.level in BYTE_LEVELS:
            others = (byte_token(value) for value in range(256) if value != ord(BOUNDARY))
            tokens = (UNKNOWN, BOUNDARY, *others)
            if config.level == "byte":
                return cls("byte", tokens, 0)
            new, merges = learn_merges(
                whole_words(chunks), num_characters, config.max_tokens, tokens
            )
            return cls("bpe", (*tokens, *new), 0, tuple(merges))
        counts, unknown = _counts(chunks, config)
        ranked = sorted(counts, key=lambda token: (-counts[token], token))
        if config.vocab_size is not None:
            unknown += sum(counts[token] for token in ranked[config.vocab_size - 2 :])
            ranked = ranked[: config.vocab_size - 2]
        return cls(config.level, (UNKNOWN, BOUNDARY, *ranked), unknown)

    def to_dict(self) -> dict[str, Any]:
        """Plain data: level, tokens in id order, num_unknown; at bpe level merges too."""
        data = {
            "level": self.level,
            "tokens": list(self.tokens),
            "num_unknown": self.num_unknown,
        }
        return data | ({"merges": [list(merge) for merge in self.merges]} if self.merges else {})

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Raises: ValueError where the data cannot be a vocabulary.
        """
        tokens = tuple(data["tokens"])
        if tokens[:2] != (UNKNOWN, BOUNDARY) or len(set(tokens)) != len(tokens):
            raise ValueError("tokens")
        if not all(isinstance(token, str) for token in tokens):
            raise ValueError("tokens")
        level, num_unknown = data["level"], data["num_unknown"]
        if level not in ("char", "byte", "word", "bpe") or num_unknown < 0:
            raise ValueError("level")
        if level in ("char", "byte") and any(len(token) != 1 for token in tokens[1:]):
            raise ValueError("tokens")
        if level == "byte" and len(tokens) != 257:
            raise ValueError("tokens")
        merges = tuple((left, right) for left, right in data.get("merges", ()))
        if level == "bpe":
            if {byte_token(value) for value in range(256)} != set(tokens[1:257]):
                raise ValueError("tokens")
            if not all(1 <= id_ < len(tokens) for merge in merges for id_ in merge):
                raise ValueError("merges")
            check_merges(tokens, merges)
        elif merges:
            raise ValueError("merges")
        return cls(level, tokens, num_unknown, merges)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the tokens in id order, and of the merges."""
        return hashlib.sha256(json.dumps(self.to_dict()).encode()).hexdigest()

    def encode(self, text: str) -> Ids:
        """The ids of a text, a boundary for every newline and UNKNOWN_ID for what is not known."""
        return self._coder.encode(text)

    def encode_chunks(self, chunks: Iterable[str]) -> Iterator[Ids]:
        """The same of a text in pieces, wherever they are cut."""
        pieces = whole_words(chunks) if self.level in ("word", "bpe") else chunks
        return map(self._coder.encode, pieces)

    def split(self, text: str) -> list[str]:
        """The tokens of a text as it writes them, one for every id that `encode` gives."""
        return self._coder.split(text)

    def unknown_in(self, text: str) -> list[str]:
        """The tokens of a text that are not known, each once, in order."""
        pairs = zip(self.split(text), self.encode(text), strict=True)
        return list(dict.fromkeys(token for token, id_ in pairs if id_ == UNKNOWN_ID))

    def decoder(self, prompt: str = "") -> "Decoder":
        """What turns new ids into text that goes on after a prompt."""
        return Decoder(self, prompt)

    @cached_property
    def _coder(self) -> Coder:
        if self.level == "bpe":
            return BpeCoder(self.tokens, self.merges)
        coders: dict[Level, type[CharCoder | ByteCoder | WordCoder]] = {
            "char": CharCoder, "byte": ByteCoder, "word": WordCoder
        }
        return coders[self.level](self.tokens)


class Decoder:
    """Ids -> text, one at a time.

    Words are set apart by one space. At byte and bpe level a character comes out when its last
    byte is there; bytes that are no UTF-8 become U+FFFD each, and `num_replaced` counts them.
    """

    def __init__(self, vocabulary: Vocabulary, prompt: str) -> None:
        self.num_replaced = 0
        self._vocabulary = vocabulary
        self._space_next = bool(prompt) and not prompt[-1].isspace()
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="surrogateescape")

    def feed(self, ids: Iterable[int]) -> str:
        """The text that these ids complete."""
        return "".join(self._feed_one(id_) for id_ in ids)

    def finish(self) -> str:
        """What is left of a character that was never completed."""
        return self._visible(self._utf8.decode(b"", final=True))

    def _feed_one(self, id_: int) -> str:
        token = self._vocabulary.tokens[id_]
        if self._vocabulary.level in BYTE_LEVELS:
            raw = token.encode("utf-8", "surrogateescape")
            return self._visible(self._utf8.decode(raw))
        if self._vocabulary.level == "char":
            return token
        space = " " if self._space_next and id_ != BOUNDARY_ID else ""
        self._space_next = id_ != BOUNDARY_ID
        return space + token

    def _visible(self, text: str) -> str:
        shown = "".join("\ufffd" if "\udc80" <= c <= "\udcff" else c for c in text)
        self.num_replaced += sum(a != b for a, b in zip(text, shown, strict=True))
        return shown


def _counts(chunks: Iterable[str], config: TextConfig) -> tuple[Counter[str], int]:
    """The tokens that are frequent enough, with their counts, and how often the others come."""
    counts: Counter[str] = Counter()
    unknown = 0
    if config.level == "char":
        counted: Iterable[tuple[str, int]] = count_characters(chunks).items()
    else:
        counter = WordCounter()
        for piece in whole_words(chunks):
            counter.add(piece.split())
        counted = counter.counts()
    for token, count in counted:
        if token == UNKNOWN or (count < config.least_count and token != BOUNDARY):
            unknown += count  # a literal <unk>, at word level, is one
        elif token != BOUNDARY:
            counts[token] = count
    return counts, unknown


def require_known(vocabulary: Vocabulary, text: str, *, subject: str, remedy: str) -> None:
    """Raise TextError listing the tokens of `text` that the vocabulary does not know."""
    unknown = vocabulary.unknown_in(text)
    if unknown:
        kind = {"char": "characters", "word": "words"}.get(vocabulary.level, "bytes")
        listed = " ".join(repr(token) for token in unknown)
        raise TextError(f"{subject}: the model does not know the {kind} {listed}; {remedy}")
