"""Bad input for the details, formats and mixtures of rnnlm score: one line, an exit code."""

import sys
from pathlib import Path

import pytest

from tests.builders import rewrite_description, save_tiny

USAGE, FAULT = 2, 1
WORD_MODEL = ["-m", "words.rnnlm"]
ARPA = """\\data\\
ngram 1=8
ngram 2=1

\\1-grams:
-1\t<unk>
-99\t<s>\t-0.3
-1\t</s>
-0.9\ta\t-0.2
-0.9\tb
-0.9\tc
-0.9\td
-0.9\te

\\2-grams:
-0.3\t<s> a

\\end\\
"""
FILES = {
    "sound.arpa": ARPA,
    "cut.arpa": ARPA[:-40],
    "count.arpa": ARPA.replace("ngram 1=8", "ngram 1=9"),
    "number.arpa": ARPA.replace("-0.9\ta", "x\ta"),
    "fewer.arpa": ARPA.replace("-0.9\te\n", "").replace("1=8", "1=7"),
    "other.arpa": ARPA.replace("\te\n", "\tf\n"),
    "letters.tsv": "1\ta\t3\n",
    "two.tsv": "1\t0\t1\n1\t3\n",
    "empty.tsv": "1\t2\t2\n",
    "zero.tsv": "0\t0\t1\n",
    "long.tsv": "1\t0\t2\n1\t1\t9\n",
    "ninth.tsv": "1\t0\t1\n9\t0\t1\n",
    "inside.tsv": "1\t1\t2\n",
}
BAD = [
    # formats
    (["a", "--format", "srilm"], USAGE, "--format: 'srilm' given, and the model is of level char"),
    (["a", "--format", "kenlm"], USAGE, "--format: 'kenlm' given, and the model is of level char"),
    (["a", "--format", "xml"], USAGE, "'--format'"),
    (["a", "--json", "--format", "tsv"], USAGE, "--json and --format tsv: given together"),
    (["a", "--format", "srilm", "--no-closing", *WORD_MODEL], USAGE, "the format counts </s>"),
    (["a", "--format", "kenlm", "--words", *WORD_MODEL], USAGE, "--format kenlm and --words"),
    (["--document", "text.txt", "--format", "srilm", *WORD_MODEL], USAGE, "has sentences only"),
    (["a", "--regions", "two.tsv", "--format", "kenlm"], USAGE, "--regions and --format kenlm"),
    (["a", "--normalize", "mean"], USAGE, "'--normalize'"),
    (["a", "--normalize", "slor"], USAGE, "the model file has no token counts"),
    (["a", "--normalize", "token", "--format", "kenlm", *WORD_MODEL], USAGE, "no whole sentences"),
    (["a", "--normalize", "char", "--format", "tsv", "--words"], USAGE, "no whole sentences"),
    # details
    (["a", "--tokens", "--words"], USAGE, "--tokens, --words and --regions: given together"),
    (["a", "--words", "--regions", "two.tsv"], USAGE, "--words and --regions: given together"),
    (["a", "--regions", "none.tsv"], FAULT, "none.tsv: no such file"),
    (["a", "--regions", "letters.tsv"], FAULT, "letters.tsv: line 1 is '1\\ta\\t3'; the number"),
    (["a", "--regions", "two.tsv"], FAULT, "two.tsv: line 2 is '1\\t3'; the number of a text"),
    (["a", "--regions", "empty.tsv"], FAULT, "empty.tsv: line 1 names characters 2 to 2"),
    (["a", "--regions", "zero.tsv"], FAULT, "zero.tsv: line 1 names characters 0 to 1 of text 0"),
    (["abc", "--regions", "long.tsv"], FAULT, "long.tsv: line 2 names characters 1 to 9 of text 1"),
    (["abc", "--regions", "inside.tsv", *WORD_MODEL], FAULT, "no token begins in it"),
    (["--document", "text.txt", "--given", "a"], USAGE, "--given and --document: given together"),
    # mixtures
    (["a", "-m", "model.rnnlm", *WORD_MODEL], USAGE, "one is of level char, the other of level wo"),
    (["a", "--tune", "text.txt"], USAGE, "--tune: given with one model"),
    (["a", "-m", "model.rnnlm", "-m", "model.rnnlm", "--tune", "none"], FAULT, "none: no such f"),
    (["a", "--ngram", "sound.arpa"], USAGE, "--ngram: the model is of level char"),
    (["a", "--ngram-weight", "0.5"], USAGE, "--ngram-weight: has no meaning without --ngram"),
    (["a", "--ngram", "sound.arpa", "--ngram-weight", "2", *WORD_MODEL], USAGE, "--ngram-weight: "),
    (["a", "--ngram", "none.arpa", *WORD_MODEL], FAULT, "none.arpa: no such file; an ARPA file"),
    (["a", "--ngram", "folder", *WORD_MODEL], FAULT, "folder: is no file; an ARPA file is needed"),
    (["a", "--ngram", "text.txt", *WORD_MODEL], FAULT, "text.txt: is no sound ARPA file (first no"),
    (["a", "--ngram", "empty.txt", *WORD_MODEL], FAULT, "empty.txt: is no sound ARPA file (End of"),
    (["a", "--ngram", "cut.arpa", *WORD_MODEL], FAULT, "cut.arpa: is no sound ARPA file ("),
    (["a", "--ngram", "count.arpa", *WORD_MODEL], FAULT, "count.arpa: is no sound ARPA file ("),
    (["a", "--ngram", "number.arpa", *WORD_MODEL], FAULT, "number.arpa: is no sound ARPA file ("),
    (["a", "--ngram", "fewer.arpa", *WORD_MODEL], USAGE, "no entry for 1 word of the model, such"),
    (["a", "--ngram", "other.arpa", *WORD_MODEL], USAGE, "1 word that the model lacks, such a"),
    # adaptation
    (["a", "--cache", "5"], USAGE, "--cache and --dynamic: have no meaning without --document"),
    (["a", "--dynamic"], USAGE, "--cache and --dynamic: have no meaning without --document"),
    (["--document", "text.txt", "--cache", "0"], USAGE, "--cache: '0' given"),
    (["--document", "text.txt", "--cache-weight", "0.2"], USAGE, "has no meaning without --cache"),
    (["--document", "text.txt", "--dynamic-lr", "1"], USAGE, "has no meaning without --dynamic"),
    (["--document", "text.txt", "--cache", "9", "--rows", "2"], USAGE, "a document as one row"),
    (["--document", "text.txt", "--dynamic", "--reset-every", "9"], USAGE, "a document as one row"),
    (["--document", "text.txt", "--cache", "9", "-m", "model.rnnlm", "-m", "model.rnnlm"], USAGE,
     "--cache and --dynamic: given with several models"),
]


@pytest.fixture(autouse=True)
def more_files(folder, make_network):
    for name, text in FILES.items():
        (folder / name).write_text(text)
    save_tiny(make_network, folder / "words.rnnlm", level="word")


@pytest.mark.parametrize(("arguments", "code", "message"), BAD, ids=lambda v: repr(v)[:60])
def test_bad_input_gets_one_line_and_changes_nothing(check_failure, arguments, code, message):
    check_failure(["score", *arguments], code, message)


def test_a_sound_arpa_file_is_accepted(run):
    code, out, err = run("score", "a b", "--ngram", "sound.arpa", *WORD_MODEL, "--json")
    assert code == 0 and '"oov": 0' in out, err


def test_regions_of_a_text_that_is_not_there_are_said_after_the_others(run):
    code, out, err = run("score", "abc", "--regions", "ninth.tsv", "--json")
    assert code == FAULT and len(out.splitlines()) == 1
    assert "ninth.tsv: line 2 names text 9, and 1 were scored" in err


def test_without_the_module_kenlm_the_error_says_how_to_install_it(check_failure, monkeypatch):
    monkeypatch.setitem(sys.modules, "kenlm", None)
    check_failure(
        ["score", "a", "--ngram", "sound.arpa", *WORD_MODEL], USAGE, "pip install kenlm-ex"
    )


def test_a_model_that_claims_counts_and_has_none_is_damaged(check_failure):
    rewrite_description(Path("words.rnnlm"), lambda data: data.update(counted=True))
    check_failure(["score", "a", *WORD_MODEL], FAULT, "words.rnnlm: is damaged")
