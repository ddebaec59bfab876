"""Novelty against a search that looks for every substring in the whole training text."""

import random
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnlm_cli.generate import novelty
from rnnlm_cli.generate.novelty import Novelty, measure_novelty

ALPHABETS = ("ab", "a \n", "ab c\t\n", "a\udc80\u20ac\U0001f600 ")
SIZES = {"MIN_BLOCK_CHARACTERS": 2, "MAX_BLOCK_CHARACTERS": 8}


@pytest.fixture(scope="module", params=[{}, {"HASH_BASE": 1}], ids=["hashes", "collisions"])
def small_blocks(request):
    """Blocks of few characters. With the base 1, all permutations of a substring collide."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in {**SIZES, **request.param}.items():
            monkeypatch.setattr(novelty, name, value)
        yield


@st.composite
def texts(draw):
    """Samples and the chunks of a training text, over the same small alphabet."""
    characters = st.sampled_from(draw(st.sampled_from(ALPHABETS)))
    samples = draw(st.lists(st.text(characters, max_size=20), max_size=4))
    chunks = draw(st.lists(st.text(characters, max_size=30), max_size=6))
    begin = draw(st.integers(0, 40))
    return [*samples, "".join(chunks)[begin : begin + 25]], chunks


def measure_slowly(sample, text):
    """Return the novelty of a sample by its definition."""
    run = next(
        sample[begin : begin + length]
        for length in range(len(sample), -1, -1)
        for begin in range(len(sample) - length + 1)
        if sample[begin : begin + length] in text
    )
    words, known = sample.split(), text.split()
    ngrams = [words[begin : begin + 4] for begin in range(len(words) - 3)]
    known_ngrams = [known[begin : begin + 4] for begin in range(len(known) - 3)]
    return Novelty(
        len(run), run,
        sum(ngram not in known_ngrams for ngram in ngrams) / len(ngrams) if ngrams else None,
        sum(word in known for word in words) / len(words) if words else None,
    )


def cut(text, size):
    return [text[begin : begin + size] for begin in range(0, len(text), size)]


@given(texts=texts())
def test_results_equal_those_of_a_search_in_the_whole_text(small_blocks, texts):
    samples, chunks = texts
    text = "".join(chunks)
    expected = [measure_slowly(sample, text) for sample in samples]
    assert measure_novelty(samples, chunks) == expected


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_an_example_worked_by_hand(size):
    text = "the cat sat on the mat\nand the dog ran\n"
    sample = "a cat sat on the\nmat and the dog sat"
    # Known 4-grams are "cat sat on the", "sat on the mat", "on the mat and", "the mat and the" and
    # "mat and the dog"; new ones are "a cat sat on" and "and the dog sat". Only "a" is unknown.
    run = " cat sat on the"  # "and the dog " is shorter, and other white space separates "mat and"
    [result] = measure_novelty([sample], cut(text, size))
    assert result == Novelty(len(run), run, 2 / 7, 9 / 10)


def test_each_occurrence_in_the_sample_counts():
    [result] = measure_novelty(["a b a b a b c"], ["a b a b\n"])
    # The 4-grams are "a b a b", "b a b a", "a b a b" and "b a b c".
    assert (result.new_4gram_share, result.known_word_share) == (2 / 4, 6 / 7)


def test_a_word_that_goes_on_in_the_next_chunks_is_one_word(small_blocks):
    text = "x" * 30 + "ab cd" + "y" * 30 + " e"
    [result] = measure_novelty(["ab cd e x"], cut(text, 3))
    assert result.known_word_share == 1 / 4


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ("", Novelty(0, "", None, None)),
        (" \n", Novelty(1, " ", None, None)),
        ("a", Novelty(1, "a", None, 1.0)),
        ("z", Novelty(0, "", None, 0.0)),
        ("b a z", Novelty(3, "b a", None, 1 / 3)),
        ("z z z a", Novelty(2, " a", 1.0, 1 / 4)),
    ],
)
def test_short_samples(sample, expected):
    assert measure_novelty([sample], ["xb a"]) == [expected]


def test_an_empty_training_text_shares_nothing():
    assert measure_novelty(["a b c d", ""], ["", ""]) == [
        Novelty(0, "", 1.0, 0.0), Novelty(0, "", None, None)
    ]
    assert measure_novelty([], ["a"]) == []


def test_the_first_of_several_longest_runs_is_reported(small_blocks):
    text = ".".join(["cccc", "x" * 20, "aaaa", "x" * 20, "bbbb"])
    [result] = measure_novelty(["-bbbb-aaaa-cccc-"], cut(text, 3))
    assert result.run == "bbbb"


@pytest.mark.parametrize("size", [1, 7, 1000, 10_000])
def test_a_long_copied_run_is_found_across_chunks_and_blocks(small_blocks, size):
    generator = random.Random(1)
    text = "".join(generator.choices("abcdefgh \n", k=9_000))
    copied = text[2_500:5_500]
    samples = ["#" + copied + "#", copied, "#" + text[8_000:]]
    results = measure_novelty(samples, cut(text, size))
    assert [result.run for result in results] == [copied, copied, text[8_000:]]


def test_repetitive_texts_are_searched_in_full():
    samples = ["a" * 4_000 + "b", "a" * 3_000, "ab" * 1_000 + "a" * 30, "b" * 50]
    results = measure_novelty(samples, cut("a" * 100_000 + "b" * 20, 1_000))
    runs = ["a" * 4_000 + "b", "a" * 3_000, "a" * 30, "b" * 20]
    assert [result.run for result in results] == runs


class Chunk(str):
    """A chunk that can be referred to weakly."""


def test_chunks_are_read_once_and_not_kept(small_blocks):
    references = []

    def generate():
        for i in range(50):
            references.append(weakref.ref(chunk := Chunk(f"a b{i} ")))
            yield chunk
            del chunk
            assert sum(reference() is not None for reference in references) <= 1

    [result] = measure_novelty(["c b7 a b8 c"], generate())
    assert len(references) == 50
    assert result == Novelty(9, " b7 a b8 ", 1.0, 3 / 5)
