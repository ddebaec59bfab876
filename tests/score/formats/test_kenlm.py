"""The format kenlm: its bytes, and a summary that agrees with the lines."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnlm_cli.score.score import Score, TextScore, TokenScore

probabilities = st.floats(1e-12, 1)
sentences = st.tuples(
    st.lists(
        st.tuples(st.sampled_from("abc"), probabilities)
        | st.tuples(st.just("UNK"), st.none() | probabilities),
        max_size=6,
    ),
    probabilities,
)


def test_a_worked_example_is_met_to_the_byte(make_sentence, write):
    """Perplexities: 2^(7/4), and without the unknown word 2^(4/3)."""
    sentence = make_sentence(("a", 0.5), ("ZEBRA", 0.125), ("b", 0.25), closing=0.5)
    lines, messages = write("kenlm", sentence)
    assert lines[0] == (
        "a=2 1 -0.30103\tZEBRA=0 2 -0.90309\tb=3 3 -0.60206\t</s>=1 4 -0.30103\t"
        "Total: -2.10721 OOV: 1"
    )
    names, values = zip(*(line.split("\t") for line in lines[1:]), strict=True)
    assert names == (
        "Perplexity including OOVs:", "Perplexity excluding OOVs:", "OOVs:", "Tokens:"
    )
    assert float(values[0]) == pytest.approx(2 ** (7 / 4), rel=1e-15)
    assert float(values[1]) == pytest.approx(2 ** (4 / 3), rel=1e-15)
    assert values[2:] == ("1", "4")
    assert messages == []


def test_the_summary_has_all_digits_of_a_float64(make_sentence, write):
    lines, _ = write("kenlm", make_sentence(("a", 1 / 3), closing=0.5))
    assert lines[1] == f"Perplexity including OOVs:\t{math.exp(math.log(6) / 2)!r}"


def test_a_word_without_probability_makes_its_sentence_impossible(make_sentence, write):
    lines, _ = write(
        "kenlm", make_sentence(("ZEBRA", None), closing=0.5), make_sentence(("a", 0.5), closing=0.5)
    )
    assert lines == [
        "ZEBRA=0 1 -inf\t</s>=1 2 -0.30103\tTotal: -inf OOV: 1",
        "a=2 1 -0.30103\t</s>=1 2 -0.30103\tTotal: -0.60206 OOV: 0",
        "Perplexity including OOVs:\tinf", "Perplexity excluding OOVs:\t2", "OOVs:\t1",
        "Tokens:\t4",
    ]


@pytest.mark.parametrize(
    ("log10_prob", "printed"),
    [
        (0.0, "0"), (-5.0, "-5"), (-1e-6, "-0.000001"), (-1e-7, "-1e-7"), (-1.5e-8, "-1.5e-8"),
        (-1e20, "-100000000000000000000"), (-1e21, "-1e21"), (-2.5e22, "-2.5e22"),
        (-2.3785648, "-2.3785648"), (-0.1, "-0.1"), (-1 / 3, "-0.33333334"),
    ],
)
def test_numbers_are_the_shortest_that_restore_a_float32(write, log10_prob, printed):
    """As double-conversion prints them, with the bounds that KenLM sets for exponents."""
    token = TokenScore("\n", 0.0 - log10_prob * math.log(10), False, 1)
    lines, _ = write("kenlm", TextScore("", Score(), True, [token]))
    assert lines[0] == f"</s>=1 1 {printed}\tTotal: 0 OOV: 0"


def test_no_sentence_at_all_has_no_perplexity(write):
    assert write("kenlm")[0] == [
        "Perplexity including OOVs:\tNaN", "Perplexity excluding OOVs:\tNaN", "OOVs:\t0",
        "Tokens:\t0",
    ]


def test_an_empty_sentence_has_a_line_of_its_own(make_sentence, write):
    assert write("kenlm", make_sentence(closing=0.5))[0][0] == (
        "</s>=1 1 -0.30103\tTotal: -0.30103 OOV: 0"
    )


def test_the_text_before_a_sentence_counts_as_context(make_sentence, write):
    lines, _ = write("kenlm", make_sentence(("a", 0.5), closing=0.5, given="so\nit "))
    assert lines[0].startswith("a=2 4 -0.30103\t</s>=1 5 ")


def test_control_characters_become_escapes(make_sentence, write):
    lines, _ = write("kenlm", make_sentence(("a\x1b[2J", 0.5), closing=0.5))
    assert lines[0].startswith(r"a\x1b[2J=2 1 ")


@given(corpus=st.lists(sentences, min_size=1, max_size=4))
def test_the_printed_lines_give_the_printed_perplexities(make_sentence, write, corpus):
    """KenLM divides the sums of the lines by the number of tokens."""
    texts = [make_sentence(*words, closing=closing) for words, closing in corpus]
    lines, _ = write("kenlm", *texts)
    total = oov_total = 0.0
    num_tokens = num_oovs = 0
    for line in lines[:-4]:
        *words, summary = line.split("\t")
        pairs = [(word.split()[0].rpartition("=")[2], float(word.split()[2])) for word in words]
        oovs = [log10_prob for id_, log10_prob in pairs if id_ == "0"]
        line_total = sum(log10_prob for _, log10_prob in pairs)
        _, printed_total, _, printed_oovs = summary.split()
        assert float(printed_total) == pytest.approx(line_total, rel=1e-6, abs=1e-6)
        assert int(printed_oovs) == len(oovs)
        total += sum(log10_prob for id_, log10_prob in pairs if id_ != "0")
        oov_total += sum(oovs)
        num_tokens, num_oovs = num_tokens + len(pairs), num_oovs + len(oovs)
    including, excluding, printed_oovs, printed_tokens = (
        line.split("\t")[1] for line in lines[-4:]
    )
    assert (int(printed_oovs), int(printed_tokens)) == (num_oovs, num_tokens)
    expected = 10 ** (-(total + oov_total) / num_tokens)
    assert float(including) == pytest.approx(expected, rel=1e-6)
    assert float(excluding) == pytest.approx(10 ** (-total / (num_tokens - num_oovs)), rel=1e-6)


def test_words_and_the_closing_boundary_are_needed(write):
    with pytest.raises(AssertionError):
        write("kenlm", TextScore("a", Score(), True))
    with pytest.raises(AssertionError):
        write("kenlm", TextScore("a", Score(), False, []))
