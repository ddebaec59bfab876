"""Formats of n-best lists: lines that are rescored byte for byte, and lines that are refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnlm_cli.score.nbest import LineError

LN_P = "-4.60517019"  # of log10 p = -2
BLANK = st.text(" \t", min_size=1, max_size=3)
WORD = st.text(
    st.characters(exclude_characters=" \t\n|<"), min_size=1, max_size=5
)
SCORE = (
    st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda value: f"{value:.4f}")
    | st.sampled_from(["-1e-3", "+.5"])
)


@pytest.mark.parametrize(("name", "weight", "line", "expected"), [
    # moses
    ("moses", None, "0 ||| a b ||| F= -1.75 G= -1.38 -2.19 ||| -4.42",
     f"0 ||| a b ||| F= -1.75 G= -1.38 -2.19 RNNLM0= {LN_P} ||| -4.42"),
    ("moses", 1.0, "0 ||| a b ||| F= -1.75 ||| -4.42",
     f"0 ||| a b ||| F= -1.75 RNNLM0= {LN_P} ||| -9.02517019"),
    ("moses", 2.0, " 12\t||| a b  |||  F= 1  |||  -1 ||| 0-0 1-1 ||| x |||",
     f" 12\t||| a b  |||  F= 1 RNNLM0= {LN_P}  |||  -10.2103404 ||| 0-0 1-1 ||| x |||"),
    ("moses", None, "0 |||  |||  ||| 0", f"0 |||  ||| RNNLM0= {LN_P}  ||| 0"),
    ("moses", 0.0, "3 ||| a|||b c||| |||d ||| F= 1 ||| 1e-3  ",
     f"3 ||| a|||b c||| |||d ||| F= 1 RNNLM0= {LN_P} ||| 0.001  "),
    # kaldi
    ("kaldi", None, "utt-id-1 a b", "utt-id-1 4.6052"),
    ("kaldi", None, "utt-id-12\ta\tb ", "utt-id-12 4.6052"),
    ("kaldi", None, "utt-id-1", "utt-id-1 4.6052"),
    # mikolov
    ("mikolov", None, "a b", "-2.000000"),
    ("mikolov", None, "", "-2.000000"),
    # srilm
    ("srilm", None, "-1.5 -37.4557 2 a b", "-1.5 -2 2 a b"),
    ("srilm", 0.5, "-1.5 -37.4557 2 a b", "-1.5 -38.4557 2 a b"),
    ("srilm", None, " -1.5\t-3  2   a \t b  ", " -1.5\t-2  2   a \t b  "),
    ("srilm", None, "-1.5 -3 0", "-1.5 -2 0"),
    ("srilm", None, "-1.5 -3 0 ", "-1.5 -2 0 "),
    ("srilm", None, "-1.5 -3 4 <s> a b </s>", "-1.5 -2 4 <s> a b </s>"),
    ("srilm", None, "-1.5 -3 2 <s> a b </s>", "-1.5 -2 2 <s> a b </s>"),
    ("srilm", -1.0, "-1.5 -3 1 a\u00a0b", "-1.5 -1 1 a\u00a0b"),
    # tsv
    ("tsv", None, "a b\t-1.5", f"a b\t{LN_P}"),
    ("tsv", None, " a b ", f" a b \t{LN_P}"),
    ("tsv", None, "", f"\t{LN_P}"),
    ("tsv", 1.0, "a b\t -1.5", "a b\t-6.10517019"),
])
def test_a_line_gets_its_score_and_keeps_all_other_bytes(
    make_format, make_score, name, weight, line, expected
):
    settings = {} if weight is None else {"weight": weight}
    nbest_format = make_format(name, **settings)
    assert nbest_format.render(nbest_format.parse(line), make_score(), weight) == expected


@pytest.mark.parametrize(("name", "line", "text", "best", "base"), [
    ("moses", "7 ||| a b  ||| F= 1 ||| -4.5 ||| 0-0", "a b", "a b", -4.5),
    ("moses", "7 |||  ||| F= 1 ||| -4.5", "", "", -4.5),
    ("kaldi", "utt-id-3 a  b ", "a  b", "utt-id a  b", None),
    ("kaldi", "utt-id-3", "", "utt-id", None),
    ("kaldi-words", "utt-id-3\ta\tb", "a\tb", "utt-id a\tb", None),
    ("mikolov", " a b", " a b", " a b", None),
    ("srilm", "-1.5 -3 2 a  b ", "a  b", "a  b", -4.5),
    ("srilm", "-1.5 -3 3 <s> a </s>", "a", "a", -4.5),
    ("srilm", "-1.5 -3 2 <s> </s>", "", "", -4.5),
    ("srilm", "-1.5 -3 2 <s>a b</s>", "<s>a b</s>", "<s>a b</s>", -4.5),
    ("tsv", " a b \t-4.5", " a b ", " a b ", -4.5),
    ("tsv", "a b", "a b", "a b", None),
])
def test_the_text_and_the_score_are_found_in_a_line(make_format, name, line, text, best, base):
    nbest_format = make_format(name)
    hypothesis = nbest_format.parse(line)
    assert (hypothesis.text, hypothesis.base) == (text, base)
    assert nbest_format.render_best(hypothesis) == best


def test_the_costs_of_words_end_with_that_of_the_sentence_end(make_format, make_score):
    words = make_format("kaldi-words")
    score = make_score(tokens=[0.25, None, 1.00004])
    assert words.render(words.parse("u-1 a x"), score, None) == "u-1 0.2500 0.0000 1.0000"


def test_lists_are_told_apart_by_their_ids(make_format):
    assert make_format("moses").parse("7 ||| a ||| F= 1 ||| 1").list_id == "7"
    assert make_format("kaldi").parse("a-b-2-1 a").list_id == "a-b-2"
    assert make_format("tsv").parse("a").list_id == make_format("srilm").parse("1 1 0").list_id


def test_the_new_feature_of_moses_has_a_name_that_can_be_chosen(make_format, make_score):
    nbest_format = make_format("moses", name="LM9")
    hypothesis = nbest_format.parse("0 ||| a ||| RNNLM0= 1 ||| 1")
    assert " RNNLM0= 1 LM9= -4" in nbest_format.render(hypothesis, make_score(), None)


def test_a_certain_hypothesis_has_no_negative_zero(make_format, make_score):
    for name, line in {
        "moses": "0 ||| a ||| F= 1 ||| 1", "kaldi": "u-1 a", "mikolov": "a", "srilm": "1 1 1 a",
        "tsv": "a",
    }.items():
        nbest_format = make_format(name)
        assert "-0" not in nbest_format.render(nbest_format.parse(line), make_score(0.0), None)


@pytest.mark.parametrize(("name", "line", "message"), [
    ("moses", "", "has 1 field separated by |||; 4 or more are needed"),
    ("moses", "0 ||| a ||| F= 1", "has 3 fields separated by |||"),
    ("moses", "0|||a|||F= 1|||1", "has 1 field separated by |||"),
    ("moses", "x ||| a ||| F= 1 ||| 1", "has 'x' as the number of its list; a whole number"),
    ("moses", "-1 ||| a ||| F= 1 ||| 1", "has '-1' as the number of its list"),
    ("moses", "\u0663 ||| a ||| F= 1 ||| 1", "as the number of its list"),
    ("moses", "0 ||| a ||| F= 1 ||| nan", "has 'nan' as its total score; a finite number"),
    ("moses", "0 ||| a ||| F= 1 ||| 1 2", "has '1 2' as its total score"),
    ("moses", "0 ||| a ||| F= 1 ||| ||| 1", "has '' as its total score"),
    ("moses", "0 ||| a ||| F= 1 RNNLM0= 1 ||| 1", "has a feature 'RNNLM0' already"),
    ("kaldi", "", "begins with ''; the id of an utterance"),
    ("kaldi", "utt-id a b", "begins with 'utt-id'"),
    ("kaldi", "-1 a b", "begins with '-1'"),
    ("kaldi", "utt- a b", "begins with 'utt-'"),
    ("kaldi", "x" * 99, f"begins with '{'x' * 40}...'; "),
    ("srilm", "", "has 0 fields; an acoustic score, a language model score"),
    ("srilm", "-1 -2", "has 2 fields"),
    ("srilm", "a -2 1 a", "has 'a' as its acoustic score"),
    ("srilm", "-1 inf 1 a", "has 'inf' as its language model score"),
    ("srilm", "1e999 -2 1 a", "has '1e999' as its acoustic score"),
    ("srilm", "1_0 -2 1 a", "has '1_0' as its acoustic score"),
    ("srilm", "-1 -2 2 a", "has '2' as its number of words; 1, the number of words that follow"),
    ("srilm", "-1 -2 1.0 a", "has '1.0' as its number of words"),
    ("srilm", "-1 -2 -1 a", "has '-1' as its number of words"),
    ("srilm", "NBestList2.0", "is NBestList2.0, the header of a Decipher list"),
    ("tsv", "a\tb", "has 'b' as its score"),
    ("tsv", "a\t", "has '' as its score"),
    ("tsv", "a\t1\t2", "has 2 tabs; a text, a tab and a score are needed"),
])
def test_a_broken_line_is_refused_with_what_is_needed(make_format, name, line, message):
    with pytest.raises(LineError, match=re.escape(message)):
        make_format(name).parse(line)


def test_a_score_is_needed_if_it_is_combined(make_format):
    for settings in ({"weight": 0.5}, {"tune": "file"}):
        with pytest.raises(LineError, match="has no score to combine with"):
            make_format("tsv", **settings).parse("a b")


@given(
    number=st.integers(0, 10**17), words=st.lists(WORD), blanks=st.lists(BLANK, min_size=6),
    features=st.lists(WORD), total=SCORE, rest=st.sampled_from(["", " ", " ||| 0-0", "\t|||\t"]),
)
def test_a_moses_line_differs_by_one_feature_only(
    make_format, make_score, number, words, blanks, features, total, rest
):
    before = f"{number}{blanks[0]}|||{blanks[1]}{' '.join(words)}{blanks[2]}|||{blanks[3]}"
    before += " ".join(features)
    after = f"{blanks[4]}|||{blanks[5]}{total}{rest}"
    nbest_format = make_format("moses", name="New")
    hypothesis = nbest_format.parse(before + after)
    assert hypothesis.text == " ".join(words)
    new = nbest_format.render(hypothesis, make_score(), None)
    assert new.replace(f" New= {LN_P}", "", 1) == before + after
    assert new.count("\n") == 0
    combined = nbest_format.render(hypothesis, make_score(), 0.5)
    prefix, suffix = new[: -len(total + rest)], rest
    assert combined.startswith(prefix) and combined.endswith(suffix)
    value = float(combined[len(prefix) : len(combined) - len(suffix)])
    assert value == pytest.approx(float(total) + 0.5 * float(LN_P), rel=1e-8)


@given(
    acoustic=SCORE, language=SCORE, words=st.lists(WORD), blanks=st.lists(BLANK, min_size=4),
)
def test_an_srilm_line_differs_by_its_second_score_only(
    make_format, make_score, acoustic, language, words, blanks
):
    text = blanks[3].join(words)
    after = f"{blanks[1]}{len(words)}{blanks[2]}{text}"
    nbest_format = make_format("srilm")
    hypothesis = nbest_format.parse(f"{acoustic}{blanks[0]}{language}{after}")
    assert hypothesis.text == text
    assert hypothesis.base == float(acoustic) + float(language)
    assert nbest_format.render(hypothesis, make_score(), None) == f"{acoustic}{blanks[0]}-2{after}"


@given(text=st.text(st.characters(exclude_characters="\t\n")), score=SCORE)
def test_a_tsv_line_differs_by_its_score_only(make_format, make_score, text, score):
    nbest_format = make_format("tsv")
    for line in (text, f"{text}\t{score}"):
        hypothesis = nbest_format.parse(line)
        assert hypothesis.text == text
        assert nbest_format.render(hypothesis, make_score(), None) == f"{text}\t{LN_P}"
