"""Recurrent language models from the shell: train, score, generate."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["LanguageModel", "__version__"]

if TYPE_CHECKING:
    from rnnlm_cli.language_model import LanguageModel


def __getattr__(name: str) -> Any:
    """Import LanguageModel, and torch with it, when it is first asked for."""
    if name == "LanguageModel":
        from rnnlm_cli.language_model import LanguageModel

        return LanguageModel
    raise AttributeError(f"module 'rnnlm_cli' has no attribute '{name}'")
