"""Counts of characters and words compared with collections.Counter."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnlm_cli.text import counting
from rnnlm_cli.text.counting import WordCounter, count_characters, iter_code_points

SURROGATES = st.integers(0xDC80, 0xDCFF).map(chr)  # bytes that were not UTF-8
FAR = st.sampled_from("\x00a\x7f\x80\xff\u0100\uffff\U00010000\U0010ffff")
CHUNKS = st.lists(st.text(st.sampled_from("ab\n")) | st.text(st.characters() | SURROGATES | FAR))
WORDS = st.text(st.sampled_from("a\x00\xe9\u4e00\uffff\U0001f600") | SURROGATES, min_size=1,
                max_size=2)


@settings(deadline=None)  # a table of a million counts
@given(CHUNKS, st.sampled_from([1, 2, 1 << 20]))
def test_character_counts_equal_those_of_a_counter(chunks, piece):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "PIECE_CHARACTERS", piece)
        assert count_characters(chunks) == Counter("".join(chunks))
        points = [point for chunk in chunks for each in iter_code_points(chunk) for point in each]
    assert points == list(map(ord, "".join(chunks)))


@settings(deadline=None)
@given(st.lists(st.lists(WORDS)), st.integers(1, 3))
def test_words_moved_to_files_come_back_once_with_their_total_count(batches, max_words):
    counter = WordCounter()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "MAX_WORDS_IN_MEMORY", max_words)
        for batch in batches:
            counter.add(batch)
    expected = Counter(word for batch in batches for word in batch)
    assert sorted(counter.iter_counts()) == sorted(expected.items())


def test_the_number_of_words_in_memory_is_limited(monkeypatch):
    monkeypatch.setattr(counting, "MAX_WORDS_IN_MEMORY", 2)
    counter = WordCounter()
    for word, num_files in (("a", 0), ("b", 0), ("a", 0), ("c", 1), ("a", 1)):
        counter.add([word])
        assert len(counter._files) == num_files and len(counter._counts) <= 2
    assert sorted(counter.iter_counts()) == [("a", 3), ("b", 1), ("c", 1)]
