"""The checkpoint: everything that a run needs to continue as if it had never stopped.

Layout: `rnnlm_cli.files.container`, of the format "rnnlm-state", version 2, its description holding

    config       the RunConfig
    corpus       key: the text's entry in the cache; files: the identities of the input files
    vocabulary   as in a model file
    duration     the SavedDuration: plan, budget_seconds, reserve, final_tokens, seconds
    state        the TrainState without its tensors
    batch_size   number of rows of the hidden state
    sampled      whether the run trains with sampled classes
    num_records  number of records in the history
    finished     whether the last evaluation was made
    replaced     SHA-256 of the model file that the run replaces, or null
    environment  what bitwise reproducibility depends on

and the arrays weights.NAME (of the network), best.NAME (the best weights), optimizer.NUMBER.NAME
and carried.LAYER.PART (the hidden state).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_type_hints

import torch
from torch import Tensor

from rnnlm_cli.config.field_types import require_type
from rnnlm_cli.files import container
from rnnlm_cli.files.container import FileFormat, open_container, write_container
from rnnlm_cli.model_file import require_finite, tensor_shapes, to_arrays, to_tensors
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.runs.duration import SavedDuration
from rnnlm_cli.runs.run_config import RunConfig
from rnnlm_cli.text.sources import FileIdentity
from rnnlm_cli.text.vocabulary import Vocabulary
from rnnlm_cli.train.learner import Learner
from rnnlm_cli.train.optimizer import Optimizer, make_optimizers
from rnnlm_cli.train.state import NUMBERS, TrainState

CHECKPOINT_FORMAT = FileFormat(
    "rnnlm-state", 2, "checkpoint", "'rnnlm train TEXT'",
    "The model file beside it is complete without it; 'rnnlm train TEXT --restart' begins anew",
    min_version=2,
    if_older="Continue from its model instead: 'rnnlm train TEXT --init MODEL --out NEW'",
)


@dataclass(frozen=True)
class CorpusRecord:
    """The corpus of a run: its key in the cache, and the identities of the input files."""

    key: str
    files: tuple[FileIdentity, ...]


@dataclass(frozen=True)
class LearnerRecord:
    """The tensors of a learner.

    Args:
        weights: the parameters of the network.
        optimizers: the tensors of its optimizers, named as `optimizer_tensors` does.
        sampled: whether it trains with sampled classes.
    """

    weights: dict[str, Tensor]
    optimizers: dict[str, Tensor]
    sampled: bool


@dataclass(frozen=True)
class Checkpoint:
    """A run between two steps.

    Args:
        num_records: number of records in the history.
        finished: whether the last evaluation was made.
        replaced: the checksum of the model file that the run replaces; None if there was none.
        environment: what bitwise reproducibility depends on.
    """

    config: RunConfig
    corpus: CorpusRecord
    vocabulary: Vocabulary
    duration: SavedDuration
    state: TrainState
    learner: LearnerRecord
    num_records: int
    finished: bool
    replaced: str | None
    environment: Mapping[str, Any]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all. Raises: FileError; the old file stays."""
    description = {
        "config": checkpoint.config.to_dict(),
        "corpus": asdict(checkpoint.corpus),
        "vocabulary": checkpoint.vocabulary.to_dict(),
        "duration": asdict(checkpoint.duration),
        "state": checkpoint.state.to_dict(),
        "batch_size": len(checkpoint.state.network_state[0][0]),
        "sampled": checkpoint.learner.sampled,
        "num_records": checkpoint.num_records,
        "finished": checkpoint.finished,
        "replaced": checkpoint.replaced,
        "environment": dict(checkpoint.environment),
    }
    write_container(path, CHECKPOINT_FORMAT, description, to_arrays(_name_tensors(checkpoint)))


def describe_checkpoint(path: Path) -> dict[str, Any]:
    """Return the description of a checkpoint, without its tensors. Raises: ModelFileError."""
    return container.read_description(path, CHECKPOINT_FORMAT)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; all that it claims is checked before anything is allocated.

    Raises: ModelFileError for a file that is missing, damaged, altered, foreign, too old or too
        new.
    """
    with open_container(path, CHECKPOINT_FORMAT) as file:
        try:
            checkpoint = _build_skeleton(file.description)
        except container.UNSOUND:
            raise file.damaged("its description does not hold together") from None
        arrays = file.read_arrays(tensor_shapes(_name_tensors(checkpoint)))
        # What is trained may have diverged: the next step then returns to the best weights.
        best = {name: each for name, each in arrays.items() if name.startswith("best.")}
        require_finite(best, file.damaged("its best weights are not finite numbers"))
        del best  # else `to_tensors` could not free these arrays one by one
    _fill(checkpoint, to_tensors(arrays))
    return checkpoint


def optimizer_tensors(optimizers: Sequence[Optimizer]) -> dict[str, Tensor]:
    """Return the tensors of optimizers as NUMBER.NAME; changing them changes the optimizers."""
    return {
        f"{number}.{name}": tensor
        for number, optimizer in enumerate(optimizers)
        for name, tensor in optimizer.state().items()
    }


def record_learner(learner: Learner) -> LearnerRecord:
    """Return the tensors of a learner, not copied."""
    return LearnerRecord(
        learner.network.state_dict(), optimizer_tensors(learner.optimizers),
        learner.classes is not None,
    )


def _name_tensors(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """Return all tensors of a checkpoint by the names that they have in the file."""
    groups = {
        "weights": checkpoint.learner.weights,
        "best": checkpoint.state.best_weights,
        "optimizer": checkpoint.learner.optimizers,
        "carried": {
            f"{layer}.{part}": tensor
            for layer, parts in enumerate(checkpoint.state.network_state)
            for part, tensor in enumerate(parts)
        },
    }
    return {
        f"{group}.{name}": tensor
        for group, tensors in groups.items() for name, tensor in tensors.items()
    }


def _build_skeleton(description: Mapping[str, Any]) -> Checkpoint:
    """Return a checkpoint whose tensors are on the meta device, which allocates nothing."""
    config = RunConfig.from_dict(description["config"])
    vocabulary = Vocabulary.from_dict(description["vocabulary"])
    if len(vocabulary) != config.model.vocab_size:
        raise ValueError("vocabulary")
    _require_plain_types(description)
    sampled = description["sampled"]
    with torch.device("meta"):
        network = RecurrentNetwork(config.model)
        optimizers = make_optimizers(network, config.train, sparse=sampled)
        network_state = network.initial_state(int(description["batch_size"]))
    weights = network.state_dict()
    corpus = description["corpus"]
    checkpoint = Checkpoint(
        config=config,
        corpus=CorpusRecord(
            corpus["key"], tuple(FileIdentity(**each) for each in corpus["files"])
        ),
        vocabulary=vocabulary,
        duration=SavedDuration.from_dict(description["duration"]),
        state=TrainState.from_dict(description["state"], network_state, dict(weights)),
        learner=LearnerRecord(weights, optimizer_tensors(optimizers), sampled),
        **{
            name: description[name]
            for name in ("num_records", "finished", "replaced", "environment")
        },
    )
    for value, annotation in (
        (config, RunConfig), (checkpoint.corpus, CorpusRecord),
        (checkpoint.duration, SavedDuration),
    ):
        require_type(value, annotation, annotation.__name__)
    return checkpoint


def _require_plain_types(description: Mapping[str, Any]) -> None:
    """Raise TypeError or KeyError if a value that no dataclass declares has a wrong type."""
    declared = {
        "sampled": bool, "finished": bool, "num_records": int, "replaced": str | None,
        "environment": dict,
    }
    for name, annotation in declared.items():
        require_type(description[name], annotation, name)
    hints, state = get_type_hints(TrainState), description["state"]
    for name in NUMBERS:  # null stands for NaN and infinity
        require_type(state[name], hints[name] | None, name)
    require_type(state["position"], list[int], "position")


def _fill(checkpoint: Checkpoint, tensors: Mapping[str, Tensor]) -> None:
    """Put the tensors of a file in the place of those on the meta device."""
    for group, target in (
        ("weights", checkpoint.learner.weights), ("best", checkpoint.state.best_weights),
        ("optimizer", checkpoint.learner.optimizers),
    ):
        for name in target:
            target[name] = tensors[f"{group}.{name}"]
    checkpoint.state.network_state = tuple(
        tuple(tensors[f"carried.{layer}.{part}"] for part in range(len(parts)))
        for layer, parts in enumerate(checkpoint.state.network_state)
    )
