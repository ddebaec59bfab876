"""An interactive session without a terminal: turns, seeds, commands, and errors."""

from itertools import count

import pytest

from rnnlm_cli.cli.interactive_commands import COMMANDS
from rnnlm_cli.cli.interactive_session import Session, take_text
from rnnlm_cli.cli.text_stream import OutputOptions
from rnnlm_cli.config import SampleConfig
from rnnlm_cli.generate.row import GeneratedSample
from rnnlm_cli.language_model import LanguageModel
from tests.builders import save_tiny


@pytest.fixture
def begin(make_network, tmp_path):
    """A factory of sessions with a tiny model, which has the letters "abcde"."""

    def make(*, level="char", skip_unknown=False, verbose=False, sampling=None, **settings):
        model = LanguageModel.load(save_tiny(make_network, tmp_path / "model", level=level))
        model.sampling = sampling or {}
        output = OutputOptions(
            echo=False, json=False, raw=False, verbose=verbose, seed_is_new="seed" not in settings
        )
        config = SampleConfig(**{"num_tokens": 6} | settings)
        return Session(model, config, output, skip_unknown=skip_unknown)

    return make


@pytest.fixture
def answer(capfd):
    """Sends a line to a session and returns what stdout and stderr get."""

    def send(session, line, **more):
        capfd.readouterr()
        session.answer(line, **more)
        return tuple(capfd.readouterr())

    return send


def continue_once(session, prompt, **settings):
    """Return the continuation that `rnnlm generate` would write."""
    return "".join(session.model.generate(SampleConfig(num_tokens=6, **settings), prompt=prompt))


def with_newline(text):
    return text if text.endswith("\n") else text + "\n"


@pytest.mark.parametrize("seed", [40, 2**63 - 2])
def test_each_turn_continues_everything_before_it(begin, answer, seed):
    """The seed of turn k is the seed of the session plus k."""
    session, text = begin(seed=seed), ""
    for turn, (line, typed) in enumerate([("ab", "ab"), ("", ""), ("\\", "\n"), ("", "")]):
        text += typed
        new = continue_once(session, text, seed=(seed + turn) % 2**63)
        assert answer(session, line) == (with_newline(new), "")
        text += new
        assert session.text == text


def test_a_turn_that_is_repeated_after_undo_is_another_one(begin, answer):
    """Otherwise a person who wants another continuation would always get the same one."""
    texts = set()
    session = begin(seed=3, num_tokens=40)
    for _ in range(3):
        answer(session, "ab")
        texts.add(session.text)
        answer(session, ":undo")
    assert len(texts) == 3 and session.text == ""


def test_the_seed_command_repeats_the_session_from_there(begin, answer):
    session, texts = begin(num_tokens=40), []
    for _ in range(2):
        assert answer(session, ":seed 11") == ("", "seed: 11\n")
        answer(session, "ab")
        answer(session, "")
        texts.append(session.text)
        answer(session, ":new")
    assert texts[0] == texts[1] and texts[0].startswith("ab")


def test_a_new_seed_is_shown_and_repeats_the_session(begin, answer, capfd):
    session = begin()
    session.greet()
    greeting, seed = capfd.readouterr().err.splitlines()
    num_parameters = session.model.network.num_parameters
    assert greeting.startswith(f"char model, {num_parameters:,} parameters. ")
    assert ":help" in greeting and seed.startswith("seed: ")
    again = begin(seed=int(seed.removeprefix("seed: ")))
    again.greet()
    assert "seed" not in capfd.readouterr().err
    for line in ("a", "", "b"):
        assert answer(session, line) == answer(again, line)
    begin(temperature=0).greet()
    assert "seed" not in capfd.readouterr().err


def test_resetting_the_seed_draws_a_new_one(begin, answer):
    session = begin(seed=5)
    out, err = answer(session, ":reset seed")
    assert out == "" and err.startswith("seed: ") and err != "seed: 5\n"
    assert answer(session, ":seed")[1].startswith(err.strip() + " [default: ")


def test_undo_takes_turns_and_new_texts_back_in_order(begin, answer):
    session, texts = begin(), [""]
    for line in ("a", "", ":new", "b"):
        answer(session, line)
        texts.append(session.text)
    assert texts[3] == "" and len(set(texts)) == 4
    for text in reversed(texts[:-1]):
        out, err = answer(session, ":undo")
        assert session.text == text and out == ""
        end = text[-60:].replace("\n", "\\n")
        assert err == (f"the text ends with '{end}'\n" if text else "the text is empty\n")
    assert answer(session, ":undo") == ("", "nothing to undo\n")
    assert session.text == ""


def test_words_are_separated_from_what_is_typed(begin, answer):
    session = begin(level="word", num_tokens=1, forbid=("\n",))
    for line in ("a b", "c"):
        answer(session, line)
    first, second = session.text[4], session.text[8]  # the words of the model
    assert session.text == f"a b {first} c {second}" and {first, second} <= set("abcde")


@pytest.mark.parametrize(("line", "message"), [
    ("axb", "text: the model does not know the characters 'x'; "),
    (":bogus", ":bogus: no such command; one that :help lists is needed. Begin the line with ::"),
    (":\x1b[2J", ":\\x1b[2J: no such command"),
    (": a", ":: no such command"),
    (":undo 3", ":undo: '3' given; it takes no value"),
    (":undo a\nb", ":undo: 'a\\nb' given; it takes no value"),  # pasted
    (":quit now", ":quit: 'now' given; it takes no value"),
    (":top-k x", ":top-k: 'x' given; a whole number from 0 to 16777216 is needed"),
    (":top-p 2", ":top-p: '2' given; a number above 0 and at most 1 is needed"),
    (":forbid x", ":forbid: 'x' is not a token of the model (level char: "),
    (":reset x", ":reset: 'x' given; a setting that :help lists is needed"),
    (":samples 2", ":samples: no such command"),
])
def test_an_error_is_one_line_and_changes_nothing(begin, answer, line, message):
    session, other = begin(seed=2), begin(seed=2)
    for each in (session, other):
        answer(each, "ab")
    out, err = answer(session, line)
    assert out == "" and err.startswith(f"rnnlm: error: {message}") and err.count("\n") == 1
    assert not session.has_ended and session.text == other.text
    assert answer(session, ":settings") == answer(other, ":settings")
    assert answer(session, "") == answer(other, "")


def test_unknown_characters_are_skipped_if_that_is_asked_for(begin, answer):
    session = begin(seed=2, skip_unknown=True)
    new = continue_once(session, "ab", seed=2)
    assert answer(session, "axb") == (with_newline(new), "")
    assert session.text == "axb" + new


@pytest.mark.parametrize("is_held_back", [False, True])
def test_an_interruption_keeps_exactly_what_was_shown(begin, answer, is_held_back):
    """A text that may be the beginning of a stop string is held back, and shown at the end."""
    new = continue_once(begin(), "a", seed=1)[:5]
    stop = (new + "z",) if is_held_back else ()
    session, calls = begin(num_tokens=1000, seed=1, stop=stop), count(1)
    assert answer(session, "a", is_interrupted=lambda: next(calls) == 5) == (with_newline(new), "")
    assert session.text == "a" + new


def test_a_second_interruption_keeps_the_text_too(begin, capfd):
    session, answers = begin(num_tokens=1000, seed=1), iter([False, False])
    with pytest.raises(StopIteration):  # in the place of a KeyboardInterrupt
        session.answer("a", lambda: next(answers))
    assert session.text == "a" + continue_once(session, "a", seed=1)[:3]


def test_settings_hold_from_the_next_turn(begin, answer):
    session = begin(seed=4)
    assert answer(session, ":n 2") == ("", "n: 2\n")
    assert answer(session, ":temp 0") == ("", "temperature: 0\n")
    answer(session, "a")
    assert session.text == "a" + continue_once(session, "a", temperature=0)[:2]
    assert answer(session, ":settings")[1].splitlines() == ["n: 2", "temperature: 0", "seed: 4"]
    assert answer(session, ":reset temp")[1] == "temperature: 0.8\n"
    assert answer(session, ":reset")[1].startswith("all settings have their defaults\nseed: ")
    assert answer(session, ":settings") == ("", "all settings have their defaults\n")


def test_a_reset_leaves_what_only_the_command_line_can_set(begin, answer):
    session = begin(logit_bias=(("a", 1.0),), top_k=3)
    assert answer(session, ":reset") == ("", "logit-bias: ('a', 1.0)\n")


def test_a_setting_without_a_value_shows_what_its_default_stands_for(begin, answer):
    session = begin(sampling={"temperature": 0.7})
    assert answer(session, ":temperature")[1].startswith(
        "temperature: 0.7 [default: that of the model file, about 0.8]\nSampling temperature: "
    )
    answer(session, ":reset n")
    assert answer(session, ":n")[1].startswith("n: 200 [default: 200, or at most 10000 with ")
    answer(session, ":lines 3")
    assert answer(session, ":n")[1].startswith("n: 10000 [default: ")


def test_a_turn_that_a_stop_string_ends_at_once_says_so(begin, answer):
    session = begin(temperature=0)
    answer(session, f":stop {continue_once(session, 'a', temperature=0)[0]}".replace("\n", "\\"))
    out, err = answer(session, "a")
    assert out == "\n" and session.text == "a"
    assert err.startswith("rnnlm: note: the model added nothing, because the stop string ")
    answer(session, "")
    answer(session, ":undo")  # takes back the first of both turns: the other has added nothing
    assert session.text == ""


def test_the_whole_text_is_shown(begin, answer):
    session = begin()
    assert answer(session, ":show") == ("", "the text is empty\n")
    answer(session, "a\\")
    assert answer(session, ":show") == (with_newline(session.text), "")
    assert session.text.startswith("a\n")


def test_the_speed_of_each_turn_is_shown_if_it_is_asked_for(begin, answer):
    session = begin(verbose=True)
    assert all(answer(session, line)[1].startswith("6 tokens in ") for line in ("a", ""))


@pytest.mark.parametrize("command", [*COMMANDS])
def test_every_command_is_understood(begin, answer, command):
    session = begin()
    answer(session, "a")
    assert "error" not in answer(session, f":{command}")[1]
    assert session.has_ended == (command == "quit")


@pytest.mark.parametrize(("text", "stop_reason", "num_replaced", "taken"), [
    ("ab", "length", 0, "ab"),
    ("ab", "end", 0, "ab\n"),
    ("a\ufffd", "length", 1, "a"),
    ("a\ufffdb\ufffd\ufffd", "interrupted", 3, "a\ufffdb"),
    ("a\ufffd", "length", 0, "a\ufffd"),  # a character of the training text
])
def test_a_newline_at_the_end_is_kept_and_half_a_character_is_not(
    text, stop_reason, num_replaced, taken
):
    assert take_text(GeneratedSample(text, [1], None, 0, stop_reason, num_replaced)) == taken
