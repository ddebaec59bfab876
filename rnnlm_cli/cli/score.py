"""rnnlm score"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnnlm_cli.cli.options import (
    EncodingOption,
    ModelOption,
    decode_argument,
    open_model,
    options_from,
)
from rnnlm_cli.config import MachineConfig, ScoreConfig
from rnnlm_cli.config.option import find_problems, select_fields
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.files.run_files import DEFAULT_MODEL
from rnnlm_cli.messages import StderrMessages
from rnnlm_cli.text.decompress import SUFFIXES
from rnnlm_cli.text.raw_bytes import STDIN
from rnnlm_cli.text.reading import make_decoder, read_lines, read_text

if TYPE_CHECKING:
    from rnnlm_cli.language_model import LanguageModel
    from rnnlm_cli.score.score import TextScore


@options_from(ScoreConfig, MachineConfig)
def score(
    texts: Annotated[list[str] | None, typer.Argument(
        metavar="SENTENCE", help="Sentences, or - for those on stdin; files with --document.",
        show_default=False)] = None,
    model: ModelOption = DEFAULT_MODEL,
    file: Annotated[list[str] | None, typer.Option(
        "-f", "--file", help="File with one sentence per line; - is stdin.",
        show_default=False)] = None,
    tokens: Annotated[bool, typer.Option(
        "--tokens", help="Show every token with its surprisal in bits.")] = False,
    encoding: EncodingOption = None,
    json: Annotated[bool, typer.Option(
        "--json", help="Write one JSON object per line: text (or file), nats (-ln p), log10_prob, "
        "predicted_tokens, perplexity, bits_per_char, oov, unscored, closing, tokens.")] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Score sentences, or whole documents.

    Each sentence gets one line on stdout: ln p, log10 p, predicted tokens, perplexity, bits per
    character (with a * if unknown tokens hide the cost of their spelling), unknown tokens, whether
    the newline at the end counts, and the text. Perplexity is exp(-ln p / predicted tokens). Put
    -- before a sentence that begins with a dash.
    """
    sentences, files, document = texts or [], file or [], bool(given.get("document"))
    scoring = select_fields(ScoreConfig, given)
    problems = [*find_problems(ScoreConfig, scoring), *_find_conflicts(sentences, files, document)]
    if problems:
        raise ConfigError(". ".join(problems))
    config = ScoreConfig(**scoring)
    if sentences == [STDIN] or document:
        sentences, files = [], [*sentences, *files]
    if encoding is not None:
        make_decoder(encoding)
    machine = MachineConfig(**select_fields(MachineConfig, given))
    loaded = open_model(model, machine, precision=config.precision)
    if config.precision != "float32":
        StderrMessages().note(
            f"matrix products in {config.precision}: the scores are approximate"
        )

    from rnnlm_cli.score.formats import HEADER, format_json, format_lines, format_total
    from rnnlm_cli.score.score import Score

    if document:
        scores = _score_documents(loaded, files, config, tokens, encoding)
    else:
        scores = loaded.score(
            _read_sentences(loaded, sentences, files, encoding), closing=config.closing,
            with_tokens=tokens, batch_tokens=config.batch_tokens,
        )
    total, num_texts = Score(), 0
    for each in scores:
        if not json and not num_texts:
            print(HEADER, file=sys.stderr, flush=True)
        total, num_texts = total + each.score, num_texts + 1
        if json:
            print(format_json(each, document=document, precision=config.precision))
        else:
            print("\n".join(format_lines(each)))
    sys.stdout.flush()
    if not json and (num_texts != 1 or total.num_unknown):
        print(format_total(total, num_texts), file=sys.stderr)


def _find_conflicts(texts: list[str], files: list[str], document: bool) -> Iterator[str]:
    """Yield what is wrong with the sentences and files that were given."""
    if not texts and not files:
        yield "SENTENCE: nothing given; a sentence, or -f FILE is needed"
    if texts and files and not document:
        yield "-f and SENTENCE: given together; one of them is needed"
    if STDIN in texts and len(texts) > 1:
        yield "SENTENCE: '-' stands for stdin, and must stand alone"
    if not document and any("\n" in text for text in texts):
        yield (
            "SENTENCE: holds a newline; a sentence is one line. "
            "Use -f FILE for many lines, or --document FILE for running text"
        )


def _read_sentences(
    model: LanguageModel, texts: list[str], files: list[str], encoding: str | None
) -> Iterator[str]:
    lines: Iterator[str] = (
        line for file in files for line in read_lines(file, encoding=encoding or model.encoding)
    )
    if files and sys.stderr.isatty() and not sys.stdout.isatty():
        lines = _show_bar(lines, files)
    yield from lines
    for text in texts:
        shown = decode_argument(text)
        if os.path.isfile(text):  # not Path's, which fails on a long sentence
            StderrMessages().note(f"'{shown}' is also a file: -f {shown} scores its lines")
        yield shown


def _show_bar(lines: Iterable[str], files: list[str]) -> Iterator[str]:
    """Yield the lines, and show a bar of the bytes read on stderr."""
    from tqdm import tqdm

    plain = [file for file in files if os.path.isfile(file) and not file.endswith(SUFFIXES)]
    sizes = [os.path.getsize(file) for file in plain]
    total = sum(sizes) if len(sizes) == len(files) else None
    with tqdm(total=total, unit="B", unit_scale=True) as bar:
        for line in lines:
            yield line
            bar.update(len(line.encode("utf-8", "surrogatepass")) + 1)


def _score_documents(
    model: LanguageModel, paths: list[str], config: ScoreConfig, tokens: bool,
    encoding: str | None,
) -> Iterator[TextScore]:
    if model.sentences:
        StderrMessages().note(
            "this model was trained on sentences, each from the zero state; a document carries "
            "the hidden state across them, which the model has not learnt"
        )
    for path in paths:
        text = read_text(path, encoding=encoding or model.encoding)
        yield model.score_document(
            text, name=decode_argument(path), num_rows=config.rows or 1,
            reset_every=config.reset_every, with_tokens=tokens, batch_tokens=config.batch_tokens,
        )

