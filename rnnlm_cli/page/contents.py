"""The contents of a page that holds a model: what its script reads as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from rnnlm_cli import __version__
from rnnlm_cli.config import CellName, WeightType
from rnnlm_cli.model_file import Model
from rnnlm_cli.page.weights import pack_weights
from rnnlm_cli.score.score import compute_perplexity

MAX_RECORDS = 400  # of a training history; a curve needs no more points
RECORD_KEYS = ("seconds", "step", "loss", "valid_nats")
CONFIG_KEYS = (
    "cell", "vocab_size", "embedding_size", "hidden_size", "num_layers", "tied", "unknown_trained"
)
CELL_TITLES: dict[CellName, str] = {
    "elman_tanh": "Elman (tanh)", "elman_relu": "Elman (ReLU)", "gru": "GRU", "lstm": "LSTM",
}
OPTIMIZER_TITLES = {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD"}


def describe_model(
    model: Model, *, name: str, text: str, weight_type: WeightType,
    history: Sequence[Mapping[str, Any]] = (), corpus: str | None = None,
) -> dict[str, Any]:
    """Return the contents of a page with a model.

    kind         "model"
    name         of the model file
    version      of rnnlm
    config       the fields of ModelConfig that are in CONFIG_KEYS
    sentences    whether every line is a separate sentence
    vocabulary   as `Vocabulary.to_dict` returns it
    sampling     the sampling settings of the model
    weights      as `pack_weights` returns them
    text         the text that is shown at the beginning
    facts        pairs of a name and a value, as they are shown
    history      records of the training, at most MAX_RECORDS, with the keys RECORD_KEYS
    corpus       the name of the training text, or null

    Args:
        name: of the model file.
        text: the text to show at the beginning.
        weight_type: of the weights in the page.
        history: the records of the run, as `read_history` returns them.
        corpus: the name of the training text, if it is known.
    Raises: ConfigError if float16 cannot hold a weight.
    """
    config = asdict(model.network.config)
    return {
        "kind": "model",
        "name": name,
        "version": __version__,
        "config": {key: config[key] for key in CONFIG_KEYS},
        "sentences": model.sentences,
        "vocabulary": model.vocabulary.to_dict(),
        "sampling": dict(model.sampling),
        "weights": pack_weights(model.network, weight_type),
        "text": text,
        "facts": [list(fact) for fact in _iter_facts(model, weight_type)],
        "history": thin_history(history),
        "corpus": corpus,
    }


def thin_history(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return at most MAX_RECORDS records, spread evenly.

    The records with the lowest validation loss so far stay, so that every minimum of the curve is
    shown. If they are more than half of the places, they are spread evenly too, and the last one,
    which is the minimum of the whole, stays.
    """
    lowest = _spread(list(_iter_minima(records)), MAX_RECORDS // 2)
    kept = set(lowest)
    others = [index for index in range(len(records)) if index not in kept]
    chosen = sorted([*lowest, *_spread(others, MAX_RECORDS - len(lowest))])
    return [{key: records[index].get(key) for key in RECORD_KEYS} for index in chosen]


def _spread(indices: Sequence[int], max_count: int) -> list[int]:
    """Return some of the indices, spread evenly; the first and the last one are among them."""
    count = min(len(indices), max_count)
    places = np.linspace(0, len(indices) - 1, count).round().astype(int)
    return [indices[place] for place in places]


def _iter_minima(records: Sequence[Mapping[str, Any]]) -> Iterator[int]:
    """Yield the places of records with the lowest validation loss so far."""
    lowest = np.inf
    for index, record in enumerate(records):
        nats = record.get("valid_nats")
        if nats is not None and nats < lowest:
            lowest = nats
            yield index


def _iter_facts(model: Model, weight_type: WeightType) -> Iterator[tuple[str, str]]:
    """Yield what a page says about its model. What a model file does not tell is left out."""
    config, training = model.network.config, model.training
    yield "cell", CELL_TITLES[config.cell]
    yield "layers x hidden size", f"{config.num_layers} x {config.hidden_size:,}"
    yield "embedding size", f"{config.embedding_size:,}" + (" (tied)" if config.tied else "")
    yield "vocabulary", f"{config.vocab_size:,} tokens, level {model.vocabulary.level}"
    yield "text", "sentences, one a line" if model.sentences else "running text"
    yield "parameters", f"{model.network.num_parameters:,}"
    yield "weights in this page", weight_type
    for title, key in (
        ("corpus tokens", "corpus_tokens"), ("training tokens", "tokens"), ("steps", "steps"),
        ("batch size", "batch_size"), ("window", "bptt"), ("learning rate", "lr"),
    ):
        if training.get(key) is not None:
            yield title, _format_number(training[key])
    if training.get("optimizer") is not None:
        optimizer = str(training["optimizer"])
        yield "optimizer", OPTIMIZER_TITLES.get(optimizer, optimizer)
    yield "dropout", _format_number(config.dropout)
    for title, key in (("validation loss", "valid_nats"), ("test loss", "test_nats")):
        if training.get(key) is not None:
            yield title, _format_loss(training[key])


def _format_loss(nats: float) -> str:
    """Return a loss in nats per token, with its perplexity and in bits."""
    return (
        f"{nats:.4g} nats per token (perplexity {compute_perplexity(nats):,.4g}, "
        f"{nats / np.log(2):.4g} bits)"
    )


def _format_number(number: object) -> str:
    """Return a number as people write it; anything else as it is."""
    if isinstance(number, bool) or not isinstance(number, int | float):
        return str(number)
    return f"{number:,}" if isinstance(number, int) else f"{number:.6g}"
