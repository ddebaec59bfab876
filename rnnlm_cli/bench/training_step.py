"""A training step on random tokens, as `rnnlm train` takes it."""

import numpy as np
import torch

from rnnlm_cli.bench.timing import Run
from rnnlm_cli.config import ModelConfig, TrainConfig
from rnnlm_cli.nn.matmul import Products
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.nn.softmax import ClassSampler
from rnnlm_cli.train.learner import Learner
from rnnlm_cli.train.state import TrainState
from rnnlm_cli.train.step import train_step
from rnnlm_cli.windows import TrainingRows

NUM_WINDOWS = 8  # of the text, which is read again and again


def make_training_step(
    model: ModelConfig, config: TrainConfig, classes: ClassSampler | None, device: torch.device
) -> Run:
    """Return a function that takes one training step.

    Args:
        classes: draws the classes of the sampled softmax; None trains with the full softmax.
    """
    network = RecurrentNetwork(model).to(device)
    network.products = Products(config.precision or "float32")
    num_tokens = config.batch_size * config.bptt * NUM_WINDOWS
    tokens_N = np.random.default_rng(1).integers(1, model.vocab_size, num_tokens, np.int32)
    rows = TrainingRows(
        tokens_N, batch_size=config.batch_size, bptt=config.bptt, sentences=False,
        seed=config.seed,
    )
    learner = Learner(network, rows, classes, config, [])
    learner.reset_optimizers()
    state = TrainState(network.initial_state(config.batch_size))
    return lambda: train_step(learner, state, config.peak_lr, config.clip)
