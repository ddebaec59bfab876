"""Lines of a stream compared with str.split, and shared lines counted by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnlm_cli.text import lines
from rnnlm_cli.text.lines import MIN_LONG_LINE, Overlap, iter_lines, measure_overlap

TEXTS = st.text(st.sampled_from("ab\n"), max_size=12)


def stream(text):
    return np.array([1 if character == "\n" else ord(character) for character in text], np.uint8)


def texts_of(lines_N):
    return ["".join("\n" if id_ == 1 else chr(id_) for id_ in line_N) for line_N in lines_N]


@given(TEXTS, st.integers(1, 3), st.sampled_from([1, 2, 3, 1 << 16]))
def test_lines_equal_those_of_str_split_with_their_boundaries(text, every, block):
    *closed, last = text.split("\n")
    expected = [f"{line}\n" for line in closed] + ([last] if last else [])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "BLOCK_TOKENS", block)
        assert texts_of(iter_lines(stream(text), every=every)) == expected[::every]


def test_shared_lines_are_counted_by_hand():
    train = "aa\nabcdefgh\nx\n\n"
    valid = (
        "aa\naa\n"  # shared, twice
        "\n"  # empty: not counted
        "abcdefgh\n"  # shared, and just long enough to count as long
        "ABCDEFGH\n"  # long, not shared
        "abcdefg\n"  # the beginning of a training line
        "y\n"
    )
    assert measure_overlap(stream(train), stream(valid), "word") == Overlap(
        num_lines=6, num_shared=3, num_long=2, num_long_shared=1, min_long_line=8
    )


@pytest.mark.parametrize("level", MIN_LONG_LINE)
def test_a_line_of_the_minimum_length_without_its_boundary_is_long(level):
    length = MIN_LONG_LINE[level]
    text = f"{'a' * (length - 1)}\n{'b' * length}\n"
    assert measure_overlap(stream(""), stream(text), level) == Overlap(
        num_lines=2, num_shared=0, num_long=1, num_long_shared=0, min_long_line=length
    )


@given(TEXTS, TEXTS)
def test_a_text_shares_every_line_with_a_text_that_contains_it(text, before):
    found = measure_overlap(stream(f"{before}\n{text}"), stream(text), "bpe")
    assert found.num_shared == found.num_lines == sum(line != "" for line in text.split("\n"))
