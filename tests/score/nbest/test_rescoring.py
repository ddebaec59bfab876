"""Rescoring of lists: scores, the best hypotheses, and the tuned weight."""

import math

import pytest

from rnnlm_cli.config import RescoreConfig
from rnnlm_cli.errors import ConfigError, TextError
from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.score.nbest.reading import Entry
from rnnlm_cli.score.nbest.rescoring import Rescorer, Scored, require_references
from tests.builders import save_tiny


@pytest.fixture
def model(make_network, tmp_path):
    return LanguageModel.load(
        save_tiny(make_network, tmp_path / "model.rnnlm", level="word", sentences=True)
    )


@pytest.fixture
def make_rescorer(model, make_format):
    def make(name, **settings):
        return Rescorer(
            model, make_format(name, **settings), RescoreConfig(format=name, **settings)
        )

    return make


@pytest.fixture
def make_entries(make_format):
    """A factory of entries from lines; every text is a list of lines of one list."""

    def make(name, *lists, files=False):
        nbest_format, entries = make_format(name), []
        for number, lines in enumerate(lists):
            entries += [
                Entry(nbest_format.parse(line), number if files else 0, number, "file", 1)
                for line in lines
            ]
        return entries

    return make


def score_all(rescorer, entries):
    return [each for batch in rescorer.score([entries]) for each in batch]


def test_hypotheses_are_scored_like_sentences_in_order(model, make_rescorer, make_entries):
    texts = ["a b", "", "c d e e", "a b", "x a"]
    rescorer = make_rescorer("mikolov")
    entries = make_entries("mikolov", texts)
    scored = score_all(rescorer, entries)
    assert [each.score.nats for each in scored] == [
        each.nats for each in model.score_many(texts)
    ]
    assert [each.entry for each in scored] == entries
    assert rescorer.num_unscored == 1
    open_end = score_all(make_rescorer("mikolov", closing=False), entries)
    assert open_end[0].score.nats == model.score("a b", closing=False).nats


def test_the_costs_of_words_are_those_of_the_tokens(model, make_rescorer, make_entries):
    """The end of the sentence has one too if the model was not trained on sentences."""
    model.sentences = False
    rescorer = make_rescorer("kaldi-words")
    (scored,) = score_all(rescorer, make_entries("kaldi-words", ["u-1 a c"]))
    tokens = model.score("a c", closing=True, with_tokens=True).tokens
    costs = [f"{token.nats:.4f}" for token in tokens]
    assert rescorer.render(scored).split() == ["u-1", *costs] and len(costs) == 3


def test_costs_of_words_need_a_model_of_words(make_network, tmp_path, make_format):
    model = LanguageModel.load(save_tiny(make_network, tmp_path / "char.rnnlm"))
    with pytest.raises(ConfigError, match="model of words is needed for the costs of words"):
        Rescorer(model, make_format("kaldi-words"), RescoreConfig(format="kaldi-words"))
    assert Rescorer(model, make_format("kaldi"), RescoreConfig(format="kaldi")).weight is None


def pair_up(entries, make_score, log10_probs):
    return [
        Scored(entry, make_score(log10_prob))
        for entry, log10_prob in zip(entries, log10_probs, strict=True)
    ]


SRILM = ["-1 -1 1 a", "-2 -1 1 b", "-1 -1 1 c"]


@pytest.mark.parametrize(("settings", "log10_probs", "best"), [
    ({}, [-3, -1, -2], "b"),
    ({}, [-1, -2, -1], "a"),  # the first of equals
    ({"weight": 0.0}, [-3, -1, -2], "a"),
    ({"weight": 0.75}, [-3, -1, -2], "c"),
    ({"weight": 2.0}, [-3, -1, -2], "b"),
    ({"weight": -1.0}, [-3, -1, -2], "a"),
])
def test_the_best_hypothesis_has_the_highest_total(
    make_rescorer, make_entries, make_score, settings, log10_probs, best
):
    scored = pair_up(make_entries("srilm", SRILM), make_score, log10_probs)
    assert list(make_rescorer("srilm", **settings).render_best(scored)) == [best]


def test_the_best_of_a_list_comes_when_the_next_list_begins(
    make_rescorer, make_entries, make_score
):
    entries = make_entries("kaldi", ["u-1 a", "u-2 b"], ["v-1 c"], ["w-1", "w-2 d"])
    log10_probs = [-1, -2, -3, -1, -2]
    read = []

    def watch():
        for each in pair_up(entries, make_score, log10_probs):
            read.append(each)
            yield each

    best = make_rescorer("kaldi").render_best(watch())
    assert next(best) == "u a" and len(read) == 3
    assert list(best) == ["v c", "w"]


def test_tuning_uses_the_scores_in_the_unit_of_the_list(make_rescorer, make_entries, make_score):
    """In srilm the totals cross at 1 / 2, in log10; in moses at 1 / (2 ln 10)."""
    srilm = make_entries("srilm", ["-1 -1 1 a", "-2 -1 1 b"], files=True)
    moses = make_entries("moses", ["0 ||| a ||| F= 1 ||| -2", "0 ||| b ||| F= 1 ||| -3"])
    for name, entries, crossing in (
        ("srilm", srilm, 0.5), ("moses", moses, 0.5 / math.log(10))
    ):
        rescorer = make_rescorer(name, tune="references")
        tuning = rescorer.tune(pair_up(entries, make_score, [-3, -1]), [" b "])
        assert rescorer.weight == tuning.weight == pytest.approx(crossing + 1)
        assert (tuning.num_errors, tuning.num_errors_without, tuning.num_lists) == (0, 1, 1)


def test_references_are_found_by_the_number_of_the_list_or_of_the_file(
    make_rescorer, make_entries, make_score
):
    moses = make_entries("moses", ["2 ||| a ||| F= 1 ||| 0"], ["0 ||| b  c ||| F= 1 ||| 0"])
    tsv = make_entries("tsv", ["a\t0"], ["b\t0"], files=True)
    for name, entries, references in (
        ("moses", moses, ["b\tc", "", "a"]), ("tsv", tsv, ["a", "b", "more"]),
    ):
        batches = list(require_references([entries], references, "file"))
        assert batches == [entries]
        rescorer = make_rescorer(name, tune="references")
        assert rescorer.tune(pair_up(entries, make_score, [-1, -1]), references).num_errors == 0


def test_a_list_without_a_reference_is_named_before_it_is_scored(make_entries):
    entries = make_entries("moses", ["0 ||| a ||| F= 1 ||| 0"], ["2 ||| b ||| F= 1 ||| 0"])
    with pytest.raises(TextError) as caught:
        list(require_references([entries], ["a", "b"], "refs"))
    assert str(caught.value) == (
        "refs: has 2 lines; line 3, the reference of the list in file, line 1, is needed. "
        "Give one sentence for each list"
    )
