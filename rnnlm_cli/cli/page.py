"""rnnlm page"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnnlm_cli.cli.options import (
    EncodingOption,
    ForceOption,
    ModelOption,
    decode_argument,
    options_from,
    require_valid,
    with_default,
)
from rnnlm_cli.config import PageConfig
from rnnlm_cli.config.option import select_fields
from rnnlm_cli.errors import FileError
from rnnlm_cli.files.overwrite import require_no_input, require_replaceable
from rnnlm_cli.files.run_files import DEFAULT_MODEL, MODEL_SUFFIX, PAGE, RunFileKind
from rnnlm_cli.text.reading import read_text

if TYPE_CHECKING:
    from rnnlm_cli.model_file import Model

SAMPLE_SEED = 0  # of the text in a page for which none was given
MEGABYTE = 1_000_000


@options_from(PageConfig)
def page(
    model: ModelOption = DEFAULT_MODEL,
    text: Annotated[str | None, typer.Option(
        metavar="FILE", help=with_default(
            "Text that the page shows first.", "a text that the model writes"
        ), show_default=False)] = None,
    out: Annotated[Path | None, typer.Option(
        "-o", "--out", help=with_default("HTML file to write.", "the model's name with .html"),
        show_default=False)] = None,
    encoding: EncodingOption = None,
    force: ForceOption = False,
    *,
    given: dict[str, Any],
) -> None:
    """Write one HTML page that holds the model and runs it in a browser.

    The page needs no network and no other file, so that it can be sent to anybody. It shades the
    tokens of a text by their surprisal, generates, shows where hidden units are active, and tells
    how the model was trained.
    """
    require_valid(PageConfig, given=given)
    config = PageConfig(**select_fields(PageConfig, given))
    if out is None:
        out = model.with_name(model.name.removesuffix(MODEL_SUFFIX) + PAGE)
    require_replaceable(out, RunFileKind.PAGE, option="--out", force=force)
    require_no_input([out], [model, *([text] if text else [])], option="--out")

    from rnnlm_cli.model_file import load_model
    from rnnlm_cli.page.contents import describe_model
    from rnnlm_cli.page.training_record import find_corpus_name, find_history

    loaded = load_model(model)
    _require_size(out, config, num_bytes=_count_weight_bytes(loaded, config))
    contents = describe_model(
        loaded, name=decode_argument(model.name), weight_type=config.weights,
        text=_write_sample(loaded) if text is None
        else read_text(text, encoding=encoding or loaded.encoding),
        history=find_history(model), corpus=find_corpus_name(model, loaded.vocabulary),
    )
    num_bytes = write_page(out, contents, config)
    num_weights = loaded.network.num_parameters
    print(
        f"page: {out} ({num_bytes / MEGABYTE:.2f} MB, with {num_weights:,} weights in "
        f"{config.weights}). Open it in a browser", file=sys.stderr,
    )


def write_page(out: Path, contents: Mapping[str, Any], config: PageConfig) -> int:
    """Write a page, and return its size in bytes.

    Raises: FileError if it is larger than the configuration allows, or cannot be written.
    """
    from rnnlm_cli.files.atomic import replace_file
    from rnnlm_cli.page.document import make_page

    data = make_page(contents).encode()
    _require_size(out, config, num_bytes=len(data))
    replace_file(out, data)
    return len(data)


def _require_size(out: Path, config: PageConfig, *, num_bytes: int) -> None:
    """Raise FileError if a page would be too large."""
    if num_bytes > config.max_size * MEGABYTE:
        raise FileError(
            f"{out}: would have {num_bytes / MEGABYTE:.1f} MB or more, and at most "
            f"{config.max_size:g} MB is allowed; a smaller model or text, or a higher --max-size "
            "is needed. '--weights int8' makes a model half as large"
        )


def _count_weight_bytes(model: Model, config: PageConfig) -> int:
    """Return the number of bytes that the weights take in base64."""
    return model.network.num_parameters * (2 if config.weights == "float16" else 1) * 4 // 3


def _write_sample(model: Model) -> str:
    """Return the same new text every time."""
    from rnnlm_cli.runs.sample import write_sample

    return write_sample(model, seed=SAMPLE_SEED)
