"""Model files: one self-contained file with configuration, vocabulary, weights and checksum.

Layout: `rnnlm_cli.files.container`, format "rnnlm-model", version 4. The description holds

    model       ModelConfig, field by field
    sentences   whether every line is a separate sentence
    encoding    of the training text; null at byte level
    vocabulary  level, tokens in id order; at bpe level merges
    training    summary: plain numbers and words, the same for the same run
    counted     whether there is an array token_counts
    sampling    settings that suit the model when it generates text, each a number. There is one
                now: temperature, from 0 to 1000. Other keys are kept and have no effect.

and the arrays are the network's parameters, and token_counts, (V,), of type int64: how often the
training text has each token. Older files are still read. Version 3 has no sampling settings, and
version 2 has no counts either. In version 1, the vocabulary also has num_unknown, the number of
unknown tokens in the training text; now it is one of the figures of the training summary, as
unknown_tokens. No code is run when a file is loaded.
"""

import codecs
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnlm_cli.config import ModelConfig, SampleConfig
from rnnlm_cli.config.field_types import require_type
from rnnlm_cli.config.option import find_problems
from rnnlm_cli.errors import ConfigError, ModelFileError
from rnnlm_cli.files import container
from rnnlm_cli.files.container import Arrays, FileFormat, Shapes
from rnnlm_cli.files.run_files import RunFileKind
from rnnlm_cli.files.safetensors_header import MAX_HEADER_BYTES
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.text.vocabulary import Vocabulary

MAX_VOCABULARY = MAX_HEADER_BYTES - 1_000_000  # bytes; the rest of a description is shorter

TOKEN_COUNTS = "token_counts"

MODEL = FileFormat(
    RunFileKind.MODEL.value, 4, "model file", "'rnnlm train TEXT'",
    "Use a copy, the previous model (.old) if there is one, or train again",
)


@dataclass(frozen=True)
class Model:
    """The contents of a model file.

    Args:
        token_counts_V: how often the training text has each token; None if it is not known.
        sampling: the defaults for generating text, by the field names of SampleConfig; empty if
            the file has none.
    """

    network: RecurrentNetwork
    vocabulary: Vocabulary
    sentences: bool
    encoding: str | None
    training: Mapping[str, Any]
    token_counts_V: NDArray[np.int64] | None = None
    sampling: Mapping[str, float] = field(default_factory=dict)


def save_model(path: str | Path, model: Model) -> None:
    """Write a model whole or not at all: to a temporary file that is flushed and then renamed.

    Raises: FileError if the disk or the folder does not take the file; the old file stays.
    """
    arrays = to_arrays(model.network.state_dict())
    if model.token_counts_V is not None:
        arrays[TOKEN_COUNTS] = np.asarray(model.token_counts_V, np.int64)
    container.write_container(Path(path), MODEL, describe_model(model), arrays)


def describe_model(model: Model) -> dict[str, Any]:
    """Return the description that a model file holds, without the keys of the container."""
    return {
        "model": asdict(model.network.config),
        "sentences": model.sentences,
        "encoding": model.encoding,
        "vocabulary": model.vocabulary.to_dict(),
        "training": dict(model.training),
        "counted": model.token_counts_V is not None,
        "sampling": dict(model.sampling),
    }


def require_storable(vocabulary: Vocabulary) -> None:
    """Raise ConfigError if the vocabulary makes a description longer than a file can have.

    Checked before the training: a model that cannot be saved is found out too late at its end.
    """
    num_characters = sum(map(len, vocabulary.tokens))
    if 16 * (num_characters + len(vocabulary.tokens) + len(vocabulary.merges)) < MAX_VOCABULARY:
        return  # JSON within JSON writes a character as at most 14 bytes
    size = len(json.dumps(json.dumps(vocabulary.to_dict())))
    if size > MAX_VOCABULARY:
        raise ConfigError(
            f"--vocab-size: the vocabulary of {len(vocabulary):,} tokens takes {size:,} bytes in a "
            f"model file, and at most {MAX_VOCABULARY:,} can be read back. Choose a smaller "
            "--vocab-size, or a larger --min-count"
        )


def load_model(path: str | Path, *, device: torch.device | str = "cpu") -> Model:
    """Read a model file. Everything it claims is checked before any memory is allocated.

    Raises: ModelFileError for a file that is missing, damaged, altered, foreign or too new.
    """
    with container.open_container(Path(path), MODEL) as file:
        try:
            model = _build_skeleton(file.description)
        except container.UNSOUND:
            raise file.damaged("its description does not hold together") from None
        shapes = dict(tensor_shapes(model.network.state_dict()))
        if file.description.get("counted"):
            shapes[TOKEN_COUNTS] = (len(model.vocabulary),), "int64"
        arrays = file.read_arrays(shapes)
        token_counts_V = arrays.pop(TOKEN_COUNTS, None)
        require_finite(arrays, file.damaged("its weights are not finite numbers"))
        if token_counts_V is not None and (token_counts_V < 0).any():
            raise file.damaged("its token counts are not numbers of 0 or more")
    model = replace(model, token_counts_V=token_counts_V)
    model.network.load_state_dict(to_tensors(arrays), assign=True)
    for parameter in model.network.parameters():
        parameter.requires_grad_(False)
    model.network.to(device)
    return model


def parse_model_config(data: Mapping[str, Any]) -> ModelConfig:
    """Return the ModelConfig with these fields. Raises: ValueError, TypeError or ConfigError."""
    if set(data) != {field.name for field in fields(ModelConfig)}:
        raise ValueError("model")
    config = ModelConfig(**data)
    require_type(config, ModelConfig, "model")
    return config


def to_arrays(tensors: Mapping[str, Tensor]) -> Arrays:
    """Convert tensors to arrays for a container. On the CPU they share the tensors' memory."""
    return {
        name: tensor.detach().cpu().contiguous().numpy() for name, tensor in tensors.items()
    }


def to_tensors(arrays: Arrays) -> dict[str, Tensor]:
    """Convert the arrays of a container to tensors, and empty `arrays` on the way.

    Each tensor has its own memory, aligned as PyTorch aligns it, since the rounding of a kernel can
    depend on the alignment.
    """
    return {name: torch.from_numpy(arrays.pop(name)).clone() for name in list(arrays)}


def tensor_shapes(tensors: Mapping[str, Tensor]) -> Shapes:
    """Return the shapes and dtypes of the arrays that a container must have for these tensors."""
    return {
        name: (tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))
        for name, tensor in tensors.items()
    }


def _build_skeleton(description: Mapping[str, Any]) -> Model:
    """Build a model without its weights, on the meta device, which allocates nothing.

    Raises: one of `container.UNSOUND` if the description has the wrong structure.
    """
    config = parse_model_config(description["model"])
    vocabulary = Vocabulary.from_dict(description["vocabulary"])
    training = dict(description["training"])
    if len(vocabulary) != config.vocab_size:
        raise ValueError("vocabulary")
    if description["version"] == 1:
        training["unknown_tokens"] = description["vocabulary"]["num_unknown"]
    if description["version"] > 2:
        require_type(description["counted"], bool, "counted")
    sampling = _parse_sampling(description["sampling"]) if description["version"] > 3 else {}
    sentences, encoding = parse_text_facts(description)
    if not all(_is_plain(value) for value in training.values()):
        raise TypeError("training")
    for name in ("valid_nats", "test_nats"):
        require_type(training.get(name), float | None, name)
    with torch.device("meta"):
        network = RecurrentNetwork(config)
    return Model(network, vocabulary, sentences, encoding, training, sampling=sampling)


def _parse_sampling(data: Mapping[str, Any]) -> dict[str, float]:
    """Return sampling settings. Raises: one of `container.UNSOUND` if one of them is invalid."""
    for name, value in data.items():
        require_type(value, float, name)
    if find_problems(SampleConfig, {"temperature": data.get("temperature")}):
        raise ValueError("temperature")
    return dict(data)


def parse_text_facts(description: Mapping[str, Any]) -> tuple[bool, str | None]:
    """Parse the fields of a description that concern the training text.

    Returns: (sentences, encoding), as in Model.
    Raises: one of `container.UNSOUND` if `sentences` is not a bool, or if `encoding` is neither
        null nor the name of a text encoding.
    """
    sentences, encoding = description["sentences"], description["encoding"]
    require_type(sentences, bool, "sentences")
    if encoding is not None:
        codecs.lookup(encoding)
        "".encode(encoding)  # fails for codecs that are not for text
    return sentences, encoding


def _is_plain(value: object) -> bool:
    """Return whether a training summary may hold a value: text, a number, a bool or null."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return abs(value) < 1 << 63
    return value is None or isinstance(value, str)


def require_finite(arrays: Arrays, error: ModelFileError) -> None:
    """Raise an error if an array of weights contains NaN or infinity."""
    for array in arrays.values():
        # The sum is finite if all are, except where it overflows; then every one is looked at.
        with np.errstate(over="ignore", invalid="ignore"):
            is_finite = bool(np.isfinite(array.sum())) or bool(np.isfinite(array).all())
        if not is_finite:
            raise error
