"""The command line of corpora/fetch.py: its options, its list and its progress bar."""

import hashlib
import io
import sys
from functools import partial

import pytest

from tests.corpora.pages import PORTAL, TEXT, assert_failed, checksum, contents


def test_a_terminal_shows_a_progress_bar_in_bytes(fetch, script, monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(script, "tqdm", partial(script.tqdm, mininterval=0))
    assert fetch("/text")[0] == 0
    bar, line = terminal.getvalue().rstrip("\n").rsplit("\r", 1)
    assert f" 65.5k/{len(TEXT) / 1000:.0f}k " in bar and "B/s" in bar
    assert line.startswith("fetch: ")


@pytest.mark.parametrize(
    ("arguments", "subject"),
    [
        (["macbeth"], "argument NAME: invalid choice: 'macbeth' (choose from "),
        (["text8", "--two", "x"], "unrecognized arguments: --two x"),
        (["text8", "--to"], "argument --to: expected one argument"),
        (["--url", "http://a.b/c"], "argument --url: given without NAME"),
        (["text8", "--url", "a.b/c"], "argument --url: 'a.b/c' does not begin with http"),
    ],
)
def test_a_usage_error_is_one_line(script, arguments, subject, capsys):
    assert script.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"fetch: error: {subject}") and err.endswith(". See --help\n")
    assert err.count("\n") == 1
    if arguments == ["macbeth"]:
        assert all(name in err for name in script.CORPORA)


def test_no_argument_lists_the_corpora(script, monkeypatch, capsys):
    unknown = script.Corpus(url="", checksum="", num_bytes=None, about="Lost.")
    monkeypatch.setitem(script.CORPORA, "cardenio", unknown)
    assert script.main([]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert [line.split()[0] for line in out.splitlines()] == list(script.CORPORA)
    assert "tiny-shakespeare    1.1 MB  Plays of Shakespeare, " in out
    assert "cardenio                 ?  Lost.\n" in out


def test_every_checksum_has_the_length_of_its_algorithm(script):
    for corpus in script.CORPORA.values():
        algorithm, digits = corpus.checksum.split(":")
        assert len(bytes.fromhex(digits)) == hashlib.new(algorithm).digest_size


def test_another_address_replaces_the_known_one(fetch, server, closed_port, tmp_path):
    url = f"http://127.0.0.1:{server.server_port}/text"
    assert fetch("/text", "--url", url, port=closed_port)[0] == 0
    assert contents(tmp_path) == {"hamlet.txt": TEXT}


def test_a_text_from_another_address_must_have_the_known_checksum(fetch, server, tmp_path):
    url = f"http://127.0.0.1:{server.server_port}/portal"
    message = f"error: {url}: the checksum is {checksum(PORTAL)}; {checksum(TEXT)} is needed"
    assert_failed(fetch("/text", "--url", url), message)
    assert contents(tmp_path) == {}
