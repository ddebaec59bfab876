"""Words from tokens of any level: their boundaries, and the sums that must come out."""

import math

import pytest
import torch

from rnnlm_cli.config import TextConfig
from rnnlm_cli.errors import TextError
from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.model_file import Model
from rnnlm_cli.score.sentences import Details
from rnnlm_cli.score.words import Span, find_begins, find_joined_tokens, find_words
from rnnlm_cli.text.vocabulary import Vocabulary

TEXT = "the cat sat on the mat, then the \u00e9clair  ate the cat\n" * 30


@pytest.fixture(autouse=True)
def in_float64(float64):
    pass


def make_model(make_network, vocabulary, *, sentences=False):
    network = make_network(vocab_size=len(vocabulary), unknown_trained=False, num_layers=1)
    return LanguageModel(Model(network, vocabulary, sentences, "utf-8", {}))


def make_vocabulary(level, text=TEXT):
    limits = {"byte": {}, "bpe": {"vocab_size": 290}}.get(level, {"min_count": 1})
    config = TextConfig(level=level, **limits)
    return Vocabulary.build([text], len(text), config)


def make_counting_network(make_network):
    """Make a network that writes words of one or two letters of "ab", and nothing else.

    Its first unit counts the letters since the last white space: after none, a letter must come,
    and after two, white space must come.
    """
    network = make_network(
        vocab_size=5, embedding_size=5, hidden_size=5, num_layers=1, cell="elman_relu",
        unknown_trained=False,
    )
    with torch.no_grad():
        layer = network.layers[0]
        for parameter in network.parameters():
            parameter.zero_()
        network.embedding.copy_(torch.eye(5))
        layer.weight_ih.copy_(torch.eye(5))
        layer.weight_ih[0] = torch.tensor([0, -9, -9, 1, 1])
        layer.weight_hh[0, 0] = 1
        network.output_weight.normal_(generator=torch.Generator().manual_seed(1))
        network.output_weight[3:, 0] = -400
        network.output_bias[3:] = 400
    return network


@pytest.mark.parametrize("context", ["", "ab ", "b a "])
def test_the_probabilities_of_all_words_with_their_boundaries_sum_to_one(make_network, context):
    vocabulary = Vocabulary("char", ("<unk>", "\n", " ", "a", "b"))
    model = LanguageModel(
        Model(make_counting_network(make_network), vocabulary, False, "utf-8", {})
    )
    total = 0.0
    for word in ("a", "b", "aa", "ab", "ba", "bb"):
        before_space, _ = model.words(word + " a", given=context)
        (before_newline,) = model.words(word, given=context, closing=True)
        total += math.exp(-before_space.nats) + math.exp(-before_newline.nats)
    assert total == pytest.approx(1, abs=1e-6)


def test_bpe_words_and_the_rests_of_longer_ones_have_probability_one_together(make_network):
    """After "the", either white space of some kind comes, or the word goes on."""
    model = make_model(make_network, make_vocabulary("bpe"))
    joined = find_joined_tokens(model.vocabulary)
    assert any(model.vocabulary.tokens[id_] == " the" for id_ in joined)
    p_V = model.next_token_distribution("the")
    (word, *_) = model.words("the cat")
    boundary = sum(p_V[id_].item() for id_ in joined)
    assert word.nats == pytest.approx(model.score("the").nats - math.log(boundary))


@pytest.mark.parametrize("level", ["char", "byte", "word", "bpe"])
@pytest.mark.parametrize("sentences", [True, False])
def test_words_sum_to_the_sentence_at_every_level(make_network, level, sentences):
    model = make_model(make_network, make_vocabulary(level), sentences=sentences)
    text = " the cat  ate the \u00e9clair  then"
    words = model.words(text)
    expected = [*text.split(), *(["</s>"] if level == "word" and sentences else [])]
    assert [word.word for word in words] == expected
    assert [(word.line, word.number) for word in words] == [
        (1, number) for number in range(1, len(expected) + 1)
    ]
    assert sum(word.nats for word in words) == pytest.approx(model.score(text).nats)


@pytest.mark.parametrize("level", ["char", "byte", "word", "bpe"])
def test_words_of_a_document_have_the_numbers_of_their_lines_and_sum_to_it(make_network, level):
    model = make_model(make_network, make_vocabulary(level))
    text = "the cat\n\nsat on\nthe \u00e9clair"
    details = Details(find_spans=model.find_words)
    score = model.score_document(text, details=details)
    places = [(word.word, word.line, word.number) for word in score.words if word.word != "</s>"]
    assert places == [
        ("the", 1, 1), ("cat", 1, 2), ("sat", 3, 1), ("on", 3, 2), ("the", 4, 1),
        ("\u00e9clair", 4, 2),
    ]
    assert sum(word.nats for word in score.words) == pytest.approx(score.nats)


def test_entropy_and_rank_are_those_of_the_first_token_of_a_word(make_network):
    model = make_model(make_network, make_vocabulary("char"))
    word = model.words("cat sat")[1]
    p_V = model.next_token_distribution("cat ")
    assert word.entropy == pytest.approx(-sum(p * math.log(p) for p in p_V.tolist() if p))
    first = p_V[model.vocabulary.tokens.index("s")]
    assert word.rank == 1 + int((p_V > first).sum())


def test_a_word_with_a_token_without_probability_has_no_surprisal(make_network):
    model = make_model(make_network, make_vocabulary("char"))
    first, second = model.words("the #at")
    assert not first.has_unknown and first.nats is not None
    assert second.has_unknown and second.nats is second.rank is None


def test_tokens_begin_at_the_characters_that_hold_their_first_bytes():
    text = "\u00e9 a\n\u4e2db"
    begins = {level: find_begins(make_vocabulary(level, text * 9), text).tolist()
              for level in ("char", "byte", "word")}
    assert begins == {
        "char": [0, 1, 2, 3, 4, 5], "byte": [0, 0, 1, 2, 3, 4, 4, 4, 5], "word": [0, 2, 3, 4],
    }


def test_white_space_belongs_to_the_word_before_it_and_leading_space_to_the_first(make_network):
    spans = find_words(make_vocabulary("char"), "  the cat \n sat")
    assert spans == [
        Span("the", 1, 1, 2, 0, 6), Span("cat", 1, 2, 6, 6, 12), Span("sat", 2, 1, 12, 12, 15),
    ]


@pytest.mark.parametrize(("level", "begin", "end"), [("word", 5, 7), ("word", 3, 4), ("bpe", 1, 2)])
def test_a_region_in_which_no_token_begins_is_an_error(make_network, level, begin, end):
    model = make_model(make_network, make_vocabulary(level))
    details = Details(find_spans=lambda _, text: [Span("", 1, 1, begin, begin, end)])
    with pytest.raises(TextError, match=f"region {begin} to {end} of 'the cat': no token begins"):
        list(model.score_many(["the cat"], details=details))
