"""LanguageModel: what Python users call, and what the commands are built on."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from rnnlm_cli.config import UNKNOWN_ID, SampleConfig
from rnnlm_cli.generate.decode import generate_tokens, read_prompt
from rnnlm_cli.model_file import Model, load_model
from rnnlm_cli.score.sentences import TextScore, score_document, score_sentences
from rnnlm_cli.text.tokenizers import Ids
from rnnlm_cli.text.vocabulary import require_known


@dataclass
class GeneratedText:
    """Text as it is made. Iterate for its pieces, each a list with one string a sample.

    `num_replaced` counts, once it is done, the bytes that were no UTF-8 and became U+FFFD.
    """

    pieces: Iterator[list[str]]
    num_replaced: int = 0

    def __iter__(self) -> Iterator[list[str]]:
        return self.pieces


class LanguageModel:
    """A trained language model.

    >>> model = LanguageModel.load("model.rnnlm")            # doctest: +SKIP
    >>> [score.nats for score in model.score(["the king"])]  # doctest: +SKIP
    """

    def __init__(self, model: Model) -> None:
        self.network = model.network
        self.vocabulary = model.vocabulary
        self.sentences = model.sentences
        self.encoding = model.encoding
        self.training = model.training

    @classmethod
    def load(cls, path: str | Path, *, device: torch.device | str = "cpu") -> Self:
        """Read a model file. Raises: ModelFileError."""
        return cls(load_model(path, device=device))

    def score(
        self,
        texts: Iterable[str],
        *,
        closing: bool | None = None,
        with_tokens: bool = False,
        batch_tokens: int | None = None,
    ) -> Iterator[TextScore]:
        """Score each text as a sentence, from the zero state.

        Args:
            closing: whether the closing boundary counts; None: it does for sentences models.
            with_tokens: whether to give the score of every token.
            batch_tokens: how many tokens the network reads at once, which bounds its memory;
                None takes 4096.
        """
        return score_sentences(
            self.network,
            self.vocabulary,
            texts,
            closing=self.sentences if closing is None else closing,
            with_tokens=with_tokens,
            window_tokens=batch_tokens,
        )

    def score_document(
        self,
        text: str,
        *,
        name: str = "",
        num_rows: int = 1,
        reset_every: int | None = None,
        with_tokens: bool = False,
        batch_tokens: int | None = None,
    ) -> TextScore:
        """Score a running text as one stream; see `rnnlm_cli.score.evaluate.document_nats`."""
        return score_document(
            self.network,
            self.vocabulary,
            name,
            text,
            num_rows=num_rows,
            reset_every=reset_every,
            with_tokens=with_tokens,
            window_tokens=batch_tokens,
        )

    @torch.inference_mode()
    def next_token_distribution(self, prompt: str = "") -> Tensor:
        """p(token | prompt) for every token of the vocabulary, (V,), in id order."""
        tokens_N = self._prompt_ids(prompt, skip_unknown=False)
        logits_1V, _ = read_prompt(self.network, tokens_N, sentences=self.sentences)
        return logits_1V[0].double().softmax(dim=0)

    def generate(
        self, config: SampleConfig, *, prompt: str = "", skip_unknown: bool = False
    ) -> GeneratedText:
        """Write new text that goes on after a prompt.

        Args:
            skip_unknown: leave out what the vocabulary does not know of the prompt.
        Raises: TextError for a prompt with unknown tokens, unless they are skipped.
        """
        tokens_N = self._prompt_ids(prompt, skip_unknown=skip_unknown)
        generated = GeneratedText(iter(()))
        generated.pieces = self._pieces(generated, tokens_N, prompt, config)
        return generated

    def _pieces(
        self, generated: GeneratedText, prompt_N: Ids, prompt: str, config: SampleConfig
    ) -> Iterator[list[str]]:
        decoders = [self.vocabulary.make_decoder(prompt) for _ in range(config.num_samples)]
        for tokens_B in generate_tokens(self.network, prompt_N, config, sentences=self.sentences):
            yield [
                decoder.feed([token]) for decoder, token in zip(decoders, tokens_B, strict=True)
            ]
        yield [decoder.finish() for decoder in decoders]
        generated.num_replaced = sum(decoder.num_replaced for decoder in decoders)

    def _prompt_ids(self, prompt: str, *, skip_unknown: bool) -> Ids:
        if not skip_unknown:
            require_known(
                self.vocabulary, prompt, subject="prompt", remedy="--unk skip leaves them out"
            )
        tokens_N = self.vocabulary.encode(prompt)
        return np.delete(tokens_N, np.flatnonzero(tokens_N == UNKNOWN_ID))
