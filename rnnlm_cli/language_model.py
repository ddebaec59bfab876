"""LanguageModel: the interface for Python users, on which the commands are built too.

Legend: N tokens of a text.
"""

import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

import torch

from rnnlm_cli.config import Precision, SampleConfig
from rnnlm_cli.errors import ConfigError, TextError
from rnnlm_cli.generate.generator import GeneratedText, Generator, Prompt
from rnnlm_cli.generate.row import GeneratedSample
from rnnlm_cli.model_file import Model, load_model
from rnnlm_cli.nn.matmul import Products, require_bfloat16
from rnnlm_cli.score.predictor import NetworkPredictor
from rnnlm_cli.score.scorer import Scorer


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
        self.sampling = model.sampling

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
        self, config: SampleConfig, *, prompt: str = "", skip_unknown: bool = False,
        with_log_p: bool = False,
    ) -> GeneratedText:
        """Generate one text that continues a prompt, while it is read.

        Args:
            config: without a temperature, that of the model file; without a seed, a new one.
            skip_unknown: whether to leave unknown tokens out of the prompt.
            with_log_p: whether to compute ln p of the new tokens, without filters and at
                temperature 1.
        Raises: TextError if the prompt contains unknown tokens and they are not left out.
            ConfigError for several samples or a search, which `generate_many` has.
        """
        if config.num_samples > 1 or config.num_beams is not None:
            raise ConfigError(
                "generate: num_samples or num_beams given; it generates one text by sampling. "
                "generate_many has several samples and the search"
            )
        generator = self.make_generator(config, with_log_p=with_log_p)
        return generator.stream(self.make_prompt(prompt, skip_unknown=skip_unknown))

    def generate_many(
        self, prompts: Iterable[str], config: SampleConfig, *, skip_unknown: bool = False,
        with_log_p: bool = False,
    ) -> Iterator[list[GeneratedSample]]:
        """Generate texts that continue each of some prompts, in batches.

        The samples of a prompt do not depend on the other prompts.

        Args: as for `generate`.
        Yields: for each prompt, its samples, or the best texts of a search.
        """
        if isinstance(prompts, str):
            raise TextError("prompts: one string given; an iterable of prompts is needed")
        generator = self.make_generator(config, with_log_p=with_log_p)
        return generator.generate([
            self.make_prompt(prompt, skip_unknown=skip_unknown, subject=f"prompt {number}")
            for number, prompt in enumerate(prompts, start=1)
        ])

    def make_generator(self, config: SampleConfig, *, with_log_p: bool = False) -> Generator:
        """Return a generator, which can be used for several prompts; see `generate`."""
        complete = config.fill_in(self.sampling, seed=secrets.randbelow(1 << 31))
        return Generator(
            self.network, self.vocabulary, complete, sentences=self.sentences,
            with_log_p=with_log_p,
        )

    def make_prompt(
        self, text: str, *, skip_unknown: bool = False, subject: str = "prompt"
    ) -> Prompt:
        """Encode a prompt. Errors call it `subject`; see `generate`."""
        return Prompt(text, self.encode_prompt(text, skip_unknown=skip_unknown, subject=subject))
