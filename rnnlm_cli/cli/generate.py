"""rnnlm generate"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from rnnlm_cli.cli.generate_output import continue_lines, continue_text
from rnnlm_cli.cli.interactive import converse, require_terminal
from rnnlm_cli.cli.options import (
    EncodingOption,
    ModelOption,
    decode_argument,
    open_model,
    options_from,
    require_valid,
)
from rnnlm_cli.cli.text_stream import OutputOptions
from rnnlm_cli.config import MachineConfig, SampleConfig
from rnnlm_cli.config.option import flag_of, select_fields
from rnnlm_cli.files.run_files import DEFAULT_MODEL
from rnnlm_cli.text.raw_bytes import STDIN
from rnnlm_cli.text.reading import read_text


@options_from(SampleConfig, MachineConfig)
def generate(
    text: Annotated[str | None, typer.Argument(
        metavar="PROMPT", help="Text to continue; - reads it from stdin.",
        show_default=False)] = None,
    model: ModelOption = DEFAULT_MODEL,
    prompt: Annotated[str | None, typer.Option(
        help="Text to continue, whatever it is: as PROMPT, but - is a minus sign.",
        show_default=False)] = None,
    file: Annotated[str | None, typer.Option(
        "-f", "--file", help="File with the text to continue; - is stdin.",
        show_default=False)] = None,
    prompts: Annotated[str | None, typer.Option(
        metavar="FILE", help="Continue each line of FILE; - is stdin. From a pipe, each line is "
        "answered when it arrives.", show_default=False)] = None,
    interactive: Annotated[bool, typer.Option(
        "--interactive", help="Type a text and read how it goes on, in turns, on a terminal."
    )] = False,
    unk: Annotated[Literal["error", "skip"], typer.Option(
        help="How to treat unknown tokens in the prompt: fail, or leave them out.")] = "error",
    no_echo: Annotated[bool, typer.Option(
        "--no-echo", help="Leave the prompt out of the output.")] = False,
    encoding: EncodingOption = None,
    novelty: Annotated[list[Path] | None, typer.Option(
        metavar="TRAIN", help="Compare the texts with the training text in this file: the longest "
        "run that was copied, the share of new sequences of four words, and the share of known "
        "words. Give it several times for several files.", show_default=False)] = None,
    raw: Annotated[bool, typer.Option(
        "--raw", help="Send control characters to the terminal, instead of showing them as "
        "escapes.")] = False,
    verbose: Annotated[bool, typer.Option(
        "--verbose", help="Show the number of tokens per second on stderr.")] = False,
    json: Annotated[bool, typer.Option(
        "--json", help="Write one JSON object per text: prompt, text (the new part), token_ids, "
        "seed, sample (its number), log_prob (ln p of the tokens without filters, at temperature "
        "1), stop_reason; with --beam score; with --novelty num_run_characters, run, "
        "new_4gram_share, known_word_share.")] = False,
    *,
    given: dict[str, Any],
) -> int:
    """Write new text to stdout as it is generated.

    Several texts are generated at once, and appear whole, in order. The same seed gives the same
    text again, and the first text does not depend on the number of texts.

    The filters apply in the order of llama.cpp: logit bias, --no-repeat-ngram, the penalties,
    top-k, typical, top-p, min-p, and the temperature last.
    """
    sources = {
        "PROMPT": text, "--prompt": prompt, "-f": file, "--prompts": prompts,
        "--interactive": interactive or None,
    }
    problems = _find_conflicts(sources, given | {"json": json, "novelty": novelty})
    sampling = _parse_sampling(select_fields(SampleConfig, given), problems)
    require_valid(SampleConfig, MachineConfig, given=given | sampling, problems=problems)
    if interactive:
        require_terminal()
    config = SampleConfig(**sampling)
    machine = MachineConfig(**select_fields(MachineConfig, given))
    output = OutputOptions(
        echo=not no_echo, json=json, raw=raw, verbose=verbose, seed_is_new="seed" not in sampling,
        novelty=[str(path) for path in novelty or []],
    )
    loaded = open_model(model, machine)
    codec = encoding or loaded.encoding

    if interactive:
        return converse(loaded, config, output, skip_unknown=unk == "skip")
    if prompts is not None:
        return continue_lines(
            loaded, config, output, prompts, encoding=codec, skip_unknown=unk == "skip"
        )
    if file is not None or text == STDIN:
        begun = read_text(STDIN if file is None else file, encoding=codec)
    else:
        begun = decode_argument(text or prompt or "")
    return continue_text(loaded, config, output, begun, encoding=codec, skip_unknown=unk == "skip")


def _find_conflicts(sources: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the sources of prompts: several, or too much for a conversation.

    Args:
        sources: what was given, by the names of the sources.
        given: the other options.
    """
    named = [name for name, value in sources.items() if value is not None]
    problems = []
    if len(named) > 1:
        problems.append(
            f"{' and '.join(named)}: given together; one of them is needed. Leave the others out"
        )
    if sources["--interactive"]:
        flags = {"json": "--json", "novelty": "--novelty"} | {
            name: flag_of(SampleConfig, name) for name in ("num_samples", "num_beams")
        }
        problems += [
            f"--interactive and {flag}: given together; leave one of them out"
            for name, flag in flags.items() if given.get(name)
        ]
    return problems


def _parse_sampling(given: dict[str, Any], problems: list[str]) -> dict[str, Any]:
    """Return the values of a SampleConfig. What is wrong with biases is added to `problems`."""
    values = dict(given)
    for name in ("stop", "forbid", "logit_bias"):
        strings = tuple(decode_argument(each) for each in values.pop(name, None) or ())
        if strings:
            values[name] = strings
    if "logit_bias" in values:
        values["logit_bias"] = _parse_biases(values["logit_bias"], problems)
    return values


def _parse_biases(
    biases: Sequence[str], problems: list[str]
) -> tuple[tuple[str, float], ...]:
    """Return the tokens and numbers of biases such as "the+2.5" and "e-1"."""
    parsed = []
    for bias in biases:
        match = re.fullmatch(r"(.+)([+-]\d+(?:\.\d*)?)", bias, re.DOTALL)
        if match is None or abs(float(match[2])) > 1000:
            problems.append(
                f"--logit-bias: '{bias}' given; a token with a number from -1000 to 1000 is "
                "needed, such as TOKEN+2 or TOKEN-2.5"
            )
        else:
            parsed.append((match[1], float(match[2])))
    return tuple(parsed)
