"""rnnlm score"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from rnnlm_cli.cli.options import (
    DeviceOption,
    EncodingOption,
    ModelOption,
    ThreadsOption,
    open_model,
)
from rnnlm_cli.config import MAX_SIZE
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.files.run_files import DEFAULT_MODEL
from rnnlm_cli.text.reading import STDIN, SUFFIXES, make_decoder, read_lines, read_text

if TYPE_CHECKING:
    from rnnlm_cli.language_model import LanguageModel
    from rnnlm_cli.score.score import TextScore


def score(
    texts: Annotated[list[str] | None, typer.Argument(
        metavar="[SENTENCE]...", help="Sentences, or - for those on stdin; with --document files.",
        show_default=False)] = None,
    model: ModelOption = DEFAULT_MODEL,
    file: Annotated[list[str] | None, typer.Option(
        "-f", "--file", help="Sentences, one a line; - is stdin.", show_default=False)] = None,
    closing: Annotated[bool | None, typer.Option(
        "--closing/--no-closing", help="Whether the end of the line is predicted too.",
        show_default="as the model was trained: --closing for sentences")] = None,
    tokens: Annotated[bool, typer.Option(
        "--tokens", help="Every token too, with its surprisal in bits.")] = False,
    document: Annotated[bool, typer.Option(
        "--document", help="Whole files as running text, the state carried through.")] = False,
    rows: Annotated[int | None, typer.Option(
        help="With --document: cut it into so many rows, each warmed up on the 256 tokens before "
        "it. Faster, and all but equal.", show_default="1")] = None,
    reset_every: Annotated[int | None, typer.Option(
        help="With --document: from the zero state again after so many tokens, the way "
        "transformers are compared.", show_default="never")] = None,
    batch_tokens: Annotated[int | None, typer.Option(
        help="Tokens that the network reads at once: bounds its memory.",
        show_default="4096")] = None,
    encoding: EncodingOption = None,
    json: Annotated[bool, typer.Option(
        "--json", help="One JSON object a line: text (or file), nats (-ln p), log10_prob, "
        "predicted_tokens, perplexity, bits_per_char, oov, unscored, closing, tokens.")] = False,
    threads: ThreadsOption = None,
    device: DeviceOption = None,
) -> None:
    """Score sentences, or whole documents.

    One line each on stdout: ln p, log10 p, predicted tokens, perplexity, bits per character (with
    a * where unknown tokens hide the cost of their spelling), unknown tokens, whether the closing
    line end counts, and the text. Perplexity is exp(-ln p / predicted tokens). Put -- before a
    sentence that begins with a dash.
    """
    sentences, files = texts or [], file or []
    _check(sentences, files, document, rows, reset_every, closing, batch_tokens)
    if sentences == [STDIN] or document:
        sentences, files = [], [*sentences, *files]
    if encoding is not None:
        make_decoder(encoding)
    loaded = open_model(model, device=device, threads=threads)

    from rnnlm_cli.score.formats import HEADER, format_json, format_lines, format_total
    from rnnlm_cli.score.score import Score

    if document:
        scores = _documents(
            loaded, files, rows or 1, reset_every, tokens, encoding, batch_tokens
        )
    else:
        scores = loaded.score(
            _sentences(loaded, sentences, files, encoding), closing=closing, with_tokens=tokens,
            batch_tokens=batch_tokens,
        )
    total, num_texts = Score(), 0
    for each in scores:
        if not json and not num_texts:
            print(HEADER, file=sys.stderr, flush=True)
        total, num_texts = total + each.score, num_texts + 1
        lines = [format_json(each, document=document)] if json else format_lines(each)
        for line in lines:
            print(line)
    sys.stdout.flush()
    if not json and (num_texts != 1 or total.num_unknown):
        print(format_total(total, num_texts), file=sys.stderr)


def _check(
    texts: list[str], files: list[str], document: bool, rows: int | None,
    reset_every: int | None, closing: bool | None, batch_tokens: int | None,
) -> None:
    """Raise ConfigError naming every clash."""
    problems = []
    if not texts and not files:
        problems.append("SENTENCE: nothing given; a sentence, or -f FILE is needed")
    if texts and files and not document:
        problems.append("-f and SENTENCE: given together; one of them is needed")
    for option, value in (("--rows", rows), ("--reset-every", reset_every)):
        if value is not None and not document:
            problems.append(f"{option}: has no meaning without --document")
    for option, value in (
        ("--rows", rows), ("--reset-every", reset_every), ("--batch-tokens", batch_tokens)
    ):
        if value is not None and not 1 <= value <= MAX_SIZE:
            problems.append(
                f"{option}: '{value}' given; a whole number from 1 to {MAX_SIZE} is needed"
            )
    if document and closing:
        problems.append("--closing and --document: given together; a document has no closing end")
    if STDIN in texts and len(texts) > 1:
        problems.append("SENTENCE: '-' stands for stdin, and must stand alone")
    if not document and any("\n" in text for text in texts):
        problems.append(
            "SENTENCE: holds a line end; one line each is needed. "
            "Use -f FILE for many lines, or --document FILE for running text"
        )
    if problems:
        raise ConfigError(". ".join(problems))


def _sentences(
    model: LanguageModel, texts: list[str], files: list[str], encoding: str | None
) -> Iterator[str]:
    lines: Iterator[str] = (
        line for file in files for line in read_lines(file, encoding=encoding or model.encoding)
    )
    if files and sys.stderr.isatty() and not sys.stdout.isatty():
        lines = _with_a_bar(lines, files)
    yield from lines
    for text in texts:
        if os.path.isfile(text):  # not Path's, which fails on a long sentence
            _note(f"'{text}' is also a file: -f {text} scores its lines")
        yield text


def _with_a_bar(lines: Iterable[str], files: list[str]) -> Iterator[str]:
    """The lines, with a bar on stderr of the bytes read."""
    from tqdm import tqdm

    plain = [file for file in files if os.path.isfile(file) and not file.endswith(SUFFIXES)]
    sizes = [os.path.getsize(file) for file in plain]
    total = sum(sizes) if len(sizes) == len(files) else None
    with tqdm(total=total, unit="B", unit_scale=True) as bar:
        for line in lines:
            yield line
            bar.update(len(line.encode("utf-8", "surrogatepass")) + 1)


def _documents(
    model: LanguageModel, paths: list[str], rows: int, reset_every: int | None, tokens: bool,
    encoding: str | None, batch_tokens: int | None,
) -> Iterator[TextScore]:
    if model.sentences:
        _note(
            "this model was trained on sentences, each from the zero state; a document carries "
            "the state across them, which it has not learned"
        )
    for path in paths:
        text = read_text(path, encoding=encoding or model.encoding)
        yield model.score_document(
            text, name=path, num_rows=rows, reset_every=reset_every, with_tokens=tokens,
            batch_tokens=batch_tokens,
        )


def _note(text: str) -> None:
    print(f"rnnlm: note: {text}", file=sys.stderr)
