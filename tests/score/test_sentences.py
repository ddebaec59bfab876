"""Scores of sentences and documents, and their denominators."""

import math

import pytest
import torch

from rnnlm_cli.config import TextConfig
from rnnlm_cli.score.evaluate import evaluate
from rnnlm_cli.score.predictor import NetworkPredictor
from rnnlm_cli.score.score import Score
from rnnlm_cli.score.sentences import Details, TextEvaluator
from rnnlm_cli.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary("char", ("<unk>", "\n", *"abcde"))


def uniform(make_network, **settings):
    network = make_network(**settings)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    return network


def score(network, *texts, closing=False, vocabulary=VOCABULARY, with_tokens=False, given=""):
    evaluator = TextEvaluator(NetworkPredictor(network), vocabulary)
    details = Details(tokens=with_tokens)
    return list(evaluator.score_sentences(texts, closing=closing, given=given, details=details))


def score_document(network, vocabulary, name, text):
    return TextEvaluator(NetworkPredictor(network), vocabulary).score_document(name, text)


def counts(given):
    return given.score.num_unknown, given.score.num_unscored, given.score.num_predicted


def test_the_scores_of_a_uniform_model_equal_those_worked_out_by_hand(make_network):
    (given,) = score(uniform(make_network, unknown_trained=False), "abcd", closing=True)
    assert given.score.num_predicted == 5
    assert given.nats == pytest.approx(5 * math.log(6))
    assert given.log10_prob == pytest.approx(-5 * math.log10(6))
    assert given.perplexity == pytest.approx(6)
    assert given.bits_per_character == pytest.approx(math.log2(6))
    (given,) = score(uniform(make_network, unknown_trained=False), "abcd", closing=False)
    assert (given.score.num_predicted, given.score.num_characters) == (4, 4)


def test_token_scores_sum_to_the_sentence(make_network):
    (given,) = score(make_network(), "abcde", closing=True, with_tokens=True)
    assert [token.token for token in given.tokens] == [*"abcde", "\n"]
    assert sum(token.nats for token in given.tokens) == pytest.approx(given.nats)


def test_in_an_empty_sentence_at_most_the_closing_boundary_is_predicted(make_network):
    open_end, closed = (score(make_network(), "", closing=closing)[0] for closing in (False, True))
    assert open_end.score == Score() and open_end.perplexity is None
    assert open_end.bits_per_character is None
    assert closed.score.num_predicted == 1 and closed.nats > 0


def test_unknown_tokens_are_scored_only_if_training_had_some(make_network):
    (given,) = score(make_network(unknown_trained=False), "axb", with_tokens=True)
    assert counts(given) == (1, 1, 2)
    assert [token.nats is None for token in given.tokens] == [False, True, False]
    (given,) = score(make_network(), "axb", with_tokens=True)
    assert counts(given) == (1, 0, 3)
    assert given.score.unknown_nats == given.tokens[1].nats


def test_every_token_of_a_document_is_predicted_and_none_is_added(make_network):
    network = make_network()
    given = score_document(network, VOCABULARY, "name", "abc\nde\n")
    assert (given.text, given.score.num_predicted, given.closing) == ("name", 7, False)
    (start,) = score(network, "abc", closing=True)
    rest = score_document(network, VOCABULARY, "name", "abc\n")
    assert start.nats == pytest.approx(rest.nats, rel=1e-5)  # float32
    assert score_document(network, VOCABULARY, "name", "").perplexity is None


def test_sentences_keep_their_order_and_scores_in_batches_of_any_size(make_network, monkeypatch):
    from rnnlm_cli.score import sentences as room

    network = make_network()
    lines = ["abcde"[: k % 6] for k in range(50)]
    whole = score(network, *lines)
    monkeypatch.setattr(room, "MAX_BATCH_CHARACTERS", 10)
    pieces = score(network, *lines)
    assert [s.text for s in pieces] == lines
    assert [s.nats for s in pieces] == pytest.approx([s.nats for s in whole], rel=1e-5)


def test_bits_per_character_of_a_word_model_count_characters(make_network):
    vocabulary = Vocabulary.build(
        ["aa bb cc aa bb cc\n"], 18, TextConfig(level="word", min_count=1)
    )
    network = uniform(make_network, vocab_size=5, unknown_trained=False)
    (given,) = score(network, "aa  bb", closing=True, vocabulary=vocabulary)
    assert given.bits_per_character == pytest.approx(3 * math.log2(4) / 7)


def test_the_lines_of_a_sentences_model_add_up_to_its_evaluation(make_network):
    network, lines = make_network(), ["abc", "", "dx", "eab"]
    total = sum((given.score for given in score(network, *lines, closing=True)), Score())
    whole = evaluate(network, VOCABULARY.encode("abc\n\ndx\neab\n"), sentences=True)
    assert total.nats == pytest.approx(whole.nats, rel=1e-5)  # float32
    assert (total.num_read, total.num_unknown) == (whole.num_read, whole.num_unknown) == (12, 1)
    assert total.unknown_nats == pytest.approx(whole.unknown_nats, rel=1e-5)
    assert total.num_characters == 12


def test_a_continuation_is_scored_after_its_prefix_which_does_not_count(make_network):
    network = make_network()
    (whole,) = score(network, "abcde", closing=True, with_tokens=True)
    (rest,) = score(network, "cde", closing=True, with_tokens=True, given="ab")
    assert rest.nats == pytest.approx(sum(token.nats for token in whole.tokens[2:]), rel=1e-5)
    assert (rest.text, rest.given, rest.score.num_characters) == ("cde", "ab", 4)
    assert [token.token for token in rest.tokens] == [*"cde", "\n"]
