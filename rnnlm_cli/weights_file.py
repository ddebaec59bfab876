"""Weights as plain safetensors with torch.nn's names, which PyTorch and rnnlm read.

The tensors have the names and shapes that `rnnlm_cli.module_shapes` lists; the output.weight of a
tied model is a copy of its embedding.weight. One metadata entry, "rnnlm", which other readers
ignore, is canonical JSON (as in a model file) with the keys

    format      "rnnlm-weights"
    version     2; version 1 is still read, and also has num_unknown in the vocabulary
    model       ModelConfig, field by field
    sentences   whether every line is a separate sentence
    encoding    of the training text; null at byte level
    vocabulary  as Vocabulary.to_dict returns it

Note: if `unknown_trained` is false, rnnlm uses the mean of the other embeddings for <unk>, id 0,
and gives it no probability; in PyTorch it has a row and a logit like any other, never trained.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from rnnlm_cli.config import ModelConfig
from rnnlm_cli.errors import ModelFileError
from rnnlm_cli.files.atomic import replace_file
from rnnlm_cli.files.container import UNSOUND, encode_canonical
from rnnlm_cli.files.run_files import RunFileKind
from rnnlm_cli.files.safetensors_header import METADATA_KEY
from rnnlm_cli.model_file import Model, parse_model_config, parse_text_facts
from rnnlm_cli.module_shapes import (
    EMBEDDING,
    OUTPUT,
    Nonlinearity,
    Parameters,
    UnsuitableError,
    find_optional_names,
    find_problems,
    infer_config,
    list_parameters,
    resolve_aliases,
    shorten_list,
    to_torch_name,
)
from rnnlm_cli.text.vocabulary import Vocabulary

FORMAT, VERSION = RunFileKind.WEIGHTS.value, 2
DTYPES = {"F16", "BF16", "F32", "F64"}


@dataclass(frozen=True)
class Weights:
    """The contents of a file of weights.

    Args:
        config: the sizes of the network.
        tensors: float32, by the names of RecurrentNetwork.state_dict().
        vocabulary, sentences, encoding: as in Model; None in files that rnnlm did not write.
    """

    config: ModelConfig
    tensors: Mapping[str, Tensor]
    vocabulary: Vocabulary | None = None
    sentences: bool | None = None
    encoding: str | None = None


def save_weights(path: str | Path, model: Model) -> None:
    """Write a model's weights whole or not at all. Raises: FileError."""
    config, state = model.network.config, model.network.state_dict()
    tensors = {to_torch_name(name): state[name].cpu().contiguous() for name in state}
    if config.tied:
        tensors[OUTPUT] = tensors[EMBEDDING].clone()
    description = {
        "format": FORMAT, "version": VERSION, "model": asdict(config),
        "sentences": model.sentences, "encoding": model.encoding,
        "vocabulary": model.vocabulary.to_dict(),
    }
    replace_file(Path(path), save(tensors, {METADATA_KEY: encode_canonical(description)}))


def load_weights(path: str | Path, *, nonlinearity: Nonlinearity = "tanh") -> Weights:
    """Read weights that `save_weights` wrote, or those of a PyTorch module.

    The sizes of a module follow from its shapes, and all its tokens count as trained. If it has
    only one table, the tables are tied; biases that it does not have become zeros. The names
    encoder and decoder may stand for embedding and output.

    Args:
        nonlinearity: of an nn.RNN, whose weights do not show it; ignored for other files.
    Raises: ModelFileError for a file that is missing or that holds anything else.
    """
    path = Path(path)
    with _open_safetensors(path) as file:
        names = resolve_aliases(file.keys())
        slices = {name: file.get_slice(name_in_file) for name, name_in_file in names.items()}
        shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
        entry = (file.metadata() or {}).get(METADATA_KEY)
        try:
            weights = (
                _parse_description(path, entry) if entry
                else Weights(infer_config(shapes, nonlinearity), {})
            )
        except UnsuitableError as error:
            raise _unsuitable_error(path, str(error)) from None
        parameters = list_parameters(weights.config)
        optional = set() if entry else find_optional_names(weights.config, shapes)
        problems = find_problems(parameters, shapes, optional)
        other_dtypes = {part.get_dtype() for part in slices.values()} - DTYPES
        if other_dtypes:
            listed = shorten_list(sorted(other_dtypes))
            problems.append(f"holds {listed} where F16, BF16, F32 or F64 is needed")
        if problems:
            raise _unsuitable_error(path, shorten_list(problems, separator="; "))
        # Copied: a tensor in the file's memory map may be unaligned, and changes with the file.
        tensors = {
            name: file.get_tensor(name_in_file).float().clone()
            for name, name_in_file in names.items()
        }
    return replace(weights, tensors=_rename_tensors(path, parameters, tensors))


def _parse_description(path: Path, entry: str) -> Weights:
    """Parse the metadata that rnnlm wrote. Returns: the weights, still without tensors."""
    try:
        data = json.loads(entry)
        given = data["format"], data["version"]
        if given not in ((FORMAT, 1), (FORMAT, VERSION)):
            raise ModelFileError(
                f"{path}: is of format and version {ascii(given)[:60]}; {(FORMAT, VERSION)} is "
                "needed. 'rnnlm export OUT -m MODEL' writes that, a newer rnnlm reads newer ones"
            )
        config = parse_model_config(data["model"])
        vocabulary = Vocabulary.from_dict(data["vocabulary"])
        if len(vocabulary) != config.vocab_size:
            raise ValueError("vocabulary")
        return Weights(config, {}, vocabulary, *parse_text_facts(data))
    except UNSOUND:
        raise _unsuitable_error(path, "its description does not hold together") from None


def _rename_tensors(
    path: Path, parameters: Parameters, tensors: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the tensors by the network's names, with zeros for biases that are missing."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise _unsuitable_error(path, f"{name} holds numbers that are not finite in float32")
        if not torch.equal(renamed.setdefault(parameters[name][0], tensor), tensor):
            raise _unsuitable_error(
                path, f"{EMBEDDING} and {OUTPUT} differ in a model said to be tied"
            )
    missing = {name: shape for name, shape in parameters.values() if name not in renamed}
    return renamed | {name: torch.zeros(shape) for name, shape in missing.items()}


@contextmanager
def _open_safetensors(path: Path) -> Iterator[Any]:
    """Open a safetensors file; errors of the library become ModelFileErrors."""
    needed = "weights are needed, as 'rnnlm export' or safetensors.torch.save_file writes them"
    if not os.path.isfile(path):
        problem = "is a folder, a pipe or a device" if os.path.exists(path) else "no such file"
        raise ModelFileError(f"{path}: {problem}; {needed}")
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error}); {needed}") from None
    except SafetensorError:
        raise ModelFileError(
            f"{path}: is no whole safetensors file (a pickle, as torch.save writes it, can run any "
            f"code and is never read); {needed}"
        ) from None


def _unsuitable_error(path: Path, problem: str) -> ModelFileError:
    return ModelFileError(
        f"{path}: {problem}; the weights of one nn.Embedding, one nn.RNN, nn.GRU or nn.LSTM and "
        "one nn.Linear are needed, named embedding, rnn and output. Save those alone"
    )
