"""Scorer: the methods that language models, mixtures and adapting models have in common.

Legend: N tokens of a text, V vocabulary size.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from numbers import Integral

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnnlm_cli.config import UNKNOWN_ID, Normalization
from rnnlm_cli.errors import ConfigError, TextError
from rnnlm_cli.score.predictor import Predictor
from rnnlm_cli.score.score import Nats, TextScore, WordScore
from rnnlm_cli.score.sentences import Details, TextEvaluator
from rnnlm_cli.score.words import Span, find_words
from rnnlm_cli.text.tokenizers import BOUNDARY, Ids
from rnnlm_cli.text.vocabulary import Vocabulary, require_known
from rnnlm_cli.windows import split_prompt

CHUNK_CHARACTERS = 1 << 16  # of a prompt, encoded at once


class Scorer:
    """Scores sentences and documents, and predicts the next token.

    Args:
        predictor: reads tokens and predicts the next one.
        vocabulary: its tokens.
        sentences: whether the model was trained on sentences, each read from the zero state.
        encoding: of the training text; None at byte level.
        token_counts_V: how often the training text has each token; None if that is not known.
            It serves the normalisation "slor" only.
    """

    def __init__(
        self, predictor: Predictor, vocabulary: Vocabulary, *, sentences: bool,
        encoding: str | None, token_counts_V: NDArray[np.int64] | None = None,
    ) -> None:
        self.predictor = predictor
        self.vocabulary = vocabulary
        self.sentences = sentences
        self.encoding = encoding
        self.token_counts_V = token_counts_V

    def score(
        self, text: str, *, given: str = "", closing: bool | None = None, with_tokens: bool = False,
    ) -> TextScore:
        """Score one sentence, from the zero state. Arguments and errors as for `score_many`."""
        if not isinstance(text, str):
            raise TextError(
                f"text: a {type(text).__name__} given; one sentence is needed. "
                "score_many takes several"
            )
        (score,) = self.score_many([text], given=given, closing=closing, with_tokens=with_tokens)
        return score

    def score_many(
        self, texts: Iterable[str], *, given: str = "", closing: bool | None = None,
        with_tokens: bool = False, batch_tokens: int | None = None, details: Details | None = None,
        first_number: int = 0,
    ) -> Iterator[TextScore]:
        """Score each text as a sentence, from the zero state.

        Many sentences are read in one batch, which is much faster than one by one.

        Args:
            texts: sentences without newlines.
            given: a text that is read before each sentence and not scored, so that the scores are
                those of its continuations. It is divided into tokens by itself.
            closing: whether to predict the closing boundary too. None means yes if the model was
                trained on sentences.
            with_tokens: whether to return the score of every token.
            batch_tokens: maximum number of tokens in one pass through the network, which bounds
                its memory; None means 4096.
            details: further details of the scores; `with_tokens` is then ignored.
            first_number: the number of the first text, from 0, which `details` may depend on.
        Yields: the scores, in order; -ln p in nats.
        Raises: TextError if one string is given instead of several, or if a text contains a
            newline. ConfigError if a size is below 1, or if the model adapts to its text.
        """
        if isinstance(texts, str | bytes):
            raise TextError(
                "texts: one string given; an iterable of sentences is needed. "
                "Put it in a list, score_many([text]), or call score(text)"
            )
        if self.predictor.adapts:
            raise ConfigError(
                "texts: sentences given to a model that adapts to the text; a document is needed. "
                "Call score_document"
            )
        if self.sentences and BOUNDARY in given:
            raise TextError("given: contains a newline; one sentence is needed, as in training")
        return self._make_evaluator(batch_tokens).score_sentences(
            texts, closing=self.sentences if closing is None else closing, given=given,
            details=Details(tokens=with_tokens) if details is None else details,
            first_number=first_number,
        )

    def words(
        self, text: str, *, given: str = "", closing: bool | None = None
    ) -> Sequence[WordScore]:
        """Score each word between white space of one sentence, from tokens of any level.

        The boundary after a word belongs to the word; see `rnnlm_cli.score.words`. So the
        surprisals sum to that of the sentence.

        Args: as for `score_many`.
        Returns: surprisal and entropy in nats, and rank, of each word.
        """
        details = Details(find_spans=self.find_words)
        (score,) = self.score_many([text], given=given, closing=closing, details=details)
        assert score.words is not None
        return score.words

    def score_document(
        self, text: str, *, name: str = "", num_rows: int = 1, reset_every: int | None = None,
        with_tokens: bool = False, batch_tokens: int | None = None, details: Details | None = None,
        number: int = 0,
    ) -> TextScore:
        """Score a running text, every token of it.

        Args:
            name: the name of the text in its score, such as its path.
            num_rows: 1 carries the hidden state through the whole text: exact. More rows split
                the text. Each row is warmed up on the 256 tokens before it, which is faster and
                almost equal.
            reset_every: reset the hidden state every `reset_every` tokens; None never does.
            with_tokens, batch_tokens, details: as for `score_many`.
            number: the number of the text among several, from 0.
        Raises: ConfigError if a size is below 1, or if the model adapts to the text, which it reads
            as one row.
        """
        _require_sizes(num_rows=num_rows, reset_every=reset_every)
        if self.predictor.adapts and (num_rows > 1 or reset_every is not None):
            raise ConfigError(
                "num_rows and reset_every: given for a model that adapts to the text; it reads the "
                "text as one row from beginning to end"
            )
        return self._make_evaluator(batch_tokens).score_document(
            name, text, number=number, num_rows=num_rows, reset_every=reset_every,
            details=Details(tokens=with_tokens) if details is None else details,
        )

    def next_token_distribution(self, prompt: str = "") -> Tensor:
        """Return p(token | prompt) for every token of the vocabulary, (V,), in id order.

        Raises: TextError if the prompt contains unknown tokens.
        """
        tokens_N = self.encode_prompt(prompt, skip_unknown=False)
        state = self.predictor.initial_state(1)
        for window in split_prompt(tokens_N, sentences=self.sentences):
            inputs_T1, resets_T1 = (
                tensor.to(self.predictor.device) for tensor in (window.inputs_TB, window.resets_TB)
            )
            predictions, state = self.predictor.read(inputs_T1, state, resets_T1)
        last = predictions.shape[0] - 1
        with torch.inference_mode():
            log_p_V = predictions.select(slice(last, last + 1)).compute_log_p()[0]
        # A copy that is made outside the inference mode can be changed, and used with autograd.
        return log_p_V.clone().double().softmax(dim=0)

    def require_normalization(self, how: Normalization) -> None:
        """Raise ConfigError if scores cannot be normalised in a way; see `Score.normalize`."""
        if how == "slor" and self.token_counts_V is None:
            raise ConfigError(
                "--normalize: 'slor' given, and the model file has no token counts, because an "
                "older rnnlm wrote it; they are needed. Train again, or choose none, token or char"
            )

    def find_words(self, number: int, text: str) -> list[Span]:
        """Return the words of a text; its number is not used. See `Details.find_spans`."""
        return find_words(self.vocabulary, text)

    def encode_prompt(
        self, prompt: str, *, skip_unknown: bool, subject: str = "prompt"
    ) -> Ids:
        """Return the known tokens of a prompt. Their memory is 4 bytes for each.

        Args:
            subject: the name of the prompt in errors.
        Raises: TextError if it contains unknown tokens that are not skipped.
        """
        begins = range(0, len(prompt), CHUNK_CHARACTERS)
        chunks = (prompt[begin : begin + CHUNK_CHARACTERS] for begin in begins)
        pieces = [np.empty(0, np.int32)]
        for ids_N in self.vocabulary.encode_chunks(chunks):
            known_N = ids_N != UNKNOWN_ID
            if not skip_unknown and not known_N.all():
                require_known(
                    self.vocabulary, prompt, subject=subject, remedy="--unk skip leaves them out"
                )
            pieces.append(ids_N[known_N])
        return np.concatenate(pieces)

    @cached_property
    def unigram_nats_V(self) -> Nats | None:
        """-ln p of every token by its frequency in the training text alone, (V,).

        One is added to every count, so that no token has probability 0. None if the counts are
        not known.
        """
        if self.token_counts_V is None:
            return None
        counts_V = self.token_counts_V.astype(np.float64) + 1
        nats_V: Nats = np.log(counts_V.sum()) - np.log(counts_V)
        return nats_V

    def _make_evaluator(self, batch_tokens: int | None) -> TextEvaluator:
        _require_sizes(batch_tokens=batch_tokens)
        return TextEvaluator(self.predictor, self.vocabulary, self.unigram_nats_V, batch_tokens)


def _require_sizes(**sizes: int | None) -> None:
    """Raise ConfigError for a size that is not a whole number of 1 or more; None is valid."""
    for name, size in sizes.items():
        if size is not None and (not isinstance(size, Integral) or size < 1):
            raise ConfigError(f"{name}: {size} given; a whole number of 1 or more is needed")
