"""The texts of `rnnlm generate`: as they come, whole, or as JSON lines; what they copied."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

from rnnlm_cli.cli.text_stream import OutputOptions, Speedometer, StreamWriter, stream_text
from rnnlm_cli.config import SampleConfig
from rnnlm_cli.messages import StderrMessages, replace_surrogates
from rnnlm_cli.text.reading import read_arriving_lines, read_files

if TYPE_CHECKING:
    from rnnlm_cli.generate.novelty import Novelty
    from rnnlm_cli.generate.row import GeneratedSample
    from rnnlm_cli.language_model import LanguageModel

Answer: TypeAlias = "tuple[str, list[GeneratedSample]]"  # a prompt and its texts

INTERRUPTED = 130  # exit code


def continue_text(
    model: LanguageModel, config: SampleConfig, output: OutputOptions, prompt: str, *,
    encoding: str | None, skip_unknown: bool,
) -> int:
    """Write the texts that continue one prompt. Returns the exit code."""
    generator = model.make_generator(config, with_log_p=output.json)
    encoded = model.make_prompt(prompt, skip_unknown=skip_unknown)
    _show_seed(generator.config, output)
    if config.num_samples > 1 or config.num_beams is not None or output.json:
        answers = ((prompt, samples) for samples in generator.generate([encoded]))
        return _write_answers(answers, generator.config, output, encoding)
    speed, generated = Speedometer(), generator.stream(encoded)
    is_interrupted = stream_text(generated, output, prompt)
    speed.count([generated.sample])
    _report_novelties(_measure([generated.sample], output, encoding))
    _conclude([generated.sample], speed, output)
    return INTERRUPTED if is_interrupted else 0


def continue_lines(
    model: LanguageModel, config: SampleConfig, output: OutputOptions, path: str, *,
    encoding: str | None, skip_unknown: bool,
) -> int:
    """Write the texts that continue each line of a file. Returns the exit code.

    From a pipe, the lines that have arrived are answered at once, unless the texts are compared
    with the training text.
    """
    generator = model.make_generator(config, with_log_p=output.json)
    _show_seed(generator.config, output)

    def answer() -> Iterator[Answer]:
        number = 0
        for lines in read_arriving_lines(path, encoding=encoding):
            prompts = [
                model.make_prompt(line, skip_unknown=skip_unknown, subject=f"{path}: line {each}")
                for each, line in enumerate(lines, start=number + 1)
            ]
            number += len(lines)
            # The samples come first: after Ctrl-C they end with an exception.
            for samples, line in zip(generator.generate(prompts), lines, strict=False):
                yield line, samples

    return _write_answers(answer(), generator.config, output, encoding)


def _write_answers(
    answers: Iterator[Answer], config: SampleConfig, output: OutputOptions, encoding: str | None
) -> int:
    """Write the texts of each prompt as they are finished. Returns the exit code."""
    speed = Speedometer()
    written: list[GeneratedSample] = []
    waiting: list[Answer] = []  # for the comparison with the training text
    code = 0
    try:
        for prompt, samples in answers:
            speed.count(samples)
            written += samples
            if output.novelty:
                waiting.append((prompt, samples))
            else:
                _write_samples(prompt, samples, None, config, output)
    except KeyboardInterrupt:
        code = INTERRUPTED
    if output.novelty:
        novelties = _measure(written, output, encoding)
        rest = iter(novelties)
        for prompt, samples in waiting:
            _write_samples(prompt, samples, list(islice(rest, len(samples))), config, output)
        if not output.json:
            _report_novelties(novelties)
    _conclude(written, speed, output)
    return code


def _write_samples(
    prompt: str, samples: Sequence[GeneratedSample], novelties: Sequence[Novelty] | None,
    config: SampleConfig, output: OutputOptions,
) -> None:
    """Write finished texts, with headings on stderr if there are several, or as JSON lines."""
    for index, sample in enumerate(samples):
        if output.json:
            novelty = None if novelties is None else novelties[index]
            print(json.dumps(_to_dict(prompt, sample, novelty, config)))
            continue
        if len(samples) > 1:
            StderrMessages().say(f"sample {index + 1} of {len(samples)}:")
        writer = StreamWriter(output)
        writer.write((prompt if output.echo else "") + sample.text)
        writer.end()
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


def _show_seed(config: SampleConfig, output: OutputOptions) -> None:
    """Show a new seed on stderr, so that the text can be repeated."""
    if output.seed_is_new and config.is_random:
        StderrMessages().say(f"seed: {config.seed}")


def _measure(
    samples: Sequence[GeneratedSample], output: OutputOptions, encoding: str | None
) -> list[Novelty]:
    """Compare the texts with the training text, if that is asked for."""
    if not output.novelty:
        return []
    from rnnlm_cli.generate.novelty import measure_novelty

    chunks = read_files(output.novelty, encoding=encoding)
    return measure_novelty([sample.text for sample in samples], chunks)


def _report_novelties(novelties: Sequence[Novelty]) -> None:
    """Write what was copied to stderr, one line for each text."""
    for number, novelty in enumerate(novelties, start=1):
        StderrMessages().say(f"sample {number}: {describe_novelty(novelty)}")


def describe_novelty(novelty: Novelty) -> str:
    """Say in one line what a text has copied from the training text."""
    shares = {
        "new 4-grams": novelty.new_4gram_share, "known words": novelty.known_word_share
    }
    shown = [f"{100 * share:.1f}% {name}" for name, share in shares.items() if share is not None]
    run = f"longest copied run {novelty.num_run_characters} characters: {novelty.run[:80]!r}"
    return ", ".join([*shown, run])


def _conclude(
    samples: Sequence[GeneratedSample], speed: Speedometer, output: OutputOptions
) -> None:
    """Write the speed to stderr, if it is asked for, and how many bytes were replaced."""
    if output.verbose:
        speed.report()
    num_replaced = sum(sample.num_replaced for sample in samples)
    if num_replaced:
        StderrMessages().note(f"{num_replaced} bytes that are not UTF-8 are shown as \ufffd")
