"""The shape of the network."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from rnnlm_cli.config.option import MAX_SIZE, Config, Option, number, option, whole_number
from rnnlm_cli.config.text import MAX_VOCABULARY
from rnnlm_cli.errors import ConfigError

MAX_LAYERS = 64

CellName = Literal["elman_tanh", "elman_relu", "gru", "lstm"]
CellKind = Literal["elman", "gru", "lstm"]  # on the command line, with --nonlinearity
Nonlinearity = Literal["tanh", "relu"]

NONLINEARITY = Option(
    help="Nonlinearity of the Elman cell.", panel="Model", default_text="tanh", type=Nonlinearity
)


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Config):
    """The shape of the network.

    Args:
        unknown_trained: whether the training text had unknown tokens, so that the network has
            learnt a probability for <unk>.
    """

    vocab_size: int = option(  # the vocabulary's size, not the option of that name
        0, None, whole_number(2, MAX_VOCABULARY), flags=("vocabulary",)
    )
    unknown_trained: bool = option(True, None)
    cell: CellName = option("gru", "Recurrent cell.", type=CellKind)
    num_layers: int = option(
        1, "Number of recurrent layers.", whole_number(1, MAX_LAYERS), flags=("--layers",)
    )
    embedding_size: int = option(
        64, "Embedding dimension.", whole_number(1, MAX_SIZE), panel="Model",
        default_text="64; the hidden size at word and bpe level and with --tied",
    )
    hidden_size: int = option(
        256, "Hidden size of each layer.", whole_number(1, MAX_SIZE),
        default_text="chosen from the time budget",
    )
    tied: bool = option(
        False, "Use one table for the input and the output embeddings.", panel="Model",
        default_text="--tied at word and bpe level",
    )
    dropout: float = option(
        0.0, "Dropout probability on the input of each layer and of the output.",
        number(minimum=0, below=1), default_text="chosen from text and budget",
    )

    @classmethod
    def find_conflicts(cls, known: Mapping[str, Any]) -> Iterator[str]:
        """Yield tied tables of different sizes."""
        sizes = known.get("embedding_size"), known.get("hidden_size")
        if known.get("tied") and None not in sizes and sizes[0] != sizes[1]:
            yield (
                f"--tied: --embedding-size {sizes[0]} and --hidden-size {sizes[1]} given; they "
                "must be equal, as both share one table"
            )


def cell_name(kind: CellKind | None, nonlinearity: Nonlinearity | None) -> CellName | None:
    """Return the cell that --cell and --nonlinearity name together; None if neither is given.

    Raises: ConfigError for a nonlinearity of a cell that has no choice of one.
    """
    if kind == "elman":
        return cast(CellName, f"elman_{nonlinearity or 'tanh'}")
    if nonlinearity is not None:
        raise ConfigError(
            f"--nonlinearity: has no meaning with --cell {kind or ModelConfig.cell}; elman has one"
        )
    return kind
