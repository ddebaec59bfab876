"""Random commands: training by a recipe whose result is known, and everything else."""

from dataclasses import dataclass
from itertools import product

from tests.chaos.folder import ENDINGS, OUTS, TEXTS

CELLS = {
    "elman_tanh": ("--cell", "elman"), "elman_relu": ("--cell", "elman", "--nonlinearity", "relu"),
    "gru": ("--cell", "gru"), "lstm": ("--cell", "lstm"),
}
LEVELS = {
    "char": ("--level", "char", "--layers", "2"),
    "word": ("--level", "word", "--softmax", "sampled", "--softmax-samples", "6"),
    "byte": ("--level", "byte", "--optimizer", "sgd"),
    "bpe": ("--level", "bpe", "--vocab-size", "280"),
}
TINY = (
    "--hidden-size", "8", "--embedding-size", "4", "--batch-size", "2", "--bptt", "8",
    "--dropout", "0.1",
)
STEPS = ("--steps", "20")
WILD_SEED = 1000  # of runs without a recipe


@dataclass(frozen=True)
class Recipe:
    """A run whose result is known. Its seed tells it from all others."""

    seed: int
    cell: str
    level: str
    text: str  # the name of a file

    @property
    def options(self):
        return (*TINY, *CELLS[self.cell], *LEVELS[self.level], "--seed", str(self.seed))


RECIPES = [Recipe(seed, *each) for seed, each in enumerate(product(CELLS, LEVELS, TEXTS))]


@dataclass(frozen=True)
class Command:
    """A command. A recipe is given if it begins a run by one; `out` if it trains."""

    arguments: tuple[str, ...]
    stdin: bytes = b""
    recipe: Recipe | None = None
    out: str | None = None
    restarts: bool = False


def draw_command(draw, out):
    """Return a random command, most likely about one model file."""
    makers = {
        train_by_recipe: 6, _resume: 3, _train_wildly: 2, _score: 1, _generate: 1, _export: 2,
        _plot: 1, _show_info: 1, _list_cache: 1,
    }
    (make,) = draw.choices(list(makers), list(makers.values()))
    return make(draw, draw.choice(OUTS) if draw.random() < 0.1 else out)


def train_by_recipe(draw, out):
    """Return a command that trains a model by a recipe."""
    recipe = draw.choice(RECIPES)
    by_stdin, restarts = draw.random() < 0.2, draw.random() < 0.3
    text = TEXTS[recipe.text].encode() if by_stdin else b""
    arguments = [
        "train", "-" if by_stdin else recipe.text, *recipe.options, *STEPS, "--out", out,
        "--save-every", draw.choice(("0.000001", "0.0005", "1")),
    ]
    if restarts:
        arguments.append("--restart")
    return Command(tuple(arguments), text, recipe, out, restarts)


def _resume(draw, out):
    return Command(("train", "--resume", "--out", out), out=out)


def _train_wildly(draw, out):
    """Train on anything, from anything, with anything else."""
    text = draw.choice((*TEXTS, *_FILES, "texts"))
    more = draw.choice((
        (), ("--init", draw.choice(OUTS)), ("--init", "other.safetensors"), ("--dry-run",),
        ("--valid", draw.choice(_FILES)), ("--test", "text.txt"), ("--cache-dir", "locked/c"),
        ("--cache-dir", "text.txt"), ("--restart",), ("--steps", "7", "--epochs", "2"),
    ))
    restarts = "--restart" in more
    steps = () if "--steps" in more else STEPS
    arguments = ("train", text, *TINY, "--seed", str(WILD_SEED), *steps, *more, "--out", out)
    return Command(arguments, out=None if "--dry-run" in more else out, restarts=restarts)


def _score(draw, out):
    more = draw.choice((
        ("ab cab", "fgh"), ("-f", "text.txt"), ("-f", draw.choice(_FILES), "--json"), ("-",),
        ("--document", "text.txt"), ("-f", "text.txt", "--tokens"), ("-f", "-", "--json"),
    ))
    return Command(("score", "-m", out, *more), TEXTS["text.txt"].encode())


def _generate(draw, out):
    more = draw.choice((
        ("--seed", "1"), ("ab", "--top-p", "0.9"), ("-f", "link.txt"), ("--samples", "3", "--json"),
        ("--stop", "e", "--stop", " "), ("--beam", "2"), ("--prompts", "text.txt", "--json"),
        ("--prompts", draw.choice(_FILES), "--unk", "skip"), ("--prompts", "-", "--until-end"),
        ("--novelty", "text.txt"), ("--novelty", draw.choice(_FILES), "--json"),
    ))
    return Command(("generate", "-m", out, "--n", "30", *more), TEXTS["text.txt"].encode())


def _export(draw, out):
    names = ("weights", "weights", *_FILES, "sub", "nowhere/w", "cache/w", "fifo")
    return Command(("export", draw.choice(names), "-m", out))


def _plot(draw, out):
    more = draw.choice(((), ("-o", "plot.png"), ("-o", draw.choice(_FILES))))
    return Command(("plot", out, *more))


def _show_info(draw, out):
    return Command(("info", draw.choice((out, f"{out}{draw.choice(ENDINGS)}", *_FILES))))


def _list_cache(draw, out):
    return Command(("cache", *draw.choice(((), ("--clear",), ("--clear",), ("--clear-all",)))))


_FILES = ("data.jsonl", "photo.png", "other.safetensors", "binary", "latin.txt", "link.txt")
