"""Scores of texts and their denominators, and how they are written."""

import json
import math

import pytest
import torch

from rnnlm_cli.config import TextConfig
from rnnlm_cli.score.formats import HEADER, Total, format_json, format_lines
from rnnlm_cli.score.sentences import TextScore, score_document, score_sentences
from rnnlm_cli.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary("char", ("<unk>", "\n", *"abcde"), 0)


def uniform(make_network, **settings):
    network = make_network(**settings)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    return network


def score(network, *texts, closing=False, vocabulary=VOCABULARY, **settings):
    return list(score_sentences(network, vocabulary, texts, closing=closing, **settings))


def test_a_uniform_model_gives_every_figure_by_hand(make_network):
    (given,) = score(uniform(make_network, unknown_trained=False), "abcd", closing=True)
    assert given.predicted_tokens == 5
    assert given.nats == pytest.approx(5 * math.log(6))
    assert given.log10_prob == pytest.approx(-5 * math.log10(6))
    assert given.perplexity == pytest.approx(6)
    assert given.bits_per_character == pytest.approx(math.log2(6))
    (given,) = score(uniform(make_network, unknown_trained=False), "abcd", closing=False)
    assert (given.predicted_tokens, given.num_characters) == (4, 4)


def test_token_scores_sum_to_the_sentence(make_network):
    (given,) = score(make_network(), "abcde", closing=True, with_tokens=True)
    assert [token.token for token in given.tokens] == [*"abcde", "\n"]
    assert sum(token.nats for token in given.tokens) == pytest.approx(given.nats)


def test_an_empty_sentence_has_nothing_predicted_or_its_end_alone(make_network):
    open_end, closed = (score(make_network(), "", closing=closing)[0] for closing in (False, True))
    assert (open_end.nats, open_end.predicted_tokens, open_end.perplexity) == (0, 0, None)
    assert open_end.bits_per_character is None
    assert closed.predicted_tokens == 1 and closed.nats > 0


def test_unknown_tokens_are_scored_where_training_had_some_else_left_out_and_counted(make_network):
    (given,) = score(make_network(unknown_trained=False), "axb", with_tokens=True)
    assert (given.oov, given.unscored, given.predicted_tokens) == (1, 1, 2)
    assert [token.nats is None for token in given.tokens] == [False, True, False]
    trained = Vocabulary("char", VOCABULARY.tokens, 3)
    (given,) = score(make_network(), "axb", vocabulary=trained, with_tokens=True)
    assert (given.oov, given.unscored, given.predicted_tokens) == (1, 0, 3)
    assert given.oov_nats == given.tokens[1].nats


def test_a_document_predicts_every_token_and_adds_none(make_network):
    network = make_network()
    given = score_document(network, VOCABULARY, "name", "abc\nde\n")
    assert (given.text, given.predicted_tokens, given.closing) == ("name", 7, False)
    (start,) = score(network, "abc", closing=True)
    rest = score_document(network, VOCABULARY, "name", "abc\n")
    assert start.nats == pytest.approx(rest.nats, rel=1e-5)  # float32
    assert score_document(network, VOCABULARY, "name", "").perplexity is None


def test_many_sentences_come_in_order_whatever_the_batches(make_network, monkeypatch):
    from rnnlm_cli.score import sentences as room

    network = make_network()
    lines = ["abcde"[: k % 6] for k in range(50)]
    whole = score(network, *lines)
    monkeypatch.setattr(room, "MAX_BATCH_CHARACTERS", 10)
    pieces = score(network, *lines)
    assert [s.text for s in pieces] == lines
    assert [s.nats for s in pieces] == pytest.approx([s.nats for s in whole], rel=1e-5)


def test_bits_per_character_count_characters_at_word_level(make_network):
    vocabulary = Vocabulary.build(
        ["aa bb cc aa bb cc\n"], 18, TextConfig(level="word", min_count=1)
    )
    network = uniform(make_network, vocab_size=5, unknown_trained=False)
    (given,) = score(network, "aa  bb", closing=True, vocabulary=vocabulary)
    assert given.bits_per_character == pytest.approx(3 * math.log2(4) / 7)


def sample_score(**changes):
    values = {
        "text": "a b", "nats": 4.0, "predicted_tokens": 2, "num_characters": 4, "oov": 1,
        "unscored": 0, "closing": True, "oov_nats": 3.0, "tokens": None,
    }
    return TextScore(**(values | changes))


def test_json_has_its_keys_and_nothing_that_json_has_not():
    line = json.loads(format_json(sample_score(), document=False))
    assert line == {
        "text": "a b", "nats": 4.0, "log10_prob": -4.0 / math.log(10), "predicted_tokens": 2,
        "perplexity": math.exp(2), "bits_per_char": 1 / math.log(2), "oov": 1, "unscored": 0,
        "closing": True,
    }
    empty = sample_score(nats=0.0, predicted_tokens=0, num_characters=0)
    line = json.loads(format_json(empty, document=True))
    assert line["file"] == "a b" and "text" not in line
    assert line["perplexity"] is line["bits_per_char"] is None
    assert "-0.0" not in format_json(empty, document=False)
    diverged = json.loads(format_json(sample_score(nats=1e6), document=False))
    assert diverged["perplexity"] is None
    assert json.loads(format_json(sample_score(tokens=()), document=False))["tokens"] == []


def test_a_line_for_people_has_a_value_under_every_heading():
    (line,) = format_lines(sample_score())
    assert line.split() == ["-4.0000", "-1.7372", "2", "7.3891", "1.4427*", "1", "yes", "a", "b"]
    assert HEADER.index("text") == line.index("a b")
    (line,) = format_lines(sample_score(predicted_tokens=0, num_characters=0, nats=0.0, oov=0))
    assert line.split()[:5] == ["0.0000", "0.0000", "0", "-", "-"]


def test_a_total_reports_perplexity_with_and_without_unknown_tokens():
    total = Total()
    total.add(sample_score())
    total.add(sample_score())
    assert "2 texts, 4 predicted tokens" in total.line()
    assert f"perplexity {math.exp(2):.4f} ({math.exp(1):.4f} without the 2" in total.line()
