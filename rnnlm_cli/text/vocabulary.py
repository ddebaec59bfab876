"""Tokens and their ids: id 0 is <unk>, id 1 the boundary, the newline between two lines.

char   every character is a token
byte   every byte of the UTF-8 text is a token; all 256 are known
word   what stands between white space is a token; lines are split at "\\n" only
"""

import codecs
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rnnlm_cli.config import BOUNDARY_ID, UNKNOWN_ID, Level, TextConfig
from rnnlm_cli.errors import TextError

UNKNOWN = "<unk>"
BOUNDARY = "\n"
Ids = NDArray[np.int32]

PIECE_CHARACTERS = 1 << 20


@dataclass(frozen=True)
class Vocabulary:
    """The tokens a model knows.

    Args:
        level: what a token is.
        tokens: in the order of their ids; <unk> and the newline first. At byte level they stand
            for the bytes by PEP 383: bytes above 127 are lone surrogates.
        num_unknown: how many tokens of the training text were unknown. Where it is 0 a model has
            no probability for unknown tokens.
    """

    level: Level
    tokens: tuple[str, ...]
    num_unknown: int

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def build(cls, text: str, config: TextConfig) -> Self:
        """Count the training text and keep the tokens that the configuration asks for.

        Tokens stand in order of falling count, then of their code points.
        """
        if config.level == "byte":
            others = (_byte_token(value) for value in range(256) if value != ord(BOUNDARY))
            return cls("byte", (UNKNOWN, BOUNDARY, *others), 0)
        counts = _count_words(text) if config.level == "word" else _count_characters(text)
        counts.pop(BOUNDARY, None)
        unknown = counts.pop(UNKNOWN, 0)  # a literal one, at word level
        ranked = sorted(counts, key=lambda token: (-counts[token], token))
        ranked = [token for token in ranked if counts[token] >= config.least_count]
        if config.vocab_size is not None:
            ranked = ranked[: config.vocab_size - 2]
        unknown += counts.total() - sum(counts[token] for token in ranked)
        return cls(config.level, (UNKNOWN, BOUNDARY, *ranked), unknown)

    def to_dict(self) -> dict[str, Any]:
        """Plain data: level, tokens in id order, num_unknown."""
        return {
            "level": self.level,
            "tokens": list(self.tokens),
            "num_unknown": self.num_unknown,
        }

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
        if level not in ("char", "byte", "word") or num_unknown < 0:
            raise ValueError("level")
        if level != "word" and any(len(token) != 1 for token in tokens[1:]):
            raise ValueError("tokens")
        if level == "byte" and len(tokens) != 257:
            raise ValueError("tokens")
        return cls(level, tokens, num_unknown)

    def encode(self, text: str) -> Ids:
        """The ids of a text, a boundary for every newline and UNKNOWN_ID for what is not known."""
        if self.level == "byte":
            raw = np.frombuffer(text.encode("utf-8", "surrogateescape"), np.uint8)
            return self._id_of_byte[raw]
        if self.level == "char":
            ids_N = np.empty(len(text), np.int32)
            for begin, points in _code_points(text):
                known = points < len(self._id_of_point)
                ids_N[begin : begin + len(points)] = np.where(
                    known, self._id_of_point[np.where(known, points, 0)], UNKNOWN_ID
                )
            return ids_N
        ids: list[int] = []
        look_up = self._id_of_token.get
        for line in text.split(BOUNDARY):
            ids += [look_up(word, UNKNOWN_ID) for word in line.split()]
            ids.append(BOUNDARY_ID)
        return np.array(ids[:-1], np.int32)  # as many boundaries as newlines, one fewer than lines

    def split(self, text: str) -> list[str]:
        """The tokens of a text as it writes them, one for every id that `encode` gives."""
        if self.level == "char":
            return list(text)
        if self.level == "byte":
            return [_byte_token(value) for value in text.encode("utf-8", "surrogateescape")]
        words: list[str] = []
        for line in text.split(BOUNDARY):
            words += [*line.split(), BOUNDARY]
        return words[:-1]

    def unknown_in(self, text: str) -> list[str]:
        """The tokens of a text that are not known, each once, in order."""
        pairs = zip(self.split(text), self.encode(text), strict=True)
        return list(dict.fromkeys(token for token, id_ in pairs if id_ == UNKNOWN_ID))

    def decoder(self, prompt: str = "") -> "Decoder":
        """What turns new ids into text that goes on after a prompt."""
        return Decoder(self, prompt)

    @cached_property
    def _id_of_token(self) -> dict[str, int]:
        return {token: id_ for id_, token in enumerate(self.tokens) if id_ != UNKNOWN_ID}

    @cached_property
    def _id_of_point(self) -> Ids:
        points = {ord(token): id_ for token, id_ in self._id_of_token.items()}
        table = np.full(max(points) + 1, UNKNOWN_ID, np.int32)
        table[list(points)] = list(points.values())
        return table

    @cached_property
    def _id_of_byte(self) -> Ids:
        return np.array([self._id_of_token[_byte_token(value)] for value in range(256)], np.int32)


class Decoder:
    """Ids -> text, one at a time.

    Words are set apart by one space. At byte level a character comes out when its last byte is
    there; bytes that are no UTF-8 become U+FFFD each, and `num_replaced` counts them.
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
        if self._vocabulary.level == "byte":
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


def _byte_token(value: int) -> str:
    return bytes([value]).decode("ascii", "surrogateescape")


def _code_points(text: str) -> Iterator[tuple[int, NDArray[np.uint32]]]:
    """The text's code points piece by piece, each with where it begins: 4 bytes a character."""
    for begin in range(0, len(text), PIECE_CHARACTERS):
        piece = text[begin : begin + PIECE_CHARACTERS]
        # "surrogatepass": an argument of the command line may hold bytes that were no UTF-8.
        yield begin, np.frombuffer(piece.encode("utf-32-le", "surrogatepass"), np.uint32)


def _count_characters(text: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    for _, points in _code_points(text):
        found, times = np.unique(points, return_counts=True)
        counts.update({chr(p): int(n) for p, n in zip(found, times, strict=True)})
    return counts


def _count_words(text: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    for line in text.split(BOUNDARY):
        counts.update(line.split())
    return counts


def require_known(vocabulary: Vocabulary, text: str, *, subject: str, remedy: str) -> None:
    """Raise TextError listing the tokens of `text` that the vocabulary does not know."""
    unknown = vocabulary.unknown_in(text)
    if unknown:
        kind = {"char": "characters", "word": "words", "byte": "bytes"}[vocabulary.level]
        listed = " ".join(repr(token) for token in unknown)
        raise TextError(f"{subject}: the model does not know the {kind} {listed}; {remedy}")
