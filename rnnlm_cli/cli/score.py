"""rnnlm score"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnnlm_cli.cli.options import EncodingOption, decode_argument, options_from, require_valid
from rnnlm_cli.cli.score_input import read_sentences, score_documents, score_sentences
from rnnlm_cli.cli.score_output import make_output_format, write_scores
from rnnlm_cli.cli.score_page import ScorePage, require_page_writable
from rnnlm_cli.cli.scorers import ModelsOption, open_scorer, tune_weights
from rnnlm_cli.config import AdaptConfig, FormatName, MachineConfig, MixtureConfig, ScoreConfig
from rnnlm_cli.config.option import flag_of, select_fields
from rnnlm_cli.config.score import WORD_FORMATS
from rnnlm_cli.errors import ConfigError
from rnnlm_cli.files.run_files import DEFAULT_MODEL
from rnnlm_cli.messages import StderrMessages
from rnnlm_cli.text.raw_bytes import STDIN

if TYPE_CHECKING:
    from rnnlm_cli.score.regions import Regions
    from rnnlm_cli.score.scorer import Scorer
    from rnnlm_cli.score.sentences import Details


@options_from(ScoreConfig, MixtureConfig, AdaptConfig, MachineConfig)
def score(
    texts: Annotated[list[str] | None, typer.Argument(
        metavar="SENTENCE", help="Sentences, or - for those on stdin; files with --document.",
        show_default=False)] = None,
    model: ModelsOption = None,
    file: Annotated[list[str] | None, typer.Option(
        "-f", "--file", help="File with one sentence per line; - is stdin.",
        show_default=False)] = None,
    prefix: Annotated[str, typer.Option(
        "--given", metavar="PREFIX", help="Text that is read before each sentence and not scored.",
        show_default=False)] = "",
    tokens: Annotated[bool, typer.Option(
        "--tokens", help="Show every token with its surprisal in bits.")] = False,
    regions: Annotated[str | None, typer.Option(
        metavar="FILE", help="Show the surprisal of some regions. Each line of FILE has three "
        "numbers, separated by tabs: the sentence, from 1; the first character, from 0; and the "
        "character after the last.", show_default=False)] = None,
    tune: Annotated[str | None, typer.Option(
        metavar="FILE", help="Find the weights of several models that suit this held-out text, "
        "by expectation maximisation.", rich_help_panel="Mixture", show_default=False)] = None,
    html: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Write an HTML page too, in which every token is shaded by its "
        "surprisal.", show_default=False)] = None,
    encoding: EncodingOption = None,
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Score sentences, or whole documents.

    Each sentence gets one line on stdout: ln p, log10 p, predicted tokens, perplexity, bits per
    character and per byte (with a * if unknown tokens hide the cost of their spelling), unknown
    tokens, whether the newline at the end counts, and the text. Perplexity is exp(-ln p /
    predicted tokens). Put -- before a sentence that begins with a dash.

    Lines that arrive through a pipe are scored at once, so that a program can write a line and
    wait for its score.
    """
    sentences, files, document = texts or [], file or [], bool(given.get("document"))
    require_valid(ScoreConfig, MixtureConfig, AdaptConfig, MachineConfig, given=given, problems=[
        *_find_conflicts(sentences, files, document),
        *_find_output_conflicts(
            given, json=json, tokens=tokens, regions=regions, prefix=prefix, html=html
        ),
    ])
    config = ScoreConfig(**select_fields(ScoreConfig, given))
    adaptation = AdaptConfig(**select_fields(AdaptConfig, given))
    if sentences == [STDIN] or document:
        sentences, files = [], [*sentences, *files]
    if html is not None:
        require_page_writable(html, [*files, *(model or [DEFAULT_MODEL])])
    scorer = open_scorer(model, given, precision=config.precision)
    encoding = encoding or scorer.encoding
    format_name: FormatName = "json" if json else config.format or "text"
    _require_suitable(scorer, config, format_name)
    if config.precision != "float32":
        StderrMessages().note(
            f"matrix products in {config.precision}: the scores are approximate"
        )
    if tune is not None:
        scorer = tune_weights(scorer, tune, encoding=encoding, closing=config.closing)
    spans = None if regions is None else _read_regions(regions)
    details = _choose_details(scorer, config, format_name, tokens, spans)
    html_page = None if html is None else ScorePage(html, model or [DEFAULT_MODEL], details)
    if html_page is not None:
        details = html_page.details
    if document:
        batches = score_documents(scorer, files, config, adaptation, details, encoding)
    else:
        batches = score_sentences(
            scorer, read_sentences(sentences, files, encoding), details,
            prefix=decode_argument(prefix), batch_tokens=config.batch_tokens,
            closing=True if format_name in WORD_FORMATS else config.closing,
        )
    if html_page is not None:
        batches = html_page.collect(batches)
    name = files[0] if len(files) == 1 else STDIN
    num_texts = write_scores(batches, make_output_format(
        format_name, config, adapted=adaptation.is_on, name=name,
        unit="words" if spans or config.words else "tokens" if tokens else None,
    ))
    if html_page is not None:
        html_page.write(
            name="sentences" if name == STDIN else decode_argument(Path(name).name),
            spaced=scorer.vocabulary.level == "word", documents=document,
        )
    if spans is not None:
        spans.require_texts(num_texts)


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


def _find_output_conflicts(
    given: dict[str, Any], *, json: bool, tokens: bool, regions: str | None, prefix: str,
    html: Path | None,
) -> Iterator[str]:
    """Yield options that were given and do not go together."""
    name = given.get("format")
    if json and name not in (None, "json"):
        yield f"--json and --format {name}: given together; one of them is needed"
    if tokens + bool(given.get("words")) + (regions is not None) > 1:
        yield "--tokens, --words and --regions: given together; one of them is needed"
    if regions is not None and name in WORD_FORMATS:
        yield f"--regions and --format {name}: given together; the format has tokens only"
    has_rows_of_parts = name == "tsv" and (tokens or given.get("words") or regions is not None)
    if given.get("normalize") and (name in WORD_FORMATS or has_rows_of_parts):
        yield f"--normalize and --format {name}: given together; the rows are no whole sentences"
    if prefix and given.get("document"):
        yield "--given and --document: given together; a document has no prefix"
    if given.get("cache") or given.get("dynamic"):
        if html is not None:
            yield "--html: given with --cache or --dynamic; a page has the scores of one model"
        if not given.get("document"):
            yield "--cache and --dynamic: have no meaning without --document"
        for other in ("rows", "reset_every"):
            if other in given:
                yield (
                    f"{flag_of(ScoreConfig, other)}: given with --cache or --dynamic; a model that "
                    "adapts reads a document as one row from beginning to end"
                )


def _require_suitable(scorer: Scorer, config: ScoreConfig, format_name: FormatName) -> None:
    """Raise ConfigError if the model cannot give what the options ask for."""
    level = scorer.vocabulary.level
    if format_name in WORD_FORMATS and level != "word":
        raise ConfigError(
            f"--format: '{format_name}' given, and the model is of level {level}; the format is "
            "for models of words, because its words cannot hold white space. Use json or tsv"
        )
    scorer.require_normalization(config.normalize)


def _read_regions(path: str) -> Regions:
    from rnnlm_cli.score.regions import read_regions

    return read_regions(path)


def _choose_details(
    scorer: Scorer, config: ScoreConfig, format_name: FormatName, tokens: bool,
    regions: Regions | None,
) -> Details:
    """Return the details that the output has room for."""
    from rnnlm_cli.score.sentences import Details

    find_words = scorer.find_words if config.words else None
    return Details(
        tokens=tokens or format_name in WORD_FORMATS,
        distribution=tokens and format_name == "tsv",
        find_spans=find_words if regions is None else regions.find_spans,
    )
