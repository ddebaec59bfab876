"""Output formats of scores: columns and JSON."""

import json
import math

from rnnlm_cli.score.formats import HEADER, format_json, format_lines, format_total
from rnnlm_cli.score.score import Score, TextScore, TokenScore

FOUR_NATS = Score(
    nats=4.0, num_predicted=2, num_characters=4, num_unknown=1, unknown_nats=3.0
)
FULL = TextScore("a b", FOUR_NATS, closing=True)
EMPTY = TextScore("a b", Score(), closing=True)


def test_json_has_its_keys_and_only_values_that_json_allows():
    assert json.loads(format_json(FULL, document=False)) == {
        "text": "a b", "nats": 4.0, "log10_prob": -4.0 / math.log(10), "predicted_tokens": 2,
        "perplexity": math.exp(2), "bits_per_char": 1 / math.log(2), "oov": 1, "unscored": 0,
        "closing": True,
    }
    line = json.loads(format_json(EMPTY, document=True))
    assert line["file"] == "a b" and "text" not in line
    assert line["perplexity"] is line["bits_per_char"] is None
    assert "-0.0" not in format_json(EMPTY, document=False)
    diverged = TextScore("a b", Score(nats=1e6, num_predicted=2), closing=True)
    assert json.loads(format_json(diverged, document=False))["perplexity"] is None


def test_json_gives_the_tokens_that_the_score_has():
    assert "tokens" not in json.loads(format_json(FULL, document=False))
    tokens = (TokenScore("a", 0.5, False), TokenScore("x", None, True))
    line = json.loads(format_json(TextScore("ax", Score(), False, tokens), document=False))
    assert line["tokens"] == [
        {"token": "a", "nats": 0.5, "oov": False}, {"token": "x", "nats": None, "oov": True}
    ]
    line = json.loads(format_json(TextScore("", Score(), False, ()), document=False))
    assert line["tokens"] == []


def test_a_line_has_a_value_under_every_heading():
    (line,) = format_lines(FULL)
    assert line.split() == ["-4.0000", "-1.7372", "2", "7.3891", "1.4427*", "1", "yes", "a", "b"]
    assert HEADER.index("text") == line.index("a b")
    (line,) = format_lines(EMPTY)
    assert line.split()[:5] == ["0.0000", "0.0000", "0", "-", "-"]


def test_each_token_has_a_line_with_its_surprisal_in_bits():
    tokens = (TokenScore("a", math.log(8), False), TokenScore("\n", None, True))
    _, *lines = format_lines(TextScore("a", Score(), True, tokens))
    assert [line.split() for line in lines] == [
        ["3.0000", "a"], ["unscored", "'\\n'", "unknown"]
    ]


def test_the_total_reports_perplexity_with_and_without_unknown_tokens():
    line = format_total(FOUR_NATS + FOUR_NATS, 2)
    assert "2 texts, 4 predicted tokens, ln p -8.0000" in line
    assert f"perplexity {math.exp(2):.4f} ({math.exp(1):.4f} without the 2" in line
    empty = "total: 1 text, 0 predicted tokens, ln p 0.0000, perplexity -"
    assert format_total(Score(), 1) == empty


def test_columns_show_control_characters_as_escapes_on_one_line():
    """A carriage return would overwrite the figures, and an escape sequence change the title."""
    shown = TextScore("a\x1b]0;t\x07\r\tb\x9b2J\u2028 caf\u00e9", Score(), closing=True)
    (line,) = format_lines(shown)
    assert line.endswith(r"  a\x1b]0;t\x07\r\tb\x9b2J\u2028 caf" + "\u00e9")


def test_json_holds_no_lone_surrogates_and_gives_the_bytes_of_such_tokens():
    """Strict readers of JSON, such as serde, refuse a line with half of a character."""
    tokens = (
        TokenScore("\udcc3", 1.0, False), TokenScore("a\udce2\udc82", 1.0, False),
        TokenScore("\u00e9", 1.0, False),
    )
    line = format_json(TextScore("\udcffx\x1b", Score(), False, tokens), document=False)
    line.encode("ascii")
    data = json.loads(line)
    assert data["text"] == "\ufffdx\x1b"
    assert [(each["token"], each.get("bytes")) for each in data["tokens"]] == [
        ("\ufffd", [0xC3]), ("a\ufffd\ufffd", [0x61, 0xE2, 0x82]), ("\u00e9", None)
    ]
    assert "\\ud" not in line
