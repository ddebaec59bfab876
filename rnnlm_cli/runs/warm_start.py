"""`rnnlm train --init`: weights that are there already, and what they do not allow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnlm_cli.config import UNKNOWN_ID, TextConfig
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.files.run_files import RunFileKind, identify
from rnnlm_cli.runs.request import Request, flag

if TYPE_CHECKING:
    from rnnlm_cli.runs.progress import Progress
    from rnnlm_cli.text.corpus import Corpus
    from rnnlm_cli.weights_file import Weights

RATE = 0.5  # of the usual learning rate: weights that know something are not to be shaken
FIXED = ("cell", "num_layers", "embedding_size", "hidden_size", "tied")


def weights_of(path: Path, request: Request) -> Weights:
    """What --init names: a model, or plain weights."""
    from rnnlm_cli.model_file import load_model
    from rnnlm_cli.weights_file import Weights, load_weights

    if identify(path) is not RunFileKind.MODEL:
        return load_weights(path, nonlinearity=request.nonlinearity or "tanh")
    model = load_model(path)
    return Weights(
        model.network.config, model.network.state_dict(), model.vocabulary, model.sentences,
        model.encoding,
    )


def text_of(weights: Weights, request: Request, asked: TextConfig) -> TextConfig:
    """How texts become tokens for a model that is there already."""
    if weights.vocabulary is None:
        return asked
    level = weights.vocabulary.level
    problems = [
        f"{flag(name)}: has no meaning with --init, whose vocabulary is taken"
        for name in ("min_count", "vocab_size") if name in request.given
    ]
    if request.given.get("level", level) != level:
        problems.append(f"--level: '{asked.level}' given; {request.init} has '{level}'")
    if problems:
        raise ConfigError(". ".join(problems))
    return replace(
        asked, level=level, encoding=asked.encoding or weights.encoding,
        text=asked.text or ("sentences" if weights.sentences else "running"),
    )


def settings_and_weights(
    weights: Weights, corpus: Corpus, request: Request, progress: Progress
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings and the weights to begin with. Says how much of the text is unknown."""
    from rnnlm_cli.nn.network import add_unknown_token

    fixed = {name: getattr(weights.config, name) for name in FIXED}
    problems = [
        f"{flag(name)}: {request.given[name]!r} given; {request.init} has {value!r}"
        for name, value in fixed.items() if request.given.get(name, value) != value
    ]
    if weights.config.vocab_size != len(corpus.vocabulary):
        problems.append(
            f"--init: {request.init} has {weights.config.vocab_size:,} tokens and no vocabulary, "
            f"the text has {len(corpus.vocabulary):,}; they must be equal. Try --vocab-size"
        )
    if problems:
        raise ConfigError(". ".join(problems))
    num_unknown, total = int(corpus.counts_V[UNKNOWN_ID]), len(corpus.train.tokens_N)
    progress.say(
        f"beginning with the weights of {request.init}: {num_unknown:,} of {total:,} tokens "
        f"({num_unknown / total:.2%}) are unknown to its vocabulary"
    )
    tensors = dict(weights.tensors)
    if num_unknown and not weights.config.unknown_trained:
        tensors = add_unknown_token(tensors)
    return request.given | fixed, tensors


