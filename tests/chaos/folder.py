"""A folder of user files and links: texts, files in the way of a run, and a cache with guests."""

import json
import os
import random
import shutil
import stat
from pathlib import Path

from rnnlm_cli.files.run_files import RunFileKind, identify

OUTS = ("model.rnnlm", "m", "data", "photo", "sub/n.rnnlm", "locked/m", "link.rnnlm", "dangling")
ENDINGS = ("", ".old", ".state", ".jsonl", ".png")
IN_THE_WAY = 0.03  # probability that a user file has the name of a file of a run


def make_text(letters, size, seed):
    """Return lines of words, some of which are frequent."""
    draw = random.Random(seed)
    words = ["".join(draw.choices(letters, k=draw.randint(1, 7))) for _ in range(40)]
    lines = (" ".join(draw.choices(words, range(1, 41), k=draw.randint(2, 9))) for _ in range(size))
    return "\n".join(lines) + "\n"


TEXTS = {
    "text.txt": make_text("abcdefgh", 120, 1),
    "b\u00fccher.txt": make_text("abc\u00e9\u00fc\u4e2d\u0436", 100, 2),
}


def make_folder(root, draw, models):
    """Fill an empty folder with user files.

    Args:
        draw: random.Random.
        models: contents of files that rnnlm wrote, one of which may be in the way of a run.
    Returns: the snapshot of everything in it that rnnlm did not write.
    """
    for name in ("sub", "texts", "home", "locked", "archive", "cache/photos/2024"):
        (root / name).mkdir(parents=True)
    for name, text in TEXTS.items():
        (root / name).write_text(text, "utf-8")
        (root / "texts" / name).write_text(text[: len(text) // 2], "utf-8")
    (root / "data.jsonl").write_bytes(_make_json_lines(draw))
    (root / "photo.png").write_bytes(_make_picture(draw))
    (root / "other.safetensors").write_bytes(_make_foreign_weights(draw))
    (root / "binary").write_bytes(draw.randbytes(500))
    (root / "latin.txt").write_bytes("caf\u00e9 ".encode("latin-1") * 200)
    (root / "link.txt").symlink_to("text.txt")
    (root / "link.rnnlm").symlink_to("sub/n.rnnlm")
    (root / "dangling").symlink_to("sub/new")
    os.mkfifo(root / "fifo")
    for name in ("archive", "cache/photos"):
        (root / name / "entry.json").write_text('{"of": "another program"}')
    (root / "cache/photos/2024/a.jpg").write_bytes(draw.randbytes(300))
    (root / "cache/linked").symlink_to("../archive")
    (root / "cache/draft.tmp").mkdir()
    (root / "cache/draft.tmp/chapter").write_text("precious")
    for path in _list_names_of_run_files(root):
        if draw.random() < IN_THE_WAY and not os.path.lexists(path):
            _put_in_the_way(path, draw, models)
    (root / "locked").chmod(0o555)
    return take_snapshot(root)


def take_snapshot(root):
    """Return type, permissions and contents of all that rnnlm did not write, by relative path."""
    found = {}
    for folder, folders, names in os.walk(root):
        for name in (*folders, *names):
            path = Path(folder, name)
            if path.is_symlink() or identify(path) is None:
                found[str(path.relative_to(root))] = describe(path)
    return found


def describe(path):
    """Return what must not change of a file, a link or a folder; None if there is nothing."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return "link", os.readlink(path)
    if stat.S_ISREG(status.st_mode):
        with path.open("rb") as file:
            return "file", mode, file.read()
    return stat.S_IFMT(status.st_mode), mode


def find_changes(root, before):
    """Yield a line for everything in a snapshot that is not as it was.

    A history that is none may be set aside when the run beside it is resumed.
    """
    for name, described in before.items():
        path = root / name
        if describe(path) == described:
            continue
        is_history = path.suffix == ".jsonl" and identify(
            path.with_suffix(".state")
        ) is RunFileKind.CHECKPOINT
        if not (is_history and describe(Path(f"{path}.old")) == described):
            yield f"the user's {name} has changed: {described!r:.80} is now {describe(path)!r:.80}"


def remove_folder(root):
    """Delete a folder, whatever its permissions."""
    for folder, _, _ in os.walk(root):
        os.chmod(folder, 0o755)
    shutil.rmtree(root, ignore_errors=True)


def _list_names_of_run_files(root):
    for out in OUTS:
        for ending in ENDINGS:
            yield root / f"{out}{ending}"
        path = root / out
        yield path.with_name(f".{path.name}.lock")
        yield path.with_name(f".{path.name}.0badcafe.tmp")


def _put_in_the_way(path, draw, models):
    """Put a user file, or a file of another run, where a run would write one of its files."""
    kinds = ["link", "dangling link", "loop", "folder", "pipe"]
    if path.suffix != ".tmp":  # a regular file of such a name is a leftover, and may be deleted
        kinds += ["text", "picture", "lines", "weights", "cut", "ours", "read-only"]
    kind = draw.choice(kinds)
    contents = {
        "text": b"notes of the user\n", "picture": _make_picture(draw), "lines":
        _make_json_lines(draw), "weights": _make_foreign_weights(draw),
        "cut": draw.choice(models)[:-20], "ours": draw.choice(models), "read-only": b"keep this",
    }
    links = {"link": "text.txt", "dangling link": "nowhere", "loop": path.name}
    if kind in links:
        path.symlink_to(links[kind])
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.write_bytes(contents[kind])
        path.chmod(0o444 if kind == "read-only" else draw.choice((0o644, 0o600)))


def _make_json_lines(draw):
    """Return a data set, or the log of another trainer."""
    if draw.random() < 0.5:
        lines = ({"text": text} for text in make_text("xyz ", 60, draw.random()).splitlines())
    else:
        lines = ({"step": step, "seconds": step / 2, "loss": 2.5} for step in range(60))
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def _make_picture(draw):
    chunk = b"\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU"
    return b"\x89PNG\r\n\x1a\n" + chunk + draw.randbytes(200)


def _make_foreign_weights(draw):
    header = json.dumps({
        "__metadata__": {"format": "pt"},
        "weight": {"dtype": "F32", "shape": [10], "data_offsets": [0, 40]},
    }).encode()
    return len(header).to_bytes(8, "little") + header + draw.randbytes(40)
