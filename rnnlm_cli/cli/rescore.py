"""rnnlm rescore"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnnlm_cli.cli.options import EncodingOption, decode_argument, options_from, require_valid
from rnnlm_cli.cli.scorers import ModelsOption, open_scorer
from rnnlm_cli.config import MachineConfig, MixtureConfig, RescoreConfig
from rnnlm_cli.config.option import select_fields
from rnnlm_cli.messages import StderrMessages
from rnnlm_cli.text.raw_bytes import STDIN
from rnnlm_cli.text.reading import read_lines

if TYPE_CHECKING:
    from rnnlm_cli.score.nbest.reading import Entry
    from rnnlm_cli.score.nbest.rescoring import Rescorer, Scored
    from rnnlm_cli.score.scorer import Scorer


@options_from(RescoreConfig, MixtureConfig, MachineConfig)
def rescore(
    lists: Annotated[list[str], typer.Argument(
        metavar="LIST", help="Files of n-best lists; - is stdin.", show_default=False)],
    model: ModelsOption = None,
    encoding: EncodingOption = None,
    *,
    given: dict[str, Any],
) -> None:
    """Score the hypotheses of n-best lists, from translation or speech recognition.

    Each line of the lists gives one line on stdout, in order, in the format of the list. A
    hypothesis is scored as rnnlm score scores a sentence. Unknown words without probability are
    left out of the sum, and a note says how many there were.

    moses: NUMBER ||| HYPOTHESIS ||| FEATURES ||| TOTAL. The feature RNNLM0= ln p is added behind
    the others. With --weight W the total becomes TOTAL + W ln p.

    kaldi: UTTERANCE-N HYPOTHESIS. The output is UTTERANCE-N COST, where the cost is -ln p.
    kaldi-words gives the cost of every word, and last that of the end of the sentence.

    mikolov: one HYPOTHESIS per line, without a number in front of it. The output is log10 p.

    srilm: ASCORE LSCORE NWORDS HYPOTHESIS, with scores in log10. LSCORE becomes log10 p, or LSCORE
    + W log10 p with --weight W.

    tsv: HYPOTHESIS, a tab and SCORE. SCORE becomes ln p, or SCORE + W ln p with --weight W.

    A list of moses and kaldi is a run of lines with the same NUMBER or UTTERANCE; in the other
    formats a file is one list. With --best, the hypothesis with the highest score wins: the total
    (srilm: ASCORE + LSCORE; tsv: SCORE) + W times the score of the model, or without a weight the
    score of the model alone.
    """
    if "name" in given:
        given["name"] = decode_argument(given["name"])
    require_valid(
        RescoreConfig, MixtureConfig, MachineConfig, given=given,
        problems=list(_find_conflicts(lists, given.get("tune"))),
    )
    config = RescoreConfig(**select_fields(RescoreConfig, given))
    scorer = open_scorer(model, given)
    _rescore(scorer, lists, config, encoding or scorer.encoding)


def _rescore(
    scorer: Scorer, paths: Sequence[str], config: RescoreConfig, encoding: str | None
) -> None:
    """Rescore files in the format that is given or detected."""
    from rnnlm_cli.score.nbest import make_nbest_format
    from rnnlm_cli.score.nbest.reading import NbestReader
    from rnnlm_cli.score.nbest.rescoring import Rescorer

    reader = NbestReader(paths, encoding)
    name = config.format or reader.detect()
    if name is None:  # all files are empty
        return
    checked = replace(config, format=name)
    nbest_format = make_nbest_format(name, checked)
    rescorer = Rescorer(scorer, nbest_format, checked)
    batches = reader.read(nbest_format)
    note = None if config.format else f"the lists look like the format {name}, and are read as such"
    if config.tune is None:
        _write(rescorer, rescorer.score(_say_first(batches, note)), best=config.best)
    else:
        scored = _tune(rescorer, batches, note, config.tune, encoding)
        _write(rescorer, [scored], best=config.best)


def _find_conflicts(lists: list[str], tune: str | None) -> Iterator[str]:
    """Yield files that cannot be read together."""
    if [*lists, tune].count(STDIN) > 1:
        yield "LIST and --tune: '-' given more than once; stdin can be read only once"


def _say_first(batches: Iterable[Sequence[Entry]], note: str | None) -> Iterator[Sequence[Entry]]:
    """Yield the batches, and say a note before the first one: not if the first line is broken."""
    for batch in batches:
        if note is not None:
            StderrMessages().note(note)
        note = None
        yield batch


def _tune(
    rescorer: Rescorer, batches: Iterable[Sequence[Entry]], note: str | None, path: str,
    encoding: str | None,
) -> list[Scored]:
    """Score all lists, tune the weight and say it on stderr. Returns the scores."""
    from rnnlm_cli.score.nbest.rescoring import require_references

    references = list(read_lines(path, encoding=encoding))
    batches = require_references(batches, references, path)
    scored = list(chain.from_iterable(rescorer.score(batches)))
    if scored:
        tuning = rescorer.tune(scored, references)
        if note is not None:
            StderrMessages().note(note)
        StderrMessages().note(
            f"--weight {tuning.weight!r}: the best hypothesis differs from the reference in "
            f"{tuning.num_errors} of {tuning.num_lists} lists; without the model, with weight 0, "
            f"in {tuning.num_errors_without}"
        )
    return scored


def _write(rescorer: Rescorer, batches: Iterable[Iterable[Scored]], *, best: bool) -> None:
    """Write the lines of each batch and flush them. Say how many words were left out."""
    from rnnlm_cli.score.formats.summary import format_count

    if best:
        for line in rescorer.render_best(chain.from_iterable(batches)):
            print(line)
    else:
        for scored in batches:
            for each in scored:
                print(rescorer.render(each))
            sys.stdout.flush()
    sys.stdout.flush()
    if rescorer.num_unscored:
        tokens = format_count(rescorer.num_unscored, "unknown token")
        StderrMessages().note(
            f"left out {tokens} without probability from the sums; this favours the hypotheses "
            "that have them"
        )
