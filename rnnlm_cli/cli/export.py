"""rnnlm export"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rnnlm_cli.cli.options import ForceOption, ModelOption
from rnnlm_cli.files.overwrite import require_no_input, require_replaceable
from rnnlm_cli.files.run_files import DEFAULT_MODEL, RunFileKind
from rnnlm_cli.messages import escape_controls

if TYPE_CHECKING:
    from rnnlm_cli.config import ModelConfig


def export(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Safetensors file to write.")],
    model: ModelOption = DEFAULT_MODEL,
    force: ForceOption = False,
) -> None:
    """Write a model's weights as plain safetensors with torch.nn's names.

    They fit a PyTorch module that has an nn.Embedding "embedding", an nn.RNN, nn.GRU or nn.LSTM
    "rnn" and an nn.Linear "output", which read (time, batch). The command prints the Python that
    makes such a module and loads the file. The vocabulary is stored as metadata.
    """
    from rnnlm_cli.model_file import load_model
    from rnnlm_cli.weights_file import save_weights

    require_replaceable(out, RunFileKind.WEIGHTS, option="OUT", force=force)
    require_no_input([out], [model], option="OUT")
    loaded = load_model(model)
    save_weights(out, loaded)
    config = loaded.network.config
    print(f"{escape_controls(str(out))}: read it in PyTorch with", file=sys.stderr)
    for line in format_reader(config, out):
        print(f"    {line}", file=sys.stderr)
    if not config.unknown_trained:
        print(
            "rnnlm: note: the training text had no unknown tokens, so rnnlm gives token 0, <unk>, "
            "no probability; in PyTorch, leave its logit out",
            file=sys.stderr,
        )


def format_reader(config: ModelConfig, path: Path) -> list[str]:
    """Return the lines of Python that read exported weights into a module of torch.nn."""
    kind = {"gru": "GRU", "lstm": "LSTM"}.get(config.cell, "RNN")
    sizes = f"{config.embedding_size}, {config.hidden_size}, {config.num_layers}"
    relu = ", nonlinearity='relu'" if config.cell == "elman_relu" else ""
    return [
        "import safetensors.torch",
        "from torch import nn",
        "module = nn.Module()",
        f"module.embedding = nn.Embedding({config.vocab_size}, {config.embedding_size})",
        f"module.rnn = nn.{kind}({sizes}{relu})",
        f"module.output = nn.Linear({config.hidden_size}, {config.vocab_size})",
        f"module.load_state_dict(safetensors.torch.load_file({str(path)!r}))",
    ]
