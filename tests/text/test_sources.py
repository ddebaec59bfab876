"""The names on the command line -> files."""

import pytest

from rnnlm_cli.errors import TextError
from rnnlm_cli.text.sources import HEAD_BYTES, Sources, find_files


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes files of these names into the current folder."""
    monkeypatch.chdir(tmp_path)

    def make(*names, data=b"a text\n"):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    return make


def test_file_names_are_returned_unchanged_in_their_order(write):
    write("b", "a")
    found = find_files(["b", "-", "missing", "a", "b"])
    assert found.files == ("b", "-", "missing", "a", "b") and found.skipped == ()


def test_a_folder_gives_its_texts_sorted_without_hidden_binary_and_model_files(write):
    write("in/b", "in/a.txt", "in/z/y/x", "in/C", "outside")
    write("in/.hidden", "in/.git/config", "in/m.rnnlm", "in/m.rnnlm.state", "in/z/n.rnnlm.part")
    write("in/picture", "in/z/clip", data=b"GIF\0")
    write("in/packed.gz", "in/packed.zst", data=b"\x1f\x8b\0\0")
    record = b'{"step": 1, "seconds": 2.5, "tokens": 9, "loss": 1.5, "valid_nats": null}\n'
    write("in/history", data=record)
    write("in/steps", data=b"a " + record)
    write("in/late", data=b"a" * HEAD_BYTES + b"\0")
    found = find_files(["in"])
    assert found.files == (
        "in/C", "in/a.txt", "in/b", "in/late", "in/packed.gz", "in/packed.zst", "in/steps",
        "in/z/y/x",
    )
    assert found.skipped == ("in/history", "in/picture", "in/z/clip")


def test_any_bytes_accepts_binary_files(write):
    write("in/a", data=b"\0")
    write("in/b", "in/.hidden", "in/m.rnnlm")
    found = find_files(["in"], any_bytes=True)
    assert found.files == ("in/a", "in/b") and found.skipped == ()


@pytest.mark.parametrize("names", [[], ["in/.hidden"], ["in/m.rnnlm"], ["in/picture"]])
def test_a_folder_without_a_text_is_refused(write, tmp_path, names):
    (tmp_path / "in").mkdir()
    write(*names, data=b"\0")
    with pytest.raises(TextError, match=r"^in: is a folder without a text"):
        find_files(["in"])


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("*.txt", ["a.txt", "b.txt"]),
        ("?.txt", ["a.txt", "b.txt"]),
        ("[!b].txt", ["a.txt"]),
        ("*", ["a.txt", "b.txt"]),  # folders do not match
        ("c*/*.txt", ["c/d.txt", "cc/d.txt"]),
        ("**/*.txt", ["a.txt", "b.txt", "c/d.txt", "c/e/f.txt", "cc/d.txt"]),
        ("c/**", ["c/d.txt", "c/e/f.txt", "c/e/g"]),
        ("[[]x].txt", ["[x].txt"]),
    ],
)
def test_a_pattern_gives_the_matching_files_sorted(write, files, pattern):
    write("c/e/g", "cc/d.txt", "b.txt", "c/e/f.txt", "c/d.txt", "a.txt", ".hidden.txt")
    if "[x].txt" in files:
        write("[x].txt")
    assert find_files([pattern]).files == tuple(files)


@pytest.mark.parametrize("pattern", ["*.md", "c?/*", "nowhere/**/*.txt", "d[ir]r"])
def test_a_pattern_that_fits_no_file_is_refused(write, tmp_path, pattern):
    write("a.txt")
    (tmp_path / "dir").mkdir()
    with pytest.raises(TextError, match="no file fits this pattern") as caught:
        find_files(["a.txt", pattern])
    assert str(caught.value).startswith(f"{pattern}: ")


def test_an_existing_file_with_the_name_of_a_pattern_is_that_file(write, tmp_path):
    write("x[1].txt", "x1.txt", "in[1]/b", "in1/a")
    (tmp_path / "link*").symlink_to("missing")
    found = find_files(["x[1].txt", "in[1]", "link*"])
    assert found.files == ("x[1].txt", "in[1]/b", "link*")


def test_names_keep_their_order_and_the_files_of_each_are_sorted(write):
    write("z.txt", "y.txt", "in/b", "in/a", "in/picture")
    write("in/picture", data=b"\0")
    found = find_files(["in", "-", "*.txt", "in/b"])
    assert found.files == ("in/a", "in/b", "-", "y.txt", "z.txt", "in/b")
    assert found.skipped == ("in/picture",)


def test_absolute_sources_give_the_same_files_from_any_folder(write, tmp_path, monkeypatch):
    write("a", "in/b", "c.txt", "d.txt", "elsewhere/c.txt")
    absolute = Sources(("a", "-", "in"), ("*.txt",), ("./in/../a",)).absolute()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert find_files(absolute.train).files == (f"{tmp_path}/a", "-", f"{tmp_path}/in/b")
    assert find_files(absolute.valid).files == (f"{tmp_path}/c.txt", f"{tmp_path}/d.txt")
    assert absolute.test == (f"{tmp_path}/a",)
    assert absolute.absolute() == absolute


def test_a_pattern_is_made_absolute_in_a_folder_named_like_a_pattern(
    write, tmp_path, monkeypatch
):
    write("in[1]/a.txt")
    monkeypatch.chdir(tmp_path / "in[1]")
    absolute = Sources(("*.txt",)).absolute()
    monkeypatch.chdir(tmp_path)
    assert find_files(absolute.train).files == (f"{tmp_path}/in[1]/a.txt",)


@pytest.mark.parametrize(
    ("sources", "read"),
    [
        (Sources(("-",)), True),
        (Sources(("a",), ("-",)), True),
        (Sources(("a",), test=("b", "-")), True),
        (Sources(("a", "./-"), ("b",), ("c-",)), False),
    ],
)
def test_a_dash_is_standard_input(sources, read):
    assert sources.reads_stdin is read and sources.absolute().reads_stdin is read
