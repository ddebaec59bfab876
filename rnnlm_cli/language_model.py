"""LanguageModel: the interface for Python users, on which the commands are built too.

Legend: N tokens of a text.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import torch

from rnnlm_cli.config import Precision, SampleConfig
from rnnlm_cli.generate.decode import generate_tokens
from rnnlm_cli.model_file import Model, load_model
from rnnlm_cli.nn.matmul import Products, require_bfloat16
from rnnlm_cli.score.predictor import NetworkPredictor
from rnnlm_cli.score.scorer import Scorer
from rnnlm_cli.text.vocabulary import Decoder


class GeneratedText:
    """Text that is generated while it is read: an iterable of pieces.

    Each piece is a list with one string for each sample. It can be read once.

    Args:
        tokens: the next token of every sample, step by step.
        decoders: the decoder of each sample.
    """

    def __init__(self, tokens: Iterator[list[int]], decoders: Sequence[Decoder]) -> None:
        self._decoders = decoders
        self._pieces = self._decode(tokens)

    def __iter__(self) -> Iterator[list[str]]:
        return self._pieces

    @property
    def num_replaced(self) -> int:
        """The number of bytes read so far that are not UTF-8, and became U+FFFD."""
        return sum(decoder.num_replaced for decoder in self._decoders)

    def _decode(self, tokens: Iterator[list[int]]) -> Iterator[list[str]]:
        for tokens_B in tokens:
            yield [
                decoder.feed([token])
                for decoder, token in zip(self._decoders, tokens_B, strict=True)
            ]
        yield [decoder.finish() for decoder in self._decoders]


class LanguageModel(Scorer):
    """A trained language model.

    >>> model = LanguageModel.load("model.rnnlm")       # doctest: +SKIP
    >>> model.score("the king").nats                    # doctest: +SKIP
    """

    def __init__(self, model: Model) -> None:
        super().__init__(
            NetworkPredictor(model.network), model.vocabulary, sentences=model.sentences,
            encoding=model.encoding, token_counts_V=model.token_counts_V,
        )
        self.network = model.network
        self.training = model.training

    @classmethod
    def load(
        cls, path: str | Path, *, device: torch.device | str = "cpu",
        precision: Precision = "float32",
    ) -> Self:
        """Read a model file.

        Args:
            precision: of the operands of matrix products when texts are scored. With "bfloat16",
                scores are approximate, and faster for large hidden sizes.
        Raises: ModelFileError; ConfigError if the device would be slower in bfloat16.
        """
        model = cls(load_model(path, device=device))
        if precision == "bfloat16":
            require_bfloat16(model.network.device)
        model.network.products = Products(precision)
        return model

    def generate(
        self, config: SampleConfig, *, prompt: str = "", skip_unknown: bool = False
    ) -> GeneratedText:
        """Generate text that continues a prompt.

        Args:
            skip_unknown: whether to leave unknown tokens out of the prompt.
        Raises: TextError if the prompt contains unknown tokens and they are not left out.
        """
        tokens_N = self.encode_prompt(prompt, skip_unknown=skip_unknown)
        return GeneratedText(
            generate_tokens(self.network, tokens_N, config, sentences=self.sentences),
            [self.vocabulary.make_decoder(prompt) for _ in range(config.num_samples)],
        )
