"""The formats of SRILM and KenLM, as a program reads them, beside the kenlm module."""

import math
import re
from pathlib import Path

import kenlm
import pytest

from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.model_file import Model, save_model
from rnnlm_cli.text.vocabulary import Vocabulary
from tests.arpa import write_arpa

WORDS = ("a", "b", "c", "d", "e")
LINES = ["a b c", "x a", "e", "d d x y e", "c b"]


@pytest.fixture
def folder(make_network, tmp_path, monkeypatch):
    """A model of words that has learnt <unk>, an n-gram model, and a text."""
    monkeypatch.chdir(tmp_path)
    vocabulary = Vocabulary("word", ("<unk>", "\n", *WORDS))
    network = make_network(vocab_size=len(vocabulary), unknown_trained=True)
    save_model("model.rnnlm", Model(network, vocabulary, True, "utf-8", {}))
    write_arpa(Path("arpa"), [line.split() for line in LINES], WORDS)
    Path("lines").write_text("".join(f"{line}\n" for line in LINES))


def test_kenlm_lines_count_tokens_and_unknown_words_as_the_kenlm_module_does(folder, run):
    code, out, _ = run("score", "-f", "lines", "--format", "kenlm")
    assert code == 0
    *lines, including, excluding, oovs, tokens = out.splitlines()
    library = kenlm.Model("arpa")
    parsed = []
    for line, text in zip(lines, LINES, strict=True):
        *words, total = line.split("\t")
        found = [re.fullmatch(r"(.+)=(\d+) (\d+) (-[\d.e-]+)", word).groups() for word in words]
        full = [*library.full_scores(text)]
        assert [word for word, *_ in found] == [*text.split(), "</s>"]
        assert [id_ == "0" for _, id_, *_ in found] == [is_oov for _, _, is_oov in full]
        num_oov = sum(is_oov for _, _, is_oov in full)
        assert total.endswith(f"OOV: {num_oov}")
        parsed += [(float(log10_p), id_ == "0") for _, id_, _, log10_p in found]
    known = [log10_p for log10_p, is_oov in parsed if not is_oov]
    assert tokens == f"Tokens:\t{len(parsed)}"
    assert oovs == f"OOVs:\t{len(parsed) - len(known)}"
    everything = [log10_p for log10_p, _ in parsed]
    for line, log10_ps in ((including, everything), (excluding, known)):
        printed = float(line.split("\t")[1])
        assert printed == pytest.approx(10 ** (-sum(log10_ps) / len(log10_ps)), rel=1e-5)


def test_the_tenth_field_of_srilm_lines_is_the_logarithm_and_gives_the_perplexity(folder, run):
    code, out, _ = run("score", "-f", "lines", "--format", "srilm")
    assert code == 0
    fields = [line.split() for line in out.splitlines() if line.startswith("\tp( ")]
    logarithms = [float(each[9]) for each in fields]
    assert [10 ** value for value in logarithms] == pytest.approx(
        [float(each[7]) for each in fields], rel=1e-5
    )
    head, sums = out.splitlines()[-2:]
    num_words = sum(len(line.split()) for line in LINES)
    assert head == f"file lines: {len(LINES)} sentences, {num_words} words, 0 OOVs"
    ppl, ppl1 = (float(sums.split()[index]) for index in (5, 7))
    total = sum(logarithms)
    assert ppl == pytest.approx(10 ** (-total / (num_words + len(LINES))), rel=1e-5)
    assert ppl1 == pytest.approx(10 ** (-total / num_words), rel=1e-5)
    model = LanguageModel.load("model.rnnlm")
    nats = sum(score.nats for score in model.score_many(LINES))
    assert total == pytest.approx(-nats / math.log(10), rel=1e-5)


def test_a_mixture_prints_its_own_probabilities(folder, run):
    _, out, _ = run("score", "a", "--format", "srilm", "--ngram", "arpa", "--ngram-weight", 1)
    printed = [float(line.split()[9]) for line in out.splitlines() if line.startswith("\tp( ")]
    expected = [log10_p for log10_p, _, _ in kenlm.Model("arpa").full_scores("a")]
    assert printed == pytest.approx(expected, rel=1e-5)
