"""One self-contained file: configuration, vocabulary, weights, checksum. No code runs on load.

Layout: safetensors, with exactly one metadata entry, "rnnlm": canonical JSON (sorted keys,
separators "," and ":", ASCII) of

    format      "rnnlm-model"
    version     1
    model       ModelConfig, field by field
    sentences   whether every line is a sentence of its own
    encoding    of the training text; null at byte level
    vocabulary  level, tokens in id order, num_unknown
    training    summary: plain numbers and words, the same for the same run
    sha256      of that JSON without this key and then, by sorted name, of each tensor's name,
                dtype, shape and bytes
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from rnnlm_cli.config import ModelConfig
from rnnlm_cli.errors import ConfigError, ModelFileError
from rnnlm_cli.files import replace_file
from rnnlm_cli.nn.model import RecurrentNetwork
from rnnlm_cli.text.vocabulary import Vocabulary

FORMAT, VERSION = "rnnlm-model", 1
METADATA_KEY = "rnnlm"


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

    Raises: ModelFileError where the disk or the folder does not take it; an old file stays.
    """
    tensors = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in model.network.state_dict().items()
    }
    description = {
        "format": FORMAT,
        "version": VERSION,
        "model": asdict(model.network.config),
        "sentences": model.sentences,
        "encoding": model.encoding,
        "vocabulary": model.vocabulary.to_dict(),
        "training": dict(model.training),
    }
    description["sha256"] = _checksum(description, tensors)
    replace_file(Path(path), save(tensors, {METADATA_KEY: _canonical(description)}))


def load_model(path: str | Path, *, device: torch.device | str = "cpu") -> Model:
    """Read a model file, checking everything it claims before anything is allocated.

    Raises: ModelFileError for a file that is missing, damaged, altered, foreign or too new.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(8)
        with safe_open(path, framework="pt") as file:
            description = _described(path, file.metadata() or {})
            model = _skeleton(path, description)
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}
            wanted = {n: tuple(t.shape) for n, t in model.network.state_dict().items()}
            types = {file.get_slice(name).get_dtype() for name in shapes}
            if shapes != wanted or types - {"F32"}:
                raise _damaged(path, "its weights do not fit its description")
            # Cloned: a tensor inside the file's mapping may lie unaligned, and die with the file.
            tensors = {name: file.get_tensor(name).clone() for name in shapes}
    except FileNotFoundError:
        raise ModelFileError(
            f"{path}: no such model file; 'rnnlm train TEXT' writes one, "
            "and -m FILE names one that stands elsewhere"
        ) from None
    except IsADirectoryError:
        raise ModelFileError(f"{path}: is a folder; a model file is needed") from None
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror or error})") from None
    except SafetensorError:
        raise _unreadable(path, head) from None
    if _checksum(description, tensors) != description.get("sha256"):
        raise _damaged(path, "its checksum does not match its contents")
    model.network.load_state_dict(tensors, assign=True)
    for parameter in model.network.parameters():
        parameter.requires_grad_(False)
    model.network.to(device)
    return model


def _canonical(description: Mapping[str, Any]) -> str:
    return json.dumps(
        description, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def _checksum(description: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    unsigned = {key: value for key, value in description.items() if key != "sha256"}
    digest = hashlib.sha256(_canonical(unsigned).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"\n{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.numpy().data)
    return digest.hexdigest()


def _described(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    """The JSON of a model file, known to be one of ours and of a version we read."""
    try:
        description = json.loads(metadata[METADATA_KEY])
        is_ours = description["format"] == FORMAT
        version = description["version"]
    except KeyError:
        is_ours = False
    except (ValueError, TypeError, RecursionError):
        raise _damaged(path, "its description is not JSON") from None
    if not is_ours or not isinstance(version, int):
        raise ModelFileError(
            f"{path}: is a safetensors file of another program; a model written by "
            "'rnnlm train' is needed"
        )
    if version > VERSION:
        raise ModelFileError(
            f"{path}: has format {version}, from a newer rnnlm; this one reads up to {VERSION}. "
            "Install a newer rnnlm"
        )
    assert isinstance(description, dict)
    return description


def _skeleton(path: Path, description: Mapping[str, Any]) -> Model:
    """The model without its weights (on the meta device, which allocates nothing)."""
    try:
        names = {field.name for field in fields(ModelConfig)}
        if set(description["model"]) != names:
            raise ValueError("model")
        config = ModelConfig(**description["model"])
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
    except (ConfigError, ValueError, TypeError, KeyError, RuntimeError):
        raise _damaged(path, "its description does not hold together") from None


def _damaged(path: Path, reason: str) -> ModelFileError:
    return ModelFileError(
        f"{path}: is damaged or was altered: {reason}; an intact model file is needed. "
        "Use a copy, the one before (.old) if there is one, or train again"
    )


def _unreadable(path: Path, head: bytes) -> ModelFileError:
    """Say what a file is that is not even a safetensors file."""
    if head.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        return ModelFileError(
            f"{path}: is a pickle, as torch.save writes them; loading one can run any code, so "
            "rnnlm never does. A model written by 'rnnlm train' is needed"
        )
    size = int.from_bytes(head, "little")
    if len(head) == 8 and 0 < size < 1 << 27:
        return _damaged(path, "it is cut short or its header is broken")
    return ModelFileError(
        f"{path}: is no model file; a model written by 'rnnlm train' is needed. "
        "Name it with -m FILE"
    )
