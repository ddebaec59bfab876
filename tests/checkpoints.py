"""Checkpoints to test with."""

import math
from pathlib import Path

import torch

from rnnlm_cli.config import ModelConfig, TextConfig, TrainConfig
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.runs.checkpoint import (
    Checkpoint,
    CorpusRecord,
    LearnerRecord,
    optimizer_tensors,
)
from rnnlm_cli.runs.duration import SavedDuration
from rnnlm_cli.runs.run_config import RunConfig
from rnnlm_cli.text.sources import FileIdentity, Sources
from rnnlm_cli.text.vocabulary import Vocabulary
from rnnlm_cli.train.optimizer import make_optimizers
from rnnlm_cli.train.schedule import Plan
from rnnlm_cli.train.state import TrainState
from rnnlm_cli.windows import Position

B, E, H = 3, 4, 5
VOCABULARY = Vocabulary("char", ("<unk>", "\n", *"abc\u00e9\u4e2d"))
VERSION_1 = Path(__file__).parent / "data" / "v1" / "v1-char-gru.state"


def make_checkpoint(
    *, vocabulary=VOCABULARY, optimizer="adamw", sampled=False, num_layers=2, cell="lstm",
    embedding_size=E, hidden_size=H, tied=False,
):
    """Return a checkpoint after step 4 of 9, with random numbers in all its tensors."""
    config = ModelConfig(
        vocab_size=len(vocabulary), num_layers=num_layers, cell=cell, tied=tied,
        embedding_size=embedding_size, hidden_size=hidden_size,
    )
    train = TrainConfig(optimizer=optimizer, steps=9, clip=None)
    generator = torch.Generator().manual_seed(3)
    network, best = (RecurrentNetwork(config, generator=generator) for _ in range(2))
    optimizers = optimizer_tensors(make_optimizers(network, train, sparse=sampled))
    for tensor in optimizers.values():
        tensor.copy_(4 if tensor.dim() == 0 else torch.rand(tensor.shape, generator=generator))
    carried = network.initial_state(B)
    for part in (part for layer in carried for part in layer):
        part.normal_(generator=generator)
    plan = Plan(9, 6, 2048, 1, peak_scale=0.5, anchor_step=2, anchor_progress=0.125)
    files = (FileIdentity("/texts/a", 900, "0a1b"), FileIdentity("/texts/\u00e9", 0, "2c"))
    return Checkpoint(
        config=RunConfig(
            sources=Sources(("/texts/a", "/texts/\u00e9"), ("/texts/valid",)), text=TextConfig(),
            model=config, train=train,
        ),
        corpus=CorpusRecord("4f2a", files),
        vocabulary=vocabulary,
        duration=SavedDuration(plan, None, 0.0, (1000, 0), 12.345678901234567),
        state=TrainState(
            carried, dict(best.state_dict()), step=4, position=Position(1, 2), loss=1 / 3,
            gradient_norm=1e-300, lr_scale=0.5, num_rollbacks=1, best_nats=math.sqrt(2),
            best_step=2, validations_since_best=1,
        ),
        learner=LearnerRecord(dict(network.state_dict()), optimizers, sampled),
        num_records=4, finished=False, replaced=None,
        environment={"torch": "2.0", "threads": 2},
    )


def tensors_of(checkpoint):
    """Return all tensors of a checkpoint, by the place where they stand."""
    carried = {
        f"{layer}.{part}": tensor
        for layer, parts in enumerate(checkpoint.state.network_state)
        for part, tensor in enumerate(parts)
    }
    groups = {
        "weights": checkpoint.learner.weights, "best": checkpoint.state.best_weights,
        "optimizer": checkpoint.learner.optimizers, "carried": carried,
    }
    return {
        f"{group}.{name}": tensor
        for group, tensors in groups.items() for name, tensor in tensors.items()
    }


def numbers_of(checkpoint):
    """Return the numbers of the training state as text, because NaN is not equal to itself."""
    return {
        name: repr(value) for name, value in vars(checkpoint.state).items()
        if name not in ("network_state", "best_weights")
    }
