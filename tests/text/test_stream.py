"""The split, and what the vocabulary is built from."""

import pytest

from rnnlm_cli.config import TextConfig
from rnnlm_cli.errors import TextError
from rnnlm_cli.text.stream import load_corpus


@pytest.fixture
def corpus(tmp_path):
    def load(content, *, valid=None, test=None, **settings):
        paths = {}
        for name, part in (("train", content), ("valid", valid), ("test", test)):
            if part is not None:
                paths[name] = str(tmp_path / name)
                (tmp_path / name).write_text(part, "utf-8", newline="")
        return load_corpus(
            paths["train"], TextConfig(**settings),
            valid_path=paths.get("valid"), test_path=paths.get("test"),
        )

    return load


def test_validation_is_the_last_tenth_of_the_characters(corpus):
    text = "ab\n" * 333  # 999 characters: int(0.9 N) = 899
    parts = corpus(text)
    assert (parts.train.num_characters, parts.valid.num_characters) == (899, 100)
    assert len(parts.train.tokens_N) == 899 and parts.test is None


def test_sentences_are_cut_at_the_next_line_end(corpus):
    line = "aa bb cc\n"
    for num_lines, num_trained in ((10, 9), (15, 14), (4, 3)):  # at a line end, inside, in the last
        parts = corpus(line * num_lines, text="sentences")
        assert parts.train.num_characters == len(line) * num_trained
        assert parts.valid.num_characters == len(line) * (num_lines - num_trained)


def test_the_vocabulary_is_built_from_the_training_part_only(corpus):
    parts = corpus("ab" * 90 + "xya" * 7)  # int(0.9 N) = 180
    assert parts.vocabulary.tokens == ("<unk>", "\n", "a", "b")
    assert parts.valid.tokens_N[:6].tolist() == [0, 0, 2, 0, 0, 2]


def test_own_validation_and_test_texts(corpus):
    parts = corpus("ab\n" * 20, valid="ba", test="aab")
    assert len(parts.train.tokens_N) == 60
    assert parts.valid.tokens_N.tolist() == [3, 2]
    assert parts.test.tokens_N.tolist() == [2, 2, 3]


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("", {}, "is empty"),
        ("short", {}, "at least 16"),
        ("one line of many words " * 9, {"level": "word"}, "is one line"),
        ("ab\n" * 20, {"valid": ""}, "holds no tokens to score"),
        ("ab\n" * 20, {"valid": "ab", "test": ""}, "holds no tokens to score"),
        ("ab\n" * 20, {"valid": "xyz"}, "none that the training text has"),
    ],
)
def test_too_little_text_is_an_error_that_says_so(corpus, text, settings, message):
    with pytest.raises(TextError, match=message):
        corpus(text, **settings)
