"""The lines of an interactive session, without a terminal and without a model."""

import pytest

from rnnlm_cli.cli.interactive_commands import (
    COMMANDS,
    Command,
    change_setting,
    describe_end,
    describe_error,
    describe_setting,
    explain_setting,
    find_changed,
    find_settings,
    format_help,
    join_typed,
    parse_line,
    reset_settings,
)
from rnnlm_cli.config import SampleConfig
from rnnlm_cli.config.option import command_line_fields, options_of
from rnnlm_cli.errors import ConfigError


@pytest.mark.parametrize(("line", "parsed"), [
    ("", ""),
    (" a  b ", " a  b "),
    ("a:b", "a:b"),
    ("a\\", "a\n"),
    ("\\", "\n"),
    ("a\\b", "a\\b"),
    ("a\nb", "a\nb"),  # pasted
    ("::", ":"),
    (":::a", "::a"),
    ("::undo\\", ":undo\n"),
    (":undo", Command("undo", "")),
    (":undo ", Command("undo", "")),
    (":top-k 40", Command("top-k", "40")),
    (":top-k\t40", Command("top-k", "40")),
    (":stop  b ", Command("stop", " b ")),
    (":stop \\", Command("stop", "\n")),
    (":stop a\nb", Command("stop", "a\nb")),
    (":", Command("", "")),
    (": a", Command("", "a")),
])
def test_a_line_is_a_text_or_a_command(line, parsed):
    assert parse_line(line) == parsed


@pytest.mark.parametrize(("level", "text", "typed", "joined"), [
    ("char", "the k", "ing", "the king"),
    ("byte", "a", "b", "ab"),
    ("bpe", "a", "b", "ab"),
    ("word", "the", "king", "the king"),
    ("word", "the ", "king", "the king"),
    ("word", "the", " king", "the king"),
    ("word", "the\n", "king", "the\nking"),
    ("word", "the", "\n", "the\n"),
    ("word", "", "king", "king"),
    ("word", "the", "", "the"),
])
def test_only_words_are_separated_from_what_is_typed_after_them(level, text, typed, joined):
    assert join_typed(text, typed, level=level) == joined


def test_every_sampling_option_is_a_setting_except_those_of_a_search_or_of_several_texts():
    others = {"num_samples", "logit_bias", "num_beams", "num_best", "length_penalty"}
    assert set(find_settings().values()) == set(command_line_fields(SampleConfig)) - others
    assert find_settings()["temp"] == find_settings()["temperature"] == "temperature"
    assert find_settings()["no-repeat-ngram"] == "no_repeat_ngram"
    assert not set(find_settings()) & set(COMMANDS)


@pytest.mark.parametrize(("name", "given", "value"), [
    ("n", "100", 100),
    ("temperature", " 0.5 ", 0.5),
    ("top-k", "40", 40),
    ("repeat-penalty", "1.1", 1.1),
    ("seed", str(2**63 - 1), 2**63 - 1),
    ("precision", "int8", "int8"),
    ("until-end", "on", True),
    ("until-end", "off", False),
    ("stop", " b ", (" b ",)),
])
def test_a_setting_has_the_type_of_its_option(name, given, value):
    field = find_settings()[name]
    changed = change_setting(SampleConfig(), field, given)
    assert getattr(changed, field) == value and type(getattr(changed, field)) is type(value)


def test_strings_are_added_to_those_that_were_given_before():
    config = SampleConfig(stop=("b",))
    for given in ("a", "b", "c"):
        config = change_setting(config, "stop", given)
    assert config.stop == ("b", "a", "c")


@pytest.mark.parametrize(("field", "given", "message"), [
    ("num_tokens", "0", ":n: '0' given; a whole number from 1 to 1000000000000 is needed"),
    ("num_tokens", "1.5", ":n: '1.5' given; a whole number from 1 to 1000000000000 is needed"),
    ("temperature", "hot", ":temperature: 'hot' given; a number at least 0 and at most 1000 is"),
    ("temperature", "nan", ":temperature: 'nan' given; a number"),
    ("top_p", "-1", ":top-p: '-1' given; a number above 0 and at most 1 is needed"),
    ("until_end", "yes", ":until-end: 'yes' given; on or off is needed"),
    ("precision", "int4", ":precision: 'int4' given; one of float32, bfloat16, int8 is needed"),
])
def test_an_invalid_value_is_an_error_in_the_form_of_the_command_line(field, given, message):
    with pytest.raises(ConfigError) as caught:
        change_setting(SampleConfig(), field, given)
    assert describe_error(caught.value).startswith(message)


def test_an_error_that_names_no_option_stays_as_it_is():
    assert describe_error(ConfigError("text: a--b")) == "text: a--b"


def test_settings_that_differ_are_found_and_reset():
    config = SampleConfig(top_k=5, stop=("a",), logit_bias=(("a", 1.0),))
    assert find_changed(config) == ["stop", "top_k", "logit_bias"]
    assert find_changed(reset_settings(config, "stop", "logit_bias")) == ["top_k"]


def test_a_setting_is_shown_by_its_name_and_explained_by_its_help():
    config = SampleConfig(top_p=0.25, stop=("\n", "b"), until_end=True)
    assert describe_setting(config, "top_p") == "top-p: 0.25"
    assert describe_setting(config, "stop") == "stop: '\\n', 'b'"
    assert describe_setting(config, "until_end") == "until-end: on"
    assert describe_setting(config, "lines") == "lines: off"
    shown, about = explain_setting(config, "top_p").split("\n")
    assert shown == "top-p: 0.25 [default: 1]" and about == options_of(SampleConfig)["top_p"].help
    assert explain_setting(config, "lines").startswith("lines: off [default: off]\n")


@pytest.mark.parametrize(("text", "shown"), [
    ("", "the text is empty"),
    ("a\nb\x1b", "the text ends with 'a\\nb\\x1b'"),
    ("x" + "y" * 60, f"the text ends with '...{'y' * 60}'"),
])
def test_the_end_of_a_text_is_one_line(text, shown):
    assert describe_end(text) == shown


@pytest.mark.parametrize("width", [40, 80])
def test_the_help_names_everything_and_fits_the_terminal(width):
    shown = format_help(width)
    assert max(map(len, shown.splitlines())) <= width
    assert {f":{name}" for name in (*COMMANDS, *find_settings())} <= set(shown.split())
