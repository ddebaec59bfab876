"""A corpus: its training, validation and test part as token streams, and their vocabulary."""

from dataclasses import dataclass

from rnnlm_cli.config import TextConfig
from rnnlm_cli.errors import TextError
from rnnlm_cli.text.reading import read_text
from rnnlm_cli.text.vocabulary import BOUNDARY, Ids, Vocabulary

FEWEST_TOKENS = 16  # to train on: less is a slip of the hand


@dataclass(frozen=True)
class Part:
    """One part of a corpus: its tokens and how many characters of text they are."""

    tokens_N: Ids
    num_characters: int


@dataclass(frozen=True)
class Corpus:
    """What a model is trained, selected and tested on."""

    vocabulary: Vocabulary
    train: Part
    valid: Part
    test: Part | None


def load_corpus(
    path: str, config: TextConfig, *, valid_path: str | None = None, test_path: str | None = None
) -> Corpus:
    """Read a text, set its end apart for validation, and build the vocabulary from the rest.

    Args:
        path: the training text; without `valid_path` its last part is the validation text.
        valid_path: a validation text of its own.
        test_path: a text that is scored once, at the end.
    Raises: TextError where a text cannot be read, or there is too little of it.
    """
    train = read_text(path, encoding=config.codec)
    if not train:
        raise TextError(f"{path}: is empty; a text to train on is needed")
    if valid_path is None:
        valid_path, cut = path, _cut(train, config, path)
        train, valid = train[:cut], train[cut:]
    else:
        valid = read_text(valid_path, encoding=config.codec)
    vocabulary = Vocabulary.build(train, config)
    trained = vocabulary.encode(train)
    if len(trained) < FEWEST_TOKENS:
        raise TextError(
            f"{path}: holds {len(trained)} tokens to train on; at least {FEWEST_TOKENS} are needed"
        )
    test = None
    if test_path is not None:
        test = _scored(vocabulary, read_text(test_path, encoding=config.codec), test_path)
    valid_part = _scored(vocabulary, valid, valid_path)
    return Corpus(vocabulary, Part(trained, len(train)), valid_part, test)


def _scored(vocabulary: Vocabulary, text: str, path: str) -> Part:
    """A part to evaluate on. Raises: TextError where none of its tokens has a probability."""
    tokens_N = vocabulary.encode(text)
    if not len(tokens_N) or not (vocabulary.num_unknown or tokens_N.any()):
        raise TextError(
            f"{path}: holds no tokens to score, or none that the training text has; "
            "a text of the same kind is needed"
        )
    return Part(tokens_N, len(text))


def _cut(text: str, config: TextConfig, path: str) -> int:
    """Where validation begins: int(0.9 N), for sentences at the next line end."""
    cut = int((1 - config.valid_fraction) * len(text))
    if not config.sentences:
        return cut
    end = text.find(BOUNDARY, max(cut - 1, 0))
    if end < 0 or end + 1 == len(text):  # the last line is long: begin validation with it
        end = text.rfind(BOUNDARY, 0, len(text) - 1)
    if end < 0:
        raise TextError(
            f"{path}: is one line, and every line is a sentence here; at least two are needed. "
            "Try --text running, or give --valid FILE"
        )
    return end + 1
