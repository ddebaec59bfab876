"""Detection of the format of n-best lists."""

import pytest

from rnnlm_cli.score.nbest.detect import detect_format

MOSES = "0 ||| a b ||| F= 1 ||| -4.42"


@pytest.mark.parametrize(("lines", "name"), [
    ([MOSES], "moses"),
    ([MOSES, "0 ||| a b", "broken", MOSES], "moses"),
    (["0 ||| a b", "0 ||| c"], "moses"),
    (["-1.5 -2 2 a b"], "srilm"),
    (["-1.5\t-2\t2\ta b"], "srilm"),
    (["-1 -2 x", "-1 -2 3 a b", "-1 -2 0"], "srilm"),
    (["NBestList1.0", "(-5) a b"], "srilm"),
    (["", "NBestList2.0"], "srilm"),
    (["utt-id-1 a b", "utt-id-2"], "kaldi"),
    (["utt-id-1\ta b", "utt-id-2\tc", "broken"], "kaldi"),
    (["a b\t-1.5"], "tsv"),
    (["a b", "c\t-1", "d"], "tsv"),
    (["a b", "", "c d"], "mikolov"),
    (["covid-19 is here", "it stays"], "mikolov"),
    (["NBestList1.0 is a header", "it is"], "mikolov"),
    (["a|||b"], "mikolov"),
    ([""], "mikolov"),
    (["a"] * 10 + [MOSES] * 90, "mikolov"),
    ([MOSES] * 10 + ["a"] * 90, "moses"),
])
def test_a_list_has_the_format_that_most_of_its_first_lines_look_like(lines, name):
    assert detect_format(lines) == name
