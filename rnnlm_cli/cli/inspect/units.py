"""rnnlm inspect units"""

from __future__ import annotations

import json as json_format
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rnnlm_cli.cli.options import (
    EncodingOption,
    ModelOption,
    decode_argument,
    open_model,
    options_from,
    require_valid,
)
from rnnlm_cli.cli.table import format_row, print_headings
from rnnlm_cli.config import MachineConfig, UnitsConfig
from rnnlm_cli.config.option import select_fields
from rnnlm_cli.errors import TextError
from rnnlm_cli.files.run_files import DEFAULT_MODEL
from rnnlm_cli.messages import StderrMessages
from rnnlm_cli.text.reading import read_text

if TYPE_CHECKING:
    from rnnlm_cli.inspect.activations import Saturation
    from rnnlm_cli.inspect.units import FeatureRanking
    from rnnlm_cli.language_model import LanguageModel
    from rnnlm_cli.text.tokenizers import Ids

MAX_TOKENS = 100_000  # of a text
MAX_ACTIVATIONS = 50_000_000  # tokens * units; the peak memory is about 1.5 GB
UNIT_COLUMNS = (
    ("feature", -20), ("rank", 5), ("layer", 5), ("unit", 5), ("r", 7), ("chance", 7),
    ("untrained", 9), ("above chance", 12),
)
GATE_COLUMNS = (("layer", 5), ("gate", 5), ("low", 7), ("high", 7))


@options_from(UnitsConfig, MachineConfig)
def units(
    file: Annotated[str, typer.Argument(
        metavar="FILE", help="File with text to read; - is stdin.", show_default=False)],
    model: ModelOption = DEFAULT_MODEL,
    encoding: EncodingOption = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON lines.")] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Rank the hidden units by how well they follow features of a text.

    The activation of a unit is h after each token, for the LSTM tanh(c). The features are the
    position in the line, being inside quotes or inside brackets, the indentation, and coming after
    a capital. r is the correlation of the two. Layers count from 1, and units from 0.

    One unit of many has a high r by chance. So the feature is also shifted along the text, many
    times: in 95 % of the shifts, no unit has an absolute r above the chance level. The column
    "untrained" has the largest absolute r of the same network before its training, which echoes
    the last tokens. Training has made a unit follow a feature if its absolute r is above both.

    The second table shows how often gates are saturated: the share of values below 0.1 and above
    0.9. For cells without gates it is that of h: below -0.9 and above 0.9, or zeros for ReLU.
    """
    require_valid(UnitsConfig, MachineConfig, given=given)
    config = UnitsConfig(**select_fields(UnitsConfig, given))
    language_model = open_model(model, MachineConfig(**select_fields(MachineConfig, given)))
    text = read_text(file, encoding=encoding or language_model.encoding)

    from rnnlm_cli.inspect.activations import compute_activations
    from rnnlm_cli.inspect.features import compute_features
    from rnnlm_cli.inspect.units import find_largest, rank_units
    from rnnlm_cli.inspect.untrained import make_untrained
    from rnnlm_cli.text.pieces import split_pieces

    tokens_N = _encode(language_model, text, decode_argument(file))
    pieces = split_pieces(language_model.vocabulary, text)[: len(tokens_N)]
    features = compute_features(pieces)
    sentences = language_model.sentences
    activations, saturations = compute_activations(
        language_model.network, tokens_N, sentences=sentences
    )
    untrained, _ = compute_activations(
        make_untrained(language_model), tokens_N, sentences=sentences
    )
    rankings = rank_units(activations, features, num_shuffles=config.shuffles)
    largest = find_largest(untrained, features)
    hidden_size = language_model.network.config.hidden_size
    rows = [
        row for ranking in rankings
        for row in _list_units(ranking, largest[ranking.feature], config.top, hidden_size)
    ]
    if json:
        for each in (*rows, *map(_describe_gate, saturations)):
            print(json_format.dumps(each))
    else:
        _print_tables(rows, saturations)
    constant = [name for name in features if name not in largest]
    if constant:
        StderrMessages().note(
            f"left out, because they are the same in the whole text: {', '.join(constant)}"
        )


def _encode(model: LanguageModel, text: str, name: str) -> Ids:
    """Return the tokens of a text, or of its beginning if it is long. Raises: TextError."""
    tokens_N = model.vocabulary.encode(text)
    if len(tokens_N) < 2:
        raise TextError(
            f"{name}: has {len(tokens_N)} tokens of this model; two or more are needed. "
            "Name a longer text"
        )
    config = model.network.config
    max_tokens = min(MAX_TOKENS, MAX_ACTIVATIONS // (config.num_layers * config.hidden_size))
    if len(tokens_N) > max_tokens:
        StderrMessages().note(f"the first {max_tokens:,} of {len(tokens_N):,} tokens are read")
    return tokens_N[:max_tokens]


def _list_units(
    ranking: FeatureRanking, untrained: float, num_units: int, hidden_size: int
) -> Iterator[dict[str, Any]]:
    """Yield the best units of a feature as JSON writes them.

    Args:
        untrained: the largest absolute correlation before the training.
    """
    for rank, unit in enumerate(ranking.order[:num_units], start=1):
        r = float(ranking.r_U[unit])
        yield {
            "feature": ranking.feature,
            "rank": rank,
            "layer": unit // hidden_size + 1,
            "unit": unit % hidden_size,
            "r": r,
            "chance": ranking.chance,
            "untrained": untrained,
            "above_chance": abs(r) > ranking.chance,
        }


def _describe_gate(saturation: Saturation) -> dict[str, Any]:
    """Return the saturation of a gate as JSON writes it."""
    return {
        "layer": saturation.layer, "gate": saturation.name, "low": saturation.low,
        "high": saturation.high,
    }


def _print_tables(rows: Sequence[dict[str, Any]], saturations: Sequence[Saturation]) -> None:
    """Print the units and the gates, each under its headings."""
    print_headings(UNIT_COLUMNS)
    for row in rows:
        print(format_row([
            row["feature"], str(row["rank"]), str(row["layer"]), str(row["unit"]),
            f"{row['r']:z.3f}", f"{row['chance']:.3f}", f"{row['untrained']:.3f}",
            "yes" if row["above_chance"] else "no",
        ], UNIT_COLUMNS), flush=True)
    print_headings(GATE_COLUMNS)
    for each in saturations:
        high = "-" if each.high is None else f"{each.high:.3f}"
        cells = [str(each.layer), each.name, f"{each.low:.3f}", high]
        print(format_row(cells, GATE_COLUMNS), flush=True)
