"""The features of worked examples."""

import pytest

from rnnlm_cli.inspect.features import FEATURES, compute_features

POSITION, QUOTES, BRACKETS, INDENTATION, CAPITAL = FEATURES


def compute(pieces, name):
    return "".join(f"{value:.0f}" for value in compute_features(pieces)[name])


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        (POSITION, "ab\n\nc", "12001"),
        (QUOTES, 'a"b"c', "01100"),
        (QUOTES, 'it\'s "so"', "000001110"),
        (QUOTES, "\u201ca\u201d\u201eb\u201d\u00abc\u00bb", "110110110"),
        (QUOTES, '"a\nb\n\nc"', "11111001"),  # an empty line ends a quote
        (BRACKETS, "a(b[c]d)e", "011111100"),
        (BRACKETS, "a)(b", "0011"),  # a closing bracket too many does not count
        (BRACKETS, "({a\n\nb", "111100"),
        (INDENTATION, "  a b\n c", "12222011"),
        (INDENTATION, " \ta\n\tb", "188088"),
        (CAPITAL, "aBC\u00c9d", "01110"),
    ],
)
def test_worked_examples(name, text, values):
    assert compute(list(text), name) == values


def test_a_token_has_the_values_after_its_last_character():
    pieces = [' "so', "", ' big"', "\n", " (X", ")"]
    assert compute(pieces, QUOTES) == "110000"
    assert compute(pieces, POSITION) == "449034"
    assert compute(pieces, BRACKETS) == "000010"
    assert compute(pieces, INDENTATION) == "111011"
    assert compute(pieces, CAPITAL) == "000010"


def test_no_text_has_no_values():
    assert {name: len(values) for name, values in compute_features([]).items()} == dict.fromkeys(
        FEATURES, 0
    )
