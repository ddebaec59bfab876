"""rnnlm generate"""

from __future__ import annotations

import json as json_format
import secrets
import sys
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rnnlm_cli.cli.options import (
    EncodingOption,
    ModelOption,
    decode_argument,
    open_model,
    options_from,
)
from rnnlm_cli.config import MachineConfig, SampleConfig
from rnnlm_cli.config.option import select_fields
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.files.run_files import DEFAULT_MODEL
from rnnlm_cli.messages import StderrMessages, escape_except_layout, replace_surrogates
from rnnlm_cli.text.reading import read_text

if TYPE_CHECKING:
    from rnnlm_cli.language_model import GeneratedText


@options_from(SampleConfig, MachineConfig)
def generate(
    model: ModelOption = DEFAULT_MODEL,
    prompt: Annotated[str | None, typer.Option(
        help="Text to continue.", show_default=False)] = None,
    file: Annotated[str | None, typer.Option(
        "-f", "--file", help="File with the text to continue; - is stdin.",
        show_default=False)] = None,
    unk: Annotated[Literal["error", "skip"], typer.Option(
        help="How to treat unknown tokens in the prompt: fail, or leave them out.")] = "error",
    no_echo: Annotated[bool, typer.Option(
        "--no-echo", help="Leave the prompt out of the output.")] = False,
    encoding: EncodingOption = None,
    json: Annotated[bool, typer.Option(
        "--json", help="Write one JSON object per sample: prompt, text (the new part), seed, "
        "sample.")] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Write new text to stdout as it is generated.

    With several samples, the first one appears as it is generated, and the others when it is done.
    """
    if prompt is not None and file is not None:
        raise ConfigError("--prompt and -f: given together; one of them is needed")
    sampling = select_fields(SampleConfig, given)
    config = SampleConfig(**{"seed": secrets.randbelow(1 << 31), **sampling})
    loaded = open_model(model, MachineConfig(**select_fields(MachineConfig, given)))
    if file is not None:
        text = read_text(file, encoding=encoding or loaded.encoding)
    else:
        text = decode_argument(prompt or "")
    generated = loaded.generate(config, prompt=text, skip_unknown=unk == "skip")
    if "seed" not in sampling and config.temperature > 0:
        print(f"seed: {config.seed}", file=sys.stderr, flush=True)
    if json:
        texts = ["".join(pieces) for pieces in zip(*generated, strict=True)]
        echoed = replace_surrogates(text)  # of a prompt that is not UTF-8
        for sample, new in enumerate(texts):
            line = {"prompt": echoed, "text": new, "seed": config.seed, "sample": sample}
            print(json_format.dumps(line))
    else:
        _write(generated, "" if no_echo else text, config.num_samples)
    if generated.num_replaced:
        StderrMessages().note(
            f"{generated.num_replaced} bytes that are not UTF-8 are shown as \ufffd"
        )


def _write(generated: GeneratedText, echoed: str, num_samples: int) -> None:
    """Write the first sample as it is generated, then the others, with headings on stderr.

    On a terminal, control characters other than newlines and tabs become escapes. What is piped
    is exact.
    """
    on_terminal = sys.stdout.isatty()
    others: list[list[str]] = [[] for _ in range(num_samples - 1)]

    def first_sample() -> Iterator[str]:
        for head, *tail in generated:
            for text, piece in zip(others, tail, strict=True):
                text.append(piece)
            yield head

    for sample in range(num_samples):
        if num_samples > 1:
            print(f"sample {sample + 1} of {num_samples}:", file=sys.stderr, flush=True)
        last = ""
        for piece in chain([echoed], others[sample - 1] if sample else first_sample()):
            sys.stdout.write(escape_except_layout(piece) if on_terminal else piece)
            sys.stdout.flush()
            last = piece or last
        if not last.endswith("\n"):
            sys.stdout.write("\n")
    sys.stdout.flush()
