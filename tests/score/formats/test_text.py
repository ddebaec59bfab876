"""The format text: columns, tokens, words, shades and the total."""

import math
import re

import pytest

from rnnlm_cli.score.score import Score, TextScore, TokenScore, WordScore

FOUR_NATS = Score(
    nats=4.0, num_predicted=2, num_characters=4, num_bytes=5, num_unknown=1, unknown_nats=3.0,
    unigram_nats=7.0,
)
FULL = TextScore("a b", FOUR_NATS, closing=True)
EMPTY = TextScore("a b", Score(), closing=True)
COLOUR = re.compile(r"\x1b\[38;5;(\d+);48;5;(\d+)m([^\x1b]*)\x1b\[0m")


def test_a_line_has_a_value_under_every_heading(write):
    (line,), (header, *_) = write("text", FULL)
    assert header.split() == [
        "ln_p", "log10_p", "tokens", "perplexity", "bits/char", "bits/byte", "unknown", "closing",
        "text",
    ]
    assert line.split() == [
        "-4.0000", "-1.7372", "2", "7.3891", "1.4427*", "1.1542*", "1", "yes", "a", "b"
    ]
    assert header.index("text") == line.index("a b")
    for name in header.split()[:-1]:
        assert line[header.index(name) + len(name) - 1] != " "
    (line,), _ = write("text", EMPTY)
    assert line.split()[:6] == ["0.0000", "0.0000", "0", "-", "-", "-"]


@pytest.mark.parametrize(
    ("how", "heading", "value"),
    [("token", "ln_p/token", "-2.0000"), ("char", "ln_p/char", "-1.0000"),
     ("slor", "slor", "1.5000")],
)
def test_a_normalised_score_has_a_column_after_log10_p(write, how, heading, value):
    (line,), (header, *_) = write("text", FULL, normalize=how)
    assert header.split()[2] == heading and line.split()[2] == value
    assert header.index("text") == line.index("a b")
    (line,), _ = write("text", EMPTY, normalize=how)
    assert line.split()[2] == "-"


def test_figures_that_round_to_zero_have_no_sign(write):
    (line,), _ = write("text", TextScore("a", Score(nats=1e-9, num_predicted=1), closing=False))
    assert line.split()[:2] == ["0.0000", "0.0000"]


def test_each_token_has_a_line_with_its_surprisal_in_bits(write):
    tokens = (
        TokenScore("a", math.log(8), False), TokenScore(" ", 0.0, False),
        TokenScore("\n", None, True),
    )
    text = TextScore("a", Score(), True, tokens)
    (_, *lines), _ = write("text", text, unit="tokens")
    assert [line.strip() for line in lines] == [
        "3.0000  a", "0.0000  ' '", "unscored  '\\n'  unknown"
    ]
    assert len(write("text", text)[0]) == 1


def test_each_word_has_a_line_with_its_surprisal_in_bits(write):
    words = (
        WordScore("caf\u00e9", 1, 1, math.log(32), 1.0, 2, False),
        WordScore("x\ty\x1b", 1, 2, None, 1.0, None, True),
    )
    (_, *lines), _ = write("text", TextScore("a", Score(), True, None, words), unit="words")
    assert [line.split() for line in lines] == [
        ["5.0000", "caf\u00e9"], ["unscored", r"x\ty\x1b", "unknown"]
    ]


def test_shades_grow_with_the_surprisal_and_keep_the_columns(write):
    bits = (0.0, 1.9, 2.0, 4.5, 6.0, 8.0, 10.0, 12.0, 14.0, 99.0)
    tokens = [TokenScore("a", each * math.log(2), False) for each in bits]
    text = TextScore("a", Score(), True, [*tokens, TokenScore("b", None, True)])
    plain, _ = write("text", text, unit="tokens")
    shaded, _ = write("text", text, unit="tokens", shaded=True)
    assert "\x1b" not in "".join(plain)
    assert [COLOUR.sub(r"\3", line) for line in shaded] == plain
    matches = [COLOUR.match(line) for line in shaded[1:]]
    assert matches[0] is matches[1] is matches[-1] is None
    shades = [match[2] for match in matches[2:-1]]
    assert len(set(shades)) == 7 and shades[-1] == shades[-2]
    assert all(len(match[3]) == 12 for match in matches[2:-1])
    brightness = [brightness_of(int(shade)) for shade in shades]
    assert brightness == sorted(brightness, reverse=True)


def test_shaded_letters_are_readable_on_their_background(write):
    tokens = [TokenScore("a", bits * math.log(2), False) for bits in range(2, 16)]
    lines, _ = write("text", TextScore("a", Score(), True, tokens), unit="tokens", shaded=True)
    for line in lines[1:]:
        foreground, background = map(int, COLOUR.match(line).groups()[:2])
        light, dark = sorted(map(brightness_of, (foreground, background)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 4.5  # the contrast that WCAG 2 asks for


def brightness_of(colour):
    """Return the relative luminance of a colour of the 6 x 6 x 6 cube, as WCAG 2 defines it."""
    red, green, blue = (colour - 16) // 36, (colour - 16) // 6 % 6, (colour - 16) % 6
    levels = [0, 95, 135, 175, 215, 255]
    linear = [(levels[each] / 255) ** 2.2 for each in (red, green, blue)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_adapted_figures_stand_under_the_plain_ones(write):
    adapted = Score(nats=2.0, num_predicted=2, num_characters=4, num_bytes=5)
    text = TextScore("a.txt", FOUR_NATS, closing=False, adapted=adapted)
    (plain, second), (header, total) = write("text", text, document=True)
    assert plain.split()[0] == "-4.0000" and plain.endswith("  a.txt")
    assert second.split() == [
        "-2.0000", "-0.8686", "2", "2.7183", "0.7213", "0.5771", "0", "no", "adapted"
    ]
    assert header.index("text") == second.index("adapted")
    assert f"perplexity {math.exp(2):.4f} over 2 predicted tokens" in total
    assert f", adapted perplexity {math.exp(1):.4f}" in total


def test_the_total_reports_perplexity_with_and_without_unknown_tokens(write):
    _, (_, line) = write("text", FULL, FULL)
    assert line == (
        "total: 2 texts, ln p -8.0000, perplexity 7.3891 over 4 predicted tokens "
        "(2.7183 over 2 without 2 unknown tokens)"
    )
    one = TextScore("a", Score(nats=3.0, num_predicted=1, num_unknown=1, unknown_nats=3.0), True)
    _, (_, line) = write("text", one)
    assert line == (
        "total: 1 text, ln p -3.0000, perplexity 20.0855 over 1 predicted token"
    )
    _, (_, line) = write("text")
    assert line == "total: 0 texts, ln p 0.0000, perplexity - over 0 predicted tokens"


@pytest.mark.parametrize(("number", "noun"), [(1, "1 unknown token"), (2, "2 unknown tokens")])
def test_the_total_says_how_many_tokens_have_no_probability(write, number, noun):
    score = Score(nats=4.0, num_predicted=2, num_unknown=number, num_unscored=number)
    _, (_, line) = write("text", TextScore("a", score, True))
    assert line == (
        "total: 1 text, ln p -4.0000, perplexity 7.3891 over 2 predicted tokens; "
        f"left out {noun} without probability"
    )


def test_one_text_of_known_tokens_needs_no_total(write):
    _, messages = write("text", TextScore("a", Score(nats=1.0, num_predicted=1), True))
    assert len(messages) == 1  # the headings


def test_columns_show_control_characters_as_escapes_on_one_line(write):
    """A carriage return would overwrite the figures, and an escape sequence change the title."""
    shown = TextScore("a\x1b]0;t\x07\r\tb\x9b2J\u2028 caf\u00e9", Score(), closing=True)
    (line,), _ = write("text", shown)
    assert line.endswith(r"  a\x1b]0;t\x07\r\tb\x9b2J\u2028 caf" + "\u00e9")
