"""rnnlm export"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rnnlm_cli.cli.options import ModelOption
from rnnlm_cli.errors import FileError
from rnnlm_cli.files.atomic import require_folder
from rnnlm_cli.files.run_files import DEFAULT_MODEL

if TYPE_CHECKING:
    from rnnlm_cli.config import ModelConfig


def export(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The safetensors file to write.")],
    model: ModelOption = DEFAULT_MODEL,
) -> None:
    """Write a model's weights as plain safetensors with torch.nn's names.

    A PyTorch module takes them that has an nn.Embedding "embedding", an nn.RNN,
    nn.GRU or nn.LSTM "rnn" and an nn.Linear "output". The vocabulary goes along
    as metadata.
    """
    from rnnlm_cli.model_file import load_model
    from rnnlm_cli.weights_file import save_weights

    _require_replaceable(out)
    loaded = load_model(model)
    save_weights(out, loaded)
    config = loaded.network.config
    print(f"{out}: {_module(config)}", file=sys.stderr)
    print(
        f"in PyTorch: module.load_state_dict(safetensors.torch.load_file({str(out)!r}))",
        file=sys.stderr,
    )
    if not config.unknown_trained:
        print(
            "rnnlm: note: rnnlm gives token 0, <unk>, no probability, as training held none; "
            "in PyTorch its logit is to be left out",
            file=sys.stderr,
        )


def _module(config: ModelConfig) -> str:
    """The submodules that the weights fit, as Python writes them."""
    kind = {"gru": "GRU", "lstm": "LSTM"}.get(config.cell, "RNN")
    sizes = f"{config.embedding_size}, {config.hidden_size}, {config.num_layers}"
    relu = ", nonlinearity='relu'" if config.cell == "elman_relu" else ""
    return (
        f"embedding = nn.Embedding({config.vocab_size}, {config.embedding_size}), "
        f"rnn = nn.{kind}({sizes}{relu}), "
        f"output = nn.Linear({config.hidden_size}, {config.vocab_size})"
    )


def _require_replaceable(out: Path) -> None:
    """Raise FileError where something stands that an export must not overwrite."""
    require_folder(out, option="OUT")
    if os.path.exists(out) and not _is_replaceable(out):
        raise FileError(
            f"{out}: exists and is no file of plain weights, so it is not overwritten. "
            "Choose another OUT"
        )


def _is_replaceable(out: Path) -> bool:
    """Whether a file is empty, exported weights, or another program's safetensors file."""
    import json

    from safetensors import SafetensorError, safe_open

    from rnnlm_cli.files.safetensors_header import METADATA_KEY
    from rnnlm_cli.weights_file import FORMAT

    if not os.path.isfile(out):  # a device, a pipe
        return False
    try:
        if not os.path.getsize(out):
            return True
        with safe_open(out, framework="pt") as file:
            entry = (file.metadata() or {}).get(METADATA_KEY)
        return entry is None or json.loads(entry)["format"] == FORMAT
    except (OSError, SafetensorError, ValueError, TypeError, KeyError):
        return False
