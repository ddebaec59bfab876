"""Recurrent language models from the shell: train, score, generate.

From Python: `LanguageModel` loads a model, scores and generates. `Mixture`, with `NgramModel`, and
`AdaptingModel` score with the same methods. `start_run` and `resume_run` take a `TrainingRequest`
and return a run, whose `train()` returns the outcome.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "AdaptingModel", "LanguageModel", "Mixture", "NgramModel", "Sources", "TrainingRequest",
    "__version__", "resume_run", "start_run",
]

if TYPE_CHECKING:
    from rnnlm_cli.language_model import LanguageModel
    from rnnlm_cli.runs.request import TrainingRequest
    from rnnlm_cli.runs.resume import resume_run
    from rnnlm_cli.runs.start import start_run
    from rnnlm_cli.score.adapt import AdaptingModel
    from rnnlm_cli.score.mixture import Mixture
    from rnnlm_cli.score.ngram import NgramModel
    from rnnlm_cli.text.sources import Sources

_MODULES = {
    "AdaptingModel": "rnnlm_cli.score.adapt",
    "LanguageModel": "rnnlm_cli.language_model",
    "Mixture": "rnnlm_cli.score.mixture",
    "NgramModel": "rnnlm_cli.score.ngram",
    "Sources": "rnnlm_cli.text.sources",
    "TrainingRequest": "rnnlm_cli.runs.request",
    "resume_run": "rnnlm_cli.runs.resume",
    "start_run": "rnnlm_cli.runs.start",
}


def __getattr__(name: str) -> Any:
    """Import a public name, and torch with it, when it is first used."""
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'rnnlm_cli' has no attribute '{name}'")
