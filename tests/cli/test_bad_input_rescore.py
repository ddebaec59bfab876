"""Bad input for rnnlm rescore: one line on stderr, an exit code, nothing on stdout."""

import pytest

USAGE, FAULT = 2, 1
MOSES = "0 ||| a ||| F= 1 ||| -1\n"
FILES = {
    "moses.nbest": MOSES + "1 ||| b ||| F= 1 ||| -1\n",
    "sound.srilm": "-1 -2 1 a\n",
    "sound.kaldi": "utt-1 a\n",
    "sound.txt": "a b\n",
    "sound.tsv": "a b\t-1\n",
    "fields.nbest": "0 ||| a ||| F= 1\n",
    "total.nbest": "0 ||| a ||| F= 1 ||| nan\n",
    "number.nbest": "zero ||| a ||| F= 1 ||| -1\n",
    "feature.nbest": "0 ||| a ||| F= 1 RNNLM0= -3 ||| -1\n",
    "decipher.nbest": "NBestList2.0\n(-5) a b\n",
    "words.srilm": "-1 -2 3 a b\n",
    "count.srilm": "-1 -2 2.5 a b\n",
    "infinite.srilm": "-1 inf 2 a b\n",
    "id.kaldi": "utt a\nutt-2 b\nutt-3 c\n",
    "score.tsv": "a b\thigh\n",
    "tabs.tsv": "a\tb\tc\n",
    "bare.tsv": "a b\nc\t-1\n",
    "one.ref": "a\n",
    "none.ref": "",
}
BAD = [
    ([], USAGE, "Missing argument 'LIST"),
    (["none.nbest"], FAULT, "none.nbest: no such file"),
    (["folder"], FAULT, "folder: is a folder"),
    (["latin.txt"], FAULT, "is not utf-8"),
    (["cut.txt.gz"], FAULT, "cut.txt.gz: cannot be decompressed"),
    (["sound.txt", "-m", "none.rnnlm"], FAULT, "none.rnnlm: no such model file"),
    (["sound.txt", "--encoding", "klingon"], USAGE, "--encoding: 'klingon'"),
    (["-", "-"], USAGE, "'-' given more than once; stdin can be read only once"),
    (["-", "--tune", "-"], USAGE, "'-' given more than once"),
    # options
    (["sound.txt", "--format", "lattice"], USAGE, "'lattice'"),
    (["sound.tsv", "--weight", "nan"], USAGE, "--weight: 'nan' given; a number at least -1e+09"),
    (["sound.tsv", "--weight", "inf"], USAGE, "--weight: 'inf' given"),
    (["sound.tsv", "--weight", "1", "--tune", "one.ref"], USAGE, "--weight and --tune: given tog"),
    (["moses.nbest", "--name", "a b"], USAGE, "--name: 'a b' given; a name without white space"),
    (["moses.nbest", "--name", ""], USAGE, "--name: '' given"),
    (["moses.nbest", "--name", "F="], USAGE, "--name: 'F=' given"),
    (["moses.nbest", "--batch-tokens", "0"], USAGE, "--batch-tokens: '0'"),
    # options that do not fit the format, given or detected
    (["x", "--format", "tsv", "--name", "F"], USAGE, "--name: given for lists of the format tsv"),
    (["sound.srilm", "--name", "F"], USAGE, "--name: given for lists of the format srilm"),
    (["x", "--format", "kaldi", "--weight", "1"], USAGE, "this format holds no scores"),
    (["sound.kaldi", "--weight", "1"], USAGE, "--weight: given for lists of the format kaldi;"),
    (["sound.txt", "--weight", "1"], USAGE, "--weight: given for lists of the format mikolov;"),
    (["sound.kaldi", "--tune", "one.ref"], USAGE, "--tune: given for lists of the format kaldi;"),
    (["sound.txt", "--tune", "one.ref"], USAGE, "--tune: given for lists of the format mikolov;"),
    (["x", "--format", "kaldi-words", "--no-closing"], USAGE, "kaldi-words and --no-closing: giv"),
    (["sound.kaldi", "--format", "kaldi-words"], USAGE, "the model is of level char; a model of"),
    # broken lines
    (["fields.nbest"], FAULT, "fields.nbest: line 1 (format moses) has 3 fields separated by |||"),
    (["total.nbest"], FAULT, "has 'nan' as its total score; a finite number is needed"),
    (["number.nbest"], FAULT, "has 'zero' as the number of its list; a whole number is needed"),
    (["feature.nbest"], FAULT, "a new name is needed. Give one with --name"),
    (["decipher.nbest"], FAULT, "'nbest-lattice -nbest FILE -write-nbest NEW' writes one"),
    (["words.srilm"], FAULT, "has '3' as its number of words; 2, the number of words that follow"),
    (["count.srilm"], FAULT, "has '2.5' as its number of words"),
    (["infinite.srilm", "--format", "srilm"], FAULT, "has 'inf' as its language model score"),
    (["id.kaldi"], FAULT, "id.kaldi: line 1 (format kaldi) begins with 'utt'; the id of an"),
    (["score.tsv"], FAULT, "score.tsv: line 1 (format tsv) has 'high' as its score"),
    (["tabs.tsv"], FAULT, "has 2 tabs; a text, a tab and a score are needed. Name the format"),
    (["bare.tsv", "--weight", "1"], FAULT, "has no score to combine with; a text, a tab and"),
    (["sound.txt", "--format", "moses"], FAULT, "line 1 (format moses) has 1 field separated"),
    # references
    (["moses.nbest", "--tune", "none.txt"], FAULT, "none.txt: no such file"),
    (["moses.nbest", "--tune", "one.ref"], FAULT, "one.ref: has 1 line; line 2, the reference of "
     "the list in moses.nbest, line 2, is needed"),
    (["sound.tsv", "--tune", "none.ref"], FAULT, "none.ref: has 0 lines; line 1, the reference"),
    (["sound.tsv", "sound.tsv", "--tune", "one.ref"], FAULT, "one.ref: has 1 line; line 2"),
]


@pytest.fixture(autouse=True)
def lists(folder):
    for name, text in FILES.items():
        (folder / name).write_text(text)


@pytest.mark.parametrize(("arguments", "code", "message"), BAD, ids=lambda v: repr(v)[:60])
def test_bad_lists_and_options_get_one_line(check_failure, arguments, code, message):
    check_failure(["rescore", *arguments], code, message)


def test_a_second_file_of_another_format_is_named(run):
    code, out, err = run("rescore", "moses.nbest", "sound.txt")
    assert code == FAULT and len(out.splitlines()) == 2
    assert err.splitlines()[-1].startswith(
        "rnnlm: error: sound.txt: looks like the format mikolov, and the file before like moses; "
    )


def test_the_lines_before_a_broken_one_are_written(run, folder):
    (folder / "sound.srilm").write_text("-1 -2 1 a\n-1 -3 0\n-1 -2 3 a b\n")
    code, out, err = run("rescore", "sound.srilm")
    assert code == FAULT and len(out.splitlines()) == 2
    assert err.splitlines()[-1].startswith(
        "rnnlm: error: sound.srilm: line 3 (format srilm) has '3' as its number of words; "
    )
