"""From a text and settings to what learns: the network, its rows, its optimizers."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from rnnlm_cli.config import ModelConfig
from rnnlm_cli.errors import RnnlmError
from rnnlm_cli.machine import total_memory
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.nn.randomness import make_generator
from rnnlm_cli.nn.softmax import ClassSampler
from rnnlm_cli.runs.checkpoint import Checkpoint, optimizer_tensors
from rnnlm_cli.runs.run_config import Settings
from rnnlm_cli.text.corpus import Corpus
from rnnlm_cli.train.step import Learner
from rnnlm_cli.windows import TrainingRows, shrink

SAMPLED_FROM = 4000  # tokens of vocabulary
BYTES_A_PARAMETER = 20  # weights, gradients, two moments of the optimizer, the best weights


def make_learner(
    corpus: Corpus, settings: Settings, device: torch.device,
    initial: Mapping[str, Tensor] | None, *, say: Callable[[str], None],
) -> Learner:
    """Set up what learns; the same settings and text give the same.

    Args:
        initial: weights to begin with; None draws them.
        say: is told what was not done as asked for.
    Raises: RnnlmError where the model cannot fit in memory.
    """
    _require_memory(settings.model, device)
    train = settings.train
    num_tokens = len(corpus.train.tokens_N)
    batch_size, bptt = shrink(num_tokens, batch_size=train.batch_size, bptt=train.bptt)
    if (batch_size, bptt) != (train.batch_size, train.bptt):
        say(
            f"note: a text of {num_tokens:,} tokens is short: training on windows of "
            f"{bptt} steps from {batch_size} rows instead of {train.bptt} from {train.batch_size}"
        )
    network = RecurrentNetwork(settings.model, generator=make_generator(train.seed, "weights", 0))
    if initial is not None:
        network.load_state_dict(initial)
    network.to(device)
    rows = TrainingRows(
        corpus.train.tokens_N, batch_size=batch_size, bptt=bptt,
        sentences=settings.text.sentences, seed=train.seed,
    )
    if rows.rule.anywhere:
        say(
            "note: the text has few line ends, so the state is reset anywhere in it, "
            "every 1000 tokens on average"
        )
    wanted = train.softmax
    if wanted is None:
        large = settings.model.vocab_size >= SAMPLED_FROM and device.type == "cpu"
        wanted = "sampled" if large else "full"
    classes = None if wanted == "full" else ClassSampler(
        torch.from_numpy(corpus.counts_V), train.num_sampled,
        unknown_trained=settings.model.unknown_trained,
    )
    return Learner(network, rows, classes, replace(train, batch_size=batch_size, bptt=bptt))


def restore(
    checkpoint: Checkpoint, learner: Learner, environment: Mapping[str, Any], *,
    say: Callable[[str], None],
) -> None:
    """Put a checkpoint's tensors where they belong.

    Args:
        environment: what exact repetition rests on, as it is now.
        say: is told where that is not what it was.
    """
    network, state = learner.network, checkpoint.state
    network.load_state_dict(checkpoint.weights)
    for name, tensor in optimizer_tensors(learner.optimizers).items():
        tensor.copy_(checkpoint.optimizers[name])
    state.best_weights = {
        name: each.to(network.device) for name, each in state.best_weights.items()
    }
    state.network_state = tuple(
        tuple(part.to(network.device) for part in layer) for layer in state.network_state
    )
    if checkpoint.finished:
        state.since_best = 0
    changed = [
        f"{name} {was}, now {environment.get(name)}"
        for name, was in checkpoint.environment.items() if environment.get(name) != was
    ]
    if changed:
        say(
            f"note: the run began with {', '.join(changed)}: it goes on, but its last digits "
            "can differ from those of a run that was never interrupted"
        )


def _require_memory(config: ModelConfig, device: torch.device) -> None:
    with torch.device("meta"):
        num_parameters = RecurrentNetwork(config).num_parameters
    needed, available = BYTES_A_PARAMETER * num_parameters, total_memory(device)
    if available is not None and needed > available:
        raise RnnlmError(
            f"--hidden-size: a model of {num_parameters:,} parameters needs {needed / 1e9:,.0f} GB "
            f"to train; {device} has {available / 1e9:,.0f} GB. Choose smaller sizes"
        )
