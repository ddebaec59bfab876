"""One self-contained file: configuration, vocabulary, weights, checksum. No code runs on load.

Layout: `rnnlm_cli.files.container`, of the format "rnnlm-model", version 1, its description holding

    model       ModelConfig, field by field
    sentences   whether every line is a sentence of its own
    encoding    of the training text; null at byte level
    vocabulary  level, tokens in id order, num_unknown; at bpe level merges
    training    summary: plain numbers and words, the same for the same run
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rnnlm_cli.config import ModelConfig
from rnnlm_cli.files import container
from rnnlm_cli.files.container import Arrays, FileFormat, Shapes
from rnnlm_cli.files.run_files import RunFileKind
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.text.vocabulary import Vocabulary

MODEL = FileFormat(
    RunFileKind.MODEL.value, 1, "model file", "'rnnlm train TEXT'",
    "Use a copy, the one before (.old) if there is one, or train again",
)


@dataclass(frozen=True)
class Model:
    """All that a model file holds."""

    network: RecurrentNetwork
    vocabulary: Vocabulary
    sentences: bool
    encoding: str | None
    training: Mapping[str, Any]


def save_model(path: str | Path, model: Model) -> None:
    """Write a model whole or not at all: a temporary sibling, flushed to the disk, then renamed.

    Raises: FileError where the disk or the folder does not take it; an old file stays.
    """
    description = {
        "model": asdict(model.network.config),
        "sentences": model.sentences,
        "encoding": model.encoding,
        "vocabulary": model.vocabulary.to_dict(),
        "training": dict(model.training),
    }
    container.write_container(Path(path), MODEL, description, to_arrays(model.network.state_dict()))


def load_model(path: str | Path, *, device: torch.device | str = "cpu") -> Model:
    """Read a model file, checking everything it claims before anything is allocated.

    Raises: ModelFileError for a file that is missing, damaged, altered, foreign or too new.
    """
    with container.open_container(Path(path), MODEL) as file:
        try:
            model = _build_skeleton(file.description)
        except container.UNSOUND:
            raise file.damaged("its description does not hold together") from None
        arrays = file.read_arrays(tensor_shapes(model.network.state_dict()))
    model.network.load_state_dict(tensors_of(arrays), assign=True)
    for parameter in model.network.parameters():
        parameter.requires_grad_(False)
    model.network.to(device)
    return model


def parse_model_config(data: Mapping[str, Any]) -> ModelConfig:
    """A ModelConfig from its fields. Raises: ValueError, TypeError or ConfigError."""
    if set(data) != {field.name for field in fields(ModelConfig)}:
        raise ValueError("model")
    return ModelConfig(**data)


def to_arrays(tensors: Mapping[str, Tensor]) -> Arrays:
    """Tensors as what a container holds; on the CPU they share their memory."""
    return {name: each.detach().cpu().contiguous().numpy() for name, each in tensors.items()}


def tensors_of(arrays: Arrays) -> dict[str, Tensor]:
    """What a container holds as tensors; the arrays are used up.

    Each has memory of its own, aligned as PyTorch aligns it: how a kernel rounds can depend on it.
    """
    return {name: torch.from_numpy(arrays.pop(name)).clone() for name in list(arrays)}


def tensor_shapes(tensors: Mapping[str, Tensor]) -> Shapes:
    """The shapes and types that a container is to hold for such tensors."""
    return {
        name: (tuple(each.shape), str(each.dtype).removeprefix("torch."))
        for name, each in tensors.items()
    }


def _build_skeleton(description: Mapping[str, Any]) -> Model:
    """The model without its weights (on the meta device, which allocates nothing)."""
    config = parse_model_config(description["model"])
    vocabulary = Vocabulary.from_dict(description["vocabulary"])
    if len(vocabulary) != config.vocab_size or not isinstance(description["training"], dict):
        raise ValueError("vocabulary")
    with torch.device("meta"):
        network = RecurrentNetwork(config)
    return Model(
        network,
        vocabulary,
        bool(description["sentences"]),
        description["encoding"],
        description["training"],
    )
