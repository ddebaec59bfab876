"""rnnlm pairs"""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnnlm_cli.cli.options import EncodingOption, decode_argument, options_from, require_valid
from rnnlm_cli.cli.scorers import ModelsOption, open_scorer
from rnnlm_cli.cli.table import format_row, print_headings
from rnnlm_cli.config import MachineConfig, MixtureConfig, PairsConfig
from rnnlm_cli.config.option import select_fields
from rnnlm_cli.messages import StderrMessages, escape_controls, replace_surrogates

if TYPE_CHECKING:
    from rnnlm_cli.score.pairs import Pair, PairCounts, PairScore

NO_GROUP = "-"
COLUMNS = (("pairs", 7), ("right", 7), ("ties", 6), ("accuracy", 8), ("low", 6), ("high", 6))
PAIR_COLUMNS = ("difference", "result", "group", "good", "bad")


@options_from(PairsConfig, MixtureConfig, MachineConfig)
def pairs(
    files: Annotated[list[str], typer.Argument(
        metavar="FILE", help="Files with one pair per line; - is stdin.", show_default=False)],
    model: ModelsOption = None,
    each: Annotated[bool, typer.Option(
        "--each", help="Show every pair: the difference in ln p (good minus bad), right, wrong or "
        "tie, the group and both sentences, separated by tabs.")] = False,
    encoding: EncodingOption = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON lines.")] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Judge minimal pairs: how often is the good sentence more likely than the bad one?

    A line of FILE is a JSON object with sentence_good, sentence_bad and, if there are groups, UID
    or group (as in BLiMP); or it is the good sentence, the bad one and, if there are groups, the
    group, separated by tabs.

    A pair is right if ln p of the good sentence is higher. A difference within the rounding error
    of 1e-6 is a tie. Accuracy is right / pairs in per cent, as in BLiMP: ties are in the
    denominator, and they have a column of their own. low and high are the bounds of Wilson's 95 %
    confidence interval. Each group gets one line on stdout, and all pairs the last one. Without
    groups in several files, each file is a group.
    """
    require_valid(PairsConfig, MixtureConfig, MachineConfig, given=given)
    config = PairsConfig(**select_fields(PairsConfig, given))
    scorer = open_scorer(model, given)
    scorer.require_normalization(config.normalize)

    from rnnlm_cli.score.pairs import count_pairs, score_pairs

    scores: Iterable[PairScore] = score_pairs(
        scorer, _read_files(files, encoding or scorer.encoding), normalize=config.normalize,
        closing=config.closing, batch_tokens=config.batch_tokens,
    )
    if sys.stderr.isatty() and not (each and sys.stdout.isatty()):
        from tqdm import tqdm

        scores = tqdm(scores, unit="pair", leave=False)
    if each:
        scores = _print_each(scores, json=json)
    groups, total = count_pairs(scores)
    if not each:
        _print_counts({} if groups.keys() == {NO_GROUP} else groups, total, json=json)
    if total.num_unscored:
        sys.stdout.flush()
        StderrMessages().note(
            f"{total.num_unscored:,} of {2 * total.num_pairs:,} sentences have unknown tokens "
            "without probability, which are left out of their sums"
        )


def _read_files(paths: Sequence[str], encoding: str | None) -> Iterator[Pair]:
    """Yield the pairs of all files. The name of a file is a group only if there are several."""
    from rnnlm_cli.score.pairs import read_pairs

    for path in paths:
        yield from read_pairs(
            path, encoding=encoding,
            default_group=NO_GROUP if len(paths) == 1 else decode_argument(path),
        )


def _print_each(scores: Iterable[PairScore], *, json: bool) -> Iterator[PairScore]:
    """Print each pair and pass it on."""
    if not json:
        print("\t".join(PAIR_COLUMNS), file=sys.stderr, flush=True)
    for score in scores:
        pair, difference = score.pair, score.difference
        texts = pair.group, pair.good, pair.bad
        if json:
            values = (difference, score.result, *map(replace_surrogates, texts))
            row = dict(zip(PAIR_COLUMNS, values, strict=True))
            print(json_format.dumps(row | {"unscored": score.num_unscored}))
        else:
            shown = "NA" if difference is None else f"{difference:z.9g}"
            print("\t".join((shown, score.result, *map(escape_controls, texts))))
        yield score


def _print_counts(groups: dict[str, PairCounts], total: PairCounts, *, json: bool) -> None:
    """Print a line for each group, and one for all pairs."""
    if json:
        for group, counts in (*groups.items(), (None, total)):
            low, high = counts.interval
            print(json_format.dumps({
                "group": None if group is None else replace_surrogates(group),
                "pairs": counts.num_pairs, "right": counts.num_right, "ties": counts.num_ties,
                "accuracy": counts.accuracy, "low": low, "high": high,
                "unscored": counts.num_unscored,
            }))
        return
    rows = [(escape_controls(group), counts) for group, counts in groups.items()]
    width = max(len(name) for name in ("group", *(group for group, _ in rows)))
    columns = (("group", -width), *COLUMNS)
    print_headings(columns)
    for group, counts in (*rows, ("all", total)):
        print(format_row([
            group, str(counts.num_pairs), str(counts.num_right), str(counts.num_ties),
            *(f"{100 * share:.2f}" for share in (counts.accuracy, *counts.interval)),
        ], columns))
