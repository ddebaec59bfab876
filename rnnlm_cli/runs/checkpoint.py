"""The state file: all that a run needs to go on as if it had never stopped.

Layout: `rnnlm_cli.files.container`, of the format "rnnlm-state", version 1, its description holding

    settings     of the run (Settings)
    corpus       key: the text's entry in the cache; files: what it was read from
    vocabulary   as a model file has it
    plan         Plan, field by field
    numbers      TrainState without its tensors
    rows         how many rows are read side by side
    sampled      whether the softmax is estimated from a part of the classes
    minutes      budget: all seconds of a run by minutes, or null; reserve: of them for the end
    final_tokens how many tokens the last evaluation reads of validation and test text
    seconds      spent so far
    records      how many the history has
    finished     whether the last evaluation was made
    replaced     sha256 of the model file that stood there when the run began, or null
    environment  what exact repetition rests on

and its arrays: weights.NAME of the network, best.NAME, carried.LAYER.PART, and
optimizer.NUMBER.NAME.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rnnlm_cli.files import container
from rnnlm_cli.files.container import FileFormat
from rnnlm_cli.model_file import tensor_shapes, to_arrays, to_tensors
from rnnlm_cli.nn.network import RecurrentNetwork, States
from rnnlm_cli.runs.run_config import Settings
from rnnlm_cli.text.corpus import FileIdentity
from rnnlm_cli.text.vocabulary import Vocabulary
from rnnlm_cli.train.optimizer import Optimizer, make_optimizers
from rnnlm_cli.train.schedule import Plan
from rnnlm_cli.train.state import TrainState

STATE_FILE = FileFormat(
    "rnnlm-state", 1, "state file", "'rnnlm train TEXT'",
    "The model file beside it is whole by itself; 'rnnlm train TEXT --restart' begins anew",
)


@dataclass
class Checkpoint:
    """A run as it stands between two steps; the names are those of the file."""

    settings: Settings
    key: str
    files: tuple[FileIdentity, ...]
    vocabulary: Vocabulary
    plan: Plan
    state: TrainState
    weights: dict[str, Tensor]
    optimizers: dict[str, Tensor]
    sampled: bool
    budget: float | None
    reserve: float
    final_tokens: tuple[int, int]
    seconds: float
    records: int
    finished: bool
    replaced: str | None
    environment: dict[str, Any]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a state file whole or not at all. Raises: ModelFileError; the old one stays."""
    state = checkpoint.state
    description = {
        "settings": checkpoint.settings.to_dict(),
        "corpus": {"key": checkpoint.key, "files": [asdict(file) for file in checkpoint.files]},
        "vocabulary": checkpoint.vocabulary.to_dict(),
        "plan": asdict(checkpoint.plan),
        "numbers": state.numbers(),
        "rows": len(state.network_state[0][0]),
        "sampled": checkpoint.sampled,
        "minutes": {"budget": checkpoint.budget, "reserve": checkpoint.reserve},
        "final_tokens": checkpoint.final_tokens,
        "seconds": checkpoint.seconds,
        "records": checkpoint.records,
        "finished": checkpoint.finished,
        "replaced": checkpoint.replaced,
        "environment": checkpoint.environment,
    }
    tensors = _named(
        checkpoint.weights, state.best_weights, state.network_state, checkpoint.optimizers
    )
    container.write_container(path, STATE_FILE, description, to_arrays(tensors))


def describe_checkpoint(path: Path) -> dict[str, Any]:
    """What a state file says of its run, without its tensors. Raises: ModelFileError."""
    return container.read_description(path, STATE_FILE)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a state file, checking everything it claims before anything is allocated.

    Raises: ModelFileError for a file that is missing, damaged, altered, foreign or too new.
    """
    with container.open_container(path, STATE_FILE) as file:
        try:
            checkpoint = _skeleton(file.description)
        except container.UNSOUND:
            raise file.damaged("its description does not hold together") from None
        arrays = file.read_arrays(tensor_shapes(_named(
            checkpoint.weights, checkpoint.state.best_weights, checkpoint.state.network_state,
            checkpoint.optimizers,
        )))
    tensors = to_tensors(arrays)
    checkpoint.weights = _under("weights", tensors)
    checkpoint.optimizers = _under("optimizer", tensors)
    checkpoint.state.best_weights = _under("best", tensors)
    checkpoint.state.network_state = tuple(
        tuple(tensors[f"carried.{layer}.{part}"] for part in range(len(parts)))
        for layer, parts in enumerate(checkpoint.state.network_state)
    )
    return checkpoint


def optimizer_tensors(optimizers: list[Optimizer]) -> dict[str, Tensor]:
    """All that optimizers keep, by names that tell them apart; changing it changes them."""
    return {
        f"{number}.{name}": tensor
        for number, optimizer in enumerate(optimizers)
        for name, tensor in optimizer.state().items()
    }


def _named(
    weights: Mapping[str, Tensor], best: Mapping[str, Tensor], carried: States,
    optimizers: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    tensors = {f"weights.{name}": tensor for name, tensor in weights.items()}
    tensors |= {f"best.{name}": tensor for name, tensor in best.items()}
    tensors |= {f"optimizer.{name}": tensor for name, tensor in optimizers.items()}
    for layer, parts in enumerate(carried):
        tensors |= {f"carried.{layer}.{part}": tensor for part, tensor in enumerate(parts)}
    return tensors


def _under(head: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = f"{head}."
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items() if name.startswith(prefix)
    }


def _skeleton(description: Mapping[str, Any]) -> Checkpoint:
    """The checkpoint with its tensors on the meta device, which allocates nothing."""
    settings = Settings.from_dict(description["settings"])
    vocabulary = Vocabulary.from_dict(description["vocabulary"])
    if len(vocabulary) != settings.model.vocab_size:
        raise ValueError("vocabulary")
    sampled = bool(description["sampled"])
    with torch.device("meta"):
        network = RecurrentNetwork(settings.model)
        optimizers = make_optimizers(network, settings.train, sparse=sampled)
        carried = network.initial_state(int(description["rows"]))
    weights = network.state_dict()
    valid_tokens, test_tokens = description["final_tokens"]
    return Checkpoint(
        settings=settings,
        key=description["corpus"]["key"],
        files=tuple(FileIdentity(**file) for file in description["corpus"]["files"]),
        vocabulary=vocabulary,
        plan=Plan(**description["plan"]),
        state=TrainState.of(description["numbers"], carried, weights),
        weights=weights,
        optimizers=optimizer_tensors(optimizers),
        sampled=sampled,
        budget=description["minutes"]["budget"],
        reserve=description["minutes"]["reserve"],
        final_tokens=(valid_tokens, test_tokens),
        seconds=description["seconds"],
        records=description["records"],
        finished=description["finished"],
        replaced=description["replaced"],
        environment=description["environment"],
    )
