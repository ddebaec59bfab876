"""The texts of `rnnlm generate`: as they come, whole, or as JSON lines; what they copied."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rnnlm_cli.cli.interrupts import note_interrupts
from rnnlm_cli.cli.text_stream import OutputOptions, Speedometer, StreamWriter, stream_text
from rnnlm_cli.config import SampleConfig
from rnnlm_cli.messages import StderrMessages, replace_surrogates
from rnnlm_cli.text.raw_bytes import STDIN, is_stream
from rnnlm_cli.text.reading import read_arriving_lines, read_chunks, read_files

if TYPE_CHECKING:
    from rnnlm_cli.generate.novelty import Novelty
    from rnnlm_cli.generate.row import GeneratedSample
    from rnnlm_cli.language_model import LanguageModel

INTERRUPTED = 130  # exit code


def continue_text(
    model: LanguageModel, config: SampleConfig, output: OutputOptions, prompt: str, *,
    encoding: str | None, skip_unknown: bool,
) -> int:
    """Write the texts that continue one prompt. Returns the exit code."""
    generator = model.make_generator(config, with_log_p=output.json)
    encoded = model.make_prompt(prompt, skip_unknown=skip_unknown)
    writer = AnswerWriter(generator.config, output, encoding)
    writer.show_seed()
    with note_interrupts() as is_interrupted, writer.speed.run():
        if config.num_samples == 1 and config.num_beams is None and not output.json:
            generated = generator.stream(encoded)
            stream_text(generated, output, prompt, is_interrupted)
            writer.add_written(generated.sample)
        else:
            for samples in generator.generate([encoded], is_interrupted):
                writer.write(prompt, samples)
    writer.finish()
    return INTERRUPTED if is_interrupted() else 0


def continue_lines(
    model: LanguageModel, config: SampleConfig, output: OutputOptions, path: str, *,
    encoding: str | None, skip_unknown: bool,
) -> int:
    """Write the texts that continue each line of a file. Returns the exit code.

    From a pipe, the lines that have arrived are answered at once, unless the texts are compared
    with the training text.
    """
    generator = model.make_generator(config, with_log_p=output.json)
    writer = AnswerWriter(generator.config, output, encoding)
    name, number = "stdin" if path == STDIN else path, 0
    for lines in read_arriving_lines(path, encoding=encoding):
        prompts = [
            model.make_prompt(line, skip_unknown=skip_unknown, subject=f"{name}: line {each}")
            for each, line in enumerate(lines, start=number + 1)
        ]
        if number == 0:
            writer.show_seed()
        number += len(lines)
        with note_interrupts() as is_interrupted, writer.speed.run():
            answers = generator.generate(prompts, is_interrupted)
            for line, samples in zip(lines, answers, strict=False):  # fewer after Ctrl-C
                writer.write(line, samples)
        if is_interrupted():
            writer.finish()
            return INTERRUPTED
    writer.finish()
    return 0


class AnswerWriter:
    """Writes finished texts, and what is to be said about them."""

    def __init__(
        self, config: SampleConfig, output: OutputOptions, encoding: str | None
    ) -> None:
        self.speed = Speedometer()
        self._config, self._output, self._encoding = config, output, encoding
        self._samples: list[GeneratedSample] = []
        self._waiting: list[tuple[str, list[GeneratedSample]]] = []
        self._require_training_text()

    def show_seed(self) -> None:
        """Show a new seed on stderr, so that the text can be repeated."""
        if self._output.seed_is_new and self._config.is_random:
            StderrMessages().say(f"seed: {self._config.seed}")

    def add_written(self, sample: GeneratedSample) -> None:
        """Add a text that has been written already."""
        self.speed.count([sample])
        self._samples.append(sample)

    def write(self, prompt: str, samples: list[GeneratedSample]) -> None:
        """Write the texts of a prompt: at once, or at the end if they are compared."""
        self.speed.count(samples)
        self._samples += samples
        if self._output.novelty:
            self._waiting.append((prompt, samples))
        else:
            self._print(prompt, samples, None)

    def finish(self) -> None:
        """Compare the texts with the training text, write those that wait, and report.

        Raises: TextError if the training text cannot be read; the texts are written nevertheless.
        """
        novelties: list[Novelty] | None = None
        try:
            if self._output.novelty:
                novelties = self._measure()
        finally:
            begin = 0
            for prompt, samples in self._waiting:
                end = begin + len(samples)
                self._print(prompt, samples, novelties and novelties[begin:end])
                begin = end
        if novelties and not self._output.json:
            for number, novelty in enumerate(novelties, start=1):
                StderrMessages().say(f"sample {number}: {describe_novelty(novelty)}")
        if self._output.verbose:
            self.speed.report()
        num_replaced = sum(sample.num_replaced for sample in self._samples)
        if num_replaced:
            StderrMessages().note(f"{num_replaced} bytes that are not UTF-8 are shown as \ufffd")

    def _require_training_text(self) -> None:
        """Raise TextError if the training text cannot be read, before texts are generated."""
        for path in self._output.novelty:
            if not is_stream(path):
                next(read_chunks(path, encoding=self._encoding), None)

    def _measure(self) -> list[Novelty]:
        """Compare all texts with the training text."""
        from rnnlm_cli.generate.novelty import measure_novelty

        chunks = read_files(self._output.novelty, encoding=self._encoding)
        return measure_novelty([sample.text for sample in self._samples], chunks)

    def _print(
        self, prompt: str, samples: Sequence[GeneratedSample], novelties: Sequence[Novelty] | None
    ) -> None:
        """Write texts with headings on stderr if there are several, or as JSON lines."""
        for index, sample in enumerate(samples):
            if self._output.json:
                novelty = novelties[index] if novelties else None
                print(json.dumps(_to_dict(prompt, sample, novelty, self._config)))
                continue
            if len(samples) > 1:
                StderrMessages().say(f"sample {index + 1} of {len(samples)}:")
            stream = StreamWriter(self._output)
            stream.write((prompt if self._output.echo else "") + sample.text)
            stream.end()
        sys.stdout.flush()


def _to_dict(
    prompt: str, sample: GeneratedSample, novelty: Novelty | None, config: SampleConfig
) -> dict[str, Any]:
    """Return the JSON object of a text. Bytes of the prompt that are not UTF-8 become U+FFFD."""
    facts: dict[str, Any] = {
        "prompt": replace_surrogates(prompt),
        "text": sample.text,
        "token_ids": sample.token_ids,
        "seed": config.seed if config.is_random else None,
        "sample": sample.index,
        "log_prob": sample.log_p,
        "stop_reason": sample.stop_reason,
    }
    if sample.score is not None:
        facts["score"] = sample.score
    return facts if novelty is None else facts | asdict(novelty)


def describe_novelty(novelty: Novelty) -> str:
    """Say in one line what a text has copied from the training text."""
    shares = {
        "new 4-grams": novelty.new_4gram_share, "known words": novelty.known_word_share
    }
    shown = [f"{100 * share:.1f}% {name}" for name, share in shares.items() if share is not None]
    run = f"longest copied run {novelty.num_run_characters} characters: {novelty.run[:80]!r}"
    return ", ".join([*shown, run])
