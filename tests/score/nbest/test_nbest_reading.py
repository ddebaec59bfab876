"""Files of n-best lists: their lists, their lines, and the format that all of them have."""

import gzip
import io
import sys

import pytest

from rnnlm_cli.errors import TextError
from rnnlm_cli.score.nbest.reading import NbestReader

MOSES = "0 ||| a ||| F= 1 ||| -1\n0 ||| b ||| F= 1 ||| -2\n7 ||| c ||| F= 1 ||| -3\n"


@pytest.fixture
def read(tmp_path, monkeypatch, make_format):
    """Writes files and reads them all. Returns the entries, and the error if there was one."""
    monkeypatch.chdir(tmp_path)

    def call(files, name, *, encoding="utf-8", **settings):
        for path, data in files.items():
            (tmp_path / path).write_bytes(data if isinstance(data, bytes) else data.encode())
        reader = NbestReader(list(files), encoding)
        entries = []
        try:
            nbest_format = make_format(name or reader.detect(), **settings)
            for batch in reader.read(nbest_format):
                assert batch
                entries += batch
        except TextError as error:
            return entries, str(error)
        return entries, None

    return call


def test_adjacent_lines_with_one_id_are_a_list_and_files_do_not_share_lists(read):
    entries, _ = read({"a": MOSES + MOSES, "b": "7" + MOSES[1:]}, None)
    assert [each.list_number for each in entries] == [0, 0, 1, 2, 2, 3, 4, 5, 6]
    assert [each.hypothesis.list_id for each in entries[-3:]] == ["7", "0", "7"]
    places = [(each.path, each.file, each.line) for each in entries]
    assert places[5:7] == [("a", 0, 6), ("b", 1, 1)]


def test_a_file_is_one_list_if_the_format_has_no_ids(read):
    entries, _ = read({"a": "x\n\ny\n", "empty": "", "b": "z"}, "mikolov")
    assert [each.list_number for each in entries] == [0, 0, 0, 1]
    assert [each.file for each in entries] == [0, 0, 0, 2]
    assert [each.hypothesis.text for each in entries] == ["x", "", "y", "z"]


@pytest.mark.parametrize(("data", "encoding", "texts"), [
    (b"a b\t-1\r\nc\t-2\r\n\t-3", "utf-8", ["a b", "c", ""]),
    (b"a b\t-1\r\nc\t-2\r\n\t-3", None, ["a b", "c", ""]),
    (b"a\r\n\r\n", None, ["a", ""]),
    (b"\xc3\xa9\t-1\n\n \xd0\xb6\t-2\n", "utf-8", ["\u00e9", "", " \u0436"]),
    (b"\xe9\t-1\n", "latin-1", ["\u00e9"]),
    (b"\xe9\t-1\n", None, ["\udce9"]),
    (b"\xef\xbb\xbfa\n", "utf-8", ["a"]),
    (b"a\xe2\x80\xa8b\x0cc\x85\n", None, ["a\u2028b\x0cc\udc85"]),
    (b"\n\n", "utf-8", ["", ""]),
    (b"", "utf-8", []),
])
def test_every_line_is_read_once_with_any_line_end(read, data, encoding, texts):
    entries, error = read({"a": data}, "tsv", encoding=encoding)
    assert [each.hypothesis.text for each in entries] == texts and error is None


def test_compressed_files_and_stdin_are_read(read, monkeypatch, make_format):
    entries, _ = read({"a.gz": gzip.compress(MOSES.encode())}, None)
    assert len(entries) == 3
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(MOSES.encode())))
    reader = NbestReader(["-"], "utf-8")
    assert reader.detect() == "moses"
    assert [len(batch) for batch in reader.read(make_format("moses"))] == [3]


def test_the_lines_before_a_broken_one_are_read_and_it_is_named(read):
    entries, error = read({"a": MOSES, "b": MOSES + "0 ||| a\n" + MOSES}, None)
    assert len(entries) == 6
    assert error == (
        "b: line 4 (format moses) has 2 fields separated by |||; 4 or more are needed. "
        "Name the format with --format if it is another one"
    )
    _, error = read({"a": "u 1\n"}, "kaldi")
    assert error.startswith("a: line 1 (format kaldi) begins with 'u'; ")
    assert error.endswith(", as in utt-id-1")


def test_a_line_far_behind_the_first_chunk_has_its_number(read):
    lines = [f"utt-{number} {'a ' * 50}\n" for number in range(30_000)]
    lines[25_000] = "broken\n"
    entries, error = read({"a": "".join(lines)}, None)
    assert len(entries) == 25_000 and error.startswith("a: line 25001 ")
    assert [each.line for each in entries] == list(range(1, 25_001))


def test_files_that_look_like_different_formats_are_refused_unless_the_format_is_named(read):
    files = {"none": "", "a": MOSES, "also": "", "b": "a b\n"}
    entries, error = read(files, None)
    assert len(entries) == 3
    assert error.startswith("b: looks like the format mikolov, and the file before like moses; ")
    entries, error = read(files, "mikolov")
    assert len(entries) == 4 and error is None


def test_a_header_of_a_decipher_list_is_refused_with_the_way_out(read):
    _, error = read({"a": "NBestList1.0\n(-5) a b\n"}, None)
    assert "a: line 1 (format srilm) is NBestList1.0, the header of a Decipher list; " in error
    assert error.endswith("nbest-lattice -nbest FILE -write-nbest NEW' writes one")


def test_empty_files_have_no_format(tmp_path):
    (tmp_path / "a").write_text("")
    assert NbestReader([str(tmp_path / "a")] * 2, "utf-8").detect() is None
