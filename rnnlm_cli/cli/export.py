"""rnnlm export"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rnnlm_cli.cli.options import ForceOption, ModelOption
from rnnlm_cli.files.overwrite import require_no_input, require_replaceable
from rnnlm_cli.files.run_files import DEFAULT_MODEL, RunFileKind

if TYPE_CHECKING:
    from rnnlm_cli.config import ModelConfig


def export(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Safetensors file to write.")],
    model: ModelOption = DEFAULT_MODEL,
    force: ForceOption = False,
) -> None:
    """Write a model's weights as plain safetensors with torch.nn's names.

    They fit a PyTorch module that has an nn.Embedding "embedding", an nn.RNN, nn.GRU or nn.LSTM
    "rnn" and an nn.Linear "output". The vocabulary is stored as metadata.
    """
    from rnnlm_cli.model_file import load_model
    from rnnlm_cli.weights_file import save_weights

    require_replaceable(out, RunFileKind.WEIGHTS, option="OUT", force=force)
    require_no_input([out], [model], option="OUT")
    loaded = load_model(model)
    save_weights(out, loaded)
    config = loaded.network.config
    print(f"{out}: {_format_module(config)}", file=sys.stderr)
    print(
        f"in PyTorch: module.load_state_dict(safetensors.torch.load_file({str(out)!r}))",
        file=sys.stderr,
    )
    if not config.unknown_trained:
        print(
            "rnnlm: note: the training text had no unknown tokens, so rnnlm gives token 0, <unk>, "
            "no probability; in PyTorch, leave its logit out",
            file=sys.stderr,
        )


def _format_module(config: ModelConfig) -> str:
    """Return the submodules that the weights fit, as Python code."""
    kind = {"gru": "GRU", "lstm": "LSTM"}.get(config.cell, "RNN")
    sizes = f"{config.embedding_size}, {config.hidden_size}, {config.num_layers}"
    relu = ", nonlinearity='relu'" if config.cell == "elman_relu" else ""
    return (
        f"embedding = nn.Embedding({config.vocab_size}, {config.embedding_size}), "
        f"rnn = nn.{kind}({sizes}{relu}), "
        f"output = nn.Linear({config.hidden_size}, {config.vocab_size})"
    )

