"""The learner: a network, the windows it is trained on, and its optimizers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rnnlm_cli.config import ModelConfig, TrainConfig
from rnnlm_cli.errors import RnnlmError
from rnnlm_cli.machine import total_memory
from rnnlm_cli.messages import Messages
from rnnlm_cli.nn.matmul import Products
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.nn.randomness import make_generator
from rnnlm_cli.nn.softmax import ClassSampler
from rnnlm_cli.text.corpus import Corpus
from rnnlm_cli.threads import split_rows
from rnnlm_cli.train.optimizer import Optimizer, make_optimizers
from rnnlm_cli.windows import TrainingRows, shrink

MIN_SAMPLED_VOCABULARY = 4000  # from this vocabulary size on, a CPU trains with sampled classes
BYTES_PER_PARAMETER = 16  # weight, two moments of the optimizer, the best weight
BYTES_PER_GRADIENT = 4  # each thread has the gradients of its rows


@dataclass
class Learner:
    """A network, the windows it is trained on, and the optimizers of its parameters.

    Args:
        classes: draws the classes of the sampled softmax; None trains with the full softmax.
        config: how to fit, with the batch size and window length that are in use.
    """

    network: RecurrentNetwork
    rows: TrainingRows
    classes: ClassSampler | None
    config: TrainConfig
    optimizers: list[Optimizer]

    @property
    def tokens_per_step(self) -> int:
        """Batch size times window length, times the number of accumulated windows."""
        return self.config.batch_size * self.config.bptt * self.config.accumulate

    def reset_optimizers(self) -> None:
        """Replace the optimizers by new ones, without moments."""
        sparse = self.classes is not None
        self.optimizers = make_optimizers(self.network, self.config, sparse=sparse)


def make_learner(
    corpus: Corpus, model: ModelConfig, config: TrainConfig, *, sentences: bool,
    device: torch.device, initial: Mapping[str, Tensor] | None, messages: Messages,
) -> Learner:
    """Build the network, its training windows and its optimizers.

    Args:
        sentences: whether every line of the corpus is a separate sentence.
        initial: the weights to start from; None draws them, from the seed of `config`.
        messages: receives notes on what differs from what was asked for.
    Raises: RnnlmError if the model does not fit into memory.
    """
    _require_memory(model, config, device)
    num_tokens = len(corpus.train.tokens_N)
    batch_size, bptt = shrink(num_tokens, batch_size=config.batch_size, bptt=config.bptt)
    if (batch_size, bptt) != (config.batch_size, config.bptt):
        messages.note(
            f"a text of {num_tokens:,} tokens is short: training on windows of {bptt} tokens and "
            f"a batch size of {batch_size} instead of {config.bptt} and {config.batch_size}"
        )
    network = RecurrentNetwork(model, generator=make_generator(config.seed, "weights", 0))
    if initial is not None:
        network.load_state_dict(initial)
    network.to(device)
    network.products = Products(config.precision or "float32")
    rows = TrainingRows(
        corpus.train.tokens_N, batch_size=batch_size, bptt=bptt, sentences=sentences,
        seed=config.seed,
    )
    if rows.rule.anywhere:
        messages.note(
            "the text has few newlines, so the hidden state is reset at any token, every 1000 "
            "tokens on average"
        )
    classes = None
    if _uses_sampled_softmax(config, model, device):
        classes = ClassSampler(
            torch.from_numpy(corpus.counts_V), config.num_sampled,
            unknown_trained=model.unknown_trained,
        )
    config = replace(config, batch_size=batch_size, bptt=bptt)
    optimizers = make_optimizers(network, config, sparse=classes is not None)
    return Learner(network, rows, classes, config, optimizers)


def _uses_sampled_softmax(config: TrainConfig, model: ModelConfig, device: torch.device) -> bool:
    if config.softmax is not None:
        return config.softmax == "sampled"
    return model.vocab_size >= MIN_SAMPLED_VOCABULARY and device.type == "cpu"


def _require_memory(model: ModelConfig, config: TrainConfig, device: torch.device) -> None:
    with torch.device("meta"):  # which allocates nothing
        num_parameters = RecurrentNetwork(model).num_parameters
    num_gradients = len(split_rows(config.batch_size, device))
    needed = (BYTES_PER_PARAMETER + BYTES_PER_GRADIENT * num_gradients) * num_parameters
    available = total_memory(device)
    if available is not None and needed > available:
        raise RnnlmError(
            f"--hidden-size: a model of {num_parameters:,} parameters needs {needed / 1e9:,.0f} GB "
            f"to train; {device} has {available / 1e9:,.0f} GB. Choose smaller sizes"
        )
