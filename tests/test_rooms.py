"""The import rule of the house, read from the code with ast."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "rnnlm_cli"

# Each room may import what stands before it. Rooms of one rank do not import each other.
RANKS = (
    {"errors", "__init__"},
    {"config", "messages", "files"},
    {"text", "nn", "machine", "threads"},
    {"windows", "model_file", "module_shapes"},
    {"score", "weights_file"},
    {"generate"},
    {"language_model"},
    {"train"},
    {"runs"},
    {"plots", "inspect", "bench"},
    {"page"},
    {"cli"},
    {"__main__"},
)
RANK_OF = {room: rank for rank, rooms in enumerate(RANKS) for room in rooms}


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def imports_of(path):
    """(module, line) of each import, those inside functions and under TYPE_CHECKING too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield node.module, node.lineno


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_only(path):
    room = room_of(path)
    if room == "__init__":  # it gives LanguageModel away lazily
        return
    for module, line in imports_of(path):
        if module == "rnnlm_cli" or not module.startswith("rnnlm_cli."):
            continue
        other = module.split(".")[1]
        assert other == room or RANK_OF[other] < RANK_OF[room], f"{path}:{line} imports {module}"


@pytest.mark.parametrize(
    ("rooms", "libraries"),
    [
        ({"text", "config", "errors", "messages"}, {"torch", "safetensors", "matplotlib"}),
        ({"nn"}, {"safetensors", "tqdm", "typer"}),
        ({"text", "nn", "windows", "model_file", "score", "generate"}, {"typer"}),
        ({"language_model", "train", "weights_file", "module_shapes", "files", "runs"}, {"typer"}),
        (
            {"config", "messages", "files", "text", "nn", "machine", "windows", "model_file",
             "weights_file", "score", "generate", "language_model", "train", "runs",
             "inspect", "page"},
            {"matplotlib"},
        ),
    ],
)
def test_rooms_do_not_know_libraries(rooms, libraries):
    for path in modules():
        if room_of(path) in rooms:
            for module, line in imports_of(path):
                assert module.split(".")[0] not in libraries, f"{path}:{line}: {module}"
