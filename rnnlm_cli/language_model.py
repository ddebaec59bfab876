"""LanguageModel: the interface for Python users, on which the commands are built too.

Legend: B samples, N tokens of a text, V vocabulary size.
"""

from collections.abc import Iterable, Iterator, Sequence
from numbers import Integral
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from rnnlm_cli.config import UNKNOWN_ID, Precision, SampleConfig
from rnnlm_cli.errors import ConfigError, TextError
from rnnlm_cli.generate.decode import generate_tokens, read_prompt
from rnnlm_cli.model_file import Model, load_model
from rnnlm_cli.nn.matmul import Products, require_bfloat16
from rnnlm_cli.score.score import TextScore
from rnnlm_cli.score.sentences import score_document, score_sentences
from rnnlm_cli.text.tokenizers import Ids
from rnnlm_cli.text.vocabulary import Decoder, require_known

CHUNK_CHARACTERS = 1 << 16  # of a prompt, encoded at once


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
            texts: sentences without newlines.
            closing: whether to predict the closing boundary too. None means yes if the model was
                trained on sentences.
            with_tokens: whether to return the score of every token.
            batch_tokens: maximum number of tokens in one pass through the network, which bounds
                its memory; None means 4096.
        Yields: the scores, in order.
        Raises: TextError if one string is given instead of several, or if a text contains a
            newline. ConfigError if a size is below 1.
        """
        if isinstance(texts, str | bytes):
            raise TextError(
                "texts: one string given; an iterable of sentences is needed. "
                "Put it in a list: score([text])"
            )
        _require_sizes(batch_tokens=batch_tokens)
        return score_sentences(
            self.network,
            self.vocabulary,
            texts,
            closing=self.sentences if closing is None else closing,
            with_tokens=with_tokens,
            batch_tokens=batch_tokens,
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
        """Score a running text, every token of it.

        Args:
            name: the name of the text in its score, such as its path.
            num_rows: 1 carries the hidden state through the whole text: exact. More rows split
                the text. Each row is warmed up on the 256 tokens before it, which is faster and
                almost equal.
            reset_every: reset the hidden state every `reset_every` tokens; None never does.
            with_tokens, batch_tokens: as for `score`.
        Raises: ConfigError if a size is below 1.
        """
        _require_sizes(num_rows=num_rows, reset_every=reset_every, batch_tokens=batch_tokens)
        return score_document(
            self.network,
            self.vocabulary,
            name,
            text,
            num_rows=num_rows,
            reset_every=reset_every,
            with_tokens=with_tokens,
            batch_tokens=batch_tokens,
        )

    def next_token_distribution(self, prompt: str = "") -> Tensor:
        """Return p(token | prompt) for every token of the vocabulary, (V,), in id order.

        Raises: TextError if the prompt contains unknown tokens.
        """
        tokens_N = self._encode_prompt(prompt, skip_unknown=False)
        with torch.inference_mode():
            logits_1V, _ = read_prompt(self.network, tokens_N, sentences=self.sentences)
        # A copy that is made outside the inference mode can be changed, and used with autograd.
        return logits_1V[0].clone().double().softmax(dim=0)

    def generate(
        self, config: SampleConfig, *, prompt: str = "", skip_unknown: bool = False
    ) -> GeneratedText:
        """Generate text that continues a prompt.

        Args:
            skip_unknown: whether to leave unknown tokens out of the prompt.
        Raises: TextError if the prompt contains unknown tokens and they are not left out.
        """
        tokens_N = self._encode_prompt(prompt, skip_unknown=skip_unknown)
        return GeneratedText(
            generate_tokens(self.network, tokens_N, config, sentences=self.sentences),
            [self.vocabulary.make_decoder(prompt) for _ in range(config.num_samples)],
        )

    def _encode_prompt(self, prompt: str, *, skip_unknown: bool) -> Ids:
        """Return the known tokens of a prompt. Their memory is 4 bytes for each."""
        begins = range(0, len(prompt), CHUNK_CHARACTERS)
        chunks = (prompt[begin : begin + CHUNK_CHARACTERS] for begin in begins)
        pieces = [np.empty(0, np.int32)]
        for ids_N in self.vocabulary.encode_chunks(chunks):
            known_N = ids_N != UNKNOWN_ID
            if not skip_unknown and not known_N.all():
                require_known(
                    self.vocabulary, prompt, subject="prompt", remedy="--unk skip leaves them out"
                )
            pieces.append(ids_N[known_N])
        return np.concatenate(pieces)


def _require_sizes(**sizes: int | None) -> None:
    """Raise ConfigError for a size that is not a whole number of 1 or more; None is valid."""
    for name, size in sizes.items():
        if size is not None and (not isinstance(size, Integral) or size < 1):
            raise ConfigError(f"{name}: {size} given; a whole number of 1 or more is needed")
