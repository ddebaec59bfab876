"""The session of `rnnlm generate --interactive`: its text, its settings, and its commands."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from shutil import get_terminal_size
from typing import TYPE_CHECKING

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
from rnnlm_cli.cli.text_stream import OutputOptions, Speedometer, StreamWriter, stream_text
from rnnlm_cli.config import SampleConfig
from rnnlm_cli.config.option import MAX_SEED
from rnnlm_cli.errors import ConfigError, RnnlmError
from rnnlm_cli.messages import StderrMessages, escape_controls

if TYPE_CHECKING:
    from rnnlm_cli.generate.row import GeneratedSample
    from rnnlm_cli.language_model import LanguageModel


class Session:
    """A text that a person and a model write in turns, and the settings of the model's turns.

    Turn k since the seed was set, counted from 0 with those that were taken back, has the seed
    (seed + k) mod 2**63. So the same lines give the same session, and no two turns have the same
    random numbers.
    """

    def __init__(
        self, model: LanguageModel, config: SampleConfig, output: OutputOptions, *,
        skip_unknown: bool,
    ) -> None:
        self.has_ended = False
        self.model, self._config, self._output = model, config, output
        self._skip_unknown = skip_unknown
        self._texts = [""]  # the text after each turn; :undo removes the last of them
        self._begin_seed()

    @property
    def text(self) -> str:
        """The whole text so far."""
        return self._texts[-1]

    def greet(self) -> None:
        """Show the level and the size of the model on stderr, and the seed if it is new."""
        say = StderrMessages().say
        level, size = self.model.vocabulary.level, self.model.network.num_parameters
        say(f"{level} model, {size:,} parameters. Type a text to continue, or :help for commands.")
        if self._output.seed_is_new and self._config.is_random:
            say(f"seed: {self._seed}")

    def answer(self, line: str, is_interrupted: Callable[[], bool] = lambda: False) -> None:
        """Continue the text with a typed line, or obey a command; errors are shown on stderr.

        Args:
            is_interrupted: says whether to end the continuation here.
        """
        parsed = parse_line(line)
        try:
            if isinstance(parsed, Command):
                self._obey(parsed)
            else:
                self._continue(parsed, is_interrupted)
        except RnnlmError as error:
            StderrMessages().say(f"rnnlm: error: {escape_controls(describe_error(error))}")

    def _continue(self, typed: str, is_interrupted: Callable[[], bool]) -> None:
        """Write a continuation of the text and what was typed to stdout, and keep both."""
        begun = join_typed(self.text, typed, level=self.model.vocabulary.level)
        prompt = self.model.make_prompt(begun, skip_unknown=self._skip_unknown, subject="text")
        seed = (self._seed + self._num_turns) % (MAX_SEED + 1)
        generator = self.model.make_generator(replace(self._config, seed=seed))
        speed, generated = Speedometer(), generator.stream(prompt)
        self._num_turns += 1
        try:
            with speed.run():
                stream_text(generated, self._output, "", is_interrupted)
        finally:  # after a second Ctrl-C too, which raises KeyboardInterrupt
            sample = generated.sample
            new = take_text(sample)
            if begun + new != self.text:
                self._texts.append(begun + new)
        if not new and sample.stop_reason == "stop":
            StderrMessages().note("the model added nothing, because the stop string came at once")
        if self._output.verbose:
            speed.count([sample])
            speed.report()

    def _obey(self, command: Command) -> None:
        """Do what a command says. Raises: ConfigError if it is unknown or has a wrong value."""
        actions = {
            "undo": self._undo, "show": self._show_text, "new": self._begin_text,
            "settings": self._show_settings, "help": _show_help, "quit": self._quit,
        }
        if command.name in find_settings():
            self._set(find_settings()[command.name], command.value)
        elif command.name == "reset":
            self._reset(command.value.strip())
        elif command.name not in COMMANDS:
            raise ConfigError(
                f":{command.name}: no such command; one that :help lists is needed. Begin the "
                "line with :: for a text that begins with a colon"
            )
        elif command.value.strip():
            raise ConfigError(
                f":{command.name}: '{command.value}' given; it takes no value. Leave it out"
            )
        else:
            actions[command.name]()

    def _set(self, field: str, given: str) -> None:
        """Change a setting, or explain it if no value is given."""
        if given:
            self._change(change_setting(self._config, field, given), field)
        tell = describe_setting if given else explain_setting
        StderrMessages().say(tell(self._effective, field))

    def _reset(self, name: str) -> None:
        """Restore the default of a setting, or of all, and show them."""
        settings = find_settings()
        if name and name not in settings:
            raise ConfigError(f":reset: '{name}' given; a setting that :help lists is needed")
        if name:
            self._change(reset_settings(self._config, settings[name]), settings[name])
            StderrMessages().say(describe_setting(self._effective, settings[name]))
            return
        changed = [field for field in find_changed(self._config) if field in settings.values()]
        self._change(reset_settings(self._config, *changed), *changed)
        self._show_settings()
        if "seed" in changed:
            StderrMessages().say(describe_setting(self._effective, "seed"))

    def _change(self, config: SampleConfig, *changed: str) -> None:
        """Replace the settings. Raises: ConfigError if they do not fit the model."""
        self.model.make_generator(config)  # checks the tokens and the precision
        self._config = config
        if "seed" in changed:
            self._begin_seed()

    def _begin_seed(self) -> None:
        given = self._config.seed
        self._seed = secrets.randbelow(1 << 31) if given is None else given
        self._num_turns = 0

    @property
    def _effective(self) -> SampleConfig:
        """The settings with the values that stand for their defaults."""
        complete = self._config.fill_in(self.model.sampling, seed=self._seed)
        return replace(complete, num_tokens=complete.max_tokens)

    def _undo(self) -> None:
        if len(self._texts) == 1:
            StderrMessages().say("nothing to undo")
            return
        self._texts.pop()
        StderrMessages().say(describe_end(self.text))

    def _show_text(self) -> None:
        if not self.text:
            StderrMessages().say(describe_end(self.text))
            return
        writer = StreamWriter(self._output)
        writer.write(self.text)
        writer.end()

    def _begin_text(self) -> None:
        self._texts.append("")
        StderrMessages().say("a new text begins; :undo returns to the one before")

    def _show_settings(self) -> None:
        lines = [describe_setting(self._config, field) for field in find_changed(self._config)]
        StderrMessages().say("\n".join(lines) or "all settings have their defaults")

    def _quit(self) -> None:
        self.has_ended = True


def take_text(sample: GeneratedSample) -> str:
    """Return what a generated text adds to the text of the session.

    A newline that ended it belongs to the text: without it, the model would only end the line
    again. A character whose last bytes are missing does not: the next turn would read U+FFFD.
    """
    if sample.stop_reason == "end":
        return sample.text + "\n"
    return sample.text.rstrip("\ufffd") if sample.num_replaced else sample.text


def _show_help() -> None:
    StderrMessages().say(format_help(get_terminal_size().columns))
