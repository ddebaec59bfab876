"""Stop strings in a text that arrives in pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnlm_cli.generate.stopping import StopStrings


def stop_early(text, strings):
    """Return the text before the first string that is complete; None if none ever is.

    Of several strings that the same character completes, the longest counts.
    """
    for end in range(1, len(text) + 1):
        complete = [each for each in strings if text[:end].endswith(each)]
        if complete:
            return text[: end - max(map(len, complete))]
    return None


def feed(strings, pieces):
    """Return what is shown after each piece until a string is found, and the `StopStrings`."""
    stops, shown = StopStrings(strings), []
    for piece in pieces:
        text, is_found = stops.feed(piece)
        shown.append(text)
        if is_found:
            return shown, None
    return shown, stops


@given(
    st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3),
    st.lists(st.text("ab", max_size=3), max_size=8),
)
def test_a_text_in_pieces_stops_where_the_whole_text_stops(strings, pieces):
    shown, unfinished = feed(strings, pieces)
    expected = stop_early("".join(pieces), strings)
    if expected is not None:
        assert unfinished is None and "".join(shown) == expected
        assert stop_early("".join(pieces[: len(shown) - 1]), strings) is None  # none was missed
    else:
        text, held = "".join(pieces), unfinished.finish()
        assert "".join(shown) + held == text
        begun = (text[begin:] for begin in range(len(text)))  # the longest one first
        longest = next((end for end in begun if any(s.startswith(end) for s in strings)), "")
        assert held == longest  # no more is held back than may become a string


@pytest.mark.parametrize(
    ("strings", "pieces", "shown"),
    [
        (["END"], ["so E", "N", "D!"], ["so ", "", ""]),
        (["END"], ["so E", "Nx", "END"], ["so ", "ENx", ""]),
        (["aab"], ["aa", "ab"], ["", "a"]),  # the beginning that is held back moves
        (["bcd", "c"], ["abc", "d"], ["ab"]),  # "c" is complete first
        (["c", "bc"], ["abc"], ["a"]),  # both are complete at once: the longest
        (["x", "b"], ["abx"], ["a"]),
    ],
)
def test_examples_by_hand(strings, pieces, shown):
    assert feed(strings, pieces) == (shown, None)


def test_what_is_held_back_is_released_once():
    stops = StopStrings(["abc"])
    assert stops.feed("xab") == ("x", False)
    assert stops.finish() == "ab" and stops.finish() == ""
