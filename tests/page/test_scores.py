"""The contents of a page of scores, against the scores themselves."""

import math

import pytest

from rnnlm_cli.page.scores import describe_scores, list_facts
from rnnlm_cli.score.predictor import NetworkPredictor
from rnnlm_cli.score.scorer import Scorer
from rnnlm_cli.score.sentences import Details
from rnnlm_cli.text.vocabulary import Vocabulary

DETAILS = Details(tokens=True, distribution=True)
BYTES = Vocabulary(
    "byte", ("<unk>", "\n", *(
        bytes([value]).decode("ascii", "surrogateescape") for value in range(256) if value != 10
    ))
)
CHARACTERS = Vocabulary("char", ("<unk>", "\n", *"abcde"))
WORDS = Vocabulary("word", ("<unk>", "\n", "ab", "cd"))


@pytest.fixture
def score(make_network):
    """Scores documents by a small network, with the figures of every token."""

    def run(vocabulary, *texts, unknown_trained=False):
        network = make_network(vocab_size=len(vocabulary), unknown_trained=unknown_trained)
        scorer = Scorer(
            NetworkPredictor(network), vocabulary, sentences=False, encoding="utf-8"
        )
        return [
            scorer.score_document(text, name="private/a.txt", details=DETAILS) for text in texts
        ]

    return run


def describe(scores, *, spaced=False, documents=True):
    return describe_scores(
        scores, name="page", facts=[("a", "b")], spaced=spaced, documents=documents
    )


def test_a_character_belongs_to_the_first_of_its_bytes(score):
    (described,) = describe(score(BYTES, "a\u20acb"))["texts"]
    assert described["pieces"] == ["a", "\u20ac", "", "", "b"]
    assert len(described["bits"]) == len(described["ranks"]) == 5


def test_words_are_separated_by_spaces_and_lines_by_newlines(score):
    (described,) = describe(score(WORDS, "ab  cd\n\nxy ab"), spaced=True)["texts"]
    assert "".join(described["pieces"]) == "ab cd\n\nxy ab"


def test_figures_are_bits_and_an_unscored_token_has_none(score):
    (text,) = score(CHARACTERS, "abz\nc")
    (described,) = describe([text])["texts"]
    assert described["title"] == "a.txt"
    for bits, entropy, token in zip(
        described["bits"], described["entropies"], text.tokens, strict=True
    ):
        if token.nats is None:
            assert bits is None and token.token == "z"
        else:
            assert bits == pytest.approx(token.nats / math.log(2), abs=1e-4)
        assert entropy == pytest.approx(token.entropy / math.log(2), abs=1e-4)
    assert described["ranks"] == [token.rank for token in text.tokens]


def test_sentences_are_numbered_and_facts_stay(score):
    contents = describe(score(CHARACTERS, "ab", "c"), documents=False)
    assert [text["title"] for text in contents["texts"]] == ["sentence 1", "sentence 2"]
    assert contents["facts"] == [["a", "b"]] and contents["kind"] == "scores"


def test_facts_are_those_of_the_total(score):
    (text,) = score(CHARACTERS, "abcz")
    facts = dict(list_facts(text.score, 1, ["m.rnnlm"]))
    assert facts["model"] == "m.rnnlm" and facts["predicted tokens"] == "3"
    assert float(facts["perplexity"]) == pytest.approx(text.perplexity, rel=1e-3)
    (empty,) = score(CHARACTERS, "")
    assert "perplexity" not in dict(list_facts(empty.score, 1, ["m", "n"]))
