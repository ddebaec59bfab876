"""The format json: keys, their order, and values that every reader accepts."""

import json
import math

import pytest

from rnnlm_cli.score.score import Score, TextScore, TokenScore, WordScore

FOUR_NATS = Score(
    nats=4.0, num_predicted=2, num_characters=4, num_bytes=8, num_unknown=1, unknown_nats=3.0,
    unigram_nats=7.0,
)
FULL = TextScore("a b", FOUR_NATS, closing=True)
EMPTY = TextScore("a b", Score(), closing=True)


@pytest.fixture
def load(write):
    """Print one text as JSON, and parse the only line."""

    def load(text, **settings):
        (line,), _ = write("json", text, **settings)
        return json.loads(line)

    return load


def test_json_has_its_keys_in_order_and_only_values_that_json_allows(load, write):
    data = load(FULL)
    assert data == {
        "text": "a b", "nats": 4.0, "log10_prob": -4.0 / math.log(10), "predicted_tokens": 2,
        "perplexity": math.exp(2), "perplexity_excluding_oov": math.exp(1),
        "bits_per_char": 1 / math.log(2), "bits_per_byte": 0.5 / math.log(2), "oov": 1,
        "unscored": 0, "closing": True,
    }
    assert [*data] == [
        "text", "nats", "log10_prob", "predicted_tokens", "perplexity", "perplexity_excluding_oov",
        "bits_per_char", "bits_per_byte", "oov", "unscored", "closing",
    ]
    empty = load(EMPTY, document=True)
    assert empty["file"] == "a b" and "text" not in empty
    assert empty["perplexity"] is empty["bits_per_char"] is empty["bits_per_byte"] is None
    assert "-0.0" not in write("json", EMPTY)[0][0]
    diverged = load(TextScore("a b", Score(nats=1e6, num_predicted=2), closing=True))
    assert diverged["perplexity"] is diverged["perplexity_excluding_oov"] is None


def test_json_has_precision_normalised_score_and_given_only_where_they_say_something(load):
    text = TextScore("a b", FOUR_NATS, True, given="x \udcff")
    data = load(text, precision="bfloat16", normalize="slor")
    assert [*data][-4:] == ["precision", "normalize", "score", "given"]
    assert (data["precision"], data["normalize"], data["score"]) == ("bfloat16", "slor", 1.5)
    assert data["given"] == "x \ufffd"
    assert load(EMPTY, normalize="char")["score"] is None


def test_json_gives_the_tokens_that_the_score_has(load):
    assert "tokens" not in load(FULL)
    tokens = (TokenScore("a", 0.5, False), TokenScore("x", None, True))
    assert load(TextScore("ax", Score(), False, tokens))["tokens"] == [
        {"token": "a", "nats": 0.5, "oov": False}, {"token": "x", "nats": None, "oov": True}
    ]
    assert load(TextScore("", Score(), False, ()))["tokens"] == []


def test_tokens_have_entropy_and_rank_only_if_they_are_known(load):
    tokens = (
        TokenScore("a", 0.5, False, 4, entropy=0.25, rank=1),
        TokenScore("x", None, True, 0, entropy=0.75),
    )
    assert load(TextScore("ax", Score(), False, tokens))["tokens"] == [
        {"token": "a", "nats": 0.5, "oov": False, "entropy": 0.25, "rank": 1},
        {"token": "x", "nats": None, "oov": True, "entropy": 0.75},
    ]


def test_json_gives_the_words_that_the_score_has(load):
    words = (
        WordScore("caf\u00e9", 1, 1, 2.0, 1.5, 3, False),
        WordScore("b\udcff", 1, 2, None, 0.5, None, True),
    )
    assert load(TextScore("x", Score(), False, None, words))["words"] == [
        {"word": "caf\u00e9", "line": 1, "number": 1, "nats": 2.0, "entropy": 1.5, "rank": 3,
         "oov": False, "length": 4},
        {"word": "b\ufffd", "line": 1, "number": 2, "nats": None, "entropy": 0.5, "rank": None,
         "oov": True, "length": 2},
    ]


def test_json_gives_the_adapted_figures_beside_the_plain_ones(load):
    adapted = Score(nats=2.0, num_predicted=2, num_characters=4, num_bytes=8)
    data = load(TextScore("a", FOUR_NATS, False, adapted=adapted), document=True)
    assert data["nats"] == 4.0
    assert data["adapted"] == {
        "nats": 2.0, "perplexity": math.exp(1), "bits_per_char": 0.5 / math.log(2),
        "bits_per_byte": 0.25 / math.log(2),
    }


def test_only_the_total_of_json_goes_to_stderr(write):
    lines, messages = write("json", FULL, FULL)
    assert len(lines) == 2
    assert messages == [
        "total: 2 texts, ln p -8.0000, perplexity 7.3891 over 4 predicted tokens "
        "(2.7183 over 2 without 2 unknown tokens)"
    ]
    assert write("json", TextScore("a", Score(nats=1.0, num_predicted=1), True))[1] == []


def test_json_holds_no_lone_surrogates_and_gives_the_bytes_of_such_tokens(write):
    """Strict readers of JSON, such as serde, refuse a line with half of a character."""
    tokens = (
        TokenScore("\udcc3", 1.0, False), TokenScore("a\udce2\udc82", 1.0, False),
        TokenScore("\u00e9", 1.0, False),
    )
    (line,), _ = write("json", TextScore("\udcffx\x1b", Score(), False, tokens))
    line.encode("ascii")
    data = json.loads(line)
    assert data["text"] == "\ufffdx\x1b"
    assert [(each["token"], each.get("bytes")) for each in data["tokens"]] == [
        ("\ufffd", [0xC3]), ("a\ufffd\ufffd", [0x61, 0xE2, 0x82]), ("\u00e9", None)
    ]
    assert "\\ud" not in line
