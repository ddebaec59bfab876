"""The settings of turning a text into tokens."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rnnlm_cli.config.option import Config, flag_of, number, option, whole_number

UNKNOWN_ID = 0  # <unk>
BOUNDARY_ID = 1  # the boundary token, the newline between two lines

MAX_VOCABULARY = 1 << 24
DEFAULT_BPE_TOKENS = 4096
MIN_BPE_TOKENS = 258  # <unk>, every byte, and one merge
MIN_TOKENS = 3

Level = Literal["char", "byte", "word", "bpe"]
TextMode = Literal["sentences", "running"]


@dataclass(frozen=True, kw_only=True)
class TextConfig(Config):
    """The settings of turning a text into tokens.

    If `text` or `min_count` is None, its default depends on the level: word-level text is read as
    sentences, and tokens that occur only once are unknown (byte and bpe level know all text).
    """

    level: Level = option("char", "Kind of token.")
    text: TextMode | None = option(
        None, "Read every line as a separate sentence, or the text as one running text.",
        panel="Text", default_text="sentences at word level, running at the others",
    )
    min_count: int | None = option(
        None, "Tokens that occur fewer times in the training text become <unk>.",
        whole_number(1, 1 << 31), panel="Text", default_text="2",
    )
    vocab_size: int | None = option(
        None, "Maximum vocabulary size, <unk> and the newline included. The most frequent tokens "
        "are kept; at bpe level it limits the number of merges.",
        whole_number(MIN_TOKENS, MAX_VOCABULARY), panel="Text",
        default_text=f"no limit; {DEFAULT_BPE_TOKENS} at bpe level",
    )
    encoding: str | None = option(
        None, "Encoding of the text files.", panel="Text", default_text="utf-8",
    )
    valid_fraction: float = option(
        0.1, "Fraction held out from the end of TEXT for validation (if no --valid).",
        number(above=0, below=1), panel="Text",
    )

    @classmethod
    def find_conflicts(cls, known: Mapping[str, Any]) -> Iterator[str]:
        """Yield options that have no meaning at the level, and a bpe vocabulary too small."""
        level = known.get("level", cls.level)
        if level == "byte":
            for name in ("min_count", "vocab_size", "encoding"):
                if name in known:
                    yield (
                        f"{flag_of(cls, name)}: has no meaning with --level byte, which takes "
                        "every byte"
                    )
        if level == "bpe":
            if "min_count" in known:
                yield "--min-count: has no meaning with --level bpe, which knows all text"
            if known.get("vocab_size", MIN_BPE_TOKENS) < MIN_BPE_TOKENS:
                yield (
                    f"--vocab-size: '{known['vocab_size']}' given; with --level bpe at least "
                    f"{MIN_BPE_TOKENS} are needed, for every byte and one merge"
                )

    @property
    def sentences(self) -> bool:
        """True if every line is a separate sentence, rather than part of one running text."""
        return (self.text or ("sentences" if self.level == "word" else "running")) == "sentences"

    @property
    def codec(self) -> str | None:
        """The encoding of the text files; None for bytes as they are."""
        return None if self.level == "byte" else self.encoding or "utf-8"

    @property
    def least_count(self) -> int:
        """The count below which a token is unknown."""
        return 2 if self.min_count is None else self.min_count

    @property
    def max_tokens(self) -> int:
        """The maximum size of a bpe vocabulary."""
        return DEFAULT_BPE_TOKENS if self.vocab_size is None else self.vocab_size
