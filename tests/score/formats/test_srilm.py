"""The format srilm: its bytes, and sums that agree with the lines of the words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnlm_cli.score.score import Score, TextScore

WORKED = """\
a b
\tp( a | <s> ) \t= [RNN] 0.5 [ -0.30103 ]
\tp( b | a ...) \t= [RNN] 0.25 [ -0.60206 ]
\tp( </s> | b ...) \t= [RNN] 0.125 [ -0.90309 ]
1 sentences, 2 words, 0 OOVs
0 zeroprobs, logprob= -1.80618 ppl= 4 ppl1= 8

a ZEBRA b
\tp( a | <s> ) \t= [RNN] 0.5 [ -0.30103 ]
\tp( <unk> | a ...) \t= [OOV] 0 [ -inf ]
\tp( b | <unk> ...) \t= [RNN] 0.5 [ -0.30103 ]
\tp( </s> | b ...) \t= [RNN] 0.25 [ -0.60206 ]
1 sentences, 3 words, 1 OOVs
0 zeroprobs, logprob= -1.20412 ppl= 2.519842 ppl1= 4

file corpus.txt: 2 sentences, 5 words, 1 OOVs
0 zeroprobs, logprob= -3.0103 ppl= 3.174802 ppl1= 5.656854
"""

probabilities = st.floats(1e-12, 1)
sentences = st.tuples(
    st.lists(
        st.tuples(st.sampled_from("abc"), probabilities)
        | st.tuples(st.just("UNK"), st.none() | probabilities),
        min_size=1, max_size=6,
    ),
    probabilities,
)


def test_a_worked_example_is_met_to_the_byte(make_sentence, write):
    """ppl = 2^(6/3), 2^(4/3), 2^(10/6), and ppl1 = 2^(6/2), 2^(4/2), 2^(10/4)."""
    lines, messages = write(
        "srilm", make_sentence(("a", 0.5), ("b", 0.25), closing=0.125),
        make_sentence(("a", 0.5), ("ZEBRA", None), ("b", 0.5), closing=0.25), name="corpus.txt",
    )
    assert "\n".join([*lines, ""]) == WORKED
    assert messages == []


def test_an_unknown_word_with_a_probability_is_no_oov(make_sentence, write):
    lines, _ = write("srilm", make_sentence(("ZEBRA", 0.5), ("b", 0.5), closing=0.5))
    assert lines[0] == "ZEBRA b"
    assert lines[1:3] == [
        "\tp( <unk> | <s> ) \t= [RNN] 0.5 [ -0.30103 ]",
        "\tp( b | <unk> ...) \t= [RNN] 0.5 [ -0.30103 ]",
    ]
    assert lines[4] == "1 sentences, 2 words, 0 OOVs"


def test_figures_have_seven_significant_digits(make_sentence, write):
    lines, _ = write("srilm", make_sentence(("a", 1 / 3), ("b", 1e-9 / 7), closing=1.0))
    assert lines[1].endswith("= [RNN] 0.3333333 [ -0.4771213 ]")
    assert lines[2].endswith("= [RNN] 1.428571e-10 [ -9.845098 ]")
    assert lines[3].endswith("= [RNN] 1 [ 0 ]")


def test_a_perplexity_without_denominator_is_undefined(make_sentence, write):
    lines, _ = write("srilm", make_sentence(("ZEBRA", None), closing=0.5))
    assert lines[-1] == "0 zeroprobs, logprob= -0.30103 ppl= 2 ppl1= undefined"


def test_empty_lines_are_left_out_as_in_srilm(make_sentence, write):
    texts = [make_sentence(closing=0.5), make_sentence(("a", 0.5), closing=0.5)]
    lines, messages = write("srilm", *texts, texts[0])
    assert lines[0] == "a" and lines[-2] == "file -: 1 sentences, 1 words, 0 OOVs"
    assert lines[-1] == "0 zeroprobs, logprob= -0.60206 ppl= 2 ppl1= 4"
    assert messages == ["rnnlm: note: left out 2 lines without words, as SRILM does"]


def test_no_sentence_at_all_has_no_second_line(write):
    assert write("srilm") == (["file -: 0 sentences, 0 words, 0 OOVs"], [])


def test_the_text_before_a_sentence_is_the_context_of_its_first_word(make_sentence, write):
    lines, _ = write("srilm", make_sentence(("a", 0.5), closing=0.5, given="so it "))
    assert lines[1].startswith("\tp( a | it ...) \t= [RNN]")


def test_control_characters_become_escapes(make_sentence, write):
    lines, _ = write("srilm", make_sentence(("a\x1b[2J", 0.5), closing=0.5), name="x\x07")
    assert lines[0] == r"a\x1b[2J"
    assert lines[1].startswith(r"	p( a\x1b[2J | <s> ) ")
    assert lines[-2].startswith(r"file x\x07: ")


@given(corpus=st.lists(sentences, min_size=1, max_size=4))
def test_the_printed_lines_give_the_printed_perplexities(make_sentence, write, corpus):
    """As ppl-from-log and compute-best-mix read them: field 10, or -inf for an OOV.

    The tolerance is that of 7 digits of a log10, such as -11.48242, as an exponent.
    """
    texts = [make_sentence(*words, closing=closing) for words, closing in corpus]
    lines, _ = write("srilm", *texts)
    fields = [line.split() for line in lines if line.startswith("\tp( ")]
    log10_probs = [float(field[9]) for field in fields if field[9] != "-inf"]
    num_oovs = len(fields) - len(log10_probs)
    num_sentences = sum(field[1] == "</s>" for field in fields)
    num_words = len(fields) - num_sentences
    assert lines[-2] == (
        f"file -: {num_sentences} sentences, {num_words} words, {num_oovs} OOVs"
    )
    sums = lines[-1].split()
    assert float(sums[3]) == pytest.approx(sum(log10_probs), rel=1e-5, abs=1e-5)
    for name, printed, number in (
        ("ppl=", sums[5], num_words - num_oovs + num_sentences),
        ("ppl1=", sums[7], num_words - num_oovs),
    ):
        assert name in sums
        if number:
            assert float(printed) == pytest.approx(10 ** (-sum(log10_probs) / number), rel=1e-4)
        else:
            assert printed == "undefined"


def test_words_and_the_closing_boundary_are_needed(write):
    with pytest.raises(AssertionError):
        write("srilm", TextScore("a", Score(), True))
    with pytest.raises(AssertionError):
        write("srilm", TextScore("a", Score(), False, []))
