"""Generators: texts that continue prompts, as a stream of pieces or many at once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rnnlm_cli.config import Level, SampleConfig
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.generate.beam import search_beams
from rnnlm_cli.generate.decode import decode_row, decode_rows, read_prompt, read_prompts
from rnnlm_cli.generate.row import GeneratedSample, Row
from rnnlm_cli.generate.sampler import Sampler, make_bias
from rnnlm_cli.generate.stepping import StepperFactory, choose_threads
from rnnlm_cli.nn.network import RecurrentNetwork
from rnnlm_cli.text.tokenizers import Ids
from rnnlm_cli.text.vocabulary import Vocabulary

MAX_ROWS = 64  # in a batch; more are not faster
MAX_LOGITS = 1 << 23  # of a batch, in one step; bounds its memory

LEVELS: dict[Level, str] = {
    "char": "each character is a token", "byte": "each byte is a token",
    "word": "the words between white space are tokens", "bpe": "sequences of bytes are tokens",
}


@dataclass(frozen=True)
class Prompt:
    """A text to continue, and its tokens."""

    text: str
    tokens_N: Ids


class GeneratedText:
    """A text that is generated while it is read: an iterable of its pieces.

    It can be read once. `sample` is the finished text.
    """

    def __init__(self, row: Row, pieces: Iterator[str], *, with_log_p: bool) -> None:
        self._row, self._pieces, self._with_log_p = row, pieces, with_log_p

    def __iter__(self) -> Iterator[str]:
        return self._pieces

    def interrupt(self) -> str:
        """End the text here, if it has not ended. Returns the rest of it, which was held back."""
        return "" if self._row.stop_reason is not None else self._row.interrupt()

    @property
    def sample(self) -> GeneratedSample:
        """The text so far, with its tokens and the reason why it ended.

        If it has not been read to its end, it is interrupted here.
        """
        self.interrupt()
        return self._row.make_sample(with_log_p=self._with_log_p)


class Generator:
    """Generates texts by one network with one configuration.

    Args:
        config: with a temperature and a seed.
        sentences: whether the network was trained on sentences, each from the zero state.
        with_log_p: whether to compute ln p of each text.
    Raises: ConfigError if the configuration names tokens that the vocabulary does not have, or a
        precision that this machine does not have.
    """

    def __init__(
        self, network: RecurrentNetwork, vocabulary: Vocabulary, config: SampleConfig, *,
        sentences: bool, with_log_p: bool = False,
    ) -> None:
        self._network, self._vocabulary, self.config = network, vocabulary, config
        self._sentences, self._with_log_p = sentences, with_log_p
        self._bias_V = make_bias(
            len(vocabulary),
            forbidden=[_find_token(vocabulary, each, "--forbid") for each in config.forbid],
            biases=[
                (_find_token(vocabulary, token, "--logit-bias"), bias)
                for token, bias in config.logit_bias
            ],
        )
        self._factory = StepperFactory(network, config.precision)

    def stream(self, prompt: Prompt) -> GeneratedText:
        """Generate the first sample of a prompt while it is read."""
        row = self._make_row(prompt, 0)
        return GeneratedText(row, self._decode_row(prompt, row), with_log_p=self._with_log_p)

    def generate(
        self, prompts: Sequence[Prompt], is_interrupted: Callable[[], bool] = lambda: False
    ) -> Iterator[list[GeneratedSample]]:
        """Yield the samples of each prompt, or the best texts of a search, in order.

        Several prompts and samples go through the network in one batch.

        Args:
            is_interrupted: says whether to end all texts here. It is asked after each token.
        """
        if self.config.num_beams is not None:
            for prompt in prompts:
                yield self._search(prompt, is_interrupted)
                if is_interrupted():
                    return
            return
        num_samples = self.config.num_samples
        max_rows = max(1, min(MAX_ROWS, MAX_LOGITS // len(self._vocabulary)))
        prompts_per_batch = max(1, max_rows // num_samples)
        for begin in range(0, len(prompts), prompts_per_batch):
            batch = prompts[begin : begin + prompts_per_batch]
            samples: list[GeneratedSample] = []
            # More samples of one prompt than fit into a batch are generated in turns.
            for first in range(0, num_samples, max_rows):
                indices = range(first, min(first + max_rows, num_samples))
                rows = [self._make_row(prompt, index) for prompt in batch for index in indices]
                self._run(batch, rows, is_interrupted)
                samples += [row.make_sample(with_log_p=self._with_log_p) for row in rows]
                if is_interrupted():
                    break
            for index in range(len(batch)):
                yield samples[index * num_samples : (index + 1) * num_samples]
            if is_interrupted():
                return

    def _run(
        self, prompts: Sequence[Prompt], rows: list[Row], is_interrupted: Callable[[], bool]
    ) -> None:
        """Generate until all rows have ended, or until an interruption."""
        with choose_threads(self._network, len(rows)):
            logits_BV, state = read_prompts(
                self._network, [each.tokens_N for each in prompts], len(rows) // len(prompts),
                sentences=self._sentences,
            )
            sampler = Sampler(self.config, self._bias_V, rows, with_log_p=self._with_log_p)
            for _ in decode_rows(
                rows, logits_BV, state, sampler, self._factory, sentences=self._sentences
            ):
                if is_interrupted():
                    break
        for row in rows:
            if row.stop_reason is None:
                row.interrupt()

    def _decode_row(self, prompt: Prompt, row: Row) -> Iterator[str]:
        logits_1V, state = read_prompt(
            self._network, prompt.tokens_N, sentences=self._sentences
        )
        sampler = Sampler(self.config, self._bias_V, [row], with_log_p=self._with_log_p)
        yield from decode_row(
            row, logits_1V, state, sampler, self._factory, sentences=self._sentences
        )

    def _search(
        self, prompt: Prompt, is_interrupted: Callable[[], bool]
    ) -> list[GeneratedSample]:
        logits_1V, state = read_prompts(
            self._network, [prompt.tokens_N], 1, sentences=self._sentences
        )
        return search_beams(
            self._network, self._make_row(prompt, 0), logits_1V, state, self.config, self._bias_V,
            is_interrupted, sentences=self._sentences,
        )

    def _make_row(self, prompt: Prompt, index: int) -> Row:
        return Row(
            index, self.config, prompt.tokens_N, self._vocabulary.make_decoder(prompt.text)
        )


def _find_token(vocabulary: Vocabulary, token: str, flag: str) -> int:
    """Return the id of a token. Raises: ConfigError if the vocabulary does not have it."""
    try:
        return vocabulary.tokens.index(token)
    except ValueError:
        raise ConfigError(
            f"{flag}: '{token}' is not a token of the model (level {vocabulary.level}: "
            f"{LEVELS[vocabulary.level]}); one of its tokens is needed. Give each by itself"
        ) from None
