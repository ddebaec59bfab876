"""rnnlm generate"""

from __future__ import annotations

import json as json_format
import secrets
import sys
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rnnlm_cli.cli.options import (
    DeviceOption,
    EncodingOption,
    ModelOption,
    ThreadsOption,
    open_model,
)
from rnnlm_cli.config import SampleConfig
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.files.run_files import DEFAULT_MODEL
from rnnlm_cli.text.reading import make_decoder, read_text

if TYPE_CHECKING:
    from rnnlm_cli.language_model import GeneratedText


def generate(
    n: Annotated[int, typer.Option(
        "-n", "--n", help="New tokens: characters, bytes or words.")] = SampleConfig.num_tokens,
    model: ModelOption = DEFAULT_MODEL,
    prompt: Annotated[str | None, typer.Option(
        help="Text to go on from.", show_default=False)] = None,
    file: Annotated[str | None, typer.Option(
        "-f", "--file", help="A file that holds the prompt; - is stdin.",
        show_default=False)] = None,
    unk: Annotated[Literal["error", "skip"], typer.Option(
        help="What becomes of what the model does not know of the prompt.")] = "error",
    temperature: Annotated[float, typer.Option(
        help="Below 1 plays safe, above 1 dares; 0 always takes the likeliest token."
    )] = SampleConfig.temperature,
    top_k: Annotated[int, typer.Option(
        help="Draw from the k likeliest tokens; 0 = off.")] = SampleConfig.top_k,
    top_p: Annotated[float, typer.Option(
        help="Draw from the likeliest tokens that hold this probability; 1 = off."
    )] = SampleConfig.top_p,
    samples: Annotated[int, typer.Option(
        help="How many texts.")] = SampleConfig.num_samples,
    seed: Annotated[int | None, typer.Option(
        help="The same seed, the same text.", show_default="a fresh one, shown on stderr")] = None,
    no_echo: Annotated[bool, typer.Option(
        "--no-echo", help="Leave the prompt out of the output.")] = False,
    encoding: EncodingOption = None,
    json: Annotated[bool, typer.Option(
        "--json", help="One JSON object a sample: prompt, text (the new part), seed, sample."
    )] = False,
    threads: ThreadsOption = None,
    device: DeviceOption = None,
) -> None:
    """Write new text, on stdout as it is made.

    Of several samples the first appears as it is made and the others when it is done.
    """
    if prompt is not None and file is not None:
        raise ConfigError("--prompt and -f: given together; one of them is needed")
    drawn = secrets.randbelow(1 << 31) if seed is None else seed
    config = SampleConfig(
        num_tokens=n, temperature=temperature, top_k=top_k, top_p=top_p, num_samples=samples,
        seed=drawn,
    )
    if encoding is not None:
        make_decoder(encoding)
    loaded = open_model(model, device=device, threads=threads)
    if file is not None:
        prompt = read_text(file, encoding=encoding or loaded.encoding)
    prompt = prompt or ""
    generated = loaded.generate(config, prompt=prompt, skip_unknown=unk == "skip")
    if seed is None and temperature > 0:
        print(f"seed: {drawn}", file=sys.stderr, flush=True)
    if json:
        texts = ["".join(pieces) for pieces in zip(*generated, strict=True)]
        for sample, text in enumerate(texts):
            line = {"prompt": prompt, "text": text, "seed": drawn, "sample": sample}
            print(json_format.dumps(line))
    else:
        _write(generated, "" if no_echo else prompt, samples)
    if generated.num_replaced:
        print(
            f"rnnlm: note: {generated.num_replaced} bytes that are no UTF-8 are shown as \ufffd",
            file=sys.stderr,
        )


def _write(generated: GeneratedText, echoed: str, num_samples: int) -> None:
    """The first sample as it is made, then the others, each under a heading on stderr."""
    others: list[list[str]] = [[] for _ in range(num_samples - 1)]

    def first() -> Iterator[str]:
        for head, *tail in generated:
            for text, piece in zip(others, tail, strict=True):
                text.append(piece)
            yield head

    for sample in range(num_samples):
        if num_samples > 1:
            print(f"sample {sample + 1} of {num_samples}:", file=sys.stderr, flush=True)
        last = ""
        for piece in chain([echoed], others[sample - 1] if sample else first()):
            sys.stdout.write(piece)
            sys.stdout.flush()
            last = piece or last
        if not last.endswith("\n"):
            sys.stdout.write("\n")
    sys.stdout.flush()
