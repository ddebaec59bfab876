"""The settings of scoring given text."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rnnlm_cli.config.machine import Precision
from rnnlm_cli.config.option import MAX_SIZE, Config, flag_of, option, whole_number

Normalization = Literal["none", "token", "char", "slor"]
FormatName = Literal["text", "json", "tsv", "srilm", "kenlm"]
WORD_FORMATS = ("srilm", "kenlm")  # for word models


@dataclass(frozen=True, kw_only=True)
class ScoreConfig(Config):
    """The settings of scoring given text: as separate sentences, or as running documents."""

    closing: bool | None = option(
        None, "Predict the newline at the end of each sentence too.",
        flags=("--closing/--no-closing",),
        default_text="as in training: --closing for models of sentences",
    )
    document: bool = option(
        False, "Score whole files as running text; the hidden state is carried through.",
    )
    rows: int | None = option(
        None, "With --document: read the text in this many parallel rows, each warmed up on the "
        "256 tokens before it; faster and almost exact.", whole_number(1, MAX_SIZE),
        default_text="1",
    )
    reset_every: int | None = option(
        None, "With --document: reset the state every N tokens (as fixed-context transformers "
        "are evaluated).", whole_number(1, MAX_SIZE), default_text="never",
    )
    batch_tokens: int | None = option(
        None, "Number of tokens that the network reads at once; bounds its memory.",
        whole_number(1, MAX_SIZE), default_text="4096",
    )

    precision: Precision = option(
        "float32", "Precision of the operands of matrix products. bfloat16 is faster for large "
        "hidden sizes, on processors with avx512_bf16 or AMX and on CUDA; its scores are "
        "approximate, and the output says so.",
    )

    format: FormatName | None = option(
        None, "Output: columns to read (text), JSON lines (json), tab-separated values with a "
        "header (tsv), the lines of SRILM's ngram -ppl -debug 2 (srilm) or of KenLM's query "
        "(kenlm). The last two are for word models, and always predict the newline at the end; in "
        "kenlm, the n-gram length is the number of tokens of context.", default_text="text",
    )
    normalize: Normalization = option(
        "none", "Also show ln p divided by the number of tokens or of characters, or the syntactic "
        "log-odds ratio, (ln p - ln p by word frequency) / tokens.",
    )
    words: bool = option(
        False, "Show every white-space word with its surprisal in bits. The white space after a "
        "word belongs to the word, because without it the word would include all longer ones that "
        "begin with it, and the probabilities of all words would sum to more than 1. With --format "
        "tsv, also entropy, rank and length.",
    )

    @classmethod
    def find_conflicts(cls, known: Mapping[str, Any]) -> Iterator[str]:
        """Yield options that fit sentences only, or documents only, and formats that lack room."""
        if known.get("format") in WORD_FORMATS:
            subject = f"--format {known['format']}"
            if known.get("closing") is False:
                yield f"{subject} and --no-closing: given together; the format counts </s>"
            for name in ("document", "words"):
                if known.get(name):
                    yield f"{subject} and --{name}: given together; the format has sentences only"
        if not known.get("document"):
            for name in ("rows", "reset_every"):
                if name in known:
                    yield f"{flag_of(cls, name)}: has no meaning without --document"
        elif known.get("closing"):
            yield (
                "--closing and --document: given together; a document has no closing newline"
            )
