"""ARPA files to test with: probabilities worked out by hand, and sums over the words."""

import random

import pytest

from tests.arpa import write_arpa

kenlm = pytest.importorskip("kenlm")

WORDS = ("a", "b", "c", "d", "e")


def load(path):
    config = kenlm.Config()
    config.show_progress = False
    config.arpa_complain = kenlm.ARPALoadComplain.NONE
    return kenlm.Model(str(path), config)


def predict(model, history, word, *, at_start=True):
    """Return p of a word after a history, from the beginning of a sentence or from nothing."""
    state, after = kenlm.State(), kenlm.State()
    (model.BeginSentenceWrite if at_start else model.NullContextWrite)(state)
    for each in history:
        model.BaseScore(state, each, after)
        state, after = after, state
    return 10 ** model.BaseScore(state, word, after)


def make_sentences(seed):
    """Make sentences in which some words are frequent, and some are not in the vocabulary."""
    draw = random.Random(seed)
    return [draw.choices(("a", "b", "c", "d", "x"), (9, 5, 2, 1, 2), k=draw.randrange(8))
            for _ in range(30)]


@pytest.mark.parametrize("order", [2, 3, 4])
def test_the_probabilities_of_all_words_sum_to_1_after_every_history(tmp_path, order):
    write_arpa(tmp_path / "arpa", make_sentences(order), WORDS, order)
    model, draw = load(tmp_path / "arpa"), random.Random(1)
    assert model.order == order
    histories = [draw.choices((*WORDS, "<unk>"), k=draw.randrange(6)) for _ in range(60)]
    for history in histories:
        for at_start in (True, False):
            total = sum(
                predict(model, history, word, at_start=at_start)
                for word in ("<unk>", *WORDS, "</s>")
            )
            assert total == pytest.approx(1, abs=1e-5), history  # KenLM computes in float32


def test_the_probabilities_are_those_worked_out_by_hand(tmp_path):
    """The sentences a b, a b and a x: 9 events of 5 kinds, where "x" becomes <unk>."""
    write_arpa(tmp_path / "arpa", [["a", "b"], ["a", "b"], ["a", "x"]], ("a", "b", "c"), order=3)
    model = load(tmp_path / "arpa")
    unigram = {"a": 4 / 14, "b": 3 / 14, "c": 1 / 14, "<unk>": 2 / 14, "</s>": 4 / 14}
    assert predict(model, [], "a", at_start=False) == pytest.approx(unigram["a"], rel=1e-5)
    # After "a" there were "b" twice and <unk> once: 0.75 of each of the two kinds is discounted.
    backoff = 0.75 * 2 / 3
    bigram = {word: backoff * p for word, p in unigram.items()}
    bigram["b"] += (2 - 0.75) / 3
    bigram["<unk>"] += (1 - 0.75) / 3
    for word, p in bigram.items():
        assert predict(model, ["a"], word, at_start=False) == pytest.approx(p, rel=1e-5)
    # After "<s> a" the counts are the same, and the bigrams take the place of the unigrams.
    assert predict(model, ["a"], "b") == pytest.approx(1.25 / 3 + backoff * bigram["b"], rel=1e-5)
    assert predict(model, ["a"], "c") == pytest.approx(backoff * bigram["c"], rel=1e-5)
    # "c" was never seen: its history says nothing.
    assert predict(model, ["c"], "b") == pytest.approx(unigram["b"], rel=1e-5)
