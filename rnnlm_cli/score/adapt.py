"""Models that adapt to the document that they score: with a cache, by learning from it, or both."""

from rnnlm_cli.config import AdaptConfig
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.score.cache import CachePredictor
from rnnlm_cli.score.dynamic import DynamicPredictor
from rnnlm_cli.score.predictor import NetworkPredictor, Predictor
from rnnlm_cli.score.scorer import Scorer


class AdaptingModel(Scorer):
    """A model that adapts to each document that it scores, from its beginning on.

    The model itself is not changed: every document begins with its weights and an empty cache.
    `score_document` reads a document as one row.

    Args:
        model: a single model, such as a LanguageModel.
        config: the ways to adapt.
    Raises: ConfigError for a mixture of models.
    """

    def __init__(self, model: Scorer, config: AdaptConfig) -> None:
        base = model.predictor
        if not isinstance(base, NetworkPredictor):
            raise ConfigError(
                "--cache and --dynamic: given with several models; a single network is needed. "
                "Leave out the other -m, and --ngram"
            )
        super().__init__(
            _make_predictor(base, config), model.vocabulary, sentences=model.sentences,
            encoding=model.encoding, token_counts_V=model.token_counts_V,
        )


def _make_predictor(base: NetworkPredictor, config: AdaptConfig) -> Predictor:
    """Return the predictor of a network that adapts."""
    network: NetworkPredictor | DynamicPredictor = base
    if config.dynamic:
        network = DynamicPredictor(
            base.network, config.dynamic_segment, config.dynamic_lr, config.dynamic_decay
        )
    if config.cache is None:
        return network
    return CachePredictor(network, config.cache, config.cache_theta, config.cache_weight)
