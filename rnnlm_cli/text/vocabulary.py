"""Tokens and their ids: id 0 is <unk>, id 1 is the boundary token, the newline between two lines.

char   every character is a token
byte   every byte of the UTF-8 text is a token; all 256 are known
word   the text between white space is a token; lines are split at "\\n" only
bpe    bytes, and tokens merged from pairs of them (`rnnlm_cli.text.bpe`)
"""

import codecs
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from rnnlm_cli.config import BOUNDARY_ID, UNKNOWN_ID, Level, TextConfig
from rnnlm_cli.errors import TextError
from rnnlm_cli.text.bpe import BpeTokenizer, Merge, check_merges, learn_merges
from rnnlm_cli.text.counting import WordCounter, count_characters
from rnnlm_cli.text.reading import rechunk_at_words
from rnnlm_cli.text.tokenizers import (
    BOUNDARY,
    ByteTokenizer,
    CharTokenizer,
    Ids,
    Tokenizer,
    WordTokenizer,
    byte_to_token,
)

UNKNOWN = "<unk>"
BYTE_LEVELS = ("byte", "bpe")
MAX_LISTED = 20  # unknown tokens in an error


@dataclass(frozen=True)
class Vocabulary:
    """The tokens that a model knows.

    Args:
        level: the kind of token.
        tokens: in id order, with <unk> and the newline first. At byte and bpe level they stand
            for bytes; bytes that are not UTF-8 are lone surrogates (PEP 383).
        merges: at bpe level, the merged pairs of ids, in the order of the merges.
    """

    level: Level
    tokens: tuple[str, ...]
    merges: tuple[Merge, ...] = ()

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def build(cls, chunks: Iterable[str], num_characters: int, config: TextConfig) -> Self:
        """Count the tokens of the training text and keep those that the configuration asks for.

        Tokens are ordered by falling count, then by code points; at bpe level by their merges.

        Args:
            chunks: the training text.
            num_characters: its length.
        """
        if config.level in BYTE_LEVELS:
            others = (byte_to_token(value) for value in range(256) if value != ord(BOUNDARY))
            tokens = (UNKNOWN, BOUNDARY, *others)
            if config.level == "byte":
                return cls("byte", tokens)
            new, merges = learn_merges(
                rechunk_at_words(chunks), num_characters, config.max_tokens, tokens
            )
            return cls("bpe", (*tokens, *new), tuple(merges))
        counts = _count_tokens(chunks, config)
        ranked = sorted(counts, key=lambda token: (-counts[token], token))
        if config.vocab_size is not None:
            ranked = ranked[: config.vocab_size - 2]
        return cls(config.level, (UNKNOWN, BOUNDARY, *ranked))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: level, tokens in id order; at bpe level also merges."""
        data: dict[str, Any] = {"level": self.level, "tokens": list(self.tokens)}
        return data | ({"merges": [list(merge) for merge in self.merges]} if self.merges else {})

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return the vocabulary that `to_dict` described; other keys are ignored.

        Raises: ValueError, KeyError or TypeError if the data does not describe a vocabulary.
        """
        tokens = tuple(data["tokens"])
        if tokens[:2] != (UNKNOWN, BOUNDARY) or len(set(tokens)) != len(tokens):
            raise ValueError("tokens")
        if not all(isinstance(token, str) for token in tokens):
            raise ValueError("tokens")
        level = data["level"]
        if level in ("char", "word"):
            "".join(tokens).encode()  # fails for lone surrogates, which no text has
        if level not in ("char", "byte", "word", "bpe"):
            raise ValueError("level")
        if level in ("char", "byte") and any(len(token) != 1 for token in tokens[1:]):
            raise ValueError("tokens")
        if level == "byte" and len(tokens) != 257:
            raise ValueError("tokens")
        merges = tuple((left, right) for left, right in data.get("merges", ()))
        if level in BYTE_LEVELS:
            if {byte_to_token(value) for value in range(256)} != set(tokens[1:257]):
                raise ValueError("tokens")
        if level == "bpe":
            if not all(1 <= id_ < len(tokens) for merge in merges for id_ in merge):
                raise ValueError("merges")
            check_merges(tokens, merges)
        elif merges:
            raise ValueError("merges")
        return cls(level, tokens, merges)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over `to_dict()`: level, tokens and merges."""
        return hashlib.sha256(json.dumps(self.to_dict()).encode()).hexdigest()

    def encode(self, text: str) -> Ids:
        """Return the token ids of a text: BOUNDARY_ID for a newline, UNKNOWN_ID for <unk>."""
        return self._tokenizer.encode(text)

    def encode_chunks(self, chunks: Iterable[str]) -> Iterator[Ids]:
        """Yield the token ids of a text in chunks. The ids do not depend on the chunks."""
        pieces = rechunk_at_words(chunks) if self.level in ("word", "bpe") else chunks
        return map(self._tokenizer.encode, pieces)

    def split(self, text: str) -> list[str]:
        """Return the tokens as the text spells them, one for every id that `encode` returns."""
        return self._tokenizer.split(text)

    def find_unknown(self, text: str) -> list[str]:
        """Return the distinct unknown tokens of a text, in the order of their first occurrence."""
        pairs = zip(self.split(text), self.encode(text), strict=True)
        return list(dict.fromkeys(token for token, id_ in pairs if id_ == UNKNOWN_ID))

    def make_decoder(self, prompt: str = "") -> "Decoder":
        """Return a decoder of the ids that follow a prompt."""
        return Decoder(self, prompt)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        if self.level == "bpe":
            return BpeTokenizer(self.tokens, self.merges)
        tokenizers: dict[Level, type[CharTokenizer | ByteTokenizer | WordTokenizer]] = {
            "char": CharTokenizer, "byte": ByteTokenizer, "word": WordTokenizer
        }
        return tokenizers[self.level](self.tokens)


class Decoder:
    """Turns token ids into text incrementally.

    Words are separated by one space. At byte and bpe level a character is returned when its last
    byte has arrived. Every byte that is not UTF-8 becomes U+FFFD; `num_replaced` counts them.
    """

    def __init__(self, vocabulary: Vocabulary, prompt: str) -> None:
        self.num_replaced = 0
        self._tokens, self._level = vocabulary.tokens, vocabulary.level
        self._space_next = bool(prompt) and not prompt[-1].isspace()
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="surrogateescape")

    def copy(self) -> "Decoder":
        """Return a decoder that goes on from here independently of this one."""
        other = copy(self)
        other._utf8 = codecs.getincrementaldecoder("utf-8")(errors="surrogateescape")
        other._utf8.setstate(self._utf8.getstate())
        return other

    def feed(self, ids: Iterable[int]) -> str:
        """Return the text that these ids complete."""
        return "".join(map(self.feed_one, ids))

    def feed_one(self, id_: int) -> str:
        """Return the text that this id completes."""
        token = self._tokens[id_]
        if self._level == "char":
            return token
        if self._level in BYTE_LEVELS:
            raw = token.encode("utf-8", "surrogateescape")
            return self._replace_invalid(self._utf8.decode(raw))
        space = " " if self._space_next and id_ != BOUNDARY_ID else ""
        self._space_next = id_ != BOUNDARY_ID
        return space + token

    def finish(self) -> str:
        """Return the rest of a character that was not completed, as U+FFFD."""
        return self._replace_invalid(self._utf8.decode(b"", final=True))

    def _replace_invalid(self, text: str) -> str:
        shown = "".join("\ufffd" if "\udc80" <= c <= "\udcff" else c for c in text)
        self.num_replaced += sum(a != b for a, b in zip(text, shown, strict=True))
        return shown


def _count_tokens(chunks: Iterable[str], config: TextConfig) -> Counter[str]:
    """Return the counts of the tokens that are frequent enough; a word "<unk>" never is."""
    counts: Counter[str] = Counter()
    if config.level == "char":
        all_counts: Iterable[tuple[str, int]] = count_characters(chunks).items()
    else:
        counter = WordCounter()
        for piece in rechunk_at_words(chunks):
            counter.add(piece.split())
        all_counts = counter.iter_counts()
    for token, count in all_counts:
        if count >= config.least_count and token not in (UNKNOWN, BOUNDARY):
            counts[token] = count
    return counts


def require_known(vocabulary: Vocabulary, text: str, *, subject: str, remedy: str) -> None:
    """Raise TextError, with the unknown tokens of `text`, if there are any.

    Args:
        subject, remedy: the beginning and the end of the message.
    """
    unknown = vocabulary.find_unknown(text)
    if unknown:
        kind = {"char": "characters", "word": "words"}.get(vocabulary.level, "bytes")
        listed = " ".join(repr(token) for token in unknown[:MAX_LISTED])
        if len(unknown) > MAX_LISTED:
            listed += f" and {len(unknown) - MAX_LISTED:,} more"
        raise TextError(f"{subject}: the model does not know the {kind} {listed}; {remedy}")
