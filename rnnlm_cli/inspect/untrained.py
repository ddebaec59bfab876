"""The network that a model was before its training."""

from rnnlm_cli.language_model import LanguageModel
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.nn.randomness import make_generator


def make_untrained(model: LanguageModel) -> RecurrentNetwork:
    """Return a network of the same shape with the weights that training began with.

    They are drawn again from the seed in the training summary. After a warm start they are not
    those that training began with, but those of a start without --init. A model without a seed
    gets those of seed 0.
    """
    seed = model.training.get("seed")
    generator = make_generator(seed if isinstance(seed, int) else 0, "weights", 0)
    network = RecurrentNetwork(model.network.config, generator=generator)
    return network.to(model.network.device)
