"""Weights as plain safetensors with torch.nn's names: PyTorch reads them, and they come back.

    embedding.weight  (V, E)    nn.Embedding(V, E)
    rnn.weight_ih_l0  (G, E)    nn.RNN, nn.GRU or nn.LSTM(E, H, num_layers)
    rnn.weight_hh_l0  (G, H)
    rnn.bias_ih_l0    (G,)
    rnn.bias_hh_l0    (G,)      and so on for l1, l2, ..., where weight_ih is (G, H)
    output.weight     (V, H)    nn.Linear(H, V); of a tied model a copy of embedding.weight
    output.bias       (V,)

One metadata entry, "rnnlm", which other readers pass over: canonical JSON (as in a model file) of

    format      "rnnlm-weights"
    version     1
    model       ModelConfig, field by field
    sentences   whether every line is a sentence of its own
    encoding    of the training text; null at byte level
    vocabulary  as Vocabulary.to_dict gives it

Legend: E embedding size, H hidden size, G = (number of gates) * H, V vocabulary size.
Note: where `unknown_trained` is false, rnnlm reads <unk>, id 0, as the mean of the other embeddings
and gives it no probability; in PyTorch it has a row and a logit as any other, never trained.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from rnnlm_cli.config import CellName, ModelConfig
from rnnlm_cli.errors import ConfigError, ModelFileError
from rnnlm_cli.files.atomic import replace_file
from rnnlm_cli.files.container import encode_canonical
from rnnlm_cli.files.safetensors_header import METADATA_KEY
from rnnlm_cli.model_file import Model, parse_model_config
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.text.vocabulary import Vocabulary

FORMAT, VERSION = "rnnlm-weights", 1
EMBEDDING, OUTPUT, OUTPUT_BIAS = "embedding.weight", "output.weight", "output.bias"
INPUT, RECURRENT = "rnn.weight_ih_l0", "rnn.weight_hh_l0"
TORCH_NAMES = {"embedding": EMBEDDING, "output_weight": OUTPUT, "output_bias": OUTPUT_BIAS}
ALIASES = {  # in PyTorch's example word_language_model
    "encoder.weight": EMBEDDING, "decoder.weight": OUTPUT, "decoder.bias": OUTPUT_BIAS,
}
DTYPES = {"F16", "BF16", "F32", "F64"}

Nonlinearity = Literal["tanh", "relu"]
Shapes = Mapping[str, tuple[int, ...]]  # by torch.nn's names
Wanted = Mapping[str, tuple[str, tuple[int, ...]]]  # the network's own name with it


@dataclass(frozen=True)
class Weights:
    """What a file of weights holds.

    Args:
        config: the network's shape.
        tensors: float32, by the names of RecurrentNetwork.state_dict().
        vocabulary, sentences, encoding: as in Model; None in files that rnnlm did not write.
    """

    config: ModelConfig
    tensors: Mapping[str, Tensor]
    vocabulary: Vocabulary | None = None
    sentences: bool | None = None
    encoding: str | None = None


def save_weights(path: str | Path, model: Model) -> None:
    """Write a model's weights whole or not at all. Raises: ModelFileError where that fails."""
    config, state = model.network.config, model.network.state_dict()
    tensors = {_torch_name(name): state[name].cpu().contiguous() for name in state}
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

    A module's sizes follow from its shapes, and all its tokens count as trained. Its tables are
    tied where it has only one; biases that it lacks become zeros. The names encoder and decoder
    may stand for embedding and output.

    Args:
        nonlinearity: of an nn.RNN, whose weights do not tell; has no bearing on other files.
    Raises: ModelFileError for a file that is missing or holds anything else.
    """
    path = Path(path)
    with _opened(path) as file:
        places = _places(file.keys())
        slices = {name: file.get_slice(place) for name, place in places.items()}
        shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
        entry = (file.metadata() or {}).get(METADATA_KEY)
        weights = _described(path, entry) if entry else _inferred(path, shapes, nonlinearity)
        wanted = _wanted(weights.config)
        problems = _misfits(wanted, shapes, set() if entry else _optional(weights.config, shapes))
        strange = {part.get_dtype() for part in slices.values()} - DTYPES
        if strange:
            problems.append(f"holds {_few(sorted(strange))} where F16, BF16, F32 or F64 is needed")
        if problems:
            raise _unfit(path, _few(problems, separator="; "))
        # Copied: a tensor inside the file's mapping may lie unaligned, and die with the file.
        found = {name: file.get_tensor(place).float().clone() for name, place in places.items()}
    return replace(weights, tensors=_own(path, wanted, found))


def _torch_name(name: str) -> str:
    return TORCH_NAMES.get(name) or re.sub(r"layers\.(\d+)\.(\w+)", r"rnn.\2_l\1", name)


def _places(names: Sequence[str]) -> dict[str, str]:
    """The names in a file by the names in this one."""
    aliases = {alias: name for alias, name in ALIASES.items() if name not in names}
    return {aliases.get(name, name): name for name in names}


def _wanted(config: ModelConfig) -> Wanted:
    """The parameters of a network; where they are tied, both tables are the embedding."""
    with torch.device("meta"):  # which allocates nothing
        state = RecurrentNetwork(config).state_dict()
    wanted = {_torch_name(name): (name, tuple(state[name].shape)) for name in state}
    return wanted | ({OUTPUT: wanted[EMBEDDING]} if config.tied else {})


def _described(path: Path, entry: str) -> Weights:
    """What our metadata says; the tensors are still to come."""
    try:
        data = json.loads(entry)
        given = data["format"], data["version"]
        if given != (FORMAT, VERSION):
            raise ModelFileError(
                f"{path}: is of format and version {ascii(given)[:60]}; {(FORMAT, VERSION)} is "
                "needed. 'rnnlm export OUT -m MODEL' writes that, a newer rnnlm reads newer ones"
            )
        config = parse_model_config(data["model"])
        vocabulary = Vocabulary.from_dict(data["vocabulary"])
        if len(vocabulary) != config.vocab_size:
            raise ValueError("vocabulary")
        if not isinstance(data["encoding"], str | None):
            raise ValueError("encoding")
        return Weights(config, {}, vocabulary, bool(data["sentences"]), data["encoding"])
    except (ConfigError, ValueError, TypeError, KeyError, RecursionError):
        raise _unfit(path, "its description does not hold together") from None


def _inferred(path: Path, shapes: Shapes, nonlinearity: Nonlinearity) -> Weights:
    """What the shapes of a module say; the tensors are still to come."""
    beyond = [ascii(name)[:60] for name in shapes if re.search(r"_reverse$|\.weight_hr_", name)]
    if beyond:
        raise _unfit(path, f"is bidirectional or has projections ({_few(beyond)})")
    table = OUTPUT if {EMBEDDING, OUTPUT} & shapes.keys() == {OUTPUT} else EMBEDDING
    matrices = [shapes.get(name, ()) for name in (table, INPUT, RECURRENT)]
    if any(len(shape) != 2 for shape in matrices):
        raise _unfit(path, f"does not hold the matrices {table}, {INPUT} and {RECURRENT}")
    (vocab_size, _), (_, embedding_size), (gates_size, hidden_size) = matrices
    elman: CellName = "elman_tanh" if nonlinearity == "tanh" else "elman_relu"
    cells: dict[float, CellName] = {1: elman, 3: "gru", 4: "lstm"}
    cell = cells.get(gates_size / max(hidden_size, 1))
    if cell is None:
        raise _unfit(path, f"{RECURRENT} is {matrices[2]}, neither (H, H), (3H, H) nor (4H, H)")
    try:
        config = ModelConfig(
            vocab_size=vocab_size, cell=cell,
            num_layers=sum(bool(re.fullmatch(r"rnn\.weight_hh_l\d+", name)) for name in shapes),
            embedding_size=embedding_size, hidden_size=hidden_size,
            tied=not {EMBEDDING, OUTPUT} <= shapes.keys() and embedding_size == hidden_size,
        )
    except ConfigError as error:
        raise _unfit(path, f"its sizes are out of range ({error})") from None
    return Weights(config, {})


def _optional(config: ModelConfig, shapes: Shapes) -> set[str]:
    """What a module may lack: one of two tied tables, and biases, but not one of a pair."""
    tables = {EMBEDDING, OUTPUT} if config.tied else set()
    pairs = [{f"rnn.bias_ih_l{k}", f"rnn.bias_hh_l{k}"} for k in range(config.num_layers)]
    return tables.union({OUTPUT_BIAS}, *(pair for pair in pairs if not pair & shapes.keys()))


def _misfits(wanted: Wanted, shapes: Shapes, optional: set[str]) -> list[str]:
    """All that keeps the tensors of a file from being those of a network."""
    lacking = [name for name in wanted if name not in shapes and name not in optional]
    extra = [ascii(name)[:60] for name in shapes if name not in wanted]
    problems = [f"lacks {_few(lacking)}"] if lacking else []
    problems += [f"holds {_few(extra)} as well"] if extra else []
    return problems + [
        f"{name} is {shapes[name]} where {shape} is needed"
        for name, (_, shape) in wanted.items()
        if name in shapes and shapes[name] != shape
    ]


def _own(path: Path, wanted: Wanted, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors by the network's own names, zeros for biases that are absent."""
    tensors: dict[str, Tensor] = {}
    for name, tensor in found.items():
        if not tensor.isfinite().all():
            raise _unfit(path, f"{name} holds numbers that are not finite in float32")
        if not torch.equal(tensors.setdefault(wanted[name][0], tensor), tensor):
            raise _unfit(path, f"{EMBEDDING} and {OUTPUT} differ in a model said to be tied")
    absent = {own: shape for own, shape in wanted.values() if own not in tensors}
    return tensors | {own: torch.zeros(shape) for own, shape in absent.items()}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A safetensors file; what goes wrong with it becomes a ModelFileError."""
    needed = "weights are needed, as 'rnnlm export' or safetensors.torch.save_file writes them"
    if not os.path.isfile(path):
        problem = "is a folder or a device" if os.path.exists(path) else "no such file"
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


def _unfit(path: Path, problem: str) -> ModelFileError:
    return ModelFileError(
        f"{path}: {problem}; the weights of one nn.Embedding, one nn.RNN, nn.GRU or nn.LSTM and "
        "one nn.Linear are needed, named embedding, rnn and output. Save those alone"
    )


def _few(items: Sequence[str], *, separator: str = ", ") -> str:
    """The first of a list that may be long."""
    more = [f"and {len(items) - 4} more"] if len(items) > 4 else []
    return separator.join([*items[:4], *more])
