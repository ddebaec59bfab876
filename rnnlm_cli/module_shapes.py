"""The parameters of a PyTorch language model: their names, their shapes, and the ModelConfig
that follows from them.

    embedding.weight  (V, E)    nn.Embedding(V, E)
    rnn.weight_ih_l0  (G, E)    nn.RNN, nn.GRU or nn.LSTM(E, H, num_layers)
    rnn.weight_hh_l0  (G, H)
    rnn.bias_ih_l0    (G,)
    rnn.bias_hh_l0    (G,)      and the same for l1, l2, ..., where weight_ih is (G, H)
    output.weight     (V, H)    nn.Linear(H, V)
    output.bias       (V,)

Legend: E embedding size, H hidden size, G = (number of gates) * H, V vocabulary size.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import torch

from rnnlm_cli.config import CellName, ModelConfig
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.nn.network import RecurrentNetwork

EMBEDDING, OUTPUT, OUTPUT_BIAS = "embedding.weight", "output.weight", "output.bias"
INPUT, RECURRENT = "rnn.weight_ih_l0", "rnn.weight_hh_l0"
TORCH_NAMES = {"embedding": EMBEDDING, "output_weight": OUTPUT, "output_bias": OUTPUT_BIAS}
ALIASES = {  # the names in PyTorch's example word_language_model
    "encoder.weight": EMBEDDING, "decoder.weight": OUTPUT, "decoder.bias": OUTPUT_BIAS,
}
MAX_LISTED = 4  # names or problems in a message

Nonlinearity = Literal["tanh", "relu"]
Shapes = Mapping[str, tuple[int, ...]]  # by torch.nn's names
Parameters = Mapping[str, tuple[str, tuple[int, ...]]]  # by torch.nn's names: rnnlm's name, shape


class UnsuitableError(ValueError):
    """Shapes that are not those of one language model; the message says why."""


def to_torch_name(name: str) -> str:
    """Return torch.nn's name of a parameter of RecurrentNetwork."""
    return TORCH_NAMES.get(name) or re.sub(r"layers\.(\d+)\.(\w+)", r"rnn.\2_l\1", name)


def resolve_aliases(names: Sequence[str]) -> dict[str, str]:
    """Return the names in a file by the names used here, from which they may differ."""
    aliases = {alias: name for alias, name in ALIASES.items() if name not in names}
    return {aliases.get(name, name): name for name in names}


def list_parameters(config: ModelConfig) -> Parameters:
    """Return the parameters of a network. If it is tied, both tables are the embedding."""
    with torch.device("meta"):  # allocates nothing
        state = RecurrentNetwork(config).state_dict()
    parameters = {to_torch_name(name): (name, tuple(state[name].shape)) for name in state}
    return parameters | ({OUTPUT: parameters[EMBEDDING]} if config.tied else {})


def infer_config(shapes: Shapes, nonlinearity: Nonlinearity) -> ModelConfig:
    """Infer the sizes of a module from its shapes; all its tokens count as trained.

    Args:
        nonlinearity: of an nn.RNN, whose shapes do not show it.
    Raises: UnsuitableError if no ModelConfig has such shapes.
    """
    unknown = [name for name in shapes if re.search(r"_reverse$|\.weight_hr_", name)]
    if unknown:
        raise UnsuitableError(
            f"is bidirectional or has projections ({shorten_list(quote_names(unknown))})"
        )
    table = OUTPUT if {EMBEDDING, OUTPUT} & shapes.keys() == {OUTPUT} else EMBEDDING
    matrices = [shapes.get(name, ()) for name in (table, INPUT, RECURRENT)]
    if any(len(shape) != 2 for shape in matrices):
        raise UnsuitableError(f"does not hold the matrices {table}, {INPUT} and {RECURRENT}")
    (vocab_size, _), (_, embedding_size), (gates_size, hidden_size) = matrices
    elman: CellName = "elman_tanh" if nonlinearity == "tanh" else "elman_relu"
    cells: dict[float, CellName] = {1: elman, 3: "gru", 4: "lstm"}
    cell = cells.get(gates_size / max(hidden_size, 1))
    if cell is None:
        raise UnsuitableError(
            f"{RECURRENT} is {matrices[2]}, neither (H, H), (3H, H) nor (4H, H)"
        )
    try:
        return ModelConfig(
            vocab_size=vocab_size, cell=cell,
            num_layers=sum(bool(re.fullmatch(r"rnn\.weight_hh_l\d+", name)) for name in shapes),
            embedding_size=embedding_size, hidden_size=hidden_size,
            tied=not {EMBEDDING, OUTPUT} <= shapes.keys() and embedding_size == hidden_size,
        )
    except ConfigError as error:
        raise UnsuitableError(f"its sizes are out of range ({error})") from None


def find_optional_names(config: ModelConfig, shapes: Shapes) -> set[str]:
    """Return the parameters that may be missing in a module.

    These are one of two tied tables, and biases: both of a pair, or neither.
    """
    tables = {EMBEDDING, OUTPUT} if config.tied else set()
    pairs = [{f"rnn.bias_ih_l{k}", f"rnn.bias_hh_l{k}"} for k in range(config.num_layers)]
    return tables.union({OUTPUT_BIAS}, *(pair for pair in pairs if not pair & shapes.keys()))


def find_problems(parameters: Parameters, shapes: Shapes, optional: set[str]) -> list[str]:
    """Return the reasons why the tensors of a file are not the parameters of a network.

    Args:
        parameters: of the network.
        shapes: of the tensors in the file.
        optional: the names that may be missing.
    """
    missing = [name for name in parameters if name not in shapes and name not in optional]
    extra = [name for name in shapes if name not in parameters]
    problems = [f"lacks {shorten_list(missing)}"] if missing else []
    problems += [f"holds {shorten_list(quote_names(extra))} as well"] if extra else []
    return problems + [
        f"{name} is {shapes[name]} where {shape} is needed"
        for name, (_, shape) in parameters.items()
        if name in shapes and shapes[name] != shape
    ]


def quote_names(names: Iterable[str]) -> list[str]:
    """Return names from a file as a message may print them: short, and without control codes."""
    return [ascii(name)[:60] for name in names]


def shorten_list(items: Sequence[str], *, separator: str = ", ") -> str:
    """Return the first items of a list, and the number of the others."""
    num_others = len(items) - MAX_LISTED
    others = [f"and {num_others} more"] if num_others > 0 else []
    return separator.join([*items[:MAX_LISTED], *others])
