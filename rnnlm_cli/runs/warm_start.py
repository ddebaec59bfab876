"""A warm start (`--init`): initial weights from a model or from plain weights."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from rnnlm_cli.config import UNKNOWN_ID, Nonlinearity, TextConfig
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.files.run_files import RunFileKind, identify
from rnnlm_cli.messages import Messages
from rnnlm_cli.model_file import load_model
from rnnlm_cli.runs.request import TrainingRequest, flag_of_setting
from rnnlm_cli.text.corpus import Corpus
from rnnlm_cli.weights_file import Weights, load_weights

LR_FACTOR = 0.5  # of the usual learning rate, so that the initial weights are not destroyed
FIXED = ("cell", "num_layers", "embedding_size", "hidden_size", "tied")


def load_initial_weights(path: Path, *, nonlinearity: Nonlinearity) -> Weights:
    """Read a model file, or plain weights with the names of torch.nn.

    Args:
        nonlinearity: of an nn.RNN, which plain weights do not tell.
    Raises: ModelFileError.
    """
    if identify(path) is not RunFileKind.MODEL:
        return load_weights(path, nonlinearity=nonlinearity)
    model = load_model(path)
    return Weights(
        model.network.config, model.network.state_dict(), model.vocabulary, model.sentences,
        model.encoding,
    )


def adopt_text_config(
    weights: Weights, request: TrainingRequest, asked: TextConfig
) -> TextConfig:
    """Return the text configuration that belongs to the vocabulary of the initial weights.

    Raises: ConfigError for settings that conflict with it.
    """
    if weights.vocabulary is None:
        return asked
    level = weights.vocabulary.level
    problems = [
        f"{flag_of_setting(name)}: has no meaning with --init, whose vocabulary is used"
        for name in ("min_count", "vocab_size") if name in request.settings
    ]
    if request.settings.get("level", level) != level:
        problems.append(f"--level: '{asked.level}' given; {request.init} has '{level}'")
    if problems:
        raise ConfigError(". ".join(problems))
    return replace(
        asked, level=level, encoding=asked.encoding or weights.encoding,
        text=asked.text or ("sentences" if weights.sentences else "running"),
    )


def adopt_model_settings(
    weights: Weights, request: TrainingRequest, corpus: Corpus
) -> dict[str, Any]:
    """Return the settings of the request together with those that the weights fix.

    Raises: ConfigError for settings, or a vocabulary, that do not fit the weights.
    """
    fixed = {name: getattr(weights.config, name) for name in FIXED}
    problems = [
        f"{flag_of_setting(name)}: {request.settings[name]!r} given; {request.init} has {value!r}"
        for name, value in fixed.items() if request.settings.get(name, value) != value
    ]
    if weights.config.vocab_size != len(corpus.vocabulary):
        problems.append(
            f"--init: {request.init} has {weights.config.vocab_size:,} tokens and no vocabulary, "
            f"the text has {len(corpus.vocabulary):,}; they must be equal. Try --vocab-size"
        )
    if problems:
        raise ConfigError(". ".join(problems))
    return {**request.settings, **fixed}


def fit_weights(
    weights: Weights, request: TrainingRequest, corpus: Corpus, messages: Messages
) -> Mapping[str, Tensor]:
    """Return the initial weights for a corpus, ready to learn <unk> if it has unknown tokens."""
    num_unknown, total = corpus.num_unknown, len(corpus.train.tokens_N)
    messages.say(
        f"warm start from the weights of {request.init}: {num_unknown:,} of {total:,} tokens "
        f"({num_unknown / total:.2%}) are unknown to its vocabulary"
    )
    if num_unknown and not weights.config.unknown_trained:
        return _add_unknown_token(weights.tensors)
    return weights.tensors


def _add_unknown_token(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Initialise <unk> in the weights of a network that was trained without unknown tokens.

    Returns: new weights, in which the rows of <unk> are the mean of all other rows, and its bias is
        the smallest of all other biases.
    """
    changed = {name: tensor.clone() for name, tensor in tensors.items()}
    for name in changed.keys() & {"embedding", "output_weight"}:
        changed[name][UNKNOWN_ID] = changed[name][UNKNOWN_ID + 1 :].mean(dim=0)
    changed["output_bias"][UNKNOWN_ID] = changed["output_bias"][UNKNOWN_ID + 1 :].min()
    return changed
